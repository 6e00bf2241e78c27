/* SPDX-License-Identifier: MIT */
/* Both halves of a block ring over one set of pages, for the tests of rings; include it after cmocka.h. */
#ifndef XSP_TESTS_RING_PAIR_H
#define XSP_TESTS_RING_PAIR_H

#include <stdlib.h>

#include "ring/blkif.h"

/* Index values at which every border case starts: 0, and just before 2^31 and 2^32. */
static const uint32_t starts[] = { 0, 0x7fffffe5u, 0xffffffe5u };

struct pair {
	struct xsp_sring *s;
	struct xsp_ring_front f;
	struct xsp_blk_back b;
	unsigned int order;
};

/* A ring of 2^order pages whose indices begin at start; its pages are the caller's to free. */
static inline struct pair make(unsigned int order, enum xsp_blk_abi abi, uint32_t start)
{
	struct pair p = { .order = order };
	size_t bytes = (size_t)XSP_PAGE_SIZE << order;
	uint32_t slots = xsp_blk_ring_slots(order);

	p.s = aligned_alloc(XSP_PAGE_SIZE, bytes);
	assert_non_null(p.s);
	memset(p.s, 0xa5, bytes);
	xsp_sring_init(p.s);
	p.s->req_prod = p.s->rsp_prod = start;
	p.s->req_event = p.s->rsp_event = start + 1;
	xsp_ring_front_init(&p.f, p.s, slots);
	p.f.req_prod_pvt = p.f.req_prod_told = p.f.req_prod_pub = p.f.rsp_cons = start;
	xsp_ring_back_init(&p.b.ring, p.s, slots, start);
	p.b.abi = abi;
	return p;
}

static inline struct xsp_blk_req some_req(uint64_t id, uint8_t nr_segs)
{
	struct xsp_blk_req q = { .op = XSP_BLK_WRITE, .nr_segs = nr_segs, .handle = 3, .id = id, .sector = id * 8 };

	for (unsigned int i = 0; i < XSP_BLK_SEGS; i++)
		q.seg[i] = (struct xsp_blk_seg){ (uint32_t)id * 16 + i, 1, 6, 0 };
	return q;
}

#endif
