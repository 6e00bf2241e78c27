/* SPDX-License-Identifier: MIT */
/* Processes that the benchmark starts: see child.h. */
#include "tools/bench/child.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PROCESSES 4096

bool child_fifo;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void become(char *const argv[], int cpu, const int *in, const int *out, const char *log)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct sched_param fifo = { .sched_priority = 1 };
	cpu_set_t set;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (cpu >= 0 && child_fifo)
		sched_setscheduler(0, SCHED_FIFO, &fifo);
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	dup2(in ? in[0] : null, 0);
	dup2(out ? out[1] : fd, 1);
	dup2(fd, 2);
	execvp(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int child_start(struct child *c, char *const argv[], int cpu, bool talks, const char *log)
{
	int in[2], out[2];

	*c = (struct child){ .in = -1, .out = -1 };
	if (talks && (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)))
		return -errno;
	c->pid = fork();
	if (c->pid < 0) {
		c->pid = 0;
		return -errno;
	}
	if (!c->pid)
		become(argv, cpu, talks ? in : NULL, talks ? out : NULL, log);
	if (talks) {
		close(in[0]);
		close(out[1]);
		c->in = in[1];
		c->out = out[0];
	}
	return 0;
}

int child_say(struct child *c, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vdprintf(c->in, fmt, args);
	va_end(args);
	return n < 0 ? -errno : 0;
}

const char *child_hear(struct child *c, double seconds)
{
	uint64_t until = now_ms() + (uint64_t)(seconds * 1e3);
	char *old = memchr(c->line, 0, c->have);

	/* The line that was handed out last ends at its 0; what is behind it was read with it. */
	if (old) {
		c->have -= (size_t)(old + 1 - c->line);
		memmove(c->line, old + 1, c->have);
	}
	for (;;) {
		char *end = memchr(c->line, '\n', c->have);
		struct pollfd p = { .fd = c->out, .events = POLLIN };
		uint64_t at = now_ms();
		ssize_t n;

		if (end) {
			*end = 0;
			return c->line;
		}
		if (at >= until || c->have == sizeof(c->line) || poll(&p, 1, (int)(until - at)) <= 0)
			return NULL;
		n = read(c->out, c->line + c->have, sizeof(c->line) - c->have);
		if (n <= 0)
			return NULL;
		c->have += (size_t)n;
	}
}

void child_stop(struct child *c)
{
	if (c->pid <= 0)
		return;
	if (c->in >= 0)
		close(c->in);
	if (c->out >= 0)
		close(c->out);
	kill(c->pid, SIGTERM);
	for (int i = 0; i < 500; i++) {
		if (waitpid(c->pid, NULL, WNOHANG) == c->pid) {
			c->pid = 0;
			return;
		}
		usleep(10000);
	}
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

int child_run(char *const argv[], const char *log)
{
	struct child c;
	int status, err = child_start(&c, argv, -1, false, log);

	if (err)
		return err;
	while (waitpid(c.pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512], *end;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	end = strrchr(text, ')'); /* the name may hold anything */
	return end ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

static uint64_t process_ns(pid_t pid)
{
	uint64_t sum = 0;
	char path[300];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		unsigned long long ns = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, e->d_name);
		f = isdigit((unsigned char)e->d_name[0]) ? fopen(path, "re") : NULL;
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return sum;
}

uint64_t child_cpu_ns(const struct child *c)
{
	static pid_t pid[MAX_PROCESSES], parent[MAX_PROCESSES];
	static bool ours[MAX_PROCESSES];
	DIR *d = opendir("/proc");
	uint64_t sum = 0;
	struct dirent *e;
	bool more = true;
	int n = 0;

	while (d && (e = readdir(d)) && n < MAX_PROCESSES)
		if (isdigit((unsigned char)e->d_name[0])) {
			pid[n] = atoi(e->d_name);
			parent[n] = parent_of(pid[n]);
			ours[n] = pid[n] == c->pid;
			n++;
		}
	if (d)
		closedir(d);
	while (more) {
		more = false;
		for (int i = 0; i < n; i++)
			for (int k = 0; k < n && !ours[i]; k++)
				if (ours[k] && parent[i] == pid[k])
					ours[i] = more = true;
	}
	for (int i = 0; i < n; i++)
		if (ours[i])
			sum += process_ns(pid[i]);
	return sum;
}
