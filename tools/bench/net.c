/* SPDX-License-Identifier: MIT */
/*
 * xensplit-bench net: frames from one of our frontends through xensplitd to another one, to nowhere, or
 * to and from a TAP of the host; DPDK's testpmd and a TAP without a driver beside them. All of it is in
 * the lab's own networks.
 */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/options.h"
#include "tools/bench/rig.h"
#include "tools/bench/testpmd.h"

#define UNDER_WAY (384u << 10) /* bytes at most: what a port inside the daemon surely holds */
#define IDLE_NS   150000000u
#define TAP       "vif1.3" /* what the daemon calls the TAP of guest 1's interface 3 */

enum { DIRECTION, PORT, SIZE, USE, QUEUES, GRANTS, WAIT, BACKEND, DEPTH, BATCH, AXES };
enum { GUEST_GUEST, GUEST_NULL, GUEST_TAP, TAP_GUEST };

static struct axis axes[AXES] = {
	[DIRECTION] = { "direction", "guest-guest,guest-null,guest-tap,tap-guest",
			.list = "guest-guest,guest-null,guest-tap,tap-guest", .help = "from where to where" },
	[PORT] = { "port", "pair,switch", .list = "pair", .help = "what joins guest and guest inside the daemon" },
	[SIZE] = { "size", NULL, 64, 65536, "64,1500,64k", "bytes of a frame; above 1514: TCP, uncut (64k: 65535)" },
	[USE] = { "use", "head,touch", .list = "head",
		  .help = "a guest looks at the head of what it gets, as testpmd, or at every byte" },
	[QUEUES] = { "queues", NULL, 1, 8, "1", "of each interface" },
	[GRANTS] = { "grants", "static,copy", .list = "static", .help = "the backend keeps pages mapped, or copies" },
	[WAIT] = { "wait", "sleep,poll", .list = "sleep,poll", .help = "frontends sleep until an event, or spin" },
	[BACKEND] = { "backend", "event,adaptive,always", .list = "adaptive", .help = "how xensplitd's workers wait" },
	[DEPTH] = { "depth", NULL, 1, 200, "128", "frames under way at most, and 384 KiB of them" },
	[BATCH] = { "batch", NULL, 1, 200, "32", "frames between two pushes at most" },
};

struct point {
	uint64_t v[AXES];
};

enum kind { OURS, BARE_TAP, TESTPMD };

struct racer {
	enum kind kind;
	const char *name, *what;
	struct child client;
};

struct net {
	struct bench *b;
	struct rig rig;
	const char *peers;
	bool pin, attached[4];
	struct racer racer[3];
	int n;
	struct testpmd testpmd;
	bool testpmd_failed, tap_failed;
};

static uint64_t depth_of(const struct point *p)
{
	uint64_t most = UNDER_WAY / p->v[SIZE];

	return p->v[DEPTH] < most ? p->v[DEPTH] : most;
}

static double get(struct json_object *o, const char *key)
{
	struct json_object *v;

	return o && json_object_object_get_ex(o, key, &v) ? json_object_get_double(v) : 0;
}

/* --- one round --------------------------------------------------------------------------------- */

static void note_counters(struct series *s, struct json_object *before, struct json_object *after, double frames)
{
	static const char *const each[] = { "gnt_calls", "gnt_refs", "notifies", "wakes", "visits", "copied" };
	static const char *const drops[] = { "tx_malformed", "tx_short",    "tx_length",  "tx_protocol", "tx_gso_bad",
					     "tx_refused",   "rx_too_big",  "rx_filtered", "rx_stale",	 "rx_no_room",
					     "tx_fragment",  "bad_gref" };
	double dropped = 0;

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		series_note(s, each[i], (get(after, each[i]) - get(before, each[i])) / frames);
	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++)
		dropped += get(after, drops[i]) - get(before, drops[i]);
	series_note(s, "dropped", dropped);
}

static void note_ours(struct series *s, struct json_object *o, double frames, double cpu)
{
	double gso = get(o, "gso_out");

	series_note(s, "client_cpu_us", get(o, "cpu_ns") / frames / 1e3);
	series_note(s, "server_cpu_us", cpu / frames / 1e3);
	series_note(s, "guest_notifies", get(o, "notifies") / frames);
	series_note(s, "guest_waits", get(o, "waits") / frames);
	series_note(s, "guest_batches", get(o, "batches") / frames);
	series_note(s, "sent", get(o, "sent"));
	series_note(s, "lost", get(o, "lost") + get(o, "refused"));
	if (gso > 0 && get(o, "received") > 0)
		series_note(s, "gso_kept", get(o, "gso_in") / gso);
}

