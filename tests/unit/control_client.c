/* SPDX-License-Identifier: MIT */
/* A client of the control socket: see control_client.h. */
#undef NDEBUG
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/control_client.h"

char path[64];
struct xsp_config config = {.socket_path = path, .socket_gid = (gid_t)-1, .workers = 2};
struct xsp_control *ctl;

int dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

void pump(int times)
{
	struct pollfd p = {.fd = xsp_control_fd(ctl), .events = POLLIN};

	while (times-- && poll(&p, 1, 0) > 0)
		xsp_control_run(ctl);
}

void say(int fd, const char *text, size_t len)
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

void tell(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* One line of answer, or NULL after a hang-up or a while of silence. */
char *hear(int fd)
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

struct json_object *ask_on(int fd, const char *request)
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

struct json_object *ask(const char *request)
{
	int fd = dial();
	struct json_object *o = ask_on(fd, request);

	close(fd);
	pump(4);
	return o;
}

/* The value at a JSON pointer, as text. */
const char *at(struct json_object *o, const char *pointer)
{
	struct json_object *v = NULL;

	if (json_pointer_get(o, pointer, &v))
		return "(absent)";
	return v ? json_object_get_string(v) : "null";
}

int up(void **state)
{
	(void)state;
	return xsp_control_open(NULL, &config, &ctl);
}

int down(void **state)
{
	(void)state;
	xsp_control_close(ctl);
	ctl = NULL;
	return 0;
}

static char dir[] = "/tmp/xsp-control-XXXXXX";

int socket_begin(void)
{
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return -1;
	snprintf(path, sizeof(path), "%s/d/ctl.sock", dir); /* "d" is made by the control socket */
	return 0;
}

int socket_end(int rc)
{
	*strrchr(path, '/') = 0;
	rmdir(path);
	rmdir(dir);
	return rc;
}
