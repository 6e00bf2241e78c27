/* SPDX-License-Identifier: MIT */
/*
 * A queue is what a worker visits: one ring, or a pair of them, with its event channels. It belongs
 * to a device (device.c, store thread), which makes it, hands it to a worker with xsp_queue_start and
 * gets it back with xsp_queue_stop; in between only the worker's thread touches it.
 *
 * This struct is what all classes of queues share: ports, lists, start and stop, back-off. What a
 * visit does is the class's: blk/queue.h embeds it, as its first member, and gives it ops.
 */
#ifndef XSP_BACKEND_QUEUE_H
#define XSP_BACKEND_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backend/stats.h"
#include "backend/worker.h"
#include "common/log.h"
#include "common/mailbox.h"

/* How to begin in the rings. */
enum xsp_adopt {
	XSP_ADOPT_NEW, /* they are new: indices start at 0 */
	XSP_ADOPT,     /* they were served before: go on where q->record says, or, without one, only when
			  nothing is outstanding */
};

#define XSP_QUEUE_PORTS 2u
#define XSP_RECORD_LEN  64u

/* One event channel of a queue. */
struct xsp_port {
	struct xsp_queue *queue;
	uint32_t guest, local; /* the guest's number, and ours */
	bool masked;           /* it has fired and waits for its unmask */
	bool unmask_later;     /* the guest sent events for nothing, or the unmask failed */
	bool notify_again;     /* the last event could not be sent */
};

struct xsp_queue_ops {
	/*
	 * begin: map the rings and make what the queue needs, without any event yet. Returns 0, or
	 * -errno with a sentence in q->why and nothing left behind.
	 */
	int (*begin)(struct xsp_queue *q);
	/*
	 * visit: one visit's worth of work, then xsp_queue_set_ready when there is more to do, or
	 * xsp_queue_set_arming when there is not.
	 */
	void (*visit)(struct xsp_queue *q);
	/* finish: what xsp_queue_set_finishing asked for: answer, push, notify. */
	void (*finish)(struct xsp_queue *q);
	/* pending: has the guest given us anything? < 0: the ring's indices make no sense. */
	int (*pending)(const struct xsp_queue *q);
	/* sleep: ask the guest for events, then as pending. */
	int (*sleep)(struct xsp_queue *q);
	/*
	 * may_stop: nothing new is taken any more. When nothing is in flight, call xsp_queue_end; else
	 * call xsp_queue_may_stop again after something was answered.
	 */
	void (*may_stop)(struct xsp_queue *q);
	/* end: unmap and free all that begin made; leave q->record. */
	void (*end)(struct xsp_queue *q);
};

struct xsp_queue {
	/* the device fills in, read-only for the worker */
	const struct xsp_queue_ops *ops;
	uint32_t domid, devid;
	uint32_t index;   /* 0.. of the device's queues */
	const char *name; /* "vbd/1/51712"; lives as long as the device */
	struct xsp_port port[XSP_QUEUE_PORTS]; /* guest's numbers filled in */
	uint32_t n_ports;
	enum xsp_adopt adopt;
	char record[XSP_RECORD_LEN]; /* in: where the rings were left, "" unknown. Out, at stop: the same */
	struct xsp_queue_stats *stats;
	void *owner; /* the device */

	/* the device's */
	bool running; /* started and not stopped */
	struct xsp_worker *worker;

	/* start, stop and trouble, as mail between the device's thread and the worker's */
	struct xsp_mail start_mail, stop_mail, broken_mail;
	struct xsp_mailbox *reply_to;
	void (*started)(struct xsp_queue *q); /* on the device's thread; err tells how it went */
	void (*stopped)(struct xsp_queue *q);
	void (*broke)(struct xsp_queue *q); /* the guest broke the ring; stop follows */
	int err;
	char why[160];        /* for err and for broke */
	bool sync_failed;     /* at stop: the last flush did */

