/* SPDX-License-Identifier: MIT */
/* Settings of xensplitd: see config.h. */
#include "backend/config.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/suggest.h"

#define SECTION   "daemon"
#define ERR_SIZE  512
#define LINE_SIZE 190 /* libinih's buffer is 200 bytes */

/* What a setting's value may be; each kind has one parser and one printer. */
enum kind { KIND_PATH, KIND_SOCKET, KIND_GROUP, KIND_NUMBER, KIND_BOOL, KIND_LEVEL, KIND_POLLING };

struct setting {
	const char *name; /* --name and the key in the file */
	char letter;
	enum kind kind;
	size_t offset;
	unsigned int min, max;
	const char *arg, *help;
};

#define AT(field) offsetof(struct xsp_config, field)

static const struct setting settings[] = {
	{"socket", 's', KIND_SOCKET, AT(socket_path), 0, 0, "PATH",
	 "control socket (" XSP_DEFAULT_SOCKET ")"},
	{"group", 'g', KIND_GROUP, AT(group), 0, 0, "NAME",
	 "members may use the control socket besides root; 'none': nobody (xen, if it exists)"},
	{"pid-file", 'p', KIND_PATH, AT(pid_file), 0, 0, "FILE",
	 "write the process id there (none)"},
	{"metrics-file", 0, KIND_PATH, AT(metrics_file), 0, 0, "FILE",
	 "write all counters there every 10 s, as OpenMetrics text (none)"},
	{"workers", 'w', KIND_NUMBER, AT(workers), 1, 64, "N",
	 "data threads, 1 to 64 (online CPUs, at most 4)"},
	{"polling", 0, KIND_POLLING, AT(polling.mode), 0, 0, "MODE",
	 "how workers wait: event, adaptive, always; auto: adaptive with more CPUs than workers + 1"},
	{"polling-duration", 0, KIND_NUMBER, AT(polling.duration_us), 1, XSP_POLL_MAX_US, "US",
	 "adaptive: look at the rings for so long after the last work (50)"},
	{"polling-idle", 0, KIND_NUMBER, AT(polling.idle_percent), 0, 100, "PERCENT",
	 "adaptive: don't, while more than this share of the time is idle (90)"},
	{"bounce-mib", 0, KIND_NUMBER, AT(bounce_mib), 1, 4096, "N",
	 "memory of each worker for data on its way, in MiB (32)"},
	{"window-kib", 0, KIND_NUMBER, AT(window_kib), 8, 4194303, "N",
	 "in flight in each worker at most, 4 KiB and its data each; the rest waits (16384)"},
	{"drain-seconds", 0, KIND_NUMBER, AT(drain_seconds), 0, 3600, "N",
	 "on SIGTERM, how long to wait for requests in flight (30)"},
	{"persistent", 0, KIND_BOOL, AT(persistent), 0, 0, "yes|no",
	 "keep the pages of guests that reuse their grants mapped"},
	{"max-indirect", 0, KIND_NUMBER, AT(max_indirect), 0, 256, "N",
	 "segments of an indirect request; 0: offer none"},
	{"direct", 0, KIND_BOOL, AT(direct), 0, 0, "yes|no",
	 "file: targets bypass the page cache (no)"},
	{"log", 'l', KIND_LEVEL, AT(log_level), 0, 0, "LEVEL", "err, warn, info or debug (info)"},
	{"timestamps", 0, KIND_BOOL, AT(timestamps), 0, 0, "yes|no",
	 "time in front of each log line (yes, no under a journal)"},
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static const char *const level_words[] = {"err", "warn", "info", "debug"};

/* --- one value ------------------------------------------------------------------------------- */

static int __attribute__((format(printf, 2, 3))) wrong(char *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, ERR_SIZE, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int set_string(char **to, const char *value)
{
	char *copy = value ? strdup(value) : NULL;

	if (value && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static int set_path(char **to, const char *value, size_t longest, char *err)
{
	if (value[0] != '/')
		return wrong(err, "'%s' is not an absolute path", value);
	if (strlen(value) > longest)
		return wrong(err, "'%s' is longer than %zu bytes", value, longest);
	return set_string(to, value);
}

static int set_group(struct xsp_config *c, const char *value, char *err)
{
	struct group *g;

	if (!strcmp(value, "none")) {
		c->socket_gid = (gid_t)-1;
		return set_string(&c->group, NULL);
	}
	g = getgrnam(value);
	if (!g)
		return wrong(err, "there is no group '%s' (addgroup --system %s)", value, value);
	c->socket_gid = g->gr_gid;
	return set_string(&c->group, value);
}

static int set_number(const struct setting *s, unsigned int *to, const char *value, char *err)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *end || value[0] < '0' || value[0] > '9' || n < s->min || n > s->max)
		return wrong(err, "'%s' is not a number from %u to %u", value, s->min, s->max);
	*to = (unsigned int)n;
	return 0;
}

static int set_bool(bool *to, const char *value, char *err)
{
	static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value, words[i]))
			continue;
		*to = i & 1;
		return 0;
	}
	return wrong(err, "'%s' is neither yes nor no", value);
}

