/* SPDX-License-Identifier: MIT */
/*
 * One device as the store thread sees it, whatever its class: its two directories in XenStore, where
 * it is in the XenBus handshake, and its queues. What stands behind it and what its nodes say is the
 * class's matter (vbd.h): it embeds this struct, as its first member, and gives it ops.
 *
 * xsp_device_step reads what the store says now, asks the state machine (common/xenbus/fsm.h) and
 * does what it says. What takes a worker's time (start, stop) is sent off and its answers are
 * awaited; when the last one comes the device is stepped again. A change in the store meanwhile only
 * marks it dirty.
 */
#ifndef XSP_BACKEND_DEVICE_H
#define XSP_BACKEND_DEVICE_H

#include "backend/daemon.h"
#include "backend/inspect.h"
#include "backend/queue.h"
#include "common/xenbus/fsm.h"

/* What the hotplug script and the toolstack read; written by us, below the backend's directory. */
#define XSP_KEY_ERROR   "xensplit-error"
#define XSP_KEY_DRAINED "xensplit-drained"

#define XSP_MAX_QUEUES 16u /* of one device */

struct xsp_device;

/* All on the store thread. */
struct xsp_device_class {
	const char *name;  /* "vbd": of its store directories and of its devices' names */
	const char *noun;  /* "disk": what a guest loses when its device is closed */
	size_t size;       /* of the struct that embeds xsp_device */
	/* init: a new device, all zero but for what all classes have. NULL: nothing to do */
	void (*init)(struct xsp_device *dev);
	/* taken: somebody else on this host serves all devices of the class. NULL: nobody. */
	bool (*taken)(void);
	/*
	 * open: what stands behind the device. Returns 0; -EINPROGRESS when it takes longer: it marks the
	 * device dirty then, and is called again; -EAGAIN when a former owner may let go soon; or
	 * -errno, and dev->open_why is a sentence.
	 */
	int (*open)(struct xsp_device *dev);
	/* close: the same; no queue is left. Also when it is not open. */
	void (*close)(struct xsp_device *dev);
	/* advertise: features that a frontend wants to know before it makes its rings; in transaction t. */
	int (*advertise)(struct xsp_device *dev, xs_transaction_t t);
	/*
	 * make_queues: read what the frontend published and make dev->queue[0..n_queues), filled in but
	 * for what all classes have. Returns 0, or -errno and a sentence in why; the queues made so far
	 * are freed by the caller.
	 */
	int (*make_queues)(struct xsp_device *dev, char *why, size_t why_len);
	/* publish: properties, with state 4; in transaction t. NULL: none. */
	int (*publish)(struct xsp_device *dev, xs_transaction_t t);
	/* connected: the queues run: what is shown of them (under d->lock), and a line for the log. */
	void (*connected)(struct xsp_device *dev, char *text, size_t len);
	/* disconnected: they don't run any more, and not for a pause or a successor. NULL: nothing to do. */
	void (*disconnected)(struct xsp_device *dev);
	/* changed: a node of our own directory was written. NULL: nothing depends on it. */
	void (*changed)(struct xsp_device *dev, const char *key);
	/*
	 * tend: in each step while the queues run: look after what changes behind the device. True when
	 * it began a pause. NULL: nothing does.
	 */
	bool (*tend)(struct xsp_device *dev);
	/* look: every two seconds, in no time: is there something for tend? NULL: never. */
	bool (*look)(struct xsp_device *dev);
	/*
	 * rewatch: the frontend's path is known now, or the store was lost and found again: all watches
	 * are gone. NULL: it has none.
	 */
	void (*rewatch)(struct xsp_device *dev);
	/* lost: why it can't be taken over from a former daemon, as a sentence; NULL: it can. NULL: always */
	const char *(*lost)(struct xsp_device *dev);
	/* keep: all queues stopped for a successor: write down what it needs. NULL: nothing */
	void (*keep)(struct xsp_device *dev);
	/* fini: free what the class has beside the device. */
	void (*fini)(struct xsp_device *dev);
};

struct xsp_device {
	TAILQ_ENTRY(xsp_device) link;
	const struct xsp_device_class *class;
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
	bool open;           /* what stands behind it */
	int open_err;        /* why not */
	char open_why[XSP_INSPECT_TEXT]; /* the same as a sentence */
	bool connected;      /* the queues run */
	bool broken;         /* a guest broke one while the others were on their way */
	bool node_gone;      /* our directory vanished: free after disconnect */
	bool left_alone;     /* adoption refused: an operator's turn */
	bool domain_dead;    /* @releaseDomain said so */
	enum xsp_xenbus_state after_stop; /* state to write when the queues have stopped */
	uint64_t retry_at_ns;             /* step again then; 0: no */
	uint64_t give_up_ns;              /* for what is retried */
	uint64_t opening_ns;              /* open takes its time since then; 0: it does not */

