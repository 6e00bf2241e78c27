/* SPDX-License-Identifier: MIT */
/*
 * The talk between a handle (or the command line) and the hub: one SOCK_SEQPACKET connection each,
 * to DIR/hub.sock; one request, one reply; fds travel with the reply (HELLO, GET_*). The hub knows
 * death by the hang-up, so a connection is exactly one handle's life.
 */
#ifndef COMMON_LAB_PROTO_H
#define COMMON_LAB_PROTO_H

#include <stdint.h>

#define LAB_PROTO_VERSION 1
#define LAB_MAX_FDS       4
#define LAB_NS_NET        2 /* of user, mnt, net, pid */

enum lab_kind { LAB_KIND_GNTTAB, LAB_KIND_GNTSHR, LAB_KIND_EVTCHN, LAB_KIND_CALL, LAB_KIND_CTL };

enum lab_op {
	LAB_HELLO = 1,     /* kind, domid, version -> slot, gen; fds: shm [, eventfd | records] */
	LAB_CLOSE,         /* let go of everything now; the reply comes when it is done */
	LAB_GET_MEMORY,    /* domid -> gen; fd: the domain's memory */
	LAB_GET_EVENTFD,   /* owner lo, owner hi -> fd of that handle */
	LAB_SHARE,         /* domid, count, writable, notify bits, offset, port -> references */
	LAB_UNSHARE,       /* count; references follow */
	LAB_ALLOC_UNBOUND, /* remote domid -> port */
	LAB_BIND_INTERDOMAIN, /* remote domid, remote port -> port */
	LAB_BIND_VIRQ,        /* virq -> port */
	LAB_UNBIND,           /* port */
	LAB_HOLD,             /* port: an unmap notification names it */
	LAB_RELEASE,          /* port: event on it, and no longer named */
	LAB_REAP,             /* domid: its last map went */
	LAB_CREATE,           /* ctl: domid; data: name. 0 when it existed already, 1 when made */
	LAB_DESTROY,          /* ctl, call: domid */
	LAB_ENTER,            /* ctl: domid whose network; fds: user, mnt, net, pid namespaces (those
			       * the lab has) */
	LAB_STATUS,           /* ctl: data: one JSON object */
	LAB_SHUTDOWN,         /* ctl: end the lab */
};

struct lab_msg {
	uint32_t op;
	int32_t rc; /* reply: 0 or more, or -errno */
	uint32_t arg[6];
	uint32_t len; /* bytes that follow */
};

#define LAB_MAX_DATA 65536

#endif
