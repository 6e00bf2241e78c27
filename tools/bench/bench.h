/* SPDX-License-Identifier: MIT */
/*
 * xensplit-bench: main.c the command; options.c and axes.c its modes' command lines; rounds.c what a
 * measurement is and how it is reported; json.c its file; pair.c two threads, ring*.c and limits.c what
 * they do; blk*.c disks in a lab, net.c its networks.
 *
 * Everything is measured in interleaved rounds: each round runs every contestant once, next to each
 * other in time, and what is reported is the median, over the rounds, of the ratio within a round.
 * Two figures from different minutes say nothing on a virtual machine (docs/performance.md).
 */
#ifndef XSP_BENCH_BENCH_H
#define XSP_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "common/hist.h"

#define MAX_ROUNDS      99
#define MAX_CONTESTANTS 12
#define MAX_NOTES       20
#define MAX_VALUES      16 /* of one axis */

/* What one contestant did in all rounds. */
struct series {
	char name[48], what[128];
	bool limit;               /* the machine's, not a program's */
	double rate[MAX_ROUNDS];  /* per second */
	int n;                    /* rounds that counted */
	struct note {
		char key[24];
		double value[MAX_ROUNDS];
		int n;
	} note[MAX_NOTES]; /* other figures of each round, by name */
	int n_notes;
	struct xsp_hist latency; /* of all rounds; may be empty */
};

/* One point of the axes: a group of series that were interleaved. */
struct group {
	char title[320];
	bool show_notes; /* in the text, too */
	const char *unit; /* of the rates: "requests/s" */
	struct json_object *axes; /* owned */
	double line_ns[MAX_ROUNDS]; /* the placement: a cache line there and back */
	int n_line;
	struct series series[MAX_CONTESTANTS];
	int n_series;
	char base[48]; /* ratios are to the series of this name, if it is there */
};

/* A run of the tool. */
struct bench {
	const char *mode;
	const char *world; /* NULL: the lab */
	int argc;
	char **argv;
	bool json_out, quiet;
	const char *out; /* file for the JSON; NULL: none */
	int rounds;
	double seconds; /* of each contestant in each round */
	bool fifo;
	struct json_object *groups, *skipped; /* owned by the file that is written at the end */
};

/* rounds.c */
double median_of(const double *v, int n);
double quartile_of(const double *v, int n); /* the lower one */
struct series *group_series(struct group *g, const char *name, const char *what, bool limit);
void series_note(struct series *s, const char *key, double value);
/** series_latency - adds what a client counted: its answer's "latency", [[bucket, count], ...] */
void series_latency(struct series *s, struct json_object *answer);
void group_print(const struct group *g);
const char *placement_of(double line_ns);

/** world_of - where the figures are from: for the label of everything that is printed and written */
const char *world_of(const struct bench *b);

/* json.c */
void bench_start(struct bench *b);
/** bench_add - the group is measured: print it (text), keep it (JSON); releases what it owns */
void bench_add(struct bench *b, struct group *g);
/** bench_skip - a peer that is not here, by name and why */
void bench_skip(struct bench *b, const char *name, const char *why);
/** bench_end - write the JSON; returns an exit code */
int bench_end(struct bench *b);


/* main.c */
/** values_of - "1,8,32" into @ret (MAX_VALUES); returns how many, or -1 and a message */
int values_of(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/** words_of - is @word one of the comma-separated @list? */
bool word_in(const char *list, const char *word);
int bench_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t bench_now_ns(void);
/** bench_line_ns - a cache line there and back, now, in ns; 0 with one processor */
double bench_line_ns(bool fifo);
/** bench_stream_bytes - bytes a second from one processor's cache to the other's, now; 0 with one */
double bench_stream_bytes(bool fifo);
/** bench_page_bytes - bytes a second in pages that one writes past its cache and the other reads; 0 with one */
double bench_page_bytes(bool fifo);

/**
 * bench_turn - from here to bench_turn_over no other benchmark of this machine measures under SCHED_FIFO:
 * two that spin on the same processors would never let each other go on. Without @fifo: nothing. Nests.
 */
void bench_turn(bool fifo);
void bench_turn_over(bool fifo);

int mode_ring(struct bench *b, int argc, char **argv);
int mode_wake(struct bench *b, int argc, char **argv);
int mode_grant(struct bench *b, int argc, char **argv);
int mode_blk(struct bench *b, int argc, char **argv);
int mode_net(struct bench *b, int argc, char **argv);
int mode_report(struct bench *b, int argc, char **argv);
int mode_compare(struct bench *b, int argc, char **argv);

#endif
