/* SPDX-License-Identifier: MIT */
/*
 * A worker is a thread that moves data: one io_uring, one event channel handle, one grant handle,
 * its own buffers, and the queues it owns. Nothing of it is shared, so the data path has no locks;
 * other threads talk to it through its mailbox.
 *
 * One turn of its loop (worker.c):
 *   visit ready queues        requests out of the rings and into targets
 *   finish                    queues with answered requests: copy out, respond, one notify
 *   enter                     everything queued goes out in one call; waits when nothing is ready
 *   complete, finish          completions of targets, of the event channel's poll, of the mailbox
 *   arm, or look              queues with nothing more to do ask for an event and their ports are
 *                             unmasked; while the worker polls it only looks at their rings again
 */
#ifndef XSP_BACKEND_WORKER_H
#define XSP_BACKEND_WORKER_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <liburing.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "backend/blk/share.h"
#include "backend/polling.h"
#include "common/mailbox.h"
#include "ring/blkif.h"

struct xsp_queue;
struct xsp_port;
struct xsp_io;
struct xsp_net_scratch;
struct xsp_writes;

/* A completion on its way: user_data of every SQE points to one. */
struct xsp_cb {
	void (*fn)(struct xsp_cb *cb, int res);
};

#define XSP_VISIT_REQS  32u        /* a visit takes at most this many requests ... */
#define XSP_VISIT_BYTES (1u << 20) /* ... and stops after this many bytes */
#define XSP_BOUNCE_BYTES (XSP_BLK_SEGS * XSP_PAGE_SIZE) /* the largest direct request: 44 KiB */
#define XSP_COPY_SEGS    512u
#define XSP_AREA_SEGS    256u /* segments of the largest indirect request ... */
#define XSP_AREA_BYTES   (XSP_AREA_SEGS * XSP_PAGE_SIZE) /* ... and its data: 1 MiB */

/*
 * So many ios, and one area, belong to each of the first XSP_CLAIMS queues of a worker alone: a disk
 * that hangs with all the rest in its hands can't stop the others.
 */
#define XSP_CLAIM_IOS 4u
#define XSP_CLAIMS    64u

/*
 * What of the buffers is registered with the io_uring for a target that asks: the first ios', and as
 * much of the first areas as the requests of Linux's frontends need (32 segments). 6.75 MiB in all;
 * lists of free ones are last in, first out, so that is mostly what's in use.
 */
#define XSP_FIXED_IOS        64u
#define XSP_FIXED_AREAS      32u
#define XSP_FIXED_AREA_BYTES (128u << 10)

TAILQ_HEAD(xsp_queue_list, xsp_queue);

/* What an indirect request needs besides its io. */
struct xsp_area {
	struct xsp_area *next; /* free list */
	struct xsp_blk_seg seg[XSP_AREA_SEGS]; /* the private copy of its segments */
	struct iovec iov[XSP_AREA_SEGS];
	uint16_t extent[XSP_AREA_SEGS];
	uint8_t *page[XSP_AREA_SEGS];
};

struct xsp_worker {
	unsigned int index;
	pthread_t thread;
	int tid; /* of that thread, for people */
	sem_t started; /* the thread has made its io_uring, or start_err */
	int start_err;
	bool running; /* the thread is there */
	bool leaving; /* its own: end the loop ... */
	unsigned int owed; /* ... when so many that wait for completions of theirs have gone */
	struct xsp_mailbox box;
	struct io_uring uring;
	xenevtchn_handle *xce;
	bool xce_is_device; /* the kernel's own: several ports at a read */
	unsigned int poll_owed; /* 0: the poll for events is out; else the turns since they came */
	xengnttab_handle *xgt;
	struct xsp_cb evtchn_cb, box_cb;
	struct xsp_poller poller;

