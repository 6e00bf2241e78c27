/* SPDX-License-Identifier: MIT */
/*
 * How much a disk may take from its ring now, beside its worker's other disks:
 *
 *   limits   requests and bytes a second, of the disk and of its guest (bucket.h)
 *   window   what the worker has in flight costs no more than this: the rest waits in the rings, where
 *            it can still be chosen by weight; handed over, it would be the target's to order
 *   weights  deficit round robin among the disks that have something to do
 *
 * A request costs its bytes and XSP_COST_REQ. All functions: worker's thread.
 */
#ifndef XSP_BACKEND_BLK_SHARE_H
#define XSP_BACKEND_BLK_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/blk/bucket.h"

struct xsp_blkq;
struct xsp_worker;

#define XSP_COST_REQ       4096u

/*
 * What a worker has in flight, by cost, in the present period and in the one before. What is older
 * counts no more: a disk that hangs can't keep the window shut.
 */
struct xsp_window {
	uint64_t size;      /* bytes of cost */
	uint64_t cost[2];   /* of periods [number & 1] */
	uint32_t number;
	uint64_t began_ns;
	uint64_t weights;   /* sum over the worker's disks' queues */
};

/** xsp_share_join, xsp_share_leave - a queue begins or ends on its worker; its shares are set */
void xsp_share_join(struct xsp_blkq *q);
void xsp_share_leave(struct xsp_blkq *q);

/** xsp_share_replace - new shares, whose references the queue takes over */
void xsp_share_replace(struct xsp_blkq *q, const struct xsp_shares *s);

/* Of one visit. */
struct xsp_allowance {
	uint64_t reqs, bytes, cost;
};

/**
 * xsp_share_begin - how much may be taken in this visit
 *
 * Returns false when nothing may; the queue was put where it waits for its time or its turn.
 */
bool xsp_share_begin(struct xsp_blkq *q, struct xsp_allowance *ret);

/** xsp_share_take - the request in a slot was taken; false: it was the last one this visit may take */
bool xsp_share_take(struct xsp_blkq *q, uint16_t slot, struct xsp_allowance *a);

/**
 * xsp_share_end - the visit has taken so many requests
 * @emptied: the ring had no more
 * @starved: the worker had no buffer for the next
 */
void xsp_share_end(struct xsp_blkq *q, uint32_t reqs, bool emptied, bool starved);

/** xsp_share_bytes - what a good request really moves */
void xsp_share_bytes(struct xsp_blkq *q, uint64_t bytes);

/** xsp_share_answered - the request in a slot is not in flight any more */
void xsp_share_answered(struct xsp_blkq *q, uint16_t slot);

#endif
