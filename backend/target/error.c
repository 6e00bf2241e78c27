/* SPDX-License-Identifier: MIT */
/*
 * error,op=write,every=100,errno=EIO:SPEC fails requests on purpose, for tests and teaching.
 *   op=read|write|flush|any (any)   every=N: each N-th of them (1)   after=N: let N pass first (0)
 *   errno=EIO|ENOSPC (EIO)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/target/target.h"

struct error_target {
	struct xsp_target t;
	struct xsp_target *next;
	unsigned long every, after;
	int op; /* enum xsp_io_op, or -1 for any */
	int err;
	unsigned long seen; /* workers share a target: relaxed atomic */
};

static int parse(struct error_target *e, const char *opts, char *why, size_t why_len)
{
	static const char *const ops[] = { "read", "write", "flush", "any" };
	char v[32];

	e->every = 1;
	e->op = -1;
	e->err = -EIO;
	if (xsp_target_opt(opts, "op", v, sizeof(v))) {
		int i = 0;

		while (i < 4 && strcmp(ops[i], v))
			i++;
		if (i == 4) {
			snprintf(why, why_len, "error: op is read, write, flush or any, not '%s'", v);
			return -EINVAL;
		}
		e->op = i == 3 ? -1 : i;
	}
	if (xsp_target_opt(opts, "every", v, sizeof(v)))
		e->every = strtoul(v, NULL, 10);
	if (xsp_target_opt(opts, "after", v, sizeof(v)))
		e->after = strtoul(v, NULL, 10);
	if (!e->every) {
		snprintf(why, why_len, "error: every must be at least 1");
		return -EINVAL;
	}
	if (xsp_target_opt(opts, "errno", v, sizeof(v))) {
		if (strcmp(v, "EIO") && strcmp(v, "ENOSPC")) {
			snprintf(why, why_len, "error: errno is EIO or ENOSPC, not '%s'", v);
			return -EINVAL;
		}
		e->err = strcmp(v, "EIO") ? -ENOSPC : -EIO;
	}
	return 0;
}

static int error_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		      struct xsp_target **ret, char *why, size_t why_len)
{
	struct error_target *e;
	int err;

	err = xsp_target_check_opts("error", opts, "op,every,after,errno", why, why_len);
	if (err)
		return err;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	err = parse(e, opts, why, why_len);
	if (!err)
		err = xsp_target_open(rest, wish, &e->next, why, why_len);
	if (err) {
		free(e);
		return err;
	}
	e->t = *e->next;
	e->t.ops = &xsp_target_error;
	e->t.inner = e->next;
	*ret = &e->t;
	return 0;
}

static void error_close(struct xsp_target *t)
{
	struct error_target *e = (struct error_target *)t;

	xsp_target_close(e->next);
	free(e);
}

static void error_submit(struct xsp_target *t, struct xsp_io *io)
{
	struct error_target *e = (struct error_target *)t;
	unsigned long n;

	if (e->op >= 0 && e->op != io->op) {
		xsp_target_submit(e->next, io);
		return;
	}
	n = __atomic_add_fetch(&e->seen, 1, __ATOMIC_RELAXED);
	if (n > e->after && (n - e->after) % e->every == 0)
		xsp_io_done(io, e->err);
	else
		xsp_target_submit(e->next, io);
}

const struct xsp_target_ops xsp_target_error = {
	.name = "error",
	.usage = "error[,op=..,every=N,after=N,errno=EIO|ENOSPC]:TARGET",
	.open = error_open,
	.close = error_close,
	.submit = error_submit,
};
