/* SPDX-License-Identifier: MIT */
/* Samples of the daemon's counters: see sample.h. */
#include "tools/xensplit/sample.h"

#include <stdbool.h>
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
		X(wakes) X(visits) X(occupied) X(copied) X(packets) X(net_bytes)

static void read_one(struct sampled *d, struct json_object *o)
{
	struct json_object *c = get_member(o, "counters"), *l = get_member(o, "latency");

	d->worker = -1;
	d->slots = (uint32_t)get_number(o, "slots");
	d->in_flight = get_number(o, "in_flight");
#define X(name) d->total.name = get_number(c, #name);
	COUNTERS(X)
#undef X
	read_hist(&d->total.read, l, "read");
	read_hist(&d->total.write, l, "write");
	read_hist(&d->total.flush, l, "flush");
}

static void name_one(struct sampled *d, struct json_object *o, enum sample_by by)
{
	d->domid = (uint32_t)get_number(o, "domid");
	d->devices = 1;
	if (by == BY_GUEST)
		snprintf(d->id, sizeof(d->id), "dom/%u", d->domid);
	else
		snprintf(d->id, sizeof(d->id), "%s", get_text(o, "device"));
	if (by != BY_GUEST)
		snprintf(d->vdev, sizeof(d->vdev), "%s", get_text(o, "vdev"));
}

/* The worker that has all of a device's queues; -1: there is no such one. */
static int worker_of(struct json_object *queues)
{
	size_t n = queues ? json_object_array_length(queues) : 0;
	int worker = -1;

	for (size_t i = 0; i < n; i++) {
		int w = (int)get_number(json_object_array_get_idx(queues, i), "worker");

		if (i && w != worker)
			return -1;
		worker = w;
	}
	return worker;
}

static struct sampled *next_line(struct round *r)
{
	struct sampled *more = realloc(r->dev, ((size_t)r->n + 1) * sizeof(*r->dev));

	if (!more)
		return NULL;
	r->dev = more;
	return memset(&r->dev[r->n++], 0, sizeof(*more));
}

static int add_queues(struct round *r, struct json_object *device)
{
	struct json_object *queues = get_member(device, "queues");
	size_t n = queues ? json_object_array_length(queues) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *q = json_object_array_get_idx(queues, i);
		struct sampled *d = next_line(r);
		size_t len;

		if (!d)
			return -1;
		read_one(d, q);
		name_one(d, device, BY_QUEUE);
		len = strlen(d->id);
		snprintf(d->id + len, sizeof(d->id) - len, ":%u", (unsigned int)get_number(q, "queue"));
		d->worker = (int)get_number(q, "worker");
		d->rings = 1;
	}
	return 0;
}

/* Devices come sorted by domain. */
static bool same_guest(const struct round *r, const struct sampled *d)
{
	return r->n && r->dev[r->n - 1].domid == d->domid;
}

static int add_device(struct round *r, struct json_object *device, enum sample_by by)
{
	struct json_object *queues = get_member(device, "queues");
	struct sampled d, *to;

	memset(&d, 0, sizeof(d));
	read_one(&d, device);
	name_one(&d, device, by);
	d.worker = worker_of(queues);
	d.rings = queues ? (uint32_t)json_object_array_length(queues) : 0;
	if (by == BY_GUEST && same_guest(r, &d)) {
		to = &r->dev[r->n - 1];
		to->devices++;
		to->slots += d.slots;
		to->rings += d.rings;
		to->in_flight += d.in_flight;
		if (to->worker != d.worker)
			to->worker = -1;
		sample_add(&to->total, &d.total);
		return 0;
	}
	to = next_line(r);
	if (to)
		*to = d;
	return to ? 0 : -1;
}

int round_read(struct round *r, struct json_object *result, enum sample_by by)
{
	struct json_object *list = get_member(result, "vbds");
	size_t n = list ? json_object_array_length(list) : 0;
	int rc = 0;

	*r = (struct round){.ns = get_number(result, "monotonic_ns")};
	for (size_t i = 0; i < n && !rc; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		rc = by == BY_QUEUE ? add_queues(r, o) : add_device(r, o, by);
	}
	return rc;
}

static struct sampled *guest_line(struct round *r, uint32_t domid)
{
	for (int i = 0; i < r->n; i++)
		if (r->dev[i].domid == domid)
			return &r->dev[i];
	return NULL;
}

static int add_network(struct round *r, struct json_object *o, enum sample_by by)
{
	struct json_object *c = get_member(o, "counters");
	struct sampled d, *to;

	memset(&d, 0, sizeof(d));
	read_one(&d, o);
	name_one(&d, o, by);
	d.total.packets = get_number(c, "tx_packets") + get_number(c, "rx_packets");
	d.total.net_bytes = get_number(c, "tx_bytes") + get_number(c, "rx_bytes");
	to = by == BY_GUEST ? guest_line(r, d.domid) : NULL;
	if (to) {
		to->devices++;
		sample_add(&to->total, &d.total);
		return 0;
	}
	to = next_line(r);
	if (to)
		*to = d;
	return to ? 0 : -1;
}

int round_add_networks(struct round *r, struct json_object *result, enum sample_by by)
{
	struct json_object *list = get_member(result, "vifs");
	size_t n = list && by != BY_QUEUE ? json_object_array_length(list) : 0;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = add_network(r, json_object_array_get_idx(list, i), by);
	return rc;
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

double sample_occupied(const struct sample *s, uint32_t slots, uint32_t rings)
{
	double ring = rings ? (double)slots / rings : 0;

	return s->visits && ring > 0 ? (double)s->occupied / (double)s->visits / ring : -1;
}

double sample_suppressed(const struct sample *s)
{
	uint64_t n = sample_requests(s);

	if (!n)
		return -1;
	return s->notifies >= n ? 0 : 1 - (double)s->notifies / (double)n;
}

uint64_t sample_requests(const struct sample *s)
{
	return s->rd_req + s->wr_req + s->fl_req + s->packets;
}

struct xsp_hist sample_latency(const struct sample *s)
{
	struct xsp_hist h = s->read;

	xsp_hist_merge(&h, &s->write);
	xsp_hist_merge(&h, &s->flush);
	return h;
}
