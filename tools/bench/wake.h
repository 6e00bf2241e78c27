/* SPDX-License-Identifier: MIT */
/* Means of waking another thread: wake_means.c has them, wake.c measures them. */
#ifndef XSP_BENCH_WAKE_H
#define XSP_BENCH_WAKE_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include <xenevtchn.h>

/* What the means need, for each half. Zeroed but for descriptors, which are -1. */
struct wake {
	int fd[2], epoll[2];
	uint32_t futex[2] __attribute__((aligned(128)));
	struct io_uring ring[2];
	bool ring_up[2];
	xenevtchn_handle *evtchn[2];
	evtchn_port_t port[2];
};

struct means {
	const char *name, *what;
	bool xen; /* an event channel: needs a world that has them */
	int (*open)(struct wake *w); /* 0 or -errno */
	void (*tell)(struct wake *w, int me); /* the other half's current or next wait returns */
	void (*wait)(struct wake *w, int me); /* may return without a reason */
};

extern const struct means wake_means[];
extern const int n_wake_means;

/** wake_init - before a means' open; wake_close - whatever was opened is closed */
void wake_init(struct wake *w);
void wake_close(struct wake *w);

#endif
