/* SPDX-License-Identifier: MIT */
/*
 * A block queue: one block ring, the array of slots that holds what was taken and not yet answered,
 * and the way from one to the other (queue.c: visit, finish). Its beginning and end are in
 * queue_life.c; what it shares with queues of other classes in backend/queue.h.
 */
#ifndef XSP_BACKEND_BLK_QUEUE_H
#define XSP_BACKEND_BLK_QUEUE_H

#include "backend/blk/journal.h"
#include "backend/blk/near.h"
#include "backend/blk/pages.h"
#include "backend/blk/request.h"
#include "backend/blk/share.h"
#include "backend/inspect.h"
#include "backend/queue.h"
#include "backend/target/target.h"
#include "ring/blkif.h"

#define XSP_NO_IO   UINT32_MAX
#define XSP_NO_SLOT UINT16_MAX

/* What the device fills in before start, besides what queue.h asks for; read-only for the worker. */
struct xsp_blkq_config {
	enum xsp_blk_abi abi;
	uint32_t order;
	uint32_t ring_ref[1u << XSP_RING_MAX_ORDER];
	bool persistent;   /* the frontend reuses its grants and we may keep them mapped */
	struct xsp_blk_shifts shifts; /* of the units that the frontend counts in */
	bool offer_discard;
	uint16_t indirect; /* segments offered in an indirect request */
	struct xsp_target *target;
	struct xsp_blk_stats *stats;
	unsigned int shares_serial; /* of the device's limits: which of them shares are */
	char journal[XSP_JOURNAL_PATH]; /* its file */
	uint64_t life;     /* of the guest */
};

struct xsp_blkq {
	struct xsp_queue base; /* first */
	struct xsp_blkq_config c;
	struct xsp_shares shares; /* the device's first, then the worker's; references until it ends */

	/* the worker's */
	struct xsp_blk_back back;
	struct xsp_blk_limits limits;
	struct xsp_sring *sring;
	struct xsp_journal journal;
	struct xsp_slot *slots; /* the journal's */
	uint16_t *free_slots, *done_slots; /* stacks of slot numbers */
	uint16_t *parked;   /* taken, first come first: they wait for an area */
	uint16_t *again;    /* taken by a daemon that was killed, the last first: before anything new */
	uint32_t n_free, n_done, n_parked, n_again, in_flight;
	uint32_t areas; /* that its requests hold */
	int64_t deficit; /* of deficit round robin: cost it may still take */
	bool has_claim; /* to XSP_CLAIM_IOS and one area of the worker's */
	uint16_t barrier;   /* it waits until all before it are done; nothing is taken meanwhile */
	bool barrier_sent;
	struct xsp_near near; /* is the guest's processor */
	struct xsp_pages *pages; /* kept mapped; NULL without persistent grants */
	bool dirty;     /* something was written: to be flushed before it stops */
	bool syncing;   /* the flush of stop is under way */
	struct xsp_io stop_io; /* carries the flush of stop: never waits for the pool */
};
static_assert(offsetof(struct xsp_blkq, base) == 0, "queues are freed by their base");

extern const struct xsp_queue_ops xsp_blkq_ops;

static inline struct xsp_blkq *xsp_blkq_of(struct xsp_queue *q)
{
	return (struct xsp_blkq *)q;
}

/* --- worker's thread: the ops -------------------------------------------------------------------- */

/* queue.c: requests from the ring into the target, at most one visit's worth. */
void xsp_blkq_visit(struct xsp_queue *q);

/* queue.c: answer what the target has completed: one copy, one push, one notify. */
void xsp_blkq_finish(struct xsp_queue *q);

/* --- worker's thread: for blk/ ------------------------------------------------------------------- */

/* The segments of a slot's data: the private copy. */
struct xsp_blk_seg *xsp_blkq_segs(const struct xsp_blkq *q, struct xsp_slot *slot);

/* The operation inside an indirect request; it is what Linux's blkfront wants to hear in the answer, too. */
static inline uint8_t xsp_blkq_inner_op(const struct xsp_slot *slot)
{
	return slot->req.op == XSP_BLK_INDIRECT ? slot->req.nr_segs : slot->req.op;
}

/** xsp_blkq_snap - fill a copy for `xensplit ring` */
void xsp_blkq_snap(struct xsp_blkq *q, struct xsp_ring_snap *ret);

#endif
