/* SPDX-License-Identifier: MIT */
/* Token buckets: see bucket.h. */
#include "backend/blk/bucket.h"

#include <stdbool.h>
#include <stdlib.h>

#define SECOND_NS 1000000000u
#define A_WHILE   1000u /* parts of a second */

struct xsp_bucket *xsp_bucket_new(const struct xsp_pace *pace, uint64_t now_ns)
{
	struct xsp_bucket *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->rate = pace->per_second;
	b->burst = pace->burst;
	b->epoch_ns = now_ns;
	b->refs = 1;
	return b;
}

struct xsp_bucket *xsp_bucket_get(struct xsp_bucket *b)
{
	if (b)
		__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

void xsp_bucket_put(struct xsp_bucket *b)
{
	/* Release: all uses of it by this thread; acquire: of the others, before it is freed. */
	if (b && !__atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL))
		free(b);
}

/* All that were made until now, the full bucket of the beginning included. */
static uint64_t made(const struct xsp_bucket *b, uint64_t now_ns)
{
	uint64_t elapsed = now_ns > b->epoch_ns ? now_ns - b->epoch_ns : 0;

	return b->burst + (uint64_t)((unsigned __int128)b->rate * elapsed / SECOND_NS);
}

/* Taken, and lost because the bucket was full. */
static uint64_t gone(const struct xsp_bucket *b, uint64_t all, uint64_t taken)
{
	return taken > all - b->burst ? taken : all - b->burst;
}

uint64_t xsp_bucket_room(const struct xsp_bucket *b, uint64_t now_ns)
{
	uint64_t all, used;

	if (!b)
		return UINT64_MAX;
	all = made(b, now_ns);
	used = gone(b, all, __atomic_load_n(&b->taken, __ATOMIC_RELAXED));
	return used < all ? all - used : 0;
}

void xsp_bucket_charge(struct xsp_bucket *b, uint64_t cost, uint64_t now_ns)
{
	uint64_t all, taken;

	if (!b)
		return;
	all = made(b, now_ns);
	taken = __atomic_load_n(&b->taken, __ATOMIC_RELAXED);
	/* Alone of its kind, nothing else is ordered by it: relaxed. */
	while (!__atomic_compare_exchange_n(&b->taken, &taken, gone(b, all, taken) + cost, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

uint64_t xsp_bucket_until(const struct xsp_bucket *b)
{
	uint64_t want = b->rate / A_WHILE, taken = __atomic_load_n(&b->taken, __ATOMIC_RELAXED);
	unsigned __int128 ns;

	if (want > b->burst)
		want = b->burst;
	if (!want)
		want = 1;
	if (taken + want <= b->burst)
		return b->epoch_ns;
	ns = ((unsigned __int128)(taken + want - b->burst) * SECOND_NS + b->rate - 1) / b->rate;
	return ns > UINT64_MAX - b->epoch_ns ? UINT64_MAX : b->epoch_ns + (uint64_t)ns;
}

/* --- what limits one queue ------------------------------------------------------------------------ */

struct xsp_shares xsp_shares_get(const struct xsp_shares *s)
{
	struct xsp_shares copy = { .weight = s->weight };

	for (int i = 0; i < XSP_LIMITS; i++) {
		copy.reqs[i] = xsp_bucket_get(s->reqs[i]);
		copy.bytes[i] = xsp_bucket_get(s->bytes[i]);
	}
	return copy;
}

void xsp_shares_put(struct xsp_shares *s)
{
	for (int i = 0; i < XSP_LIMITS; i++) {
		xsp_bucket_put(s->reqs[i]);
		xsp_bucket_put(s->bytes[i]);
		s->reqs[i] = s->bytes[i] = NULL;
	}
}
