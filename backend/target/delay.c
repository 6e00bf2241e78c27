/* SPDX-License-Identifier: MIT */
/*
 * delay,ms=20:SPEC holds each request that long before it passes it on: a slow disk, for tests.
 * Timers are the worker's io_uring's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/target/target.h"

struct delay_target {
	struct xsp_target t;
	struct xsp_target *next;
	struct __kernel_timespec delay;
};

static int delay_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		      struct xsp_target **ret, char *why, size_t why_len)
{
	struct delay_target *d;
	unsigned long ms;
	char v[32];
	int err;

	err = xsp_target_check_opts("delay", opts, "ms", why, why_len);
	if (err)
		return err;
	ms = xsp_target_opt(opts, "ms", v, sizeof(v)) ? strtoul(v, NULL, 10) : 0;
	if (!ms || ms > 3600000) {
		snprintf(why, why_len, "delay: give ms=1..3600000, as in delay,ms=20:file:/a.img");
		return -EINVAL;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	err = xsp_target_open(rest, wish, &d->next, why, why_len);
	if (err) {
		free(d);
		return err;
	}
	d->t = *d->next;
	d->t.ops = &xsp_target_delay;
	d->t.inner = d->next;
	d->delay.tv_sec = (long)(ms / 1000);
	d->delay.tv_nsec = (long)(ms % 1000) * 1000000;
	*ret = &d->t;
	return 0;
}

static void delay_close(struct xsp_target *t)
{
	struct delay_target *d = (struct delay_target *)t;

	xsp_target_close(d->next);
	free(d);
}

static void delay_over(struct xsp_cb *cb, int res)
{
	struct xsp_io *io = (struct xsp_io *)cb;
	struct delay_target *d = (struct delay_target *)io->target;

	(void)res; /* -ETIME is how a timer says that it ran out */
	xsp_target_submit(d->next, io);
}

static void delay_submit(struct xsp_target *t, struct xsp_io *io)
{
	struct delay_target *d = (struct delay_target *)t;

	io->target = t;
	io->cb.fn = delay_over;
	io_uring_prep_timeout(xsp_worker_sqe(io->worker, &io->cb), &d->delay, 0, 0);
}

const struct xsp_target_ops xsp_target_delay = {
	.name = "delay",
	.usage = "delay,ms=N:TARGET",
	.open = delay_open,
	.close = delay_close,
	.submit = delay_submit,
};
