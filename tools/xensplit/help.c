/* SPDX-License-Identifier: MIT */
/* Everything that is said about the commands comes from their table: help, completion, synopsis. */
#include "tools/xensplit/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/suggest.h"
#include "tools/xensplit/out.h"

static void print_options(const struct option_def *o)
{
	for (; o->name; o++) {
		char left[64];

		if (!o->arg)
			snprintf(left, sizeof(left), "--%s", o->name);
		else if (o->arg[0] == '[')
			snprintf(left, sizeof(left), "--%s[=%.*s]", o->name,
				 (int)strlen(o->arg) - 2, o->arg + 1);
		else
			snprintf(left, sizeof(left), "--%s=%s", o->name, o->arg);
		if (o->letter)
			printf("  -%c, %-18s %s\n", o->letter, left, o->help);
		else
			printf("      %-18s %s\n", left, o->help);
	}
}

static void print_examples(const struct command *c)
{
	const char *line = c->examples;

	while (line && *line) {
		const char *end = strchr(line, '\n');

		printf("  xensplit %.*s\n", (int)(end - line), line);
		line = end + 1;
	}
}

static void print_exit_codes(void)
{
	puts("exit codes:\n"
	     "  0 done   1 failed   2 wrong usage   3 no such device or domain\n"
	     "  4 daemon or XenStore unreachable   5 timeout   6 denied");
}

void help_all(void)
{
	puts("xensplit: disks and network interfaces of Xen guests, served by xensplitd\n"
	     "\n"
	     "usage: xensplit [OPTION]... COMMAND [ARGUMENT]...\n"
	     "\n"
	     "commands:");
	for (const struct command *c = commands; c->name; c++)
		printf("  %s%-11s%s %s\n", paint(BOLD), c->name, paint(PLAIN), c->summary);
	puts("\noptions, before or after the command:");
	print_options(global_options);
	puts("\nexamples:\n"
	     "  xensplit attach web /vm/data.img xvdb   give guest \"web\" a second disk\n"
	     "  xensplit list                           which guest has which\n"
	     "  xensplit stat --watch                   what they do, live\n"
	     "  xensplit doctor                         something does not work: why?\n"
	     "\n"
	     "`xensplit help COMMAND` says more about each.\n");
	print_exit_codes();
}

void help_command(const struct command *cmd)
{
	printf("usage: xensplit %s%s%s%s%s\n\n%s.\n", cmd->name,
	       cmd->options[0].name ? " [OPTION]..." : "", cmd->args ? " " : "",
	       cmd->args ? cmd->args : "", "", cmd->summary);
	if (cmd->about)
		printf("\n%s", cmd->about);
	if (cmd->options[0].name) {
		puts("\noptions:");
		print_options(cmd->options);
	}
	puts("\noptions of every command:");
	print_options(global_options);
	puts("\nexamples:");
	print_examples(cmd);
	puts("");
	print_exit_codes();
}

int usage_error(const struct call *call, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return fail(call, EXIT_USAGE, "%s; try xensplit %s%s", text, call->cmd ? "help " : "--help",
		    call->cmd ? call->cmd->name : "");
}

/* Lines of the synopsis for xensplit(1): what the man page must list (tests compare). */
static int synopsis(void)
{
	for (const struct command *c = commands; c->name; c++)
		printf("xensplit %s%s%s\n", c->name, c->args ? " " : "", c->args ? c->args : "");
	return EXIT_OK;
}

/* --- the man page ------------------------------------------------------------------------------
 */

/* Text for roff: no escapes and no requests in it, "-" as it is typed. */
static void roff_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((text[i] == '.' || text[i] == '\'') && (!i || text[i - 1] == '\n'))
			fputs("\\&", stdout);
		if (text[i] == '-')
			fputs("\\-", stdout);
		else if (text[i] == '\\')
			fputs("\\e", stdout);
		else
			putchar(text[i]);
	}
}

static void roff_block(const char *text)
{
	puts(".PP\n.nf");
	roff_text(text, strlen(text));
	puts(".fi");
}