static int set_level(enum xsp_log_level *to, const char *value, char *err)
{
	struct xsp_suggest near = xsp_suggest_start(value);

	if (!xsp_log_parse_level(value, to))
		return 0;
	for (size_t i = 0; i < sizeof(level_words) / sizeof(level_words[0]); i++)
		xsp_suggest_try(&near, level_words[i]);
	return wrong(err, "'%s' is not a level: err, warn, info or debug%s%s%s", value,
		     near.best ? " (did you mean " : "", near.best ? near.best : "",
		     near.best ? "?)" : "");
}

static int set_polling(uint32_t *to, const char *value, char *err)
{
	struct xsp_suggest near = xsp_suggest_start(value);

	if (!xsp_polling_parse(value, to))
		return 0;
	for (uint32_t i = 0; i < XSP_POLL_MODES; i++)
		xsp_suggest_try(&near, xsp_polling_name(i));
	return wrong(err, "'%s' is not a mode: auto, event, adaptive or always%s%s%s", value,
		     near.best ? " (did you mean " : "", near.best ? near.best : "",
		     near.best ? "?)" : "");
}

static int set(struct xsp_config *c, const struct setting *s, const char *value, char *err)
{
	void *at = (char *)c + s->offset;
	struct sockaddr_un addr;

	switch (s->kind) {
	case KIND_PATH:
		return set_path(at, value, PATH_MAX - 1, err);
	case KIND_SOCKET:
		return set_path(at, value, sizeof(addr.sun_path) - 1, err);
	case KIND_GROUP:
		return set_group(c, value, err);
	case KIND_NUMBER:
		return set_number(s, at, value, err);
	case KIND_BOOL:
		return set_bool(at, value, err);
	case KIND_LEVEL:
		return set_level(at, value, err);
	case KIND_POLLING:
		return set_polling(at, value, err);
	}
	return -EINVAL;
}

static void show(const struct xsp_config *c, const struct setting *s)
{
	const void *at = (const char *)c + s->offset;
	const char *text = NULL;

	switch (s->kind) {
	case KIND_PATH:
	case KIND_SOCKET:
	case KIND_GROUP:
		text = *(char *const *)at;
		if (!text && s->kind != KIND_GROUP)
			return;
		printf("%s = %s\n", s->name, text ? text : "none");
		break;
	case KIND_NUMBER:
		printf("%s = %u\n", s->name, *(const unsigned int *)at);
		break;
	case KIND_BOOL:
		printf("%s = %s\n", s->name, *(const bool *)at ? "yes" : "no");
		break;
	case KIND_LEVEL:
		printf("%s = %s\n", s->name, level_words[*(const enum xsp_log_level *)at]);
		break;
	case KIND_POLLING:
		printf("%s = %s\n", s->name, xsp_polling_name(*(const uint32_t *)at));
		break;
	}
}

static int defaults(struct xsp_config *c)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char err[ERR_SIZE];

	*c = (struct xsp_config){
		.socket_gid = (gid_t)-1,
		.workers = cpus < 1   ? 1
			   : cpus > 4 ? 4
				      : (unsigned int)cpus,
		.bounce_mib = 32,
		.window_kib = 16384,
		.polling = { XSP_POLL_AUTO, 50, 90 },
		.persistent = true,
		.max_indirect = 256,
		.drain_seconds = 30,
		.log_level = XSP_LOG_INFO,
		.timestamps = !getenv("JOURNAL_STREAM"),
	};
	if (set_group(c, "xen", err) == -ENOMEM) /* absent: root only */
		return -ENOMEM;
	return set_string(&c->socket_path, XSP_DEFAULT_SOCKET);
}

/* --- the file -------------------------------------------------------------------------------- */

