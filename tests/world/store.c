/* SPDX-License-Identifier: MIT */
/*
 * world-store eacces PATH: writing PATH fails with EACCES.
 * world-store many: eight processes count in transactions and watch, all over one guest's ring.
 * world-store killed: a process that is killed takes its transactions and watches with it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenstore.h>

#define CHILDREN 8
#define ROUNDS   20

static int fail(const char *what)
{
	fprintf(stderr, "world-store: %s: %s\n", what, strerror(errno));
	return 1;
}

static int eacces(const char *path)
{
	struct xs_handle *xs = xs_open(0);

	if (!xs || xs_write(xs, XBT_NULL, path, "x", 1) || errno != EACCES)
		return fail(path);
	return 0;
}

/* Add one to data/count, again and again until the transaction is taken. */
static bool count(struct xs_handle *xs)
{
	for (;;) {
		xs_transaction_t t = xs_transaction_start(xs);
		unsigned int len;
		char *s = xs_read(xs, t, "data/count", &len), text[16];
		int n = snprintf(text, sizeof(text), "%d", s ? atoi(s) + 1 : 1);

		free(s);
		if (!t || !xs_write(xs, t, "data/count", text, (unsigned int)n))
			return false;
		if (xs_transaction_end(xs, t, false))
			return true;
		if (errno != EAGAIN)
			return false;
	}
}

static int one_of_many(int me)
{
	struct xs_handle *xs = xs_open(0);
	char path[32], token[16], text[16], **event;
	unsigned int n;
	int i;

	snprintf(path, sizeof(path), "data/many/%d", me);
	snprintf(token, sizeof(token), "same"); /* every process uses the same token */
	if (!xs || !xs_watch(xs, path, token))
		return fail("watch");
	for (i = 0; i < ROUNDS; i++) {
		if (!count(xs))
			return fail("transaction");
		snprintf(text, sizeof(text), "%d", i);
		if (!xs_write(xs, XBT_NULL, path, text, (unsigned int)strlen(text)))
			return fail("write");
		event = xs_read_watch(xs, &n);
		if (!event || strcmp(event[XS_WATCH_PATH], path) ||
		    strcmp(event[XS_WATCH_TOKEN], token))
			return fail("another's event");
		free(event);
	}
	if (!xs_unwatch(xs, path, token) || xs_unwatch(xs, path, "never") || errno != ENOENT)
		return fail("unwatch");
	xs_close(xs);
	return 0;
}

static int many(void)
{
	struct xs_handle *xs;
	int i, status, bad = 0;
	unsigned int len;
	char *s;

	for (i = 0; i < CHILDREN; i++)
		if (fork() == 0)
			_exit(one_of_many(i));
	while (wait(&status) > 0)
		bad += status != 0;
	xs = xs_open(0);
	s = xs ? xs_read(xs, XBT_NULL, "data/count", &len) : NULL;
	if (bad || !s || atoi(s) != CHILDREN * ROUNDS) {
		fprintf(stderr, "world-store: %d processes failed, the count is %s\n", bad,
			s ? s : "-");
		return 1;
	}
	free(s);
	xs_close(xs);
	return 0;
}

/* Leaves a transaction open and watches set, says so, and is killed. */
static void leaver(int fd)
{
	struct xs_handle *xs = xs_open(0);
	int i;

	for (i = 0; i < 9; i++) { /* xenstored allows 10 transactions of a domain */
		xs_transaction_t t = xs_transaction_start(xs);

		if (!t || !xs_write(xs, t, "data/left", "x", 1))
			_exit(1);
	}
	for (i = 0; i < 100; i++) { /* and 128 watches */
		char token[16];

		snprintf(token, sizeof(token), "%d", i);
		if (!xs_watch(xs, "data/left", token))
			_exit(1);
	}
	if (write(fd, "x", 1) != 1)
		_exit(1);
	pause();
}

static int killed(void)
{
	struct xs_handle *xs;
	int i, p[2], status;
	char c;

	for (i = 0; i < 3; i++) { /* the second needs what the first had to give back */
		pid_t pid;

		if (pipe(p))
			return fail("pipe");
		pid = fork();
		if (pid == 0)
			leaver(p[1]);
		close(p[1]);
		if (read(p[0], &c, 1) != 1)
			return fail("the quota was not given back");
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(p[0]);
	}
	xs = xs_open(0);
	if (!xs || xs_read(xs, XBT_NULL, "data/left", &(unsigned int){0}))
		return fail("an open transaction took effect");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "eacces"))
		return eacces(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "many"))
		return many();
	if (argc == 2 && !strcmp(argv[1], "killed"))
		return killed();
	fprintf(stderr, "usage: world-store eacces PATH | many | killed\n");
	return 2;
}
