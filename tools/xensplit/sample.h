/* SPDX-License-Identifier: MIT */
/* Two answers of vbd.stat and what lies between them: rates and quantiles of the interval. */
#ifndef XSP_XENSPLIT_SAMPLE_H
#define XSP_XENSPLIT_SAMPLE_H

#include <stdint.h>

#include <json-c/json.h>

#include "common/hist.h"

struct sample {
	uint64_t rd_req, wr_req, fl_req, br_req, ds_req, indirect, ds_sect, rd_sect, wr_sect, io_errors, bad_req, bad_gref;
	uint64_t evtchn_calls, gnt_calls, gnt_refs, notifies, wakes, visits, occupied, copied;
	uint64_t packets, net_bytes; /* of a network device, both ways */
	struct xsp_hist read, write, flush;
};

/* What a line is about: a device; all of a guest's (id dom/1); or one queue (id vbd/1/51712:0). */
enum sample_by { BY_DEVICE, BY_GUEST, BY_QUEUE };

struct sampled {
	char id[40], vdev[32];
	uint32_t domid;
	int worker;            /* that it runs on; -1: several, or none */
	uint32_t devices;      /* that are in it */
	uint32_t slots, rings; /* now; 0: not connected */
	uint64_t in_flight;    /* now */
	struct sample total;
};

/* All lines of one answer. */
struct round {
	uint64_t ns; /* the daemon's monotonic clock */
	int n;
	struct sampled *dev;
};

/**
 * round_read - from the result of vbd.stat; 0 or -1 (no memory)
 *
 * BY_QUEUE, and the worker, want an answer with queues.
 */
int round_read(struct round *r, struct json_object *result, enum sample_by by);

/**
 * round_add_networks - the same from the result of vif.stat, behind the disks; 0 or -1
 *
 * Packets count as requests. BY_GUEST they go to the guest's line; BY_QUEUE there are none.
 */
int round_add_networks(struct round *r, struct json_object *result, enum sample_by by);
void round_free(struct round *r);

/**
 * round_since - what device @i of @now did since @before (NULL, or a device that was not there
 * then: since it first appeared)
 */
struct sample round_since(const struct round *now, int i, const struct round *before);

/** sample_add - to += from */
void sample_add(struct sample *to, const struct sample *from);

/** sample_occupied - how much of the rings was in use when work was taken, 0..1; -1 when none was */
double sample_occupied(const struct sample *s, uint32_t slots, uint32_t rings);

/** sample_suppressed - share of the answers that needed no event, 0..1; -1 when there were none */
double sample_suppressed(const struct sample *s);

/** sample_requests - requests of all kinds */
uint64_t sample_requests(const struct sample *s);

/** sample_latency - reads, writes and flushes together */
struct xsp_hist sample_latency(const struct sample *s);

#endif