struct reader {
	struct xsp_config *c;
	FILE *file;
	const char *path;
	unsigned int line;
	bool seen[SETTINGS];
	char err[ERR_SIZE]; /* the first mistake, with file and line; empty when none */
};

static void __attribute__((format(printf, 2, 3))) mistake(struct reader *r, const char *fmt, ...)
{
	va_list args;
	int n;

	if (r->err[0])
		return;
	n = snprintf(r->err, sizeof(r->err), "%.200s:%u: ", r->path, r->line);
	va_start(args, fmt);
	vsnprintf(r->err + n, sizeof(r->err) - (size_t)n, fmt, args);
	va_end(args);
}

/* libinih is built without line numbers, so they are counted here. */
static char *next_line(char *str, int size, void *stream)
{
	struct reader *r = stream;
	char *got = fgets(str, size, r->file);

	if (!got)
		return NULL;
	r->line++;
	if (strlen(got) >= LINE_SIZE) {
		mistake(r, "the line is longer than %d bytes", LINE_SIZE);
		return NULL;
	}
	/* libinih goes on after such a line and would blame the next one. */
	if (got[strspn(got, " \t")] == '[' && !strchr(got, ']'))
		mistake(r, "the ] of the section's name is missing");
	return got;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;
	struct xsp_suggest near = xsp_suggest_start(name);
	char err[ERR_SIZE] = "out of memory";

	if (strcmp(section, SECTION)) {
		if (!section[0])
			mistake(r, "'%s' stands before a section; put [" SECTION "] above it",
				name);
		else
			mistake(r, "there is no section [%s]; the only one is [" SECTION "]",
				section);
		return 0;
	}
	for (size_t i = 0; i < SETTINGS; i++) {
		xsp_suggest_try(&near, settings[i].name);
		if (strcmp(name, settings[i].name))
			continue;
		if (r->seen[i])
			mistake(r, "'%s' is given twice", name);
		else if (set(r->c, &settings[i], value, err))
			mistake(r, "%s: %s", name, err);
		r->seen[i] = true;
		return !r->err[0];
	}
	if (near.best)
		mistake(r, "there is no setting '%s' (did you mean %s?)", name, near.best);
	else
		mistake(r, "there is no setting '%s' (xensplitd --help lists them)", name);
	return 0;
}

/* Returns 0, or -errno with the message in err. A file nobody named may be absent. */
static int load(struct xsp_config *c, const char *path, bool named, char *err)
{
	struct reader r = {.c = c, .path = path};
	int rc;

	r.file = fopen(path, "re");
	if (!r.file) {
		if (errno == ENOENT && !named)
			return 0;
		return wrong(err, "%s: %s", path, strerror(errno));
	}
	rc = ini_parse_stream(next_line, &r, on_key, &r);
	fclose(r.file);
	if (rc && !r.err[0]) {
		r.line = rc > 0 ? (unsigned int)rc : r.line;
		mistake(&r, "this is neither a [section], nor 'name = value', nor a # comment");
	}
	if (r.err[0])
		return wrong(err, "%s", r.err);
	return set_string(&c->config_path, path);
}

/* --- the command line ------------------------------------------------------------------------ */

static void help(void)
{
	puts("xensplitd: Xen backend in userspace: serves the disks and network interfaces of many guests\n"
	     "\n"
	     "usage: xensplitd [OPTION]...\n"
	     "\n"
	     "It runs in the foreground and logs to stderr. SIGTERM drains and leaves the guests'\n"
	     "devices connected: the next xensplitd takes them over and guests see only a pause.\n"
	     "\n"
	     "  -c, --config=FILE          read this file (" XSP_DEFAULT_CONFIG ", if there)");
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		char left[64];

		snprintf(left, sizeof(left), "%s--%s=%s", s->letter ? "" : "    ", s->name, s->arg);
		if (s->letter)
			printf("  -%c, %-22s %s\n", s->letter, left, s->help);
		else
			printf("  %-26s %s\n", left, s->help);
	}
	puts("      --check                check file and options, print the settings, exit\n"
	     "  -h, --help                 this text\n"
	     "  -V, --version              the version\n"
	     "\n"
	     "The long options without dashes are the file's keys, below [" SECTION "]:\n"
	     "\n"
	     "  [" SECTION "]\n"
	     "  workers = 2\n"
	     "  group = disk\n"
	     "\n"
	     "examples:\n"
	     "  xensplitd                          serve, settings from " XSP_DEFAULT_CONFIG "\n"
	     "  xensplitd --workers 2 --log debug  override two of them\n"
	     "  xensplitd --config my.conf --check is my.conf right?\n"
	     "\n"
	     "Exit: 0 after a drained stop, 1 when it could not serve, 2 for a wrong option or "
	     "file.\n"
	     "See also: xensplit doctor (what is missing on this machine), xensplitd.conf(5)");
}

