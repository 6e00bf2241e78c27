/* SPDX-License-Identifier: MIT */
/*
 * A drive without a medium: no sectors, so no request for data gets here. No spec names it: it is what
 * a removable disk has whose params are empty. It lies in its owner, so that emptying never fails.
 */
#include <assert.h>

#include "backend/target/target.h"

static void empty_close(struct xsp_target *t)
{
	(void)t;
}

static void empty_submit(struct xsp_target *t, struct xsp_io *io)
{
	(void)t;
	assert(io->op == XSP_IO_FLUSH);
	xsp_io_done(io, 0);
}

static const struct xsp_target_ops ops = {
	.name = "empty",
	.close = empty_close,
	.submit = empty_submit,
};

void xsp_target_empty(struct xsp_target *t, uint32_t sector_size, bool readonly)
{
	*t = (struct xsp_target){
		.ops = &ops,
		.sector_size = sector_size,
		.physical_size = sector_size,
		.readonly = readonly,
		.can_flush = true,
	};
}
