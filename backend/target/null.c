/* SPDX-License-Identifier: MIT */
/*
 * null:SIZE reads zeros and forgets writes. For measuring the way to a target, and the file to
 * copy when you write a new one (docs/writing-a-target.md).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/target/target.h"

static int null_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		     struct xsp_target **ret, char *why, size_t why_len)
{
	struct xsp_target *t;
	uint64_t size;
	int err;

	err = xsp_target_check_opts("null", opts, "", why, why_len);
	if (err)
		return err;
	err = xsp_parse_size(rest, &size);
	if (err || size < 512) {
		snprintf(why, why_len, "null:%.40s: give a size of at least 512, as in null:1G", rest);
		return err ? err : -EINVAL;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct xsp_target){
		.ops = &xsp_target_null,
		.size_bytes = size & ~511ull,
		.sector_size = 512,
		.physical_size = 4096,
		.readonly = wish->readonly,
		.at_once = true,
		.can_flush = true,
		.can_discard = true,
		.discard_granularity = 512,
	};
	*ret = t;
	return 0;
}

static void null_close(struct xsp_target *t)
{
	free(t);
}

static void null_submit(struct xsp_target *t, struct xsp_io *io)
{
	(void)t;
	if (io->op == XSP_IO_READ)
		xsp_io_zero(io);
	xsp_io_done(io, 0);
}

const struct xsp_target_ops xsp_target_null = {
	.name = "null",
	.usage = "null:SIZE",
	.open = null_open,
	.close = null_close,
	.submit = null_submit,
};
