/* SPDX-License-Identifier: MIT */
/*
 * What an operator sees of the workers and changes while they run: which queue runs on which of them,
 * how they wait, on which CPUs. Main thread; nothing here waits longer than XSP_ASK_MS.
 */
#ifndef XSP_BACKEND_STEER_H
#define XSP_BACKEND_STEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/polling.h"

struct xsp_daemon;

#define XSP_CPUS_LEN 128

/* A queue on a worker. */
struct xsp_worker_queue {
	uint32_t worker, index;
	char device[40];
};

struct xsp_worker_snap {
	uint32_t index;
	int tid;
	uint64_t cpu_ns;          /* used so far */
	uint64_t enters;          /* calls of io_uring_enter so far */
	char cpus[XSP_CPUS_LEN];  /* it may run on: "0-3,8" */
	struct xsp_polling polling;
};

/* All workers and all queues that run, sorted by worker. */
struct xsp_workers_snap {
	size_t n_workers, n_queues;
	struct xsp_worker_snap *worker;
	struct xsp_worker_queue *queue;
};

/** xsp_steer_list - a copy; 0 or -ENOMEM; xsp_steer_free gives it back */
int xsp_steer_list(struct xsp_daemon *d, struct xsp_workers_snap *ret);
void xsp_steer_free(struct xsp_workers_snap *s);

/* A wish to have queues of a device on another worker. */
struct xsp_move {
	char device[40]; /* vbd/1/51712 */
	int queue;       /* < 0: all of them */
	uint32_t worker;
	bool begun;      /* back: it pauses for it now; else it takes effect with the next connection */
	uint32_t n;      /* back: queues that change places */
};

/**
 * xsp_steer_move - begin to move; the guest sees a pause as long as what is in flight takes
 *
 * Returns 0; -ENOENT: no such device; -ERANGE: no such worker or queue; -EBUSY: the device connects,
 * moves or stops just now; -ETIMEDOUT: the store thread did not answer, it may still happen.
 */
int xsp_steer_move(struct xsp_daemon *d, struct xsp_move *move);

/* What is to change of a worker. */
struct xsp_worker_wish {
	const uint32_t *mode, *duration_us, *idle_percent; /* NULL: as it is */
	const char *cpus;                                  /* "0-3,8"; NULL: as it is */
};

/**
 * xsp_steer_set - change a worker's settings until the daemon's next start
 *
 * Returns 0; -ERANGE: no such worker; -EINVAL: cpus makes no sense or names no CPU that is there;
 * -ETIMEDOUT: it did not answer.
 */
int xsp_steer_set(struct xsp_daemon *d, uint32_t worker, const struct xsp_worker_wish *wish);

#endif
