/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A device of XenBus that this guest drives, whatever its class: what xensplit-blk.ko and
 * xensplit-net.ko do alike. A class says in a struct xdev_class what it does itself.
 *
 *   driver.c       the module's beginning and end, XenBus's driver, the folder in debugfs
 *   state.c        does what the state machine (common/xenbus/fsm.h) says; recovery, closing
 *   keys.c         reading and writing arrays of the store's keys
 *   state_event.h  the trace point of the state machine
 *
 * These files are compiled once for each module (Kbuild), so what is global here is the module's.
 *
 * Who waits for what. XenBus calls the driver from one thread for all devices, so nothing there waits
 * for the backend: it queues `advance`, which does one device's state machine. It stops while the
 * guest is being saved, and waits for a backend only within bounds.
 */
#ifndef XSP_LINUX_DEVICE_H
#define XSP_LINUX_DEVICE_H

#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <xen/xenbus.h>

#include "common/xenbus/fsm.h"
#include "frontend/core/keytext.h"

#define XDEV_PATIENCE  (10 * HZ) /* for the backend, when something is to end */
#define XDEV_BREAKS    3         /* times a backend may break the protocol ... */
#define XDEV_BREAKS_IN (60 * HZ) /* ... within this time, before the device is given up */

struct seq_file;
struct xdev;

/* What a class does itself. All of it may sleep. */
struct xdev_class {
	const char *name;  /* of the driver, and of its folder in debugfs */
	const char *type;  /* of the devices: XenBus's name of them */
	const char *thing; /* what the guest has of it, for messages */
	const char *const *old_keys; /* removed before writing and in the end; ends with NULL */
	bool old_ring_refs; /* and ring-ref0, ring-ref1, ... */
	bool early; /* state 4 is written with the rings: this class has no state 3 */
	bool urgent; /* a broken connection that isn't replaced within XDEV_PATIENCE is the last */

	/* A new device, after xdev_init, or an error that was logged. Nothing is connected yet. */
	struct xdev *(*probe)(struct xenbus_device *xb);
	/* Calls xdev_close and xdev_fini, and frees it. */
	void (*remove)(struct xdev *d);
	/* The guest came back from a save; the connection is dropped next. May be NULL. */
	void (*resume)(struct xdev *d);

	/* The rest is called with xdev.lock held. */

	/* Makes rings and writes their keys. 0; -EAGAIN: not yet, `advance` will be called; or -errno. */
	int (*publish)(struct xdev *d);
	/* The backend is connected: what it says of the device. 0 or as publish. */
	int (*connect)(struct xdev *d);
	/* It all is agreed (xdev.up): the queues run. */
	void (*start)(struct xdev *d);
	/* Nothing goes into the rings any more nor comes out; they stay. Twice is harmless. */
	void (*stop)(struct xdev *d);
	/* After stop: rings, pages and ports go. Twice is harmless. */
	void (*drop)(struct xdev *d);
	/*
	 * The connection may end. False: something comes first and will queue `advance`, or xdev_lose
	 * was called. `served`: until then the backend still does what it is asked to. May be NULL.
	 */
	bool (*may_end)(struct xdev *d, bool served);
	/* There will be no further connection (drop follows): what waits for one fails. May be NULL. */
	void (*lose)(struct xdev *d);
	/* In the middle of a connection: does what was asked for elsewhere, then. May be NULL. */
	void (*asked)(struct xdev *d);
	/* The same, something in the store may have changed. */
	void (*changed)(struct xdev *d);
	/* How the rings of this connection were broken, or NULL. */
	const char *(*broken)(struct xdev *d);
	/* Lines of the files in debugfs; struct xdev_class.name/type-devid/ is their folder. */
	const char *(*show_name)(struct xdev *d);
	void (*show_device)(struct seq_file *s, struct xdev *d);
	void (*show_rings)(struct seq_file *s, struct xdev *d);
	void (*show_counters)(struct seq_file *s, struct xdev *d);
	/* The class's trace point, XDEV_STATE_EVENT. */
	void (*trace)(u32 devid, int me, int peer, int act, int next);
};

/* The first member of a class's device. lock covers all that changes, but for what says otherwise. */
struct xdev {
	const struct xdev_class *class;
	struct xenbus_device *xb; /* until it is unbound */
	u32 devid;
	struct mutex lock;
	struct work_struct advance;
	struct delayed_work deadline;
	bool want;      /* false: to be closed */
	bool connected; /* rings are published */
	bool up;        /* and the backend uses them */
	bool recover;   /* closing in order to connect again */
	bool linger;    /* closed; the rings go when the backend has let go of them */
	bool gone;      /* unbound: `advance` does nothing any more */
	bool ready;     /* connected, or never will be (for waiting at boot) */
	unsigned long broken; /* bit 0: a ring of this connection is broken; any context */
	const char *why;      /* it was closed last */
	unsigned long deadline_at; /* jiffies, or 0 */
	unsigned int breaks;
	unsigned long first_break;
	unsigned long life; /* counts connections */
	bool trusted;       /* the backend, in this connection */
	struct dentry *debug;
};

/* driver.c */
extern struct workqueue_struct *xdev_wq; /* freezable: no handshake is half done in a save */
extern atomic_t xdev_resumes; /* times this guest came back from a save */
int xdev_register(const struct xdev_class *class);
void xdev_unregister(void);

/* state.c */
void xdev_init(struct xdev *d, const struct xdev_class *class, struct xenbus_device *xb, u32 devid);
void xdev_close(struct xdev *d);
void xdev_fini(struct xdev *d);
void xdev_advance(struct xdev *d);
void xdev_broken(struct xdev *d);
void xdev_leave(struct xdev *d);
void xdev_forget(struct xdev *d);
void xdev_lose(struct xdev *d);

/* keys.c */
void xdev_keys_read(struct xdev *d, const char *const *names, unsigned int n, struct xsp_key *keys);
void xdev_keys_free(struct xsp_key *keys, unsigned int n);
int xdev_keys_write(struct xdev *d, const struct xsp_key_out *keys, int n);
bool xdev_keys_trusted(struct xdev *d);

#endif
