/* SPDX-License-Identifier: MIT */
/*
 * xensplit-bench ring: the ring alone, two threads, against Xen's own macros and DPDK's rte_ring in the
 * same rounds.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/blkif.h"
#include "tools/bench/options.h"
#include "tools/bench/pair.h"

static const struct contestant *const rings[] = { &ring_xsp, &ring_xen_check, &ring_xsp_flow, &ring_xsp_plain, &ring_xen,
						&ring_rte, &ring_rte_packed };

#define RING_BYTES (8u * 4096u << XSP_RING_MAX_ORDER) /* the largest that a contestant needs */

enum { CORES, ORDER, SLEEP, QUEUES, DEPTH, BATCH, AXES };

static struct axis axes[AXES] = {
	[CORES] = { "cores", "two,one", .list = "two", .help = "both halves on processors of their own, or on the same" },
	[ORDER] = { "order", NULL, 0, 4, "0,2", "ring of 2^N pages" },
	[SLEEP] = { "sleep", "none,both", .list = "none", .help = "when there is nothing to do; on one core always both" },
	[QUEUES] = { "queues", NULL, 1, PAIR_MAX_QUEUES, "1",
		     "rings between the same two threads; with several: ours and Xen's with checks" },
	[DEPTH] = { "depth", NULL, 0, 512, "0", "requests under way at most in each ring; 0: what it holds" },
	[BATCH] = { "batch", NULL, 1, 512, "1,8,32", "requests between two pushes" },
};

static const struct command command = {
	.about = "Requests through a block ring and answers back, nothing behind it: our ring, Xen's macros,\n"
		 "DPDK's rte_ring.\n",
	.examples = "  xensplit-bench ring\n"
		    "  xensplit-bench ring --batch=1,2,4,8,16,32 --order=0,1,2,3,4 --out=ring.json\n"
		    "  xensplit-bench ring --queues=1,2,4,8 --batch=8\n"
		    "  xensplit-bench ring --cores=one,two --sleep=both --depth=1,32\n",
	.axes = axes,
	.n_axes = AXES,
	.seconds = 0.1,
};

static bool one_core(const struct pair *p)
{
	return p->cpu[PAIR_FRONT] == p->cpu[PAIR_BACK];
}

/* As it ran: a ring bounds what was asked for. */
static struct json_object *point_json(const struct pair *p)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "order", json_object_new_int((int)p->order));
	json_object_object_add(o, "slots", json_object_new_int((int)xsp_blk_ring_slots(p->order)));
	json_object_object_add(o, "batch", json_object_new_int((int)p->batch));
	json_object_object_add(o, "depth", json_object_new_int((int)p->depth));
	if (p->queues > 1)
		json_object_object_add(o, "queues", json_object_new_int((int)p->queues));
	json_object_object_add(o, "cores", json_object_new_string(one_core(p) ? "one" : "two"));
	json_object_object_add(o, "sleep", json_object_new_string(p->event ? "both" : "none"));
	return o;
}

/* CPU and events for each request. */
static void add_notes(struct series *s, const struct pair *p)
{
	static const char *const who[] = { "front", "back" };
	double n = (double)p->ops;
	char key[24];

	for (int i = 0; i < 2; i++) {
		snprintf(key, sizeof(key), "%s_cpu_ns", who[i]);
		series_note(s, key, (double)p->half[i].cpu_ns / n);
		snprintf(key, sizeof(key), "%s_notifies", who[i]);
		series_note(s, key, (double)p->half[i].notifies / n);
		snprintf(key, sizeof(key), "%s_wakes", who[i]);
		series_note(s, key, (double)p->half[i].wakes / n);
	}
}

/* One contestant once; -1 and a message when it failed. */
static int one_run(const struct bench *b, struct group *g, const struct contestant *c, struct pair *p)
{
	struct series *s;
	int err, tries = 3; /* a thread that got no processor in all that time says nothing */

	do
		err = pair_run(p, c, b->seconds);
	while (!err && !p->ops && !p->wrong && --tries);

	if (err || p->wrong || !p->ops) {
		fprintf(stderr, "xensplit-bench: %s: %s\n", c->name,
			err ? strerror(-err) : p->wrong ? "wrong answers" : "no request was answered");
		return -1;
	}
	if (c == &limit_line) {
		g->line_ns[g->n_line++] = (double)p->ns / (double)p->ops;
		return 0;
	}
	s = group_series(g, c->name, c->what, c->limit);
	s->rate[s->n++] = (double)p->ops / (double)p->ns * 1e9;
	add_notes(s, p);
	return 0;
}

