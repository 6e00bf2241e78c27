/* SPDX-License-Identifier: MIT */
/*
 * The control socket against clients of all kinds: slow, greedy, too many, mad, not allowed; and the file
 * that it is. The daemon behind it is made up. What it answers: test_control.c.
 */
#undef NDEBUG
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/rpc.h"
#include "tests/unit/control_client.h"

static void requests_in_pieces_and_many_at_once(void **state)
{
	char all[200 * 80] = "";
	int fd = dial();

	(void)state;
	for (const char *p = VERSION1 "\n"; *p; p++)
		say(fd, p, 1);
	assert_non_null(strstr(hear(fd), "xensplitd"));
	for (int i = 0; i < 200; i++)
		sprintf(all + strlen(all), VERSION "\n", i);
	tell(fd, all);
	for (int i = 0; i < 200; i++) {
		char want[24];
		char *line = hear(fd);

		snprintf(want, sizeof(want), "\"id\":%d,", i);
		assert_non_null(line);
		assert_non_null(strstr(line, want));
	}
	/* The last line needs no newline when the client has closed its half. */
	tell(fd, VERSION1);
	shutdown(fd, SHUT_WR);
	assert_non_null(strstr(hear(fd), "xensplitd"));
	assert_null(hear(fd));
	close(fd);
}

static void a_line_too_long_is_refused_and_the_next_is_served(void **state)
{
	static char text[300000];
	int fd = dial();
	char *line;

	(void)state;
	memset(text, 'x', sizeof(text));
	say(fd, text, sizeof(text));
	tell(fd, "\n" VERSION1 "\n");
	line = hear(fd);
	assert_non_null(line);
	assert_non_null(strstr(line, "-32005"));
	line = hear(fd);
	assert_non_null(line);
	assert_non_null(strstr(line, "xensplitd"));
	close(fd);
}

/* It asks and never reads: its requests stop being taken, the others are served. */
static void a_client_that_does_not_read_hurts_nobody(void **state)
{
	const char *request = "{\"jsonrpc\":\"2.0\",\"method\":\"rpc.methods\",\"id\":1}\n";
	int deaf = dial(), fd;
	size_t stuck = 0, sent = 0;
	struct json_object *o;

	(void)state;
	while (stuck < 50) {
		ssize_t n = send(deaf, request, strlen(request), MSG_NOSIGNAL);

		stuck = n < 0 ? stuck + 1 : 0;
		sent += n < 0 ? 0 : (size_t)n;
		assert_true(sent < 64u << 20);
		pump(8);
	}
	fd = dial();
	o = ask_on(fd, VERSION1);
	assert_non_null(o);
	json_object_put(o);
	close(fd);
	/* Once it reads, everything comes. */
	assert_non_null(strstr(hear(deaf), "rpc.methods"));
	assert_non_null(strstr(hear(deaf), "rpc.methods"));
	close(deaf);
	pump(50);
}

static void the_seventeenth_is_turned_away(void **state)
{
	int fd[XSP_CONTROL_CLIENTS], extra;
	char *line;

	(void)state;
	for (int i = 0; i < XSP_CONTROL_CLIENTS; i++) {
		fd[i] = dial();
		pump(2);
	}
	extra = dial();
	line = hear(extra);
	assert_non_null(line);
	assert_non_null(strstr(line, "-32006"));
	assert_null(hear(extra));
	close(extra);
	close(fd[3]);
	pump(4);
	extra = dial();
	json_object_put(ask_on(extra, VERSION1));
	close(extra);
	for (int i = 0; i < XSP_CONTROL_CLIENTS; i++)
		if (i != 3)
			close(fd[i]);
	pump(40);
}

/* Bytes of no sense: the socket goes on answering. The seed is printed, so a failure can be
 * repeated. */
