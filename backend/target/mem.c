/* SPDX-License-Identifier: MIT */
/*
 * mem:SIZE is a disk in the daemon's memory: what is written takes memory, what is discarded gives it
 * back. It is gone with the daemon or when it is detached.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/target/target.h"

#define PAGE      4096ull
#define DISCARD   (1ull << 30) /* of one call */

struct mem_target {
	struct xsp_target t;
	uint8_t *mem;
	size_t bytes; /* whole pages */
};

static int mem_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		    struct xsp_target **ret, char *why, size_t why_len)
{
	struct mem_target *m;
	uint64_t size;
	int err;

	err = xsp_target_check_opts("mem", opts, "", why, why_len);
	if (err)
		return err;
	err = xsp_parse_size(rest, &size);
	if (err || size < 512 || size > SIZE_MAX / 2) {
		snprintf(why, why_len, "mem:%.40s: give a size of at least 512, as in mem:1G", rest);
		return err ? err : -EINVAL;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->bytes = (size + PAGE - 1) & ~(PAGE - 1);
	m->mem = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->mem == MAP_FAILED) {
		err = -errno;
		snprintf(why, why_len, "mem:%.40s: no room for it: %s", rest, strerror(-err));
		free(m);
		return err;
	}
	madvise(m->mem, m->bytes, MADV_NOHUGEPAGE); /* memory in the pieces that discard gives back */
	m->t = (struct xsp_target){
		.ops = &xsp_target_mem,
		.size_bytes = size & ~511ull,
		.sector_size = 512,
		.physical_size = PAGE,
		.readonly = wish->readonly,
		.forgets = true,
		.at_once = 2,
		.can_flush = true,
		.can_discard = !wish->readonly,
		.discard_granularity = PAGE,
	};
	*ret = &m->t;
	return 0;
}

static void mem_close(struct xsp_target *t)
{
	struct mem_target *m = (struct mem_target *)t;

	munmap(m->mem, m->bytes);
	free(m);
}

static void discard_next(struct xsp_io *io);

static void discarded(struct xsp_cb *cb, int res)
{
	struct xsp_io *io = (struct xsp_io *)cb;

	if (res < 0)
		xsp_io_done(io, res);
	else
		discard_next(io);
}

/* Whole pages, from scratch[0] to scratch[1], a piece at a time; the kernel does it beside the worker. */
static void discard_next(struct xsp_io *io)
{
	struct mem_target *m = (struct mem_target *)io->target;
	uint64_t at = io->scratch[0], bytes = io->scratch[1] - at;

	if (at >= io->scratch[1]) {
		xsp_io_done(io, 0);
		return;
	}
	if (bytes > DISCARD)
		bytes = DISCARD;
	io->scratch[0] += bytes;
	io_uring_prep_madvise(xsp_worker_sqe(io->worker, &io->cb), m->mem + at, (off_t)bytes,
			      MADV_DONTNEED);
}

static void mem_submit(struct xsp_target *t, struct xsp_io *io)
{
	struct mem_target *m = (struct mem_target *)t;
	uint8_t *at = m->mem + io->offset;

	switch (io->op) {
	case XSP_IO_READ:
		xsp_io_fill(io, at);
		break;
	case XSP_IO_WRITE:
		for (unsigned int i = 0; i < io->niov; at += io->iov[i++].iov_len)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
		break;
	case XSP_IO_DISCARD:
		io->target = t;
		io->cb.fn = discarded;
		io->scratch[0] = (io->offset + PAGE - 1) & ~(PAGE - 1);
		io->scratch[1] = (io->offset + io->len) & ~(PAGE - 1);
		discard_next(io);
		return;
	}
	xsp_io_done(io, 0);
}

const struct xsp_target_ops xsp_target_mem = {
	.name = "mem",
	.usage = "mem:SIZE",
	.open = mem_open,
	.close = mem_close,
	.submit = mem_submit,
};
