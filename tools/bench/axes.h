/* SPDX-License-Identifier: MIT */
/*
 * Axes of a measurement: each has words or numbers, its option takes a comma-separated list of them,
 * and every combination of all axes' values is run.
 */
#ifndef XSP_BENCH_AXES_H
#define XSP_BENCH_AXES_H

#include "tools/bench/bench.h"

struct axis {
	const char *name, *words; /* NULL: numbers between min and max */
	uint64_t min, max;
	const char *list, *help;
	uint64_t number[MAX_VALUES]; /* of words: which one */
	int n;
};

/** word - copies word number @i of an axis into a buffer of 16 bytes */
const char *word(const struct axis *a, uint64_t i, char *buf);

/** axes_read - their lists into their numbers; 0, or -1 and a message */
int axes_read(struct axis *axes, int n);

/** axes_point - the values of combination @which, the last axis changing first, into @ret of @n */
void axes_point(const struct axis *axes, int n, uint64_t which, uint64_t *ret);

/** axes_points - how many combinations there are */
uint64_t axes_points(const struct axis *axes, int n);

/** axes_json - the values of a point; the caller puts it */
struct json_object *axes_json(const struct axis *axes, int n, const uint64_t *values);

/** help_line - of one option ("name=WHAT"), to standard output; @unless_told may be NULL */
void help_line(const char *option, const char *help, const char *unless_told);

/** axes_help - a line of help for each, to standard output */
void axes_help(const struct axis *axes, int n);

#endif
