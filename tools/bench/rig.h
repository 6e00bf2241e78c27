/* SPDX-License-Identifier: MIT */
/* A lab with our daemon in it, and the peers' servers, for the benchmarks of disks and networks. */
#ifndef XSP_BENCH_RIG_H
#define XSP_BENCH_RIG_H

#include <signal.h>

#include "tools/bench/bench.h"
#include "tools/bench/child.h"

struct rig {
	char dir[64];      /* ours alone; the lab is dir/lab */
	char bindir[4096]; /* of our programs */
	char lab[80], log[80], socket[96];
	char file[2][80]; /* in the page cache; past it */
	struct child daemon, qemu, server; /* server: of the group that runs, nbdkit or qsd */
	int client_cpu, server_cpu;        /* -1: any */
	unsigned int guests;
	bool is_up;
};

#define RIG_DISK_BYTES (256u << 20) /* of each target */

extern volatile sig_atomic_t rig_interrupted; /* SIGINT or SIGTERM: end in order */

/**
 * rig_prepare - before all others: signals, and whether our children run as b says
 * @pin: servers on processor 1, clients on 0, where there are two
 *
 * Returns whether they will.
 */
bool rig_prepare(struct rig *r, const struct bench *b, bool pin);

/** rig_lab - only the lab: Dom0 and @guests guests. As rig_up. */
int rig_lab(struct rig *r, unsigned int guests);

/**
 * rig_up - a lab with @guests guests and the daemon in Dom0
 * @extra: further arguments of the daemon, ended by NULL
 *
 * Prints what went wrong. Returns 0 or -1; rig_down in any case.
 */
int rig_up(struct rig *r, unsigned int guests, char *const extra[]);
void rig_down(struct rig *r);

/** rig_attach - our daemon's disk @vdev for a guest; "null", "nothing", "file" or "direct" */
int rig_attach(struct rig *r, unsigned int guest, const char *vdev, const char *target);

/** rig_attach_nic - our daemon's network interface number @devid for a guest, on a port as "pair:x" */
int rig_attach_nic(struct rig *r, unsigned int guest, unsigned int devid, const char *port);

/** rig_file - the file of the file target, or of the direct one, written once: in the page cache; 0 or -1 */
int rig_file(struct rig *r, bool direct);

/**
 * rig_qemu - QEMU's Xen disk backend with six disks for guest 1: xvdc, d, e null, file, direct on an iothread
 * that polls adaptively, as QEMU does by itself; xvdf, g, h the same on one that never polls. 0 or -1
 */
int rig_qemu(struct rig *r);

/** rig_serve - start r->server; NULL when it listens at @sock, else why not (static) */
const char *rig_serve(struct rig *r, char *const argv[], const char *sock);

/** rig_polling - how the daemon's workers wait: event, adaptive, always; 0 or -1 */
int rig_polling(struct rig *r, const char *mode);

/** rig_counters - the daemon's counters as JSON, the caller puts it; NULL */
struct json_object *rig_counters(struct rig *r);

/** rig_nic_counters - those of all network interfaces, summed; the caller puts it; NULL */
struct json_object *rig_nic_counters(struct rig *r);

#endif
