/* SPDX-License-Identifier: MIT */
/* xensplit-bench report, compare: what the files say, as one HTML page; and two of them side by side. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"
#include "tools/bench/file.h"

struct json_object *file_get(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (o && json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v))
		return v;
	return NULL;
}

const char *file_text(struct json_object *o, const char *key)
{
	struct json_object *v = file_get(o, key);

	return v ? json_object_get_string(v) : "";
}

double file_number(struct json_object *o, const char *key)
{
	struct json_object *v = file_get(o, key);

	return v ? json_object_get_double(v) : NAN;
}

struct json_object *file_read(const char *path)
{
	struct json_object *o = json_object_from_file(path);

	if (o && !strcmp(file_text(o, "tool"), "xensplit-bench") && file_number(o, "schema") == 1 &&
	    json_object_is_type(file_get(o, "groups"), json_type_array))
		return o;
	fprintf(stderr, "xensplit-bench: %s: %s\n", path,
		o ? "no file of xensplit-bench" : json_util_get_last_err());
	json_object_put(o);
	return NULL;
}

/* --- report ------------------------------------------------------------------------------------ */

static const char head[] =
	"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>xensplit-bench</title>\n"
	"<style>body{font:14px/1.45 system-ui,sans-serif;max-width:820px;margin:2em auto;padding:0 1em;color:#222}\n"
	"h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em;border-top:1px solid #ccc;padding-top:1em}h3{font-size:1em;"
	"margin:1.4em 0 .2em}\n.dim{color:#666;margin:.2em 0}svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}\n"
	"table{border-collapse:collapse;font-size:12px;margin:.4em 0}td,th{padding:.15em .6em;text-align:right;"
	"border-bottom:1px solid #eee}td:first-child,th:first-child{text-align:left}code{background:#f3f3f3;padding:.1em .3em}"
	"</style></head><body>\n<h1>xensplit-bench</h1>\n"
	"<p>Medians over interleaved rounds; a thin line is the range over the rounds. Numbers in parentheses are medians of "
	"the ratio, within a round, to the group's base. Two absolute figures of different groups are not comparable when "
	"the placement differs: on a virtual machine the processors may be near each other (FAST) or not (SLOW).</p>\n";

static void facts(FILE *f, struct json_object *o)
{
	struct json_object *m = file_get(o, "machine"), *skipped = file_get(o, "skipped");

	fputs("<h2>", f);
	chart_text(f, file_text(o, "mode"));
	fputs("</h2>\n<p class='dim'><b>", f);
	chart_text(f, file_text(o, "world"));
	fputs("</b>. ", f);
	chart_text(f, file_text(m, "processor"));
	fprintf(f, ", %g processors, Linux ", file_number(m, "processors"));
	chart_text(f, file_text(m, "kernel"));
	fputs("; version ", f);
	chart_text(f, file_text(o, "version"));
	if (*file_text(o, "commit")) {
		fputs(", commit ", f);
		chart_text(f, file_text(o, "commit"));
	}
	fputs("; ", f);
	chart_text(f, file_text(o, "when"));
	fprintf(f, "; %g rounds of %g s</p>\n<p><code>", file_number(o, "rounds"), file_number(o, "seconds"));
	chart_text(f, file_text(o, "command"));
	fputs("</code></p>\n", f);
	for (size_t i = 0; skipped && i < json_object_array_length(skipped); i++) {
		struct json_object *s = json_object_array_get_idx(skipped, i);

		fputs("<p class='dim'>skipped: ", f);
		chart_text(f, file_text(s, "name"));
		fputs(": ", f);
		chart_text(f, file_text(s, "why"));
		fputs("</p>\n", f);
	}
}

/* The other figures; columns are those of the first series that has some. */
static void notes(FILE *f, struct json_object *group)
{
	struct json_object *list = file_get(group, "series"), *columns = NULL;
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n && !columns; i++) {
		columns = file_get(json_object_array_get_idx(list, i), "more");
		if (columns && !json_object_object_length(columns))
			columns = NULL;
	}
	if (!columns)
		return;
	fputs("<table><tr><th></th>", f);
	json_object_object_foreach(columns, key, unused)
	{
		(void)unused;
		fputs("<th>", f);
		chart_text(f, key);
		fputs("</th>", f);
	}
	fputs("</tr>\n", f);
	for (size_t i = 0; i < n; i++) {
		struct json_object *s = json_object_array_get_idx(list, i), *more = file_get(s, "more");

		if (!more || !json_object_object_length(more))
			continue;
		fputs("<tr><td>", f);
		chart_text(f, file_text(s, "name"));
		fputs("</td>", f);
		json_object_object_foreach(columns, column, unused2)
		{
			double v = file_number(more, column);

			(void)unused2;
			if (isfinite(v))
				fprintf(f, "<td>%.3g</td>", v);
			else
				fputs("<td></td>", f);
		}
		fputs("</tr>\n", f);
	}
	fputs("</table>\n", f);
}

static void one_file(FILE *f, struct json_object *o)
{
	struct json_object *groups = file_get(o, "groups");

	facts(f, o);
	chart_lines(f, o);
	for (size_t i = 0; i < json_object_array_length(groups); i++) {
		struct json_object *g = json_object_array_get_idx(groups, i), *p = file_get(g, "placement");

		fputs("<h3>", f);
		chart_text(f, file_text(g, "title"));
		fputs("</h3><p class='dim'>", f);
		chart_text(f, file_text(p, "label"));
		if (isfinite(file_number(p, "line_round_trip_ns")))
			fprintf(f, ", a cache line there and back %.0f ns",
				file_number(p, "line_round_trip_ns"));
		if (*file_text(g, "base")) {
			fputs("; ratios to ", f);
			chart_text(f, file_text(g, "base"));
		}
		fputs("</p>\n", f);
		chart_bars(f, g);
		chart_latency(f, g);
		notes(f, g);
	}
}

static const char report_usage[] =
	"usage: xensplit-bench report [--out=FILE] FILE.json...\n"
	"One HTML page of what the files say, with inline SVG and nothing from a network.\n"
	"examples:\n"
	"  xensplit-bench report --out=report.html ring.json blk.json\n";

int mode_report(struct bench *b, int argc, char **argv)
{
	static const struct option longs[] = { { "out", 1, NULL, 'O' }, { "help", 0, NULL, 'h' }, { 0 } };
	FILE *f = stdout;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (opt == 'h')
			return fputs(report_usage, stdout), 0;
		if (opt != 'O')
			return bench_usage("try xensplit-bench report --help");
		b->out = optarg;
	}
	if (optind == argc)
		return bench_usage("report of which files? try xensplit-bench report --help");
	for (int i = optind; i < argc; i++) {
		struct json_object *o = file_read(argv[i]);

		if (!o)
			return 1;
		if (i == optind && b->out)
			f = fopen(b->out, "we");
		if (!f)
			return fprintf(stderr, "xensplit-bench: %s: %s\n", b->out, strerror(errno)), 1;
		if (i == optind)
			fputs(head, f);
		one_file(f, o);
		json_object_put(o);
	}
	fputs("</body></html>\n", f);
	if (ferror(f) | (f == stdout ? fflush(f) : fclose(f)))
		return fprintf(stderr, "xensplit-bench: the report can't be written\n"), 1;
	return 0;
}
