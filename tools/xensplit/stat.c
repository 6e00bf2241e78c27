/* SPDX-License-Identifier: MIT */
/* xensplit stat: totals, or a table for each interval. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tools/xensplit/client.h"
#include "tools/xensplit/network.h"
#include "tools/xensplit/netwatch.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/sample.h"
#include "tools/xensplit/store.h"

#define MISSING_SECONDS 30 /* with --watch, how long the daemon may be away (a restart) */

struct view {
	struct call *call;
	struct store store; /* for the guests' names; xs NULL: numbers must do */
	enum sample_by by;
	struct device wanted[64];
	int n_wanted;
	struct client client;
	struct round last, now;
	struct json_object *networks; /* as they were a round ago; NULL: not asked yet */
	int drawn; /* lines on the terminal that the next table replaces */
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static bool is_wanted(const struct view *v, const char *id)
{
	for (int i = 0; i < v->n_wanted; i++)
		if (!strcmp(v->wanted[i].id, id))
			return true;
	return !v->n_wanted;
}

static char *name_of(void *arg, uint32_t domid)
{
	struct view *v = arg;
	char *name = NULL;

	if (v->store.base.xs)
		return store_domain_name(&v->store, domid);
	return asprintf(&name, "%u", domid) < 0 ? NULL : name;
}

/* Ask once. 0, or -1 with *e. */
static int ask(struct view *v, struct client_error *e)
{
	struct json_object *o;
	int rc;

	if (v->client.fd < 0 && client_open(&v->client, v->call->socket, e))
		return -1;
	o = client_call(&v->client, "vbd.stat", NULL, e);
	if (!o)
		return -1;
	rc = round_read(&v->now, o, v->by);
	json_object_put(o);
	e->code = EXIT_FAILED;
	strcpy(e->text, "out of memory");
	return rc;
}

/* The network devices that are wanted, as vif.stat tells of them; a daemon of old has none. */
static struct json_object *ask_networks(struct view *v)
{
	struct json_object *all, *list = json_object_new_array(), *vifs;
	struct client_error e;

	all = client_call(&v->client, "vif.stat", NULL, &e);
	vifs = get_member(all, "vifs");
	for (size_t i = 0; vifs && i < json_object_array_length(vifs); i++) {
		struct json_object *o = json_object_array_get_idx(vifs, i);

		if (is_wanted(v, get_text(o, "device")))
			json_object_array_add(list, json_object_get(o));
	}
	json_object_put(all);
	return list;
}

/* What they did since we asked last. */
static struct json_object *networks_since(struct view *v)
{
	struct json_object *now = ask_networks(v), *since = netwatch_since(v->networks, now);

