/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Packets of a NIC. Nothing here allocates or copies, or talks to the store but for a watch that fired. */
#include <sys/epoll.h>
#include <unistd.h>

#include "common/stream.h"
#include "frontend/user/nic.h"

#define MAX_SPURIOUS 64  /* events in a row that brought nothing, before the port is left masked */
#define SPURIOUS_MS  100 /* ... for so long */
#define TICK_MS      1000

static void broken(struct xsp_nic *nic, const char *how)
{
	xsp_nic_fail(nic, -EPROTO, "vif %u: the backend in domain %u broke the protocol: %s", nic->devid,
		     nic->backend_domid, how);
}

static struct xsp_nic_queue *queue_of(const struct xsp_nic *nic, unsigned int queue)
{
	return xsp_nic_up(nic) && queue < nic->n_queues ? nic->queue[queue] : NULL;
}

/* --- sending ----------------------------------------------------------------------------------- */

/* The i-th of the pages that are lent next: what came back last, for its lines are nearest. */
static uint16_t free_page(const struct xsp_nic_queue *u, unsigned int i)
{
	return u->free[u->n_free - 1 - i];
}

/* Pages of a packet that is done: they are linked, the first is the packet's cookie. */
static void free_pages(struct xsp_nic_queue *u, uint32_t page)
{
	for (; page < u->tx_pages.n; page = u->next[page]) { /* a multicast request has none */
		xsp_prefetchw(xsp_nic_page(&u->tx_pages, page));
		u->free[u->n_free++] = (uint16_t)page;
	}
}

static void reap(struct xsp_nic *nic, struct xsp_nic_queue *u)
{
	struct xsp_netfront_tx_done done[32];
	int n;

	do {
		n = xsp_netfront_tx_reap(&u->tx, done, 32);
		for (int i = 0; i < n; i++) {
			free_pages(u, done[i].cookie);
			u->stats.tx_refused += done[i].status != 0;
			u->moved = true;
		}
	} while (n == 32);
	if (n < 0)
		broken(nic, u->tx.broken);
	if (n)
		u->reserved = 0; /* the pages lent are no longer the first of the free ones */
}

static unsigned int most_pages(const struct xsp_nic *nic)
{
	return nic->offer.sg ? XSP_NIC_TX_PIECES : 1;
}

/* A packet of any size fits, with its extras. */
static bool have_room(const struct xsp_nic *nic, const struct xsp_nic_queue *u)
{
	unsigned int pages = most_pages(nic);

	return u->n_free >= pages && xsp_netfront_tx_room(&u->tx) >= pages + 2;
}

unsigned int xsp_nic_reserve_bytes(struct xsp_nic *nic, unsigned int queue, uint32_t bytes, struct iovec *iov)
{
	struct xsp_nic_queue *u = queue_of(nic, queue);
	unsigned int n = (bytes + XSP_PAGE_SIZE - 1) / XSP_PAGE_SIZE;

	if (!u)
		return 0;
	if (!have_room(nic, u)) {
		reap(nic, u);
		u->want_room = !have_room(nic, u);
		if (u->want_room || nic->error)
			return 0;
	}
	if (n > most_pages(nic))
		n = most_pages(nic);
	for (unsigned int i = 0; i < n; i++) {
		iov[i].iov_base = xsp_nic_page(&u->tx_pages, free_page(u, i));
		iov[i].iov_len = XSP_PAGE_SIZE;
	}
	u->reserved = (uint16_t)n;
	return n;
}

unsigned int xsp_nic_reserve(struct xsp_nic *nic, unsigned int queue, struct iovec *iov)
{
	return xsp_nic_reserve_bytes(nic, queue, XSP_NIC_TX_PIECES * XSP_PAGE_SIZE, iov);
}

/* May the backend get such a packet? */
static bool allowed(const struct xsp_nic *nic, const struct xsp_nic_meta *m)
{
	if (m->gso_type == XSP_NET_GSO_TCPV4)
		return nic->offer.gso4;
	if (m->gso_type == XSP_NET_GSO_TCPV6)
		return nic->offer.gso6;
	return !m->gso_type && (!m->csum_blank || nic->offer.csum4 || nic->offer.csum6);
}

