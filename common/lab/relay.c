/* SPDX-License-Identifier: MIT */
/*
 * A guest's end of its xenstore ring: what Linux's xenbus driver does in a guest's kernel. Requests
 * of many sessions get ids of the relay's own and go into the ring in order; replies and watch
 * events come out and go to the session they belong to.
 * Source: public/io/xs_wire.h, struct xenstore_domain_interface.
 */
#include "common/lab/relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/lab/event.h"

/* Queue a message; the caller pumps. `h->req_id` is the session's; body has h->len bytes. */
int relay_send(struct relay *r, struct session *s, const struct xsd_sockmsg *h, const void *body,
	       uint32_t watch_id)
{
	struct request *q = calloc(1, sizeof(*q) + sizeof(*h) + h->len);
	struct xsd_sockmsg out = *h;

	if (!q)
		return -ENOMEM;
	q->session = s;
	q->session_id = h->req_id;
	q->type = h->type;
	q->tx_id = h->tx_id;
	q->watch_id = watch_id;
	q->id = out.req_id = ++r->next_id;
	q->len = (uint32_t)sizeof(out) + h->len;
	memcpy(q->msg, &out, sizeof(out));
	memcpy(q->msg + sizeof(out), body, h->len);
	*r->tail = q;
	r->tail = &q->next;
	if (s)
		s->inflight++;
	return 0;
}

static void ring_broken(struct relay *r, const char *what)
{
	if (!r->broken)
		hub_log("domain %u: xenstore ring: %s; its store is closed", r->domain->id, what);
	r->broken = true;
}

/* Bytes from the queue into the ring; true if any. */
static bool pump_out(struct relay *r)
{
	struct xenstore_domain_interface *x = r->ring;
	uint32_t prod = x->req_prod, start = prod, cons;
	struct request *q;

	for (q = r->head; q; q = q->next) {
		while (q->sent < q->len) {
			uint32_t room, n, off = MASK_XENSTORE_IDX(prod);

			cons = __atomic_load_n(&x->req_cons, __ATOMIC_ACQUIRE);
			if (prod - cons > XENSTORE_RING_SIZE) {
				ring_broken(r, "req_cons is beyond req_prod");
				return false;
			}
			room = XENSTORE_RING_SIZE - (prod - cons);
			n = q->len - q->sent;
			n = n < room ? n : room;
			n = n < XENSTORE_RING_SIZE - off ? n : XENSTORE_RING_SIZE - off;
			if (n == 0)
				goto out;
			memcpy(x->req + off, q->msg + q->sent, n);
			q->sent += n;
			prod += n;
		}
	}
out:
	/* pairs with xenstored's read barrier after it loads req_prod */
	__atomic_store_n(&x->req_prod, prod, __ATOMIC_RELEASE);
	return prod != start;
}

static void dispatch(struct relay *r)
{
	struct xsd_sockmsg h;
	const uint8_t *body = r->in + sizeof(h);
	struct request **p, *q;

	memcpy(&h, r->in, sizeof(h));
	if (h.type == XS_WATCH_EVENT) {
		session_watch_event(r, &h, body);
		return;
	}
	for (p = &r->head; *p; p = &(*p)->next)
		if ((*p)->id == h.req_id)
			break;
	q = *p;
	if (!q || q->sent < q->len)
		return;
	*p = q->next;
	if (!q->next)
		r->tail = p;
	session_done(r, q, &h, body);
	free(q);
}

