/* SPDX-License-Identifier: MIT */
/* Event channels: binding, binding again, masking, the queue behind the fd. */
#include "tests/world/world.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A bind makes the binder's own port pending: a backend looks at its ring once, at least. */
static void bind_dom0(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	uint32_t rport = (uint32_t)hear(w, "port");
	int port = xenevtchn_bind_interdomain(x, w->peer, rport);

	claim(w, port > 0, "bind gave %d", port);
	claim(w, next_event(x) == port, "the binder's port is not pending");
	claim(w, silent(x), "pending twice");
	xenevtchn_notify(x, (evtchn_port_t)port);
	hear(w, "got");
	claim(w, xenevtchn_bind_interdomain(x, w->peer, rport) < 0 && errno == EINVAL,
	      "a port that is bound was bound again");
	claim(w, xenevtchn_bind_interdomain(x, w->peer, 4000) < 0 && errno == EINVAL,
	      "a port that is not there was bound");
	claim(w, xenevtchn_notify(x, 4001) < 0, "a port of nobody was notified");
	xenevtchn_close(x);
	say(w, "closed", 1);
}

static void bind_guest(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int port = xenevtchn_bind_unbound_port(x, w->peer);

	claim(w, port > 0, "alloc gave %d", port);
	claim(w, silent(x), "a fresh port is pending");
	say(w, "port", port);
	claim(w, next_event(x) == port, "no event came");
	say(w, "got", 1);
	hear(w, "closed");
	xenevtchn_close(x);
}

/* When one end closes, the other is unbound again, for the same domain. */
static void rebind_dom0(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0), *y;
	uint32_t rport = (uint32_t)hear(w, "port");
	int port = xenevtchn_bind_interdomain(x, w->peer, rport);

	next_event(x);
	claim(w, xenevtchn_unbind(x, (evtchn_port_t)port) == 0, "unbind");
	say(w, "unbound", 1);
	hear(w, "notified");
	port = xenevtchn_bind_interdomain(x, w->peer, rport);
	claim(w, port > 0, "not bound again after unbind");
	claim(w, next_event(x) == port, "not pending after the second bind");
	xenevtchn_close(x);
	y = xenevtchn_open(NULL, 0);
	port = xenevtchn_bind_interdomain(y, w->peer, rport);
	claim(w, port > 0, "not bound again after close");
	xenevtchn_notify(y, (evtchn_port_t)port);
	say(w, "third", 1);
	hear(w, "got");
	xenevtchn_close(y);
}

static void rebind_guest(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int port = xenevtchn_bind_unbound_port(x, w->peer);

	say(w, "port", port);
	hear(w, "unbound");
	claim(w, xenevtchn_notify(x, (evtchn_port_t)port) == 0, "notify to nobody is an error");
	say(w, "notified", 1);
	hear(w, "third");
	claim(w, next_event(x) == port, "no event over the third binding");
	say(w, "got", 1);
	xenevtchn_close(x);
}

/* A port that was read is silent until it is written back; one event is kept meanwhile. */
static void mask_dom0(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int port = xenevtchn_bind_interdomain(x, w->peer, (uint32_t)hear(w, "port"));

	next_event(x);
	xenevtchn_notify(x, (evtchn_port_t)port);
	hear(w, "read");
	xenevtchn_notify(x, (evtchn_port_t)port);
	xenevtchn_notify(x, (evtchn_port_t)port);
	say(w, "twice", 1);
	hear(w, "end");
	xenevtchn_close(x);
}

static void mask_guest(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int port = xenevtchn_bind_unbound_port(x, w->peer), got;

	say(w, "port", port);
	got = readable(xenevtchn_fd(x), 5000) ? xenevtchn_pending(x) : -1;
	claim(w, got == port, "no first event");
	say(w, "read", 1);
	hear(w, "twice");
	claim(w, silent(x), "an event of a masked port");
	xenevtchn_unmask(x, (evtchn_port_t)port);
	got = readable(xenevtchn_fd(x), 5000) ? xenevtchn_pending(x) : -1;
	claim(w, got == port, "the kept event did not come");
	xenevtchn_unmask(x, (evtchn_port_t)port);
	claim(w, silent(x), "two events were kept");
	say(w, "end", 1);
	xenevtchn_close(x);
}

/*
 * The queue: ports come in order; the fd wakes its waiters only when the queue was empty; with
 * O_NONBLOCK an empty queue is EAGAIN.
 */
static void queue_dom0(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int a = xenevtchn_bind_interdomain(x, w->peer, (uint32_t)hear(w, "a"));
	int b = xenevtchn_bind_interdomain(x, w->peer, (uint32_t)hear(w, "b"));

	hear(w, "armed");
	xenevtchn_notify(x, (evtchn_port_t)b);
	say(w, "first", 1);
	hear(w, "woken");
	xenevtchn_notify(x, (evtchn_port_t)a);
	say(w, "second", 1);
	hear(w, "drained");
	xenevtchn_notify(x, (evtchn_port_t)a);
	hear(w, "end");
	xenevtchn_close(x);
}

static int edge(int ep, int ms)
{
	struct epoll_event e;

	return epoll_wait(ep, &e, 1, ms);
}

static void queue_guest(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int a = xenevtchn_bind_unbound_port(x, w->peer),
	    b = xenevtchn_bind_unbound_port(x, w->peer);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	int ep = epoll_create1(0), fd = xenevtchn_fd(x), got;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	claim(w, xenevtchn_pending(x) < 0 && errno == EAGAIN, "an empty queue is not EAGAIN");
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	while (edge(ep, 0) > 0)
		;
	say(w, "a", a);
	say(w, "b", b);
	say(w, "armed", 1);
	claim(w, edge(ep, 5000) == 1, "no wake by the first event");
	hear(w, "first");
	say(w, "woken", 1);
	hear(w, "second");
	claim(w, edge(ep, 150) == 0, "a wake though the queue was not empty");
	got = xenevtchn_pending(x);
	claim(w, got == b, "first in is %d, not %d", got, b);
	got = xenevtchn_pending(x);
	claim(w, got == a, "second is %d, not %d", got, a);
	claim(w, xenevtchn_pending(x) < 0 && errno == EAGAIN, "more than two events");
	xenevtchn_unmask(x, (evtchn_port_t)a);
	xenevtchn_unmask(x, (evtchn_port_t)b);
	say(w, "drained", 1);
	claim(w, edge(ep, 5000) == 1, "no wake after the queue was drained");
	got = xenevtchn_pending(x);
	claim(w, got == a, "third is %d, not %d", got, a);
	say(w, "end", 1);
	close(ep);
	xenevtchn_close(x);
}

const struct world_case evtchn_cases[] = {
	{"evtchn-bind-pending", bind_dom0, bind_guest},
	{"evtchn-rebind", rebind_dom0, rebind_guest},
	{"evtchn-mask", mask_dom0, mask_guest},
	{"evtchn-queue", queue_dom0, queue_guest},
	{0},
};
