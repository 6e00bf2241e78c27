/* SPDX-License-Identifier: MIT */
/* xensplitd: the Dom0 and driver-domain backend daemon. Start, signals, the end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "backend/control.h"
#include "backend/daemon.h"
#include "backend/metrics.h"

static int block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL); /* every thread inherits it */
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int start_workers(struct xsp_daemon *d)
{
	struct xsp_polling polling = d->config->polling;

	if (polling.mode == XSP_POLL_AUTO)
		polling.mode = xsp_polling_choose(d->config->workers);
	d->n_workers = d->config->workers;
	d->workers = calloc(d->n_workers, sizeof(*d->workers));
	if (!d->workers)
		return -ENOMEM;
	for (unsigned int i = 0; i < d->n_workers; i++) {
		int err = xsp_worker_start(&d->workers[i], i, (size_t)d->config->bounce_mib << 20,
					   (size_t)d->config->window_kib << 10,
					   &polling);

		if (err)
			return err;
	}
	return 0;
}

static void stop_workers(struct xsp_daemon *d)
{
	for (unsigned int i = 0; d->workers && i < d->n_workers; i++)
		xsp_worker_stop(&d->workers[i]);
	free(d->workers);
}

static void write_pid_file(const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f) {
		xsp_warn(NULL, "can't write %s: %s", path, strerror(errno));
		return;
	}
	fprintf(f, "%d\n", getpid());
	fclose(f);
}

/*
 * The file of counters, when it is time; a reason why it can't be written is told once. Returns ms
 * until the next time, -1 when there is no such file.
 */
static int write_metrics(struct xsp_daemon *d, uint64_t *next_ns)
{
	static int told;
	const char *path = d->config->metrics_file;
	uint64_t now = xsp_now_ns();
	int err;

	if (!path)
		return -1;
	if (now < *next_ns)
		return (int)((*next_ns - now) / 1000000 + 1);
	*next_ns = now + XSP_METRICS_SECONDS * 1000000000ull;
	err = xsp_metrics_write(d, d->started_ns, path);
	if (err && err != told)
		xsp_warn(NULL, "can't write %s: %s", path, strerror(-err));
	told = err;
	return (int)XSP_METRICS_SECONDS * 1000;
}

/* Serve until a signal says stop. */
static void serve(struct xsp_daemon *d, struct xsp_control *control, int signal_fd)
{
	uint64_t next_ns = 0;
	struct pollfd fds[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = xsp_control_fd(control), .events = POLLIN },
	};
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(fds, 2, write_metrics(d, &next_ns)) < 0)
			continue;
		if (fds[1].revents)
			xsp_control_run(control);
		if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo == SIGHUP)
			continue; /* nothing is reread: the log goes to stderr */
		xsp_info(NULL, "%s: draining", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
		return;
	}
}

/*
 * Wait until every queue has stopped; the control socket is served meanwhile. Returns false when
 * drain_seconds have passed: a target hangs.
 */
static bool drain(struct xsp_daemon *d, struct xsp_control *control)
{
	uint64_t until = xsp_now_ns() + d->config->drain_seconds * 1000000000ull, now;
	struct pollfd fds[] = {
		{ .fd = d->drained_fd, .events = POLLIN },
		{ .fd = xsp_control_fd(control), .events = POLLIN },
	};

	xsp_manager_drain(d);
	while ((now = xsp_now_ns()) < until) {
		if (poll(fds, 2, (int)((until - now) / 1000000 + 1)) < 0)
			continue;
		if (fds[0].revents)
			return true;
		if (fds[1].revents)
			xsp_control_run(control);
	}
	return false;
}

int main(int argc, char **argv)
{
	struct xsp_config config = { 0 };
	struct xsp_daemon d = { .config = &config, .started_ns = xsp_now_ns() };
	struct xsp_control *control = NULL;
	int code = xsp_config_parse(&config, argc, argv), signal_fd;

	if (code >= 0)
		goto out;
	code = 1;
	xsp_log_set_level(config.log_level);
	xsp_log_set_timestamps(config.timestamps);
	signal_fd = block_signals();
	if (signal_fd < 0 || start_workers(&d))
		goto workers;
	if (xsp_manager_prepare(&d) || xsp_control_open(&d, &config, &control))
		goto workers;
	if (xsp_manager_start(&d))
		goto control;
	if (config.pid_file)
		write_pid_file(config.pid_file);
	xsp_info(NULL, "xensplitd " XSP_VERSION ", %u worker%s", d.n_workers,
		 d.n_workers == 1 ? "" : "s");

	serve(&d, control, signal_fd);
	if (!drain(&d, control)) {
		/* Threads still hold the rings; leave at once, as after a crash. */
		xsp_err(NULL, "requests are still in flight after %u s: leaving without them",
			config.drain_seconds);
		_exit(1);
	}
	xsp_manager_wait(&d);
	code = 0;
	xsp_info(NULL, "stopped");
	if (config.pid_file)
		unlink(config.pid_file);
control:
	xsp_control_close(control);
workers:
	stop_workers(&d);
out:
	xsp_config_free(&config);
	return code;
}
