/* SPDX-License-Identifier: MIT */
/*
 * DPDK's rte_ring under the benchmark: one ring for requests and one for answers, a single producer and a
 * single consumer each, elements copied in and out. Header-only: the rings are set up here as rte_ring_init
 * does it (with RING_F_EXACT_SZ), so that neither DPDK's library nor its environment is needed to run.
 *
 * It has no hold-off and no way to sleep, checks no peer, and the layout is its own. "rte_ring" has elements
 * as large as a request; "rte_ring-32" only what a request with one segment fills, packed.
 */
#pragma GCC diagnostic ignored "-Wcast-qual" /* in its headers */
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"

#include <stdint.h>
#include <string.h>

#include <rte_ring_elem.h>

#include "ring/blkif.h"
#include "tools/bench/pair.h"

#define MOST 64u /* elements in one call */

struct rings {
	struct rte_ring *req, *rsp;
};

/* The two rings lie one behind the other in the shared pages. */
static struct rings rings_of(const struct pair *p, uint32_t elem)
{
	uint32_t slots = xsp_blk_ring_slots(p->order);
	struct rings r = { .req = p->pages };

	r.rsp = (struct rte_ring *)((uint8_t *)p->pages +
				    ((sizeof(struct rte_ring) + 2 * slots * elem + 127u) & ~(size_t)127));
	return r;
}

static void init(struct rte_ring *r, uint32_t slots)
{
	memset(r, 0, sizeof(*r));
	r->flags = RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ;
	r->prod.sync_type = r->cons.sync_type = RTE_RING_SYNC_ST;
	r->size = 2 * slots;
	r->mask = r->size - 1;
	r->capacity = slots;
}

struct front {
	struct rings r;
	uint32_t sent, got, elem;
};

static uint32_t reap(struct pair *p, struct front *f)
{
	struct xsp_blk_rsp rsp[MOST];
	uint32_t n = rte_ring_sc_dequeue_burst_elem(f->r.rsp, rsp, sizeof(rsp[0]), MOST, NULL);

	for (uint32_t i = 0; i < n; i++, f->got++)
		if (rsp[i].id != f->got || rsp[i].status != XSP_BLK_OKAY)
			p->wrong++;
	return n;
}

static void send(struct pair *p, struct front *f)
{
	uint8_t batch[512 * sizeof(struct xsp_blk_req)];

	for (uint32_t i = 0; i < p->batch; i++) {
		struct xsp_blk_req *q = (struct xsp_blk_req *)(batch + i * f->elem);
		uint32_t n = f->sent + i;

		q->op = XSP_BLK_READ;
		q->nr_segs = 1;
		q->handle = 51712 & 0xffff;
		q->id = n;
		q->sector = (uint64_t)n << 3;
		q->seg[0] = (struct xsp_blk_seg){ .gref = n & 1023, .first = 0, .last = 7 };
	}
	if (rte_ring_sp_enqueue_bulk_elem(f->r.req, batch, f->elem, p->batch, NULL) != p->batch)
		p->wrong++;
	f->sent += p->batch;
}

static inline void front(struct pair *p, uint32_t elem)
{
	struct front f = { .r = rings_of(p, elem), .elem = elem };

	for (;;) {
		uint32_t n;

		if (pair_stopped(p) && f.sent == f.got)
			break;
		if (p->depth - (f.sent - f.got) >= p->batch && !pair_stopped(p))
			send(p, &f);
		n = reap(p, &f);
		if (!n && (p->depth - (f.sent - f.got) < p->batch || pair_stopped(p)))
			pair_relax();
	}
	p->ops = f.got;
}

static inline void back(struct pair *p, uint32_t elem)
{
	struct rings r = rings_of(p, elem);
	uint8_t batch[MOST * sizeof(struct xsp_blk_req)];
	struct xsp_blk_rsp rsp[MOST];

	while (!pair_over(p)) {
		uint32_t n = rte_ring_sc_dequeue_burst_elem(
			r.req, batch, elem, p->batch < MOST ? p->batch : MOST, NULL);

		if (!n) {
			pair_relax();
			continue;
		}
		__asm__ __volatile__("" ::"m"(batch) : "memory"); /* used as a whole */
		for (uint32_t i = 0; i < n; i++) {
			const struct xsp_blk_req *q = (const struct xsp_blk_req *)(batch + i * elem);

			if (q->nr_segs > XSP_BLK_SEGS)
				p->wrong++;
			rsp[i] = (struct xsp_blk_rsp){ .id = q->id, .op = q->op, .status = XSP_BLK_OKAY };
		}
		if (rte_ring_sp_enqueue_bulk_elem(r.rsp, rsp, sizeof(rsp[0]), n, NULL) != n)
			p->wrong++;
	}
}

/* Before both halves run. */
static void prepare(struct pair *p, uint32_t elem)
{
	struct rings r = rings_of(p, elem);

	init(r.req, xsp_blk_ring_slots(p->order));
	init(r.rsp, xsp_blk_ring_slots(p->order));
}

static void prepare_whole(struct pair *p)
{
	prepare(p, sizeof(struct xsp_blk_req));
}

static void front_whole(struct pair *p)
{
	front(p, sizeof(struct xsp_blk_req));
}

static void back_whole(struct pair *p)
{
	back(p, sizeof(struct xsp_blk_req));
}

static void prepare_packed(struct pair *p)
{
	prepare(p, 32);
}

static void front_packed(struct pair *p)
{
	front(p, 32);
}

static void back_packed(struct pair *p)
{
	back(p, 32);
}

const struct contestant ring_rte = {
	.name = "rte_ring",
	.what = "DPDK: two rings, elements as large as a request",
	.prepare = prepare_whole,
	.front = front_whole,
	.back = back_whole,
	.poll_only = true,
	.pages = 8,
};

const struct contestant ring_rte_packed = {
	.name = "rte_ring-32",
	.what = "DPDK: two rings, only the 32 bytes that are filled",
	.prepare = prepare_packed,
	.front = front_packed,
	.back = back_packed,
	.poll_only = true,
	.pages = 8,
};
