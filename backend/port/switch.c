/* SPDX-License-Identifier: MIT */
/*
 * switch:NAME joins network devices to a learning switch inside the daemon: guests talk to each other
 * without a bridge of the host, large packets stay whole. pair:NAME is a cable between two.
 *
 * A switch is made with its first port and goes with its last. One lock each: it guards the ports, the
 * table of addresses, and that a port does not go while a packet is on its way into it. Packets wait
 * in the inbox of the port's end they go to (inbox.h), unless that end is the same worker's and nothing
 * waits there: then they go from guest to guest at once (net/direct.h), and only the way is told here.
 * A receiver that takes no large packets gets them cut, as a network card would.
 */
#include "backend/port/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "backend/port/inbox.h"
#include "common/net/segment.h"

#define ADDRS  1024u /* learnt; where two fall on one place the later counts */
#define PORTS  256u  /* of one switch: a broadcast is copied to all of them */

struct member {
	struct xsp_netport p; /* first */
	TAILQ_ENTRY(member) link;
	struct fabric *f;
	uint32_t n; /* inboxes in use: 0 before the guest connects */
	struct xsp_netport_features takes;
	struct xsp_inbox inbox[XSP_NETPORT_QUEUES];
	struct xsp_netport_end *end[XSP_NETPORT_QUEUES]; /* those that run */
};

struct fabric {
	LIST_ENTRY(fabric) link;
	char name[64];
	bool pair; /* what one sends, the other gets */
	int home;  /* see struct xsp_netport */
	pthread_mutex_t lock;
	TAILQ_HEAD(, member) members;
	uint32_t n;
	struct {
		uint8_t addr[6];
		struct member *at; /* NULL: free */
	} table[ADDRS];
	uint8_t segment[XSP_PACKET_BYTES]; /* what is cut goes through here */
};

static LIST_HEAD(, fabric) fabrics = LIST_HEAD_INITIALIZER(fabrics); /* the store thread's */

static struct member *member_of(struct xsp_netport *p)
{
	return (struct member *)p;
}

/* --- switches and their ports: store thread ----------------------------------------------------- */

static struct fabric *get_fabric(const char *name, bool pair)
{
	struct fabric *f;

	LIST_FOREACH(f, &fabrics, link)
		if (f->pair == pair && !strcmp(f->name, name))
			return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->pair = pair;
	f->home = -1;
	TAILQ_INIT(&f->members);
	pthread_mutex_init(&f->lock, NULL);
	LIST_INSERT_HEAD(&fabrics, f, link);
	return f;
}

