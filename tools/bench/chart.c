/* SPDX-License-Identifier: MIT */
/* Inline SVG of what was measured: see file.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"
#include "tools/bench/file.h"

#define WIDTH      760
#define LEFT       130
#define BAR        18
#define MAX_LINES  12
#define MAX_POINTS 32

static const char *const colours[] = { "#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e",
				       "#a6761d", "#666666", "#17becf", "#bcbd22", "#8c564b", "#393b79" };

void chart_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<': fputs("&lt;", f); break;
		case '>': fputs("&gt;", f); break;
		case '&': fputs("&amp;", f); break;
		case '"': fputs("&quot;", f); break;
		default: fputc(*text, f);
		}
	}
}

static const char *human(char *buf, double v)
{
	const char *unit = v >= 1e9 ? " G" : v >= 1e6 ? " M" : v >= 1e3 ? " k" : "";
	double div = v >= 1e9 ? 1e9 : v >= 1e6 ? 1e6 : v >= 1e3 ? 1e3 : 1;

	snprintf(buf, 24, "%.3g%s", v / div, unit);
	return buf;
}

/* --- bars -------------------------------------------------------------------------------------- */

static void one_bar(FILE *f, struct json_object *s, const char *base, int y, double scale, const char *colour)
{
	double median = file_number(s, "median"), low = file_number(s, "min"), high = file_number(s, "max");
	double ratio = file_number(file_get(file_get(s, "ratio_to"), base), "median");
	char number[24];

	fprintf(f, "<text x='%d' y='%d' text-anchor='end'>", LEFT - 6, y + BAR - 5);
	chart_text(f, file_text(s, "name"));
	fprintf(f, "</text><rect x='%d' y='%d' width='%.1f' height='%d' fill='%s'%s/>", LEFT, y + 2, median * scale,
		BAR - 4, colour, json_object_get_boolean(file_get(s, "limit")) ? " fill-opacity='.35'" : "");
	fprintf(f, "<path d='M%.1f %dH%.1f' stroke='#000' stroke-opacity='.6'/>", LEFT + low * scale, y + BAR / 2,
		LEFT + high * scale);
	fprintf(f, "<text x='%.1f' y='%d'>%s", LEFT + high * scale + 6, y + BAR - 5, human(number, median));
	if (isfinite(ratio))
		fprintf(f, " (%.2f&#215;)", ratio);
	fputs("</text>\n", f);
}

void chart_bars(FILE *f, struct json_object *group)
{
	struct json_object *list = file_get(group, "series");
	size_t n = list ? json_object_array_length(list) : 0;
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, file_number(json_object_array_get_idx(list, i), "max"));
	if (most <= 0)
		return;
	fprintf(f, "<svg viewBox='0 0 %d %zu' width='%d' role='img'>\n", WIDTH, n * BAR + 4, WIDTH);
	for (size_t i = 0; i < n; i++)
		one_bar(f, json_object_array_get_idx(list, i), file_text(group, "base"), (int)i * BAR,
			(WIDTH - LEFT - 130) / most, colours[i % 12]);
	fputs("</svg>\n", f);
}

/* --- lines ------------------------------------------------------------------------------------- */

/* One chart: the groups that differ in one axis only. */
struct lines {
	const char *axis;
	bool cpu; /* of both sides, instead of the rate */
	char unit[32];
	char rest[1024]; /* the other axes, as text */
	char title[1024];
	int n; /* series */
	struct {
		const char *name;
		double x[MAX_POINTS], y[MAX_POINTS];
		int n;
	} line[MAX_LINES];
};

/* The values of all axes but one: groups with the same text are in one chart. */
static void other_axes(struct json_object *group, const char *axis, char *buf, size_t bytes)
{
	size_t len = 0;

	buf[0] = 0;
	json_object_object_foreach(file_get(group, "axes"), key, value)
	{
		/* what follows from another axis is no axis */
		if (!strcmp(key, axis) || !strcmp(key, "slots") ||
		    (!strcmp(axis, "order") && !strcmp(key, "depth")))
			continue;
		len += (size_t)snprintf(buf + len, bytes - len, "%s%s %s", len ? ", " : "", key,
					json_object_get_string(value));
		if (len >= bytes)
			break;
	}
}

