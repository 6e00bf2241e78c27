/* SPDX-License-Identifier: MIT */
/* The command line of `xensplit lab`. */
#include "tools/lab/lab.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAB_MAX_DOMID 255

static const char help[] =
	"Usage: xensplit lab COMMAND [OPTIONS]\n"
	"An embedded Xen for any Linux machine: processes are the domains. No root, no "
	"hypervisor.\n"
	"\n"
	"Commands:\n"
	"  up [--guests N] [--no-daemon]    start the lab: Dom0 with xenstored and xensplitd, N "
	"guests (3)\n"
	"  run DOMID [--name NAME] -- CMD.. run CMD as a process of a domain (0 is Dom0; a guest "
	"that is\n"
	"                                   not there is created); exits as CMD does. Each guest has "
	"a\n"
	"                                   network of its own; --dom0-net: use Dom0's\n"
	"  shell DOMID                      a shell in a domain\n"
	"  create DOMID [--name NAME]       a guest without a process yet\n"
	"  destroy DOMID                    end a guest, as `xl destroy` does\n"
	"  status [--json]                  what is there\n"
	"  down                             end everything, leave nothing\n"
	"\n"
	"Options:\n"
	"  --dir DIR    the lab's directory (default $XENSPLIT_LAB, else a directory of yours\n"
	"               in $XDG_RUNTIME_DIR or /tmp)\n"
	"\n"
	"Examples:\n"
	"  xensplit lab up --guests 2\n"
	"  xensplit lab run 0 -- xenstore-ls -f /local/domain\n"
	"  xensplit lab run 1 -- xenstore-read name\n"
	"  xensplit lab shell 1\n"
	"  xensplit lab down\n"
	"\n"
	"Exit codes: 0 well, 1 not, 2 wrong usage; run: the command's own, 125 if the lab is at "
	"fault.\n";

