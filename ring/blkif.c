/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Block requests and responses: in and out of the shared slots. */
#include "ring/blkif.h"

#define HEAD64 24u /* op .. sector */
#define HEAD32 20u

/*
 * A copy the compiler can neither repeat nor merge with a later look at the shared bytes: the two
 * barriers keep what was read before and after apart from it. (They are for the compiler only; the
 * order between processors is made by the ring's indices.)
 */
static inline void copy_once(void *to, const void *from, size_t bytes)
{
	__asm__ __volatile__("" ::: "memory");
	memcpy(to, from, bytes);
	__asm__ __volatile__("" ::: "memory");
}

/* Bytes behind the head that mean something for this (private) head. */
static inline size_t rest_bytes(const struct xsp_blk_req *req)
{
	switch (req->op) {
	case XSP_BLK_INDIRECT:
		return sizeof(req->indirect);
	case XSP_BLK_DISCARD:
		return sizeof(req->discard);
	default:
		return (req->nr_segs < XSP_BLK_SEGS ? req->nr_segs : XSP_BLK_SEGS) *
		       sizeof(req->seg[0]);
	}
}

static void take64(const uint8_t *slot, struct xsp_blk_req *req)
{
	copy_once(req, slot, HEAD64);
	copy_once(req->seg, slot + HEAD64, rest_bytes(req));
}

static void take32(const uint8_t *slot, struct xsp_blk_req *req)
{
	struct xsp_blk_req32 head;

	copy_once(&head, slot, HEAD32);
	req->op = head.op;
	req->nr_segs = head.nr_segs;
	req->handle = head.handle;
	req->pad = 0;
	req->id = head.id;
	req->sector = head.sector;
	copy_once(req->seg, slot + HEAD32, rest_bytes(req));
}

void xsp_blk_back_take(struct xsp_blk_back *b, struct xsp_blk_req *req)
{
	struct xsp_ring_back *r = &b->ring;
	const uint8_t *slot = xsp_blk_slot(r->sring, b->abi, r->req_cons & (r->size - 1));

	if (b->abi == XSP_BLK_X86_32)
		take32(slot, req);
	else
		take64(slot, req);
	r->req_cons++;
}

void xsp_blk_back_respond(struct xsp_blk_back *b, uint64_t id, uint8_t op, int16_t status)
{
	struct xsp_ring_back *r = &b->ring;
	void *slot = xsp_blk_slot(r->sring, b->abi, r->rsp_prod_pvt & (r->size - 1));
	struct xsp_blk_rsp rsp = { .id = id, .op = op, .status = status };

	memcpy(slot, &rsp, b->abi == XSP_BLK_X86_32 ? XSP_BLK_RSP32_SIZE : sizeof(rsp));
	r->rsp_prod_pvt++;
}

void xsp_blk_front_put(struct xsp_ring_front *r, const struct xsp_blk_req *req)
{
	void *slot = xsp_blk_slot(r->sring, XSP_BLK_NATIVE, r->req_prod_pvt & (r->size - 1));

	memcpy(slot, req, HEAD64 + rest_bytes(req));
	r->req_prod_pvt++;
}

void xsp_blk_front_take(struct xsp_ring_front *r, struct xsp_blk_rsp *rsp)
{
	copy_once(rsp, xsp_blk_slot(r->sring, XSP_BLK_NATIVE, r->rsp_cons & (r->size - 1)),
		  sizeof(*rsp));
	r->rsp_cons++;
}