static void add_point(struct lines *l, const char *name, double x, double y)
{
	int i = 0;

	while (i < l->n && strcmp(l->line[i].name, name))
		i++;
	if (i == MAX_LINES || (i < l->n && l->line[i].n == MAX_POINTS))
		return;
	if (i == l->n)
		l->n++;
	l->line[i].name = name;
	l->line[i].x[l->line[i].n] = x;
	l->line[i].y[l->line[i].n++] = y;
}

/* Processor time of both sides for each request, in microseconds; NAN: not known. */
static double cpu_of(struct json_object *series)
{
	double sum = NAN;

	json_object_object_foreach(file_get(series, "more"), key, value)
	{
		const char *cpu = strstr(key, "_cpu_");

		if (!cpu || strstr(key, "per_page"))
			continue;
		sum = (isfinite(sum) ? sum : 0) +
		      json_object_get_double(value) / (strcmp(cpu, "_cpu_ns") ? 1 : 1e3);
	}
	return sum;
}

static void gather(struct lines *l, struct json_object *groups)
{
	char rest[1024];

	for (size_t i = 0; i < json_object_array_length(groups); i++) {
		struct json_object *g = json_object_array_get_idx(groups, i), *list = file_get(g, "series");

		other_axes(g, l->axis, rest, sizeof(rest));
		if (strcmp(rest, l->rest))
			continue;
		for (size_t k = 0; list && k < json_object_array_length(list); k++) {
			struct json_object *s = json_object_array_get_idx(list, k);
			double y = !l->cpu ? file_number(s, "median") :
				   json_object_get_boolean(file_get(s, "limit")) ? NAN : cpu_of(s);

			if (isfinite(y))
				add_point(l, file_text(s, "name"),
					  file_number(file_get(g, "axes"), l->axis), y);
		}
	}
}

static double place_x(double x, double low, double high)
{
	double a = log2(low + 1), b = log2(high + 1);

	return LEFT + (b > a ? (log2(x + 1) - a) / (b - a) : 0.5) * (WIDTH - LEFT - 150);
}

static void draw_line(FILE *f, const struct lines *l, int i, double low, double high, double most)
{
	fprintf(f, "<polyline fill='none' stroke='%s' stroke-width='2' points='", colours[i % 12]);
	for (int k = 0; k < l->line[i].n; k++)
		fprintf(f, "%.1f,%.1f ", place_x(l->line[i].x[k], low, high),
			210 - l->line[i].y[k] / most * 190);
	fputs("'/>", f);
	for (int k = 0; k < l->line[i].n; k++)
		fprintf(f, "<circle cx='%.1f' cy='%.1f' r='3' fill='%s'/>", place_x(l->line[i].x[k], low, high),
			210 - l->line[i].y[k] / most * 190, colours[i % 12]);
	fprintf(f, "<rect x='%d' y='%d' width='10' height='10' fill='%s'/><text x='%d' y='%d'>", WIDTH - 130,
		12 + i * 16, colours[i % 12], WIDTH - 116, 21 + i * 16);
	chart_text(f, l->line[i].name);
	fputs("</text>\n", f);
}

static void draw_lines(FILE *f, const struct lines *l)
{
	double low = INFINITY, high = 0, most = 0;
	char number[24];

	for (int i = 0; i < l->n; i++)
		for (int k = 0; k < l->line[i].n; k++) {
			low = fmin(low, l->line[i].x[k]);
			high = fmax(high, l->line[i].x[k]);
			most = fmax(most, l->line[i].y[k]);
		}
	if (!(high > low) || most <= 0)
		return;
	fprintf(f, "<h3>%s over %s</h3><p class='dim'>",
		l->cpu ? "CPU microseconds of both sides" : l->unit, l->axis);
	chart_text(f, l->rest);
	fprintf(f, "</p><svg viewBox='0 0 %d 240' width='%d' role='img'><path d='M%d 15V210H%d' fill='none' "
		   "stroke='#999'/>\n",
		WIDTH, WIDTH, LEFT, WIDTH - 145);
	for (int i = 0; i <= 4; i++)
		fprintf(f, "<text x='%d' y='%.0f' text-anchor='end'>%s</text>", LEFT - 6, 214 - i * 47.5,
			human(number, most * i / 4));
	for (int i = 0; i < l->n; i++)
		draw_line(f, l, i, low, high, most);
	for (int k = 0; k < l->line[0].n; k++)
		fprintf(f, "<text x='%.1f' y='228' text-anchor='middle'>%g</text>",
			place_x(l->line[0].x[k], low, high), l->line[0].x[k]);
	fputs("</svg>\n", f);
}