	struct xsp_queue_list queues;    /* all it owns */
	struct xsp_queue_list ready;     /* may have requests */
	struct xsp_queue_list finishing; /* have answered requests */
	struct xsp_queue_list arming;    /* had no more requests; while it polls they stay here */
	struct xsp_queue_list starved;   /* wait for a free io or area */
	struct xsp_queue_list waiting;   /* for a time */
	uint64_t wake_ns; /* look after those two lists then, at the latest; 0: no need */
	unsigned int n_blkqs; /* of them, block rings: they share the buffers below */
	struct xsp_port **by_port; /* by local event channel */
	uint32_t n_ports;

	struct xsp_io *ios; /* n_ios of them, io i owns bounce[i * XSP_BOUNCE_BYTES] */
	struct xsp_io *free_io;
	uint8_t *bounce;
	unsigned int n_ios, n_common_ios, common_ios_used; /* common: beyond all claims */
	struct xsp_area *areas; /* n_areas of them, area i owns area_bounce[i * XSP_AREA_BYTES] */
	struct xsp_area *free_area;
	uint8_t *area_bounce;
	unsigned int n_areas, n_common_areas, common_areas_used;
	unsigned int claims_left;
	enum { XSP_FIXED_UNTRIED, XSP_FIXED, XSP_FIXED_FAILED } fixed;
	struct xsp_window window; /* of its disks' queues */
	xengnttab_grant_copy_segment_t copy[XSP_COPY_SEGS];
	struct xsp_writes *writes;   /* of TAPs; NULL until it has the first */
	struct xsp_net_scratch *net; /* of network queues; NULL until it has the first */
	uint64_t enters; /* atomic: calls of io_uring_enter, for who asks */
	uint64_t now_ns; /* CLOCK_MONOTONIC at the start of this turn */
};

/**
 * xsp_worker_start - make a worker's handles and buffers and start its thread
 * @bounce_bytes: memory for data on its way; touched only as far as it is used
 * @window_bytes: cost of what its disks have in flight at most (blk/share.h)
 * @polling:      how it waits for requests; not AUTO
 *
 * Main thread. Returns 0 or -errno, with a sentence in the log.
 */
int xsp_worker_start(struct xsp_worker *w, unsigned int index, size_t bounce_bytes,
		     size_t window_bytes, const struct xsp_polling *polling);

/** xsp_worker_stop - ask the thread to leave and wait for it; it must own no queue any more */
void xsp_worker_stop(struct xsp_worker *w);

/**
 * xsp_worker_sqe - the next submission slot, completion to cb; never NULL
 *
 * Worker's thread. Submits what is queued when the ring is full.
 */
struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *w, struct xsp_cb *cb);

/** xsp_worker_get_io - a free request with its own buffer; NULL when all are in use */
struct xsp_io *xsp_worker_get_io(struct xsp_worker *w);

/** xsp_worker_get_area - make io one that can carry XSP_AREA_SEGS; false when none is free */
bool xsp_worker_get_area(struct xsp_worker *w, struct xsp_io *io);

/** xsp_worker_put_io - give it back with its area; queues that starved become ready */
void xsp_worker_put_io(struct xsp_worker *w, struct xsp_io *io);

/** xsp_worker_io - io by its number and back, as slots store it */
struct xsp_io *xsp_worker_io(struct xsp_worker *w, uint32_t number);
uint32_t xsp_worker_io_number(const struct xsp_worker *w, const struct xsp_io *io);

/**
 * xsp_worker_fixed - the number of the registered buffer that io's own buffer lies in
 *
 * Worker's thread; the first call registers. For IORING_OP_READ_FIXED and WRITE_FIXED on io->bounce:
 * the kernel doesn't look up and pin their pages each time. Returns -1 when io->len bytes of it
 * are not in one.
 */
int xsp_worker_fixed(struct xsp_worker *w, const struct xsp_io *io);

/** xsp_worker_wake_at - at that time starved queues are ready, and those whose time has come */
void xsp_worker_wake_at(struct xsp_worker *w, uint64_t ns);

/** xsp_worker_set_port - events of this local channel go to p from now on (NULL: nowhere); 0, -errno */
int xsp_worker_set_port(struct xsp_worker *w, uint32_t local, struct xsp_port *p);

/** xsp_now_ns - CLOCK_MONOTONIC */
uint64_t xsp_now_ns(void);

#endif
