/* SPDX-License-Identifier: MIT */
/* Load on an NBD export through libnbd: what a disk over a socket costs. */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/bench/load.h"

#define MAX_DEPTH 512

struct export {
	struct nbd_handle *nbd;
	uint64_t bytes;
	struct place place;
	int64_t cookie[MAX_DEPTH];
	uint64_t born[MAX_DEPTH];
	uint8_t *buf;
	uint32_t buf_bytes;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int submit(struct export *x, const struct job *j, uint32_t i)
{
	uint64_t at = place_next(&x->place, j, x->bytes);
	uint8_t *buf = x->buf + (size_t)i * j->size;

	x->born[i] = now_ns();
	x->cookie[i] = j->write ? nbd_aio_pwrite(x->nbd, buf, j->size, at, NBD_NULL_COMPLETION, 0)
				: nbd_aio_pread(x->nbd, buf, j->size, at, NBD_NULL_COMPLETION, 0);
	return x->cookie[i] < 0 ? -EIO : 0;
}

/* Counts what is complete and submits it again. Returns how many are still under way, or -errno. */
static int turn(struct export *x, const struct job *j, struct tally *t, uint64_t until)
{
	int under_way = 0;

	for (uint32_t i = 0; i < j->depth; i++) {
		uint64_t at;
		int done;

		if (x->cookie[i] < 0)
			continue;
		done = nbd_aio_command_completed(x->nbd, (uint64_t)x->cookie[i]);
		if (!done) {
			under_way++;
			continue;
		}
		at = now_ns();
		t->ops++;
		t->errors += done < 0;
		xsp_hist_add(&t->latency, at - x->born[i]);
		if (j->touch && !j->write)
			t->sum += touch(x->buf + (size_t)i * j->size, j->size);
		x->cookie[i] = -1;
		if (at < until && submit(x, j, i))
			return -EIO;
		under_way += x->cookie[i] >= 0;
	}
	return under_way;
}

static int run(const struct job *j, struct tally *t, void *ctx)
{
	uint64_t until = now_ns() + (uint64_t)(j->seconds * 1e9);
	struct export *x = ctx;
	int n;

	if ((uint64_t)j->size * j->depth > x->buf_bytes || j->depth > MAX_DEPTH)
		return -E2BIG;
	t->n_disks = 1;
	for (uint32_t i = 0; i < j->depth; i++)
		if (submit(x, j, i))
			return -EIO;
	while ((n = turn(x, j, t, until)) > 0)
		if (nbd_poll(x->nbd, j->poll ? 0 : 1000) < 0)
			return -EIO;
	t->share[0] = t->ops;
	return n;
}

/* SOCKET BUFFER-BYTES */
int load_nbd_main(int argc, char **argv)
{
	static struct export x = { .place.seed = 88172645463325252u };

	if (argc < 3)
		return 2;
	x.buf_bytes = (uint32_t)atol(argv[2]);
	x.buf = aligned_alloc(4096, x.buf_bytes);
	x.nbd = nbd_create();
	if (!x.buf || !x.nbd || nbd_connect_unix(x.nbd, argv[1])) {
		printf("%s: %s\n", argv[1], nbd_get_error());
		return 1;
	}
	memset(x.buf, 0x5a, x.buf_bytes);
	x.bytes = (uint64_t)nbd_get_size(x.nbd);
	return load_serve(run, &x);
}
