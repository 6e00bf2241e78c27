/* SPDX-License-Identifier: MIT */
/* xensplit-bench ring: the ring alone, two threads, against Xen's own macros and DPDK's rte_ring in the same rounds. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/blkif.h"
#include "tools/bench/bench.h"
#include "tools/bench/pair.h"

static const struct contestant *const rings[] = { &ring_xsp, &ring_xen_check, &ring_xsp_flow, &ring_xsp_plain, &ring_xen,
						&ring_rte, &ring_rte_packed };

#define RING_BYTES (8u * 4096u << XSP_RING_MAX_ORDER) /* the largest that a contestant needs */

struct axes {
	uint64_t batch[MAX_VALUES], order[MAX_VALUES], depth[MAX_VALUES], queues[MAX_VALUES];
	int n_batch, n_order, n_depth, n_queues;
	const char *cores, *sleep; /* lists of words */
};

static const char usage[] =
	"usage: xensplit-bench ring [OPTION...]\n"
	"Requests through a block ring and answers back, nothing behind it: our ring, Xen's macros,\n"
	"DPDK's rte_ring.\n"
	"  --batch=N,...     requests between two pushes (1,8,32)\n"
	"  --order=N,...     ring of 2^N pages, 0..4 (0,2)\n"
	"  --depth=N,...     requests under way at most in each ring; 0: what it holds (0)\n"
	"  --queues=N,...    rings between the same two threads, 1..8 (1); with several: ours and Xen's with checks\n"
	"  --cores=two,one   both halves on processors of their own, or on the same (two)\n"
	"  --sleep=none,both who sleeps when there is nothing to do (none; on one core always both)\n"
	"  --rounds=N        interleaved rounds (9)\n"
	"  --seconds=S       of each contestant in each round (0.1)\n"
	"  --fifo            under SCHED_FIFO: for a machine that has other work (root)\n"
	"  --out=FILE        JSON into a file;  --json: to standard output\n"
	"examples:\n"
	"  xensplit-bench ring\n"
	"  xensplit-bench ring --batch=1,2,4,8,16,32 --order=0,1,2,3,4 --out=ring.json\n"
	"  xensplit-bench ring --queues=1,2,4,8 --batch=8\n"
	"  xensplit-bench ring --cores=one,two --sleep=both --depth=1,32\n";

static struct json_object *axes_json(const struct pair *p, const char *cores)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "order", json_object_new_int((int)p->order));
	json_object_object_add(o, "slots", json_object_new_int((int)xsp_blk_ring_slots(p->order)));
	json_object_object_add(o, "batch", json_object_new_int((int)p->batch));
	json_object_object_add(o, "depth", json_object_new_int((int)p->depth));
	if (p->queues > 1)
		json_object_object_add(o, "queues", json_object_new_int((int)p->queues));
	json_object_object_add(o, "cores", json_object_new_string(cores));
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
	bool two = p->cpu[0] != p->cpu[1];

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
		if (!rings[i]->front || (rings[i]->poll_only && p->event) || (p->queues > 1 && !rings[i]->many))
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

