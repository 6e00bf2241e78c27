/* SPDX-License-Identifier: MIT */
/* Two answers of vbd.stat and what lies between them: rates and quantiles of the interval. */
#ifndef XSP_XENSPLIT_SAMPLE_H
#define XSP_XENSPLIT_SAMPLE_H

#include <stdint.h>

#include <json-c/json.h>

#include "common/hist.h"

struct sample {
	uint64_t rd_req, wr_req, fl_req, br_req, ds_req, indirect, ds_sect, rd_sect, wr_sect, io_errors, bad_req, bad_gref;
	uint64_t evtchn_calls, gnt_calls, gnt_refs, notifies, wakes, visits;
	struct xsp_hist read, write, flush;
};

struct sampled {
	char id[40], vdev[32];
	uint32_t domid;
	struct sample total;
};

/* All devices of one answer. */
struct round {
	uint64_t ns; /* the daemon's monotonic clock */
	int n;
	struct sampled *dev;
};

/** round_read - from the result of vbd.stat; 0 or -1 (no memory) */
int round_read(struct round *r, struct json_object *result);
void round_free(struct round *r);

/**
 * round_since - what device @i of @now did since @before (NULL, or a device that was not there
 * then: since it first appeared)
 */
struct sample round_since(const struct round *now, int i, const struct round *before);

/** sample_add - to += from */
void sample_add(struct sample *to, const struct sample *from);

/** sample_requests - requests of all kinds */
uint64_t sample_requests(const struct sample *s);

/** sample_latency - reads, writes and flushes together */
struct xsp_hist sample_latency(const struct sample *s);

#endif
