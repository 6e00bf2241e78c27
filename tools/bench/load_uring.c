/* SPDX-License-Identifier: MIT */
/*
 * Load on a file through io_uring with nothing between: what any driver in user space has above it. The
 * processor that reads the file looks at the data, too; or, as with a driver, another one does.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sched.h>
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
	bool two; /* another processor looks at the data: */
	int cpu;
	pthread_t reader;
	const struct job *job;
	uint16_t number[MAX_DEPTH]; /* buffers on their way to the reader and back, in this order */
	uint32_t read __attribute__((aligned(128)));   /* of them: filled */
	uint32_t looked __attribute__((aligned(128))); /* ... and looked at */
	uint32_t over;
	uint64_t sum;
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

/* --- the other processor ----------------------------------------------------------------------- */

static void *look(void *arg)
{
	struct file *f = arg;
	uint32_t n = 0;

	while (!__atomic_load_n(&f->over, __ATOMIC_ACQUIRE)) {
		uint32_t end = __atomic_load_n(&f->read, __ATOMIC_ACQUIRE); /* pairs with hand_over */

		for (; n != end; n++)
			if (f->job->touch && !f->job->write)
				f->sum += touch(f->buf + f->number[n % MAX_DEPTH] * (uint64_t)f->job->size,
						f->job->size);
		__atomic_store_n(&f->looked, n, __ATOMIC_RELEASE); /* pairs with take_back */
	}
	return NULL;
}

static int start_reader(struct file *f, const struct job *j)
{
	cpu_set_t set;

	f->job = j;
	f->read = f->looked = f->over = 0;
	if (pthread_create(&f->reader, NULL, look, f))
		return -EAGAIN;
	CPU_ZERO(&set);
	CPU_SET((size_t)f->cpu, &set);
	return f->cpu < 0 ? 0 : -pthread_setaffinity_np(f->reader, sizeof(set), &set);
}

static void stop_reader(struct file *f, struct tally *t)
{
	__atomic_store_n(&f->over, 1, __ATOMIC_RELEASE);
	pthread_join(f->reader, NULL);
	t->sum += f->sum;
}

static void hand_over(struct file *f, const uint16_t *done, unsigned int n)
{
	uint32_t at = f->read;

	for (unsigned int i = 0; i < n; i++)
		f->number[(at + i) % MAX_DEPTH] = done[i];
	__atomic_store_n(&f->read, at + n, __ATOMIC_RELEASE); /* pairs with look */
}

/* --- a job ------------------------------------------------------------------------------------- */

/* Completions that are there. @wait: until there is one. Returns how many, or -errno. */
static int reap(struct file *f, const struct job *j, struct tally *t, uint16_t *done, bool wait)
{
	struct io_uring_cqe *cqe[64];
	unsigned int n;
	int err = wait || io_uring_sq_ready(&f->ring) ? io_uring_submit_and_wait(&f->ring, wait) : 0;

	if (err < 0 && err != -EINTR)
		return err;
	n = io_uring_peek_batch_cqe(&f->ring, cqe, 64);
	for (unsigned int i = 0; i < n; i++) {
		done[i] = (uint16_t)io_uring_cqe_get_data64(cqe[i]);
		t->errors += cqe[i]->res != (int)j->size;
	}
	io_uring_cq_advance(&f->ring, n);
	return (int)n;
}

static int run(const struct job *j, struct tally *t, void *ctx)
{
	uint64_t at = now_ns(), until = at + (uint64_t)(j->seconds * 1e9);
	struct file *f = ctx;
	uint32_t under_way = j->depth, in_kernel = j->depth, back = 0;
	int err = 0;

	if ((uint64_t)j->size * j->depth > f->buf_bytes || j->depth > MAX_DEPTH)
		return -E2BIG;
	t->n_disks = 1;
	if (f->two)
		err = start_reader(f, j);
	for (uint32_t i = 0; i < j->depth; i++)
		queue(f, j, i, at);
	while (under_way && !err) {
		uint16_t done[64], again[MAX_DEPTH];
		unsigned int n = 0;
		int got = reap(f, j, t, done, !f->two && in_kernel);

		if (got < 0)
			return got;
		in_kernel -= (uint32_t)got;
		if (f->two) {
			hand_over(f, done, (unsigned int)got);
			for (uint32_t end = __atomic_load_n(&f->looked, __ATOMIC_ACQUIRE); back != end; back++)
				again[n++] = f->number[back % MAX_DEPTH]; /* pairs with look */
		} else {
			for (; n < (unsigned int)got; n++) {
				again[n] = done[n];
				if (j->touch && !j->write)
					t->sum += touch(f->buf + (uint64_t)done[n] * j->size, j->size);
			}
		}
		at = n ? now_ns() : at;
		for (unsigned int i = 0; i < n; i++) {
			t->ops++;
			xsp_hist_add(&t->latency, at - f->born[again[i]]);
			if (at < until) {
				queue(f, j, again[i], at);
				in_kernel++;
			} else {
				under_way--;
			}
		}
	}
	if (f->two)
		stop_reader(f, t);
	t->share[0] = t->ops;
	return err;
}

/* FILE BUFFER-BYTES cached|direct [PROCESSOR-THAT-LOOKS] */
int load_uring_main(int argc, char **argv)
{
	static struct file f = { .place.seed = 88172645463325252u };
	struct stat st;

	if (argc < 4 || argc > 5)
		return 2;
	f.two = argc == 5;
	f.cpu = f.two ? atoi(argv[4]) : -1;
	f.buf_bytes = (uint32_t)atol(argv[2]);
	f.buf = aligned_alloc(4096, f.buf_bytes);
	f.fd = open(argv[1], O_RDWR | O_CLOEXEC | (strcmp(argv[3], "direct") ? 0 : O_DIRECT));
	if (!f.buf || f.fd < 0 || fstat(f.fd, &st) || io_uring_queue_init(MAX_DEPTH, &f.ring, 0)) {
		printf("%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	memset(f.buf, 0x5a, f.buf_bytes);
	f.bytes = (uint64_t)st.st_size;
	return load_serve(run, &f);
}