static int one_group(struct bench *b, struct pair *p, const char *cores)
{
	static struct group g; /* too large for a stack; bench_add clears it */
	char many[24] = "ring";

	g.unit = "requests/s";
	g.axes = axes_json(p, cores);
	g.show_notes = p->event;
	if (p->queues > 1)
		snprintf(many, sizeof(many), "%u rings", p->queues);
	snprintf(g.title, sizeof(g.title), "%s of %u page%s, batch %u, %u under way, %s, %s", many, 1u << p->order,
		 p->order ? "s" : "", p->batch, p->depth, !strcmp(cores, "one") ? "one core" : "two cores",
		 p->event ? "both sleep" : "none sleeps");
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

/* All values of batch and depth for one ring size, placement and way of waiting. */
static int sweep(struct bench *b, const struct axes *a, struct pair *p, const char *cores)
{
	uint32_t slots = xsp_blk_ring_slots(p->order);

	for (int d = 0; d < a->n_depth; d++)
		for (int i = 0; i < a->n_batch; i++) {
			p->depth = a->depth[d] && a->depth[d] < slots ? (uint32_t)a->depth[d] : slots;
			p->batch = (uint32_t)a->batch[i];
			if (p->batch > p->depth)
				continue; /* more than may be under way */
			if (one_group(b, p, cores))
				return -1;
		}
	return 0;
}

static int run_all(struct bench *b, const struct axes *a, struct pair *p)
{
	static const char *const cores[] = { "two", "one" };
	bool have_two = sysconf(_SC_NPROCESSORS_ONLN) > 1;

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
		if (!rings[i]->front)
			bench_skip(b, rings[i]->name, "built without DPDK's headers (package libdpdk-dev)");
	for (int c = 0; c < 2; c++) {
		if (!word_in(a->cores, cores[c]))
			continue;
		if (!c && !have_two) {
			bench_skip(b, "two cores", "this machine has one");
			continue;
		}
		p->cpu[PAIR_FRONT] = 0;
		p->cpu[PAIR_BACK] = c ? 0 : 1;
		for (int o = 0; o < a->n_order; o++)
			for (int sleeps = 0; sleeps < 2; sleeps++) {
				if (!c && !word_in(a->sleep, sleeps ? "both" : "none"))
					continue;
				if (c && !sleeps)
					continue; /* who spins would keep the other one from its work */
				p->order = (unsigned int)a->order[o];
				p->event = sleeps;
				for (int q = 0; q < a->n_queues; q++) {
					p->queues = (uint32_t)a->queues[q];
					if (sweep(b, a, p, cores[c]))
						return -1;
				}
			}
	}
	return 0;
}

int mode_ring(struct bench *b, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "batch", 1, NULL, 'b' },   { "order", 1, NULL, 'o' },	  { "depth", 1, NULL, 'd' },
		{ "queues", 1, NULL, 'Q' },  { "cores", 1, NULL, 'c' },	  { "sleep", 1, NULL, 's' },	  { "rounds", 1, NULL, 'r' },
		{ "seconds", 1, NULL, 't' }, { "fifo", 0, NULL, 'f' },	  { "out", 1, NULL, 'O' },
		{ "json", 0, NULL, 'j' },    { "help", 0, NULL, 'h' },	  { "quiet", 0, NULL, 'q' },
		{ 0 },
	};
	struct axes a = { .batch = { 1, 8, 32 }, .n_batch = 3, .order = { 0, 2 }, .n_order = 2,
			  .n_depth = 1, .queues = { 1 }, .n_queues = 1, .cores = "two", .sleep = "none" };
	struct pair p = { 0 };
	int opt, rc;

	b->rounds = 9;
	b->seconds = 0.1;
	while ((opt = getopt_long(argc, argv, "hjq", longs, NULL)) != -1) {
		uint64_t n[MAX_VALUES];
		int bad = 0;

		switch (opt) {
		case 'b': bad = (a.n_batch = values_of("batch", optarg, 1, 512, a.batch)) < 0; break;
		case 'o': bad = (a.n_order = values_of("order", optarg, 0, 4, a.order)) < 0; break;
		case 'd': bad = (a.n_depth = values_of("depth", optarg, 0, 512, a.depth)) < 0; break;
		case 'Q': bad = (a.n_queues = values_of("queues", optarg, 1, PAIR_MAX_QUEUES, a.queues)) < 0; break;
		case 'c': a.cores = optarg; break;
		case 's': a.sleep = optarg; break;
		case 'r': bad = values_of("rounds", optarg, 1, MAX_ROUNDS, n) != 1; b->rounds = (int)n[0]; break;
		case 't': b->seconds = atof(optarg); bad = !(b->seconds > 0 && b->seconds <= 60); break;
		case 'f': b->fifo = p.fifo = true; break;
		case 'O': b->out = optarg; break;
		case 'j': b->json_out = true; break;
		case 'q': b->quiet = true; break;
		case 'h': fputs(usage, stdout); return 0;
		default: bad = 1;
		}
		if (bad)
			return bench_usage("try xensplit-bench ring --help");
	}
	p.pages = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p.pages == MAP_FAILED)
		return bench_usage("no memory for a ring: %s", strerror(errno));
	bench_start(b);
	rc = run_all(b, &a, &p) ? 1 : 0;
	munmap(p.pages, RING_BYTES);
	return bench_end(b) ? 1 : rc;
}