	json_object_put(v->networks);
	v->networks = now;
	return since;
}

/* --- text --------------------------------------------------------------------------------------
 */

static double per_request(uint64_t calls, const struct sample *s)
{
	uint64_t n = sample_requests(s);

	return n ? (double)calls / (double)n : 0;
}

static void rate_row(struct table *t, const struct sample *s, double seconds, enum colour c)
{
	struct xsp_hist all = sample_latency(s);
	uint64_t errors = s->io_errors + s->bad_req + s->bad_gref;
	bool idle = !sample_requests(s);
	char text[16];

	table_cell(t, c, "%7.0f", (double)s->rd_req / seconds);
	table_cell(t, c, "%7.0f", (double)s->wr_req / seconds);
	table_cell(t, c, "%7.1f", (double)s->rd_sect * 512 / 1e6 / seconds);
	table_cell(t, c, "%7.1f", (double)s->wr_sect * 512 / 1e6 / seconds);
	table_cell(t, c, "%8s", human_ns(text, xsp_hist_quantile(&all, 0.5)));
	table_cell(t, c, "%8s", human_ns(text, xsp_hist_quantile(&all, 0.99)));
	if (idle) {
		table_cell(t, DIM, "-");
		table_cell(t, DIM, "-");
	} else {
		table_cell(t, c, "%.2f", per_request(s->evtchn_calls, s));
		table_cell(t, c, "%.2f", per_request(s->gnt_calls, s));
	}
	table_cell(t, errors ? RED : DIM, "%llu", (unsigned long long)errors);
}

static int screen_lines(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || w.ws_row < 4 ? 24 : w.ws_row;
}

static int draw_disks(struct view *v, double seconds, int max_rows)
{
	struct table t = table_start("llrrrrrrrrr", "device", "guest", "r/s", "w/s", "rMB/s",
				     "wMB/s", "p50", "p99", "evt/req", "gnt/req", "err");
	struct sample sum = {0};
	int shown = 0;

	for (int i = 0; i < v->now.n; i++) {
		struct sample s = round_since(&v->now, i, &v->last);
		char *name;

		if (!is_wanted(v, v->now.dev[i].id))
			continue;
		name = name_of(v, v->now.dev[i].domid);
		table_cell(&t, PLAIN, "%s", v->now.dev[i].id);
		table_cell(&t, CYAN, "%s", name ? name : "?");
		rate_row(&t, &s, seconds, PLAIN);
		sample_add(&sum, &s);
		free(name);
		shown++;
	}
	if (shown != 1) {
		table_cell(&t, BOLD, "all");
		table_cell(&t, PLAIN, "%d", shown);
		rate_row(&t, &sum, seconds, BOLD);
	}
	return table_end(&t, max_rows);
}

static bool any_disk(const struct view *v)
{
	bool any = false;

	for (int i = 0; i < v->now.n; i++)
		any |= is_wanted(v, v->now.dev[i].id);
	return any;
}

/* A terminal: the tables in place of the last ones. */
static void draw(struct view *v, double seconds)
{
	struct json_object *networks = networks_since(v);
	int n = (int)json_object_array_length(networks), rows = screen_lines() - 2;

	if (v->drawn)
		printf("\033[%dA", v->drawn);
	fputs("\033[J", stdout);
	v->drawn = 0;
	if (!n || any_disk(v))
		v->drawn = draw_disks(v, seconds, n ? rows / 2 : rows);
	if (n)
		v->drawn += netwatch_draw(networks, seconds, name_of, v, rows - v->drawn);
	json_object_put(networks);
}

/* A pipe: a line for each device, every one complete in itself. */
static void print_lines(struct view *v, double seconds)
{
	struct json_object *networks = networks_since(v);
	struct tm tm;
	time_t wall = time(NULL);
	char clock[16], p50[16], p99[16];

	strftime(clock, sizeof(clock), "%T", localtime_r(&wall, &tm));
	for (int i = 0; i < v->now.n; i++) {
		struct sample s = round_since(&v->now, i, &v->last);
		struct xsp_hist all = sample_latency(&s);
		char *name;

		if (!is_wanted(v, v->now.dev[i].id))
			continue;
		name = name_of(v, v->now.dev[i].domid);
		printf("%s  %s  %-8s  %6.0f r/s  %6.0f w/s  %7.1f rMB/s  %7.1f wMB/s  p50 %s  "
		       "p99 %s  %.2f evt/req  %.2f gnt/req  %llu err\n",
		       clock, v->now.dev[i].id, name ? name : "?", (double)s.rd_req / seconds,
		       (double)s.wr_req / seconds, (double)s.rd_sect * 512 / 1e6 / seconds,
		       (double)s.wr_sect * 512 / 1e6 / seconds,
		       human_ns(p50, xsp_hist_quantile(&all, 0.5)),
		       human_ns(p99, xsp_hist_quantile(&all, 0.99)),
		       per_request(s.evtchn_calls, &s), per_request(s.gnt_calls, &s),
		       (unsigned long long)(s.io_errors + s.bad_req + s.bad_gref));
		free(name);
	}
	netwatch_lines(networks, seconds, clock, name_of, v);
	json_object_put(networks);
}

static void print_totals(struct view *v)
{
	struct table t =
		table_start("llrrrrrrrrrr", "device", "guest", "reads", "writes", "flushes", "read",
			    "written", "p50", "p99", "evt/req", "gnt/req", "err");

	for (int i = 0; i < v->now.n; i++) {
		const struct sample *s = &v->now.dev[i].total;
		struct xsp_hist all = sample_latency(s);
		uint64_t errors = s->io_errors + s->bad_req + s->bad_gref;
		char text[16], *name;

		if (!is_wanted(v, v->now.dev[i].id))
			continue;
		name = name_of(v, v->now.dev[i].domid);
		table_cell(&t, PLAIN, "%s", v->now.dev[i].id);
		table_cell(&t, CYAN, "%s", name ? name : "?");
		table_cell(&t, PLAIN, "%llu", (unsigned long long)s->rd_req);
		table_cell(&t, PLAIN, "%llu", (unsigned long long)s->wr_req);
		table_cell(&t, PLAIN, "%llu", (unsigned long long)s->fl_req);
		table_cell(&t, PLAIN, "%s", human_bytes(text, s->rd_sect * 512));
		table_cell(&t, PLAIN, "%s", human_bytes(text, s->wr_sect * 512));
		table_cell(&t, PLAIN, "%s", human_ns(text, xsp_hist_quantile(&all, 0.5)));
		table_cell(&t, PLAIN, "%s", human_ns(text, xsp_hist_quantile(&all, 0.99)));
		table_cell(&t, PLAIN, "%.2f", per_request(s->evtchn_calls, s));
		table_cell(&t, PLAIN, "%.2f", per_request(s->gnt_calls, s));
		table_cell(&t, errors ? RED : DIM, "%llu", (unsigned long long)errors);
		free(name);
	}
	table_end(&t, 0);
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void number(struct json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

static struct json_object *latency_json(const struct xsp_hist *h)
{
	struct json_object *o = json_object_new_object();
	uint64_t n = xsp_hist_total(h);

	number(o, "count", n);
	number(o, "mean_ns", n ? h->sum_ns / n : 0);
	number(o, "p50_ns", xsp_hist_quantile(h, 0.5));
	number(o, "p99_ns", xsp_hist_quantile(h, 0.99));
	number(o, "p999_ns", xsp_hist_quantile(h, 0.999));
	return o;
}

static struct json_object *sample_json(struct view *v, int i, const struct sample *s)
{
	struct json_object *o = json_object_new_object(), *l = json_object_new_object();
	char *name = name_of(v, v->now.dev[i].domid);

	json_object_object_add(o, "device", json_object_new_string(v->now.dev[i].id));
	json_object_object_add(o, "domain", json_text(name));
	number(o, "domid", v->now.dev[i].domid);
	json_object_object_add(o, "vdev", json_object_new_string(v->now.dev[i].vdev));
	number(o, "read_requests", s->rd_req);
	number(o, "write_requests", s->wr_req);
	number(o, "flush_requests", s->fl_req);
	number(o, "barrier_requests", s->br_req);
	number(o, "discard_requests", s->ds_req);
	number(o, "indirect_requests", s->indirect);
	number(o, "read_bytes", s->rd_sect * 512);
	number(o, "written_bytes", s->wr_sect * 512);
	number(o, "discarded_bytes", s->ds_sect * 512);
	number(o, "io_errors", s->io_errors);
	number(o, "bad_requests", s->bad_req);
	number(o, "bad_grants", s->bad_gref);
	number(o, "evtchn_calls", s->evtchn_calls);
	number(o, "grant_calls", s->gnt_calls);
	number(o, "grant_refs", s->gnt_refs);
	number(o, "notifies", s->notifies);
	number(o, "wakes", s->wakes);
	json_object_object_add(l, "read", latency_json(&s->read));
	json_object_object_add(l, "write", latency_json(&s->write));
	json_object_object_add(l, "flush", latency_json(&s->flush));
	json_object_object_add(o, "latency", l);
	free(name);
	return o;
}

/* Totals (@seconds 0) or one interval. */
static void print_as_json(struct view *v, double seconds)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	if (seconds > 0)
		json_object_object_add(o, "interval_seconds", json_object_new_double(seconds));
	for (int i = 0; i < v->now.n; i++) {
		struct sample s = round_since(&v->now, i, seconds > 0 ? &v->last : NULL);

		if (is_wanted(v, v->now.dev[i].id))
			json_object_array_add(list, sample_json(v, i, &s));
	}
	json_object_object_add(o, "devices", list);
	json_object_object_add(o, "networks", seconds > 0 ? networks_since(v) : ask_networks(v));
	print_json(o);
}

/* --- the command -------------------------------------------------------------------------------
 */

static void nap(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds};

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL); /* a signal ends it early, which is what it is for */
}

