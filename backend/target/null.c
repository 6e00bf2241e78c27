/* SPDX-License-Identifier: MIT */
/*
 * null:SIZE reads zeros and forgets writes. For measuring the way to a target, and the file to
 * copy when you write a new one (docs/writing-a-target.md). With `leave` a read leaves a guest's pages
 * as they are: the way alone, without data.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/target/target.h"

struct null {
	struct xsp_target t; /* first */
	bool leave;
};

static int null_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		     struct xsp_target **ret, char *why, size_t why_len)
{
	char value[8];
	struct null *n;
	uint64_t size;
	int err;

	err = xsp_target_check_opts("null", opts, "leave", why, why_len);
	if (err)
		return err;
	err = xsp_parse_size(rest, &size);
	if (err || size < 512) {
		snprintf(why, why_len, "null:%.40s: give a size of at least 512, as in null:1G", rest);
		return err ? err : -EINVAL;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->leave = xsp_target_opt(opts, "leave", value, sizeof(value));
	n->t = (struct xsp_target){
		.ops = &xsp_target_null,
		.size_bytes = size & ~511ull,
		.sector_size = 512,
		.physical_size = 4096,
		.readonly = wish->readonly,
		.at_once = 2,
		.can_flush = true,
		.can_discard = true,
		.discard_granularity = 512,
	};
	*ret = &n->t;
	return 0;
}

static void null_close(struct xsp_target *t)
{
	free(t);
}

/* What goes through the request's own buffer must not bring a guest what was another's. */
static void zero_ours(const struct xsp_io *io)
{
	const uint8_t *at = io->bounce;

	for (unsigned int i = 0; i < io->niov; at += io->iov[i++].iov_len)
		if (io->iov[i].iov_base == at)
			memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
}

static void null_submit(struct xsp_target *t, struct xsp_io *io)
{
	if (io->op == XSP_IO_READ && ((struct null *)t)->leave)
		zero_ours(io);
	else if (io->op == XSP_IO_READ)
		xsp_io_zero(io);
	xsp_io_done(io, 0);
}

const struct xsp_target_ops xsp_target_null = {
	.name = "null",
	.usage = "null[,leave]:SIZE",
	.open = null_open,
	.close = null_close,
	.submit = null_submit,
};
