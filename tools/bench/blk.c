/* SPDX-License-Identifier: MIT */
/* xensplit-bench blk: disks, from our frontend library to xensplitd and back, and peers beside them. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/blk.h"
#include "tools/bench/options.h"

struct axis blk_axes[AXES] = {
	[TARGET] = { "target", "null,file,direct,nothing", .list = "null",
		     .help = "null: zeros; file: in the page cache; direct: past it; nothing: no data is moved" },
	[RW] = { "rw", "read,write", .list = "read", .help = "operation" },
	[ACCESS] = { "access", "rand,seq", .list = "rand", .help = "where the next request goes" },
	[WAIT] = { "wait", "sleep,poll", .list = "sleep,poll", .help = "the frontend sleeps until an event, or spins" },
	[BACKEND] = { "backend", "event,adaptive,always", .list = "event,adaptive", .help = "how xensplitd's workers wait" },
	[USE] = { "use", "touch,leave", .list = "touch", .help = "the reader looks at every byte, or at none" },
	[GRANTS] = { "grants", "persistent,copy", .list = "persistent", .help = "the backend keeps pages mapped, or copies" },
	[SEGMENTS] = { "segments", "indirect,direct", .list = "indirect", .help = "indirect where a request needs it, or never" },
	[GUESTS] = { "guests", NULL, 1, 64, "1", "how many, all driven by one process" },
	[QUEUES] = { "queues", NULL, 1, 16, "1", "rings of each disk" },
	[ORDER] = { "order", NULL, 0, 4, "0", "rings of 2^N pages" },
	[SIZE] = { "size", NULL, 512, 1u << 20, "4k", "bytes of a request" },
	[DEPTH] = { "depth", NULL, 1, 512, "1,32", "requests under way on each disk" },
};

static bool whole_sectors(void)
{
	for (int i = 0; i < blk_axes[SIZE].n; i++)
		if (blk_axes[SIZE].number[i] % 512)
			return false;
	return true;
}

/* --- one round --------------------------------------------------------------------------------- */

static double get(struct json_object *o, const char *key)
{
	struct json_object *v;

	return o && json_object_object_get_ex(o, key, &v) ? json_object_get_double(v) : 0;
}

/* Jain's index of what the disks got: 1 when all got the same. */
static double fairness(struct json_object *answer)
{
	struct json_object *list;
	double sum = 0, squares = 0;
	size_t n;

	if (!json_object_object_get_ex(answer, "share", &list))
		return 0;
	n = json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		double x = json_object_get_double(json_object_array_get_idx(list, i));

		sum += x;
		squares += x * x;
	}
	return squares > 0 ? sum * sum / ((double)n * squares) : 0;
}

