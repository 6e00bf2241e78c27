/* SPDX-License-Identifier: MIT */
/*
 * The lab's toolstack: a process of Dom0 that does in the store what libxl does for a domain:
 * its base nodes with libxl's permissions, introducing it, and taking its devices and nodes away
 * when it is destroyed. A process of its own because libxenstore blocks, and xenstored needs the
 * hub while it answers. Source: libxl__domain_make, libxl__devices_destroy, libxl__destroy_domid.
 */
#include "common/lab/hub.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xenstore.h>

enum { TOOLSTACK_READY = 1, TOOLSTACK_CREATE, TOOLSTACK_DESTROY };

struct order {
	int what, rc;
	uint16_t dom;
	uint32_t store_port;
};

static struct xs_handle *xs;

static bool node(const char *path, const char *value, struct xs_permissions *perms, unsigned int n)
{
	if (!xs_write(xs, XBT_NULL, path, value, (unsigned int)strlen(value)))
		return false;
	return !n || xs_set_permissions(xs, XBT_NULL, path, perms, n);
}

static void uuid_text(const uint8_t *u, char *out)
{
	int i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		out += sprintf(out, "%02x", u[i]);
	}
}

static int domain_nodes(uint16_t dom, uint32_t store_port)
{
	static const char *const ro[] = {"cpu", "memory", "device", "control", "console", "store"};
	static const char *const rw[] = {"data",
					 "drivers",
					 "feature",
					 "attr",
					 "error",
					 "control/shutdown",
					 "device/suspend/event-channel"};
	struct lab_dom *ld = &hub.shm->dom[dom];
	struct xs_permissions roperm[2] = {{0, XS_PERM_NONE}, {dom, XS_PERM_READ}};
	struct xs_permissions rwperm[1] = {{dom, XS_PERM_NONE}};
	char base[64], vm[64], path[128], uuid[40], text[16];
	unsigned int i;
	bool ok;

	snprintf(base, sizeof(base), "/local/domain/%u", dom);
	uuid_text(ld->uuid, uuid);
	snprintf(vm, sizeof(vm), "/vm/%s", uuid);
	xs_rm(xs, XBT_NULL, base);
	ok = node(base, "", roperm, 2) && node(vm, "", roperm, 2);
	for (i = 0; ok && i < sizeof(ro) / sizeof(ro[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, ro[i]);
		ok = node(path, "", roperm, 2);
	}
	for (i = 0; ok && i < sizeof(rw) / sizeof(rw[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", base, rw[i]);
		ok = node(path, "", rwperm, 1);
	}
#define NODE(root, name, value) \
	(snprintf(path, sizeof(path), "%s/%s", root, name), node(path, value, NULL, 0))
	snprintf(text, sizeof(text), "%u", dom);
	ok = ok && NODE(base, "vm", vm) && NODE(base, "name", ld->name) &&
	     NODE(base, "domid", text) && NODE(vm, "uuid", uuid) && NODE(vm, "name", ld->name) &&
	     NODE(base, "cpu/0/availability", "online") &&
	     NODE(base, "memory/static-max", "8192") && NODE(base, "memory/target", "8192") &&
	     NODE(base, "store/ring-ref", "1");
	snprintf(text, sizeof(text), "%u", store_port);
	ok = ok && NODE(base, "store/port", text);
	if (!ok)
		return -errno;
	return xs_introduce_domain(xs, dom, 1, store_port) ? 0 : -errno;
}

static int dom0_nodes(void)
{
	return node("/local/domain/0/domid", "0", NULL, 0) &&
			       node("/local/domain/0/name", "Domain-0", NULL, 0)
		       ? 0
		       : -errno;
}

static int state_of(const char *path)
{
	unsigned int len;
	char *s = xs_read(xs, XBT_NULL, path, &len);
	int r = s ? atoi(s) : -1;

	free(s);
	return r;
}

/* One backend as libxl__device_destroy: online 0, state 5, up to 10 s for 6, then its nodes go. */
static void device_destroy(const char *backend, uint16_t dom, const char *kind, const char *id)
{
	char path[300];
	int i, state;

	snprintf(path, sizeof(path), "%s/online", backend);
	xs_write(xs, XBT_NULL, path, "0", 1);
	snprintf(path, sizeof(path), "%s/state", backend);
	state = state_of(path);
	if (state > 0 && state < 5)
		xs_write(xs, XBT_NULL, path, "5", 1);
	for (i = 0; state > 0 && state != 6 && i < 500; i++) {
		usleep(20000);
		state = state_of(path);
	}
	xs_rm(xs, XBT_NULL, backend);
	snprintf(path, sizeof(path), "/local/domain/%u/device/%s/%s", dom, kind, id);
	xs_rm(xs, XBT_NULL, path);
}

static void devices_destroy(uint16_t dom)
{
	unsigned int nk, ni, k, i;
	char path[256], **kinds, **ids;

	kinds = xs_directory(xs, XBT_NULL, "/local/domain/0/backend", &nk);
	for (k = 0; kinds && k < nk; k++) {
		snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", kinds[k], dom);
		ids = xs_directory(xs, XBT_NULL, path, &ni);
		for (i = 0; ids && i < ni; i++) {
			snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u/%s", kinds[k],
				 dom, ids[i]);
			device_destroy(path, dom, kinds[k], ids[i]);
		}
		if (ids) {
			snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", kinds[k],
				 dom);
			xs_rm(xs, XBT_NULL, path);
		}
		free(ids);
	}
	free(kinds);
}

static void domain_nodes_remove(uint16_t dom)
{
	char path[128], uuid[40];

	devices_destroy(dom);
	snprintf(path, sizeof(path), "/local/domain/%u", dom);
	xs_rm(xs, XBT_NULL, path);
	snprintf(path, sizeof(path), "/libxl/%u", dom);
	xs_rm(xs, XBT_NULL, path);
	uuid_text(hub.shm->dom[dom].uuid, uuid);
	snprintf(path, sizeof(path), "/vm/%s", uuid);
	xs_rm(xs, XBT_NULL, path);
}

static void report(int fd, int what, uint16_t dom, int rc)
{
	struct order o = {.what = what, .rc = rc, .dom = dom};

	if (send(fd, &o, sizeof(o), MSG_NOSIGNAL) < 0)
		_exit(1);
}

/* In a process of its own, for it may wait for a backend. */
static void destroy(int fd, uint16_t dom)
{
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	xs = xs_open(0);
	if (xs)
		domain_nodes_remove(dom);
	report(fd, TOOLSTACK_DESTROY, dom, xs ? 0 : -errno);
	_exit(0);
}

static void toolstack_main(int fd)
{
	struct order o;
	sigset_t none;
	int i;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (i = 0; !(xs = xs_open(0)) && i < 1000; i++)
		usleep(10000);
	report(fd, TOOLSTACK_READY, 0, xs ? dom0_nodes() : -ETIMEDOUT);
	while (recv(fd, &o, sizeof(o), 0) == sizeof(o)) {
		if (o.what == TOOLSTACK_CREATE)
			report(fd, o.what, o.dom, domain_nodes(o.dom, o.store_port));
		else
			destroy(fd, o.dom);
	}
	_exit(0);
}

static void toolstack_event(struct source *s, uint32_t events)
{
	struct order o;

	(void)events;
	if (recv(s->fd, &o, sizeof(o), MSG_DONTWAIT) != sizeof(o)) {
		hub_log("the toolstack process ended");
		source_del(s);
		hub.stopping = true;
		return;
	}
	switch (o.what) {
	case TOOLSTACK_READY:
		hub_store_ready(o.rc);
		break;
	case TOOLSTACK_CREATE:
		if (o.rc)
			hub_log("domain %u: its nodes in the store: %s", o.dom, strerror(-o.rc));
		if (domain_alive(o.dom))
			hub.dom[o.dom]->ready = o.rc == 0;
		clients_answer(LAB_CREATE, o.dom, o.rc ? o.rc : 1);
		if (o.rc)
			domain_destroy(o.dom);
		hub_guest_ready(o.dom, o.rc);
		break;
	case TOOLSTACK_DESTROY:
		if (hub.dom[o.dom])
			hub.dom[o.dom]->nodes = false;
		domain_reap(o.dom);
		clients_answer(LAB_DESTROY, o.dom, o.rc);
		break;
	}
}

/* Must be called before anything else is opened: the child keeps every fd of the hub. */
int toolstack_start(void)
{
	static struct source s;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	hub.toolstack = fork();
	if (hub.toolstack < 0)
		return -errno;
	if (hub.toolstack == 0) {
		char path[108];

		close(fds[0]);
		close(hub.epfd);
		store_path(path, sizeof(path), 0);
		setenv("XENSTORED_PATH", path, 1);
		toolstack_main(fds[1]);
	}
	close(fds[1]);
	hub.toolstack_fd = fds[0];
	s.fd = fds[0];
	s.fn = toolstack_event;
	return source_add(&s, EPOLLIN);
}

static void order(int what, uint16_t dom)
{
	struct order o = {.what = what, .dom = dom, .store_port = hub.dom[dom]->store_port};

	hub.dom[dom]->nodes = true;
	if (send(hub.toolstack_fd, &o, sizeof(o), MSG_NOSIGNAL) < 0)
		hub_log("domain %u: the toolstack does not answer", dom);
}

/* Both end with clients_answer. */
void toolstack_create(uint16_t dom)
{
	order(TOOLSTACK_CREATE, dom);
}

void toolstack_destroyed(uint16_t dom)
{
	order(TOOLSTACK_DESTROY, dom);
}
