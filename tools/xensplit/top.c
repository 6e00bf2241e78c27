/* SPDX-License-Identifier: MIT */
/* xensplit top: the busiest devices, guests or queues; on the whole screen, or as plain lines. */
#include <curses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/sample.h"
#include "tools/xensplit/store.h"

#define MAX_WORKERS 256
#define MAX_DELAY   60.0
#define MIN_DELAY   0.1

enum sort { SORT_REQUESTS, SORT_BYTES, SORT_LATENCY, SORT_RING, SORT_NAME };

static const char *const by_names[] = {"device", "guest", "queue"};
static const char *const sort_names[] = {"requests", "bytes", "latency", "ring", "name"};
static const char sort_keys[] = "imlrn";

/* Processor time of the daemon's threads. */
struct workers {
	uint64_t ns[MAX_WORKERS];
	int n;
};

/* What is shown on a line. */
struct row {
	const struct sampled *what;
	struct sample s;
	double requests, bytes; /* a second */
	double occupied, quiet; /* 0..1; -1: nothing to say */
	uint64_t p50, p99;
};

struct top {
	struct call *call;
	struct store store; /* for the guests' names */
	struct client client;
	enum sample_by by;
	enum sort sort;
	double delay, seconds; /* wished; of the last interval */
	struct round last, now;
	struct workers cpu_last, cpu_now;
	struct row *rows;
	char away[320]; /* why the daemon does not answer; "" while it does */
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* --- figures ----------------------------------------------------------------------------------- */

static void read_workers(struct workers *w, struct json_object *result)
{
	struct json_object *list = get_member(result, "workers");
	size_t n = list ? json_object_array_length(list) : 0;

	w->n = n < MAX_WORKERS ? (int)n : MAX_WORKERS;
	for (int i = 0; i < w->n; i++)
		w->ns[i] = get_number(json_object_array_get_idx(list, (size_t)i), "cpu_ns");
}

/* Share of a processor that a worker used in the interval; -1: not known. */
static double worker_cpu(const struct top *t, int worker)
{
	if (worker < 0 || worker >= t->cpu_now.n || worker >= t->cpu_last.n || t->seconds <= 0 ||
	    t->cpu_now.ns[worker] < t->cpu_last.ns[worker])
		return -1;
	return (double)(t->cpu_now.ns[worker] - t->cpu_last.ns[worker]) / 1e9 / t->seconds;
}

static bool ask(struct top *t)
{
	struct json_object *params = json_object_new_object(), *o;
	struct client_error e;

	round_free(&t->last);
	t->last = t->now;
	t->cpu_last = t->cpu_now;
	t->now = (struct round){.n = 0};
	t->away[0] = 0;
	json_object_object_add(params, "queues", json_object_new_boolean(true));
	if (t->client.fd < 0 && client_open(&t->client, t->call->socket, &e)) {
		snprintf(t->away, sizeof(t->away), "%s", e.text);
		json_object_put(params);
		return false;
	}
	o = client_call(&t->client, "vbd.stat", params, &e);
	if (!o || round_read(&t->now, o, t->by))
		snprintf(t->away, sizeof(t->away), "%s", o ? "out of memory" : e.text);
	json_object_put(o);
	o = t->away[0] ? NULL : client_call(&t->client, "vif.stat", NULL, &e);
	if (o && round_add_networks(&t->now, o, t->by))
		snprintf(t->away, sizeof(t->away), "out of memory");
	json_object_put(o);
	o = t->away[0] ? NULL : client_call(&t->client, "worker.list", NULL, &e);
	read_workers(&t->cpu_now, o);
	json_object_put(o);
	return !t->away[0];
}

static void nap(double seconds)
{
	struct timespec ts = {.tv_sec = (time_t)seconds};

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL); /* a signal ends it early, which is what it is for */
}

/* Two answers with the same kind of lines, so that there is something to show at once. */
static void begin(struct top *t)
{
	ask(t);
	nap(MIN_DELAY);
	ask(t);
}