/* The daemon may be restarted under our eyes: wait for it a while, as its guests do. */
static int ask_patiently(struct view *v, struct client_error *e)
{
	for (int i = 0; i < MISSING_SECONDS * 5 && !stop; i++) {
		if (!ask(v, e))
			return 0;
		if (e->code != EXIT_UNREACHABLE)
			return -1;
		if (!i && !v->call->json && !out_is_tty()) {
			puts("(the daemon is away; waiting)");
			fflush(stdout);
		}
		nap(0.2);
	}
	return -1;
}

static int watch(struct view *v, double interval, long count)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct client_error e;

	v->networks = ask_networks(v);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	while (!stop && count--) {
		double seconds;

		round_free(&v->last);
		v->last = v->now;
		v->now = (struct round){.n = 0};
		nap(interval);
		if (stop)
			break;
		if (ask_patiently(v, &e))
			return stop ? EXIT_OK : fail(v->call, e.code, "%s", e.text);
		seconds = (double)(v->now.ns - v->last.ns) / 1e9;
		if (v->now.ns <= v->last.ns)
			seconds = interval;
		if (v->call->json)
			print_as_json(v, seconds);
		else if (out_is_tty())
			draw(v, seconds);
		else
			print_lines(v, seconds);
		if (fflush(stdout))
			return EXIT_FAILED; /* whoever read us is gone */
	}
	return EXIT_OK;
}

