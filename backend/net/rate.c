/* SPDX-License-Identifier: MIT */
/* The credit of a device: see rate.h. */
#include "backend/net/rate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MIN_BURST (128 << 10)

#define get(p)    __atomic_load_n((p), __ATOMIC_RELAXED)
#define set(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

int xsp_rate_parse(const char *text, uint64_t *ret_bytes, uint64_t *ret_usecs)
{
	unsigned long long bytes, usecs;
	char *end;

	if (!*text) {
		*ret_bytes = *ret_usecs = 0;
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	bytes = strtoull(text, &end, 10);
	if (errno || *end != ',' || end[1] < '0' || end[1] > '9')
		return -EINVAL;
	usecs = strtoull(end + 1, &end, 10);
	/* An hour is long enough for a period, and what libxl writes for "no limit" is the full 32 bits. */
	if (errno || *end || bytes > INT64_MAX / 4 || usecs > 3600000000ull)
		return -EINVAL;
	*ret_bytes = usecs ? bytes : 0;
	*ret_usecs = usecs;
	return 0;
}

void xsp_rate_set(struct xsp_rate *r, uint64_t bytes, uint64_t usecs)
{
	set(&r->bytes, 0);
	set(&r->period_ns, usecs * 1000);
	set(&r->credit, (int64_t)bytes);
	set(&r->from_ns, 0);
	set(&r->bytes, bytes);
}

/* One of the threads that see a period end begins the next. */
static void refill(struct xsp_rate *r, uint64_t bytes, uint64_t period_ns, uint64_t now_ns)
{
	uint64_t from = get(&r->from_ns), late = now_ns - from;
	int64_t credit, burst = bytes > MIN_BURST ? (int64_t)bytes : MIN_BURST;

	if (late < period_ns)
		return;
	/* A timer that came a little late costs nothing; an idle time is not made up for. */
	if (!__atomic_compare_exchange_n(&r->from_ns, &from,
					 late < 2 * period_ns ? from + period_ns : now_ns, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	credit = get(&r->credit);
	while (!__atomic_compare_exchange_n(
		&r->credit, &credit,
		credit + (int64_t)bytes > burst ? burst : credit + (int64_t)bytes, false,
		__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

uint64_t xsp_rate_take(struct xsp_rate *r, uint32_t len, uint64_t now_ns)
{
	uint64_t bytes = get(&r->bytes), period_ns = get(&r->period_ns), passed;
	int64_t credit;

	if (!bytes || !period_ns)
		return 0;
	refill(r, bytes, period_ns, now_ns);
	credit = get(&r->credit);
	while (credit >= (int64_t)len)
		if (__atomic_compare_exchange_n(&r->credit, &credit, credit - (int64_t)len, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return 0;
	passed = now_ns - get(&r->from_ns);
	return passed < period_ns ? period_ns - passed : 1;
}
