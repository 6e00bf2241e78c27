/* SPDX-License-Identifier: MIT */
/*
 * How many bytes a device may send: so many in so many microseconds, shared by its queues, which may
 * belong to different workers; changed by the store thread while they run. As Linux's netback has it:
 * what is left of a period is kept, up to one period's worth or 128 KiB, so that a packet larger than
 * a period's credit goes out all the same, if later.
 *
 * Source: xl-network-configuration(5) "rate"; the key `rate` = "bytes,usecs".
 */
#ifndef XSP_BACKEND_NET_RATE_H
#define XSP_BACKEND_NET_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct xsp_rate { /* zero-initialised: no limit */
	uint64_t bytes;     /* a period's credit; 0: no limit */
	uint64_t period_ns;
	int64_t credit;     /* left */
	uint64_t from_ns;   /* the present period's begin, CLOCK_MONOTONIC */
};

/** xsp_rate_parse - "bytes,usecs"; "" is no limit. 0 or -EINVAL */
int xsp_rate_parse(const char *text, uint64_t *ret_bytes, uint64_t *ret_usecs);

/** xsp_rate_set - from now on; bytes 0: no limit. One thread */
void xsp_rate_set(struct xsp_rate *r, uint64_t bytes, uint64_t usecs);

/**
 * xsp_rate_take - may len more bytes go? Any thread
 *
 * Returns 0 and takes them from the credit, or how many ns to wait before asking again.
 */
uint64_t xsp_rate_take(struct xsp_rate *r, uint32_t len, uint64_t now_ns);

#endif