int xsp_nic_send(struct xsp_nic *nic, unsigned int queue, uint32_t bytes,
		 const struct xsp_nic_meta *meta)
{
	struct xsp_nic_queue *u = queue_of(nic, queue);
	struct xsp_netfront_frag f[XSP_NIC_TX_PIECES];
	struct xsp_net_meta m = {
		.csum_blank = meta->csum_blank,
		.data_validated = meta->data_validated,
		.gso_type = meta->gso_type,
		.gso_size = meta->gso_size,
	};
	unsigned int n = (bytes + XSP_PAGE_SIZE - 1) / XSP_PAGE_SIZE;
	uint32_t left = bytes;
	int error;

	if (!u || !u->reserved)
		return -EBUSY;
	if (!n || n > u->reserved || !allowed(nic, meta))
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++) {
		uint16_t page = free_page(u, i);

		u->next[page] = i + 1 < n ? free_page(u, i + 1) : XSP_NIC_NO_PAGE;
		f[i].gref = u->tx_pages.gref[page];
		f[i].offset = 0;
		f[i].bytes = (uint16_t)(left < XSP_PAGE_SIZE ? left : XSP_PAGE_SIZE);
		left -= f[i].bytes;
	}
	error = xsp_netfront_tx_add(&u->tx, &m, f, n, free_page(u, 0));
	if (error)
		return error;
	u->n_free = (uint16_t)(u->n_free - n);
	u->reserved = 0;
	u->stats.tx_packets++;
	u->stats.tx_bytes += bytes;
	u->stats.tx_gso += m.gso_type != XSP_NET_GSO_NONE;
	return 0;
}

int xsp_nic_multicast(struct xsp_nic *nic, bool add, const uint8_t addr[6])
{
	struct xsp_nic_queue *u = queue_of(nic, 0);

	if (!u)
		return -EBUSY;
	if (!nic->offer.multicast)
		return -EOPNOTSUPP;
	return xsp_netfront_tx_mcast(&u->tx, add, addr, XSP_NIC_NO_PAGE);
}

/* --- receiving --------------------------------------------------------------------------------- */

static void post(struct xsp_nic_queue *u, uint32_t page)
{
	xsp_netfront_rx_post(&u->rx, u->rx_pages.gref[page], page);
}

static void to_packet(const struct xsp_nic_queue *u, const struct xsp_netfront_packet *p,
		      struct xsp_nic_packet *ret)
{
	ret->meta = (struct xsp_nic_meta){
		.csum_blank = p->meta.csum_blank,
		.data_validated = p->meta.data_validated,
		.gso_type = p->meta.gso_type,
		.gso_size = p->meta.gso_size,
		.have_hash = p->meta.have_hash,
		.hash = p->meta.hash,
	};
	ret->bytes = p->bytes;
	ret->pieces = 0;
	ret->n_page = p->bufs;
	for (unsigned int i = 0; i < p->bufs; i++) {
		const struct xsp_netfront_buf *b = &p->buf[i];

		ret->page[i] = b->cookie;
		if (!b->bytes)
			continue;
		ret->iov[ret->pieces].iov_base = xsp_nic_page(&u->rx_pages, b->cookie) + b->offset;
		ret->iov[ret->pieces++].iov_len = b->bytes;
	}
}

int xsp_nic_receive(struct xsp_nic *nic, unsigned int queue, struct xsp_nic_packet *ret)
{
	struct xsp_nic_queue *u = queue_of(nic, queue);
	const struct xsp_netfront_packet *p;
	int r;

	if (!u)
		return 0;
	while ((r = xsp_netfront_rx_reap(&u->rx, &p)) == 1) {
		u->moved = true;
		if (!p->status) {
			to_packet(u, p, ret);
			u->stats.rx_packets++;
			u->stats.rx_bytes += p->bytes;
			u->stats.rx_gso += p->meta.gso_type != XSP_NET_GSO_NONE;
			return 1;
		}
		u->stats.rx_bad++;
		for (unsigned int i = 0; i < p->bufs; i++)
			post(u, p->buf[i].cookie);
	}
	if (r < 0)
		broken(nic, u->rx.broken);
	return 0;
}

void xsp_nic_release(struct xsp_nic *nic, unsigned int queue, const struct xsp_nic_packet *p)
{
	struct xsp_nic_queue *u = queue_of(nic, queue);

	for (unsigned int i = 0; u && i < p->n_page; i++)
		post(u, p->page[i]);
}

/* --- events ------------------------------------------------------------------------------------ */

static bool took(struct xsp_nic_port *p, int port)
{
	if (!p->have || (evtchn_port_t)port != p->port)
		return false;
	p->event = true;
	return true;
}

