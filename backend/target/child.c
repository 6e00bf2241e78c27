/* SPDX-License-Identifier: MIT */
/* A child and the thread that watches it: see child.h. */
#include "backend/target/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

#define PAUSE_MIN_MS 100u
#define PAUSE_MAX_MS 5000u
#define LIVED_S      10 /* one that lived so long is started again without a pause */

struct xsp_child {
	pthread_mutex_t lock; /* guards pid .. why */
	pthread_cond_t changed;
	pid_t pid; /* 0: it does not run */
	bool keep, stop, ended;
	char why[300]; /* the first lines that it printed */

	char **argv;
	char name[160];
	char dir[64], path[108]; /* the socket and its private directory */
	int fd;                  /* listens */
	pid_t daemon;
};

/* --- the child ------------------------------------------------------------------------------------ */

/* Between vfork and exec: system calls only. */
static void become(const struct xsp_child *c, int out)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	/* With the thread that watches it, that is with the daemon, however that ends. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != c->daemon)
		_exit(127);
	dup2(out, 2);
	dup2(out, 1);
	if (c->fd == 3)
		fcntl(3, F_SETFD, 0);
	else
		dup2(c->fd, 3);
	close_range(4, ~0u, 0);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(c->argv[0], c->argv);
	dprintf(2, "can't run %s: %s\n", c->argv[0], strerror(errno));
	_exit(127);
}

static int spawn(struct xsp_child *c, pid_t *ret_pid, int *ret_out)
{
	int out[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	pid = vfork();
	if (!pid)
		become(c, out[1]);
	close(out[1]);
	if (pid < 0) {
		close(out[0]);
		return -EAGAIN;
	}
	*ret_pid = pid;
	*ret_out = out[0];
	return 0;
}

/* --- the thread ----------------------------------------------------------------------------------- */

/* What a line is about comes after the program's name and the argument that it quotes. */
static const char *gist(const struct xsp_child *c, const char *line)
{
	for (unsigned int i = 0; c->argv[i]; i++) {
		const char *at = strlen(c->argv[i]) < 16 ? NULL : strstr(line, c->argv[i]);

		if (at && !strncmp(at + strlen(c->argv[i]), ": ", 2))
			line = at + strlen(c->argv[i]) + 2;
	}
	return line;
}

/* Until it closes its end, which is when it dies. */
static void listen_to(struct xsp_child *c, int out)
{
	struct xsp_log_limit limit = { 0 };
	FILE *f = fdopen(out, "re");
	char line[8192];
	size_t used = 0;

	if (!f) {
		close(out);
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		const char *text;

		line[strcspn(line, "\n")] = '\0';
		text = gist(c, line);
		pthread_mutex_lock(&c->lock);
		if (used < sizeof(c->why))
			used += (size_t)snprintf(c->why + used, sizeof(c->why) - used, "%s%s",
						 used ? "; " : "", text);
		pthread_mutex_unlock(&c->lock);
		if (xsp_log_allowed(&limit))
			xsp_log_limited(&limit, XSP_LOG_INFO, c->name, text);
	}
	fclose(f);
}

/* Start it and wait for its end. Returns how it ended, as wait has it. */
static int run(struct xsp_child *c)
{
	int status = 127 << 8, out, err;
	pid_t pid;

	pthread_mutex_lock(&c->lock);
	err = c->stop ? -ECANCELED : spawn(c, &pid, &out);
	if (err)
		snprintf(c->why, sizeof(c->why), "can't start %s: %s", c->argv[0], strerror(-err));
	else
		c->pid = pid;
	pthread_mutex_unlock(&c->lock);
	if (err)
		return status;
	listen_to(c, out);
	while (waitpid(pid, &status, WNOHANG) == 0) { /* it closed its output and goes on */
		struct timespec t = { .tv_nsec = 20000000 };

		nanosleep(&t, NULL);
	}
	pthread_mutex_lock(&c->lock);
	c->pid = 0;
	pthread_mutex_unlock(&c->lock);
	return status;
}

