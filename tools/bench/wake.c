/* SPDX-License-Identifier: MIT */
/*
 * xensplit-bench wake: what it costs to wake the other half, by event channels and by what else Linux has.
 *
 * As in a ring, who goes to sleep says so first and looks once more, and only who sleeps is told. "trip" is
 * one event there and one back; "stream" is events one way, every one of them sent, as fast as it goes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/bench/options.h"
#include "tools/bench/pair.h"
#include "tools/bench/wake.h"
#include "tools/bench/world.h"

#define END UINT64_MAX /* what the front says last */

enum { CORES, FLOW, WAIT, AXES };

static struct axis axes[AXES] = {
	[CORES] = { "cores", "two,one", 0, 0, "two,one", "processors of their own, or the same" },
	[FLOW] = { "flow", "trip,stream", 0, 0, "trip,stream", "there and back, or one way (two processors)" },
	[WAIT] = { "wait", "sleep,adaptive", 0, 0, "sleep,adaptive", "sleep at once, or look for a while first" },
};

/* In the pages that both halves see; each on lines of its own. */
struct shared {
	struct {
		uint64_t said __attribute__((aligned(128)));   /* by this half */
		uint32_t sleeps __attribute__((aligned(128))); /* this half does, or is about to */
	} half[2];
};

struct run {
	const struct means *means;
	struct wake wake;
	uint64_t spin_ns;
	struct xsp_hist latency;
};

static uint64_t hear(const struct shared *s, int from)
{
	return __atomic_load_n(&s->half[from].said, __ATOMIC_SEQ_CST);
}

/* Says n to the other half, and tells it when it sleeps. */
static void say(struct pair *p, int me, uint64_t n)
{
	struct shared *s = p->pages;
	struct run *r = p->ctx;

	/* said before looking whether it sleeps; pairs with the same in wait_beyond */
	__atomic_store_n(&s->half[me].said, n, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&s->half[!me].sleeps, __ATOMIC_SEQ_CST) && n != END)
		return;
	p->half[me].notifies++;
	r->means->tell(&r->wake, me);
}

