/* SPDX-License-Identifier: MIT */
/*
 * DPDK's testpmd as a peer of the network benchmark: one has the guest's side (virtio-user), the other
 * the backend's (vhost-user), each with one forwarding processor.
 */
#ifndef XSP_BENCH_TESTPMD_H
#define XSP_BENCH_TESTPMD_H

#include "tools/bench/child.h"

struct testpmd {
	struct child guest, back;
	bool both_ways; /* guest to guest: two devices each, frames go round */
	int ports;
	bool hugepages;
};

/**
 * testpmd_start - both, not forwarding yet
 * @between: guest to guest through the backend; false: to a backend that drops
 * @guest_cpu, @back_cpu: 0 and 1, or 1 and 0
 *
 * Returns NULL, or why there is none (static).
 */
const char *testpmd_start(struct testpmd *t, const char *dir, bool between, int guest_cpu, int back_cpu,
			  const char *log);

/** testpmd_run - frames of @bytes for so long; per second by its own statistics, 0: it failed */
double testpmd_run(struct testpmd *t, unsigned int bytes, double seconds);

void testpmd_stop(struct testpmd *t);

#endif