struct command_line {
	const char *value[SETTINGS]; /* NULL: not given */
	const char *config;
	bool check;
};

enum { OPT_CONFIG = 256, OPT_CHECK, OPT_HELP, OPT_VERSION, OPT_SETTING };

static int bad_option(const char *arg)
{
	struct xsp_suggest near;
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
	near = xsp_suggest_start(word);
	for (size_t i = 0; i < SETTINGS; i++)
		xsp_suggest_try(&near, settings[i].name);
	xsp_suggest_try(&near, "config");
	xsp_suggest_try(&near, "check");
	xsp_suggest_try(&near, "help");
	xsp_suggest_try(&near, "version");
	fprintf(stderr, "xensplitd: there is no option --%s%s%s%s; try xensplitd --help\n", word,
		near.best ? " (did you mean --" : "", near.best ? near.best : "",
		near.best ? "?)" : "");
	return 2;
}

static int read_options(struct command_line *cl, int argc, char **argv)
{
	struct option longs[SETTINGS + 5] = {
		{"config", required_argument, NULL, OPT_CONFIG},
		{"check", no_argument, NULL, OPT_CHECK},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
	};
	char letters[2 * SETTINGS + 8] = ":c:hV";
	int opt;

	for (size_t i = 0; i < SETTINGS; i++) {
		longs[4 + i] = (struct option){settings[i].name, required_argument, NULL,
					       OPT_SETTING + (int)i};
		if (settings[i].letter)
			strcat(letters, (char[]){settings[i].letter, ':', 0});
	}
	optind = 0; /* glibc: start afresh, the unit test parses many times */
	while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (opt == 'c' || opt == OPT_CONFIG) {
			cl->config = optarg;
		} else if (opt == OPT_CHECK) {
			cl->check = true;
		} else if (opt == 'h' || opt == OPT_HELP) {
			return help(), 0;
		} else if (opt == 'V' || opt == OPT_VERSION) {
			return puts("xensplitd " XSP_VERSION), 0;
		} else if (opt == ':') {
			fprintf(stderr, "xensplitd: %s wants a value; try xensplitd --help\n",
				argv[optind - 1]);
			return 2;
		} else if (opt == '?' && (!optopt || optopt >= OPT_CONFIG)) {
			return bad_option(argv[optind - 1]);
		} else if (opt == '?') {
			fprintf(stderr, "xensplitd: there is no option -%c; try xensplitd --help\n",
				optopt);
			return 2;
		} else {
			for (size_t i = 0; i < SETTINGS; i++)
				if (opt == OPT_SETTING + (int)i || opt == settings[i].letter)
					cl->value[i] = optarg;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "xensplitd: '%s' is not an option; try xensplitd --help\n",
			argv[optind]);
		return 2;
	}
	return -1;
}

int xsp_config_parse(struct xsp_config *c, int argc, char **argv)
{
	struct command_line cl = {.check = false};
	char err[ERR_SIZE] = "out of memory";
	int rc;

	memset(c, 0, sizeof(*c));
	rc = read_options(&cl, argc, argv);
	if (rc >= 0)
		return rc;
	if (defaults(c) || load(c, cl.config ? cl.config : XSP_DEFAULT_CONFIG, cl.config, err)) {
		fprintf(stderr, "xensplitd: %s\n", err);
		return 2;
	}
	for (size_t i = 0; i < SETTINGS; i++) {
		if (!cl.value[i] || !set(c, &settings[i], cl.value[i], err))
			continue;
		fprintf(stderr, "xensplitd: --%s: %s\n", settings[i].name, err);
		return 2;
	}
	if (!cl.check)
		return -1;
	printf("# %s is right; the settings are:\n[" SECTION "]\n",
	       c->config_path ? c->config_path : "the command line");
	for (size_t i = 0; i < SETTINGS; i++)
		show(c, &settings[i]);
	return 0;
}

void xsp_config_free(struct xsp_config *c)
{
	free(c->config_path);
	free(c->socket_path);
	free(c->pid_file);
	free(c->metrics_file);
	free(c->group);
	memset(c, 0, sizeof(*c));
}
