/* SPDX-License-Identifier: MIT */
/*
 * A queue is one block ring with its event channel, the array of slots that holds what was taken
 * and not yet answered, and the way from one to the other (queue.c: visit, finish, arm). It belongs
 * to a device (vbd.c, store thread), which makes it, hands it to a worker with xsp_queue_start and
 * gets it back with xsp_queue_stop; in between only the worker's thread touches it.
 */
#ifndef XSP_BACKEND_QUEUE_H
#define XSP_BACKEND_QUEUE_H

#include "backend/blk/pages.h"
#include "backend/blk/request.h"
#include "backend/inspect.h"
#include "backend/stats.h"
#include "backend/target/target.h"
#include "backend/worker.h"
#include "common/log.h"
#include "ring/blkif.h"

#define XSP_NO_IO   UINT32_MAX
#define XSP_NO_SLOT UINT16_MAX

/*
 * One request between take and respond: everything that is needed to do it again. No pointers, so
 * that the array can be found again in shared memory by a successor.
 */
struct xsp_slot {
	struct xsp_blk_req req; /* the private copy */
	uint64_t taken_ns;
	uint32_t io;     /* number of the worker's io, XSP_NO_IO when the slot is free */
	int16_t status;
	uint16_t n_segs; /* of data: direct or indirect */
	uint64_t bytes;  /* of data, once the request is checked */
	uint8_t op;      /* enum xsp_io_op, once the request is checked */
	bool drain;      /* a barrier: alone in flight */
	uint8_t pad[6];
};
static_assert(sizeof(struct xsp_slot) <= 192, "a slot stays small: 512 of them at ring order 4");

/* How to take over a ring that a former daemon served. */
enum xsp_adopt {
	XSP_ADOPT_NEW,     /* not at all: indices start at 0 */
	XSP_ADOPT_DRAINED, /* it left a record that all it took was answered up to adopt_rsp_prod */
	XSP_ADOPT_IDLE,    /* it left none: only when nothing is outstanding */
};

/* What the device fills in before start; read-only for the worker. */
struct xsp_queue_config {
	uint32_t domid, devid;
	uint32_t index;   /* 0.. of the device's queues */
	const char *name; /* "vbd/1/51712"; lives as long as the device */
	enum xsp_blk_abi abi;
	uint32_t order;
	uint32_t ring_ref[1u << XSP_RING_MAX_ORDER];
	uint32_t evtchn; /* the guest's port */
	enum xsp_adopt adopt;
	uint32_t adopt_rsp_prod;
	bool persistent;   /* the frontend reuses its grants and we may keep them mapped */
	bool offer_discard;
	uint16_t indirect; /* segments offered in an indirect request */
	struct xsp_target *target;
	struct xsp_blk_stats *stats;
};

struct xsp_queue {
	struct xsp_queue_config c;
	void *owner;  /* the device */
	bool running; /* the device's: started and not stopped */
	struct xsp_worker *worker;

	/* start, stop and trouble, as mail between the device's thread and the worker's */
	struct xsp_mail start_mail, stop_mail, broken_mail;
	struct xsp_mailbox *reply_to;
	void (*started)(struct xsp_queue *q); /* on the device's thread; err tells how it went */
	void (*stopped)(struct xsp_queue *q);
	void (*broke)(struct xsp_queue *q); /* the guest broke the ring; stop follows */
	int err;
	char why[160];        /* for err and for broke */
	uint32_t rsp_prod;    /* at stop: how far everything is answered */
	bool sync_failed;     /* at stop: the last flush did */

