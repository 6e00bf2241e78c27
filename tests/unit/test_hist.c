/* SPDX-License-Identifier: MIT */
/* The latency histogram, against a plain sort of the same durations. */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/hist.h"

static void buckets_are_in_order_and_fit_their_values(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (unsigned int b = 0; b < XSP_HIST_BUCKETS; b++) {
		uint64_t upper = xsp_hist_upper_ns(b);

		assert_true(upper > last);
		assert_int_equal(xsp_hist_bucket(last), b);
		assert_int_equal(xsp_hist_bucket(upper - 1), b);
		/* Eight to each power of two: no bucket is wider than an eighth of its lower edge.
		 */
		if (b >= XSP_HIST_SUB)
			assert_true((upper - last) * XSP_HIST_SUB <= last);
		last = upper;
	}
	assert_int_equal(xsp_hist_bucket(last), XSP_HIST_BUCKETS - 1); /* beyond: the last one */
	assert_int_equal(xsp_hist_bucket(UINT64_MAX), XSP_HIST_BUCKETS - 1);
	assert_true(last > 9 * 60 * 1000000000ull);
}

static void empty(void **state)
{
	static const struct xsp_hist h;

	(void)state;
	assert_int_equal(xsp_hist_total(&h), 0);
	assert_int_equal(xsp_hist_quantile(&h, 0.5), 0);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Nearest rank: the value at position ceil(q n) of the sorted list, never told too low. */
static void quantiles_agree_with_a_sort(void **state)
{
	static const double qs[] = {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
	static uint64_t ns[5000];

	(void)state;
	srand(1);
	for (size_t n = 1; n <= sizeof(ns) / sizeof(ns[0]); n = n * 3 + 1) {
		struct xsp_hist h = {.sum_ns = 0};
		uint64_t sum = 0;

		for (size_t i = 0; i < n; i++) {
			ns[i] = (uint64_t)rand() >> (rand() % 24);
			sum += ns[i];
			xsp_hist_add(&h, ns[i]);
		}
		qsort(ns, n, sizeof(ns[0]), by_size);
		assert_int_equal(xsp_hist_total(&h), n);
		assert_int_equal(h.sum_ns, sum);
		for (size_t k = 0; k < sizeof(qs) / sizeof(qs[0]); k++) {
			double rank = qs[k] * (double)n;
			size_t at = (size_t)rank;
			uint64_t got = xsp_hist_quantile(&h, qs[k]);

			at = (double)at < rank ? at : at - 1;
			assert_true(got > ns[at]);
			assert_true(got <= ns[at] + ns[at] / 8 + 128);
		}
	}
}

static void one_slow_request_of_ten_is_the_p99(void **state)
{
	struct xsp_hist h = {.sum_ns = 0};

	(void)state;
	for (int i = 0; i < 9; i++)
		xsp_hist_add(&h, 1000);
	xsp_hist_add(&h, 1000000);
	assert_true(xsp_hist_quantile(&h, 0.99) > 1000000);
	assert_true(xsp_hist_quantile(&h, 0.9) < 2000);
}

static void copy_sub_merge(void **state)
{
	struct xsp_hist h = {.sum_ns = 0}, before, interval;

	(void)state;
	xsp_hist_add(&h, 500);
	xsp_hist_copy(&before, &h);
	xsp_hist_add(&h, 70000);
	xsp_hist_add(&h, 70000);
	xsp_hist_copy(&interval, &h);
	xsp_hist_sub(&interval, &before);
	assert_int_equal(xsp_hist_total(&interval), 2);
	assert_int_equal(interval.sum_ns, 140000);
	assert_true(xsp_hist_quantile(&interval, 0.01) > 70000);
	xsp_hist_merge(&interval, &before);
	assert_memory_equal(&interval, &h, sizeof(h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_are_in_order_and_fit_their_values),
		cmocka_unit_test(empty),
		cmocka_unit_test(quantiles_agree_with_a_sort),
		cmocka_unit_test(one_slow_request_of_ten_is_the_p99),
		cmocka_unit_test(copy_sub_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
