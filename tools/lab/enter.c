/* SPDX-License-Identifier: MIT */
/* Running a program as a process of a domain: into the lab's namespaces, with its environment. */
#include "tools/lab/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lab/env.h"

static bool same_namespace(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/*
 * Into those of the lab's namespaces that we are not in, and a domain's network. The pid one takes
 * effect at the fork.
 */
static int enter(int hub, unsigned int net_dom)
{
	static const char *const own[LAB_MAX_FDS] = {"/proc/self/ns/user", "/proc/self/ns/mnt",
						     "/proc/self/ns/net", "/proc/self/ns/pid"};
	struct lab_msg m = {.op = LAB_ENTER, .arg = {net_dom}};
	int fds[LAB_MAX_FDS], r = lab_hub_call(hub, &m, NULL, NULL, 0, fds), i, n = 0;

	for (i = 0; r >= 0 && i < LAB_MAX_FDS; i++) {
		if (!(m.arg[0] & 1u << i))
			continue;
		if (!same_namespace(fds[n], own[i]) && setns(fds[n], 0) < 0)
			r = -errno;
		close(fds[n++]);
	}
	return r;
}

static int ensure(int hub, unsigned int dom, const char *name)
{
	struct lab_msg m = {.op = LAB_CREATE, .arg = {dom}};

	if (dom == 0)
		return 0;
	m.len = name ? (uint32_t)strlen(name) : 0;
	return lab_hub_call(hub, &m, name, NULL, 0, NULL);
}

static void child(const struct lab_options *o, unsigned int dom, char **argv, const char *cwd,
		  const sigset_t *old, int alive)
{
	struct pollfd p = {.fd = alive, .events = POLLIN};
	char labdir[4096], bindir[4096];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, old, NULL);
	if (poll(&p, 1, 0) != 0) /* `run` was killed before the line above; getppid() is 0 anyway */
		_exit(LAB_EXIT_RUN);
	if (lab_env_dirs(labdir, bindir, sizeof(labdir))) {
		lab_error("the lab's libraries are not beside this program; run make");
		_exit(LAB_EXIT_RUN);
	}
	lab_env_set(o->dir, labdir, bindir, dom);
	if (chdir(cwd) < 0 && chdir("/") < 0)
		_exit(LAB_EXIT_RUN);
	signal(SIGPIPE, SIG_DFL); /* ignored by us; that is not for the command to inherit */
	execvp(argv[0], argv);
	lab_error("cannot run %s: %s", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/*
 * Wait for the command. Signals that somebody sends us go on to it (those of the terminal reach it
 * anyway); when the lab ends, so does it.
 */
static int babysit(pid_t pid, int hub, int sigfd)
{
	struct pollfd p[2] = {{.fd = sigfd, .events = POLLIN}, {.fd = hub, .events = POLLIN}};
	struct signalfd_siginfo si;
	int status;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return LAB_EXIT_RUN;
		if (p[1].revents) {
			kill(pid, SIGKILL);
			p[1].fd = -1;
		}
		if ((p[0].revents & POLLIN) && read(sigfd, &si, sizeof(si)) == sizeof(si) &&
		    si.ssi_signo != SIGCHLD && si.ssi_code <= 0)
			kill(pid, (int)si.ssi_signo);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

/* Does not return once the command runs. */
int lab_run(const struct lab_options *o, unsigned int dom, char **argv)
{
	int hub = lab_hub_open(o->dir), r, sigfd;
	char cwd[4096];
	sigset_t set, old;
	int alive[2]; /* hangs up when we die */
	pid_t pid;

	if (hub < 0) {
		lab_error("no lab is up in %s; start one with: xensplit lab up", o->dir);
		return LAB_EXIT_RUN;
	}
	r = ensure(hub, dom, o->name);
	if (r < 0) {
		lab_error("domain %u: %s", dom,
			  r == -EBUSY ? "still dying, some process has its pages mapped"
				      : strerror(-r));
		return LAB_EXIT_RUN;
	}
	if (!getcwd(cwd, sizeof(cwd)))
		strcpy(cwd, "/");
	sigfillset(&set);
	sigdelset(&set, SIGTSTP);
	sigdelset(&set, SIGTTIN);
	sigdelset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	r = enter(hub, o->dom0_net ? 0 : dom);
	if (r < 0) {
		lab_error("cannot enter the lab: %s", strerror(-r));
		return LAB_EXIT_RUN;
	}
	if (pipe2(alive, O_CLOEXEC) < 0) {
		lab_error("no pipe: %s", strerror(errno));
		return LAB_EXIT_RUN;
	}
	pid = fork();
	if (pid == 0) {
		close(alive[1]);
		child(o, dom, argv, cwd, &old, alive[0]);
	}
	if (pid < 0) {
		lab_error("cannot fork in the lab: %s", strerror(errno));
		return LAB_EXIT_RUN;
	}
	r = babysit(pid, hub, sigfd);
	fflush(NULL);
	_exit(r); /* not exit: LeakSanitizer cannot make its thread once our children's pid
		   * namespace is another */
}