static double sort_value(const struct row *r, enum sort sort)
{
	switch (sort) {
	case SORT_REQUESTS:
		return r->requests;
	case SORT_BYTES:
		return r->bytes;
	case SORT_LATENCY:
		return (double)r->p99;
	case SORT_RING:
		return r->occupied;
	case SORT_NAME:
		break;
	}
	return 0;
}

static int compare(const void *a, const void *b, void *arg)
{
	const enum sort *sort = arg;
	const struct row *x = a, *y = b;
	double dx = sort_value(x, *sort), dy = sort_value(y, *sort);

	if (dx != dy)
		return dx > dy ? -1 : 1;
	return (x->what > y->what) - (x->what < y->what); /* as the daemon has them: by id */
}

static void make_rows(struct top *t)
{
	free(t->rows);
	t->rows = calloc((size_t)t->now.n + 1, sizeof(*t->rows));
	t->seconds = t->last.n && t->now.ns > t->last.ns ? (double)(t->now.ns - t->last.ns) / 1e9 : t->delay;
	for (int i = 0; t->rows && i < t->now.n; i++) {
		struct row *r = &t->rows[i];
		struct xsp_hist all;

		r->what = &t->now.dev[i];
		r->s = round_since(&t->now, i, &t->last);
		all = sample_latency(&r->s);
		r->requests = (double)sample_requests(&r->s) / t->seconds;
		r->bytes = (double)((r->s.rd_sect + r->s.wr_sect) * 512 + r->s.net_bytes) / t->seconds;
		r->p50 = xsp_hist_quantile(&all, 0.5);
		r->p99 = xsp_hist_quantile(&all, 0.99);
		r->occupied = sample_occupied(&r->s, r->what->slots, r->what->rings);
		r->quiet = sample_suppressed(&r->s);
	}
	if (t->rows)
		qsort_r(t->rows, (size_t)t->now.n, sizeof(*t->rows), compare, &t->sort);
}

static char *guest_of(struct top *t, uint32_t domid)
{
	char *name = NULL;

	if (t->store.base.xs)
		return store_domain_name(&t->store, domid);
	return asprintf(&name, "%u", domid) < 0 ? NULL : name;
}

/* --- text -------------------------------------------------------------------------------------- */

static const char *percent(char *buf, double share)
{
	if (share < 0)
		return "-";
	snprintf(buf, 16, "%.0f%%", share * 100);
	return buf;
}

#define HEAD "%-20s %-12s %9s %9s %8s %8s %5s %5s %6s %6s %5s"

/* One line into buf: the same on the screen and in a pipe. */
static void row_text(struct top *t, const struct row *r, char *buf, size_t bytes)
{
	char p50[16], p99[16], ring[16], quiet[16], cpu[16], requests[16], mb[16], fly[24], worker[16] = "-";
	char *guest = guest_of(t, r->what->domid);

	snprintf(requests, sizeof(requests), "%.0f", r->requests);
	snprintf(mb, sizeof(mb), "%.1f", r->bytes / 1e6);
	snprintf(fly, sizeof(fly), "%llu", (unsigned long long)r->what->in_flight);
	if (r->what->worker >= 0)
		snprintf(worker, sizeof(worker), "%d", r->what->worker);
	snprintf(buf, bytes, HEAD, r->what->id, guest ? guest : "?", requests, mb, human_ns(p50, r->p50),
		 human_ns(p99, r->p99), percent(ring, r->occupied), fly, percent(quiet, r->quiet), worker,
		 percent(cpu, worker_cpu(t, r->what->worker)));
	free(guest);
}

static void head_text(const struct top *t, char *buf, size_t bytes)
{
	char name[16];

	snprintf(name, sizeof(name), "%s", by_names[t->by]);
	for (char *p = name; *p; p++)
		*p = (char)(*p - 'a' + 'A');
	snprintf(buf, bytes, HEAD, name, "GUEST", "REQ/S", "MB/S", "P50", "P99", "RING", "FLY", "QUIET",
		 "WORKER", "CPU");
}

