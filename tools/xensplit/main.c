/* SPDX-License-Identifier: MIT */
/* xensplit: the command for people and scripts. Reads the command line, then the table's command
 * runs; what commands there are is in commands.c. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/suggest.h"
#include "tools/xensplit/cmd.h"
#include "tools/xensplit/out.h"

#define DEFAULT_SOCKET "/run/xensplit/xensplitd.sock"

enum { GLOBAL_BASE = 256, COMMAND_BASE = 512 };

const char *option(const struct call *call, const char *name)
{
	for (int i = 0; i < MAX_OPTIONS && call->cmd->options[i].name; i++)
		if (!strcmp(call->cmd->options[i].name, name))
			return call->options[i];
	abort(); /* a command asks for an option its table does not have */
}

double option_seconds(const struct call *call, const char *name, double when_absent)
{
	const char *text = option(call, name);
	double v;
	char *end;

	if (!text || !*text)
		return when_absent;
	v = strtod(text, &end);
	if (*end == 's')
		end++;
	if (*end || !(v >= 0 && v <= 86400)) {
		usage_error(call, "--%s: '%s' is no number of seconds", name, text);
		return -1;
	}
	return v;
}

/* The environment of a lab names the lab's daemon. */
static const char *default_socket(void)
{
	static char path[4096];
	const char *env = getenv("XENSPLIT_SOCKET"), *lab = getenv("XENSPLIT_LAB");

	if (env && *env)
		return env;
	if (!lab || !*lab)
		return DEFAULT_SOCKET;
	snprintf(path, sizeof(path), "%s/xensplitd.sock", lab);
	return path;
}

static void add_options(struct option *longs, int *n, char *letters, const struct option_def *defs,
			int base)
{
	for (int i = 0; defs[i].name; i++) {
		int has = !defs[i].arg            ? no_argument
			  : defs[i].arg[0] == '[' ? optional_argument
						  : required_argument;

		longs[(*n)++] = (struct option){defs[i].name, has, NULL, base + i};
		if (!defs[i].letter)
			continue;
		strcat(letters, (char[]){defs[i].letter, 0});
		strcat(letters, has == no_argument ? "" : has == optional_argument ? "::" : ":");
	}
}

static int index_of(const struct option_def *defs, int opt, int base)
{
	for (int i = 0; defs && defs[i].name; i++)
		if (opt == base + i || (opt < GLOBAL_BASE && opt == defs[i].letter))
			return i;
	return -1;
}

/* Returns -1: go on; else the exit code. */
static int take_global(struct call *call, const char *name, const char *value)
{
	char *end;

	if (!strcmp(name, "json")) {
		call->json = true;
	} else if (!strcmp(name, "quiet")) {
		call->quiet = true;
	} else if (!strcmp(name, "socket")) {
		call->socket = value;
	} else if (!strcmp(name, "backend")) {
		call->backend = (unsigned int)strtoul(value, &end, 10);
		if (*end || !*value || call->backend > 0x7fef)
			return usage_error(call, "--backend: '%s' is no domain number", value);
	} else if (!strcmp(name, "color")) {
		if (out_setup(value))
			return usage_error(call, "--color: '%s' is not auto, always or never",
					   value);
	} else if (!strcmp(name, "version")) {
		puts("xensplit " XSP_VERSION);
		return EXIT_OK;
	} else if (call->cmd) {
		help_command(call->cmd);
		return EXIT_OK;
	} else {
		help_all();
		return EXIT_OK;
	}
	return -1;
}

