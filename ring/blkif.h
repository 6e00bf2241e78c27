/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What block rings carry: requests and responses in the three layouts that guests use, and the
 * front and back half of a block ring.
 *
 * Wire structs have names of our own: the kernel's and Xen's headers share include guards and
 * collide. tests/unit/test_wire.c proves them equal to Xen's public header.
 *
 * Source: xen/include/public/io/blkif.h "REQUEST CODES", struct blkif_request and below.
 */
#ifndef XSP_RING_BLKIF_H
#define XSP_RING_BLKIF_H

#include "ring/ring.h"
#include "ring/words.h"

#define XSP_SECTOR_SIZE        512u  /* unit of sector numbers and of first/last sector */
#define XSP_BLK_SEGS           11u   /* segments in a direct request */
#define XSP_BLK_INDIRECT_PAGES 8u    /* descriptor pages in an indirect request */
#define XSP_BLK_SEGS_PER_PAGE  512u  /* segments in one of them */
#define XSP_RING_MAX_ORDER     4u

enum xsp_blk_op {
	XSP_BLK_READ = 0,
	XSP_BLK_WRITE = 1,
	XSP_BLK_BARRIER = 2,
	XSP_BLK_FLUSH = 3,
	XSP_BLK_DISCARD = 5,
	XSP_BLK_INDIRECT = 6,
};

#define XSP_BLK_DISCARD_SECURE 1u /* a flag of DISCARD, in nr_segs */

enum xsp_blk_status {
	XSP_BLK_OKAY = 0,
	XSP_BLK_ERROR = -1,
	XSP_BLK_EOPNOTSUPP = -2,
};

/* How the guest lays out its ring; the frontend's "protocol" key names it. */
enum xsp_blk_abi {
	XSP_BLK_X86_64, /* also what this host is natively */
	XSP_BLK_X86_32,
};
#define XSP_BLK_NATIVE XSP_BLK_X86_64

/* One piece of data: sectors first..last (0..7) of the granted page. */
struct xsp_blk_seg {
	uint32_t gref;
	uint8_t first;
	uint8_t last;
	uint16_t pad;
};

/* Layout of 64-bit guests, and of the private copy whatever the guest's layout. */
struct xsp_blk_req {
	uint8_t op;
	uint8_t nr_segs; /* INDIRECT: the operation; DISCARD: flags */
	uint16_t handle; /* INDIRECT: number of segments */
	uint32_t pad;
	uint64_t id;
	uint64_t sector;
	union {
		struct xsp_blk_seg seg[XSP_BLK_SEGS];
		struct {
			uint16_t handle;
			uint16_t pad;
			uint32_t gref[XSP_BLK_INDIRECT_PAGES];
		} indirect;
		struct {
			uint64_t nr_sectors;
		} discard;
	};
};
static_assert(sizeof(struct xsp_blk_req) == 112, "blkif_request of x86_64");
#define XSP_BLK_INDIRECT_BYTES 40u /* of the union, in whole 64-bit words */

/* The same of 32-bit guests: 64-bit fields are aligned to 4. */
struct xsp_blk_req32 {
	uint8_t op;
	uint8_t nr_segs;
	uint16_t handle;
	uint64_t id;
	uint64_t sector;
	uint8_t rest[XSP_BLK_SEGS * sizeof(struct xsp_blk_seg)]; /* the union, same order of fields */
} __attribute__((packed));
static_assert(sizeof(struct xsp_blk_req32) == 108, "blkif_request of x86_32");

struct xsp_blk_rsp {
	uint64_t id;
	uint8_t op;
	uint8_t pad0;
	int16_t status;
	uint32_t pad1; /* always 0: padding must not carry our memory to the guest (XSA-216) */
};
static_assert(sizeof(struct xsp_blk_rsp) == 16, "blkif_response of x86_64");
#define XSP_BLK_RSP32_SIZE 12u /* of x86_32: the same without pad1 */

static inline uint32_t xsp_blk_slot_bytes(enum xsp_blk_abi abi)
{
	return abi == XSP_BLK_X86_32 ? sizeof(struct xsp_blk_req32) : sizeof(struct xsp_blk_req);
}

/**
 * xsp_blk_ring_slots - slots of a ring of 2^order pages (0..XSP_RING_MAX_ORDER): 32 << order
 *
 * Equal for both layouts. Source: ring.h __RING_SIZE.
 */
static inline uint32_t xsp_blk_ring_slots(unsigned int order)
{
	return 32u << order;
}

static inline void *xsp_blk_slot(struct xsp_sring *sring, enum xsp_blk_abi abi, uint32_t index)
{
	return (uint8_t *)(sring + 1) + (size_t)index * xsp_blk_slot_bytes(abi);
}

/*
 * The native layout's way through the ring is inline: what is under way between the two processors'
 * caches at a time is bounded by how much code lies between two requests.
 */

/* Bytes behind the head that mean something with these (private) values, in whole 64-bit words. */
static inline size_t xsp_blk_rest_bytes(uint8_t op, uint8_t nr_segs)
{
	if (op == XSP_BLK_INDIRECT)
		return XSP_BLK_INDIRECT_BYTES;
	if (op == XSP_BLK_DISCARD)
		return sizeof(uint64_t);
	return (nr_segs < XSP_BLK_SEGS ? nr_segs : XSP_BLK_SEGS) * sizeof(struct xsp_blk_seg);
}