/* Until the other half says something else than n. */
static uint64_t wait_beyond(struct pair *p, int me, uint64_t n)
{
	struct shared *s = p->pages;
	struct run *r = p->ctx;
	uint64_t until = r->spin_ns ? bench_now_ns() + r->spin_ns : 0, now;

	while (r->spin_ns && bench_now_ns() < until) {
		for (int i = 0; i < 64; i++) {
			now = hear(s, !me);
			if (now != n)
				return now;
			pair_relax();
		}
	}
	for (;;) {
		/* sleeps before looking once more; pairs with the same in say */
		__atomic_store_n(&s->half[me].sleeps, 1, __ATOMIC_SEQ_CST);
		now = hear(s, !me);
		if (now != n)
			break;
		r->means->wait(&r->wake, me);
		p->half[me].wakes++;
		__atomic_store_n(&s->half[me].sleeps, 0, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&s->half[me].sleeps, 0, __ATOMIC_SEQ_CST);
	return now;
}

static void trip_front(struct pair *p)
{
	struct run *r = p->ctx;
	uint64_t n = 0;

	while (!pair_stopped(p)) {
		uint64_t from = bench_now_ns();

		say(p, PAIR_FRONT, ++n);
		if (wait_beyond(p, PAIR_FRONT, n - 1) != n)
			p->wrong++;
		xsp_hist_add(&r->latency, bench_now_ns() - from);
	}
	p->ops = n;
	say(p, PAIR_FRONT, END);
}

static void trip_back(struct pair *p)
{
	for (uint64_t n = 0; n != END;) {
		n = wait_beyond(p, PAIR_BACK, n);
		if (n != END)
			say(p, PAIR_BACK, n);
	}
}

static void stream_front(struct pair *p)
{
	struct shared *s = p->pages;
	struct run *r = p->ctx;
	uint64_t n = 0;

	for (; !pair_stopped(p); n++) {
		__atomic_store_n(&s->half[PAIR_FRONT].said, n, __ATOMIC_RELEASE);
		r->means->tell(&r->wake, PAIR_FRONT);
	}
	p->ops = p->half[PAIR_FRONT].notifies = n;
	say(p, PAIR_FRONT, END);
}

static void stream_back(struct pair *p)
{
	struct shared *s = p->pages;
	struct run *r = p->ctx;

	while (hear(s, PAIR_FRONT) != END) {
		r->means->wait(&r->wake, PAIR_BACK);
		p->half[PAIR_BACK].wakes++;
	}
}

static const struct contestant trip = { .front = trip_front, .back = trip_back };
static const struct contestant stream = { .front = stream_front, .back = stream_back };

static void add_notes(struct series *s, const struct pair *p, const struct run *r)
{
	static const char *const who[] = { "front", "back" };
	double n = (double)p->ops;
	char key[24];

	for (int i = 0; i < 2; i++) {
		snprintf(key, sizeof(key), "%s_cpu_us", who[i]);
		series_note(s, key, (double)p->half[i].cpu_ns / n / 1e3);
		snprintf(key, sizeof(key), "%s_notifies", who[i]);
		series_note(s, key, (double)p->half[i].notifies / n);
		snprintf(key, sizeof(key), "%s_wakes", who[i]);
		series_note(s, key, (double)p->half[i].wakes / n);
	}
	if (!xsp_hist_total(&r->latency))
		return;
	series_note(s, "p50_us", (double)xsp_hist_quantile(&r->latency, 0.5) / 1e3);
	series_note(s, "p99_us", (double)xsp_hist_quantile(&r->latency, 0.99) / 1e3);
	xsp_hist_merge(&s->latency, &r->latency);
}

/* One means once. Returns 0, or -1 and a message. */
static int one_run(const struct bench *b, struct group *g, struct pair *p, const struct means *m, bool streams)
{
	struct run *r = p->ctx;
	struct series *s;
	int err;

	wake_init(&r->wake);
	memset(&r->latency, 0, sizeof(r->latency));
	r->means = m;
	err = m->open(&r->wake);
	if (!err)
		err = pair_run(p, streams ? &stream : &trip, b->seconds);
	wake_close(&r->wake);
	if (err || p->wrong) {
		fprintf(stderr, "xensplit-bench: %s: %s\n", m->name,
			err ? strerror(-err) : "an event was lost");
		return -1;
	}
	if (!p->ops)
		return 0; /* it got no processor in all that time: that says nothing */
	s = group_series(g, m->name, m->what, false);
	s->rate[s->n++] = (double)p->ops / (double)p->ns * 1e9;
	add_notes(s, p, r);
	return 0;
}

static int one_round(const struct bench *b, struct group *g, struct pair *p, const bool *usable, bool streams)
{
	bool two = p->cpu[0] != p->cpu[1];
	double line = two ? bench_line_ns(b->fifo) : 0;

	if (line > 0) {
		static const char what[] = "limit: a cache line there and back";
		struct series *s = streams ? NULL : group_series(g, "line-trip", what, true);

		g->line_ns[g->n_line++] = line;
		if (s)
			s->rate[s->n++] = 1e9 / line;
	}
	for (int i = 0; i < n_wake_means; i++)
		if (usable[i] && one_run(b, g, p, &wake_means[i], streams))
			return -1;
	return 0;
}

static int one_group(struct bench *b, struct pair *p, const uint64_t *v, const bool *usable)
{
	static struct group g; /* too large for a stack; bench_add clears it */
	char w[AXES][16];

	g.unit = v[FLOW] ? "events/s" : "trips/s";
	g.axes = axes_json(axes, AXES, v);
	g.show_notes = true;
	snprintf(g.title, sizeof(g.title), "wake, %s, %s core%s, %s", word(&axes[FLOW], v[FLOW], w[0]),
		 word(&axes[CORES], v[CORES], w[1]), v[CORES] ? "" : "s", word(&axes[WAIT], v[WAIT], w[2]));
	snprintf(g.base, sizeof(g.base), "%s", wake_means[0].name);
	for (int r = 0; r < b->rounds; r++) {
		int err;

		bench_turn(b->fifo);
		err = one_round(b, &g, p, usable, v[FLOW]);
		bench_turn_over(b->fifo);
		if (err)
			return -1;
	}
	bench_add(b, &g);
	return 0;
}

static int run_all(struct bench *b, struct pair *p, uint64_t spin_ns)
{
	bool usable[16], have_two = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	struct run *r = p->ctx;

	for (int i = 0; i < n_wake_means; i++) { /* which can be had here? */
		int err;

		wake_init(&r->wake);
		err = wake_means[i].open(&r->wake);
		wake_close(&r->wake);
		usable[i] = !err;
		if (err)
			bench_skip(b, wake_means[i].name, strerror(-err));
	}
	if (!have_two)
		bench_skip(b, "two cores", "this machine has one");
	for (uint64_t i = 0; i < axes_points(axes, AXES); i++) {
		uint64_t v[AXES];

		axes_point(axes, AXES, i, v);
		if ((!v[CORES] && !have_two) || (v[CORES] && (v[WAIT] || v[FLOW])) || (v[FLOW] && v[WAIT]))
			continue; /* on one processor, who looks keeps the other from its work */
		p->cpu[PAIR_FRONT] = 0;
		p->cpu[PAIR_BACK] = v[CORES] ? 0 : 1;
		r->spin_ns = v[WAIT] ? spin_ns : 0;
		if (one_group(b, p, v, usable))
			return -1;
	}
	return 0;
}

static uint64_t spin_us = 50;

static const struct extra extra[] = {
	{ "spin", "US", "how long 'adaptive' looks before it sleeps (50)", .number = &spin_us, .min = 1, .max = 1000000 },
};

static const struct command command = {
	.about = "Waking the other half: event channels, eventfd, futex, io_uring. In a lab of its own; on a real Xen, with\n"
		 "that one's event channels.\n",
	.examples = "  xensplit-bench wake\n"
		    "  xensplit-bench wake --cores=two --flow=trip --wait=sleep --rounds=15 --out=wake.json\n",
	.axes = axes,
	.n_axes = AXES,
	.extra = extra,
	.n_extra = 1,
	.seconds = 0.1,
};

int mode_wake(struct bench *b, int argc, char **argv)
{
	static struct run run;
	struct pair p = { .ctx = &run };
	int rc = options_read(&command, b, argc, argv);

	if (rc >= 0)
		return rc;
	rc = world_enter(b);
	if (rc > 0)
		return rc - 1;
	p.fifo = b->fifo;
	p.pages = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p.pages == MAP_FAILED)
		return bench_usage("no memory: %s", strerror(errno));
	bench_start(b);
	rc = run_all(b, &p, spin_us * 1000) ? 1 : 0;
	munmap(p.pages, 4096);
	return bench_end(b) ? 1 : rc;
}