static void put_fabric(struct fabric *f)
{
	if (f->n)
		return;
	LIST_REMOVE(f, link);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static int join(const struct xsp_netport_ops *ops, const char *opts, const char *name,
		struct xsp_netport **ret, char *why, size_t why_len)
{
	bool pair = ops == &xsp_netport_pair;
	struct member *m;
	struct fabric *f;

	if (*opts || !*name || strlen(name) >= sizeof(f->name)) {
		snprintf(why, why_len, "%s: give it a name and no options, as in %s:lan", ops->name, ops->name);
		return -EINVAL;
	}
	m = calloc(1, sizeof(*m));
	f = m ? get_fabric(name, pair) : NULL;
	if (!f) {
		free(m);
		return -ENOMEM;
	}
	if (f->n == (pair ? 2 : PORTS)) {
		snprintf(why, why_len, "%s:%s has %u ports already", ops->name, name, f->n);
		free(m);
		return -ENOSPC;
	}
	m->p.ops = ops;
	m->p.home = &f->home;
	m->f = f;
	pthread_mutex_lock(&f->lock);
	TAILQ_INSERT_TAIL(&f->members, m, link);
	f->n++;
	pthread_mutex_unlock(&f->lock);
	*ret = &m->p;
	return 0;
}

static int switch_open(const char *opts, const char *rest, const struct xsp_netport_wish *wish,
		       struct xsp_netport **ret, char *why, size_t why_len)
{
	(void)wish;
	return join(&xsp_netport_switch, opts, rest, ret, why, why_len);
}

static int pair_open(const char *opts, const char *rest, const struct xsp_netport_wish *wish,
		     struct xsp_netport **ret, char *why, size_t why_len)
{
	(void)wish;
	return join(&xsp_netport_pair, opts, rest, ret, why, why_len);
}

static void switch_disconnect(struct xsp_netport *p)
{
	struct member *m = member_of(p);
	uint32_t n;

	pthread_mutex_lock(&m->f->lock);
	n = m->n;
	m->n = 0; /* nothing is put into its inboxes from here on */
	for (uint32_t i = 0; i < ADDRS; i++)
		if (m->f->table[i].at == m)
			m->f->table[i].at = NULL;
	pthread_mutex_unlock(&m->f->lock);
	while (n)
		xsp_inbox_fini(&m->inbox[--n]);
}

static int switch_connect(struct xsp_netport *p, const struct xsp_netport_features *features, char *why,
			  size_t why_len)
{
	struct member *m = member_of(p);
	uint32_t n = 0;
	int err = 0;

	switch_disconnect(p);
	for (; n < features->queues && !err; n++)
		err = xsp_inbox_init(&m->inbox[n]);
	if (err) {
		snprintf(why, why_len, "no memory for packets");
		for (n--; n; n--)
			xsp_inbox_fini(&m->inbox[n - 1]);
		return err;
	}
	pthread_mutex_lock(&m->f->lock);
	m->takes = *features;
	m->n = n;
	pthread_mutex_unlock(&m->f->lock);
	return 0;
}

static void switch_close(struct xsp_netport *p, bool forget)
{
	struct member *m = member_of(p);
	struct fabric *f = m->f;

	(void)forget;
	switch_disconnect(p);
	pthread_mutex_lock(&f->lock);
	TAILQ_REMOVE(&f->members, m, link);
	f->n--;
	pthread_mutex_unlock(&f->lock);
	put_fabric(f);
	free(m);
}

/* --- packets: workers, with the switch's lock held ----------------------------------------------- */

static uint32_t place_of(const uint8_t *addr)
{
	uint64_t a = 0;

	memcpy(&a, addr, 6);
	return (uint32_t)((a * 0x9e3779b97f4a7c15ull) >> 54);
}
static_assert(ADDRS == 1u << 10, "place_of gives 10 bits");

static void learn(struct fabric *f, struct member *from, const uint8_t *addr)
{
	uint32_t i = place_of(addr);

	if (addr[0] & 1)
		return; /* nobody's address */
	memcpy(f->table[i].addr, addr, 6);
	f->table[i].at = from;
}

static struct member *find(struct fabric *f, const uint8_t *addr)
{
	uint32_t i = place_of(addr);

	return f->table[i].at && !memcmp(f->table[i].addr, addr, 6) ? f->table[i].at : NULL;
}

/* The packet in pieces that `to` takes; false when one had no room. */
static bool deliver_cut(struct fabric *f, struct xsp_inbox *box, const struct xsp_packet *p)
{
	struct xsp_vnet v = { 0 };
	uint32_t at = 0, len;

	while ((len = xsp_net_segment(p->data, p->len, &p->vnet, &at, f->segment, &v)))
		if (!xsp_inbox_put(box, f->segment, len, &v))
			return false;
	return at > 0;
}

static bool takes_whole(const struct member *to, const struct xsp_packet *p)
{
	return p->vnet.gso_type == XSP_VNET_GSO_NONE ||
	       (p->vnet.gso_type == XSP_VNET_GSO_TCPV4 ? to->takes.tso4 : to->takes.tso6);
}

static bool deliver(struct fabric *f, struct member *to, uint32_t flow, const struct xsp_packet *p)
{
	struct xsp_inbox *box;

	if (!to->n)
		return false;
	box = &to->inbox[flow % to->n];
	return takes_whole(to, p) ? xsp_inbox_put(box, p->data, p->len, &p->vnet) : deliver_cut(f, box, p);
}

static bool forward(struct fabric *f, struct member *from, uint32_t flow, const struct xsp_packet *p)
{
	struct member *to = NULL;
	bool any = false;

	if (!f->pair) {
		learn(f, from, p->data + 6);
		to = find(f, p->data);
	}
	if (to == from)
		return true; /* the guest talks to itself */
	if (to)
		return deliver(f, to, flow, p);
	TAILQ_FOREACH(to, &f->members, link)
		if (to != from)
			any |= deliver(f, to, flow, p);
	return any || f->n < 2 || p->data[0] & 1;
}

static void switch_send(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	struct member *m = member_of(e->port);

	pthread_mutex_lock(&m->f->lock);
	for (unsigned int i = 0; i < n; i++)
		p[i].lost = !forward(m->f, m, e->index, &p[i]);
	pthread_mutex_unlock(&m->f->lock);
}

static struct member *other_of_pair(struct fabric *f, const struct member *m)
{
	struct member *to = TAILQ_FIRST(&f->members);

	return to == m ? TAILQ_NEXT(to, link) : to;
}

/* Of one packet, or NULL. */
static struct xsp_netport_end *way_of(struct member *m, const struct xsp_netport_end *e,
				      const struct xsp_packet *p)
{
	struct member *to;
	uint32_t i;

	if (m->f->pair) {
		to = other_of_pair(m->f, m);
	} else {
		learn(m->f, m, p->data + 6);
		to = find(m->f, p->data);
	}
	if (!to || to == m || !to->n || !takes_whole(to, p))
		return NULL;
	i = e->index % to->n;
	return to->end[i] && to->end[i]->worker == e->worker && xsp_inbox_is_empty(&to->inbox[i]) ?
	       to->end[i] : NULL;
}

/* The packets of a batch are mostly between the same two: they go the same way. */
static bool same_way(const struct xsp_packet *a, const struct xsp_packet *b)
{
	return a->vnet.gso_type == b->vnet.gso_type && !memcmp(a->data, b->data, 12);
}

static unsigned int switch_direct(struct xsp_netport_end *e, const struct xsp_packet *p, unsigned int n,
				  struct xsp_netport_end **to)
{
	struct member *m = member_of(e->port);
	unsigned int i;

	pthread_mutex_lock(&m->f->lock);
	for (i = 0; i < n; i++) {
		to[i] = i && same_way(&p[i], &p[i - 1]) ? to[i - 1] : way_of(m, e, &p[i]);
		if (!to[i])
			break;
	}
	pthread_mutex_unlock(&m->f->lock);
	return i; /* they stop on this thread only: until the caller is done they are there */
}

static void set_end(struct xsp_netport_end *e, struct xsp_netport_end *value)
{
	struct member *m = member_of(e->port);

	pthread_mutex_lock(&m->f->lock);
	m->end[e->index] = value;
	pthread_mutex_unlock(&m->f->lock);
}

static int switch_start(struct xsp_netport_end *e)
{
	e->fd = member_of(e->port)->inbox[e->index].fd;
	set_end(e, e);
	return 0;
}

static void switch_stop(struct xsp_netport_end *e)
{
	set_end(e, NULL);
}

static unsigned int switch_recv(struct xsp_netport_end *e, struct xsp_packet *p, unsigned int n)
{
	return xsp_inbox_take(&member_of(e->port)->inbox[e->index], p, n);
}

const struct xsp_netport_ops xsp_netport_switch = {
	.name = "switch",
	.usage = "switch:NAME",
	.open = switch_open,
	.close = switch_close,
	.connect = switch_connect,
	.disconnect = switch_disconnect,
	.start = switch_start,
	.stop = switch_stop,
	.send = switch_send,
	.recv = switch_recv,
	.direct = switch_direct,
	.copies = 1,
};

const struct xsp_netport_ops xsp_netport_pair = {
	.name = "pair",
	.usage = "pair:NAME",
	.open = pair_open,
	.close = switch_close,
	.connect = switch_connect,
	.disconnect = switch_disconnect,
	.start = switch_start,
	.stop = switch_stop,
	.send = switch_send,
	.recv = switch_recv,
	.direct = switch_direct,
	.copies = 1,
};