/* --- latency ----------------------------------------------------------------------------------- */

/* Of the k-th point of a latency: its microseconds (0), or the share that took no longer (1). */
static double point(struct json_object *latency, size_t k, size_t which)
{
	struct json_object *p = json_object_array_get_idx(latency, k);

	return json_object_get_double(json_object_array_get_idx(p, which));
}

/* The first and last microseconds of all series; false: none has any. */
static bool latency_range(struct json_object *list, double *low, double *high)
{
	*low = INFINITY;
	*high = 0;
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *a = file_get(json_object_array_get_idx(list, i), "latency");
		size_t n = a ? json_object_array_length(a) : 0;

		if (!n)
			continue;
		*low = fmin(*low, point(a, 0, 0));
		*high = fmax(*high, point(a, n - 1, 0));
	}
	return *low > 0 && *high > *low;
}

void chart_latency(FILE *f, struct json_object *group)
{
	struct json_object *list = file_get(group, "series");
	double low, high, scale;
	int drawn = 0;

	if (!latency_range(list, &low, &high))
		return;
	scale = (WIDTH - LEFT - 150) / log2(high / low);
	fprintf(f, "<p class='dim'>share of all that took no longer, over microseconds</p><svg viewBox='0 0 %d 240' "
		   "width='%d' role='img'><path d='M%d 15V210H%d' fill='none' stroke='#999'/>\n",
		WIDTH, WIDTH, LEFT, WIDTH - 145);
	for (int i = 0; i <= 4; i++)
		fprintf(f, "<text x='%d' y='%.0f' text-anchor='end'>%d %%</text>", LEFT - 6,
			214 - i * 47.5, i * 25);
	for (double us = exp2(ceil(log2(low))), last = -100; us <= high; us *= 2) {
		double x = LEFT + log2(us / low) * scale;

		if (x - last < 45)
			continue;
		fprintf(f, "<text x='%.1f' y='228' text-anchor='middle'>%.3g</text>", x, us);
		last = x;
	}
	for (size_t i = 0; i < json_object_array_length(list) && drawn < MAX_LINES; i++) {
		struct json_object *s = json_object_array_get_idx(list, i), *a = file_get(s, "latency");

		if (!a || !json_object_array_length(a))
			continue;
		fprintf(f, "<polyline fill='none' stroke='%s' stroke-width='2' points='", colours[i % 12]);
		for (size_t k = 0; k < json_object_array_length(a); k++)
			fprintf(f, "%.1f,%.1f ", LEFT + log2(point(a, k, 0) / low) * scale,
				210 - point(a, k, 1) * 190);
		fprintf(f, "'/><rect x='%d' y='%d' width='10' height='10' fill='%s'/><text x='%d' y='%d'>", WIDTH - 130,
			12 + drawn * 16, colours[i % 12], WIDTH - 116, 21 + drawn * 16);
		chart_text(f, file_text(s, "name"));
		fputs("</text>\n", f);
		drawn++;
	}
	fputs("</svg>\n", f);
}

void chart_lines(FILE *f, struct json_object *file)
{
	static const char *const numeric[] = { "batch", "depth", "order", "size", "queues", "guests", "pages" };
	struct json_object *groups = file_get(file, "groups");
	size_t n = groups ? json_object_array_length(groups) : 0;
	static struct lines l;
	char seen[1024];

	for (size_t a = 0; a < sizeof(numeric) / sizeof(numeric[0]); a++)
		for (size_t i = 0; i < n; i++) {
			struct json_object *g = json_object_array_get_idx(groups, i);
			size_t k = 0;

			if (!file_get(file_get(g, "axes"), numeric[a]))
				continue;
			memset(&l, 0, sizeof(l));
			l.axis = numeric[a];
			other_axes(g, l.axis, l.rest, sizeof(l.rest));
			for (; k < i; k++) { /* is it drawn already? */
				other_axes(json_object_array_get_idx(groups, k), l.axis, seen, sizeof(seen));
				if (!strcmp(seen, l.rest))
					break;
			}
			if (k < i)
				continue;
			snprintf(l.unit, sizeof(l.unit), "%.20s", file_text(g, "unit"));
			gather(&l, groups);
			draw_lines(f, &l);
			l.cpu = true;
			l.n = 0;
			memset(l.line, 0, sizeof(l.line));
			gather(&l, groups);
			draw_lines(f, &l);
		}
}
