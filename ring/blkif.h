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

/* --- back half ------------------------------------------------------------------------------- */

struct xsp_blk_back {
	struct xsp_ring_back ring;
	enum xsp_blk_abi abi;
};

/**
 * xsp_blk_back_take - copy the next request out of the ring, once
 * @b:   ring with at least one pending request (xsp_ring_back_pending said so)
 * @req: the private copy, in the 64-bit layout; segments beyond nr_segs stay undefined
 *
 * Every byte of the slot is read at most once, and the number of segments to copy is taken from the
 * copied head, so a frontend that rewrites the slot meanwhile can only spoil its own request.
 * nr_segs in the copy is still the guest's number: check it before use.
 */
void xsp_blk_back_take(struct xsp_blk_back *b, struct xsp_blk_req *req);

/**
 * xsp_blk_back_respond - write the next response; xsp_ring_back_push publishes
 * @status: enum xsp_blk_status
 *
 * The caller answers each taken request once, so the slot's request was consumed before.
 */
void xsp_blk_back_respond(struct xsp_blk_back *b, uint64_t id, uint8_t op, int16_t status);

/* --- front half (always the native layout) ----------------------------------------------------- */

/**
 * xsp_blk_front_put - write the next request; xsp_ring_front_push publishes
 * @r:   a ring with xsp_ring_front_free() > 0
 * @req: only the segments that count are copied
 */
void xsp_blk_front_put(struct xsp_ring_front *r, const struct xsp_blk_req *req);

/** xsp_blk_front_take - copy the next response out of the ring, once; one must be pending */
void xsp_blk_front_take(struct xsp_ring_front *r, struct xsp_blk_rsp *rsp);

#endif
