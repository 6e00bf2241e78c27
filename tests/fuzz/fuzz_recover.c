/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest's rings when a daemon was killed and the next takes them over: any bytes in the page,
 * any indices. Each slot that is looked at is answered once, in its place, and nothing else in the page
 * changes; what is taken afterwards is judged as ever.
 */
#include <errno.h>

#include "backend/net/recover.h"
#include "backend/net/rx.h"
#include "backend/net/tx.h"
#include "tests/fuzz/input.h"

static struct xsp_tx_batch b;
static struct xsp_rx_batch rb;
static uint8_t before[XSP_PAGE_SIZE];

/* `count` slots of n bytes from `from` on, and only those, may differ from what was there. */
static void only(const struct xsp_ring_back *r, uint32_t from, uint32_t count, size_t n)
{
	const uint8_t *now = (const uint8_t *)r->sring;
	size_t begin = sizeof(*r->sring), end = begin + r->size * n;

	HOLDS(!memcmp(now, before, begin) && !memcmp(now + end, before + end, XSP_PAGE_SIZE - end));
	for (uint32_t i = count; i < r->size; i++) {
		size_t at = begin + ((from + i) & (r->size - 1)) * n;

		HOLDS(!memcmp(now + at, before + at, n));
	}
}

/* What every recovery leaves: all that was taken is answered. Returns how many slots. */
static uint32_t recovered(const struct xsp_ring_back *r, uint32_t from, int n)
{
	uint32_t pending = xsp_load(&r->sring->req_prod) - from;

	HOLDS((n == -EPROTO) == (pending > r->size));
	HOLDS(r->rsp_prod_pvt == r->req_cons && r->req_cons - from == (n < 0 ? 0 : (uint32_t)n));
	HOLDS(n < 0 || (uint32_t)n <= pending);
	return n < 0 ? 0 : (uint32_t)n;
}

static void transmit(struct xsp_ring_back *r, uint32_t from)
{
	struct xsp_tx_gate gate = { 0 };
	struct xsp_net_tx_req req;
	const char *why = NULL;
	int n = xsp_tx_recover(r);
	uint32_t answered = recovered(r, from, n);

	for (uint32_t i = from; i != from + answered; i++) { /* as the guest reads it */
		memcpy(&req, xsp_net_tx_slot(r->sring, i), sizeof(req));
		HOLDS((int16_t)(req.gref >> 16) == XSP_NET_DROPPED ||
		      (int16_t)(req.gref >> 16) == XSP_NET_NULL);
	}
	if (n < 0)
		return;
	if (r->req_cons != xsp_load(&r->sring->req_prod)) { /* it ended where no answer is */
		memcpy(&req, xsp_net_tx_slot(r->sring, r->req_cons), sizeof(req));
		HOLDS((req.gref & 0xffff) != req.id || (int16_t)(req.gref >> 16) > XSP_NET_OKAY ||
		      (int16_t)(req.gref >> 16) < XSP_NET_DROPPED);
	}
	if (xsp_tx_take(r, &gate, &b, &why))
		return;
	xsp_tx_respond(r, &b);
	HOLDS(r->rsp_prod_pvt == r->req_cons);
}

static void receive(struct xsp_ring_back *r, uint32_t from)
{
	struct xsp_net_offload o = { 0 };
	struct xsp_net_hash_value hash = { 0 };
	static const uint8_t data[100];
	union xsp_net_rx_slot slot;
	int n = xsp_rx_recover(r);
	uint32_t answered = recovered(r, from, n);

	for (uint32_t i = from; i != from + answered; i++) {
		memcpy(&slot, xsp_net_rx_slot(r->sring, i), sizeof(slot));
		HOLDS(slot.rsp.status == XSP_NET_ERROR && !slot.rsp.offset && !slot.rsp.flags);
	}
	if (n < 0 || xsp_ring_back_pending(r) < 1)
		return;
	rb.n_segs = rb.n_answers = 0;
	xsp_rx_place(r, data, sizeof(data), &o, &hash, &rb);
	xsp_rx_respond(r, &rb);
	HOLDS(r->rsp_prod_pvt == r->req_cons);
}

/* A slot that reads as an answer would, or nearly. */
static void answer(struct input *in, struct xsp_sring *s, bool tx, uint32_t at)
{
	uint8_t how = eat8(in), flags = eat8(in);
	int16_t status = (int16_t)(how & 1 ? 60 : -(int)(how >> 6));

	if (tx) {
		struct xsp_net_tx_req req = { .id = (uint16_t)at, .flags = flags & 15, .size = 100 };

		req.gref = (how & 2 ? (uint32_t)at & 0xffff : 7) |
			   (uint32_t)(uint16_t)(how & 1 ? 0 : status) << 16;
		if (how & 4)
			req = (struct xsp_net_tx_req){ .gref = (uint32_t)XSP_NET_NULL << 16 };
		memcpy(xsp_net_tx_slot(s, at), &req, sizeof(req));
	} else {
		struct xsp_net_rx_rsp rsp = { .id = (uint16_t)at, .flags = flags, .status = status };

		memcpy(xsp_net_rx_slot(s, at), &rsp, sizeof(rsp));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	struct xsp_sring *s = aligned_alloc(XSP_PAGE_SIZE, XSP_PAGE_SIZE);
	struct xsp_ring_back r;
	uint8_t how = eat8(&in);
	bool tx = how & 1;
	size_t slot = tx ? sizeof(struct xsp_net_tx_req) : sizeof(union xsp_net_rx_slot);
	uint32_t at = how & 2 ? eat32(&in) : 0, n = how & 4 ? eat32(&in) : eat8(&in);

	memset(s, 0, XSP_PAGE_SIZE);
	for (uint32_t i = at; in.left && i - at < n % 257; i++) {
		uint8_t kind = eat8(&in);

		if (kind & 3)
			answer(&in, s, tx, i);
		else
			eat(&in, tx ? xsp_net_tx_slot(s, i) : xsp_net_rx_slot(s, i), slot);
	}
	xsp_store(&s->rsp_prod, at);
	xsp_store(&s->req_prod, at + n);
	memcpy(before, s, XSP_PAGE_SIZE);
	xsp_ring_back_init(&r, s, tx ? XSP_NET_TX_SLOTS : XSP_NET_RX_SLOTS, xsp_load(&s->rsp_prod));
	if (how & 8) { /* the recovery alone */
		int err = tx ? xsp_tx_recover(&r) : xsp_rx_recover(&r);

		only(&r, at, recovered(&r, at, err), slot);
	} else if (tx) {
		transmit(&r, at);
	} else {
		receive(&r, at);
	}
	free(s);
	return 0;
}