/* Limits need two processors and spin; the rings go in between them. */
static int one_round(const struct bench *b, struct group *g, struct pair *p)
{
	struct pair limits = *p;
	bool two = !one_core(p);

	limits.order = 4;
	limits.queues = 1;
	limits.event = false;
	if (two && one_run(b, g, &limit_line, &limits))
		return -1;
	if (two && !p->event && (one_run(b, g, &limit_stream, &limits) || one_run(b, g, &limit_copy, &limits)))
		return -1; /* beside rings that sleep they say nothing */
	if (p->event && one_run(b, g, &limit_wake, &limits))
		return -1;
	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		if (!rings[i]->front || (rings[i]->poll_only && p->event) ||
		    (p->queues > 1 && !rings[i]->front_many))
			continue;
		if (one_run(b, g, rings[i], p))
			return -1;
	}
	return 0;
}

/* depth / wake: what sleepers can do at best who are woken once for all that is under way. */
static void wakes_for_all(struct group *g, const struct pair *p)
{
	for (int i = 0; i < g->n_series; i++)
		if (!strcmp(g->series[i].name, limit_wake.name))
			for (int k = 0; k < g->series[i].n; k++)
				g->series[i].rate[k] *= p->depth * p->queues;
}

/* slots / round trip: what any ring that waits for its answers can do at best. */
static void add_latency_limit(struct group *g, const struct pair *p)
{
	struct series *s;

	if (!g->n_line || p->event)
		return;
	s = group_series(g, "depth/trip", "limit: depth / cache line round trip", true);
	for (; s->n < g->n_line; s->n++)
		s->rate[s->n] = p->depth * p->queues / g->line_ns[s->n] * 1e9;
}

static int one_group(struct bench *b, struct pair *p)
{
	static struct group g; /* too large for a stack; bench_add clears it */
	char many[24] = "ring";

	g.unit = "requests/s";
	g.axes = point_json(p);
	g.show_notes = p->event;
	if (p->queues > 1)
		snprintf(many, sizeof(many), "%u rings", p->queues);
	snprintf(g.title, sizeof(g.title), "%s of %u page%s, batch %u, %u under way, %s, %s", many,
		 1u << p->order, p->order ? "s" : "", p->batch, p->depth,
		 one_core(p) ? "one core" : "two cores", p->event ? "both sleep" : "none sleeps");
	snprintf(g.base, sizeof(g.base), "%s", ring_xen_check.name); /* what drivers use */
	for (int r = 0; r < b->rounds; r++) {
		int err;

		bench_turn(b->fifo);
		err = one_round(b, &g, p);
		bench_turn_over(b->fifo);
		if (err)
			return -1;
	}
	add_latency_limit(&g, p);
	wakes_for_all(&g, p);
	bench_add(b, &g);
	return 0;
}

static int run_all(struct bench *b, struct pair *p)
{
	bool have_two = sysconf(_SC_NPROCESSORS_ONLN) > 1;

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
		if (!rings[i]->front)
			bench_skip(b, rings[i]->name, "built without DPDK's headers (package libdpdk-dev)");
	if (!have_two)
		bench_skip(b, "two cores", "this machine has one");
	for (uint64_t i = 0; i < axes_points(axes, AXES); i++) {
		uint64_t v[AXES];
		uint32_t slots;

		axes_point(axes, AXES, i, v);
		if (v[CORES] ? !v[SLEEP] && word_in(axes[SLEEP].list, "both") : !have_two)
			continue;
		p->cpu[PAIR_FRONT] = 0;
		p->cpu[PAIR_BACK] = v[CORES] ? 0 : 1;
		p->event = v[SLEEP] || v[CORES]; /* who spins would keep the other one from its work */
		p->order = (unsigned int)v[ORDER];
		p->queues = (uint32_t)v[QUEUES];
		slots = xsp_blk_ring_slots(p->order);
		p->depth = v[DEPTH] && v[DEPTH] < slots ? (uint32_t)v[DEPTH] : slots;
		p->batch = (uint32_t)v[BATCH];
		if (p->batch <= p->depth && one_group(b, p)) /* no more than may be under way */
			return -1;
	}
	return 0;
}

int mode_ring(struct bench *b, int argc, char **argv)
{
	struct pair p = { 0 };
	int rc = options_read(&command, b, argc, argv);

	if (rc >= 0)
		return rc;
	p.fifo = b->fifo;
	p.pages = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p.pages == MAP_FAILED)
		return bench_usage("no memory for a ring: %s", strerror(errno));
	bench_start(b);
	rc = run_all(b, &p) ? 1 : 0;
	munmap(p.pages, RING_BYTES);
	return bench_end(b) ? 1 : rc;
}