static void print_rows(struct top *t)
{
	char text[256], clock[16];
	time_t wall = time(NULL);
	struct tm tm;

	strftime(clock, sizeof(clock), "%T", localtime_r(&wall, &tm));
	if (t->away[0]) {
		printf("%s  (%s)\n", clock, t->away);
		return;
	}
	head_text(t, text, sizeof(text));
	printf("%-8s  %s\n", "TIME", text);
	for (int i = 0; t->rows && i < t->now.n; i++) {
		row_text(t, &t->rows[i], text, sizeof(text));
		printf("%s  %s\n", clock, text);
	}
}

static void add_share(struct json_object *o, const char *key, double share)
{
	json_object_object_add(o, key, share < 0 ? NULL : json_object_new_double(share));
}

static void print_rows_json(struct top *t)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	json_object_object_add(o, "interval_seconds", json_object_new_double(t->seconds));
	json_object_object_add(o, "by", json_object_new_string(by_names[t->by]));
	json_object_object_add(o, "away", json_text(t->away[0] ? t->away : NULL));
	for (int i = 0; t->rows && i < t->now.n; i++) {
		const struct row *r = &t->rows[i];
		struct json_object *l = json_object_new_object();
		char *guest = guest_of(t, r->what->domid);

		json_object_object_add(l, "id", json_object_new_string(r->what->id));
		json_object_object_add(l, "domid", json_object_new_uint64(r->what->domid));
		json_object_object_add(l, "domain", json_text(guest));
		json_object_object_add(l, "devices", json_object_new_uint64(r->what->devices));
		json_object_object_add(l, "requests_per_second", json_object_new_double(r->requests));
		json_object_object_add(l, "bytes_per_second", json_object_new_double(r->bytes));
		json_object_object_add(l, "p50_ns", json_object_new_uint64(r->p50));
		json_object_object_add(l, "p99_ns", json_object_new_uint64(r->p99));
		add_share(l, "ring_occupied", r->occupied);
		json_object_object_add(l, "in_flight", json_object_new_uint64(r->what->in_flight));
		add_share(l, "notifies_suppressed", r->quiet);
		json_object_object_add(l, "worker", r->what->worker < 0 ? NULL : json_object_new_int(r->what->worker));
		add_share(l, "worker_cpu", worker_cpu(t, r->what->worker));
		json_object_array_add(list, l);
		free(guest);
	}
	json_object_object_add(o, "lines", list);
	print_json(o);
}

static int batch(struct top *t, long count)
{
	ask(t);
	if (t->away[0])
		return fail(t->call, EXIT_UNREACHABLE, "%s", t->away);
	while (!stop && count--) {
		nap(t->delay);
		if (stop)
			break;
		ask(t);
		make_rows(t);
		if (t->call->json)
			print_rows_json(t);
		else
			print_rows(t);
		if (fflush(stdout))
			return EXIT_FAILED; /* whoever read us is gone */
	}
	return EXIT_OK;
}

/* --- screen ------------------------------------------------------------------------------------ */

static void draw_sum(struct top *t)
{
	double requests = 0, bytes = 0;
	int column = 0;

	for (int i = 0; t->rows && i < t->now.n; i++) {
		requests += t->rows[i].requests;
		bytes += t->rows[i].bytes;
	}
	mvprintw(0, 0, "xensplit top   %d %s%s, %.0f requests/s, %.1f MB/s   by %s, every %.1f s",
		 t->now.n, by_names[t->by], t->now.n == 1 ? "" : "s", requests, bytes / 1e6,
		 sort_names[t->sort], t->delay);
	move(1, 0);
	for (int i = 0; i < t->cpu_now.n && column < COLS - 16; i++) {
		char cpu[16];

		printw("%sworker %d %s", i ? ", " : "", i, percent(cpu, worker_cpu(t, i)));
		column = getcurx(stdscr);
	}
	if (t->away[0])
		mvprintw(1, 0, "the daemon is away: %.*s", COLS - 21 > 0 ? COLS - 21 : 0, t->away);
}

