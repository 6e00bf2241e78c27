/* SPDX-License-Identifier: MIT */
/*
 * Event channels, the hub's half: which port is bound to what, in which handle. The rules are Xen's
 * (public/event_channel.h) and Linux's evtchn device's; delivery itself is event.h. The hub is the
 * only writer of `bind` and `owner`.
 */
#include "common/lab/hub.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/lab/event.h"

#define LATE_MS 20 /* from an event in the queue to its token, by a process that the scheduler lets wait */

static struct lab_port *port_of(uint16_t dom, uint32_t port)
{
	return &hub.shm->dom[dom].port[port];
}

int evh_alloc(uint32_t *gen)
{
	struct lab_evh *h;
	bool locked, died;
	uint32_t i;

	for (i = 0; i < LAB_EVHS; i++) {
		if (hub.evfd[i] != -1)
			continue;
		h = &hub.shm->evh[i];
		if (!h->gen) /* once: a late notifier of the slot's last user may be in the lock */
			lab_mutex_init(&h->lock);
		locked = lab_lock_or_go_on(&h->lock, &died);
		h->gen++;
		h->prod = h->cons = h->overflow = 0;
		h->drained = false;
		if (locked)
			lab_unlock(&h->lock);
		*gen = h->gen;
		hub.evfd[i] = -2; /* taken; the caller puts the eventfd in */
		return (int)i;
	}
	hub_log("no event channel handle left (%d are open)", LAB_EVHS);
	return -ENFILE;
}

void evh_free(uint32_t slot)
{
	__atomic_fetch_add(&hub.shm->evh[slot].gen, 1, __ATOMIC_RELEASE);
	hub.evfd[slot] = -1;
}

static int port_take(uint16_t dom, uint64_t bind, uint64_t owner)
{
	struct lab_port *p;
	uint32_t i;

	for (i = 1; i < LAB_PORTS; i++) {
		p = port_of(dom, i);
		if (LAB_BIND_STATE(p->bind) != LAB_PORT_FREE)
			continue;
		p->pending = p->masked = 0;
		__atomic_store_n(&p->bind, bind, __ATOMIC_RELEASE);
		__atomic_store_n(&p->owner, owner, __ATOMIC_RELEASE);
		return (int)i;
	}
	return -ENOSPC;
}

static void port_raise(uint16_t dom, uint32_t port)
{
	uint64_t o;

	if (lab_event_raise(hub.shm, port_of(dom, port), port, 0, LAB_HUB, &o) &&
	    hub.evfd[LAB_OWNER_SLOT(o)] >= 0)
		lab_event_wake(hub.evfd[LAB_OWNER_SLOT(o)]);
}

/* Source: public/event_channel.h EVTCHNOP_alloc_unbound. */
int port_alloc_unbound(uint16_t dom, uint16_t remote, uint64_t owner)
{
	if (remote == 0x7ff0) /* DOMID_SELF */
		remote = dom;
	return port_take(dom, LAB_BIND(LAB_PORT_UNBOUND, remote, 0), owner);
}

/* Source: EVTCHNOP_bind_interdomain; Xen sets the binder's port pending, to lose no early event. */
int port_bind_interdomain(uint16_t dom, uint16_t rdom, uint32_t rport, uint64_t owner)
{
	struct lab_port *r;
	int port;

	if (rdom == 0x7ff0)
		rdom = dom;
	if (!domain_alive(rdom))
		return -ESRCH;
	if (rport == 0 || rport >= LAB_PORTS)
		return -EINVAL;
	r = port_of(rdom, rport);
	if (r->bind != LAB_BIND(LAB_PORT_UNBOUND, dom, 0))
		return -EINVAL;
	port = port_take(dom, LAB_BIND(LAB_PORT_INTERDOMAIN, rdom, rport), owner);
	if (port < 0)
		return port;
	__atomic_store_n(&r->bind, LAB_BIND(LAB_PORT_INTERDOMAIN, dom, port), __ATOMIC_RELEASE);
	port_raise(dom, (uint32_t)port);
	return port;
}

int port_bind_virq(uint16_t dom, uint32_t virq, uint64_t owner)
{
	uint64_t bind = LAB_BIND(LAB_PORT_VIRQ, 0, virq);
	uint32_t i;

	if (virq >= 24) /* NR_VIRQS */
		return -EINVAL;
	for (i = 1; i < LAB_PORTS; i++)
		if (port_of(dom, i)->bind == bind)
			return -EEXIST;
	return port_take(dom, bind, owner);
}

