/* SPDX-License-Identifier: MIT */
/* Samples of the daemon's counters: see sample.h. */
#include "tools/xensplit/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xensplit/client.h"

static void read_hist(struct xsp_hist *h, struct json_object *latency, const char *op)
{
	struct json_object *o = get_member(latency, op), *buckets = get_member(o, "buckets");

	h->sum_ns = get_number(o, "sum_ns");
	for (size_t i = 0; buckets && i < json_object_array_length(buckets); i++) {
		struct json_object *pair = json_object_array_get_idx(buckets, i);
		uint64_t upper = json_object_get_uint64(json_object_array_get_idx(pair, 0));

		if (upper)
			h->count[xsp_hist_bucket(upper - 1)] +=
				json_object_get_uint64(json_object_array_get_idx(pair, 1));
	}
}

#define COUNTERS(X)                                                                              \
	X(rd_req)                                                                                \
	X(wr_req)                                                                                \
	X(fl_req)                                                                                \
	X(br_req)                                                                                \
	X(ds_req)                                                                                \
	X(indirect)                                                                              \
	X(ds_sect)                                                                               \
	X(rd_sect)                                                                               \
	X(wr_sect)                                                                               \
	X(io_errors) X(bad_req) X(bad_gref) X(evtchn_calls) X(gnt_calls) X(gnt_refs) X(notifies) \
		X(wakes) X(visits)

static void read_one(struct sampled *d, struct json_object *o)
{
	struct json_object *c = get_member(o, "counters"), *l = get_member(o, "latency");

	snprintf(d->id, sizeof(d->id), "%s", get_text(o, "device"));
	snprintf(d->vdev, sizeof(d->vdev), "%s", get_text(o, "vdev"));
	d->domid = (uint32_t)get_number(o, "domid");
#define X(name) d->total.name = get_number(c, #name);
	COUNTERS(X)
#undef X
	read_hist(&d->total.read, l, "read");
	read_hist(&d->total.write, l, "write");
	read_hist(&d->total.flush, l, "flush");
}

int round_read(struct round *r, struct json_object *result)
{
	struct json_object *list = get_member(result, "vbds");
	size_t n = list ? json_object_array_length(list) : 0;

	r->ns = get_number(result, "monotonic_ns");
	r->n = (int)n;
	r->dev = calloc(n ? n : 1, sizeof(*r->dev));
	if (!r->dev)
		return -1;
	for (size_t i = 0; i < n; i++)
		read_one(&r->dev[i], json_object_array_get_idx(list, i));
	return 0;
}

void round_free(struct round *r)
{
	free(r->dev);
	*r = (struct round){.n = 0};
}

struct sample round_since(const struct round *now, int i, const struct round *before)
{
	struct sample s = now->dev[i].total;
	const struct sample *b = NULL;

	for (int k = 0; before && k < before->n; k++)
		if (!strcmp(before->dev[k].id, now->dev[i].id))
			b = &before->dev[k].total;
	/* Smaller than before: the daemon was restarted, or the device made anew. */
	if (!b || sample_requests(b) > sample_requests(&s) || b->evtchn_calls > s.evtchn_calls)
		return s;
#define X(name) s.name -= b->name;
	COUNTERS(X)
#undef X
	xsp_hist_sub(&s.read, &b->read);
	xsp_hist_sub(&s.write, &b->write);
	xsp_hist_sub(&s.flush, &b->flush);
	return s;
}

void sample_add(struct sample *to, const struct sample *from)
{
#define X(name) to->name += from->name;
	COUNTERS(X)
#undef X
	xsp_hist_merge(&to->read, &from->read);
	xsp_hist_merge(&to->write, &from->write);
	xsp_hist_merge(&to->flush, &from->flush);
}

uint64_t sample_requests(const struct sample *s)
{
	return s->rd_req + s->wr_req + s->fl_req;
}

struct xsp_hist sample_latency(const struct sample *s)
{
	struct xsp_hist h = s->read;

	xsp_hist_merge(&h, &s->write);
	xsp_hist_merge(&h, &s->flush);
	return h;
}
