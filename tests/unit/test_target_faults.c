/* SPDX-License-Identifier: MIT */
/*
 * A file whose fdatasync fails once: every later flush of that target must fail too, because the
 * kernel reports a lost write-back once and forgets it. A real io_uring; the failure is made by
 * putting a pipe, which can't be synced, in place of the target's descriptor for a moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/target/target.h"

static struct xsp_worker worker;

int xsp_worker_fixed(struct xsp_worker *w, const struct xsp_io *io)
{
	(void)w;
	(void)io;
	return -1; /* nothing is registered; tests/lab/test-direct.sh has it */
}

struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *w, struct xsp_cb *cb)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->uring);

	assert_non_null(sqe);
	io_uring_sqe_set_data(sqe, cb);
	return sqe;
}

uint64_t xsp_now_ns(void)
{
	return 0;
}

static int result;
static bool answered;

static void done(struct xsp_io *io, int err)
{
	(void)io;
	assert_false(answered);
	answered = true;
	result = err;
}

/* One request, to its end. */
static int run(struct xsp_target *t, enum xsp_io_op op, void *data, uint32_t len)
{
	struct iovec iov = { data, len };
	struct xsp_io io = { .worker = &worker, .op = (uint8_t)op, .iov = &iov, .niov = 1, .len = len,
			     .done = done };

	answered = false;
	xsp_target_submit(t, &io);
	while (!answered) {
		struct io_uring_cqe *cqe;
		struct xsp_cb *cb;
		int res;

		io_uring_submit(&worker.uring);
		assert_int_equal(io_uring_wait_cqe(&worker.uring, &cqe), 0);
		cb = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&worker.uring, cqe);
		cb->fn(cb, res);
	}
	return result;
}

static void flush_error_stays(void **state)
{
	struct xsp_target_wish wish = { 0 };
	char path[] = "/tmp/xsp-test-XXXXXX", spec[64], why[256] = "", data[4096] = "x";
	int fd = mkstemp(path), before, saved, pipes[2];
	struct xsp_target *t;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	before = dup(0); /* the lowest free number: what open will give the target */
	close(before);
	snprintf(spec, sizeof(spec), "file:%s", path);
	assert_int_equal(xsp_target_open(spec, &wish, &t, why, sizeof(why)), 0);
	assert_int_equal(run(t, XSP_IO_WRITE, data, sizeof(data)), 0);
	assert_int_equal(run(t, XSP_IO_FLUSH, NULL, 0), 0);

	saved = dup(before);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(dup2(pipes[1], before), before);
	assert_int_equal(run(t, XSP_IO_FLUSH, NULL, 0), -EINVAL);
	assert_int_equal(dup2(saved, before), before); /* the file is well again */

	assert_int_equal(run(t, XSP_IO_WRITE, data, sizeof(data)), 0);
	assert_int_equal(run(t, XSP_IO_FLUSH, NULL, 0), -EINVAL);
	assert_int_equal(run(t, XSP_IO_FLUSH, NULL, 0), -EINVAL);
	xsp_target_close(t);
	close(saved); /* with it goes the lock on the image */

	assert_int_equal(xsp_target_open(spec, &wish, &t, why, sizeof(why)), 0);
	assert_int_equal(run(t, XSP_IO_FLUSH, NULL, 0), 0); /* reopened: trusted again */
	xsp_target_close(t);
	close(pipes[0]);
	close(pipes[1]);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flush_error_stays),
	};
	int rc;

	if (io_uring_queue_init(8, &worker.uring, 0)) {
		puts("no io_uring here");
		return 77;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	io_uring_queue_exit(&worker.uring);
	return rc;
}
