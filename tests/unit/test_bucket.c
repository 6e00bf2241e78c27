/* SPDX-License-Identifier: MIT */
/* Limits: their notation, and token buckets on a clock of the test's own. */
#undef NDEBUG
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend/blk/bucket.h"

#define SECOND 1000000000ull

static void test_notation(void **state)
{
	static const struct {
		const char *text;
		uint64_t per_second, burst;
	} good[] = {
		{ "", 0, 0 },
		{ "none", 0, 0 },
		{ "1/s", 1, 1 },
		{ "1000/s", 1000, 50 },
		{ "1000/s@2s", 1000, 2000 },
		{ "1001/s@1ms", 1001, 2 },
		{ "3/s@1us", 3, 1 },
		{ "10k/s@100ms", 10000, 1000 },
		{ "10MB/s@1s", 10000000, 10000000 },
		{ "10MiB/s@1s", 10485760, 10485760 },
		{ "4Ki/s@500000us", 4096, 2048 },
		{ "10T/s@3600s", 10000000000000ull, 36000000000000000ull },
	};
	static const char *const bad[] = {
		"0/s", "-1/s", "1", "1/", "1/m", "1/s@", "1/s@0s", "1/s@5", "1/s@5m", "1/s ",
		" 1/s", "1x/s", "11T/s", "99999999999999999999/s", "1/s@3601s", "1/s@99999999999999s",
		"18446744073709551616/s", "1/s@1s ", "None", "1i/s", "1 /s", "20000T/s", "1/s@18446744073710s",
	};
	struct xsp_pace p;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(xsp_pace_parse(good[i].text, &p), 0);
		assert_int_equal(p.per_second, good[i].per_second);
		assert_int_equal(p.burst, good[i].burst);
	}
	p.burst = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(xsp_pace_parse(bad[i], &p), -EINVAL);
	assert_int_equal(p.burst, 77);
}

static void test_none(void **state)
{
	(void)state;
	assert_true(xsp_bucket_room(NULL, 5) == UINT64_MAX);
	xsp_bucket_charge(NULL, 5, 5);
	xsp_bucket_put(xsp_bucket_get(NULL));
}

static void test_burst_then_rate(void **state)
{
	struct xsp_bucket *b = xsp_bucket_new(&(struct xsp_pace){ 100, 10 }, 7 * SECOND);

	(void)state;
	assert_int_equal(xsp_bucket_room(b, 7 * SECOND), 10);
	assert_int_equal(xsp_bucket_room(b, 700 * SECOND), 10); /* no more is saved up */
	xsp_bucket_charge(b, 10, 700 * SECOND);
	assert_int_equal(xsp_bucket_room(b, 700 * SECOND), 0);
	assert_int_equal(xsp_bucket_until(b), 700 * SECOND + SECOND / 100);
	assert_int_equal(xsp_bucket_room(b, 700 * SECOND + SECOND / 100 - 1), 0);
	assert_int_equal(xsp_bucket_room(b, 700 * SECOND + SECOND / 100), 1);
	/* debt: 25 of 1, 24 are owed */
	xsp_bucket_charge(b, 25, 700 * SECOND + SECOND / 100);
	assert_int_equal(xsp_bucket_until(b), 700 * SECOND + 26 * (SECOND / 100));
	assert_int_equal(xsp_bucket_room(b, 700 * SECOND + 25 * (SECOND / 100)), 0);
	assert_int_equal(xsp_bucket_room(b, 700 * SECOND + 26 * (SECOND / 100)), 1);
	assert_int_equal(xsp_bucket_room(b, 6 * SECOND), 0); /* a clock read a little earlier */
	xsp_bucket_put(b);
}

/* At awkward rates, in steps of awkward times, for a year: exact to the token. */
static void test_nothing_is_lost(void **state)
{
	static const uint64_t rates[] = { 1, 3, 7, 999, 1000003, 99999999977ull };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct xsp_bucket *b = xsp_bucket_new(&(struct xsp_pace){ rates[i], rates[i] * 3 }, 11);
		uint64_t now = 11, sum = rates[i] * 3;

		xsp_bucket_charge(b, sum, now);
		for (uint64_t step = 1; now < 1000 * SECOND; step = step * 5 / 3 + 13) {
			uint64_t room;

			now += step % (2 * SECOND);
			room = xsp_bucket_room(b, now);
			xsp_bucket_charge(b, room, now);
			sum += room;
			assert_true(sum == rates[i] * 3 + (uint64_t)((unsigned __int128)rates[i] *
								     (now - 11) / SECOND));
		}
		for (int day = 0; day < 365; day++) { /* too long a rest: full, no more */
			now += 86400 * SECOND + 977;
			assert_true(xsp_bucket_room(b, now) == rates[i] * 3);
			xsp_bucket_charge(b, rates[i] * 3, now);
			assert_int_equal(xsp_bucket_room(b, now), 0);
		}
		xsp_bucket_put(b);
	}
}

static void test_until_is_exact(void **state)
{
	(void)state;
	for (uint64_t rate = 1; rate < 3000000; rate = rate * 3 + 1) {
		struct xsp_bucket *b = xsp_bucket_new(&(struct xsp_pace){ rate, 5 }, 0);
		uint64_t now = 0;

		for (int i = 0; i < 100; i++) {
			uint64_t want = rate / 1000 > 5 ? 5 : rate / 1000 ? rate / 1000 : 1;

			xsp_bucket_charge(b, xsp_bucket_room(b, now) + (uint64_t)i % 3, now);
			now = xsp_bucket_until(b);
			assert_true(xsp_bucket_room(b, now) >= want);
			assert_true(xsp_bucket_room(b, now - 1) < want);
		}
		xsp_bucket_put(b);
	}
}

static void *taker(void *arg)
{
	struct xsp_bucket *b = arg;

	for (int i = 0; i < 100000; i++)
		xsp_bucket_charge(b, 1, 0);
	xsp_bucket_put(b);
	return NULL;
}

static void test_shared(void **state)
{
	struct xsp_bucket *b = xsp_bucket_new(&(struct xsp_pace){ 1, 400001 }, 0);
	pthread_t t[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, taker, xsp_bucket_get(b)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(xsp_bucket_room(b, 0), 1);
	xsp_bucket_put(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notation),       cmocka_unit_test(test_none),
		cmocka_unit_test(test_burst_then_rate), cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_until_is_exact), cmocka_unit_test(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
