/* SPDX-License-Identifier: MIT */
/* Processes that the benchmark starts: servers, and clients that answer a line with a line. */
#ifndef XSP_BENCH_CHILD_H
#define XSP_BENCH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct child {
	pid_t pid; /* 0: not running */
	int in, out; /* -1: none; to its standard input, from its standard output */
	char line[8192];
	size_t have; /* of a line that is not whole yet, then of what lies behind it */
};

/* Whatever is started runs under SCHED_FIFO: for a machine that has other work. */
extern bool child_fifo;

/**
 * child_start - run argv[0] with pipes (talks) or without
 * @cpu: processor it and its children stay on; -1: any
 * @log: file for its standard error, and for its output when it doesn't talk
 *
 * It dies with us. Returns 0 or -errno.
 */
int child_start(struct child *c, char *const argv[], int cpu, bool talks, const char *log);

/** child_say - one line; child_hear - the next line, without its end; NULL: none in time, or it ended */
int child_say(struct child *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *child_hear(struct child *c, double seconds);

/** child_stop - SIGTERM, then SIGKILL; waits. Not running is fine. */
void child_stop(struct child *c);

/** child_run - run to the end; returns its exit code, or -errno */
int child_run(char *const argv[], const char *log);

/** child_cpu_ns - processor time of it and everything it started and that still runs */
uint64_t child_cpu_ns(const struct child *c);

#endif
