/* SPDX-License-Identifier: MIT */
/*
 * Making the lab: one user, mount, network and pid namespace with the hub as its process 1, so that
 * the end of the hub is the end of everything in it. Where a machine forbids a namespace (some
 * containers), the lab goes without that one.
 */
#include "tools/lab/lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lab/env.h"

struct level {
	int flags;
	const char *text; /* user, mnt, net, pid, as the hub takes it */
};

static const struct level levels[] = {
	{CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID, "umnp"},
	{CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET, "umn-"},
	{CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID, "-mnp"}, /* root, no user namespaces */
	{CLONE_NEWNS | CLONE_NEWNET, "-mn-"},
	{0, "----"},
};

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* Real root keeps all ids (files of others stay usable); anybody else becomes the lab's root. */
static int map_ids(uid_t uid, gid_t gid)
{
	char text[64];
	int r;

	if (uid == 0 && put("/proc/self/uid_map", "0 0 4294967295") == 0 &&
	    put("/proc/self/gid_map", "0 0 4294967295") == 0)
		return 0;
	put("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", uid);
	r = put("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %u 1", gid);
	return r ? r : put("/proc/self/gid_map", text);
}

static int namespaces_make(int flags)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (!flags)
		return 0;
	if (unshare(flags) < 0)
		return -errno;
	return flags & CLONE_NEWUSER ? map_ids(uid, gid) : 0;
}