/* --- back half ------------------------------------------------------------------------------- */

struct xsp_blk_back {
	struct xsp_ring_back ring;
	enum xsp_blk_abi abi;
};

/* Those of x86_32 guests: blkif.c. */
void xsp_blk_back_take32(const void *slot, struct xsp_blk_req *req);
void xsp_blk_back_respond32(void *slot, uint64_t id, uint8_t op, int16_t status);

/**
 * xsp_blk_back_take - copy the next request out of the ring, once
 * @b:   ring with at least one pending request (xsp_ring_back_pending said so)
 * @req: the private copy, in the 64-bit layout; segments beyond nr_segs stay undefined
 *
 * Every byte of the slot is read at most once, and the number of segments to copy is taken from the
 * copied head, so a frontend that rewrites the slot meanwhile can only spoil its own request.
 * nr_segs in the copy is still the guest's number: check it before use.
 */
static inline void xsp_blk_back_take(struct xsp_blk_back *b, struct xsp_blk_req *req)
{
	struct xsp_ring_back *r = &b->ring;
	const uint64_t *slot = xsp_blk_slot(r->sring, b->abi, r->req_cons & (r->size - 1));
	uint64_t head;

	r->req_cons++;
	if (b->abi == XSP_BLK_X86_32) {
		xsp_blk_back_take32(slot, req);
		return;
	}
	head = xsp_load(&slot[0]);
	memcpy(req, &head, sizeof(head));
	req->id = xsp_load(&slot[1]);
	req->sector = xsp_load(&slot[2]);
	xsp_load64s(req->seg, &slot[3], xsp_blk_rest_bytes((uint8_t)head, (uint8_t)(head >> 8)));
}

#define XSP_BLK_PREFETCH_MIN 9u  /* fewer come as fast without: the processor looks ahead that far */
#define XSP_BLK_PREFETCH_MAX 32u /* more would push one another out */

/**
 * xsp_blk_back_prefetch - the next @n requests (at most those pending) are about to be taken
 *
 * Fetches them all at once, so that their transfers between the processors' caches overlap. Never
 * more than are pending: a slot that the frontend is writing would be torn from its hands.
 */
static inline void xsp_blk_back_prefetch(const struct xsp_blk_back *b, uint32_t n)
{
	const struct xsp_ring_back *r = &b->ring;

	if (n < XSP_BLK_PREFETCH_MIN)
		return;
	for (uint32_t i = 0; i < n && i < XSP_BLK_PREFETCH_MAX; i++)
		__builtin_prefetch(xsp_blk_slot(r->sring, b->abi, (r->req_cons + i) & (r->size - 1)));
}

/**
 * xsp_blk_back_respond - write the next response; xsp_ring_back_push publishes
 * @status: enum xsp_blk_status
 *
 * The caller answers each taken request once, so the slot's request was consumed before.
 */
static inline void xsp_blk_back_respond(struct xsp_blk_back *b, uint64_t id, uint8_t op, int16_t status)
{
	struct xsp_ring_back *r = &b->ring;
	uint64_t *slot = xsp_blk_slot(r->sring, b->abi, r->rsp_prod_pvt & (r->size - 1));

	r->rsp_prod_pvt++;
	if (b->abi == XSP_BLK_X86_32) {
		xsp_blk_back_respond32(slot, id, op, status);
		return;
	}
	xsp_store(&slot[0], id);
	xsp_store(&slot[1], (uint64_t)op | (uint64_t)(uint16_t)status << 16);
}

/* --- front half (always the native layout) ----------------------------------------------------- */

/**
 * xsp_blk_front_put - write the next request; xsp_ring_front_push publishes
 * @r:   a ring with xsp_ring_front_free() > 0
 * @req: only the segments that count are copied
 */
static inline void xsp_blk_front_put(struct xsp_ring_front *r, const struct xsp_blk_req *req)
{
	uint64_t *slot = xsp_blk_slot(r->sring, XSP_BLK_NATIVE, r->req_prod_pvt & (r->size - 1));
	const struct xsp_blk_seg *seg = req->seg;
	size_t n = xsp_blk_rest_bytes(req->op, req->nr_segs) / 8;

	xsp_store(&slot[0], (uint64_t)req->op | (uint64_t)req->nr_segs << 8 | (uint64_t)req->handle << 16);
	xsp_store(&slot[1], req->id);
	xsp_store(&slot[2], req->sector);
	if (req->op == XSP_BLK_INDIRECT || req->op == XSP_BLK_DISCARD)
		for (size_t i = 0; i < n; i++) {
			uint64_t w;

			memcpy(&w, (const uint8_t *)seg + 8 * i, 8);
			xsp_store(&slot[3 + i], w);
		}
	else
		for (size_t i = 0; i < n; i++)
			xsp_store(&slot[3 + i], (uint64_t)seg[i].gref | (uint64_t)seg[i].first << 32 |
							(uint64_t)seg[i].last << 40);
	r->req_prod_pvt++;
}

/** xsp_blk_front_take - copy the next response out of the ring, once; one must be pending */
static inline void xsp_blk_front_take(struct xsp_ring_front *r, struct xsp_blk_rsp *rsp)
{
	xsp_load64s(rsp, xsp_blk_slot(r->sring, XSP_BLK_NATIVE, r->rsp_cons & (r->size - 1)), sizeof(*rsp));
	r->rsp_cons++;
}

#endif