static bool port_held(uint16_t dom, uint32_t port)
{
	struct client *c;
	uint32_t i;

	for (c = hub.clients; c; c = c->next)
		for (i = 0; c->dom == dom && i < c->nheld; i++)
			if (c->held[i] == port)
				return true;
	return false;
}

/*
 * EVTCHNOP_close: the other end becomes unbound again, for the same domain. A port that an unmap
 * notification names stays until that is gone (Linux's evtchn_get), only no handle has it.
 */
int port_close(uint16_t dom, uint32_t port)
{
	struct lab_port *p = port_of(dom, port), *r;
	uint64_t b = p->bind;

	__atomic_store_n(&p->owner, 0, __ATOMIC_RELEASE);
	if (port_held(dom, port))
		return 0;
	__atomic_store_n(&p->bind, 0, __ATOMIC_RELEASE);
	if (LAB_BIND_STATE(b) == LAB_PORT_INTERDOMAIN) {
		r = port_of(LAB_BIND_DOM(b), LAB_BIND_PORT(b));
		if (r->bind == LAB_BIND(LAB_PORT_INTERDOMAIN, dom, port))
			__atomic_store_n(&r->bind, LAB_BIND(LAB_PORT_UNBOUND, dom, 0),
					 __ATOMIC_RELEASE);
	}
	return 0;
}

int port_hold(struct client *c, uint32_t port)
{
	if (port == 0 || port >= LAB_PORTS || !port_of(c->dom, port)->bind)
		return -EINVAL;
	if (c->nheld == LAB_HELD)
		return -ENOSPC;
	c->held[c->nheld++] = (uint16_t)port;
	return 0;
}

/* The notification's moment: its event, and the port goes if its handle went before. */
void port_release(struct client *c, uint32_t port)
{
	uint32_t i;

	for (i = 0; i < c->nheld && c->held[i] != port; i++)
		;
	if (i == c->nheld)
		return;
	c->held[i] = c->held[--c->nheld];
	port_send(c->dom, port);
	if (!port_of(c->dom, port)->owner)
		port_close(c->dom, port);
}

void ports_release(struct client *c)
{
	while (c->nheld)
		port_release(c, c->held[0]);
}

void ports_close_owner(uint16_t dom, uint64_t owner)
{
	uint32_t i;

	for (i = 1; i < LAB_PORTS; i++)
		if (port_of(dom, i)->owner == owner)
			port_close(dom, i);
}

void ports_close_dom(uint16_t dom)
{
	uint32_t i;

	for (i = 1; i < LAB_PORTS; i++)
		if (port_of(dom, i)->bind)
			port_close(dom, i);
}

/* An event out of `port` of `dom`, whichever handle has it (notify-on-unmap, a dead handle's). */
int port_send(uint16_t dom, uint32_t port)
{
	uint64_t b;

	if (port == 0 || port >= LAB_PORTS)
		return -EINVAL;
	b = port_of(dom, port)->bind;
	if (LAB_BIND_STATE(b) == LAB_PORT_INTERDOMAIN)
		port_raise(LAB_BIND_DOM(b), LAB_BIND_PORT(b));
	return 0;
}

/* A global VIRQ goes to Dom0. */
void virq_raise(uint32_t virq)
{
	uint64_t bind = LAB_BIND(LAB_PORT_VIRQ, 0, virq);
	uint32_t i;

	for (i = 1; i < LAB_PORTS; i++)
		if (port_of(0, i)->bind == bind)
			port_raise(0, i);
}

static bool evh_is_empty(const struct lab_evh *h)
{
	uint32_t prod = __atomic_load_n(&h->prod, __ATOMIC_ACQUIRE); /* pairs with lab_event_push */

	return prod == __atomic_load_n(&h->cons, __ATOMIC_ACQUIRE);
}

/*
 * A killed process may have queued an event and not yet woken its reader: wake whoever needs it. Who lives
 * and is about to do it itself gets its time; and the reader is kept from taking the event while we look,
 * since a token with no event holds up a reader that waits inside its read: xenstored.
 */
void evh_sweep(void)
{
	uint32_t i;

	for (i = 0; i < LAB_EVHS; i++) {
		struct lab_evh *h = &hub.shm->evh[i];
		struct pollfd p = {.fd = hub.evfd[i], .events = POLLIN};
		bool locked;

		if (hub.evfd[i] < 0 || evh_is_empty(h) || poll(&p, 1, LATE_MS) != 0)
			continue;
		locked = lab_event_lock(h, LAB_HUB);
		if (!evh_is_empty(h) && poll(&p, 1, 0) == 0)
			lab_event_wake(hub.evfd[i]);
		lab_event_unlock(h, locked);
	}
}
