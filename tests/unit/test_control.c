/* SPDX-License-Identifier: MIT */
/* The control socket against clients of all kinds; the daemon behind it is made up here. */
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
#include <json-c/json.h>

#include "backend/config.h"
#include "backend/control.h"
#include "backend/inspect.h"
#include "backend/rpc.h"
#include "backend/resize.h"
#include "backend/steer.h"
#include "tests/made_up.h"

static char path[64];
static struct xsp_config config = {.socket_path = path, .socket_gid = (gid_t)-1, .workers = 2};
static struct xsp_control *ctl;

/* --- a client ----------------------------------------------------------------------------------
 */

static int dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void pump(int times)
{
	struct pollfd p = {.fd = xsp_control_fd(ctl), .events = POLLIN};

	while (times-- && poll(&p, 1, 0) > 0)
		xsp_control_run(ctl);
}

static void say(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return; /* it hung up on us: the caller sees that */
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
		pump(8);
	}
}

static void tell(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* One line of answer, or NULL after a hang-up or a while of silence. */
static char *hear(int fd)
{
	static char line[1 << 20];
	size_t len = 0;

	for (int tries = 0; tries < 2000 && len < sizeof(line) - 1; tries++) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (!n)
			return NULL;
		if (n == 1 && line[len++] == '\n') {
			line[len] = 0;
			return line;
		}
		if (n < 0)
			pump(8);
		else
			tries = 0;
	}
	return NULL;
}

static struct json_object *ask_on(int fd, const char *request)
{
	struct json_object *o;
	char *line;

	tell(fd, request);
	tell(fd, "\n");
	line = hear(fd);
	if (!line)
		return NULL;
	o = json_tokener_parse(line);
	assert_non_null(o);
	return o;
}

static struct json_object *ask(const char *request)
{
	int fd = dial();
	struct json_object *o = ask_on(fd, request);

	close(fd);
	pump(4);
	return o;
}

/* The value at a JSON pointer, as text. */
static const char *at(struct json_object *o, const char *pointer)
{
	struct json_object *v = NULL;

	if (json_pointer_get(o, pointer, &v))
		return "(absent)";
	return v ? json_object_get_string(v) : "null";
}

static int up(void **state)
{
	(void)state;
	return xsp_control_open(NULL, &config, &ctl);
}

