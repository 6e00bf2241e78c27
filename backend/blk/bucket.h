/* SPDX-License-Identifier: MIT */
/*
 * A token bucket that workers share without a lock: rate tokens a second, at most burst of them saved
 * up. What is taken may cost more than there is; the debt is paid before anything else goes, so over
 * any time t no more than rate * t + burst and one request's cost goes through. No rounding adds up:
 * what was made since the beginning is computed each time, exactly, and the one thing that changes is
 * the number of tokens taken so far.
 */
#ifndef XSP_BACKEND_BLK_BUCKET_H
#define XSP_BACKEND_BLK_BUCKET_H

#include <stdint.h>

#include "common/pace.h"

struct xsp_bucket {
	uint64_t rate, burst, epoch_ns; /* never change */
	uint64_t taken;                 /* atomic: since epoch_ns, with what was not saved up */
	unsigned int refs;              /* atomic */
};

/** xsp_bucket_new - a full one, with one reference; pace: with a limit. NULL: no memory */
struct xsp_bucket *xsp_bucket_new(const struct xsp_pace *pace, uint64_t now_ns);

/** xsp_bucket_get - one more reference; b, which may be NULL; any thread */
struct xsp_bucket *xsp_bucket_get(struct xsp_bucket *b);

/** xsp_bucket_put - one less; the last frees it. NULL is fine; any thread */
void xsp_bucket_put(struct xsp_bucket *b);

/** xsp_bucket_room - tokens to be had now: 0 .. burst; UINT64_MAX for NULL, no limit; any thread */
uint64_t xsp_bucket_room(const struct xsp_bucket *b, uint64_t now_ns);

/** xsp_bucket_charge - cost tokens are taken, though there be less; NULL is fine; any thread */
void xsp_bucket_charge(struct xsp_bucket *b, uint64_t cost, uint64_t now_ns);

/**
 * xsp_bucket_until - when there will be tokens again, if nobody else takes any (CLOCK_MONOTONIC)
 *
 * As many as come in a millisecond, at least one: who waits for tokens should not wake for each.
 */
uint64_t xsp_bucket_until(const struct xsp_bucket *b);

/* --- what limits one queue ------------------------------------------------------------------------ */

#define XSP_WEIGHT_DEFAULT 100u
#define XSP_WEIGHT_MAX     10000u

enum { XSP_LIMIT_DISK, XSP_LIMIT_GUEST, XSP_LIMITS };

/* What limits a queue; each bucket with a reference, or NULL. */
struct xsp_shares {
	uint32_t weight; /* 1..XSP_WEIGHT_MAX */
	struct xsp_bucket *reqs[XSP_LIMITS], *bytes[XSP_LIMITS];
};

/** xsp_shares_get - a copy with references of its own */
struct xsp_shares xsp_shares_get(const struct xsp_shares *s);

/** xsp_shares_put - give the references back */
void xsp_shares_put(struct xsp_shares *s);

#endif
