/* SPDX-License-Identifier: MIT */
/* Load on a file through io_uring with nothing between: what any driver in user space has above it. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tools/bench/load.h"

#define MAX_DEPTH 512

struct file {
	struct io_uring ring;
	int fd;
	uint64_t bytes;
	struct place place;
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

static void queue(struct file *f, const struct job *j, uint64_t i, uint64_t at)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&f->ring);
	uint64_t offset = place_next(&f->place, j, f->bytes);

	if (j->write)
		io_uring_prep_write(sqe, f->fd, f->buf + i * j->size, j->size, offset);
	else
		io_uring_prep_read(sqe, f->fd, f->buf + i * j->size, j->size, offset);
	io_uring_sqe_set_data64(sqe, i);
	f->born[i] = at;
}

static int run(const struct job *j, struct tally *t, void *ctx)
{
	uint64_t at = now_ns(), until = at + (uint64_t)(j->seconds * 1e9);
	struct file *f = ctx;
	uint32_t under_way = j->depth;

	if ((uint64_t)j->size * j->depth > f->buf_bytes || j->depth > MAX_DEPTH)
		return -E2BIG;
	t->n_disks = 1;
	for (uint32_t i = 0; i < j->depth; i++)
		queue(f, j, i, at);
	while (under_way) {
		struct io_uring_cqe *cqe[64];
		unsigned int n;
		int err = io_uring_submit_and_wait(&f->ring, 1);

		if (err < 0 && err != -EINTR)
			return err;
		n = io_uring_peek_batch_cqe(&f->ring, cqe, 64);
		at = now_ns();
		for (unsigned int i = 0; i < n; i++) {
			uint64_t c = io_uring_cqe_get_data64(cqe[i]);

			t->ops++;
			t->errors += cqe[i]->res != (int)j->size;
			xsp_hist_add(&t->latency, at - f->born[c]);
			if (j->touch && !j->write)
				t->sum += touch(f->buf + c * j->size, j->size);
			if (at < until)
				queue(f, j, c, at);
			else
				under_way--;
		}
		io_uring_cq_advance(&f->ring, n);
	}
	t->share[0] = t->ops;
	return 0;
}

/* FILE BUFFER-BYTES */
int load_uring_main(int argc, char **argv)
{
	static struct file f = { .place.seed = 88172645463325252u };
	struct stat st;

	if (argc != 3)
		return 2;
	f.buf_bytes = (uint32_t)atol(argv[2]);
	f.buf = aligned_alloc(4096, f.buf_bytes);
	f.fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (!f.buf || f.fd < 0 || fstat(f.fd, &st) || io_uring_queue_init(MAX_DEPTH, &f.ring, 0)) {
		printf("%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	memset(f.buf, 0x5a, f.buf_bytes);
	f.bytes = (uint64_t)st.st_size;
	return load_serve(run, &f);
}