/* One line to a client, one line of JSON back; NULL and a message. */
static struct json_object *asked(struct racer *c, const char *line)
{
	const char *answer = child_say(&c->client, "%s", line) ? NULL : child_hear(&c->client, 60);
	struct json_object *o = answer ? json_tokener_parse(answer) : NULL;

	if (o && !json_object_object_get_ex(o, "error", NULL))
		return o;
	fprintf(stderr, "xensplit-bench: %s: %s\n", c->name, answer ? answer : "no answer");
	json_object_put(o);
	return NULL;
}

static int note_ping(struct net *k, struct series *s, struct racer *c, const struct point *p)
{
	struct json_object *o;
	char line[96];

	snprintf(line, sizeof(line), "ping %g %u %s\n", k->b->seconds / 4, (unsigned int)p->v[SIZE],
		 p->v[WAIT] ? "poll" : "sleep");
	o = asked(c, line);
	if (!o)
		return -1;
	series_note(s, "rtt_p50_us", get(o, "p50_ns") / 1e3);
	series_note(s, "rtt_p99_us", get(o, "p99_ns") / 1e3);
	json_object_put(o);
	return 0;
}

/* How many frames came out of @o's; where nothing is there to count them, what the daemon took. */
static double frames_of(const struct point *p, struct json_object *o, struct json_object *before,
			struct json_object *after)
{
	if (p->v[DIRECTION] == GUEST_NULL)
		return get(after, "tx_packets") - get(before, "tx_packets");
	return get(o, "received");
}

static int run_client(struct net *k, struct group *g, struct racer *c, const struct point *p)
{
	struct json_object *before = NULL, *after = NULL, *o = NULL;
	uint64_t cpu = 0;
	struct series *s = NULL;
	double frames;
	char line[96];

	snprintf(line, sizeof(line), "go %g %u %u %u %s %s\n", k->b->seconds, (unsigned int)p->v[SIZE],
		 (unsigned int)depth_of(p), (unsigned int)p->v[BATCH], p->v[WAIT] ? "poll" : "sleep",
		 p->v[USE] ? "touch" : "head");
	if (c->kind == OURS) {
		before = rig_nic_counters(&k->rig);
		cpu = child_cpu_ns(&k->rig.daemon);
	}
	for (unsigned int tries = 0; tries < 10; tries++) { /* on a busy machine the other end may not have run */
		json_object_put(o);
		o = asked(c, line);
		if (c->kind == OURS || !o || frames_of(p, o, NULL, NULL) > 0)
			break;
	}
	if (c->kind == OURS) {
		cpu = child_cpu_ns(&k->rig.daemon) - cpu;
		after = rig_nic_counters(&k->rig);
	}
	frames = o ? frames_of(p, o, before, after) : 0;
	if (frames > 0) {
		s = group_series(g, c->name, c->what, false);
		s->rate[s->n++] = frames / get(o, "ns") * 1e9;
		series_note(s, "Gb_s", frames * (double)p->v[SIZE] * 8 / get(o, "ns"));
		if (c->kind == OURS) {
			note_ours(s, o, frames, (double)cpu);
			note_counters(s, before, after, frames);
		} else {
			series_note(s, "client_cpu_us", get(o, "cpu_ns") / frames / 1e3);
		}
	} else if (o) {
		fprintf(stderr, "xensplit-bench: %s: no frame came\n", c->name);
	}
	json_object_put(o);
	json_object_put(before);
	json_object_put(after);
	if (s && c->kind == OURS && p->v[DIRECTION] != GUEST_NULL)
		return note_ping(k, s, c, p);
	return s ? 0 : -1;
}

/* Whoever tells testpmd to stop must get a processor for it. */
static void above_others(const struct net *k, bool on)
{
	struct sched_param fifo = { .sched_priority = 3 }, other = { 0 };

	if (k->b->fifo)
		sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, on ? &fifo : &other);
}

