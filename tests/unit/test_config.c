/* SPDX-License-Identifier: MIT */
/* Settings of xensplitd: what wins, and what is said about mistakes. */
#undef NDEBUG
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/config.h"
#include "common/suggest.h"

static char file[64], out[16384], err[4096];

static int capture(int fd, FILE *to)
{
	int saved = dup(fd);

	fflush(NULL);
	dup2(fileno(to), fd);
	return saved;
}

static void release(int fd, int saved, FILE *from, char *text, size_t size)
{
	size_t n;

	fflush(NULL);
	dup2(saved, fd);
	close(saved);
	rewind(from);
	n = fread(text, 1, size - 1, from);
	text[n] = 0;
	fclose(from);
}

/* The words after the program's name, ended by NULL; stdout and stderr go to out and err. */
static int parse(struct xsp_config *c, ...)
{
	char *argv[16] = {(char[]){"xensplitd"}};
	FILE *o = tmpfile(), *e = tmpfile();
	int argc = 1, rc, so, se;
	va_list args;

	va_start(args, c);
	while ((argv[argc] = va_arg(args, char *)))
		argc++;
	va_end(args);
	so = capture(STDOUT_FILENO, o);
	se = capture(STDERR_FILENO, e);
	rc = xsp_config_parse(c, argc, argv);
	release(STDERR_FILENO, se, e, err, sizeof(err));
	release(STDOUT_FILENO, so, o, out, sizeof(out));
	return rc;
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void defaults_when_nothing_is_given(void **state)
{
	struct xsp_config c;

	(void)state;
	write_file("");
	assert_int_equal(parse(&c, "-c", file, NULL), -1);
	assert_string_equal(c.socket_path, XSP_DEFAULT_SOCKET);
	assert_string_equal(c.config_path, file);
	assert_true(c.workers >= 1 && c.workers <= 4);
	assert_int_equal(c.bounce_mib, 32);
	assert_int_equal(c.drain_seconds, 30);
	assert_int_equal(c.log_level, XSP_LOG_INFO);
	assert_false(c.direct);
	assert_null(c.pid_file);
	xsp_config_free(&c);
}

static void file_sets_everything(void **state)
{
	struct xsp_config c;

	(void)state;
	write_file("# a comment\n; another\n[daemon]\nsocket = /tmp/x.sock ; aside\nworkers=7\n"
		   "bounce-mib = 64\ndrain-seconds = 0\ndirect = yes\nlog = debug\n"
		   "timestamps = no\npid-file = /tmp/x.pid\ngroup = root\n");
	assert_int_equal(parse(&c, "--config", file, NULL), -1);
	assert_string_equal(c.socket_path, "/tmp/x.sock");
	assert_string_equal(c.pid_file, "/tmp/x.pid");
	assert_string_equal(c.group, "root");
	assert_int_equal(c.socket_gid, 0);
	assert_int_equal(c.workers, 7);
	assert_int_equal(c.bounce_mib, 64);
	assert_int_equal(c.drain_seconds, 0);
	assert_int_equal(c.log_level, XSP_LOG_DEBUG);
	assert_true(c.direct);
	assert_false(c.timestamps);
	xsp_config_free(&c);
}

static void command_line_wins(void **state)
{
	struct xsp_config c;

	(void)state;
	write_file("[daemon]\nworkers = 7\nlog = debug\ngroup = root\n");
	assert_int_equal(
		parse(&c, "-w", "3", "--config", file, "--log=err", "--group", "none", NULL), -1);
	assert_int_equal(c.workers, 3);
	assert_int_equal(c.log_level, XSP_LOG_ERR);
	assert_null(c.group);
	assert_int_equal(c.socket_gid, (gid_t)-1);
	xsp_config_free(&c);
}

/* Each mistake: exit 2, one line, the file and line in it, and what to do. */
static void mistakes_in_the_file(void **state)
{
	static const struct {
		const char *text, *line, *say;
	} cases[] = {
		{"[daemon]\nworker = 2\n", ":2: ", "no setting 'worker' (did you mean workers?)"},
		{"[daemon]\n\nfrobnicate = 2\n", ":3: ", "xensplitd --help lists them"},
		{"[demon]\nworkers = 2\n", ":2: ", "no section [demon]; the only one is [daemon]"},
		{"workers = 2\n", ":1: ", "'workers' stands before a section"},
		{"[daemon]\nworkers = two\n", ":2: ", "'two' is not a number from 1 to 64"},
		{"[daemon]\nworkers = 65\n", ":2: ", "not a number from 1 to 64"},
		{"[daemon]\nworkers = -1\n", ":2: ", "not a number from 1 to 64"},
		{"[daemon]\nworkers =\n", ":2: ", "'' is not a number from 1 to 64"},
		{"[daemon]\nworkers = 99999999999999999999\n", ":2: ", "not a number"},
		{"[daemon]\ndirect = maybe\n", ":2: ", "'maybe' is neither yes nor no"},
		{"[daemon]\nlog = wran\n", ":2: ", "did you mean warn?"},
		{"[daemon]\nsocket = x.sock\n", ":2: ", "'x.sock' is not an absolute path"},
		{"[daemon]\ngroup = no-such-group\n", ":2: ", "there is no group 'no-such-group'"},
		{"[daemon]\nlog = info\nlog = err\n", ":3: ", "'log' is given twice"},
		{"[daemon]\nnonsense\n", ":2: ", "neither a [section]"},
		{"[daemon\nlog = info\n", ":1: ", "the ] of the section's name is missing"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xsp_config c;

		write_file(cases[i].text);
		assert_int_equal(parse(&c, "--config", file, NULL), 2);
		assert_non_null(strstr(err, file));
		if (!strstr(err, cases[i].line) || !strstr(err, cases[i].say))
			fail_msg("case %zu says: %s", i, err);
		assert_ptr_equal(strchr(err, '\n'), err + strlen(err) - 1);
		assert_string_equal(out, "");
		xsp_config_free(&c);
	}
}

static void long_lines_and_paths_are_refused(void **state)
{
	char text[400] = "[daemon]\nsocket = /";
	struct xsp_config c;

	(void)state;
	memset(text + strlen(text), 'a', 110);
	write_file(text);
	assert_int_equal(parse(&c, "--config", file, NULL), 2);
	assert_non_null(strstr(err, "longer than 107 bytes"));
	xsp_config_free(&c);
	memset(text + strlen(text), 'a', 200);
	write_file(text);
	assert_int_equal(parse(&c, "--config", file, NULL), 2);
	assert_non_null(strstr(err, ":2: the line is longer"));
	xsp_config_free(&c);
}

static void mistakes_on_the_command_line(void **state)
{
	struct xsp_config c;

	(void)state;
	write_file("");
	assert_int_equal(parse(&c, "--worker-s", "2", NULL), 2);
	assert_non_null(strstr(err, "no option --worker-s (did you mean --workers?)"));
	assert_int_equal(parse(&c, "-x", NULL), 2);
	assert_non_null(strstr(err, "no option -x"));
	assert_int_equal(parse(&c, "--log", NULL), 2);
	assert_non_null(strstr(err, "--log wants a value"));
	assert_int_equal(parse(&c, "-c", file, "--log", "loud", NULL), 2);
	assert_non_null(strstr(err, "--log: 'loud' is not a level"));
	xsp_config_free(&c);
	assert_int_equal(parse(&c, "extra", NULL), 2);
	assert_non_null(strstr(err, "'extra' is not an option"));
	assert_int_equal(parse(&c, "--config", "/nowhere/x.conf", NULL), 2);
	assert_non_null(strstr(err, "/nowhere/x.conf: No such file or directory"));
	xsp_config_free(&c);
}

static void help_version_and_check_go_to_stdout(void **state)
{
	struct xsp_config c;

	(void)state;
	assert_int_equal(parse(&c, "--help", NULL), 0);
	assert_non_null(strstr(out, "examples:"));
	assert_non_null(strstr(out, "--drain-seconds"));
	assert_string_equal(err, "");
	assert_int_equal(parse(&c, "-V", NULL), 0);
	assert_non_null(strstr(out, "xensplitd " XSP_VERSION));
	write_file("[daemon]\nworkers = 2\n");
	assert_int_equal(parse(&c, "--config", file, "--check", "--group=none", NULL), 0);
	assert_non_null(strstr(out, "workers = 2\n"));
	assert_non_null(strstr(out, "group = none\n"));
	assert_non_null(strstr(out, "log = info\n"));
	/* What --check prints is a valid file again. */
	xsp_config_free(&c);
	write_file(out);
	assert_int_equal(parse(&c, "--config", file, NULL), -1);
	assert_int_equal(c.workers, 2);
	xsp_config_free(&c);
}

static void suggestions(void **state)
{
	static const char *const known[] = {"attach", "detach", "list", "log", "stat"};
	static const char *const cases[][2] = {
		{"atach", "attach"}, {"dettach", "detach"}, {"lsit", "list"}, {"stats", "stat"},
		{"att", "attach"},   {"lgo", "log"},        {"frob", NULL},   {"", NULL},
		{"xxxxxxxx", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xsp_suggest s = xsp_suggest_start(cases[i][0]);

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			xsp_suggest_try(&s, known[k]);
		if (!cases[i][1])
			assert_null(s.best);
		else if (!s.best || strcmp(s.best, cases[i][1]))
			fail_msg("%s: %s", cases[i][0], s.best ? s.best : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_when_nothing_is_given),
		cmocka_unit_test(file_sets_everything),
		cmocka_unit_test(command_line_wins),
		cmocka_unit_test(mistakes_in_the_file),
		cmocka_unit_test(long_lines_and_paths_are_refused),
		cmocka_unit_test(mistakes_on_the_command_line),
		cmocka_unit_test(help_version_and_check_go_to_stdout),
		cmocka_unit_test(suggestions),
	};
	int fd, rc;

	snprintf(file, sizeof(file), "%s/xsp-config-XXXXXX", getenv("T") ? "." : "/tmp");
	if (getenv("T") && chdir(getenv("T")))
		return 1;
	fd = mkstemp(file);
	if (fd < 0)
		return 1;
	close(fd);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	return rc;
}
