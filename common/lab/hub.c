/* SPDX-License-Identifier: MIT */
/*
 * xensplit-lab-hub: the lab's hypervisor. It owns what outlives a process: domains, grant tables,
 * event channels; starts Dom0's xenstored, toolstack and daemon; and is, where that is possible,
 * process 1 of the lab's pid namespace, so that nothing outlives it. `xensplit lab up` starts it.
 *
 *   xensplit-lab-hub DIR LABDIR BINDIR READY-FD GUESTS DAEMON(0|1) NAMESPACES OUTER-PID
 */
#include "common/lab/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct hub hub;

static int ready_fd, guests, want_daemon;

void hub_log(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(2, "hub: %s\n", text);
}

int source_add(struct source *s, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	return epoll_ctl(hub.epfd, EPOLL_CTL_ADD, s->fd, &e) < 0 ? -errno : 0;
}

void source_mod(struct source *s, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	epoll_ctl(hub.epfd, EPOLL_CTL_MOD, s->fd, &e);
}

void source_del(struct source *s)
{
	epoll_ctl(hub.epfd, EPOLL_CTL_DEL, s->fd, NULL);
}

/* Tell `lab up` how it went: one line, empty for well. */
static void tell(const char *text)
{
	if (ready_fd < 0)
		return;
	if (dprintf(ready_fd, "%s\n", text) < 0)
		hub.stopping = true; /* `lab up` was interrupted */
	close(ready_fd);
	ready_fd = -1;
}

static void started(void)
{
	if (want_daemon && daemon_start() == -ENOENT)
		hub_log("no xensplitd in %s: the lab runs without", hub.bindir);
	tell("");
}

static void next_guest(uint16_t id)
{
	int r;

	if (id > guests) {
		started();
		return;
	}
	r = domain_create(id, "", true);
	if (r < 0) {
		hub_log("cannot make domain %u: %s", id, strerror(-r));
		tell("cannot make the guests; see hub.log");
		hub.stopping = true;
		return;
	}
	toolstack_create(id);
}

/* The store answers and Dom0's nodes are there, or rc says why not. */
void hub_store_ready(int rc)
{
	if (rc) {
		hub_log("the store does not answer: %s", strerror(-rc));
		tell("Debian's xenstored did not start; see xenstored.log");
		hub.stopping = true;
		return;
	}
	next_guest(1);
}

void hub_guest_ready(uint16_t dom, int rc)
{
	if (ready_fd < 0)
		return;
	if (rc) {
		tell("the store refused a guest; see hub.log");
		hub.stopping = true;
		return;
	}
	next_guest((uint16_t)(dom + 1));
}

static void reap_children(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == hub.xenstored) {
			hub.xenstored = 0;
			if (!hub.stopping)
				hub_log("xenstored ended (status 0x%x)", status);
		} else if (pid == hub.daemon) {
			hub.daemon = 0;
			hub_log("xensplitd ended (status 0x%x)", status);
		}
	}
}

static void signal_event(struct source *s, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)events;
	if (read(s->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD)
		reap_children();
	else
		hub.stopping = true;
}

static int signals_open(void)
{
	static struct source s;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s.fn = signal_event;
	return s.fd < 0 ? -errno : source_add(&s, EPOLLIN);
}

static int shm_open_new(void)
{
	void *p;
	int i;

	hub.shm_fd = memfd_create("xensplit-lab", MFD_CLOEXEC);
	if (hub.shm_fd < 0 || ftruncate(hub.shm_fd, sizeof(struct lab_shm)) < 0)
		return -errno;
	p = mmap(NULL, sizeof(struct lab_shm), PROT_READ | PROT_WRITE, MAP_SHARED, hub.shm_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	hub.shm = p;
	hub.shm->magic = LAB_MAGIC;
	for (i = 0; i < LAB_EVHS; i++)
		hub.evfd[i] = -1;
	return 0;
}

/* The namespaces `lab run` enters; "-" for those the lab could not make. */
static void namespaces_open(const char *which)
{
	static const char *const name[LAB_MAX_FDS] = {"user", "mnt", "net", "pid"};
	char path[64];
	int i;

	for (i = 0; i < LAB_MAX_FDS; i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", name[i]);
		hub.ns_fd[i] = which[i] == '-' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	}
}

/* Serve until `until` (0: for ever) or until *stop; handles closing need answers. */
static void serve(const bool *stop, uint64_t until)
{
	struct epoll_event e;

	while (!*stop && (!until || lab_now_ns() < until)) {
		int r = epoll_wait(hub.epfd, &e, 1, until ? 10 : -1);

		if (r == 1)
			((struct source *)e.data.ptr)->fn(e.data.ptr, e.events);
		else if (r < 0 && errno != EINTR)
			return;
	}
}

/* The daemon gets five seconds to drain, with everything still there; then all ends. */
static void shutdown_all(void)
{
	uint64_t until = lab_now_ns() + 5000000000u;
	bool never = false;

	if (hub.daemon > 0)
		kill(hub.daemon, SIGTERM);
	while (hub.daemon > 0 && lab_now_ns() < until)
		serve(&never, lab_now_ns() + 20000000u);
	domain_kill_processes(-1);
	if (hub.xenstored > 0)
		kill(hub.xenstored, SIGKILL);
	if (hub.toolstack > 0)
		kill(hub.toolstack, SIGKILL);
}

static int start(void)
{
	int r = shm_open_new(), slot;
	uint32_t gen;

	hub.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (!r)
		r = hub.epfd < 0 ? -errno : 0;
	if (!r)
		r = toolstack_start();
	if (!r)
		r = signals_open();
	if (!r)
		r = domain_create(0, "Domain-0", false);
	if (r)
		return r;
	slot = evh_alloc(&gen); /* Dom0's kernel: only its xenstore port, which nobody reads */
	r = port_alloc_unbound(0, 0, slot < 0 ? 0 : LAB_OWNER(slot, gen));
	if (slot < 0 || r < 0)
		return -ENOSPC;
	hub.xsd_port = (uint32_t)r;
	r = clients_listen();
	return r ? r : store_start();
}

int main(int argc, char **argv)
{
	int r;

	if (argc != 9) {
		fprintf(stderr, "xensplit-lab-hub is started by `xensplit lab up`\n");
		return 2;
	}
	hub.dir = argv[1];
	hub.labdir = argv[2];
	hub.bindir = argv[3];
	ready_fd = atoi(argv[4]);
	guests = atoi(argv[5]);
	want_daemon = atoi(argv[6]);
	hub.outer_pid = atoi(argv[8]);
	fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
	umask(077);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	namespaces_open(argv[7]);
	if (getrlimit(RLIMIT_NOFILE, &hub.nofile) == 0) { /* two fds a handle */
		struct rlimit most = {hub.nofile.rlim_max, hub.nofile.rlim_max};

		setrlimit(RLIMIT_NOFILE, &most);
	}
	r = start();
	if (r) {
		hub_log("cannot start: %s", strerror(-r));
		tell("the hub cannot start; see hub.log");
		return 1;
	}
	serve(&hub.stopping, 0);
	hub_log("the lab ends");
	shutdown_all();
	return 0;
}
