/* SPDX-License-Identifier: MIT */
/*
 * How the commands of `xensplit` are described and called. One table (commands.c) holds every
 * command; the help texts, the completion and the man page's synopsis are made from it (help.c).
 */
#ifndef XSP_XENSPLIT_CMD_H
#define XSP_XENSPLIT_CMD_H

#include <stdbool.h>

/* Documented in xensplit(1); never renumbered. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_UNREACHABLE = 4, /* the daemon's socket or XenStore */
	EXIT_TIMEOUT = 5,
	EXIT_DENIED = 6,
};

#define MAX_OPTIONS 8

struct option_def {
	const char *name; /* NULL ends the list */
	char letter;      /* 0: none */
	const char *arg;  /* NULL: a flag; "[SEC]": may be left out; else it must be there */
	const char *help;
};

/* What a positional argument is, for the completion. */
enum completes { COMPLETE_NONE, COMPLETE_DEVICE, COMPLETE_DOMAIN, COMPLETE_WORDS, COMPLETE_FILE };

struct call; /* one run of a command */

struct command {
	const char *name; /* NULL ends the table */
	const char *args; /* as shown: "DOMAIN TARGET VDEV [ro|rw]" */
	const char *summary;
	const char *about;    /* paragraphs of `help CMD`, lines ended by \n */
	const char *examples; /* lines "command   what it does\n" */
	struct option_def options[MAX_OPTIONS];
	int min_args, max_args; /* max_args -1: everything behind the name is the command's own */
	enum completes completes;
	const char *words;             /* for COMPLETE_WORDS */
	int (*run)(struct call *call); /* returns an exit_code */
};

extern const struct command commands[];
extern const struct option_def global_options[];

struct call {
	const struct command *cmd;
	int n_args;
	char **args;
	const char *options[MAX_OPTIONS]; /* value, "" for a flag that was given, NULL when not */
	const char *socket;               /* the daemon's */
	unsigned int backend;             /* domain whose backend nodes are meant */
	bool json, quiet;
};

/** option - value of an option of this command ("" for a flag), NULL when it was not given */
const char *option(const struct call *call, const char *name);

/** option_seconds - a time in seconds, fractions allowed; -1 and a message when it is none */
double option_seconds(const struct call *call, const char *name, double when_absent);

/** find_command - by name; NULL */
const struct command *find_command(const char *name);

/* --- help.c ------------------------------------------------------------------------------------
 */

/** help_all - the whole of `xensplit --help`, to stdout */
void help_all(void);

/** help_command - the whole of `xensplit help CMD`, to stdout */
void help_command(const struct command *cmd);

/** usage_error - one line to stderr (JSON: an object to stdout) with where to look; EXIT_USAGE */
int usage_error(const struct call *call, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

int cmd_help(struct call *call);
int cmd_completion(struct call *call);

/* --- the others, one file each -------------------------------------------------------------------
 */

int cmd_attach(struct call *call);
int cmd_detach(struct call *call);
int cmd_list(struct call *call);
int cmd_stat(struct call *call);
int cmd_top(struct call *call);
int cmd_network_attach(struct call *call);
int cmd_network_detach(struct call *call);
int cmd_network_list(struct call *call);
int cmd_capture(struct call *call);
int cmd_metrics(struct call *call);
int cmd_show(struct call *call);
int cmd_ring(struct call *call);
int cmd_doctor(struct call *call);
int cmd_status(struct call *call);
int cmd_throttle(struct call *call);
int cmd_resize(struct call *call);
int cmd_worker(struct call *call);
int cmd_log(struct call *call);
int cmd_version(struct call *call);

#endif