static int run_testpmd(struct net *k, struct group *g, struct racer *c, const struct point *p)
{
	uint64_t guest = child_cpu_ns(&k->testpmd.guest), back = child_cpu_ns(&k->testpmd.back), at = bench_now_ns();
	struct series *s;
	double rate, all;

	above_others(k, true);
	rate = testpmd_run(&k->testpmd, (unsigned int)p->v[SIZE], k->b->seconds);
	above_others(k, false);
	if (rate <= 0) {
		fprintf(stderr, "xensplit-bench: testpmd says nothing\n");
		return -1;
	}
	all = rate * (double)(bench_now_ns() - at) / 1e9; /* it ran before and after it was measured, too */
	guest = child_cpu_ns(&k->testpmd.guest) - guest;
	back = child_cpu_ns(&k->testpmd.back) - back;
	s = group_series(g, c->name, c->what, false);
	s->rate[s->n++] = rate;
	series_note(s, "Gb_s", rate * (double)p->v[SIZE] * 8 / 1e9);
	series_note(s, "client_cpu_us", (double)guest / all / 1e3);
	series_note(s, "server_cpu_us", (double)back / all / 1e3);
	return 0;
}

/* --- who takes part ---------------------------------------------------------------------------- */

static bool start_client(struct net *k, struct racer *c, char *const argv[])
{
	const char *line;

	if (child_start(&c->client, argv, k->pin ? 0 : -1, true, k->rig.log)) {
		bench_skip(k->b, c->name, "its client can't be started");
		return false;
	}
	line = child_hear(&c->client, 30);
	if (line && !strcmp(line, "ready"))
		return true;
	bench_skip(k->b, c->name, line ? line : "its client does not answer");
	child_stop(&c->client);
	return false;
}

static struct racer *new_racer(struct net *k, enum kind kind, const char *name, const char *what)
{
	k->racer[k->n] = (struct racer){ .kind = kind, .name = name, .what = what };
	return &k->racer[k->n];
}

/* The interface of guests 1 and 2 that a point needs: 0 a pair, 1 a switch, 2 nothing, 3 a TAP. */
static unsigned int device_of(const struct point *p)
{
	return p->v[DIRECTION] == GUEST_GUEST ? p->v[PORT] == 1 : p->v[DIRECTION] == GUEST_NULL ? 2 : 3;
}

static int attach(struct net *k, unsigned int device)
{
	static const char *const port[] = { "pair:bench", "switch:bench", "null:", "tap:" };

	if (k->attached[device])
		return 0;
	for (unsigned int g = 1; g <= (device < 2 ? 2 : 1); g++)
		if (rig_attach_nic(&k->rig, g, device, port[device]))
			return -1;
	k->attached[device] = true;
	return 0;
}

/* What a guest gets it can look at. */
static bool guest_gets(const struct point *p)
{
	return p->v[DIRECTION] == GUEST_GUEST || p->v[DIRECTION] == TAP_GUEST;
}

/*
 * Pages for packets: what bounds a sender that nobody answers is how many it has. A packet wants room
 * for the largest.
 */
static unsigned int pages_of(const struct point *p)
{
	uint64_t each = (p->v[SIZE] + 4095) / 4096 * depth_of(p) + 16;

	if (guest_gets(p) || each > 240)
		return 480;
	each = 2 * (each < 20 ? 20 : each) * p->v[QUEUES];
	return (unsigned int)(each < 960 ? each : 960);
}

static void add_ours(struct net *k, const struct point *p)
{
	struct racer *c = new_racer(k, OURS, "xsp", "our frontends, xensplitd");
	char xensplit[] = "xensplit", lab[] = "lab", run[] = "run", dir[] = "--dir", dom[] = "0", sep[] = "--",
	     bench[] = "xensplit-bench", load[] = "load-nic", tap[] = TAP, direction[16], device[8], queues[8],
	     pages[16], grants[16];
	char *argv[] = { xensplit, lab,	      run,    dir,    k->rig.lab, dom,	  sep, bench, load,
			 k->rig.lab, direction, device, queues, pages,	    grants, tap, NULL };

	word(&axes[DIRECTION], p->v[DIRECTION], direction);
	word(&axes[GRANTS], p->v[GRANTS], grants);
	snprintf(device, sizeof(device), "%u", device_of(p));
	snprintf(queues, sizeof(queues), "%u", (unsigned int)p->v[QUEUES] & 15);
	snprintf(pages, sizeof(pages), "%u", pages_of(p));
	if (device_of(p) != 3)
		argv[15] = NULL;
	k->n += start_client(k, c, argv);
}

