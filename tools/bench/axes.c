/* SPDX-License-Identifier: MIT */
/* Axes of a measurement: see axes.h. */
#include "tools/bench/axes.h"

#include <stdio.h>
#include <string.h>

const char *word(const struct axis *a, uint64_t i, char *buf)
{
	const char *p = a->words;

	while (i--)
		p = strchr(p, ',') + 1;
	snprintf(buf, 16, "%.*s", (int)strcspn(p, ","), p);
	return buf;
}

static int read_words(struct axis *a)
{
	char buf[16];
	int known = 1;

	for (const char *p = a->words; *p; p++)
		known += *p == ',';
	a->n = 0;
	for (const char *p = a->list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		int i = 0;

		while (i < known && (strcspn(p, ",") != strlen(word(a, (uint64_t)i, buf)) ||
				     strncmp(p, buf, strlen(buf))))
			i++;
		if (i == known || a->n == MAX_VALUES)
			return bench_usage("--%s: '%s' is not of %s", a->name, a->list, a->words);
		a->number[a->n++] = (uint64_t)i;
	}
	return 0;
}

int axes_read(struct axis *axes, int n)
{
	for (struct axis *a = axes; a < axes + n; a++) {
		if (!a->words)
			a->n = values_of(a->name, a->list, a->min, a->max, a->number);
		if (a->words ? read_words(a) : a->n < 0)
			return -1;
	}
	return 0;
}

uint64_t axes_points(const struct axis *axes, int n)
{
	uint64_t total = 1;

	for (int i = 0; i < n; i++)
		total *= (uint64_t)axes[i].n;
	return total;
}

void axes_point(const struct axis *axes, int n, uint64_t which, uint64_t *ret)
{
	for (int i = n - 1; i >= 0; i--) {
		ret[i] = axes[i].number[which % (uint64_t)axes[i].n];
		which /= (uint64_t)axes[i].n;
	}
}

struct json_object *axes_json(const struct axis *axes, int n, const uint64_t *values)
{
	struct json_object *o = json_object_new_object();
	char buf[16];

	for (int i = 0; i < n; i++)
		json_object_object_add(o, axes[i].name,
				       axes[i].words ? json_object_new_string(word(&axes[i], values[i], buf)) :
						       json_object_new_uint64(values[i]));
	return o;
}

void help_line(const char *option, const char *help, const char *unless_told)
{
	printf("  --%-30s %s%s%s\n", option, help, unless_told ? " " : "", unless_told ? unless_told : "");
}

void axes_help(const struct axis *axes, int n)
{
	for (const struct axis *a = axes; a < axes + n; a++) {
		char option[64], list[96];

		snprintf(option, sizeof(option), "%s=%s", a->name, a->words ? a->words : "N,...");
		snprintf(list, sizeof(list), "(%s)", a->list);
		help_line(option, a->help, list);
	}
}
