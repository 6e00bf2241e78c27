/* SPDX-License-Identifier: MIT */
/*
 * The client side of the disk benchmark: a process that keeps requests under way on something and
 * answers "go" lines on its standard input with a line of JSON.
 *
 *     go SECONDS r|w SIZE DEPTH seq|rand poll|sleep touch|-
 *
 * DEPTH is per disk. One file for each thing that can be loaded: load_front.c (our frontend library,
 * any number of guests), load_nbd.c, load_uring.c. Those of the network benchmark, load_nic.c and
 * load_tap.c, have jobs of their own.
 */
#ifndef XSP_BENCH_LOAD_H
#define XSP_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/hist.h"

struct job {
	double seconds;
	bool write, random, poll;
	bool touch; /* read every byte of what was read */
	uint32_t size, depth;
};

/* What happened. */
struct tally {
	uint64_t ops, errors, ns, cpu_ns, syncs;
	struct xsp_hist latency;
	uint64_t share[64]; /* requests of each disk */
	int n_disks;
	uint64_t sum; /* of the data that was touched, so that nothing is optimized away */
};

/* Where the next request goes: the same sequence for everybody. */
struct place {
	uint64_t seed, next;
};

static inline uint64_t place_next(struct place *p, const struct job *j, uint64_t disk_bytes)
{
	uint64_t blocks = disk_bytes / j->size;

	if (!j->random)
		return p->next++ % blocks * j->size;
	p->seed ^= p->seed << 13;
	p->seed ^= p->seed >> 7;
	p->seed ^= p->seed << 17;
	return p->seed % blocks * j->size;
}

static inline uint64_t touch(const void *buf, uint32_t bytes)
{
	const uint64_t *w = buf;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bytes / 8; i++)
		sum += w[i];
	return sum;
}

/**
 * load_serve - read jobs, do them, until the end of standard input
 * @run: does one job; 0 or -errno
 *
 * Says "ready" first. Returns an exit code.
 */
int load_serve(int (*run)(const struct job *j, struct tally *t, void *ctx), void *ctx);

/* Each reads its own arguments: a program's main. */
int load_front_main(int argc, char **argv);
int load_nbd_main(int argc, char **argv);
int load_uring_main(int argc, char **argv);
int load_nic_main(int argc, char **argv);
int load_tap_main(int argc, char **argv);
int load_vhost_main(int argc, char **argv);

#endif
