/* SPDX-License-Identifier: MIT */
/* A block frontend by hand: see evil.h. */
#include "tests/evil/evil.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- up and down ------------------------------------------------------------------------------- */

int guest_open(struct guest *g, uint32_t domid, uint32_t devid)
{
	int err = end_open(&g->end, "vbd", domid, devid);

	if (err)
		return err;
	g->data = xengntshr_share_pages(g->end.xgs, 0, PAGES, g->ref, 1);
	return g->data ? 0 : -errno;
}

static void drop_ring(struct guest *g)
{
	if (g->ring)
		xengntshr_unshare(g->end.xgs, g->ring, 1u << g->order);
	if (g->port)
		xenevtchn_unbind(g->end.xce, g->port);
	g->ring = NULL;
	g->port = 0;
}

void guest_close(struct guest *g)
{
	end_close(&g->end);
	drop_ring(g);
}

bool guest_begin(struct guest *g)
{
	static const char *const keys[] = { "ring-ref", "ring-ref0", "ring-ref1", "ring-ref2",
					    "ring-ref3", "ring-page-order", "event-channel", "protocol",
					    "multi-queue-num-queues" };

	guest_close(g);
	return end_begin(&g->end, keys, sizeof(keys) / sizeof(keys[0]));
}

void guest_make_ring(struct guest *g, unsigned int order, enum xsp_blk_abi abi)
{
	drop_ring(g);
	g->order = order;
	g->abi = abi;
	g->size = xsp_blk_ring_slots(order);
	g->req_prod = g->rsp_cons = 0;
	g->ring = xengntshr_share_pages(g->end.xgs, 0, 1 << order, g->ring_ref, 1);
	if (!g->ring) {
		perror("xsp-evil: no pages for a ring");
		exit(2);
	}
	memset(g->ring, 0, (size_t)XSP_PAGE_SIZE << order);
	xsp_sring_init(g->ring);
	g->port = (evtchn_port_t)xenevtchn_bind_unbound_port(g->end.xce, 0);
}

void guest_keys(struct guest *g)
{
	char key[24];

	if (g->order)
		end_write(&g->end, "ring-page-order", "%u", g->order);
	for (unsigned int i = 0; i < 1u << g->order; i++) {
		snprintf(key, sizeof(key), "ring-ref%u", i);
		end_write(&g->end, g->order ? key : "ring-ref", "%u", g->ring_ref[i]);
	}
	end_write(&g->end, "event-channel", "%u", g->port);
	end_write(&g->end, "feature-persistent", "%d", g->persistent);
}

bool guest_connect(struct guest *g, unsigned int order, enum xsp_blk_abi abi, const char *protocol)
{
	char *sectors;

	if (!guest_begin(g))
		return false;
	guest_make_ring(g, order, abi);
	guest_keys(g);
	if (protocol)
		end_write(&g->end, "protocol", "%s", protocol);
	end_write(&g->end, "state", "3");
	if (end_wait(&g->end, 1u << 4 | 1u << 5 | 1u << 6, PATIENCE_MS) != 4)
		return false;
	sectors = end_read(&g->end, g->end.be, "sectors");
	g->sectors = sectors ? strtoull(sectors, NULL, 10) : 0;
	free(sectors);
	end_write(&g->end, "state", "4");
	return g->sectors > 0;
}

/* --- I/O --------------------------------------------------------------------------------------- */

void *guest_slot(struct guest *g, uint32_t index)
{
	return xsp_blk_slot(g->ring, g->abi, index & (g->size - 1));
}

struct xsp_blk_req guest_request(struct guest *g, uint8_t op, uint64_t sector, unsigned int nr_segs,
				 unsigned int page)
{
	struct xsp_blk_req req = { .op = op, .nr_segs = (uint8_t)nr_segs, .id = ++g->next_id,
				   .sector = sector };

	for (unsigned int i = 0; i < XSP_BLK_SEGS; i++)
		req.seg[i] = (struct xsp_blk_seg){ .gref = g->ref[(page + i) % PAGES], .last = 7 };
	return req;
}

void guest_put(struct guest *g, const struct xsp_blk_req *req)
{
	void *slot = guest_slot(g, g->req_prod++);

	if (g->abi == XSP_BLK_X86_32) {
		struct xsp_blk_req32 r = { .op = req->op, .nr_segs = req->nr_segs,
					   .handle = req->handle, .id = req->id,
					   .sector = req->sector };

		memcpy(r.rest, req->seg, sizeof(r.rest));
		memcpy(slot, &r, sizeof(r));
	} else {
		memcpy(slot, req, sizeof(*req));
	}
}

void guest_push(struct guest *g)
{
	xsp_wmb(); /* slots before req_prod; pairs with xsp_rmb in xsp_ring_back_pending */
	xsp_store(&g->ring->req_prod, g->req_prod);
	xenevtchn_notify(g->end.xce, g->port);
}

unsigned int guest_take(struct guest *g, struct xsp_blk_rsp *rsp, unsigned int n, int ms)
{
	uint64_t until = now_ms() + (uint64_t)ms;
	unsigned int got = 0;

	while (got < n) {
		if (xsp_load(&g->ring->rsp_prod) == g->rsp_cons) {
			/* Polled: a misbehaving guest's events prove nothing. */
			if (now_ms() >= until)
				break;
			nanosleep(&(struct timespec){ 0, 50000 }, NULL);
			continue;
		}
		xsp_rmb(); /* rsp_prod before the slot; pairs with xsp_wmb in xsp_ring_back_push */
		memset(&rsp[got], 0, sizeof(rsp[got]));
		memcpy(&rsp[got++], guest_slot(g, g->rsp_cons++),
		       g->abi == XSP_BLK_X86_32 ? XSP_BLK_RSP32_SIZE : sizeof(rsp[0]));
	}
	return got;
}

int16_t guest_do(struct guest *g, struct xsp_blk_req *req)
{
	struct xsp_blk_rsp rsp;

	guest_put(g, req);
	guest_push(g);
	if (guest_take(g, &rsp, 1, 5000) != 1 || rsp.id != req->id)
		return INT16_MIN;
	/* An indirect request may be answered with the operation inside it. */
	if (rsp.op != req->op && (req->op != XSP_BLK_INDIRECT || rsp.op != req->nr_segs))
		return INT16_MIN;
	return rsp.status;
}

bool guest_works(struct guest *g)
{
	struct xsp_blk_req w = guest_request(g, XSP_BLK_WRITE, 0, 2, 0);
	struct xsp_blk_req r = guest_request(g, XSP_BLK_READ, 0, 2, 2);

	for (unsigned int i = 0; i < 2 * XSP_PAGE_SIZE; i++) {
		g->data[i] = (uint8_t)(i * 7 + g->next_id);
		g->data[2 * XSP_PAGE_SIZE + i] = 0;
	}
	return guest_do(g, &w) == XSP_BLK_OKAY && guest_do(g, &r) == XSP_BLK_OKAY &&
	       !memcmp(g->data, g->data + 2 * XSP_PAGE_SIZE, 2 * XSP_PAGE_SIZE);
}
