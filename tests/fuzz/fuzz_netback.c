/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest against the network rings' back halves: any bytes in the pages, any request index.
 * Whatever is taken, the pieces of a packet lie in their pages and add up to its length, and each slot
 * is answered once, in its place.
 */
#include "backend/net/rx.h"
#include "backend/net/tx.h"
#include "tests/fuzz/input.h"

static struct xsp_tx_batch b;
static struct xsp_rx_batch rb;
static uint8_t data[17 * XSP_PAGE_SIZE];

static void judge(const struct xsp_tx_batch *t)
{
	uint32_t segs = 0;

	HOLDS(t->n_packets <= XSP_NET_BATCH && t->n_segs <= XSP_TX_SEGS);
	for (uint32_t i = 0; i < t->n_packets; i++) {
		const struct xsp_tx_packet *p = &t->packet[i];
		uint32_t sum = 0;

		HOLDS(p->n_segs <= XSP_NET_MIN_SLOTS);
		HOLDS(!p->n_segs || p->first_seg == segs);
		HOLDS(!p->n_segs || (!p->status && p->len >= XSP_ETH_HEAD && !p->mcast));
		for (uint32_t k = 0; k < p->n_segs; k++) {
			const struct xsp_tx_seg *s = &t->seg[p->first_seg + k];

			HOLDS(s->len && s->offset + s->len <= XSP_PAGE_SIZE);
			sum += s->len;
		}
		HOLDS(!p->n_segs || sum == p->len);
		segs += p->n_segs;
	}
	HOLDS(segs == t->n_segs);
}

static void transmit(struct xsp_ring_back *r)
{
	struct xsp_tx_gate gate = { 0 };
	uint32_t from = r->req_cons;
	const char *why = NULL;
	int err = xsp_tx_take(r, &gate, &b, &why);

	HOLDS(r->req_cons - from <= r->size);
	if (err) {
		HOLDS(why && *why);
		r->req_cons = r->rsp_prod_pvt = xsp_load(&r->sring->req_prod); /* a new guest */
		return;
	}
	HOLDS(b.n_answers == r->req_cons - from);
	judge(&b);
	xsp_tx_respond(r, &b);
	HOLDS(r->rsp_prod_pvt == r->req_cons);
}

static void receive(struct xsp_ring_back *r, struct input *in)
{
	struct xsp_net_offload o = { .gso_type = eat8(in) % 3, .gso_size = 1000 };
	struct xsp_net_hash_value hash = { .algorithm = eat8(in) & 1 };
	uint32_t len = 1 + eat32(in) % sizeof(data);
	int pending = xsp_ring_back_pending(r);

	if (pending < 0 || xsp_rx_slots(len, &o, &hash) > (uint32_t)pending)
		return;
	rb.n_segs = rb.n_answers = 0;
	xsp_rx_place(r, data, len, &o, &hash, &rb);
	HOLDS(rb.n_answers == xsp_rx_slots(len, &o, &hash));
	for (uint32_t i = 0; i < rb.n_segs; i++) {
		HOLDS(rb.seg[i].len && rb.seg[i].len <= XSP_PAGE_SIZE);
		HOLDS(rb.seg[i].from >= data && rb.seg[i].from + rb.seg[i].len <= data + len);
		if (eat8(in) & 1)
			xsp_rx_failed(&rb, i);
	}
	xsp_rx_respond(r, &rb);
	HOLDS(r->rsp_prod_pvt == r->req_cons);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	struct xsp_sring *s = aligned_alloc(XSP_PAGE_SIZE, XSP_PAGE_SIZE);
	struct xsp_ring_back r;

	memset(s, 0, XSP_PAGE_SIZE);
	xsp_ring_back_init(&r, s, XSP_NET_TX_SLOTS, eat8(&in) & 1 ? eat32(&in) : 0);
	xsp_store(&s->req_prod, r.req_cons);
	while (in.left) {
		uint8_t op = eat8(&in), arg = op >> 3;

		switch (op & 7) {
		case 0:
			xsp_store(&s->req_prod, eat32(&in));
			break;
		case 1:
		case 2:
			xsp_store(&s->req_prod, s->req_prod + arg);
			break;
		case 3:
		case 4: { /* a slot where the next is expected, or near */
			struct xsp_net_tx_req req;

			eat(&in, &req, sizeof(req));
			if (op & 4)
				req.flags &= XSP_NET_TX_MORE_DATA | XSP_NET_TX_EXTRA_INFO;
			memcpy(xsp_net_tx_slot(s, r.req_cons + arg), &req, sizeof(req));
			break;
		}
		case 5:
			transmit(&r);
			break;
		case 6:
			receive(&r, &in);
			break;
		default:
			eat(&in, (uint8_t *)s + eat32(&in) % (XSP_PAGE_SIZE - 64), 1u + arg);
			HOLDS(xsp_ring_back_sleep(&r) <= (int)r.size);
			xsp_ring_back_push(&r);
		}
	}
	free(s);
	return 0;
}
