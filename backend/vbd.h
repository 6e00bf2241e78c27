/* SPDX-License-Identifier: MIT */
/*
 * One block device as the store thread sees it: its two directories in XenStore, where it is in the
 * XenBus handshake, its target and its queues.
 *
 * xsp_vbd_step reads what the store says now, asks the state machine (common/xenbus/fsm.h) and does
 * what it says. What takes a worker's time (start, stop) is sent off and its answers are awaited;
 * when the last one comes the device is stepped again. A change in the store meanwhile only marks it dirty.
 */
#ifndef XSP_BACKEND_VBD_H
#define XSP_BACKEND_VBD_H

#include "backend/daemon.h"
#include "backend/queue.h"
#include "common/xenbus/fsm.h"

/* What the hotplug script and the toolstack read; written by us, below the backend's directory. */
#define XSP_KEY_ERROR   "xensplit-error"
#define XSP_KEY_DRAINED "xensplit-drained"

#define XSP_MAX_QUEUES 16u /* of one device */

struct xsp_vbd {
	TAILQ_ENTRY(xsp_vbd) link;
	struct xsp_daemon *d;
	uint32_t domid, devid;
	char name[32];                 /* vbd/1/51712 */
	char be[XSP_STORE_PATH / 2];   /* our directory */
	char fe[XSP_STORE_PATH / 2];   /* the frontend's; "" until read */
	bool fe_watched;

	/* as last read from the store */
	enum xsp_xenbus_state me, peer;
	bool online, peer_gone, hotplug_ready;

	/* progress */
	bool dirty;          /* something changed since the last step */
	unsigned int awaited; /* answers that workers owe: starts or stops are under way */
	bool connected;      /* the queues run */
	bool broken;         /* a guest broke one while the others were on their way */
	bool node_gone;      /* our directory vanished: free after disconnect */
	bool left_alone;     /* adoption refused: an operator's turn */
	bool domain_dead;    /* @releaseDomain said so */
	enum xsp_xenbus_state after_stop; /* state to write when the queues have stopped */
	uint64_t retry_at_ns;             /* step again then; 0: no */
	uint64_t give_up_ns;              /* for what is retried */

	char *spec;                 /* params as opened */
	struct xsp_target *target;  /* NULL: not open */
	int target_err;             /* why not */
	char open_why[XSP_INSPECT_TEXT]; /* the same as a sentence */
	bool readonly;
	bool discard_enable;        /* the toolstack's key */
	bool offer_discard;         /* the target can and the toolstack does not forbid it */
	uint32_t info;              /* what the `info` node says: 1 cdrom, 2 removable, 4 read-only */
	uint32_t n_queues;          /* while starting, connected, stopping; else 0 */
	struct xsp_queue *queue[XSP_MAX_QUEUES];
	int start_err;              /* of the first queue that did not start */
	char start_why[160];

	struct xsp_log_limit trouble, life; /* of lines that a guest can cause: reports; connects */

	/* shown to the control socket, under d->lock */
	struct xsp_vbd_snap snap; /* all but stats */
	struct xsp_blk_stats *stats[XSP_MAX_QUEUES]; /* made with the first queue of that index, kept */
};

/* Workers have something of it; no step until they have answered. */
static inline bool xsp_vbd_busy(const struct xsp_vbd *v)
{
	return v->awaited > 0;
}

/** xsp_vbd_find - by ids; store thread, or any thread with d->lock held. NULL when not known */
struct xsp_vbd *xsp_vbd_find(struct xsp_daemon *d, uint32_t domid, uint32_t devid);

/** xsp_vbd_new - a device whose directory was seen; it is dirty. NULL: no memory */
struct xsp_vbd *xsp_vbd_new(struct xsp_daemon *d, uint32_t domid, uint32_t devid);

/** xsp_vbd_step - do what is to be done now; may free the device when it is gone for good */
void xsp_vbd_step(struct xsp_vbd *v);

/** xsp_vbd_rewatch - the store was lost and found again: watch the frontend anew */
void xsp_vbd_rewatch(struct xsp_vbd *v);

/** xsp_vbd_drain - for SIGTERM: stop the queues and leave the record for the next daemon */
void xsp_vbd_drain(struct xsp_vbd *v);

/** xsp_vbd_discard - free a device that has no queues */
void xsp_vbd_discard(struct xsp_vbd *v);

/* --- vbd_keys.c: the nodes of one device ---------------------------------------------------------- */

/** xsp_vbd_read - refresh what the state machine needs; 0, or -errno when the store does not answer */
int xsp_vbd_read(struct xsp_vbd *v);

/** xsp_vbd_advertise - transport features, hotplug status without a script, then state 2; 0, -errno */
int xsp_vbd_advertise(struct xsp_vbd *v);

/**
 * xsp_vbd_read_rings - what the frontend published, range-checked
 * @c:   XSP_MAX_QUEUES configs, of which the first *ret_n get abi, order, ring_ref and evtchn
 * @why: a sentence when it makes no sense
 */
int xsp_vbd_read_rings(struct xsp_vbd *v, struct xsp_queue_config *c, uint32_t *ret_n, char *why,
		       size_t why_len);

/** xsp_vbd_max_queues - how many queues a frontend is offered */
uint32_t xsp_vbd_max_queues(const struct xsp_vbd *v);

/** xsp_vbd_publish - size, features and state 4 in one transaction */
int xsp_vbd_publish(struct xsp_vbd *v);

/** xsp_vbd_set_state - the one function that writes `state` outside a larger transaction */
int xsp_vbd_set_state(struct xsp_vbd *v, enum xsp_xenbus_state state);

/** xsp_vbd_report - the reason why a device does not work, where people and tools look: "" clears */
void xsp_vbd_report(struct xsp_vbd *v, const char *why);

/** xsp_vbd_log - one line about the device, within a limit */
void xsp_vbd_log(struct xsp_vbd *v, struct xsp_log_limit *limit, enum xsp_log_level level,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** xsp_vbd_open_target - open what params names; sets target or target_err */
void xsp_vbd_open_target(struct xsp_vbd *v);

#endif
