/* SPDX-License-Identifier: MIT */
/*
 * How far away a guest's processor is: the time that a line takes from its cache to ours, measured now and
 * then on what it has just written and nobody else touched: the descriptors of an indirect request, a
 * slot of the ring that begins a line. (A slot may have been fetched ahead, with those before it: then it
 * takes no longer than a line that is here, and tells nothing.) Processors that share a cache pass on a
 * line in 20 to 50 ns, others in 120 and more, and that decides how data is best left for the guest to
 * read (data.c: place). A line that is in no cache any more looks far, which is the safe answer. Where
 * the clock is slow everybody is far.
 *
 * A guest that deceives us here gets its own data late.
 */
#ifndef XSP_BACKEND_BLK_NEAR_H
#define XSP_BACKEND_BLK_NEAR_H

#include <stdbool.h>
#include <stdint.h>

#include <xsp/env.h>

#include "backend/worker.h"

#define XSP_NEAR_NS    100u /* with 20 to 30 of the clock's own */
#define XSP_NEAR_HERE  10u  /* so much longer than one that is here takes a line that isn't */
#define XSP_NEAR_LINE  64u  /* bytes of a cache line */
#define XSP_NEAR_EVERY 4u   /* requests from one look to the next: a guest moves to another processor any time */

struct xsp_near {
	uint8_t looks; /* the last eight of them, a bit each: 1 is near */
	uint8_t wait;  /* requests until the next */
};

static inline bool xsp_near(const struct xsp_near *n)
{
	return __builtin_popcount(n->looks) > 4;
}

static inline uint64_t xsp_near_takes(const uint32_t *line)
{
	uint64_t began = xsp_now_ns();

	xsp_load(line);
	return xsp_now_ns() - began;
}

/**
 * xsp_near_look - maybe measure
 * @line:    written by the guest and not looked at yet
 * @streams: it is one of several in a row, which a processor may have fetched ahead
 * Worker's thread.
 */
static inline void xsp_near_look(struct xsp_near *n, const uint32_t *line, bool streams)
{
	uint64_t ns;

	if (n->wait) {
		n->wait--;
		return;
	}
	n->wait = XSP_NEAR_EVERY - 1;
	ns = xsp_near_takes(line);
	if (!streams || ns >= xsp_near_takes(line) + XSP_NEAR_HERE)
		n->looks = (uint8_t)(n->looks << 1 | (ns < XSP_NEAR_NS));
}

#endif
