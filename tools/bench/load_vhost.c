/* SPDX-License-Identifier: MIT */
/* Load on a vhost-user-blk server: the same work over virtio's ring, memory shared as a whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/bench/load.h"
#include "tools/bench/vhost.h"

#define MAX_DEPTH 256

struct server {
	struct vhost h;
	uint64_t disk_bytes, buf_bytes;
	struct place place;
	uint64_t born[MAX_DEPTH];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void submit(struct server *s, const struct job *j, uint16_t i, uint64_t at)
{
	s->born[i] = at;
	vhost_put(&s->h, i, j->write, place_next(&s->place, j, s->disk_bytes), (uint64_t)i * j->size, j->size);
}

static int run(const struct job *j, struct tally *t, void *ctx)
{
	uint64_t at = now_ns(), until = at + (uint64_t)(j->seconds * 1e9);
	struct server *s = ctx;
	uint32_t under_way = j->depth;

	if ((uint64_t)j->size * j->depth > s->buf_bytes || j->depth > MAX_DEPTH)
		return -E2BIG;
	t->n_disks = 1;
	vhost_quiet(&s->h);
	for (uint32_t i = 0; i < j->depth; i++)
		submit(s, j, (uint16_t)i, at);
	vhost_push(&s->h);
	while (under_way) {
		uint16_t done[64];
		unsigned int n = vhost_get(&s->h, done, 64);

		if (!n) {
			if (!j->poll)
				vhost_sleep(&s->h);
			continue;
		}
		if (j->poll)
			vhost_quiet(&s->h);
		at = now_ns();
		for (unsigned int i = 0; i < n; i++) {
			uint16_t c = done[i];

			t->ops++;
			t->errors += s->h.state[c] != VIRTIO_BLK_S_OK;
			xsp_hist_add(&t->latency, at - s->born[c]);
			if (j->touch && !j->write)
				t->sum += touch(s->h.buf + (uint64_t)c * j->size, j->size);
			if (at < until)
				submit(s, j, c, at);
			else
				under_way--;
		}
		vhost_push(&s->h);
	}
	t->share[0] = t->ops;
	return 0;
}

/* SOCKET BUFFER-BYTES DISK-BYTES */
int load_vhost_main(int argc, char **argv)
{
	static struct server s = { .place.seed = 88172645463325252u };
	int err;

	if (argc != 4)
		return 2;
	s.disk_bytes = strtoull(argv[3], NULL, 10);
	s.buf_bytes = strtoull(argv[2], NULL, 10);
	err = vhost_open(&s.h, argv[1], MAX_DEPTH, s.buf_bytes);
	if (err) {
		printf("%s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	return load_serve(run, &s);
}