/* The store gives names to guests and meaning to "web:xvda"; without it ids and numbers do. */
static int open_view(struct view *v)
{
	int rc;

	if (v->call->n_args) {
		rc = store_open(v->call, &v->store);
		for (int i = 0; !rc && i < v->call->n_args; i++)
			rc = device_parse(v->call, &v->store, v->call->args[i],
					  &v->wanted[v->n_wanted++]);
		return rc;
	}
	xsp_store_open(&v->store.base); /* a failure leaves it closed */
	return EXIT_OK;
}

static int check_wanted(const struct view *v)
{
	for (int w = 0; w < v->n_wanted; w++) {
		int i = 0;

		if (!strncmp(v->wanted[w].id, "vif/", 4))
			continue;
		while (i < v->now.n && strcmp(v->now.dev[i].id, v->wanted[w].id))
			i++;
		if (i == v->now.n)
			return fail(v->call, EXIT_NOT_FOUND, "the daemon does not serve %s",
				    v->wanted[w].id);
	}
	return EXIT_OK;
}

/* Disks, then network interfaces, each in a table of its own. */
static void print_all_totals(struct view *v)
{
	struct json_object *vifs = ask_networks(v);
	bool disks = false;

	for (int i = 0; i < v->now.n; i++)
		disks |= is_wanted(v, v->now.dev[i].id);
	if (disks)
		print_totals(v);
	if (json_object_array_length(vifs))
		network_totals(vifs);
	if (!disks && !json_object_array_length(vifs))
		note(v->call, "the daemon serves no such device; `xensplit attach` makes one");
	json_object_put(vifs);
}

int cmd_stat(struct call *call)
{
	struct view v = {.call = call, .client = {.fd = -1}, .by = option(call, "guests") ? BY_GUEST : BY_DEVICE};
	double interval = option_seconds(call, "watch", 1);
	const char *n = option(call, "count");
	long count = n ? atol(n) : -1;
	struct client_error e;
	int rc;

	if (interval < 0)
		return EXIT_USAGE;
	if (interval < 0.05 || (n && (count < 1 || !option(call, "watch"))))
		return usage_error(call, n ? "--count is a number of --watch intervals"
					   : "--watch: the shortest interval is 0.05 s");
	if (v.by == BY_GUEST && call->n_args)
		return usage_error(call, "--guests shows all guests, not single devices");
	rc = open_view(&v);
	if (!rc && ask(&v, &e))
		rc = fail(call, e.code, "%s", e.text);
	if (!rc)
		rc = check_wanted(&v);
	if (!rc && option(call, "watch"))
		rc = watch(&v, interval, count);
	else if (!rc && call->json)
		print_as_json(&v, 0);
	else if (!rc)
		print_all_totals(&v);
	json_object_put(v.networks);
	round_free(&v.last);
	round_free(&v.now);
	client_close(&v.client);
	store_close(&v.store);
	return rc;
}
