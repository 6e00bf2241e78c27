/* SPDX-License-Identifier: MIT */
/*
 * libxenevtchn.so.1 of the lab. Binding asks the hub; notify, pending and unmask work on the shared
 * memory (event.h) and an eventfd. A handle caches the eventfds of handles it notifies by slot; a
 * newer one takes over the old one's fd number, so a racing notify at worst wakes it once too
 * often.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include <xenevtchn.h>

#include "common/lab/event.h"
#include "common/lab/world.h"

struct xenevtchn_handle {
	struct lab_link link;
	int fd;
	struct lab_evh *evh;
	struct lab_port *port; /* of the domain, by number */
	uint64_t owner;
	bool nonblock;
	pthread_mutex_t cache_lock;
	uint64_t cache[LAB_EVHS]; /* gen << 32 | fd + 1 */
};

static int fail(int err)
{
	errno = err;
	return -1;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	xenevtchn_handle *h;
	int r = -lab_fault("evtchn.open", EMFILE);

	(void)logger;
	h = r ? NULL : calloc(1, sizeof(*h));
	if (!r)
		r = h ? lab_link_open(&h->link, LAB_KIND_EVTCHN, &h->fd,
				      !(flags & XENEVTCHN_NO_CLOEXEC))
		      : -ENOMEM;
	if (r) {
		free(h);
		errno = -r;
		return NULL;
	}
	h->evh = &h->link.world->shm->evh[h->link.slot];
	h->port = h->link.world->shm->dom[h->link.dom].port;
	h->owner = LAB_OWNER(h->link.slot, h->link.gen);
	pthread_mutex_init(&h->cache_lock, NULL);
	return h;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd, unsigned int flags)
{
	(void)logger;
	(void)fd;
	(void)flags;
	lab_unknown("xenevtchn_fdopen");
	return NULL;
}

int xenevtchn_close(xenevtchn_handle *h)
{
	uint32_t i;

	if (!h)
		return 0;
	lab_link_close(&h->link);
	for (i = 0; i < LAB_EVHS; i++)
		if (h->cache[i])
			close((int)(uint32_t)h->cache[i] - 1);
	close(h->fd);
	pthread_mutex_destroy(&h->cache_lock);
	free(h);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *h)
{
	return h->fd;
}

int xenevtchn_restrict(xenevtchn_handle *h, domid_t domid)
{
	(void)h;
	(void)domid;
	return lab_unknown("xenevtchn_restrict");
}

/* The eventfd of another handle, or -1 when that handle is gone. */
static int eventfd_of(xenevtchn_handle *h, uint64_t owner)
{
	uint32_t slot = LAB_OWNER_SLOT(owner), gen = (uint32_t)(owner >> 32);
	uint64_t c = __atomic_load_n(&h->cache[slot], __ATOMIC_ACQUIRE);
	struct lab_msg m = {.op = LAB_GET_EVENTFD, .arg = {(uint32_t)owner, gen}};
	int fd = -1, old;

	if (c && (uint32_t)(c >> 32) == gen)
		return (int)(uint32_t)c - 1;
	pthread_mutex_lock(&h->cache_lock);
	c = h->cache[slot];
	old = c ? (int)(uint32_t)c - 1 : -1;
	if (c && (uint32_t)(c >> 32) == gen) {
		fd = old;
	} else if (lab_call(&h->link, &m, NULL, NULL, 0, &fd) >= 0 && fd >= 0) {
		if (old >= 0 && dup3(fd, old, O_CLOEXEC) == old) {
			close(fd);
			fd = old;
		}
		__atomic_store_n(&h->cache[slot], (uint64_t)gen << 32 | (uint32_t)(fd + 1),
				 __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&h->cache_lock);
	return fd;
}

static bool mine(xenevtchn_handle *h, evtchn_port_t port)
{
	return port < LAB_PORTS &&
	       __atomic_load_n(&h->port[port].owner, __ATOMIC_ACQUIRE) == h->owner;
}

/* Silent success on a port whose other end is not there, as Xen's EVTCHNOP_send. */
int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
	struct lab_shm *s = h->link.world->shm;
	uint64_t b, owner;
	uint32_t rport;
	uint16_t rdom;
	int err = lab_fault("evtchn.notify", EINVAL), fd;

	if (err)
		return fail(err);
	if (!mine(h, port))
		return fail(ENOTCONN);
	b = __atomic_load_n(&h->port[port].bind, __ATOMIC_ACQUIRE);
	if (LAB_BIND_STATE(b) != LAB_PORT_INTERDOMAIN)
		return 0;
	rdom = LAB_BIND_DOM(b);
	rport = LAB_BIND_PORT(b);
	if (lab_event_raise(s, &s->dom[rdom].port[rport], rport,
			    LAB_BIND(LAB_PORT_INTERDOMAIN, h->link.dom, port), LAB_PROGRAM,
			    &owner)) {
		fd = owner == h->owner ? h->fd : eventfd_of(h, owner);
		if (fd >= 0)
			lab_event_wake(fd);
	}
	return 0;
}

static int hub_call(xenevtchn_handle *h, const char *name, enum lab_op op, uint32_t a, uint32_t b)
{
	int err = lab_fault(name, ENOSPC), r;

	if (err)
		return fail(err);
	r = lab_call3(&h->link, op, a, b, 0);
	return r < 0 ? fail(-r) : r;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *h, uint32_t domid)
{
	return hub_call(h, "evtchn.bind_unbound_port", LAB_ALLOC_UNBOUND, domid, 0);
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid,
						     evtchn_port_t remote_port)
{
	return hub_call(h, "evtchn.bind_interdomain", LAB_BIND_INTERDOMAIN, domid, remote_port);
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *h, unsigned int virq)
{
	return hub_call(h, "evtchn.bind_virq", LAB_BIND_VIRQ, virq, 0);
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
	return hub_call(h, "evtchn.unbind", LAB_UNBIND, port, 0);
}

/* O_NONBLOCK, once set, is taken to stay: asking each time is a system call for each event. */
static bool does_not_block(xenevtchn_handle *h)
{
	if (!__atomic_load_n(&h->nonblock, __ATOMIC_RELAXED) && (fcntl(h->fd, F_GETFL) & O_NONBLOCK))
		__atomic_store_n(&h->nonblock, true, __ATOMIC_RELAXED);
	return __atomic_load_n(&h->nonblock, __ATOMIC_RELAXED);
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
	struct pollfd p = {.fd = h->fd, .events = POLLIN};
	int err = lab_fault("evtchn.pending", EIO), r;

	if (err)
		return fail(err);
	for (;;) {
		r = lab_event_pop(h->evh, h->link.gen, h->fd, LAB_PROGRAM);
		if (r >= 0)
			return r;
		if (r != -EAGAIN || does_not_block(h))
			return fail(-r);
		if (poll(&p, 1, -1) < 0)
			return -1;
	}
}

/* A port of another handle is ignored, as by Linux's write(). */
int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
	int err = lab_fault("evtchn.unmask", EINVAL);

	if (err)
		return fail(err);
	if (mine(h, port) && lab_event_unmask(h->evh, &h->port[port], port, LAB_PROGRAM))
		lab_event_wake(h->fd);
	return 0;
}
