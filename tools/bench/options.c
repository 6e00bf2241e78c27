/* SPDX-License-Identifier: MIT */
/* Command lines of modes: see options.h. */
#include "tools/bench/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 32

enum { AXIS = 256, EXTRA = 512 };

static const struct option of_all[] = {
	{ "rounds", required_argument, NULL, 'r' }, { "seconds", required_argument, NULL, 't' },
	{ "fifo", no_argument, NULL, 'f' },	    { "out", required_argument, NULL, 'O' },
	{ "json", no_argument, NULL, 'j' },	    { "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
};

static void help(const struct command *c, const struct bench *b)
{
	char text[64];

	printf("usage: xensplit-bench %s [OPTION...]%s\n%s", b->mode,
	       c->has_a_daemon ? " [-- OPTION-OF-XENSPLITD...]" : "", c->about);
	puts("Options that take a list are axes: every combination of their values is run.");
	axes_help(c->axes, c->n_axes);
	for (int i = 0; i < c->n_extra; i++) {
		const struct extra *e = &c->extra[i];

		snprintf(text, sizeof(text), "%s%s%s", e->name, e->takes ? "=" : "", e->takes ? e->takes : "");
		help_line(text, e->help, NULL);
	}
	help_line("rounds=N", "interleaved rounds", "(9)");
	snprintf(text, sizeof(text), "(%g)", c->seconds);
	help_line("seconds=S", "of each contestant in each round", text);
	help_line("fifo", "under SCHED_FIFO: for a machine that has other work (root)", NULL);
	help_line("out=FILE", "JSON into a file;  --json: to standard output", NULL);
	printf("examples:\n%s", c->examples);
}

static int read_extra(const struct extra *e, const char *arg)
{
	uint64_t n[MAX_VALUES];

	if (e->flag)
		*e->flag = true;
	else if (e->word)
		*e->word = arg;
	else if (values_of(e->name, arg, e->min, e->max, n) == 1)
		*e->number = n[0];
	else
		return -1;
	return 0;
}

static int read_rounds(struct bench *b, const char *arg)
{
	uint64_t n[MAX_VALUES];

	if (values_of("rounds", arg, 1, MAX_ROUNDS, n) != 1)
		return -1;
	b->rounds = (int)n[0];
	return 0;
}

static int read_one(const struct command *c, struct bench *b, int opt)
{
	if (opt >= EXTRA)
		return read_extra(&c->extra[opt - EXTRA], optarg);
	if (opt >= AXIS) {
		c->axes[opt - AXIS].list = optarg;
		return 0;
	}
	switch (opt) {
	case 'r': return read_rounds(b, optarg);
	case 't': b->seconds = atof(optarg); return b->seconds > 0 && b->seconds <= 60 ? 0 : -1;
	case 'f': b->fifo = true; return 0;
	case 'O': b->out = optarg; return 0;
	case 'j': b->json_out = true; return 0;
	case 'q': b->quiet = true; return 0;
	default: return -1;
	}
}

int options_read(const struct command *c, struct bench *b, int argc, char **argv)
{
	struct option longs[MAX_OPTIONS + 1] = { { 0 } }, *l = longs;
	int opt;

	for (int i = 0; i < c->n_axes; i++)
		*l++ = (struct option){ c->axes[i].name, required_argument, NULL, AXIS + i };
	for (int i = 0; i < c->n_extra; i++)
		*l++ = (struct option){ c->extra[i].name, c->extra[i].takes ? required_argument : no_argument,
					NULL, EXTRA + i };
	memcpy(l, of_all, sizeof(of_all));
	b->rounds = 9;
	b->seconds = c->seconds;
	while ((opt = getopt_long(argc, argv, "hjq", longs, NULL)) != -1) {
		if (opt == 'h')
			return help(c, b), 0;
		if (read_one(c, b, opt))
			return bench_usage("try xensplit-bench %s --help", b->mode);
	}
	if (!c->has_a_daemon && optind != argc)
		return bench_usage("%s: what is '%s'? try xensplit-bench %s --help", b->mode,
				   argv[optind], b->mode);
	if (axes_read(c->axes, c->n_axes))
		return bench_usage("try xensplit-bench %s --help", b->mode);
	return -1;
}
