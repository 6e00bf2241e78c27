/* SPDX-License-Identifier: MIT */
/*
 * The hub's connections: HELLO makes one a handle, hang-up ends it and undoes exactly what that
 * handle held. Requests are answered at once, but for CREATE, which the toolstack answers.
 */
#include "common/lab/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/lab/event.h"

#define ANSWERED (-0x10000)

int client_reply(struct client *c, struct lab_msg *m, const void *data, const int *fds, int nfds)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int) * LAB_MAX_FDS)];
	} ctl;
	struct iovec iov[2] = {{m, sizeof(*m)}, {(void *)(uintptr_t)data, m->len}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = data ? 2 : 1};

	if (nfds) {
		memset(&ctl, 0, sizeof(ctl));
		h.msg_control = ctl.buf;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
		ctl.h.cmsg_level = SOL_SOCKET;
		ctl.h.cmsg_type = SCM_RIGHTS;
		ctl.h.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
		memcpy(CMSG_DATA(&ctl.h), fds, sizeof(int) * (size_t)nfds);
	}
	if (sendmsg(c->src.fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

/* Everything the handle held; the connection itself stays. */
static void client_release(struct client *c)
{
	switch (c->kind) {
	case LAB_KIND_EVTCHN:
		ports_close_owner(c->dom, LAB_OWNER(c->slot, c->gen));
		evh_free(c->slot);
		lab_event_wake(c->evfd); /* a reader of a dead domain's handle */
		close(c->evfd);
		break;
	case LAB_KIND_GNTSHR:
		grant_client_gone(c);
		break;
	case LAB_KIND_GNTTAB:
		grant_maps_gone(c);
		ports_release(c);
		close(c->recs_fd);
		break;
	}
	c->kind = -1;
}

void client_drop(struct client *c)
{
	struct client **p;

	client_release(c);
	for (p = &hub.clients; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	source_del(&c->src);
	close(c->src.fd);
	free(c);
	evh_sweep();
}

struct client *client_of_slot(uint32_t slot)
{
	struct client *c;

	for (c = hub.clients; c; c = c->next)
		if (c->kind == LAB_KIND_EVTCHN && c->slot == slot)
			return c;
	return NULL;
}

/* The handles a dead domain had open in processes that live on (a bench is several domains). */
void clients_drop_dom(uint16_t dom)
{
	struct client *c, *next;

	for (c = hub.clients; c; c = next) {
		next = c->next;
		if (c->dom == dom && c->kind >= 0 && c->kind != LAB_KIND_CTL)
			client_drop(c);
	}
}

static int hello_evtchn(struct client *c)
{
	int slot = evh_alloc(&c->gen);

	if (slot < 0)
		return slot;
	c->evfd = eventfd(0, EFD_CLOEXEC);
	if (c->evfd < 0) {
		evh_free((uint32_t)slot);
		return -ENFILE;
	}
	c->slot = (uint32_t)slot;
	hub.evfd[slot] = c->evfd;
	return 0;
}

static int hello_gnttab(struct client *c)
{
	c->recs_fd = memfd_create("xensplit-lab-maps", MFD_CLOEXEC);
	if (c->recs_fd < 0)
		return -ENFILE;
	if (ftruncate(c->recs_fd, sizeof(struct lab_recs)) < 0) {
		close(c->recs_fd);
		return -ENOMEM;
	}
	return 0;
}

static int hello(struct client *c, struct lab_msg *m)
{
	uint32_t kind = m->arg[0], dom = m->arg[1];
	int fds[2] = {hub.shm_fd, -1}, r = 0;

	if (c->kind >= 0 || kind > LAB_KIND_CTL)
		return -EINVAL;
	if (m->arg[2] != LAB_PROTO_VERSION)
		return -EPROTO;
	if (!domain_alive(dom))
		return -ENODEV;
	if (kind == LAB_KIND_EVTCHN)
		r = hello_evtchn(c);
	else if (kind == LAB_KIND_GNTTAB)
		r = hello_gnttab(c);
	if (r < 0)
		return r;
	c->kind = (int)kind;
	c->dom = (uint16_t)dom;
	fds[1] = kind == LAB_KIND_EVTCHN ? c->evfd : kind == LAB_KIND_GNTTAB ? c->recs_fd : -1;
	m->rc = 0;
	m->arg[0] = c->slot;
	m->arg[1] = c->gen;
	m->len = 0;
	return client_reply(c, m, NULL, fds, fds[1] >= 0 ? 2 : 1) ? -EPIPE : ANSWERED;
}

static int get_memory(struct client *c, struct lab_msg *m)
{
	uint32_t id = m->arg[0];

	if (id >= LAB_DOMS || !hub.dom[id])
		return -ESRCH;
	m->rc = 0;
	m->arg[0] = hub.shm->dom[id].gen;
	m->len = 0;
	return client_reply(c, m, NULL, &hub.dom[id]->memfd, 1) ? -EPIPE : ANSWERED;
}

static int get_eventfd(struct client *c, struct lab_msg *m)
{
	uint64_t owner = (uint64_t)m->arg[1] << 32 | m->arg[0];
	uint32_t slot = LAB_OWNER_SLOT(owner);

	if (!owner || slot >= LAB_EVHS || hub.evfd[slot] < 0 ||
	    hub.shm->evh[slot].gen != (uint32_t)(owner >> 32))
		return -ESRCH;
	m->rc = 0;
	m->len = 0;
	return client_reply(c, m, NULL, &hub.evfd[slot], 1) ? -EPIPE : ANSWERED;
}

static int enter(struct client *c, struct lab_msg *m)
{
	int fds[LAB_MAX_FDS], n = 0, i, net = hub.ns_fd[LAB_NS_NET];
	uint32_t dom = m->arg[0];

	if (dom && net >= 0) {
		if (!domain_alive(dom))
			return -ESRCH;
		net = netns_of(hub.dom[dom]);
		if (net < 0)
			return net;
	}
	m->rc = 0;
	m->len = 0;
	m->arg[0] = 0; /* a bit for each namespace that is sent */
	for (i = 0; i < LAB_MAX_FDS; i++) {
		if (hub.ns_fd[i] >= 0) {
			m->arg[0] |= 1u << i;
			fds[n++] = i == LAB_NS_NET ? net : hub.ns_fd[i];
		}
	}
	return client_reply(c, m, NULL, fds, n) ? -EPIPE : ANSWERED;
}

static int create(struct client *c, struct lab_msg *m, char *data)
{
	uint32_t id = m->arg[0];
	int r;

	data[m->len < 40 ? m->len : 40] = '\0';
	if (id == 0 || id >= LAB_DOMS)
		return id == 0 ? 0 : -ERANGE;
	if (domain_alive(id) && hub.dom[id]->ready)
		return 0;
	if (!domain_alive(id)) {
		r = domain_create((uint16_t)id, data, true);
		if (r < 0)
			return r;
		toolstack_create((uint16_t)id);
	}
	c->waiting = LAB_CREATE;
	c->waiting_dom = (uint16_t)id;
	return ANSWERED; /* by the toolstack, later */
}

static int destroy(struct client *c, uint32_t id)
{
	int r = id < LAB_DOMS ? domain_destroy((uint16_t)id) : -ESRCH;

	if (r < 0)
		return r;
	c->waiting = LAB_DESTROY;
	c->waiting_dom = (uint16_t)id;
	return ANSWERED; /* when the toolstack has taken its nodes away */
}

/* The toolstack is done with a domain: answer those who wait for it. */
void clients_answer(int op, uint16_t dom, int rc)
{
	struct lab_msg m = {.op = (uint32_t)op, .rc = rc};
	struct client *c;

	for (c = hub.clients; c; c = c->next) {
		if (c->waiting != op || c->waiting_dom != dom)
			continue;
		c->waiting = 0;
		client_reply(c, &m, NULL, NULL, 0);
	}
}

static int status(struct client *c, struct lab_msg *m)
{
	static char text[LAB_MAX_DATA];
	int n = status_text(text, sizeof(text));

	m->rc = 0;
	m->len = (uint32_t)n;
	return client_reply(c, m, text, NULL, 0) ? -EPIPE : ANSWERED;
}

/* Returns the reply's rc, ANSWERED when that is done or will be, -EPIPE to drop the client. */
static int request(struct client *c, struct lab_msg *m, char *data, uint32_t *refs)
{
	uint64_t owner = LAB_OWNER(c->slot, c->gen);
	bool evtchn = c->kind == LAB_KIND_EVTCHN, ctl = c->kind == LAB_KIND_CTL;

	switch (m->op) {
	case LAB_HELLO:
		return hello(c, m);
	case LAB_CLOSE:
		client_release(c);
		return 0;
	case LAB_GET_MEMORY:
		return get_memory(c, m);
	case LAB_GET_EVENTFD:
		return get_eventfd(c, m);
	case LAB_SHARE:
		return c->kind == LAB_KIND_GNTSHR ? grant_share(c, m, refs) : -EINVAL;
	case LAB_UNSHARE:
		return grant_unshare(c, (const uint32_t *)(void *)data, m->len / 4);
	case LAB_ALLOC_UNBOUND:
		return evtchn ? port_alloc_unbound(c->dom, (uint16_t)m->arg[0], owner) : -EINVAL;
	case LAB_BIND_INTERDOMAIN:
		return evtchn ? port_bind_interdomain(c->dom, (uint16_t)m->arg[0], m->arg[1], owner)
			      : -EINVAL;
	case LAB_BIND_VIRQ:
		return evtchn ? port_bind_virq(c->dom, m->arg[0], owner) : -EINVAL;
	case LAB_UNBIND:
		if (!evtchn || m->arg[0] >= LAB_PORTS ||
		    hub.shm->dom[c->dom].port[m->arg[0]].owner != owner)
			return -ENOTCONN;
		return port_close(c->dom, m->arg[0]);
	case LAB_HOLD:
		return port_hold(c, m->arg[0]);
	case LAB_RELEASE:
		port_release(c, m->arg[0]);
		return 0;
	case LAB_REAP:
		if (m->arg[0] < LAB_DOMS)
			domain_reap((uint16_t)m->arg[0]);
		return 0;
	case LAB_CREATE:
		return ctl ? create(c, m, data) : -EPERM;
	case LAB_DESTROY:
		return c->dom == 0 ? destroy(c, m->arg[0]) : -EPERM;
	case LAB_ENTER:
		return enter(c, m);
	case LAB_STATUS:
		return status(c, m);
	case LAB_SHUTDOWN:
		if (!ctl)
			return -EPERM;
		hub.stopping = true;
		return 0;
	}
	return -ENOSYS;
}

static void client_event(struct source *s, uint32_t events)
{
	struct client *c = (struct client *)s;
	static uint32_t refs[LAB_GNTALLOC];
	static _Alignas(8) char data[LAB_MAX_DATA + 1];
	struct lab_msg m;
	struct iovec iov[2] = {{&m, sizeof(m)}, {data, LAB_MAX_DATA}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;
	int r;

	(void)events;
	n = recvmsg(s->fd, &h, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)sizeof(m) || (size_t)n - sizeof(m) != m.len || c->waiting) {
		client_drop(c);
		return;
	}
	if (c->kind < 0 && m.op != LAB_HELLO && m.op != LAB_CLOSE) {
		r = -ENODEV;
	} else {
		r = request(c, &m, data, refs);
	}
	if (r == ANSWERED)
		return;
	if (r == -EPIPE) {
		client_drop(c);
		return;
	}
	m.rc = r;
	m.len = m.op == LAB_SHARE && r > 0 ? (uint32_t)r * 4 : 0;
	if (client_reply(c, &m, m.len ? refs : NULL, NULL, 0))
		client_drop(c);
}

static void listen_event(struct source *s, uint32_t events)
{
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	struct client *c;

	(void)events;
	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	c->src.fd = fd;
	c->src.fn = client_event;
	c->kind = -1;
	c->pid = cred.pid;
	c->next = hub.clients;
	hub.clients = c;
	if (source_add(&c->src, EPOLLIN))
		client_drop(c);
}

int clients_listen(void)
{
	static struct source s;
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s/hub.sock", hub.dir) >=
	    (int)sizeof(a.sun_path))
		return -ENAMETOOLONG;
	s.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s.fn = listen_event;
	unlink(a.sun_path);
	if (s.fd < 0 || bind(s.fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s.fd, 256) < 0)
		return -errno;
	hub.listen_fd = s.fd;
	return source_add(&s, EPOLLIN);
}
