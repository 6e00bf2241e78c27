/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Block requests and responses: in and out of the shared slots. */
#include "ring/blkif.h"
#include "ring/words.h"

#define HEAD64 24u /* op .. sector */
#define HEAD32 20u

/* Bytes behind the head that mean something for this (private) head, in whole 64-bit words. */
static inline size_t rest_bytes(const struct xsp_blk_req *req)
{
	switch (req->op) {
	case XSP_BLK_INDIRECT:
		return (sizeof(req->indirect) + 7) & ~(size_t)7;
	case XSP_BLK_DISCARD:
		return sizeof(req->discard);
	default:
		return (req->nr_segs < XSP_BLK_SEGS ? req->nr_segs : XSP_BLK_SEGS) *
		       sizeof(req->seg[0]);
	}
}

static void take64(const uint8_t *slot, struct xsp_blk_req *req)
{
	xsp_load64s(req, slot, HEAD64);
	xsp_load64s(req->seg, slot + HEAD64, rest_bytes(req));
}

static void take32(const uint8_t *slot, struct xsp_blk_req *req)
{
	struct xsp_blk_req32 head;

	xsp_load32s(&head, slot, HEAD32);
	req->op = head.op;
	req->nr_segs = head.nr_segs;
	req->handle = head.handle;
	req->pad = 0;
	req->id = head.id;
	req->sector = head.sector;
	xsp_load32s(req->seg, slot + HEAD32, rest_bytes(req));
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

	if (b->abi == XSP_BLK_X86_32)
		xsp_store32s(slot, &rsp, XSP_BLK_RSP32_SIZE);
	else
		xsp_store64s(slot, &rsp, sizeof(rsp));
	r->rsp_prod_pvt++;
}

void xsp_blk_front_put(struct xsp_ring_front *r, const struct xsp_blk_req *req)
{
	void *slot = xsp_blk_slot(r->sring, XSP_BLK_NATIVE, r->req_prod_pvt & (r->size - 1));

	xsp_store64s(slot, req, HEAD64 + rest_bytes(req));
	r->req_prod_pvt++;
}

void xsp_blk_front_take(struct xsp_ring_front *r, struct xsp_blk_rsp *rsp)
{
	xsp_load64s(rsp, xsp_blk_slot(r->sring, XSP_BLK_NATIVE, r->rsp_cons & (r->size - 1)),
		    sizeof(*rsp));
	r->rsp_cons++;
}