/* Wait so long, or until it is to stop. */
static void pause_ms(struct xsp_child *c, uint32_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!c->stop && !pthread_cond_timedwait(&c->changed, &c->lock, &until))
		;
}

static void forget(struct xsp_child *c)
{
	unlink(c->path);
	rmdir(c->dir);
	close(c->fd);
	for (char **a = c->argv; a && *a; a++)
		free(*a);
	free(c->argv);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	free(c);
}

static void *watch(void *arg)
{
	uint32_t pause = PAUSE_MIN_MS;
	struct xsp_child *c = arg;

	for (;;) {
		time_t begun = time(NULL);
		int status = run(c);

		pthread_mutex_lock(&c->lock);
		if (!c->keep)
			c->ended = true;
		while (!c->keep && !c->stop) /* it never served: its opener wants to know */
			pthread_cond_wait(&c->changed, &c->lock);
		if (!c->stop) {
			xsp_warn(c->name, "%s ended (%s %d); starting it again", c->argv[0],
				 WIFSIGNALED(status) ? "signal" : "exit code",
				 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
			pause = time(NULL) - begun > LIVED_S ? PAUSE_MIN_MS : pause * 2;
			pause_ms(c, pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
		}
		if (c->stop)
			break;
		pthread_mutex_unlock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	forget(c);
	return NULL;
}

/* --- the opener ----------------------------------------------------------------------------------- */

static int make_socket(struct xsp_child *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *base = access("/run/xensplit", W_OK) ? getenv("TMPDIR") : "/run/xensplit";

	snprintf(c->dir, sizeof(c->dir), "%s/xensplit.XXXXXX",
		 base && strlen(base) < 40 ? base : "/tmp");
	if (!mkdtemp(c->dir)) /* 0700 */
		return -errno;
	snprintf(c->path, sizeof(c->path), "%s/nbd", c->dir);
	memcpy(sa.sun_path, c->path, sizeof(c->path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(c->fd, 64))
		return -errno;
	return 0;
}

static char **copy_argv(const char *const *argv)
{
	unsigned int n = 0;
	char **copy;

	while (argv[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (unsigned int i = 0; copy && i < n; i++) {
		copy[i] = strdup(argv[i]);
		if (!copy[i]) {
			while (i)
				free(copy[--i]);
			free(copy);
			return NULL;
		}
	}
	return copy;
}

int xsp_child_start(const char *const *argv, const char *name, char *ret_path, struct xsp_child **ret,
		    char *why, size_t why_len)
{
	struct xsp_child *c = calloc(1, sizeof(*c));
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	if (!c)
		return -ENOMEM;
	c->fd = -1;
	c->daemon = getpid();
	snprintf(c->name, sizeof(c->name), "%s", name);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	c->argv = copy_argv(argv);
	err = c->argv ? make_socket(c) : -ENOMEM;
	if (!err) {
		snprintf(ret_path, sizeof(c->path), "%s", c->path);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attr, 256 << 10);
		err = -pthread_create(&thread, &attr, watch, c);
		pthread_attr_destroy(&attr);
	}
	if (err) {
		snprintf(why, why_len, "can't make a socket for %s: %s", name, strerror(-err));
		forget(c);
		return err;
	}
	*ret = c;
	return 0;
}

bool xsp_child_ended(struct xsp_child *c, char *why, size_t why_len)
{
	bool ended;

	pthread_mutex_lock(&c->lock);
	ended = c->ended;
	if (ended)
		snprintf(why, why_len, "%s", *c->why ? c->why : "the server ended at once");
	pthread_mutex_unlock(&c->lock);
	return ended;
}

void xsp_child_keep(struct xsp_child *c)
{
	pthread_mutex_lock(&c->lock);
	c->keep = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void xsp_child_stop(struct xsp_child *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	unlink(c->path);
	rmdir(c->dir);
	if (c->pid)
		kill(c->pid, SIGTERM);
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock); /* the thread frees it */
}