static int bad_option(const struct call *call, int opt, char **argv)
{
	const char *arg = argv[optind - 1];
	struct xsp_suggest near;
	char word[64];

	if (opt == ':')
		return usage_error(call, "%s wants a value", arg);
	if (optopt && optopt < GLOBAL_BASE)
		return usage_error(call, "there is no option -%c", optopt);
	if (strncmp(arg, "--", 2))
		return usage_error(call, "'%s' is no option", arg);
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
	if (optopt) /* known, but with a value it does not take */
		return usage_error(call, "--%s takes no value", word);
	near = xsp_suggest_start(word);
	for (const struct option_def *o = global_options; o->name; o++)
		xsp_suggest_try(&near, o->name);
	for (const struct option_def *o = call->cmd ? call->cmd->options : NULL; o && o->name; o++)
		xsp_suggest_try(&near, o->name);
	return usage_error(call, "there is no option --%s%s%s%s", word,
			   near.best ? " (did you mean --" : "", near.best ? near.best : "",
			   near.best ? "?)" : "");
}

/*
 * Read options up to the end (or, without a command yet, up to the first word that is none). optind
 * is left at the first word. Returns -1: go on; else the exit code.
 */
static int read_options(struct call *call, int argc, char **argv)
{
	const struct option_def *own = call->cmd ? call->cmd->options : NULL;
	struct option longs[32] = {0};
	char letters[64] = "+:";
	int n = 0, opt, i, rc;

	if (call->cmd && call->cmd->max_args >= 0)
		strcpy(letters, ":"); /* options may stand behind arguments */
	if (own) /* first: its letters go before ours */
		add_options(longs, &n, letters, own, COMMAND_BASE);
	add_options(longs, &n, letters, global_options, GLOBAL_BASE);
	opterr = 0;
	optind = 0;
	while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (opt == '?' || opt == ':')
			return bad_option(call, opt, argv);
		i = index_of(own, opt, COMMAND_BASE);
		if (i >= 0) {
			call->options[i] = optarg ? optarg : "";
			/* "--watch 0.5": a number behind it is its value, as with --watch=0.5 */
			if (!optarg && own[i].arg && optind < argc && argv[optind][0] &&
			    !argv[optind][strspn(argv[optind], "0123456789.")])
				call->options[i] = argv[optind++];
			continue;
		}
		rc = take_global(call,
				 global_options[index_of(global_options, opt, GLOBAL_BASE)].name,
				 optarg);
		if (rc >= 0)
			return rc;
	}
	return -1;
}

static int no_command(struct call *call, const char *word)
{
	struct xsp_suggest near = xsp_suggest_start(word);

	for (const struct command *c = commands; c->name; c++)
		xsp_suggest_try(&near, c->name);
	return usage_error(call, "there is no command '%s'%s%s%s", word,
			   near.best ? " (did you mean " : "", near.best ? near.best : "",
			   near.best ? "?)" : "");
}

/* --json anywhere makes even the first usage error a JSON one. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "-j"))
			return true;
	return false;
}

static unsigned int own_domain(void)
{
	const char *dom = getenv("XENSPLIT_LAB") ? getenv("XENSPLIT_DOM") : NULL;

	return dom ? (unsigned int)atoi(dom) : ~0u; /* ~0: asked of the store when needed */
}

int main(int argc, char **argv)
{
	struct call call = {.socket = default_socket(), .backend = own_domain()};
	int rc;

	signal(SIGPIPE, SIG_IGN);
	out_setup("auto");
	call.json = wants_json(argc, argv);
	rc = read_options(&call, argc, argv);
	if (rc >= 0)
		return rc;
	if (optind >= argc)
		return usage_error(&call, "which command?");
	argc -= optind;
	argv += optind;
	call.cmd = find_command(argv[0]);
	if (!call.cmd)
		return no_command(&call, argv[0]);
	if (call.cmd->max_args >= 0) {
		rc = read_options(&call, argc, argv);
		if (rc >= 0)
			return rc;
		argc -= optind;
		argv += optind;
		if (argc < call.cmd->min_args)
			return usage_error(&call, "%s wants %s", call.cmd->name, call.cmd->args);
		if (argc > call.cmd->max_args)
			return usage_error(&call, "'%s' is one argument too many for %s",
					   argv[call.cmd->max_args], call.cmd->name);
	}
	call.n_args = argc;
	call.args = argv;
	rc = call.cmd->run(&call);
	if (fflush(stdout) && rc == EXIT_OK)
		rc = EXIT_FAILED;
	return rc;
}