static void add_tap(struct net *k, const struct point *p)
{
	struct racer *c = new_racer(k, BARE_TAP, "tap", "no driver: a system call for each frame on a TAP");
	char xensplit[] = "xensplit", lab[] = "lab", run[] = "run", dir[] = "--dir", dom[] = "0", sep[] = "--",
	     bench[] = "xensplit-bench", load[] = "load-tap", direction[16], socket[8], end[8];
	char *argv[] = { xensplit, lab, run, dir, k->rig.lab, dom, sep, bench, load, direction, socket, end, NULL };

	if (k->tap_failed)
		return;
	word(&axes[DIRECTION], p->v[DIRECTION], direction);
	snprintf(socket, sizeof(socket), "%d", k->pin ? 0 : -1);
	snprintf(end, sizeof(end), "%d", k->pin ? 1 : -1);
	if (start_client(k, c, argv))
		k->n++;
	else
		k->tap_failed = true;
}

static void add_testpmd(struct net *k, const struct point *p)
{
	bool between = p->v[DIRECTION] == GUEST_GUEST;
	const char *why;

	if (k->testpmd_failed)
		return;
	why = k->pin ? testpmd_start(&k->testpmd, k->rig.dir, between, 0, 1, k->rig.log) :
		       "both of its sides spin: it needs two processors";
	if (why) {
		k->testpmd_failed = true;
		bench_skip(k->b, "testpmd", why);
		return;
	}
	new_racer(k, TESTPMD, "testpmd",
		  k->testpmd.hugepages ? "DPDK: virtio-user, vhost-user; 2 MiB pages" : "DPDK: virtio-user, vhost-user; 4 KiB pages");
	k->n++;
}

static void stop_racers(struct net *k)
{
	for (int i = 0; i < k->n; i++)
		child_stop(&k->racer[i].client);
	testpmd_stop(&k->testpmd);
	k->n = 0;
}

/*
 * Peers have one queue and look at heads only; testpmd always spins and makes no large frames: it takes
 * part where ours spin.
 */
static int start_racers(struct net *k, const struct point *p)
{
	bool tap = p->v[DIRECTION] == GUEST_TAP || p->v[DIRECTION] == TAP_GUEST;
	bool alike = p->v[QUEUES] == 1 && !p->v[USE];
	char mode[16];

	if (rig_polling(&k->rig, word(&axes[BACKEND], p->v[BACKEND], mode)) || attach(k, device_of(p)))
		return -1;
	add_ours(k, p);
	if (!k->n)
		return -1;
	if (tap && alike && word_in(k->peers, "tap"))
		add_tap(k, p);
	if (!tap && alike && p->v[SIZE] <= 1514 && p->v[WAIT] && p->v[BACKEND] &&
	    word_in(k->peers, "testpmd"))
		add_testpmd(k, p);
	return 0;
}

/* --- all points -------------------------------------------------------------------------------- */

static void title_of(const struct point *p, char *buf, size_t bytes)
{
	char w[5][16], via[32] = "";

	if (p->v[DIRECTION] == GUEST_GUEST)
		snprintf(via, sizeof(via), " by a %s", word(&axes[PORT], p->v[PORT], w[0]));
	snprintf(buf, bytes, "%s%s, frames of %llu bytes%s, %llu under way, batches of %llu, "
		 "frontend %ss, backend %s, %s grants, %llu queue%s",
		 word(&axes[DIRECTION], p->v[DIRECTION], w[1]), via, (unsigned long long)p->v[SIZE],
		 p->v[USE] ? ", each read" : "", (unsigned long long)depth_of(p),
		 (unsigned long long)p->v[BATCH], word(&axes[WAIT], p->v[WAIT], w[2]),
		 word(&axes[BACKEND], p->v[BACKEND], w[3]), word(&axes[GRANTS], p->v[GRANTS], w[4]),
		 (unsigned long long)p->v[QUEUES], p->v[QUEUES] > 1 ? "s" : "");
}

/* What one processor writes and the other reads has to travel between their caches: a frame's head. */
static void add_limit(struct group *g, double rate)
{
	struct series *s = group_series(g, "line-stream", "limit: one cache line of each frame, one way", true);

	if (rate > 0)
		s->rate[s->n++] = rate;
}

