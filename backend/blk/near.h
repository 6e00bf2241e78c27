/* SPDX-License-Identifier: MIT */
/*
 * How far away a guest's processor is: the time that a line takes from its cache to ours, measured now and
 * then on the descriptors of an indirect request, which it has just written and nobody else touched.
 * (Slots of the ring won't do: a line holds parts of two.) Processors that share a cache pass on a line in
 * 20 to 50 ns, others in 120 and more, and that decides how data is best left for the guest to read
 * (data.c: place). A line that is in no cache any more looks far, which is the safe answer, as it is for a
 * guest that sends no such requests. Where the clock is slow everybody is far.
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
#define XSP_NEAR_EVERY 4u   /* requests from one look to the next: a guest moves to another processor any time */

struct xsp_near {
	uint8_t looks; /* the last eight of them, a bit each: 1 is near */
	uint8_t wait;  /* requests until the next */
};

static inline bool xsp_near(const struct xsp_near *n)
{
	return __builtin_popcount(n->looks) > 4;
}

/** xsp_near_look - maybe measure; @line: written by the guest and not looked at yet. Worker's thread. */
static inline void xsp_near_look(struct xsp_near *n, const uint32_t *line)
{
	uint64_t began;

	if (n->wait) {
		n->wait--;
		return;
	}
	n->wait = XSP_NEAR_EVERY - 1;
	began = xsp_now_ns();
	xsp_load(line);
	n->looks = (uint8_t)(n->looks << 1 | (xsp_now_ns() - began < XSP_NEAR_NS));
}

#endif