	/* xsp_device_pause */
	void (*pause_then)(struct xsp_device *dev);
	bool resuming;       /* the queues start again where they were stopped */
	bool republish;      /* then's wish: write the properties and state 4 again */
	uint32_t n_records;
	char record[XSP_MAX_QUEUES][XSP_RECORD_LEN];
	int worker[XSP_MAX_QUEUES];  /* that a queue is to run on; < 0: any */

	uint32_t n_queues;          /* while starting, connected, stopping; else 0 */
	struct xsp_queue *queue[XSP_MAX_QUEUES];
	int start_err;              /* of the first queue that did not start */
	char start_why[160];

	struct xsp_log_limit trouble, life; /* of lines that a guest can cause: reports; connects */

	struct xsp_device_snap snap; /* shown to the control socket, under d->lock */
};

/* Workers have something of it; no step until they have answered. */
static inline bool xsp_device_busy(const struct xsp_device *dev)
{
	return dev->awaited > 0;
}

/** xsp_device_find - by ids; store thread, or any thread with d->lock held. NULL when not known */
struct xsp_device *xsp_device_find(struct xsp_daemon *d, const struct xsp_device_class *class,
				   uint32_t domid, uint32_t devid);

/** xsp_device_new - a device whose directory was seen; it is dirty. NULL: no memory */
struct xsp_device *xsp_device_new(struct xsp_daemon *d, const struct xsp_device_class *class,
				  uint32_t domid, uint32_t devid);

/** xsp_device_step - do what is to be done now; may free the device when it is gone for good */
void xsp_device_step(struct xsp_device *dev);

/**
 * xsp_device_pause - stop the queues, do `then`, start them again where they were
 * @then: may change what stands behind the device or dev->worker[]; dev->republish = true writes its
 *        properties and state 4 again, as Linux's blkback does after a resize. NULL: nothing
 *
 * Store thread. The guest sees a pause and keeps its rings; what it has not been answered yet is
 * taken when they go on. Returns 0; -ENOTCONN when no queue runs (then is not called); -EBUSY when
 * starts or stops are under way: later.
 */
int xsp_device_pause(struct xsp_device *dev, void (*then)(struct xsp_device *dev));

/** xsp_device_rewatch - the store was lost and found again: watch the frontend anew */
void xsp_device_rewatch(struct xsp_device *dev);

/** xsp_device_drain - for SIGTERM: stop the queues and leave the record for the next daemon */
void xsp_device_drain(struct xsp_device *dev);

/** xsp_device_free - forget a device that has no queues */
void xsp_device_free(struct xsp_device *dev);

/* --- device_keys.c: the nodes that devices of all classes have ------------------------------------ */

/** xsp_device_read - refresh what the state machine needs; 0, or -errno when the store does not answer */
int xsp_device_read(struct xsp_device *dev);

/** xsp_device_put - write a node below our directory; 0 or -errno */
int xsp_device_put(struct xsp_device *dev, xs_transaction_t t, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** xsp_device_advertise - transport features, hotplug status without a script, then state 2; 0, -errno */
int xsp_device_advertise(struct xsp_device *dev);

/** xsp_device_publish - properties and state 4 in one transaction */
int xsp_device_publish(struct xsp_device *dev);

/** xsp_device_set_state - the one function that writes `state` outside a larger transaction */
int xsp_device_set_state(struct xsp_device *dev, enum xsp_xenbus_state state);

/** xsp_device_report - the reason why a device does not work, where people and tools look: "" clears */
void xsp_device_report(struct xsp_device *dev, const char *why);

/** xsp_device_log - one line about the device, within a limit */
void xsp_device_log(struct xsp_device *dev, struct xsp_log_limit *limit, enum xsp_log_level level,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* --- front_keys.c: what a frontend wrote ----------------------------------------------------------- */

/* One reading of a frontend's nodes, in a transaction. */
struct xsp_front_keys {
	struct xsp_device *dev;
	xs_transaction_t t;
	char *why; /* a sentence when they make no sense */
	size_t why_len;
};

/** xsp_front_number - a number below limit; a missing one is `absent` when that is below limit */
int xsp_front_number(struct xsp_front_keys *k, const char *key, uint32_t limit, uint32_t absent,
		     uint32_t *ret);

/** xsp_front_exists - is the node there? */
bool xsp_front_exists(struct xsp_front_keys *k, const char *key);

/** xsp_front_bad - the sentence; -EINVAL */
int xsp_front_bad(struct xsp_front_keys *k, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * xsp_front_read - call read in a transaction until it saw one moment of the store
 *
 * Returns what it did, with a sentence in why for every error.
 */
int xsp_front_read(struct xsp_device *dev, int (*read)(struct xsp_front_keys *k, void *arg), void *arg,
		   char *why, size_t why_len);

#endif