static void note_counters(struct series *s, struct json_object *before, struct json_object *after, double ops)
{
	static const char *const keys[][2] = {
		{ "evtchn_calls", "evtchn_calls" }, { "notifies", "notifies" },	    { "wakes", "wakes" },
		{ "gnt_calls", "gnt_calls" },	    { "gnt_refs", "gnt_refs" },	    { "visits", "visits" },
		{ "copied", "copied_bytes" },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		series_note(s, keys[i][1], (get(after, keys[i][0]) - get(before, keys[i][0])) / ops);
}

/* One job for one client; its answer as a line, or NULL. */
static const char *do_job(struct racer *c, const struct blk_point *p, double seconds)
{
	char access[16];

	if (child_say(&c->client, "go %g %c %u %u %s %s %s\n", seconds, p->v[RW] ? 'w' : 'r',
		      (unsigned int)p->v[SIZE], (unsigned int)p->v[DEPTH], word(&blk_axes[ACCESS], p->v[ACCESS], access),
		      p->v[WAIT] ? "poll" : "sleep", p->v[USE] ? "-" : "touch"))
		return NULL;
	return child_hear(&c->client, seconds + 30);
}

/* What happens once (pages are mapped, buffers touched) happens before the first round. */
static void warm_up(struct blk *k, const struct blk_point *p)
{
	bench_turn(k->b->fifo);
	for (int i = 0; i < k->n; i++)
		do_job(&k->racer[i], p, 0.005);
	bench_turn_over(k->b->fifo);
}

static int one_run(struct blk *k, struct group *g, struct racer *c, const struct blk_point *p)
{
	struct json_object *before = c->ours ? rig_counters(&k->rig) : NULL, *after = NULL, *o = NULL;
	uint64_t cpu = c->server ? child_cpu_ns(c->server) : 0;
	const char *line = do_job(c, p, k->b->seconds);
	struct series *s;
	double ops;

	if (line)
		o = json_tokener_parse(line);
	cpu = c->server ? child_cpu_ns(c->server) - cpu : 0;
	after = c->ours ? rig_counters(&k->rig) : NULL;
	ops = get(o, "ops");
	if (!ops || get(o, "errors") > 0) {
		fprintf(stderr, "xensplit-bench: %s: %s\n", c->name, line ? line : "no answer");
		json_object_put(o);
		json_object_put(before);
		json_object_put(after);
		return -1;
	}
	s = group_series(g, c->name, c->what, false);
	s->rate[s->n++] = ops / get(o, "ns") * 1e9;
	series_note(s, "MB_s", ops * (double)p->v[SIZE] / get(o, "ns") * 1e3);
	series_note(s, "p50_us", get(o, "p50_ns") / 1e3);
	series_note(s, "p99_us", get(o, "p99_ns") / 1e3);
	series_note(s, "p999_us", get(o, "p999_ns") / 1e3);
	series_latency(s, o);
	series_note(s, "client_cpu_us", get(o, "cpu_ns") / ops / 1e3);
	if (c->server)
		series_note(s, "server_cpu_us", (double)cpu / ops / 1e3);
	if (before && after)
		note_counters(s, before, after, ops);
	if (c->ours && p->v[GUESTS] > 1)
		series_note(s, "jain", fairness(o));
	json_object_put(o);
	json_object_put(before);
	json_object_put(after);
	return 0;
}

/* --- all points -------------------------------------------------------------------------------- */

static void title_of(const struct blk_point *p, char *buf, size_t bytes)
{
	char w[7][16];

	snprintf(buf, bytes, "%s, %s %s %llu bytes, depth %llu, frontend %ss, backend %s, %s, %s, %llu guest%s, %llu queue%s of %u page%s%s",
		 word(&blk_axes[TARGET], p->v[TARGET], w[0]), word(&blk_axes[ACCESS], p->v[ACCESS], w[1]),
		 word(&blk_axes[RW], p->v[RW], w[2]), (unsigned long long)p->v[SIZE], (unsigned long long)p->v[DEPTH],
		 word(&blk_axes[WAIT], p->v[WAIT], w[3]), word(&blk_axes[BACKEND], p->v[BACKEND], w[6]),
		 word(&blk_axes[GRANTS], p->v[GRANTS], w[4]),
		 word(&blk_axes[SEGMENTS], p->v[SEGMENTS], w[5]), (unsigned long long)p->v[GUESTS],
		 p->v[GUESTS] > 1 ? "s" : "", (unsigned long long)p->v[QUEUES], p->v[QUEUES] > 1 ? "s" : "",
		 1u << p->v[ORDER], p->v[ORDER] ? "s" : "", p->v[USE] ? "" : ", data is read");
}

/* Data that one processor writes and the other reads has to travel: between their caches, or through memory. */
static void add_limit(struct group *g, const char *name, const char *what, double rate)
{
	struct series *s = group_series(g, name, what, true);

	if (rate > 0)
		s->rate[s->n++] = rate;
}

static int one_group(struct blk *k, const struct blk_point *p)
{
	static struct group g; /* too large for a stack; bench_add clears it */
	int rc = 0;

	if (blk_start(k, p))
		return -1;
	g.unit = "requests/s";
	g.axes = axes_json(blk_axes, AXES, p->v);
	g.show_notes = true;
	title_of(p, g.title, sizeof(g.title));
	snprintf(g.base, sizeof(g.base), "%s", k->n > 1 ? k->racer[1].name : "");
	warm_up(k, p);
	for (int r = 0; r < k->b->rounds && !rc && !rig_interrupted; r++) {
		double line;

		bench_turn(k->b->fifo);
		line = bench_line_ns(k->b->fifo);
		if (line > 0)
			g.line_ns[g.n_line++] = line;
		if (line > 0 && !p->v[USE]) {
			add_limit(&g, "line-stream", "limit: so much data from one cache to the other",
				  bench_stream_bytes(k->b->fifo) / (double)p->v[SIZE]);
			add_limit(&g, "page-stream", "limit: so much data by pages, written past the cache",
				  bench_page_bytes(k->b->fifo) / (double)p->v[SIZE]);
		}
		for (int i = 0; i < k->n && !rc && !rig_interrupted; i++)
			rc = one_run(k, &g, &k->racer[i], p);
		bench_turn_over(k->b->fifo);
	}
	blk_stop(k);
	bench_add(k->b, &g);
	return rig_interrupted ? -1 : rc;
}

static int all_groups(struct blk *k)
{
	uint64_t total = axes_points(blk_axes, AXES);

	for (uint64_t n = 0; n < total; n++) {
		struct blk_point p;

		axes_point(blk_axes, AXES, n, p.v);
		if (p.v[DEPTH] > 32u << p.v[ORDER] << (p.v[QUEUES] > 1 ? 4 : 0) ||
		    blk_buffer_bytes(&p) > (960u << 12))
			continue; /* more than the rings, or the pages a guest may grant, can hold */
		if (one_group(k, &p))
			return -1;
	}
	return 0;
}

static uint64_t most_guests(void)
{
	uint64_t most = 1;

	for (int i = 0; i < blk_axes[GUESTS].n; i++)
		if (blk_axes[GUESTS].number[i] > most)
			most = blk_axes[GUESTS].number[i];
	return most;
}

static const char *peers = "qdisk,qsd-vhost,io_uring,io_uring-2,nbdkit,qsd-nbd";
static bool no_pin;

static const struct extra extra[] = {
	{ "peers", "LIST", "of qdisk,qsd-vhost,io_uring,io_uring-2,nbdkit,qsd-nbd; none (all)", .word = &peers },
	{ "no-pin", NULL, "don't keep clients on processor 0 and servers on 1", .flag = &no_pin },
};

static const struct command command = {
	.about = "Requests of guests through our frontend library to xensplitd, in a lab of its own, and peers beside\n"
		 "them in the same rounds.\n",
	.examples = "  xensplit-bench blk\n"
		    "  xensplit-bench blk --target=file --size=4k,64k --depth=32 --out=file.json\n"
		    "  xensplit-bench blk --guests=1,4,16,64 --depth=4 --peers=none\n"
		    "  xensplit-bench blk --queues=2 --order=2 --depth=128 -- --workers=2\n",
	.axes = blk_axes,
	.n_axes = AXES,
	.extra = extra,
	.n_extra = 2,
	.seconds = 0.2,
	.has_a_daemon = true,
};

int mode_blk(struct bench *b, int argc, char **argv)
{
	static struct blk k;
	int rc;

	rc = options_read(&command, b, argc, argv);
	if (rc < 0 && !whole_sectors())
		rc = bench_usage("--size: a multiple of 512");
	if (rc >= 0)
		return rc;
	k = (struct blk){ .b = b, .peers = peers };
	k.pin = rig_prepare(&k.rig, b, !no_pin);
	bench_start(b);
	rc = rig_up(&k.rig, (unsigned int)most_guests(), argv + optind) || all_groups(&k) ? 1 : 0;
	blk_stop(&k);
	rig_down(&k.rig);
	return bench_end(b) ? 1 : rc;
}
