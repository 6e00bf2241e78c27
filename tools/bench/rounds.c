/* SPDX-License-Identifier: MIT */
/* Series of rounds: medians, ratios within a round, the table for people. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The value below which a share @q of them lies; between two of them, the mean by distance. */
static double quantile(const double *v, int n, double q)
{
	double sorted[MAX_ROUNDS], at = q * (n - 1);
	int low = (int)at;

	if (n < 1)
		return NAN;
	memcpy(sorted, v, (size_t)n * sizeof(*v));
	qsort(sorted, (size_t)n, sizeof(*v), by_value);
	if (low + 1 >= n)
		return sorted[n - 1];
	return sorted[low] + (sorted[low + 1] - sorted[low]) * (at - low);
}

double median_of(const double *v, int n)
{
	return quantile(v, n, 0.5);
}

double quartile_of(const double *v, int n)
{
	return quantile(v, n, 0.25);
}

/* The bounds are between the two clusters that were seen: 110-145 and 545-585 ns. */
const char *placement_of(double line_ns)
{
	return line_ns <= 0 ? "ONE" : line_ns < 250 ? "FAST" : line_ns < 1000 ? "SLOW" : "BUSY";
}

struct series *group_series(struct group *g, const char *name, const char *what, bool limit)
{
	struct series *s;

	for (int i = 0; i < g->n_series; i++)
		if (!strcmp(g->series[i].name, name))
			return &g->series[i];
	if (g->n_series == MAX_CONTESTANTS)
		abort(); /* more than bench.h allows: ours */
	s = &g->series[g->n_series++];
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->what, sizeof(s->what), "%s", what);
	s->limit = limit;
	return s;
}

void series_note(struct series *s, const char *key, double value)
{
	struct note *n = s->note;

	while (n < s->note + s->n_notes && strcmp(n->key, key))
		n++;
	if (n == s->note + MAX_NOTES)
		abort(); /* more than bench.h allows: ours */
	if (n == s->note + s->n_notes) {
		s->n_notes++;
		snprintf(n->key, sizeof(n->key), "%s", key);
		n->n = 0;
	}
	if (n->n < MAX_ROUNDS)
		n->value[n->n++] = value;
}

void series_latency(struct series *s, struct json_object *answer)
{
	struct json_object *list;

	if (!json_object_object_get_ex(answer, "latency", &list) || !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *pair = json_object_array_get_idx(list, i);
		uint64_t bucket = json_object_get_uint64(json_object_array_get_idx(pair, 0));

		if (bucket < XSP_HIST_BUCKETS)
			s->latency.count[bucket] += json_object_get_uint64(json_object_array_get_idx(pair, 1));
	}
}

static void print_notes(const struct series *s)
{
	printf("    ");
	for (const struct note *n = s->note; n < s->note + s->n_notes; n++)
		printf("%s%s %.3g", n == s->note ? "" : ", ", n->key, median_of(n->value, n->n));
	putchar('\n');
}

static char *human_rate(char *buf, double rate)
{
	const char *unit = rate >= 1e9 ? " G" : rate >= 1e6 ? " M" : rate >= 1e3 ? " k" : "";
	double div = rate >= 1e9 ? 1e9 : rate >= 1e6 ? 1e6 : rate >= 1e3 ? 1e3 : 1;

	snprintf(buf, 16, "%.3g%s", rate / div, unit);
	return buf;
}

void group_print(const struct group *g)
{
	const struct series *base = NULL;
	double line = median_of(g->line_ns, g->n_line);

	for (int i = 0; i < g->n_series; i++)
		if (!strcmp(g->series[i].name, g->base))
			base = &g->series[i];
	printf("%s", g->title);
	if (g->n_line)
		printf("   [%s: a cache line there and back %.0f ns, %.0f..%.0f]", placement_of(line), line,
		       quantile(g->line_ns, g->n_line, 0), quantile(g->line_ns, g->n_line, 1));
	printf("\n  %-14s %10s %10s %10s %9s %7s\n", "", g->unit, "min", "max", base ? "ratio" : "",
	       base ? "q1" : "");
	for (int i = 0; i < g->n_series; i++) {
		const struct series *s = &g->series[i];
		char a[16], b[16], c[16];
		double ratio[MAX_ROUNDS];
		int n = 0;

		printf("  %-14s %10s %10s %10s", s->name, human_rate(a, median_of(s->rate, s->n)),
		       human_rate(b, quantile(s->rate, s->n, 0)), human_rate(c, quantile(s->rate, s->n, 1)));
		for (; base && n < s->n && n < base->n; n++)
			ratio[n] = s->rate[n] / base->rate[n];
		if (n)
			printf(" %9.2f %7.2f", median_of(ratio, n), quartile_of(ratio, n));
		else
			printf(" %9s %7s", "", "");
		printf("  %s\n", s->what);
		if (g->show_notes && s->n_notes)
			print_notes(s);
	}
	fflush(stdout);
}
