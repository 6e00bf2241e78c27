/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Block requests and responses: in and out of the shared slots. */
#include "ring/blkif.h"

#define HEAD64 24u /* op .. sector */
#define HEAD32 20u

/*
 * Between shared and private memory a word at a time: each shared word is accessed exactly once, by
 * an access the compiler may not repeat (a memcpy it may), and for the dozen words of a slot this is
 * quicker than a call. Slots of the 64-bit layout are aligned to 8, of the 32-bit one to 4. (The
 * order between processors is made by the ring's indices.)
 */
static inline void load64s(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t w = xsp_load((const uint64_t *)((const uint8_t *)from + i));

		memcpy((uint8_t *)to + i, &w, 8);
	}
}

static inline void load32s(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4) {
		uint32_t w = xsp_load((const uint32_t *)((const uint8_t *)from + i));

		memcpy((uint8_t *)to + i, &w, 4);
	}
}

static inline void store64s(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t w;

		memcpy(&w, (const uint8_t *)from + i, 8);
		xsp_store((uint64_t *)((uint8_t *)to + i), w);
	}
}

static inline void store32s(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4) {
		uint32_t w;

		memcpy(&w, (const uint8_t *)from + i, 4);
		xsp_store((uint32_t *)((uint8_t *)to + i), w);
	}
}

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
	load64s(req, slot, HEAD64);
	load64s(req->seg, slot + HEAD64, rest_bytes(req));
}

static void take32(const uint8_t *slot, struct xsp_blk_req *req)
{
	struct xsp_blk_req32 head;

	load32s(&head, slot, HEAD32);
	req->op = head.op;
	req->nr_segs = head.nr_segs;
	req->handle = head.handle;
	req->pad = 0;
	req->id = head.id;
	req->sector = head.sector;
	load32s(req->seg, slot + HEAD32, rest_bytes(req));
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
		store32s(slot, &rsp, XSP_BLK_RSP32_SIZE);
	else
		store64s(slot, &rsp, sizeof(rsp));
	r->rsp_prod_pvt++;
}

void xsp_blk_front_put(struct xsp_ring_front *r, const struct xsp_blk_req *req)
{
	void *slot = xsp_blk_slot(r->sring, XSP_BLK_NATIVE, r->req_prod_pvt & (r->size - 1));

	store64s(slot, req, HEAD64 + rest_bytes(req));
	r->req_prod_pvt++;
}

void xsp_blk_front_take(struct xsp_ring_front *r, struct xsp_blk_rsp *rsp)
{
	load64s(rsp, xsp_blk_slot(r->sring, XSP_BLK_NATIVE, r->rsp_cons & (r->size - 1)),
		sizeof(*rsp));
	r->rsp_cons++;
}