	/* the worker's */
	struct xsp_blk_back back;
	struct xsp_blk_limits limits;
	struct xsp_sring *sring;
	uint32_t port; /* local */
	struct xsp_slot *slots;
	uint16_t *free_slots, *done_slots; /* stacks of slot numbers */
	uint16_t *parked;   /* taken, first come first: they wait for an area */
	uint32_t n_free, n_done, n_parked, in_flight;
	uint32_t areas; /* that its requests hold */
	bool has_claim; /* to XSP_CLAIM_IOS and one area of the worker's */
	uint16_t barrier;   /* it waits until all before it are done; nothing is taken meanwhile */
	bool barrier_sent;
	struct xsp_pages *pages; /* kept mapped; NULL without persistent grants */
	bool masked;    /* the port waits for its unmask */
	bool stopping;  /* take nothing more */
	bool broken;    /* take nothing more, the ring can't be trusted */
	bool dirty;     /* something was written since the last flush */
	bool syncing;   /* the flush of stop is under way */
	bool backing_off; /* a timer runs, for one of the next two */
	bool unmask_later; /* the guest sent events for nothing, or the unmask failed */
	bool notify_again; /* the last event could not be sent */
	uint32_t idle_wakes; /* events for nothing in a row */
	struct xsp_cb back_off_cb;
	struct __kernel_timespec back_off_time;
	bool is_ready, is_finishing, is_arming, is_starved;
	TAILQ_ENTRY(xsp_queue) all_link, ready_link, finishing_link, arming_link, starved_link;
	struct xsp_io stop_io; /* carries the flush of stop: never waits for the pool */
};

/**
 * xsp_queue_start - hand a queue to a worker: map, bind, begin
 *
 * Device's thread. c, reply_to, started, stopped, broke are filled in. `started` is called with
 * q->err = 0, or -errno and q->why; after an error the queue is as before.
 */
void xsp_queue_start(struct xsp_queue *q, struct xsp_worker *w);

/**
 * xsp_queue_stop - take no more, answer what was taken, flush, unmap, unbind; then `stopped`
 *
 * Device's thread. The one mechanism behind SIGTERM, detach and hand-over: it takes as long as the
 * target needs for what is in flight, and it never fails.
 */
void xsp_queue_stop(struct xsp_queue *q);

/* --- worker's thread ---------------------------------------------------------------------------- */

/** xsp_queue_visit - move requests from the ring into the target: at most one visit's worth */
void xsp_queue_visit(struct xsp_queue *q);

/** xsp_queue_finish - answer what the target has completed: one copy, one push, one notify */
void xsp_queue_finish(struct xsp_queue *q);

/** xsp_queue_arm - ask for an event, look once more, unmask the port */
void xsp_queue_arm(struct xsp_queue *q);

/** xsp_queue_event - its port has fired */
void xsp_queue_event(struct xsp_queue *q);

/** xsp_queue_set_ready - put it on the worker's ready list, unless it takes nothing any more */
void xsp_queue_set_ready(struct xsp_queue *q);

/** xsp_queue_break - the guest did what no good frontend does: `broke` is called, once */
void xsp_queue_break(struct xsp_queue *q, const char *why);

/** xsp_queue_complain - one rate-limited line about a request; the counters hold the rest */
void xsp_queue_complain(struct xsp_queue *q, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* queue_life.c, for queue.c: go on with stopping when nothing is in flight any more */
void xsp_queue_may_stop(struct xsp_queue *q);

/* The segments of a slot's data: the private copy. */
const struct xsp_blk_seg *xsp_queue_segs(const struct xsp_queue *q, const struct xsp_slot *slot);

/*
 * Events that find no request cost the guest its promptness, not us our processor: after a few of
 * them in a row the port stays masked for 1 ms, doubled each time up to 1 s (XSA-332). Requests
 * that come meanwhile are seen when the timer ends.
 */
#define XSP_IDLE_WAKES 64u
void xsp_queue_back_off(struct xsp_queue *q);

/* Unmask or notify in so many ms what unmask_later and notify_again say. */
void xsp_queue_later(struct xsp_queue *q, uint32_t ms);

/* Send the guest an event. */
void xsp_queue_notify(struct xsp_queue *q);
void xsp_queue_unmask(struct xsp_queue *q);

/** xsp_queue_snap - fill a copy for `xensplit ring` */
void xsp_queue_snap(struct xsp_queue *q, struct xsp_ring_snap *ret);

#endif
