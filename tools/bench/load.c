/* SPDX-License-Identifier: MIT */
/* Jobs in, tallies out: see load.h. */
#include "tools/bench/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool job_read(const char *line, struct job *j)
{
	char op, order[8], wait[8], use[8];
	unsigned int size, depth;

	if (sscanf(line, "go %lf %c %u %u %7s %7s %7s", &j->seconds, &op, &size, &depth, order, wait, use) != 7)
		return false;
	j->write = op == 'w';
	j->size = size;
	j->depth = depth;
	j->random = !strcmp(order, "rand");
	j->poll = !strcmp(wait, "poll");
	j->touch = !strcmp(use, "touch");
	return size && size % 512 == 0 && depth;
}

static void report(const struct tally *t)
{
	printf("{\"ops\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64
	       ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"p999_ns\":%" PRIu64 ",\"share\":[",
	       t->ops, t->errors, t->ns, t->cpu_ns, xsp_hist_quantile(&t->latency, 0.5),
	       xsp_hist_quantile(&t->latency, 0.99), xsp_hist_quantile(&t->latency, 0.999));
	for (int i = 0; i < t->n_disks; i++)
		printf("%s%" PRIu64, i ? "," : "", t->share[i]);
	printf("],\"latency\":[");
	for (unsigned int i = 0, n = 0; i < XSP_HIST_BUCKETS; i++)
		if (t->latency.count[i])
			printf("%s[%u,%" PRIu64 "]", n++ ? "," : "", i, t->latency.count[i]);
	printf("],\"sum\":%" PRIu64 "}\n", t->sum);
}

int load_serve(int (*run)(const struct job *j, struct tally *t, void *ctx), void *ctx)
{
	static struct tally t;
	char line[256];
	struct job j;

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
		int err;

		if (!job_read(line, &j)) {
			puts("{\"error\":\"no job\"}");
			fflush(stdout);
			continue;
		}
		memset(&t, 0, sizeof(t));
		err = run(&j, &t, ctx);
		t.ns = now(CLOCK_MONOTONIC) - wall;
		t.cpu_ns = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
		if (err)
			printf("{\"error\":\"%s\"}\n", strerror(-err));
		else
			report(&t);
		fflush(stdout);
	}
	return 0;
}