static int down(void **state)
{
	(void)state;
	xsp_control_close(ctl);
	ctl = NULL;
	return 0;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static void methods_answer(void **state)
{
	static const struct {
		const char *request, *pointer, *value;
	} cases[] = {
		{"'daemon.version','id':'x'", "/result/name", "xensplitd"},
		{"'daemon.version','id':'x'", "/id", "x"},
		{"'daemon.version','params':{},'id':7.5", "/id", "7.5"},
		{"'daemon.version','params':[],'id':null", "/id", "null"},
		{"'daemon.status','id':1", "/result/vbds", "2"},
		{"'daemon.status','id':1", "/result/counters/rd_req", "21"},
		{"'rpc.methods','id':1", "/result/0/name", "rpc.methods"},
		{"'vbd.list','id':1", "/result/0/device", "vbd/1/51712"},
		{"'vbd.list','id':1", "/result/0/target", "file:/tmp/?\"x\n.img"},
		{"'vbd.list','id':1", "/result/1/vdev", "xvda"},
		{"'vbd.list','id':1", "/result/1/state_name", "Connected"},
		{"'vbd.show','params':{'device':'vbd/2/51712'},'id':1", "/result/protocol",
		 "x86_64-abi"},
		{"'vbd.stat','id':1", "/result/vbds/1/counters/rd_req", "11"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/count", "100"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/p99_ns", "3328"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/p999_ns", "18432"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/mean_ns", "1000"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/buckets/1/1", "1"},
		{"'vbd.stat','params':{'buckets':false},'id':1",
		 "/result/vbds/0/latency/read/buckets", "(absent)"},
		{"'vbd.stat','params':{'device':'vbd/2/51712'},'id':1", "/result/vbds/0/domid",
		 "2"},
		{"'vbd.ring','params':{'device':'vbd/1/51712'},'id':1", "/result/req_prod", "7"},
		{"'vbd.ring','params':{'device':'vbd/1/51712'},'id':1", "/result/in_flight/0/id",
		 "18446744073709551615"},
		{"'vbd.ring','params':{'device':'vbd/1/51712'},'id':1",
		 "/result/in_flight/0/segments/10/gref", "0"},
		{"'vbd.ring','params':{'device':'vbd/1/51712'},'id':1",
		 "/result/in_flight/0/segments/11", "(absent)"},
		{"'log.set','params':{'level':'debug'},'id':1", "/result/was", "info"},
		{"'log.get','id':1", "/result/level", "debug"},
		{"'log.set','params':{'level':'info'},'id':1", "/result/level", "info"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char request[256] = "{'jsonrpc':'2.0','method':";
		struct json_object *o;

		strcat(strcat(request, cases[i].request), "}");
		for (char *p = request; *p; p++)
			if (*p == '\'')
				*p = '"';
		o = ask(request);
		if (strcmp(at(o, cases[i].pointer), cases[i].value))
			fail_msg("%s: %s is %s", request, cases[i].pointer,
				 at(o, cases[i].pointer));
		json_object_put(o);
	}
}

static void errors_say_what_is_wrong(void **state)
{
	static const struct {
		const char *request, *code, *text;
	} cases[] = {
		{"{", "-32700", "it ends too early"},
		{"{}}", "-32700", "no JSON"},
		{"nonsense", "-32700", "no JSON"},
		{"{\"a\":\"\xff\"}", "-32700", "no JSON"},
		{"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "-32700", "no JSON"},
		{"null", "-32600", "an object"},
		{"17", "-32600", "an object"},
		{"[]", "-32600", "a batch holds"},
		{"{}", "-32600", "'jsonrpc'"},
		{"{\"jsonrpc\":2.0,\"method\":\"log.get\",\"id\":1}", "-32600", "'jsonrpc'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":5,\"id\":1}", "-32600", "'method'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.get\",\"id\":{}}", "-32600", "'id'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.lst\",\"id\":1}", "-32601",
		 "did you mean vbd.list?"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"frobnicate\",\"id\":1}", "-32601",
		 "rpc.methods lists them"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.get\",\"params\":[1],\"id\":1}", "-32602",
		 "names and values"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.get\",\"params\":{\"x\":1},\"id\":1}",
		 "-32602", "log.get has no parameter 'x'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"id\":1}", "-32602",
		 "log.set needs 'level'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"params\":{\"level\":3},\"id\":1}",
		 "-32602", "'level' is a string"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"params\":{\"level\":\"x\"},\"id\":"
		 "1}",
		 "-32602", "err, warn, info or debug"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.show\",\"params\":{\"device\":\"xvda\"},"
		 "\"id\":1}",
		 "-32602", "'xvda' is no device id"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.show\",\"params\":"
		 "{\"device\":\"vbd/9/51712\"},\"id\":1}",
		 "-32002", "does not serve vbd/9/51712"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.ring\",\"params\":"
		 "{\"device\":\"vbd/1/1\"},\"id\":1}",
		 "-32002", "does not serve vbd/1/1"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.ring\",\"params\":"
		 "{\"device\":\"vbd/2/51712\"},\"id\":1}",
		 "-32003", "not connected"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.ring\",\"params\":"
		 "{\"device\":\"vbd/3/51712\"},\"id\":1}",
		 "-32004", "did not answer"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.resize\",\"params\":"
		 "{\"device\":\"vbd/1/51712\",\"size_bytes\":777},\"id\":1}",
		 "-32602", "no multiple of its sectors"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.resize\",\"params\":"
		 "{\"device\":\"vbd/1/51712\",\"size_bytes\":-512},\"id\":1}",
		 "-32602", "negative"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.resize\",\"params\":"
		 "{\"device\":\"vbd/9/51712\"},\"id\":1}",
		 "-32002", "does not serve vbd/9/51712"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.set\",\"params\":"
		 "{\"worker\":2,\"mode\":\"event\"},\"id\":1}",
		 "-32002", "there is no worker 2"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.set\",\"params\":"
		 "{\"worker\":1,\"mode\":\"never\"},\"id\":1}",
		 "-32602", "'never' is not a mode"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.set\",\"params\":"
		 "{\"worker\":1,\"polling-idle\":101},\"id\":1}",
		 "-32602", "101 is not from 0 to 100"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.set\",\"params\":"
		 "{\"worker\":1,\"cpus\":\"x\"},\"id\":1}",
		 "-32602", "cpus 'x' is no list"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.move\",\"params\":"
		 "{\"device\":\"vbd/2/51712\",\"worker\":0},\"id\":1}",
		 "-32002", "does not serve vbd/2/51712"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.move\",\"params\":"
		 "{\"device\":\"vbd/1/51712\",\"worker\":5},\"id\":1}",
		 "-32002", "there is no worker 5"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *o = ask(cases[i].request);

		if (strcmp(at(o, "/error/code"), cases[i].code) ||
		    !strstr(at(o, "/error/message"), cases[i].text))
			fail_msg("%s: %s", cases[i].request, json_object_to_json_string(o));
		json_object_put(o);
	}
	xsp_made_up_fails = 1;
	struct json_object *o = ask("{\"jsonrpc\":\"2.0\",\"method\":\"vbd.list\",\"id\":1}");
	xsp_made_up_fails = 0;
	assert_string_equal(at(o, "/error/code"), "-32603");
	json_object_put(o);
}

#define VERSION  "{\"jsonrpc\":\"2.0\",\"method\":\"daemon.version\",\"id\":%d}"
#define VERSION1 "{\"jsonrpc\":\"2.0\",\"method\":\"daemon.version\",\"id\":1}"
#define NOTIFY   "{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"params\":{\"level\":\"warn\"}}"

static void batches_and_notifications(void **state)
{
	char many[16384] = "[";
	struct json_object *o;
	int fd = dial();

	(void)state;
	o = ask_on(fd, "[" VERSION1 "," NOTIFY ",3," VERSION1 "]");
	assert_int_equal(json_object_array_length(o), 3);
	assert_string_equal(at(o, "/0/result/name"), "xensplitd");
	assert_string_equal(at(o, "/1/error/code"), "-32600");
	assert_string_equal(at(o, "/2/id"), "1");
	json_object_put(o);
	/* Notifications, alone or all of a batch, get no answer: the next answer is the next
	 * call's. */
	tell(fd, NOTIFY "\n[" NOTIFY "," NOTIFY "]\n\n  \r\n");
	o = ask_on(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"log.get\",\"id\":5}");
	assert_string_equal(at(o, "/result/level"), "warn");
	assert_string_equal(at(o, "/id"), "5");
	json_object_put(o);
	o = ask_on(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"id\":6,"
		       "\"params\":{\"level\":\"info\"}}");
	json_object_put(o);
	for (int i = 0; i < 65; i++)
		strcat(strcat(many, i ? "," : ""), VERSION1);
	strcat(many, "]");
	o = ask_on(fd, many);
	assert_string_equal(at(o, "/error/code"), "-32600");
	json_object_put(o);
	close(fd);
}

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

/* --- the socket file ---------------------------------------------------------------------------
 */

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
		cmocka_unit_test_setup_teardown(methods_answer, up, down),
		cmocka_unit_test_setup_teardown(errors_say_what_is_wrong, up, down),
		cmocka_unit_test_setup_teardown(batches_and_notifications, up, down),
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
	char dir[] = "/tmp/xsp-control-XXXXXX";
	int rc;

	if (!mkdtemp(dir) || chmod(dir, 0755))
		return 1;
	snprintf(path, sizeof(path), "%s/d/ctl.sock", dir); /* "d" is made by the control socket */
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	*strrchr(path, '/') = 0;
	rmdir(path);
	rmdir(dir);
	return rc;
}