	/* the worker's */
	bool stopping;     /* take nothing more */
	bool broken;       /* take nothing more, the ring can't be trusted */
	bool parked;       /* some of what was taken waits for a buffer: visits go on while it stops */
	bool backing_off;  /* a timer runs, for a port's unmask_later or notify_again */
	uint32_t idle_wakes; /* events for nothing in a row */
	struct xsp_cb back_off_cb;
	struct __kernel_timespec back_off_time;
	bool is_ready, is_finishing, is_arming, is_starved, is_waiting;
	uint64_t wake_ns; /* while it is waiting: visit it then */
	TAILQ_ENTRY(xsp_queue) all_link, ready_link, finishing_link, arming_link, starved_link,
		waiting_link;
};

/**
 * xsp_queue_start - hand a queue to a worker: map, bind, begin
 *
 * Device's thread. All that the device fills in is filled in. `started` is called with q->err = 0, or
 * -errno and q->why; after an error the queue is as before.
 */
void xsp_queue_start(struct xsp_queue *q, struct xsp_worker *w);

/**
 * xsp_queue_stop - take no more, answer what was taken, flush, unmap, unbind; then `stopped`
 *
 * Device's thread. The one mechanism behind SIGTERM, detach, another worker and another target: it
 * takes as long as what is in flight needs, and it never fails.
 */
void xsp_queue_stop(struct xsp_queue *q);

/* --- worker's thread: for the loop --------------------------------------------------------------- */

/** xsp_queue_arm - ask for an event, look once more, unmask the ports */
void xsp_queue_arm(struct xsp_queue *q);

/** xsp_queue_look - the worker polls: true when the queue is not idle any more */
bool xsp_queue_look(struct xsp_queue *q);

/** xsp_queue_feed - starved queues are ready, in their order and before those that are already */
void xsp_queue_feed(struct xsp_worker *w);

/** xsp_queue_event - a port has fired */
void xsp_queue_event(struct xsp_port *p);

/* --- worker's thread: for the ops ---------------------------------------------------------------- */

/** xsp_queue_set_ready - visit it (again), unless it takes nothing any more */
void xsp_queue_set_ready(struct xsp_queue *q);

/** xsp_queue_set_finishing - its finish is called in this turn of the loop */
void xsp_queue_set_finishing(struct xsp_queue *q);

/** xsp_queue_set_arming - it has nothing to do: ask for events at the end of this turn */
void xsp_queue_set_arming(struct xsp_queue *q);

/** xsp_queue_set_starved - visit it when one of the worker's buffers came back */
void xsp_queue_set_starved(struct xsp_queue *q);

/** xsp_queue_set_starved_first - the same, and before all that wait already: its turn was not over */
void xsp_queue_set_starved_first(struct xsp_queue *q);

/**
 * xsp_queue_set_waiting - visit it at that time (CLOCK_MONOTONIC), and not before
 *
 * Its ports stay masked meanwhile: no event of the guest's wakes us for it.
 */
void xsp_queue_set_waiting(struct xsp_queue *q, uint64_t until_ns);

/** xsp_queue_end_waiting - what it waited for is no reason any more: visit it */
void xsp_queue_end_waiting(struct xsp_queue *q);

/** xsp_queue_break - the guest did what no good frontend does: `broke` is called, once */
void xsp_queue_break(struct xsp_queue *q, const char *why);

/** xsp_queue_fail - q->why for a failed begin; returns err */
int xsp_queue_fail(struct xsp_queue *q, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** xsp_queue_complain - one rate-limited line about a request; the counters hold the rest */
void xsp_queue_complain(struct xsp_queue *q, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** xsp_queue_notify - send the guest an event on one of the queue's ports */
void xsp_queue_notify(struct xsp_port *p);

/** xsp_queue_may_stop - something was answered while q->stopping: perhaps it was the last */
void xsp_queue_may_stop(struct xsp_queue *q);

/** xsp_queue_end - nothing is in flight any more: give everything back, tell the device */
void xsp_queue_end(struct xsp_queue *q);

#endif
