/* SPDX-License-Identifier: MIT */
/* Questions between threads: answered, late, never taken; nobody leaks or hangs. */
#undef NDEBUG
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/ask.h"

#define ROUNDS 2000

struct server {
	struct xsp_mailbox box;
	int left; /* questions before it ends */
	unsigned int sum;
};

static int add(void *owner, void *arg)
{
	struct server *s = owner;
	unsigned int *n = arg;

	s->left--;
	s->sum += *n;
	*n = s->sum;
	return *n == 77 ? -EBUSY : 0;
}

static void *serve(void *arg)
{
	struct server *s = arg;

	while (s->left) {
		struct pollfd fd = { .fd = s->box.fd, .events = POLLIN };

		poll(&fd, 1, -1);
		xsp_mailbox_run(&s->box, s);
	}
	return NULL;
}

static void test_answers(void **state)
{
	struct server s = { .left = ROUNDS + 1 };
	unsigned int n = 77, sum = 77;
	pthread_t thread;

	(void)state;
	assert_int_equal(xsp_mailbox_init(&s.box), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
	assert_int_equal(xsp_ask(&s.box, add, &n, sizeof(n), 60000), -EBUSY);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		n = i + 1;
		sum += n;
		assert_int_equal(xsp_ask(&s.box, add, &n, sizeof(n), 60000), 0);
		assert_int_equal(n, sum);
	}
	pthread_join(thread, NULL);
	xsp_mailbox_fini(&s.box);
}

static void test_late(void **state)
{
	struct server s = { .left = 2 };
	unsigned int n = 5;

	(void)state;
	assert_int_equal(xsp_mailbox_init(&s.box), 0);
	assert_int_equal(xsp_ask(&s.box, add, &n, sizeof(n), 0), -ETIMEDOUT);
	assert_int_equal(xsp_ask(&s.box, add, &n, sizeof(n), 20), -ETIMEDOUT);
	assert_int_equal(n, 5);
	assert_int_equal(xsp_mailbox_run(&s.box, &s), 2); /* still done, and freed */
	assert_int_equal(n, 5);
	assert_int_equal(s.sum, 10);
	xsp_mailbox_fini(&s.box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
