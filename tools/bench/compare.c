/* SPDX-License-Identifier: MIT */
/*
 * xensplit-bench compare: two runs side by side. Absolute figures of two runs differ with the placement
 * of the processors and with whatever else the machine did, so what decides is each series' ratio to its
 * group's base, which ran in the same rounds.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"
#include "tools/bench/file.h"

static const char usage[] =
	"usage: xensplit-bench compare A.json B.json\n"
	"What changed from A to B: the ratio, and whether it is outside the noise (the middle halves of the\n"
	"rounds don't overlap). Where a group has a base, ratios to that are compared: it ran in the same rounds.\n"
	"examples:\n"
	"  xensplit-bench compare docs/bench/ring.json build/release/bench/ring.json\n";

static struct json_object *series_of(struct json_object *group, const char *name)
{
	struct json_object *list = file_get(group, "series");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *s = json_object_array_get_idx(list, i);

		if (!strcmp(file_text(s, "name"), name))
			return s;
	}
	return NULL;
}

static struct json_object *group_of(struct json_object *file, const char *title)
{
	struct json_object *list = file_get(file, "groups");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *g = json_object_array_get_idx(list, i);

		if (!strcmp(file_text(g, "title"), title))
			return g;
	}
	return NULL;
}

/* The rounds' figures of a series, divided by those of the base if there is one. Returns how many. */
static int rounds_of(struct json_object *s, struct json_object *base, double *ret)
{
	struct json_object *v = file_get(s, "samples"), *d = base ? file_get(base, "samples") : NULL;
	int n = 0;

	for (size_t i = 0; v && i < json_object_array_length(v) && n < MAX_ROUNDS; i++) {
		double x = json_object_get_double(json_object_array_get_idx(v, i));

		if (base && (!d || i >= json_object_array_length(d)))
			break;
		ret[n++] = base ? x / json_object_get_double(json_object_array_get_idx(d, i)) : x;
	}
	return n;
}

static double upper_quartile_of(const double *v, int n)
{
	double minus[MAX_ROUNDS];

	for (int i = 0; i < n; i++)
		minus[i] = -v[i];
	return -quartile_of(minus, n);
}

static const char *verdict(const double *a, int n, const double *b, int m)
{
	if (n < 3 || m < 3)
		return "too few rounds";
	if (quartile_of(b, m) > upper_quartile_of(a, n))
		return "faster";
	if (upper_quartile_of(b, m) < quartile_of(a, n))
		return "slower";
	return "within the noise";
}

static void one_series(struct json_object *ga, struct json_object *gb, struct json_object *sa)
{
	const char *name = file_text(sa, "name"), *base = file_text(ga, "base");
	struct json_object *sb = series_of(gb, name), *ba = NULL, *bb = NULL;
	double a[MAX_ROUNDS], b[MAX_ROUNDS];
	int n, m;

	if (!sb) {
		printf("  %-14s only in A\n", name);
		return;
	}
	if (*base && strcmp(base, name)) {
		ba = series_of(ga, base);
		bb = series_of(gb, base);
	}
	if (!ba || !bb)
		ba = bb = NULL;
	n = rounds_of(sa, ba, a);
	m = rounds_of(sb, bb, b);
	printf("  %-14s %10.4g %10.4g %8.2f  ", name, file_number(sa, "median"), file_number(sb, "median"),
	       file_number(sb, "median") / file_number(sa, "median"));
	if (ba)
		printf("%8.2f %8.2f %8.2f  ", median_of(a, n), median_of(b, m),
		       median_of(b, m) / median_of(a, n));
	else
		printf("%8s %8s %8s  ", "", "", "");
	puts(!ba && strcmp(file_text(file_get(ga, "placement"), "label"),
			   file_text(file_get(gb, "placement"), "label")) ?
		     "the placements differ" :
		     verdict(a, n, b, m));
}

static void one_group(struct json_object *ga, struct json_object *gb)
{
	struct json_object *list = file_get(ga, "series");

	printf("%s   [A %s, B %s]\n", file_text(ga, "title"), file_text(file_get(ga, "placement"), "label"),
	       file_text(file_get(gb, "placement"), "label"));
	printf("  %-14s %10s %10s %8s  %8s %8s %8s\n", "", "A", "B", "B/A", "A/base", "B/base", "change");
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		one_series(ga, gb, json_object_array_get_idx(list, i));
}

int mode_compare(struct bench *b, int argc, char **argv)
{
	struct json_object *file[2] = { NULL, NULL }, *groups;
	int rc = 1, found = 0;

	(void)b;
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return fputs(usage, stdout), 0;
	if (argc != 3)
		return bench_usage("compare wants two files; try xensplit-bench compare --help");
	for (int i = 0; i < 2; i++)
		file[i] = file_read(argv[1 + i]);
	groups = file[0] && file[1] ? file_get(file[0], "groups") : NULL;
	for (size_t i = 0; groups && i < json_object_array_length(groups); i++) {
		struct json_object *ga = json_object_array_get_idx(groups, i);
		struct json_object *gb = group_of(file[1], file_text(ga, "title"));

		if (gb)
			one_group(ga, gb);
		found += gb != NULL;
	}
	if (groups && !found)
		fprintf(stderr, "xensplit-bench: the two files have no group in common\n");
	rc = groups && found ? 0 : 1;
	json_object_put(file[0]);
	json_object_put(file[1]);
	return rc;
}
