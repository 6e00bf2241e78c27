/* SPDX-License-Identifier: MIT */
/* The control socket's client: see client.h. */
#include "tools/xensplit/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tools/xensplit/out.h"

#define PATIENCE_MS 5000
#define MAX_ANSWER  (16u << 20)

static int __attribute__((format(printf, 3, 4)))
why(struct client_error *e, enum exit_code code, const char *fmt, ...)
{
	va_list args;

	e->code = code;
	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	return -1;
}

int client_open(struct client *c, const char *path, struct client_error *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	*c = (struct client){.fd = -1};
	if (strlen(path) >= sizeof(addr.sun_path))
		return why(e, EXIT_USAGE, "the socket's path is longer than %zu bytes: %s",
			   sizeof(addr.sun_path) - 1, path);
	strcpy(addr.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return why(e, EXIT_FAILED, "socket: %s", strerror(errno));
	if (!connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)))
		return 0;
	if (errno == EACCES || errno == EPERM)
		why(e, EXIT_DENIED, "you may not use %s: be root or in the daemon's group", path);
	else if (errno == ENOENT || errno == ECONNREFUSED)
		why(e, EXIT_UNREACHABLE,
		    "no daemon answers at %s: is xensplitd running? (xensplit doctor)", path);
	else
		why(e, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
	client_close(c);
	return -1;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Read one line; NULL with *e filled. The caller frees. */
static char *read_line(struct client *c, struct client_error *e)
{
	size_t len = 0, size = 64 << 10;
	char *line = malloc(size);
	long deadline = now_ms() + PATIENCE_MS;

	while (line && len < MAX_ANSWER) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		long left = deadline - now_ms();
		ssize_t n;

		if (left <= 0 || !poll(&p, 1, (int)left)) {
			why(e, EXIT_TIMEOUT, "the daemon did not answer in %d s",
			    PATIENCE_MS / 1000);
			free(line);
			return NULL;
		}
		n = recv(c->fd, line + len, size - len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			why(e, EXIT_UNREACHABLE, "the daemon hung up%s%s", n ? ": " : "",
			    n ? strerror(errno) : "");
			free(line);
			return NULL;
		}
		len += (size_t)n;
		line[len] = 0;
		if (line[len - 1] == '\n')
			return line;
		if (len + 1 == size) {
			char *more = realloc(line, size *= 2);

			if (!more)
				break;
			line = more;
		}
	}
	why(e, EXIT_FAILED, "the daemon's answer is too long");
	free(line);
	return NULL;
}

static enum exit_code exit_of(int code)
{
	switch (code) {
	case -32001:
		return EXIT_DENIED;
	case -32002:
	case -32003:
		return EXIT_NOT_FOUND;
	case -32004:
	case -32007:
		return EXIT_TIMEOUT;
	case -32006:
		return EXIT_UNREACHABLE;
	case -32601: /* an older daemon */
	case -32602:
		return EXIT_USAGE;
	}
	return EXIT_FAILED;
}

static struct json_object *unwrap(const char *line, struct client_error *e)
{
	struct json_object *o = json_tokener_parse(line), *error, *result;

	if (json_object_object_get_ex(o, "error", &error)) {
		why(e, exit_of((int)get_number(error, "code")), "%s", get_text(error, "message"));
		json_object_put(o);
		return NULL;
	}
	if (!json_object_object_get_ex(o, "result", &result)) {
		why(e, EXIT_FAILED, "what answers there speaks no JSON-RPC");
		json_object_put(o);
		return NULL;
	}
	json_object_get(result);
	json_object_put(o);
	return result;
}

struct json_object *client_call(struct client *c, const char *method, struct json_object *params,
				struct client_error *e)
{
	struct json_object *r = json_object_new_object(), *result;
	const char *text;
	char *line;
	ssize_t n;

	json_object_object_add(r, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(r, "id", json_object_new_int64(++c->id));
	json_object_object_add(r, "method", json_object_new_string(method));
	if (params)
		json_object_object_add(r, "params", params);
	text = json_object_to_json_string_ext(r, JSON_C_TO_STRING_PLAIN);
	n = send(c->fd, text, strlen(text), MSG_NOSIGNAL);
	if (n > 0)
		n = send(c->fd, "\n", 1, MSG_NOSIGNAL);
	json_object_put(r);
	/* Though sending failed: a daemon that turns us away says why before it hangs up. */
	line = read_line(c, e);
	if (!line) {
		client_close(c);
		return NULL;
	}
	result = unwrap(line, e);
	free(line);
	(void)n;
	return result;
}

struct json_object *client_once(const struct call *call, const char *method,
				struct json_object *params, int *code)
{
	struct client_error e = {.code = EXIT_FAILED};
	struct json_object *result = NULL;
	struct client c;

	if (client_open(&c, call->socket, &e))
		json_object_put(params);
	else
		result = client_call(&c, method, params, &e);
	client_close(&c);
	*code = result ? EXIT_OK : fail(call, e.code, "%s", e.text);
	return result;
}

struct json_object *device_params(const char *id)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "device", json_object_new_string(id));
	return o;
}

struct json_object *get_member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

unsigned long long get_number(struct json_object *o, const char *key)
{
	struct json_object *v = get_member(o, key);
	int64_t n;

	if (!v)
		return 0;
	n = json_object_get_int64(v);
	return n < 0 ? (unsigned long long)n : json_object_get_uint64(v);
}

const char *get_text(struct json_object *o, const char *key)
{
	struct json_object *v = get_member(o, key);

	return v ? json_object_get_string(v) : "";
}
