/* SPDX-License-Identifier: MIT */
/*
 * The command line of a mode that measures: its axes, what it has besides, and what all have (rounds,
 * seconds, fifo, out, json, quiet, help).
 */
#ifndef XSP_BENCH_OPTIONS_H
#define XSP_BENCH_OPTIONS_H

#include "tools/bench/axes.h"

/* An option that is no axis: what it takes goes where one of the three points. */
struct extra {
	const char *name, *takes, *help; /* takes: "LIST", for people; NULL for a flag */
	bool *flag;
	const char **word;
	uint64_t *number, min, max;
};

struct command {
	const char *about;    /* lines for --help */
	const char *examples; /* lines, without the program's name */
	struct axis *axes;
	int n_axes;
	const struct extra *extra;
	int n_extra;
	double seconds;    /* of each contestant in each round, unless told */
	bool has_a_daemon; /* takes options for it behind -- */
};

/**
 * options_read - the command line into the axes, the extras and @b
 * Returns -1: go on (what is behind -- begins at optind); else an exit code: help was asked for, or a
 * message was printed.
 */
int options_read(const struct command *c, struct bench *b, int argc, char **argv);

#endif