void lab_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("xensplit lab: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static int usage(const char *what)
{
	lab_error("%s; see: xensplit lab --help", what);
	return LAB_EXIT_USAGE;
}

/* The lab's directory, absolute. */
static int default_dir(struct lab_options *o, const char *arg)
{
	const char *env = getenv("XENSPLIT_LAB"), *run = getenv("XDG_RUNTIME_DIR");
	char text[4096];
	int n;

	if (!arg && env && *env)
		arg = env;
	if (!arg)
		n = snprintf(text, sizeof(text), "%s/xensplit-lab-%u",
			     run && *run && access(run, W_OK) == 0 ? run : "/tmp", geteuid());
	else if (arg[0] == '/')
		n = snprintf(text, sizeof(text), "%s", arg);
	else {
		char *cwd = getcwd(NULL, 0);

		n = snprintf(text, sizeof(text), "%s/%s", cwd ? cwd : "", arg);
		free(cwd);
	}
	while (n > 1 && text[n - 1] == '/')
		text[--n] = '\0';
	if (n >= 90) { /* "/xensplitd.sock" must fit into sun_path */
		lab_error("%s: too long for the names of sockets in it (90 characters at most)",
			  text);
		return -1;
	}
	memcpy(o->dir, text, (size_t)n + 1);
	return 0;
}

static int number(const char *text, unsigned int max, unsigned int *ret)
{
	char *end;
	unsigned long n;

	if (!text || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	n = strtoul(text, &end, 10);
	if (*end || n > max)
		return -EINVAL;
	*ret = (unsigned int)n;
	return 0;
}

static int create_or_destroy(const struct lab_options *o, enum lab_op op, unsigned int dom)
{
	struct lab_msg m = {.op = op, .arg = {dom}};
	int hub = lab_hub_open(o->dir), r;

	if (hub < 0) {
		lab_error("no lab is up in %s; start one with: xensplit lab up", o->dir);
		return LAB_EXIT_FAIL;
	}
	if (op == LAB_CREATE && o->name)
		m.len = (uint32_t)strlen(o->name);
	r = lab_hub_call(hub, &m, o->name, NULL, 0, NULL);
	close(hub);
	if (r < 0) {
		lab_error("domain %u: %s", dom,
			  r == -ESRCH   ? "not there"
			  : r == -EBUSY ? "still dying, some process has its pages mapped"
					: strerror(-r));
		return LAB_EXIT_FAIL;
	}
	if (op == LAB_CREATE)
		printf("lab: domain %u %s\n", dom, r ? "created" : "is there already");
	else
		printf("lab: domain %u destroyed\n", dom);
	return LAB_EXIT_OK;
}

static int shell(const struct lab_options *o, unsigned int dom)
{
	const char *sh = getenv("SHELL");
	char path[256], where[16], *argv[2] = {path, NULL};

	snprintf(path, sizeof(path), "%s", sh && *sh ? sh : "/bin/sh");
	/* Debian's prompt shows it in front */
	snprintf(where, sizeof(where), dom ? "guest %u" : "Dom%u", dom);
	setenv("debian_chroot", where, 1);
	return lab_run(o, dom, argv);
}

static int with_domain(const struct lab_options *o, const char *cmd, int argc, char **argv)
{
	unsigned int dom;

	if (argc < 1 || number(argv[0], LAB_MAX_DOMID, &dom))
		return usage("a domid (0 to 255) is missing");
	if (!strcmp(cmd, "run"))
		return argc < 2 ? usage("a command is missing: run DOMID -- CMD")
				: lab_run(o, dom, argv + 1);
	if (argc > 1)
		return usage("too many words");
	if (!strcmp(cmd, "shell"))
		return shell(o, dom);
	if (dom == 0)
		return usage("domain 0 is always there");
	return create_or_destroy(o, strcmp(cmd, "create") ? LAB_DESTROY : LAB_CREATE, dom);
}

/* Options may stand before or after the domid; what follows "--" or the command's name is CMD's. */
static int options(struct lab_options *o, int argc, char **argv, bool run, char **words,
		   int *nwords)
{
	const char *dir = NULL;
	int i;

	*nwords = 0;
	for (i = 1; i < argc; i++) {
		const char *a = argv[i];

		if (!strcmp(a, "--help") || !strcmp(a, "-h")) {
			fputs(help, stdout);
			exit(LAB_EXIT_OK);
		}
		if (!strcmp(a, "--")) {
			i++;
			break;
		}
		if (a[0] != '-') {
			if (run && *nwords == 1)
				break;
			words[(*nwords)++] = argv[i];
		} else if (!strcmp(a, "--no-daemon")) {
			o->no_daemon = true;
		} else if (!strcmp(a, "--dom0-net")) {
			o->dom0_net = true;
		} else if (!strcmp(a, "--json")) {
			o->json = true;
		} else if (i + 1 < argc && !strcmp(a, "--dir")) {
			dir = argv[++i];
		} else if (i + 1 < argc && !strcmp(a, "--name")) {
			o->name = argv[++i];
		} else if (i + 1 < argc && !strcmp(a, "--guests")) {
			if (number(argv[++i], LAB_MAX_DOMID, &o->guests))
				return usage("--guests takes a number from 0 to 255");
		} else {
			return usage("unknown option, or its value is missing");
		}
	}
	while (i < argc)
		words[(*nwords)++] = argv[i++];
	return default_dir(o, dir) ? LAB_EXIT_USAGE : 0;
}

int xsp_lab_main(int argc, char **argv)
{
	static const char *const known[] = {"up",    "down",   "status", "run",
					    "shell", "create", "destroy"};
	struct lab_options o = {.guests = 3};
	const char *cmd = argc > 1 ? argv[1] : "--help", *name;
	int nwords, r, i;
	char **words;

	if (!strcmp(cmd, "--help") || !strcmp(cmd, "-h") || !strcmp(cmd, "help")) {
		fputs(help, stdout);
		return argc > 1 ? LAB_EXIT_OK : LAB_EXIT_USAGE;
	}
	for (i = 0; i < 7 && strcmp(cmd, known[i]); i++)
		;
	if (i == 7)
		return usage("unknown command");
	words = calloc((size_t)argc + 1, sizeof(*words));
	if (!words)
		return LAB_EXIT_FAIL;
	r = options(&o, argc - 1, argv + 1, !strcmp(cmd, "run"), words, &nwords);
	for (name = o.name; !r && name && *name; name++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			    *name))
			r = usage("--name takes letters, digits, '-', '_', '.'");
	if (!r && o.name && strlen(o.name) > 40)
		r = usage("--name takes 40 characters at most");
	if (r)
		;
	else if (i >= 3)
		r = with_domain(&o, cmd, nwords, words);
	else if (nwords)
		r = usage("too many words");
	else
		r = i == 0 ? lab_up(&o) : i == 1 ? lab_down(&o) : lab_status(&o);
	free(words);
	return r;
}
