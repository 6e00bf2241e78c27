/* SPDX-License-Identifier: MIT */
/* Log-linear latency histogram: see hist.h. */
#include "common/hist.h"

/*
 * Values in units of 128 ns (a shift instead of a division). Below 8 units each bucket is one unit;
 * above, a value's bucket is its power of two and the three bits below the leading one.
 */
#define UNIT_SHIFT 7

unsigned int xsp_hist_bucket(uint64_t ns)
{
	uint64_t v = ns >> UNIT_SHIFT;
	unsigned int b, log2;

	if (v < XSP_HIST_SUB)
		return (unsigned int)v;
	log2 = 63 - (unsigned int)__builtin_clzll(v);
	b = (log2 - 2) * XSP_HIST_SUB + (unsigned int)((v >> (log2 - 3)) & (XSP_HIST_SUB - 1));
	return b < XSP_HIST_BUCKETS ? b : XSP_HIST_BUCKETS - 1;
}

uint64_t xsp_hist_upper_ns(unsigned int b)
{
	if (b < XSP_HIST_SUB)
		return (uint64_t)(b + 1) << UNIT_SHIFT;
	return (uint64_t)(XSP_HIST_SUB + b % XSP_HIST_SUB + 1)
	       << (b / XSP_HIST_SUB - 1 + UNIT_SHIFT);
}

void xsp_hist_add(struct xsp_hist *h, uint64_t ns)
{
	xsp_count(&h->count[xsp_hist_bucket(ns)], 1);
	xsp_count(&h->sum_ns, ns);
}

void xsp_hist_copy(struct xsp_hist *to, const struct xsp_hist *from)
{
	for (unsigned int b = 0; b < XSP_HIST_BUCKETS; b++)
		to->count[b] = xsp_counted(&from->count[b]);
	to->sum_ns = xsp_counted(&from->sum_ns);
}

void xsp_hist_sub(struct xsp_hist *to, const struct xsp_hist *from)
{
	for (unsigned int b = 0; b < XSP_HIST_BUCKETS; b++)
		to->count[b] -= from->count[b];
	to->sum_ns -= from->sum_ns;
}

void xsp_hist_merge(struct xsp_hist *to, const struct xsp_hist *from)
{
	for (unsigned int b = 0; b < XSP_HIST_BUCKETS; b++)
		to->count[b] += from->count[b];
	to->sum_ns += from->sum_ns;
}

uint64_t xsp_hist_total(const struct xsp_hist *h)
{
	uint64_t n = 0;

	for (unsigned int b = 0; b < XSP_HIST_BUCKETS; b++)
		n += h->count[b];
	return n;
}

uint64_t xsp_hist_quantile(const struct xsp_hist *h, double q)
{
	uint64_t total = xsp_hist_total(h), seen = 0;
	uint64_t want = (uint64_t)(q * (double)total);

	if (!total)
		return 0;
	if ((double)want < q * (double)total) /* nearest rank: rounded up, so 1 at least */
		want++;
	for (unsigned int b = 0; b < XSP_HIST_BUCKETS; b++) {
		seen += h->count[b];
		if (seen >= want)
			return xsp_hist_upper_ns(b);
	}
	return xsp_hist_upper_ns(XSP_HIST_BUCKETS - 1);
}
