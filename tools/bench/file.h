/* SPDX-License-Identifier: MIT */
/* Reading the files that the benchmark wrote: report.c, chart.c, compare.c. */
#ifndef XSP_BENCH_FILE_H
#define XSP_BENCH_FILE_H

#include <stdio.h>

#include <json-c/json.h>

/** file_read - one of the tool's files; NULL and a message when it is none. The caller puts it. */
struct json_object *file_read(const char *path);

/* Members: NULL, "" and NAN when absent. */
struct json_object *file_get(struct json_object *o, const char *key);
const char *file_text(struct json_object *o, const char *key);
double file_number(struct json_object *o, const char *key);

/* chart.c: inline SVG. */

/** chart_bars - one group: a bar for each series, its range over the rounds, its ratio to the base */
void chart_bars(FILE *f, struct json_object *group);

/** chart_latency - one group: which share of all took how long; nothing when it was not measured */
void chart_latency(FILE *f, struct json_object *group);

/** chart_lines - how rate and processor time of the series of a file's groups go with each axis of numbers that has several values */
void chart_lines(FILE *f, struct json_object *file);

/** chart_text - text with what HTML would take for itself escaped */
void chart_text(FILE *f, const char *text);

#endif