static void roff_options(const struct option_def *o)
{
	for (; o->name; o++) {
		bool optional = o->arg && o->arg[0] == '[';

		printf(".TP\n\\fB");
		if (o->letter)
			printf("\\-%c\\fR, \\fB", o->letter);
		printf("\\-\\-");
		roff_text(o->name, strlen(o->name));
		if (optional)
			printf("\\fR[=\\fI%.*s\\fR]\n", (int)strlen(o->arg) - 2, o->arg + 1);
		else if (o->arg)
			printf("\\fR=\\fI%s\\fR\n", o->arg);
		else
			puts("\\fR");
		roff_text(o->help, strlen(o->help));
		putchar('\n');
	}
}

static void roff_examples(const char *line)
{
	puts(".PP\n.nf");
	for (; line && *line; line = strchr(line, '\n') + 1) {
		fputs("    xensplit ", stdout);
		roff_text(line, strcspn(line, "\n"));
		putchar('\n');
	}
	puts(".fi");
}

/* What docs/man/xensplit.1.in has in place of @COMMANDS@. */
static int roff(void)
{
	puts(".SH OPTIONS\nBefore or after the command.");
	roff_options(global_options);
	puts(".SH COMMANDS");
	for (const struct command *c = commands; c->name; c++) {
		printf(".SS xensplit %s%s%s\n", c->name, c->args ? " " : "",
		       c->args ? c->args : "");
		roff_text(c->summary, strlen(c->summary));
		puts(".");
		if (c->about)
			roff_block(c->about);
		roff_options(c->options);
		roff_examples(c->examples);
	}
	return EXIT_OK;
}

int cmd_help(struct call *call)
{
	const struct command *cmd;
	struct xsp_suggest near;

	if (!call->n_args) {
		help_all();
		return EXIT_OK;
	}
	if (!strcmp(call->args[0], "synopsis"))
		return synopsis();
	if (!strcmp(call->args[0], "roff"))
		return roff();
	cmd = find_command(call->args[0]);
	if (cmd) {
		help_command(cmd);
		return EXIT_OK;
	}
	near = xsp_suggest_start(call->args[0]);
	for (const struct command *c = commands; c->name; c++)
		xsp_suggest_try(&near, c->name);
	call->cmd = NULL;
	return usage_error(call, "there is no command '%s'%s%s%s", call->args[0],
			   near.best ? " (did you mean " : "", near.best ? near.best : "",
			   near.best ? "?)" : "");
}

/* --- completion ----------------------------------------------------------------------------------
 */

static void words_of_options(const struct option_def *o)
{
	for (; o->name; o++)
		printf(" --%s%s", o->name, o->arg && o->arg[0] != '[' ? "=" : "");
}

static const char *const what_completes[] = {
	[COMPLETE_NONE] = "",
	[COMPLETE_DEVICE] = "$(xensplit list --json 2>/dev/null | grep -o 'vbd/[0-9]*/[0-9]*')",
	[COMPLETE_DOMAIN] = "$(xenstore-list /local/domain 2>/dev/null)",
	[COMPLETE_WORDS] = "",
	[COMPLETE_FILE] = "",
};

int cmd_completion(struct call *call)
{
	if (strcmp(call->args[0], "bash"))
		return usage_error(call, "no completion for '%s', only for bash", call->args[0]);
	puts("# bash completion of xensplit; made by `xensplit completion bash`\n"
	     "_xensplit() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} cmd= w words options\n"
	     "\tfor w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	     "\t\tcase $w in -*) ;; *) cmd=$w; break ;; esac\n"
	     "\tdone");
	printf("\toptions='");
	words_of_options(global_options);
	puts("'\n\tcase $cmd in");
	printf("\t'') words='");
	for (const struct command *c = commands; c->name; c++)
		printf("%s%s", c == commands ? "" : " ", c->name);
	puts("' ;;");
	for (const struct command *c = commands; c->name; c++) {
		printf("\t%s) options+='", c->name);
		words_of_options(c->options);
		printf("'; words=\"%s\" ;;\n", c->words ? c->words : what_completes[c->completes]);
	}
	puts("\tesac\n"
	     "\tcase $cur in -*) words=$options ;; esac\n"
	     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	     "\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
	     "\treturn 0\n"
	     "}\n"
	     "complete -o default -F _xensplit xensplit");
	return EXIT_OK;
}
