/* SPDX-License-Identifier: MIT */
/* When a worker looks on and when it sleeps, on a clock of the test's own. */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend/polling.h"

#define US 1000ull
#define MS 1000000ull

static struct xsp_poller poller(enum xsp_poll_mode mode, uint32_t us, uint32_t percent)
{
	struct xsp_poller p = { 0 };

	xsp_poller_set(&p, &(struct xsp_polling){ mode, us, percent });
	return p;
}

/* A turn from..to, with work or without. */
static bool turn(struct xsp_poller *p, uint64_t from, uint64_t to, bool worked)
{
	xsp_poller_turn(p, from);
	p->worked = worked;
	return xsp_poller_spins(p, to);
}

static void test_names(void **state)
{
	uint32_t mode;

	(void)state;
	for (uint32_t i = 0; i < XSP_POLL_MODES; i++) {
		assert_int_equal(xsp_polling_parse(xsp_polling_name(i), &mode), 0);
		assert_int_equal(mode, i);
	}
	assert_int_not_equal(xsp_polling_parse("", &mode), 0);
	assert_int_not_equal(xsp_polling_parse("Event", &mode), 0);
	assert_int_equal(xsp_polling_choose(100000), XSP_POLL_EVENT); /* no CPU to spare */
}

static void test_plain_modes(void **state)
{
	struct xsp_poller event = poller(XSP_POLL_EVENT, 50, 90);
	struct xsp_poller always = poller(XSP_POLL_ALWAYS, 50, 90);

	(void)state;
	assert_false(turn(&event, 1 * MS, 2 * MS, true));
	assert_true(turn(&always, 1 * MS, 2 * MS, true));
	assert_true(turn(&always, 3600 * 1000 * MS, 3600 * 1000 * MS + 1, false));
}

static void test_duration(void **state)
{
	struct xsp_poller p = poller(XSP_POLL_ADAPTIVE, 50, 100);

	(void)state;
	p.window_ns = 1000 * MS;
	assert_true(turn(&p, 1000 * MS, 1000 * MS + 10 * US, true));
	assert_true(turn(&p, 1000 * MS + 10 * US, 1000 * MS + 59 * US, false));
	assert_false(turn(&p, 1000 * MS + 59 * US, 1000 * MS + 60 * US, false));
	assert_false(turn(&p, 1000 * MS + 60 * US, 1000 * MS + 61 * US, false)); /* an event for nothing */
	assert_true(turn(&p, 1001 * MS, 1001 * MS + 1, true));
}

static void test_idle_percent(void **state)
{
	struct xsp_poller p = poller(XSP_POLL_ADAPTIVE, 1000, 90);
	uint64_t t = 1000 * MS;

	(void)state;
	p.window_ns = t;
	/* 5 us of work in each 100 us, for 10 ms: 95 % idle is more than 90 */
	for (unsigned int i = 0; i < 99; i++, t += 100 * US)
		assert_true(turn(&p, t, t + 5 * US, true));
	assert_false(turn(&p, t + 95 * US, t + 100 * US, true));
	t += 100 * US;
	for (unsigned int i = 0; i < 9; i++, t += 100 * US)
		assert_false(turn(&p, t, t + 11 * US, true)); /* the next window, 1 ms, decides anew ... */
	assert_true(turn(&p, t + 89 * US, t + 100 * US, true)); /* ... 89 % idle: it pays again */
	/* a long sleep is idle time */
	assert_false(turn(&p, t + 1000 * MS, t + 1000 * MS + 5 * US, true));
}

static void test_short_gaps(void **state)
{
	struct xsp_poller p = poller(XSP_POLL_ADAPTIVE, 50, 90);
	uint64_t t = 1000 * MS;

	(void)state;
	p.window_ns = t;
	/* 1 us of work in each 20 us: 95 % idle, but asleep it would be no better */
	for (unsigned int i = 0; i < 1500; i++, t += 20 * US)
		assert_true(turn(&p, t, t + 1 * US, true));
	/* ... in each 40 us: it would */
	for (unsigned int i = 0; i < 1000; i++, t += 40 * US)
		turn(&p, t, t + 1 * US, true);
	assert_false(turn(&p, t, t + 1 * US, true));
}

static void test_changed_while_it_runs(void **state)
{
	struct xsp_poller p = poller(XSP_POLL_ALWAYS, 50, 0);
	struct xsp_polling got;

	(void)state;
	assert_true(turn(&p, 1, 2, false));
	xsp_poller_set(&p, &(struct xsp_polling){ XSP_POLL_EVENT, 70, 30 });
	assert_false(turn(&p, 3, 4, true));
	got = xsp_poller_get(&p);
	assert_int_equal(got.mode, XSP_POLL_EVENT);
	assert_int_equal(got.duration_us, 70);
	assert_int_equal(got.idle_percent, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	     cmocka_unit_test(test_plain_modes),
		cmocka_unit_test(test_duration),     cmocka_unit_test(test_idle_percent),
		cmocka_unit_test(test_short_gaps),
		cmocka_unit_test(test_changed_while_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