/* In the lab's process 1: its own /proc, no mount that gets out, loopback up. */
static int inside(int flags)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if ((flags & CLONE_NEWNS) && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	if ((flags & CLONE_NEWPID) &&
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	if (!(flags & CLONE_NEWNET))
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return -errno;
	close(fd);
	return 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Does this machine let us have these namespaces? Tried in a child that ends at once. */
static bool possible(int flags)
{
	pid_t pid = fork();

	if (pid == 0) {
		pid_t one;

		if (namespaces_make(flags) < 0)
			_exit(1);
		one = fork();
		if (one == 0)
			_exit(inside(flags) == 0 ? 0 : 1);
		_exit(one < 0 ? 1 : wait_for(one));
	}
	return pid > 0 && wait_for(pid) == 0;
}

static const struct level *level_find(void)
{
	const char *want =
		getenv("XENSPLIT_LAB_NAMESPACES"); /* of those in levels[]; to test them */
	size_t i, n = sizeof(levels) / sizeof(levels[0]);

	for (i = 0; i < n; i++)
		if (want ? !strcmp(want, levels[i].text) : possible(levels[i].flags))
			return &levels[i];
	return &levels[n - 1];
}

/* Runs in the lab's process 1 and becomes the hub. pids: its own outer pid comes through. */
static void become_hub(const struct lab_options *o, const struct level *l, int ready, int pids,
		       const char *labdir, const char *bindir)
{
	char hub[4200], fd_text[16], guests[16], outer[16], log[128];
	int32_t pid = 0;
	int fd, r;

	if (read(pids, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	/* the hub lives long: it must not keep somebody's pipe open */
	if (ready > 3)
		close_range(3, (unsigned int)ready - 1, 0);
	close_range((unsigned int)ready + 1, ~0u, 0);
	r = inside(l->flags);
	snprintf(hub, sizeof(hub), "%s/xensplit-lab-hub", bindir);
	snprintf(fd_text, sizeof(fd_text), "%d", ready);
	snprintf(guests, sizeof(guests), "%u", o->guests);
	snprintf(outer, sizeof(outer), "%d", (int)pid);
	snprintf(log, sizeof(log), "%s/hub.log", o->dir);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, 0);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (r == 0 && fd >= 0) {
		dup2(fd, 1);
		dup2(fd, 2);
		if (chdir("/") == 0)
			execl(hub, "xensplit-lab-hub", o->dir, labdir, bindir, fd_text, guests,
			      o->no_daemon ? "0" : "1", l->text, outer, (char *)NULL);
		r = -errno;
	}
	dprintf(ready, "cannot run %s: %s\n", hub, strerror(r ? -r : errno));
	_exit(1);
}

/* Child of `up`: makes the namespaces and process 1 in them, tells it its pid, ends. */
static void make(const struct lab_options *o, const struct level *l, int ready, const char *labdir,
		 const char *bindir)
{
	int p[2], r;
	int32_t pid;

	setsid();
	r = namespaces_make(l->flags);
	if (r < 0 || pipe2(p, O_CLOEXEC) < 0) {
		dprintf(ready, "cannot make the lab's namespaces: %s\n", strerror(r ? -r : errno));
		_exit(1);
	}
	pid = fork();
	if (pid == 0) {
		close(p[1]);
		become_hub(o, l, ready, p[0], labdir, bindir);
	}
	if (write(p[1], &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	_exit(pid < 0);
}

/* What a lab leaves in its directory, and nothing else. */
static void clean(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');

		if ((dot && (!strcmp(dot, ".xs") || !strcmp(dot, ".log") || !strcmp(dot, ".sock") ||
			     !strcmp(dot, ".pid") || !strcmp(dot, ".journal"))) ||
		    !strncmp(e->d_name, "xsd_", 4))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

static int directory(const struct lab_options *o)
{
	struct stat st;

	if (mkdir(o->dir, 0700) < 0 && errno != EEXIST) {
		lab_error("cannot make %s: %s", o->dir, strerror(errno));
		return -1;
	}
	if (lstat(o->dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    chmod(o->dir, 0700) < 0) {
		lab_error("%s is not a directory of ours; choose one with --dir", o->dir);
		return -1;
	}
	return 0;
}

/* The hub's one line: empty when all is up. */
static int await_ready(int fd, char *text, size_t n)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t r;

	while (len < n - 1 && poll(&p, 1, 30000) == 1 &&
	       (r = read(fd, text + len, n - 1 - len)) > 0) {
		len += (size_t)r;
		if (text[len - 1] == '\n') {
			text[len - 1] = '\0';
			return text[0] ? -1 : 0;
		}
	}
	snprintf(text, n, "the hub ended early; see hub.log");
	return -1;
}

/* Until the daemon's control socket takes connections. */
static int await_daemon(const char *dir, const char *bindir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char path[4200];
	int i, fd, r = -1;

	snprintf(path, sizeof(path), "%s/xensplitd", bindir);
	if (access(path, X_OK))
		return 0; /* the hub's log says that there is none */
	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s/xensplitd.sock", dir) >=
	    (int)sizeof(a.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (i = 0; fd >= 0 && r && i < 500; i++) {
		r = connect(fd, (struct sockaddr *)&a, sizeof(a));
		if (r)
			usleep(10000);
	}
	if (fd >= 0)
		close(fd);
	return r;
}

int lab_up(const struct lab_options *o)
{
	char labdir[4096], bindir[4096], text[256];
	const struct level *l;
	int fd, ready[2], lock;
	pid_t pid;

	if (lab_env_dirs(labdir, bindir, sizeof(labdir))) {
		lab_error("the lab's libraries are not beside this program; run make");
		return LAB_EXIT_FAIL;
	}
	if (directory(o))
		return LAB_EXIT_FAIL;
	lock = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0) {
		lab_error("another `lab up` is at work in %s", o->dir);
		return LAB_EXIT_FAIL;
	}
	fd = lab_hub_open(o->dir);
	if (fd >= 0) {
		lab_error("a lab is up in %s already; end it with: xensplit lab down", o->dir);
		return LAB_EXIT_FAIL;
	}
	clean(o->dir);
	l = level_find();
	if (strcmp(l->text, "umnp"))
		fprintf(stderr, "lab: this machine allows only some namespaces (%s)\n", l->text);
	if (pipe2(ready, O_CLOEXEC) < 0)
		return LAB_EXIT_FAIL;
	fcntl(ready[1], F_SETFD, 0);
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		make(o, l, ready[1], labdir, bindir);
	}
	close(ready[1]);
	wait_for(pid);
	if (await_ready(ready[0], text, sizeof(text))) {
		lab_error("%s (in %s)", text, o->dir);
		return LAB_EXIT_FAIL;
	}
	if (!o->no_daemon && await_daemon(o->dir, bindir))
		fprintf(stderr, "lab: xensplitd does not answer yet; see %s/xensplitd.log\n",
			o->dir);
	printf("lab: up in %s: Dom0 and %u guest%s\n", o->dir, o->guests,
	       o->guests == 1 ? "" : "s");
	return LAB_EXIT_OK;
}

static bool wait_gone(pid_t pid, int seconds)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	bool gone;

	if (fd < 0)
		return errno == ESRCH;
	gone = poll(&p, 1, seconds * 1000) == 1;
	close(fd);
	return gone;
}

int lab_down(const struct lab_options *o)
{
	struct lab_msg m = {.op = LAB_SHUTDOWN};
	int fd = lab_hub_open(o->dir);
	pid_t pid;

	if (fd >= 0) {
		pid = lab_hub_pid(fd);
		lab_hub_call(fd, &m, NULL, NULL, 0, NULL);
		close(fd);
		if (pid > 0 && !wait_gone(pid, 15)) {
			kill(pid, SIGKILL);
			wait_gone(pid, 5);
		}
	}
	clean(o->dir);
	if (rmdir(o->dir) < 0 && errno != ENOENT)
		fprintf(stderr, "lab: %s is not empty: it stays\n", o->dir);
	printf(fd >= 0 ? "lab: down\n" : "lab: no lab was up in %s\n", o->dir);
	return LAB_EXIT_OK;
}
