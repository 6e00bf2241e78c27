/* SPDX-License-Identifier: MIT */
/*
 * The one place where a block request is judged. Pure: it sees only the private copy and the
 * device's limits, so it can be tested and fuzzed alone.
 */
#ifndef XSP_BACKEND_BLK_REQUEST_H
#define XSP_BACKEND_BLK_REQUEST_H

#include "backend/target/target.h"
#include "ring/dialect.h"

struct xsp_blk_limits {
	uint64_t sectors;     /* of 512 bytes */
	uint32_t sector_size; /* requests are aligned to it */
	struct xsp_blk_shifts shifts; /* of the units that the frontend counts in */
	bool readonly;
	bool can_flush;    /* FLUSH and BARRIER were offered */
	bool can_discard;
	uint16_t indirect; /* segments an indirect request may have; 0: not offered */
};

/* What a good request comes to. */
struct xsp_blk_plan {
	enum xsp_io_op op;
	uint64_t offset;  /* bytes */
	uint64_t len;     /* bytes; 0 for a plain flush */
	bool sync_before; /* flush, then this write (FLUSH that carries data, BARRIER) */
	bool sync_after;  /* and flush again (BARRIER) */
	bool drain;       /* BARRIER: all before it must be done, nothing after it begun */
};

/**
 * xsp_blk_indirect_segs - how many descriptors an indirect request asks to be fetched
 *
 * Returns 0 when the request is malformed or indirect requests were not offered; xsp_blk_check then
 * says why.
 */
uint16_t xsp_blk_indirect_segs(const struct xsp_blk_req *req, const struct xsp_blk_limits *limits);

/**
 * xsp_blk_to_512 - make the private copy count in 512 bytes, whatever its frontend counts in
 * @req: just taken; nr_segs may be anything
 *
 * xsp_blk_segs_to_512 - the same for n segments of an indirect request.
 *
 * What has no equal in 512 bytes (an overflow, a sector out of its page) becomes something that
 * xsp_blk_check refuses.
 */
void xsp_blk_to_512(struct xsp_blk_req *req, struct xsp_blk_shifts shifts);
void xsp_blk_segs_to_512(struct xsp_blk_seg *segs, uint32_t n, struct xsp_blk_shifts shifts);

/**
 * xsp_blk_aligned - does each segment by itself begin and end at the disk's sector size?
 *
 * The whole of a good request does; a piece of memory that doesn't is nothing for O_DIRECT.
 */
bool xsp_blk_aligned(const struct xsp_blk_seg *segs, uint32_t n, uint32_t sector_size);

/**
 * xsp_blk_check - judge a request
 * @req:  the private copy, in units of 512 bytes; nr_segs may be anything
 * @segs: the private copy of its segments: req->seg, or the fetched ones of an indirect request
 * @plan: written only when the verdict is good
 * @why:  a static phrase when it is not
 *
 * Returns enum xsp_blk_status: OKAY, ERROR (malformed, out of range, forbidden) or EOPNOTSUPP (an
 * operation that was not offered). Source: xen/include/public/io/blkif.h "REQUEST CODES".
 */
int16_t xsp_blk_check(const struct xsp_blk_req *req, const struct xsp_blk_seg *segs,
		      const struct xsp_blk_limits *limits, struct xsp_blk_plan *plan,
		      const char **why);

#endif
