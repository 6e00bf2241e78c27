/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The XenBus state machine, both sides: from what the store says now to the one thing to do next.
 * Pure: no I/O, no memory of its own. The host reads the store, asks, does what the verdict says
 * and asks again until the verdict is XSP_XB_NONE; then it waits for a watch to fire. Because only
 * the present states count and never the event that announced them, coalesced or repeated watch
 * events can do no harm.
 *
 * Source: xen/include/public/io/xenbus.h (states), io/blkif.h "STATE DIAGRAMS"; the behaviour of
 * frontends that skip state 3, start over without closing, or come back after kexec.
 */
#ifndef XSP_XENBUS_FSM_H
#define XSP_XENBUS_FSM_H

#include <xsp/env.h>

enum xsp_xenbus_state {
	XSP_XB_UNKNOWN = 0, /* the node is missing, empty or no number */
	XSP_XB_INITIALISING = 1,
	XSP_XB_INITWAIT = 2,
	XSP_XB_INITIALISED = 3,
	XSP_XB_CONNECTED = 4,
	XSP_XB_CLOSING = 5,
	XSP_XB_CLOSED = 6,
	XSP_XB_RECONFIGURING = 7,
	XSP_XB_RECONFIGURED = 8,
};

/* What to do. "then next" is: write `state` = next, unless next is UNKNOWN (write nothing). */
enum xsp_xenbus_act {
	XSP_XB_NONE,       /* wait for a change */
	XSP_XB_ADVERTISE,  /* back: write the transport features, then next (InitWait) */
	XSP_XB_PUBLISH,    /* front: make rings and ports, write their keys, then next (Initialised) */
	XSP_XB_CONNECT,    /* back: read the ring keys, start the queues, write properties, then next;
			      front: read the properties, then next (Connected) */
	XSP_XB_ADOPT,      /* back: Connected already, but no queue runs here (the daemon was restarted):
			      take the rings over as they are; no state is written */
	XSP_XB_DISCONNECT, /* stop the queues and let go of the rings (doing it twice is harmless),
			      then next */
	XSP_XB_SET_STATE,  /* next */
	XSP_XB_REMOVE,     /* forget the device; a later watch event may bring it back */
	XSP_XB_ERROR,      /* the node makes no sense or never will: say `why`, then next */
};

struct xsp_xenbus_verdict {
	enum xsp_xenbus_act act;
	enum xsp_xenbus_state next; /* the state after the act; when nothing is written, the present one */
	const char *why;            /* a short phrase for log and `xensplit list`; static */
};

/* The backend's view. */
struct xsp_xenbus_back_in {
	enum xsp_xenbus_state me;   /* our `state` node */
	enum xsp_xenbus_state peer; /* the frontend's */
	bool online;                /* our `online` node is 1; missing counts as 0 */
	bool target_ready;          /* the disk or port behind the device is open */
	bool hotplug_ready;         /* the hotplug script is done, or there is none */
	bool connected;             /* our queues run */
	bool peer_gone;             /* the frontend's directory vanished, or its domain is dead */
};

/* The frontend's view. */
struct xsp_xenbus_front_in {
	enum xsp_xenbus_state me;   /* our `state` node */
	enum xsp_xenbus_state peer; /* the backend's */
	bool want;                  /* the device is to be used; false: close it */
	bool connected;             /* rings are published (queues run or are about to) */
	bool online;                /* the backend's `online` node is 1 */
	bool peer_gone;             /* the backend's directory vanished */
};

/**
 * xsp_xenbus_back - what a backend does next. Any context; every input is defined.
 *
 * Repeating "do it, ask again" ends in XSP_XB_NONE or XSP_XB_REMOVE after at most four steps while
 * the peer holds still (tests/unit/test_fsm.c walks all of them).
 */
struct xsp_xenbus_verdict xsp_xenbus_back(const struct xsp_xenbus_back_in *in);

/** xsp_xenbus_front - what a frontend does next; as xsp_xenbus_back */
struct xsp_xenbus_verdict xsp_xenbus_front(const struct xsp_xenbus_front_in *in);

/** xsp_xenbus_state_name - "InitWait" ...; "?" for a number that is no state */
const char *xsp_xenbus_state_name(enum xsp_xenbus_state state);

/** xsp_xenbus_act_name - "advertise" ... */
const char *xsp_xenbus_act_name(enum xsp_xenbus_act act);

#endif
