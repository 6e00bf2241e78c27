/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * One queue of a block frontend: requests into a ring, completions out of it. Sans-I/O: nothing here
 * makes a system call, takes a lock, waits or calls back; each function says what the host must do
 * next. The host grants pages, sends events, talks to the store and serializes the calls of a queue.
 *
 * The backend is not trusted: every response is copied once and must answer a request that is in
 * flight, with that request's operation. The first one that doesn't breaks the queue for good; its
 * requests are then handed back by xsp_blkfront_abort, and the host must not reuse their pages
 * before the backend has let go of them.
 *
 * A device with several queues has several of these. A request is kept whole until it is answered,
 * so that the queue can start again on a new ring (xsp_blkfront_restart) when the backend starts
 * over or the guest was moved.
 *
 * Source: xen/include/public/io/blkif.h.
 */
#ifndef XSP_BLKFRONT_H
#define XSP_BLKFRONT_H

#include "ring/blkif.h"

struct xsp_blkfront_slot {
	struct xsp_blk_req req; /* as written to the ring; id = generation << 32 | slot */
	uint64_t cookie;        /* the host's */
	uint32_t next;          /* next free slot */
	bool busy;              /* in flight */
};

struct xsp_blkfront {
	struct xsp_ring_front ring;
	struct xsp_blkfront_slot *slots; /* ring.size of them, owned */
	uint32_t free;                   /* first free slot; ring.size: none */
	uint32_t in_flight;              /* slots taken by xsp_blkfront_add and not reaped yet */
	uint32_t generation;             /* makes each id new, so that a late duplicate is seen */
	uint16_t handle;                 /* low half of the device id; the backend may ignore it */
	const char *broken;              /* NULL, or how the backend broke the protocol; static */
};

struct xsp_blkfront_done {
	uint64_t cookie;
	int status; /* 0, -EIO, -EOPNOTSUPP */
};

/**
 * xsp_blkfront_init - a queue over a new ring
 * @pages: 2^order pages, shared or about to be shared with the backend; written here, and not yet
 *         known to the backend. They stay the host's and must outlive the queue.
 * @order: 0..XSP_RING_MAX_ORDER
 *
 * Allocates; returns 0, -EINVAL or -ENOMEM.
 */
int xsp_blkfront_init(struct xsp_blkfront *q, void *pages, unsigned int order, uint16_t handle);

/** xsp_blkfront_fini - frees what init allocated; whatever is in flight is forgotten */
void xsp_blkfront_fini(struct xsp_blkfront *q);

/**
 * xsp_blkfront_add - write one request into the ring; xsp_blkfront_push publishes
 * @op:     XSP_BLK_READ, XSP_BLK_WRITE, XSP_BLK_BARRIER or XSP_BLK_FLUSH
 * @sector: first sector, and
 * @segs:   @nr_segs pieces of granted pages (1..XSP_BLK_SEGS; FLUSH and BARRIER: 0 too): in the units
 *          of the backend, which are 512 bytes but for some dialects (ring/dialect.h)
 * @cookie: handed back with the completion
 *
 * Returns 0, -EBUSY (every slot is in flight; reap first), -EINVAL, or -EPROTO on a broken queue.
 */
int xsp_blkfront_add(struct xsp_blkfront *q, uint8_t op, uint64_t sector,
		     const struct xsp_blk_seg *segs, unsigned int nr_segs, uint64_t cookie);

/**
 * xsp_blkfront_add_indirect - a READ or WRITE whose segments are in descriptor pages
 * @grefs:   of the descriptor pages, one for each XSP_BLK_SEGS_PER_PAGE segments begun. The host has
 *           written the segments (struct xsp_blk_seg) there and leaves them until the completion.
 * @nr_segs: 1 .. what the backend offered (feature-max-indirect-segments), 4096 at most
 *
 * Returns as xsp_blkfront_add.
 */
int xsp_blkfront_add_indirect(struct xsp_blkfront *q, uint8_t op, uint64_t sector,
			      const uint32_t *grefs, unsigned int nr_segs, uint64_t cookie);

/** xsp_blkfront_add_discard - @nr_sectors (units as above, not 0) may lose their content; as above */
int xsp_blkfront_add_discard(struct xsp_blkfront *q, uint64_t sector, uint64_t nr_sectors,
			     uint64_t cookie);

/** xsp_blkfront_add_secure_discard - as above, and no copy may be left (discard-secure was offered) */
int xsp_blkfront_add_secure_discard(struct xsp_blkfront *q, uint64_t sector, uint64_t nr_sectors,
				    uint64_t cookie);

/** xsp_blkfront_room - how many requests can be added now */
static inline uint32_t xsp_blkfront_room(const struct xsp_blkfront *q)
{
	return q->broken ? 0 : q->ring.size - q->in_flight;
}

/**
 * xsp_blkfront_push - publish what was added. Returns true when the host must send one event.
 */
static inline bool xsp_blkfront_push(struct xsp_blkfront *q)
{
	return !q->broken && xsp_ring_front_push(&q->ring);
}

/**
 * xsp_blkfront_reap - take completions
 * @done: room for @max of them
 *
 * Returns how many (0..max; fewer than max: there was no more), or -EPROTO when the queue is broken.
 * What was good before the first bad response is returned first.
 */
int xsp_blkfront_reap(struct xsp_blkfront *q, struct xsp_blkfront_done *done, unsigned int max);

/**
 * xsp_blkfront_sleep - ask for an event at the next response, then look once more
 *
 * Returns how many responses can be reaped: only on 0 may the host wait. -EPROTO: broken.
 */
int xsp_blkfront_sleep(struct xsp_blkfront *q);

/**
 * xsp_blkfront_abort - hand back requests that will never be answered, all with -EIO
 *
 * For a queue whose ring the backend no longer serves. Returns how many (0..max); call until 0.
 */
int xsp_blkfront_abort(struct xsp_blkfront *q, struct xsp_blkfront_done *done, unsigned int max);

/**
 * xsp_blkfront_restart - the same queue on another ring of the same order
 *
 * Everything in flight is written into the new ring, to be pushed when the backend is connected. The
 * grants in the segments must still be good. A queue that was broken stays broken.
 */
int xsp_blkfront_restart(struct xsp_blkfront *q, void *pages, unsigned int order);

#endif