/* Replies out of the ring; true if any byte was taken. */
static bool pump_in(struct relay *r)
{
	struct xenstore_domain_interface *x = r->ring;
	uint32_t cons = x->rsp_cons, start = cons;

	for (;;) {
		uint32_t prod = __atomic_load_n(&x->rsp_prod, __ATOMIC_ACQUIRE);
		uint32_t want, n, off = MASK_XENSTORE_IDX(cons);
		struct xsd_sockmsg h;

		if (prod - cons > XENSTORE_RING_SIZE) {
			ring_broken(r, "rsp_prod is beyond the ring");
			break;
		}
		want = sizeof(h);
		if (r->in_len >= sizeof(h)) {
			memcpy(&h, r->in, sizeof(h));
			if (h.len > XENSTORE_PAYLOAD_MAX) {
				ring_broken(r, "a message is too long");
				break;
			}
			want += h.len;
			if (r->in_len == want) {
				r->in[want] = 0;
				dispatch(r);
				r->in_len = 0;
				continue;
			}
		}
		n = want - r->in_len;
		n = n < prod - cons ? n : prod - cons;
		n = n < XENSTORE_RING_SIZE - off ? n : XENSTORE_RING_SIZE - off;
		if (n == 0)
			break;
		memcpy(r->in + r->in_len, x->rsp + off, n);
		r->in_len += n;
		cons += n;
		/* pairs with xenstored's barrier between loading rsp_cons and writing the ring */
		__atomic_store_n(&x->rsp_cons, cons, __ATOMIC_RELEASE);
	}
	return cons != start;
}

void relay_pump(struct relay *r)
{
	bool in, out;

	if (r->broken)
		return;
	in = pump_in(r);
	out = pump_out(r);
	if (in || out)
		port_send(r->domain->id, r->port);
}

static void relay_event(struct source *s, uint32_t events)
{
	struct relay *r = (struct relay *)((char *)s - offsetof(struct relay, event));
	struct lab_evh *h = &hub.shm->evh[r->slot];
	int port;

	(void)events;
	while ((port = lab_event_pop(h, r->gen, s->fd, LAB_HUB)) > 0) {
		struct lab_port *p = &hub.shm->dom[r->domain->id].port[port];

		relay_pump(r);
		if (lab_event_unmask(h, p, (uint32_t)port, LAB_HUB))
			lab_event_wake(s->fd);
	}
}

static int relay_listen(struct relay *r)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (store_path(a.sun_path, sizeof(a.sun_path), r->domain->id))
		return -ENAMETOOLONG;
	unlink(a.sun_path);
	r->listen.fn = session_accept;
	r->listen.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->listen.fd < 0 || bind(r->listen.fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(r->listen.fd, 64) < 0)
		return -errno;
	return source_add(&r->listen, EPOLLIN);
}

/* Give the domain its store port (unbound, for Dom0) and a socket for its processes. */
int relay_start(struct domain *d)
{
	struct relay *r = calloc(1, sizeof(*r));
	int slot, port, err;

	if (!r)
		return -ENOMEM;
	r->domain = d;
	r->tail = &r->head;
	r->ring = (struct xenstore_domain_interface *)(void *)(d->memory + LAB_PAGE);
	r->listen.fd = -1;
	slot = evh_alloc(&r->gen);
	if (slot < 0) {
		free(r);
		return slot;
	}
	r->slot = (uint32_t)slot;
	r->event.fd = hub.evfd[slot] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->event.fn = relay_event;
	d->relay = r;
	port = port_alloc_unbound(d->id, 0, LAB_OWNER(r->slot, r->gen));
	if (port < 0 || r->event.fd < 0)
		return -ENFILE;
	r->port = d->store_port = (uint32_t)port;
	err = source_add(&r->event, EPOLLIN);
	return err ? err : relay_listen(r);
}

void relay_stop(struct domain *d)
{
	struct relay *r = d->relay;
	struct request *q;
	char path[108];

	if (!r)
		return;
	r->broken = true; /* sessions end without a word to the ring */
	while (r->sessions)
		session_close(r->sessions);
	while ((q = r->head)) {
		r->head = q->next;
		free(q);
	}
	if (r->listen.fd >= 0) {
		source_del(&r->listen);
		close(r->listen.fd);
		if (!store_path(path, sizeof(path), d->id))
			unlink(path);
	}
	ports_close_owner(d->id, LAB_OWNER(r->slot, r->gen));
	evh_free(r->slot);
	source_del(&r->event);
	close(r->event.fd);
	free(r);
	d->relay = NULL;
}
