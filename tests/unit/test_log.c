/* SPDX-License-Identifier: MIT */
/* The log: levels, prefix, what a hostile string may do, the limit, one write a line. */
#undef NDEBUG
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/log.h"

static FILE *sink;
static int saved_stderr;
static char text[1 << 20];

static int start(void **state)
{
	(void)state;
	sink = tmpfile();
	saved_stderr = dup(STDERR_FILENO);
	xsp_log_set_timestamps(false);
	xsp_log_set_level(XSP_LOG_INFO);
	return dup2(fileno(sink), STDERR_FILENO) < 0;
}

static int stop(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	return fclose(sink);
}

static const char *logged(void)
{
	size_t n;

	rewind(sink);
	n = fread(text, 1, sizeof(text) - 1, sink);
	text[n] = 0;
	return text;
}

static void levels_and_prefix(void **state)
{
	(void)state;
	errno = EDOM;
	xsp_debug(NULL, "not shown");
	xsp_info(NULL, "started");
	xsp_warn("vbd/1/51712", "%d of %d", 1, 2);
	xsp_log_set_level(XSP_LOG_ERR);
	xsp_warn(NULL, "not shown");
	xsp_err("vbd/1/51712", "broken");
	xsp_log_set_level(XSP_LOG_DEBUG);
	xsp_debug(NULL, "shown");
	assert_int_equal(errno, EDOM);
	assert_string_equal(logged(), "info  started\n"
				      "warn  vbd/1/51712: 1 of 2\n"
				      "err   vbd/1/51712: broken\n"
				      "debug shown\n");
}

static void level_names(void **state)
{
	enum xsp_log_level level = XSP_LOG_DEBUG;

	(void)state;
	assert_int_equal(xsp_log_parse_level("err", &level), 0);
	assert_int_equal(level, XSP_LOG_ERR);
	assert_int_equal(xsp_log_parse_level("error", &level), -EINVAL);
	assert_int_equal(xsp_log_parse_level("", &level), -EINVAL);
	assert_int_equal(level, XSP_LOG_ERR);
}

/* A guest's string can neither forge a second line nor send escapes to the reader's terminal. */
static void control_characters_do_not_pass(void **state)
{
	(void)state;
	xsp_info(NULL, "params '%s'", "x\nerr   forged\033[2J\r\177");
	assert_string_equal(logged(), "info  params 'x?err   forged?[2J?" "?'\n");
}

static void long_messages_are_cut_and_still_end(void **state)
{
	static char big[5000];
	const char *line;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	xsp_info(NULL, "%s", big);
	xsp_info(NULL, "next");
	line = logged();
	assert_true(strchr(line, '\n') - line < 1024);
	assert_string_equal(strchr(line, '\n') + 1, "info  next\n");
}

static void timestamps(void **state)
{
	int y, mo, d, h, mi, s, ms;

	(void)state;
	xsp_log_set_timestamps(true);
	xsp_info(NULL, "x");
	assert_int_equal(sscanf(logged(), "%4d-%2d-%2d %2d:%2d:%2d.%3d info  x", &y, &mo, &d, &h,
				&mi, &s, &ms),
			 7);
}

static void limit(void **state)
{
	struct xsp_log_limit l = {.used = 0};
	int passed = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		passed += xsp_log_allowed(&l);
	assert_in_range(passed, 10, 11); /* a second may pass meanwhile */
	assert_int_equal(l.dropped, 1000 - (uint32_t)passed);
	l.refilled_s -= 3; /* three seconds later */
	passed = 0;
	for (int i = 0; i < 1000; i++)
		passed += xsp_log_allowed(&l);
	assert_in_range(passed, 3, 4);
}

static void *chatter(void *arg)
{
	for (int i = 0; i < 500; i++)
		xsp_info(arg, "a line of some length that must come out whole, number %d", i);
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	char names[4][24];
	pthread_t t[4];
	int n = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(names[i], sizeof(names[i]), "vbd/%d/51712", i);
		assert_int_equal(pthread_create(&t[i], NULL, chatter, names[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	logged();
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n++) {
		int dom, number, end = 0;

		assert_int_equal(sscanf(line,
					"info  vbd/%d/51712: a line of some length that must come "
					"out whole, number %d%n",
					&dom, &number, &end),
				 2);
		assert_int_equal(line[end], 0);
	}
	assert_int_equal(n, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(levels_and_prefix, start, stop),
		cmocka_unit_test(level_names),
		cmocka_unit_test_setup_teardown(control_characters_do_not_pass, start, stop),
		cmocka_unit_test_setup_teardown(long_messages_are_cut_and_still_end, start, stop),
		cmocka_unit_test_setup_teardown(timestamps, start, stop),
		cmocka_unit_test(limit),
		cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
