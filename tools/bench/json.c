/* SPDX-License-Identifier: MIT */
/* The file of a run: one JSON object with the machine, the command, and every group of series. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/bench.h"

static void text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void number(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, isfinite(value) ? json_object_new_double(value) : NULL);
}

static struct json_object *numbers(const double *v, int n)
{
	struct json_object *a = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(a, json_object_new_double(v[i]));
	return a;
}

static void cpu_model(char *buf, size_t bytes)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(buf, bytes, "unknown");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
			snprintf(buf, bytes, "%s", strchr(line, ':') + 2);
			buf[strcspn(buf, "\n")] = 0;
			break;
		}
	if (f)
		fclose(f);
}

static struct json_object *machine(void)
{
	struct json_object *o = json_object_new_object();
	struct utsname u;
	char model[160];

	uname(&u);
	cpu_model(model, sizeof(model));
	text(o, "processor", model);
	number(o, "processors", (double)sysconf(_SC_NPROCESSORS_ONLN));
	text(o, "kernel", u.release);
	text(o, "arch", u.machine);
	return o;
}

static void command(const struct bench *b, struct json_object *o)
{
	char line[1024] = "xensplit-bench";

	for (int i = 1; i < b->argc; i++) {
		size_t n = strlen(line);

		snprintf(line + n, sizeof(line) - n, " %s", b->argv[i]);
	}
	text(o, "command", line);
}

const char *world_of(const struct bench *b)
{
	return b->world ? b->world : "lab: no hypervisor";
}

void bench_start(struct bench *b)
{
	b->groups = json_object_new_array();
	b->skipped = json_object_new_array();
	if (!b->json_out && !b->quiet)
		printf("xensplit-bench %s (%s); %s; %d rounds of %g s each\n", b->mode, XSP_VERSION,
		       world_of(b), b->rounds, b->seconds);
}

/* Which share of all was no slower: [[microseconds, share], ...], only where it changes. */
static struct json_object *latency_json(const struct xsp_hist *h)
{
	struct json_object *a = json_object_new_array();
	uint64_t total = xsp_hist_total(h), sum = 0;

	for (unsigned int i = 0; total && i < XSP_HIST_BUCKETS; i++) {
		struct json_object *point;

		sum += h->count[i];
		if (!h->count[i])
			continue;
		point = json_object_new_array();
		json_object_array_add(point, json_object_new_double((double)xsp_hist_upper_ns(i) / 1e3));
		json_object_array_add(point, json_object_new_double((double)sum / (double)total));
		json_object_array_add(a, point);
	}
	return a;
}

/* min, max, median of a series, and its ratios to every other one of the group. */
static struct json_object *series_json(const struct group *g, const struct series *s)
{
	struct json_object *o = json_object_new_object(), *ratios = json_object_new_object();
	struct json_object *more = json_object_new_object();
	double low = INFINITY, high = 0;

	for (int i = 0; i < s->n; i++) {
		low = fmin(low, s->rate[i]);
		high = fmax(high, s->rate[i]);
	}
	text(o, "name", s->name);
	text(o, "what", s->what);
	json_object_object_add(o, "limit", json_object_new_boolean(s->limit));
	number(o, "median", median_of(s->rate, s->n));
	number(o, "min", low);
	number(o, "max", high);
	json_object_object_add(o, "samples", numbers(s->rate, s->n));
	for (int k = 0; k < g->n_series; k++) {
		const struct series *to = &g->series[k];
		double ratio[MAX_ROUNDS];
		struct json_object *r;
		int n = 0;

		for (; to != s && n < s->n && n < to->n; n++)
			ratio[n] = s->rate[n] / to->rate[n];
		if (!n)
			continue;
		r = json_object_new_object();
		number(r, "median", median_of(ratio, n));
		number(r, "lower_quartile", quartile_of(ratio, n));
		json_object_object_add(ratios, to->name, r);
	}
	json_object_object_add(o, "ratio_to", ratios);
	for (const struct note *n = s->note; n < s->note + s->n_notes; n++)
		number(more, n->key, median_of(n->value, n->n));
	json_object_object_add(o, "more", more);
	if (xsp_hist_total(&s->latency))
		json_object_object_add(o, "latency", latency_json(&s->latency));
	return o;
}

void bench_add(struct bench *b, struct group *g)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	double line = median_of(g->line_ns, g->n_line);
	struct json_object *where = json_object_new_object();

	if (!b->json_out && !b->quiet)
		group_print(g);
	text(o, "title", g->title);
	text(o, "unit", g->unit);
	text(o, "base", g->base);
	json_object_object_add(o, "axes", g->axes);
	text(where, "label", placement_of(g->n_line ? line : 0));
	number(where, "line_round_trip_ns", g->n_line ? line : NAN);
	json_object_object_add(where, "samples", numbers(g->line_ns, g->n_line));
	json_object_object_add(o, "placement", where);
	for (int i = 0; i < g->n_series; i++)
		json_object_array_add(list, series_json(g, &g->series[i]));
	json_object_object_add(o, "series", list);
	json_object_array_add(b->groups, o);
	memset(g, 0, sizeof(*g));
}

void bench_skip(struct bench *b, const char *name, const char *why)
{
	struct json_object *o = json_object_new_object();

	if (!b->json_out && !b->quiet)
		printf("  skipped: %s: %s\n", name, why);
	text(o, "name", name);
	text(o, "why", why);
	json_object_array_add(b->skipped, o);
}

static struct json_object *whole(struct bench *b)
{
	struct json_object *o = json_object_new_object();
	const char *commit = getenv("XENSPLIT_COMMIT");
	time_t t = time(NULL);
	struct tm tm;
	char when[32];

	strftime(when, sizeof(when), "%FT%TZ", gmtime_r(&t, &tm));
	json_object_object_add(o, "schema", json_object_new_int(1));
	text(o, "tool", "xensplit-bench");
	text(o, "version", XSP_VERSION);
	text(o, "commit", commit ? commit : "");
	text(o, "mode", b->mode);
	text(o, "world", world_of(b));
	text(o, "when", when);
	command(b, o);
	json_object_object_add(o, "machine", machine());
	json_object_object_add(o, "rounds", json_object_new_int(b->rounds));
	number(o, "seconds", b->seconds);
	json_object_object_add(o, "groups", b->groups);
	json_object_object_add(o, "skipped", b->skipped);
	return o;
}

int bench_end(struct bench *b)
{
	struct json_object *o = whole(b);
	int rc = 0;

	if (b->out && json_object_to_file_ext(b->out, o, JSON_C_TO_STRING_PRETTY)) {
		fprintf(stderr, "xensplit-bench: %s: %s\n", b->out, strerror(errno));
		rc = 1;
	}
	if (b->json_out)
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	return rc;
}
