/* SPDX-License-Identifier: MIT */
/*
 * A latency histogram with one writer and any number of readers: log-linear buckets (eight to each
 * power of two, so a quantile is at most 12.5 % too high), no lock, no allocation.
 */
#ifndef XSP_COMMON_HIST_H
#define XSP_COMMON_HIST_H

#include <stdint.h>

#define XSP_HIST_SUB     8
#define XSP_HIST_BUCKETS (XSP_HIST_SUB * 30) /* to nine minutes; the last holds the rest */

struct xsp_hist {
	uint64_t count[XSP_HIST_BUCKETS];
	uint64_t sum_ns;
};

/* A counter that one thread writes and others read: a plain add the compiler may not tear. */
static inline void xsp_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t xsp_counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/** xsp_hist_add - record one duration in nanoseconds; only the owner calls it */
void xsp_hist_add(struct xsp_hist *h, uint64_t ns);

/** xsp_hist_copy - a reader's copy (buckets one by one; the whole may be a few requests askew) */
void xsp_hist_copy(struct xsp_hist *to, const struct xsp_hist *from);

/** xsp_hist_sub - to -= from, for the interval between two copies */
void xsp_hist_sub(struct xsp_hist *to, const struct xsp_hist *from);

/** xsp_hist_merge - to += from */
void xsp_hist_merge(struct xsp_hist *to, const struct xsp_hist *from);

/** xsp_hist_total - number of durations recorded */
uint64_t xsp_hist_total(const struct xsp_hist *h);

/** xsp_hist_bucket - index of the bucket that counts durations of @ns */
unsigned int xsp_hist_bucket(uint64_t ns);

/** xsp_hist_upper_ns - first duration beyond bucket @b, in nanoseconds */
uint64_t xsp_hist_upper_ns(unsigned int b);

/**
 * xsp_hist_quantile - upper edge in nanoseconds of the bucket that holds quantile q (0 < q <= 1)
 *
 * Returns 0 when nothing was recorded.
 */
uint64_t xsp_hist_quantile(const struct xsp_hist *h, double q);

#endif
