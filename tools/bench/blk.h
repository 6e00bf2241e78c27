/* SPDX-License-Identifier: MIT */
/* The disk benchmark: blk.c its command line, axes and rounds; blk_peers.c who takes part. */
#ifndef XSP_BENCH_BLK_H
#define XSP_BENCH_BLK_H

#include "tools/bench/axes.h"
#include "tools/bench/rig.h"

enum { TARGET, RW, ACCESS, WAIT, BACKEND, USE, GRANTS, SEGMENTS, GUESTS, QUEUES, ORDER, SIZE, DEPTH, AXES };

enum { TARGET_NULL, TARGET_FILE, TARGET_DIRECT, TARGET_NOTHING, TARGETS };

extern struct axis blk_axes[AXES];

struct blk_point {
	uint64_t v[AXES];
};

/* Who runs in a round. */
struct racer {
	const char *name, *what;
	struct child client;
	struct child *server; /* whose processor time is the backend's; NULL: none */
	bool ours;
};

struct blk {
	struct bench *b;
	struct rig rig;
	const char *peers;
	bool pin, tried_qemu, have_qemu;
	bool attached[65][TARGETS]; /* guest, target */
	struct racer racer[MAX_CONTESTANTS];
	int n;
};

uint64_t blk_buffer_bytes(const struct blk_point *p);

/** blk_start - everybody's client and server for a group, ours first; 0, or -1: ours is not there */
int blk_start(struct blk *k, const struct blk_point *p);
void blk_stop(struct blk *k);

#endif