static void draw(struct top *t)
{
	char text[256];

	erase();
	draw_sum(t);
	head_text(t, text, sizeof(text));
	attron(A_REVERSE);
	mvprintw(2, 0, "%-*.*s", COLS, COLS, text);
	attroff(A_REVERSE);
	for (int i = 0; t->rows && i < t->now.n && i + 4 < LINES; i++) {
		row_text(t, &t->rows[i], text, sizeof(text));
		if (t->rows[i].requests <= 0)
			attron(A_DIM);
		mvaddnstr(3 + i, 0, text, COLS);
		attroff(A_DIM);
	}
	mvaddnstr(LINES - 1, 0, "d devices  g guests  u queues   sort: i requests  m bytes  l latency  r ring  n name   + - interval   q quit",
		  COLS);
	refresh();
}

/* Returns false when it is the end. */
static bool key(struct top *t, int c)
{
	static const char views[] = "dgu";
	const char *view = c > 0 && c < 128 ? strchr(views, c) : NULL;
	const char *sort = c > 0 && c < 128 ? strchr(sort_keys, c) : NULL;

	if (c == 'q' || c == 3)
		return false;
	if (view && (enum sample_by)(view - views) != t->by) {
		t->by = (enum sample_by)(view - views);
		begin(t);
	}
	if (sort)
		t->sort = (enum sort)(sort - sort_keys);
	if (c == '+' && t->delay * 2 <= MAX_DELAY)
		t->delay *= 2;
	if (c == '-' && t->delay / 2 >= MIN_DELAY)
		t->delay /= 2;
	return true;
}

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int screen(struct top *t, long count)
{
	SCREEN *s = newterm(NULL, stdout, stdin);
	bool going = true;

	if (!s)
		return fail(t->call, EXIT_FAILED, "this terminal can't show it; try top -b");
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	begin(t);
	while (going && !stop && count--) {
		double until = seconds_now() + t->delay;

		make_rows(t);
		draw(t);
		for (double left = t->delay; going && !stop && left > 0; left = until - seconds_now()) {
			int c;

			timeout((int)(left * 1e3) + 1);
			c = getch();
			if (c == ERR)
				continue;
			going = key(t, c);
			make_rows(t);
			draw(t);
		}
		if (going && !stop)
			ask(t);
	}
	endwin();
	delscreen(s);
	return EXIT_OK;
}

/* --- the command ------------------------------------------------------------------------------- */

/* Index of a word in a list; -1: none. */
static int index_of(const char *word, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(word, list[i]))
			return i;
	return -1;
}

int cmd_top(struct call *call)
{
	struct top t = {.call = call, .client = {.fd = -1}, .delay = option_seconds(call, "delay", 1)};
	const char *n = option(call, "count"), *by = option(call, "by"), *sort = option(call, "sort");
	int b = by ? index_of(by, by_names, 3) : 0, k = sort ? index_of(sort, sort_names, 5) : 0;
	struct sigaction sa = {.sa_handler = on_signal};
	long count = n ? atol(n) : -1;
	int rc;

	if (t.delay < 0)
		return EXIT_USAGE;
	if (t.delay < MIN_DELAY || t.delay > MAX_DELAY || (n && count < 1))
		return usage_error(call, n && count < 1 ? "--count is a number of intervals"
							: "--delay: from 0.1 to 60 seconds");
	if (b < 0 || k < 0)
		return usage_error(call, b < 0 ? "--by: device, guest or queue"
					       : "--sort: requests, bytes, latency, ring or name");
	t.by = (enum sample_by)b;
	t.sort = (enum sort)k;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	xsp_store_open(&t.store.base); /* a failure leaves it closed: numbers do instead of names */
	if (call->json || option(call, "batch") || !out_is_tty())
		rc = batch(&t, count);
	else
		rc = screen(&t, count);
	round_free(&t.last);
	round_free(&t.now);
	free(t.rows);
	client_close(&t.client);
	store_close(&t.store);
	return rc;
}