/* What our side costs when nothing happens, of one processor. */
static void note_idle(struct net *k, struct group *g)
{
	struct series *s = group_series(g, "xsp", "", false);
	uint64_t cpu, at;

	usleep(20000); /* what was begun ends */
	cpu = child_cpu_ns(&k->rig.daemon) + child_cpu_ns(&k->racer[0].client);
	at = bench_now_ns();
	usleep(IDLE_NS / 1000);
	at = bench_now_ns() - at;
	cpu = child_cpu_ns(&k->rig.daemon) + child_cpu_ns(&k->racer[0].client) - cpu;
	series_note(s, "idle_cpu_pct", (double)cpu / (double)at * 100);
}

static int one_group(struct net *k, const struct point *p)
{
	static struct group g; /* too large for a stack; bench_add clears it */
	int rc = 0;

	if (start_racers(k, p))
		return -1;
	g.unit = "frames/s";
	g.axes = axes_json(axes, AXES, p->v);
	g.show_notes = true;
	title_of(p, g.title, sizeof(g.title));
	snprintf(g.base, sizeof(g.base), "%s", k->n > 1 ? k->racer[1].name : "");
	for (int r = 0; r < k->b->rounds && !rc && !rig_interrupted; r++) {
		double line;

		bench_turn(k->b->fifo);
		line = bench_line_ns(k->b->fifo);
		if (line > 0)
			g.line_ns[g.n_line++] = line;
		if (line > 0 && p->v[DIRECTION] == GUEST_NULL)
			add_limit(&g, bench_stream_bytes(k->b->fifo) / 64);
		for (int i = 0; i < k->n && !rc && !rig_interrupted; i++) {
			struct racer *c = &k->racer[i];

			rc = c->kind == TESTPMD ? run_testpmd(k, &g, c, p) : run_client(k, &g, c, p);
		}
		bench_turn_over(k->b->fifo);
	}
	if (!rc && !rig_interrupted)
		note_idle(k, &g);
	stop_racers(k);
	bench_add(k->b, &g);
	return rig_interrupted ? -1 : rc;
}

static int all_groups(struct net *k)
{
	uint64_t total = axes_points(axes, AXES);

	for (uint64_t n = 0; n < total; n++) {
		struct point p;

		axes_point(axes, AXES, n, p.v);
		if (p.v[DIRECTION] != GUEST_GUEST && p.v[PORT] != axes[PORT].number[0])
			continue; /* the others have no such choice */
		if (!guest_gets(&p) && p.v[USE] != axes[USE].number[0])
			continue;
		if (one_group(k, &p))
			return -1;
	}
	return 0;
}

static const char *peers = "testpmd,tap";
static bool no_pin;

static const struct extra extra[] = {
	{ "peers", "LIST", "of testpmd,tap; none (all)", .word = &peers },
	{ "no-pin", NULL, "don't keep guests on processor 0 and the daemon on 1", .flag = &no_pin },
};

static const struct command command = {
	.about = "Frames from a guest through our frontend library and xensplitd to another guest, to nowhere (null), or\n"
		 "to and from a TAP, in a lab of its own, and peers beside them in the same rounds. A quarter of the\n"
		 "seconds is for round trips.\n",
	.examples = "  xensplit-bench net\n"
		    "  xensplit-bench net --direction=guest-guest --port=pair,switch --size=64k --wait=sleep\n"
		    "  xensplit-bench net --direction=guest-null --size=64,1500 --wait=poll --grants=static,copy --out=net.json\n"
		    "  xensplit-bench net --direction=guest-tap,tap-guest --wait=sleep --backend=event --peers=tap\n"
		    "  xensplit-bench net --queues=1,2 -- --workers=2\n",
	.axes = axes,
	.n_axes = AXES,
	.extra = extra,
	.n_extra = 2,
	.seconds = 0.1,
	.has_a_daemon = true,
};

int mode_net(struct bench *b, int argc, char **argv)
{
	static struct net k;
	int rc;

	rc = options_read(&command, b, argc, argv);
	if (rc >= 0)
		return rc;
	for (int i = 0; i < axes[SIZE].n; i++)
		if (axes[SIZE].number[i] > 65535)
			axes[SIZE].number[i] = 65535; /* a request's size has 16 bits */
	k = (struct net){ .b = b, .peers = peers };
	k.pin = rig_prepare(&k.rig, b, !no_pin);
	bench_start(b);
	rc = rig_up(&k.rig, 2, argv + optind) || all_groups(&k) ? 1 : 0;
	stop_racers(&k);
	rig_down(&k.rig);
	return bench_end(b) ? 1 : rc;
}
