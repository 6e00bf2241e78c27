/* SPDX-License-Identifier: MIT */
/*
 * Load on PV disks through libxensplit-front: one process, one thread, the frontends of any number of
 * guests. A handle's domain is taken when it is opened, so the environment is set for each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/lab/env.h"
#include "frontend/user/xensplit-front.h"
#include "tools/bench/load.h"

#define MAX_DISKS    64
#define MAX_DEPTH    512
#define LOOK_EVERY   65536 /* polls between two looks at the store, timer and events */
#define MAX_WAIT_MS  1000

struct disk {
	struct xsp_disk *d;
	uint64_t bytes;
	uint8_t *buf;
	uint64_t born[MAX_DEPTH]; /* when the request in this buffer was submitted */
	struct place place;
	int index;
};

struct front {
	struct disk disk[MAX_DISKS];
	int n, epoll;
	uint32_t buf_bytes; /* of each disk */
	uint64_t until_ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int submit(struct disk *d, const struct job *j, uint64_t i, uint64_t at)
{
	d->born[i] = at;
	return xsp_disk_submit(d->d, j->write ? XSP_DISK_WRITE : XSP_DISK_READ, d->buf + i * j->size, j->size,
			       place_next(&d->place, j, d->bytes), i);
}

/*
 * What is done is counted and, unless the time is over, done again. Returns how many, or -errno; 0 too when that
 * was all there was under way: the library has asked for an event at the next answer.
 */
static int turn(struct front *f, struct disk *d, const struct job *j, struct tally *t, bool look)
{
	struct xsp_disk_done done[64];
	unsigned int n = look ? xsp_disk_process(d->d, done, 64) : xsp_disk_poll(d->d, done, 64);
	bool all = look && n < 64 && !xsp_disk_in_flight(d->d);
	uint64_t at = n ? now_ns() : 0;
	int err = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t c = done[i].cookie;

		t->ops++;
		t->share[d->index]++;
		t->errors += done[i].status != 0;
		xsp_hist_add(&t->latency, at - d->born[c]);
		if (j->touch && !j->write)
			t->sum += touch(d->buf + c * j->size, j->size);
		if (at < f->until_ns && !err)
			err = submit(d, j, c, at);
	}
	if (n)
		xsp_disk_push(d->d);
	if (!n && look)
		err = xsp_disk_error(d->d, NULL);
	return err ? err : all ? 0 : (int)n;
}

static unsigned int under_way(const struct front *f)
{
	unsigned int n = 0;

	for (int i = 0; i < f->n; i++)
		n += xsp_disk_in_flight(f->disk[i].d);
	return n;
}

static int begin(struct front *f, const struct job *j)
{
	uint64_t at = now_ns();

	for (int i = 0; i < f->n; i++) {
		for (uint64_t k = 0; k < j->depth; k++) {
			int err = submit(&f->disk[i], j, k, at);

			if (err)
				return err;
		}
		xsp_disk_push(f->disk[i].d);
	}
	return 0;
}

static int sleep_until_event(struct front *f, struct tally *t)
{
	struct epoll_event e[MAX_DISKS];

	t->syncs++;
	return epoll_wait(f->epoll, e, MAX_DISKS, MAX_WAIT_MS) < 0 && errno != EINTR ? -errno : 0;
}

static int run(const struct job *j, struct tally *t, void *ctx)
{
	struct front *f = ctx;
	unsigned int idle = 0;
	int err;

	if ((uint64_t)j->size * j->depth > f->buf_bytes || j->depth > MAX_DEPTH)
		return -E2BIG;
	t->n_disks = f->n;
	f->until_ns = now_ns() + (uint64_t)(j->seconds * 1e9);
	err = begin(f, j);
	while (!err && under_way(f)) {
		bool look = !j->poll || idle % LOOK_EVERY == LOOK_EVERY - 1;
		int any = 0;

		for (int i = 0; i < f->n && !err; i++) {
			int n = turn(f, &f->disk[i], j, t, look);

			if (n < 0)
				err = n;
			else
				any += n;
		}
		idle = any ? 0 : idle + 1;
		if (!any && !j->poll && !err && under_way(f))
			err = sleep_until_event(f, t);
	}
	return err;
}

static int open_disk(struct front *f, const char *dev, const struct xsp_disk_options *o, int guest)
{
	struct disk *d = &f->disk[f->n];
	struct xsp_disk_info info;
	char why[XSP_DISK_WHY_BYTES];
	struct epoll_event e = { .events = EPOLLIN };
	int err = xsp_disk_open(dev, o, &d->d, why);

	if (err) {
		printf("guest %d: %s\n", guest, why);
		return err;
	}
	xsp_disk_get_info(d->d, &info);
	d->bytes = info.size_bytes;
	d->index = f->n;
	d->place.seed = 88172645463325252u + (uint64_t)guest;
	d->buf = xsp_disk_buffer(d->d, f->buf_bytes);
	if (!d->buf || epoll_ctl(f->epoll, EPOLL_CTL_ADD, xsp_disk_fd(d->d), &e)) {
		printf("guest %d: %u bytes of buffer are not to be had\n", guest, f->buf_bytes);
		return -ENOMEM;
	}
	memset(d->buf, 0x5a, f->buf_bytes);
	f->n++;
	return 0;
}

/* DIR FIRST-GUEST GUESTS DEV BUFFER-BYTES ORDER QUEUES persistent|- indirect|- */
int load_front_main(int argc, char **argv)
{
	static struct front f;
	struct xsp_disk_options o = { 0 };
	char labdir[4096], bindir[4096];
	int first, n, err = 0;

	if (argc != 10 || lab_env_dirs(labdir, bindir, sizeof(labdir)))
		return 2;
	first = atoi(argv[2]);
	n = atoi(argv[3]);
	f.buf_bytes = (uint32_t)atol(argv[5]);
	o.ring_order = (unsigned int)atoi(argv[6]);
	o.queues = (unsigned int)atoi(argv[7]);
	o.no_persistent = strcmp(argv[8], "persistent");
	o.no_indirect = strcmp(argv[9], "indirect");
	o.pool_pages = f.buf_bytes / 4096 + 11 + f.buf_bytes / (64 * 4096) + 16;
	f.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (n < 1 || n > MAX_DISKS || f.epoll < 0)
		return 2;
	for (int i = 0; i < n && !err; i++) {
		lab_env_set(argv[1], labdir, bindir, (unsigned int)(first + i));
		err = open_disk(&f, argv[4], &o, first + i);
	}
	fflush(stdout);
	if (!err)
		err = load_serve(run, &f);
	for (int i = 0; i < f.n; i++)
		xsp_disk_close(f.disk[i].d);
	return err ? 1 : 0;
}
