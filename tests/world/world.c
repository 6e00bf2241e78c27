/* SPDX-License-Identifier: MIT */
/*
 * world-test guest|dom0 PEER-DOMID SESSION: run once in Dom0 and once in a guest, at the same time,
 * with the same SESSION (any word). Each prints "ok NAME" or "FAIL NAME: what" for its half and a
 * closing line, and exits 1 if anything failed.
 */
#include "tests/world/world.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void path_of(const struct world *w, const char *key, char *buf, size_t n)
{
	if (w->guest)
		snprintf(buf, n, "data/world/%s/%s/%s", w->session, w->name, key);
	else
		snprintf(buf, n, "/local/domain/%u/data/world/%s/%s/%s", w->peer, w->session,
			 w->name, key);
}

void say(struct world *w, const char *key, long value)
{
	char path[256], text[32];
	int n = snprintf(text, sizeof(text), "%ld", value);

	path_of(w, key, path, sizeof(path));
	if (!xs_write(w->xs, XBT_NULL, path, text, (unsigned int)n)) {
		printf("FAIL %s: cannot write %s: %s\n", w->name, path, strerror(errno));
		exit(1);
	}
}

long hear(struct world *w, const char *key)
{
	char path[256], *s;
	unsigned int len;
	int i;

	path_of(w, key, path, sizeof(path));
	for (i = 0; i < 4000; i++) {
		s = xs_read(w->xs, XBT_NULL, path, &len);
		if (s) {
			long v = strtol(s, NULL, 10);

			free(s);
			return v;
		}
		usleep(5000);
	}
	printf("FAIL %s: the other side never said '%s'\n", w->name, key);
	exit(1);
}

bool claim(struct world *w, bool ok, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	if (ok)
		return true;
	w->case_failed = true;
	printf("FAIL %s: ", w->name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" (errno %d %s)\n", err, strerror(err));
	return false;
}

bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

int next_event(xenevtchn_handle *x)
{
	int port = readable(xenevtchn_fd(x), 5000) ? xenevtchn_pending(x) : -1;

	if (port >= 0)
		xenevtchn_unmask(x, (evtchn_port_t)port);
	return port;
}

bool silent(xenevtchn_handle *x)
{
	return !readable(xenevtchn_fd(x), 150);
}

static void run(struct world *w, const struct world_case *c)
{
	for (; c->name; c++) {
		w->name = c->name;
		w->case_failed = false;
		(w->guest ? c->guest : c->dom0)(w);
		say(w, w->guest ? "guest-done" : "dom0-done", w->case_failed);
		hear(w, w->guest ? "dom0-done" : "guest-done");
		if (w->case_failed)
			w->failed++;
		else
			w->passed++;
		if (!w->case_failed)
			printf("ok   %s\n", c->name);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct world w = {0};
	char path[256];

	if (argc != 4 || (strcmp(argv[1], "guest") && strcmp(argv[1], "dom0"))) {
		fprintf(stderr, "usage: world-test guest|dom0 PEER-DOMID SESSION\n");
		return 2;
	}
	w.guest = !strcmp(argv[1], "guest");
	w.peer = (uint32_t)strtoul(argv[2], NULL, 10);
	w.session = argv[3];
	w.name = "start";
	w.xs = xs_open(0);
	if (!w.xs) {
		fprintf(stderr, "world-test: no store: %s\n", strerror(errno));
		return 1;
	}
	run(&w, evtchn_cases);
	run(&w, uring_cases);
	run(&w, grant_cases);
	run(&w, copy_cases);
	printf("%s: %d passed, %d failed\n", argv[1], w.passed, w.failed);
	if (!w.guest) {
		snprintf(path, sizeof(path), "/local/domain/%u/data/world/%s/done", w.peer,
			 w.session);
		xs_write(w.xs, XBT_NULL, path, "1", 1);
	}
	xs_close(w.xs);
	return w.failed > 0;
}
