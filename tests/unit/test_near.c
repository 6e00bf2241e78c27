/* SPDX-License-Identifier: MIT */
/* Is a guest's processor near? On a made-up clock, which says how long each look took. */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend/blk/near.h"

static uint64_t now, takes, again;
static unsigned int asked;

/* Every second time is the end of a look: the first and, of a line in a row, once more. */
uint64_t xsp_now_ns(void)
{
	return now += asked++ & 1 ? (asked & 2 ? takes : again) : 0;
}

/* Requests of a guest whose lines take @ns to come over. */
static void requests(struct xsp_near *n, unsigned int count, uint64_t ns)
{
	uint32_t line = 0;

	takes = again = ns;
	while (count--)
		xsp_near_look(n, &line, false);
}

/* The same in a row of lines: one that is here takes @here ns. */
static void in_a_row(struct xsp_near *n, unsigned int count, uint64_t ns, uint64_t here)
{
	uint32_t line = 0;

	takes = ns;
	again = here;
	asked = 0;
	while (count--)
		xsp_near_look(n, &line, true);
}

static void nobody_is_near_before_looks(void **state)
{
	struct xsp_near n = { 0 };

	(void)state;
	assert_false(xsp_near(&n));
	requests(&n, 4 * XSP_NEAR_EVERY, 1); /* four looks of eight */
	assert_false(xsp_near(&n));
	requests(&n, 1, 1);
	assert_true(xsp_near(&n));
}

static void one_look_in_so_many_requests(void **state)
{
	struct xsp_near n = { 0 };
	uint64_t began = now;

	(void)state;
	requests(&n, 10 * XSP_NEAR_EVERY, 1);
	assert_int_equal(now - began, 10);
}

static void the_majority_decides(void **state)
{
	struct xsp_near n = { 0 };

	(void)state;
	requests(&n, 8 * XSP_NEAR_EVERY, XSP_NEAR_NS - 1);
	assert_true(xsp_near(&n));
	requests(&n, 3 * XSP_NEAR_EVERY, 100000); /* interrupted: not the guest's processor */
	assert_true(xsp_near(&n));
	requests(&n, XSP_NEAR_EVERY, XSP_NEAR_NS);
	assert_false(xsp_near(&n));
	requests(&n, 4 * XSP_NEAR_EVERY, XSP_NEAR_NS); /* it moved */
	assert_false(xsp_near(&n));
	requests(&n, 5 * XSP_NEAR_EVERY, XSP_NEAR_NS - 1);
	assert_true(xsp_near(&n));
}

static void what_was_fetched_ahead_tells_nothing(void **state)
{
	struct xsp_near n = { 0 };

	(void)state;
	in_a_row(&n, 100 * XSP_NEAR_EVERY, 30, 30);
	assert_false(xsp_near(&n));
	in_a_row(&n, 5 * XSP_NEAR_EVERY, 30 + XSP_NEAR_HERE, 30);
	assert_true(xsp_near(&n));
	in_a_row(&n, 100 * XSP_NEAR_EVERY, 29 + XSP_NEAR_HERE, 30);
	assert_true(xsp_near(&n));
	in_a_row(&n, 5 * XSP_NEAR_EVERY, XSP_NEAR_NS, 30);
	assert_false(xsp_near(&n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_near_before_looks),
		cmocka_unit_test(one_look_in_so_many_requests),
		cmocka_unit_test(the_majority_decides),
		cmocka_unit_test(what_was_fetched_ahead_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
