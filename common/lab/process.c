/* SPDX-License-Identifier: MIT */
/* The processes the hub itself starts, all of Dom0: xenstored and, if wanted, xensplitd. */
#include "common/lab/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/lab/env.h"

int store_path(char *buf, size_t n, uint16_t dom)
{
	return snprintf(buf, n, "%s/%u.xs", hub.dir, dom) < (int)n ? 0 : -ENAMETOOLONG;
}

/* Runs in the child. xsd: xenstored, which opens /proc/xen files that only Dom0's kernel has. */
static void child_setup(const char *log, bool xsd)
{
	char path[4200];
	sigset_t none;
	int fd;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_NOFILE, &hub.nofile);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	lab_env_set(hub.dir, hub.labdir, hub.bindir, 0);
	if (xsd) {
		snprintf(path, sizeof(path), "%s/libxensplit-xsd.so", hub.labdir);
		setenv("LD_PRELOAD", path, 1);
		setenv("XENSTORED_RUNDIR", hub.dir, 1);
		setenv("XENSTORED_ROOTDIR", hub.dir, 1);
	}
	snprintf(path, sizeof(path), "%s/%s", hub.dir, log);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, 0);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0) {
		dup2(fd, 1);
		dup2(fd, 2);
	}
}

pid_t process_start(const char *const argv[], const char *log, bool xsd)
{
	pid_t pid = fork();

	if (pid == 0) {
		child_setup(log, xsd);
		signal(SIGPIPE, SIG_DFL); /* ignored by us; not for it to inherit */
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	return pid;
}

static int write_file(const char *name, const void *data, size_t bytes)
{
	char path[128];
	int fd, r = 0;

	snprintf(path, sizeof(path), "%s/%s", hub.dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, data, bytes) != (ssize_t)bytes)
		r = -EIO;
	close(fd);
	return r;
}

/* Debian's xenstored as Dom0's store; without -D, as with it 4.17's crashes at the first request.
 */
int store_start(void)
{
	const char *argv[] = {getenv("XENSPLIT_XENSTORED"), "--no-fork", "--pid-file", NULL, NULL};
	static const char zero[LAB_PAGE];
	char port[16], pidfile[128];
	glob_t g = {0};
	int r;

	if (!argv[0]) {
		if (glob("/usr/lib/xen-*/bin/xenstored", 0, NULL, &g) == 0)
			argv[0] = g.gl_pathv[g.gl_pathc - 1];
		else
			argv[0] = "/usr/sbin/xenstored";
	}
	if (access(argv[0], X_OK)) {
		hub_log("no xenstored: install the package xen-utils-4.17");
		return -ENOENT;
	}
	snprintf(pidfile, sizeof(pidfile), "%s/xenstored.pid", hub.dir);
	argv[3] = pidfile;
	r = snprintf(port, sizeof(port), "%u\n", hub.xsd_port);
	r = write_file("xsd_port", port, (size_t)r);
	if (!r)
		r = write_file("xsd_kva", zero, sizeof(zero));
	if (!r)
		hub.xenstored = process_start(argv, "xenstored.log", true);
	globfree(&g);
	return r ? r : hub.xenstored < 0 ? -EAGAIN : 0;
}

int daemon_start(void)
{
	char exe[4200], sock[128];
	const char *argv[] = {exe, "--socket", sock, NULL};

	snprintf(exe, sizeof(exe), "%s/xensplitd", hub.bindir);
	snprintf(sock, sizeof(sock), "%s/xensplitd.sock", hub.dir);
	if (access(exe, X_OK))
		return -ENOENT;
	hub.daemon = process_start(argv, "xensplitd.log", false);
	return hub.daemon < 0 ? -EAGAIN : 0;
}
