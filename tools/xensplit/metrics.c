/* SPDX-License-Identifier: MIT */
/* xensplit metrics: the daemon's counters as OpenMetrics text, once or again and again. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* Into PATH by way of PATH.tmp; 0 or -errno. */
static int replace(const char *path, const char *text)
{
	char *tmp;
	FILE *f;
	int err = 0;

	if (asprintf(&tmp, "%s.tmp", path) < 0)
		return -ENOMEM;
	f = fopen(tmp, "we");
	if (!f || fputs(text, f) < 0)
		err = -errno;
	if (f && fclose(f) && !err)
		err = -errno;
	if (!err && rename(tmp, path))
		err = -errno;
	if (err && f)
		unlink(tmp);
	free(tmp);
	return err;
}

static int once(struct call *call, const char *path)
{
	int rc = EXIT_OK, err;
	struct json_object *o = client_once(call, "daemon.metrics", NULL, &rc);

	if (!o)
		return rc;
	if (call->json)
		return print_json(o);
	if (!path) {
		fputs(get_text(o, "text"), stdout);
	} else {
		err = replace(path, get_text(o, "text"));
		if (err)
			rc = fail(call, EXIT_FAILED, "%s: %s", path, strerror(-err));
	}
	json_object_put(o);
	return fflush(stdout) ? EXIT_FAILED : rc;
}

int cmd_metrics(struct call *call)
{
	double every = option_seconds(call, "every", 0);
	struct timespec t = {.tv_sec = (time_t)every};
	struct sigaction sa = {.sa_handler = on_signal};
	int rc;

	if (every < 0)
		return EXIT_USAGE;
	if (option(call, "every") && every < 0.1)
		return usage_error(call, "--every: at least 0.1 s");
	t.tv_nsec = (long)((every - (double)t.tv_sec) * 1e9);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	rc = once(call, option(call, "file"));
	/* A daemon that is away (a restart) is told each time, and comes back. */
	while (every > 0 && !stop && (!rc || rc == EXIT_UNREACHABLE)) {
		nanosleep(&t, NULL);
		if (!stop)
			rc = once(call, option(call, "file"));
	}
	return rc;
}