/* Takes the waiting events, if any; ours can't come twice before they are unmasked. */
void xsp_nic_take_events(struct xsp_nic *nic)
{
	for (unsigned int i = 0; i < 2 * nic->n_queues + 4; i++) {
		int port = xenevtchn_pending(nic->evtchn);

		if (port < 0)
			return;
		took(&nic->ctrl_port, port);
		for_each_nic_queue(u, nic)
			u->stats.events += took(&u->port[0], port) || took(&u->port[1], port);
	}
}

/* Unmasks a port whose event has been dealt with; too many for nothing, and it rests (XSA-391). */
static void event_done(struct xsp_nic *nic, struct xsp_nic_queue *u, struct xsp_nic_port *p)
{
	if (!p->event)
		return;
	p->event = false;
	p->spurious = u->moved ? 0 : p->spurious + 1;
	u->stats.spurious += !u->moved;
	if (p->spurious < MAX_SPURIOUS && !xenevtchn_unmask(nic->evtchn, p->port))
		return;
	p->masked = true;
	xsp_nic_set_timer(nic, SPURIOUS_MS);
}

static bool unmask(struct xsp_nic *nic, struct xsp_nic_port *p)
{
	bool was = p->masked;

	if (was)
		xenevtchn_unmask(nic->evtchn, p->port);
	p->masked = false;
	p->spurious = 0;
	return was;
}

/* The timer fired: ports have rested, or a backend is waited for, or room. */
void xsp_nic_timer(struct xsp_nic *nic)
{
	uint64_t expirations;
	bool room = false;

	if (read(nic->timer, &expirations, sizeof(expirations)) < 0)
		return;
	for_each_nic_queue(u, nic) {
		unmask(nic, &u->port[0]);
		unmask(nic, &u->port[1]);
		room = room || u->want_room;
	}
	xsp_nic_set_timer(nic, nic->waiting || room ? TICK_MS : 0);
	if (nic->waiting)
		xsp_nic_advance(nic);
}

void xsp_nic_process(struct xsp_nic *nic)
{
	int evtchn = xenevtchn_fd(nic->evtchn), xs = xs_fileno(nic->store.xs);
	struct epoll_event e[3];
	int n = epoll_wait(nic->epoll, e, 3, 0);

	for (int i = 0; i < n; i++) {
		if (e[i].data.fd == evtchn)
			xsp_nic_take_events(nic);
		else if (e[i].data.fd == nic->timer)
			xsp_nic_timer(nic);
		else if (e[i].data.fd == xs && xsp_front_watch_fired(&nic->store))
			xsp_nic_advance(nic);
	}
	if (nic->ctrl_port.event && xsp_nic_up(nic))
		xsp_nic_ctrl_event(nic);
}

void xsp_nic_write(void *to, const void *from, size_t bytes)
{
	xsp_stream_put(to, from, bytes);
}

static void push(struct xsp_nic *nic, struct xsp_nic_queue *u)
{
	xsp_stream_done();
	if (xsp_netfront_tx_push(&u->tx)) {
		xenevtchn_notify(nic->evtchn, u->port[0].port);
		u->stats.tx_notifies++;
	}
	if (xsp_netfront_rx_push(&u->rx)) {
		xenevtchn_notify(nic->evtchn, u->port[nic->split].port);
		u->stats.rx_notifies++;
	}
}

void xsp_nic_push(struct xsp_nic *nic, unsigned int queue)
{
	struct xsp_nic_queue *u = queue_of(nic, queue);

	if (u)
		push(nic, u);
}

unsigned int xsp_nic_in_flight(struct xsp_nic *nic, unsigned int queue)
{
	struct xsp_nic_queue *u = queue_of(nic, queue);

	if (!u)
		return 0;
	reap(nic, u);
	return u->tx.in_flight;
}

bool xsp_nic_arm(struct xsp_nic *nic, unsigned int queue)
{
	struct xsp_nic_queue *u = queue_of(nic, queue);
	int more;

	if (!u)
		return false;
	push(nic, u);
	more = xsp_netfront_rx_sleep(&u->rx);
	if (more < 0)
		broken(nic, u->rx.broken);
	if (more > 0)
		return true;
	reap(nic, u);
	if (u->want_room) {
		/* who was told that there is no room must hear of it now, or at an event */
		if (have_room(nic, u) || xsp_netfront_tx_sleep(&u->tx, true) > 0)
			return true;
		if (!nic->timer_ms)
			xsp_nic_set_timer(nic, TICK_MS);
	}
	if (nic->error)
		return false;
	event_done(nic, u, &u->port[0]);
	event_done(nic, u, &u->port[1]);
	u->moved = false;
	return false;
}