static void garbage(void **state)
{
	static const char *const pieces[] = {"{",
					     "}",
					     "[",
					     "]",
					     "\"",
					     ":",
					     ",",
					     "\n",
					     "\\u0000",
					     "\"jsonrpc\":\"2.0\"",
					     "\"method\":",
					     "\"id\":1",
					     "\"vbd.stat\"",
					     "\"params\":",
					     "\"device\"",
					     "null",
					     "1e999",
					     "-",
					     "\xff",
					     "\xf0\x9f",
					     "\\ud800",
					     VERSION1,
					     "\"vbd/1/51712\"",
					     "true"};
	unsigned int seed = (unsigned int)getpid();

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 300; round++) {
		int fd = dial(), n = rand() % 60;
		struct json_object *o;

		for (int i = 0; i < n; i++) {
			char byte = (char)rand();
			const char *p = pieces[(size_t)rand() % (sizeof(pieces) / sizeof(*pieces))];

			if (rand() % 4)
				tell(fd, p);
			else
				say(fd, &byte, 1);
		}
		close(fd);
		pump(20);
		if (round % 20)
			continue;
		o = ask(VERSION1);
		assert_string_equal(at(o, "/result/name"), "xensplitd");
		json_object_put(o);
	}
}

/* --- the socket file ---------------------------------------------------------------------------- */

static void file_mode_and_removal(void **state)
{
	struct stat st;

	(void)state;
	config.socket_gid = getgid();
	assert_int_equal(xsp_control_open(NULL, &config, &ctl), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	xsp_control_close(ctl);
	assert_int_equal(lstat(path, &st), -1);
	config.socket_gid = (gid_t)-1;
	assert_int_equal(xsp_control_open(NULL, &config, &ctl), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Another's file at the same path is not ours to remove. */
	unlink(path);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	xsp_control_close(ctl);
	ctl = NULL;
	assert_int_equal(lstat(path, &st), 0);
	/* And no socket there is an error, not something to delete. */
	assert_int_equal(xsp_control_open(NULL, &config, &ctl), -EEXIST);
	assert_null(ctl);
	assert_int_equal(unlink(path), 0);
}

static void stale_file_is_replaced_live_one_is_not(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct xsp_control *second = NULL;
	int fd;

	(void)state;
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd); /* as a killed daemon leaves it */
	assert_int_equal(xsp_control_open(NULL, &config, &ctl), 0);
	assert_int_equal(xsp_control_open(NULL, &config, &second), -EADDRINUSE);
	assert_null(second);
	json_object_put(ask(VERSION1)); /* the first goes on */
	xsp_control_close(ctl);
	ctl = NULL;
}

static void strangers_are_denied(void **state)
{
	char *line;
	int fd, status, to[2];
	pid_t child;

	(void)state;
	if (geteuid()) {
		skip();
		return;
	}
	assert_int_equal(chmod(path, 0666), 0); /* let it connect, so that the credentials decide */
	assert_int_equal(pipe(to), 0);
	child = fork();
	if (!child) {
		char reply[512];
		ssize_t n = 0;

		if (setresuid(65534, 65534, 65534))
			_exit(1);
		fd = dial();
		for (int i = 0; i < 2000 && (n = read(fd, reply, sizeof(reply))) < 0; i++)
			usleep(1000);
		_exit(write(to[1], reply, (size_t)(n > 0 ? n : 0)) != n);
	}
	for (int i = 0; i < 2000 && !waitpid(child, &status, WNOHANG); i++) {
		usleep(1000);
		pump(4);
	}
	assert_int_equal(status, 0);
	line = calloc(1, 600);
	assert_true(read(to[0], line, 599) > 0);
	assert_non_null(strstr(line, "-32001"));
	assert_non_null(strstr(line, "denied"));
	free(line);
	close(to[0]);
	close(to[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_in_pieces_and_many_at_once, up, down),
		cmocka_unit_test_setup_teardown(a_line_too_long_is_refused_and_the_next_is_served,
						up, down),
		cmocka_unit_test_setup_teardown(a_client_that_does_not_read_hurts_nobody, up, down),
		cmocka_unit_test_setup_teardown(the_seventeenth_is_turned_away, up, down),
		cmocka_unit_test_setup_teardown(garbage, up, down),
		cmocka_unit_test_setup_teardown(strangers_are_denied, up, down),
		cmocka_unit_test(file_mode_and_removal),
		cmocka_unit_test(stale_file_is_replaced_live_one_is_not),
	};

	return run_beside_socket(tests);
}
