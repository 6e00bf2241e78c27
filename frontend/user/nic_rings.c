/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a NIC grants and binds: made anew for each backend that connects, because a page is granted to
 * one domain. Transmit pages are granted read-only.
 */
#include <stdio.h>

#include "frontend/user/nic.h"

static int share(struct xsp_nic *nic, struct xsp_nic_pages *p, uint32_t n, bool writable)
{
	p->base = xengntshr_share_pages(nic->gntshr, nic->backend_domid, (int)n, p->gref, writable);
	if (!p->base)
		return -ENOSPC;
	p->n = n;
	memset(p->base, 0, (size_t)n * XSP_PAGE_SIZE); /* as the kernel gives them; another platform may not */
	return 0;
}

static void unshare(struct xsp_nic *nic, struct xsp_nic_pages *p)
{
	if (p->base)
		xengntshr_unshare(nic->gntshr, p->base, p->n);
	p->base = NULL;
	p->n = 0;
}

static int bind(struct xsp_nic *nic, struct xsp_nic_port *p)
{
	int port = xenevtchn_bind_unbound_port(nic->evtchn, nic->backend_domid);

	if (port < 0)
		return xsp_nic_fail(nic, -ENXIO, "vif %u: can't make an event channel: %m", nic->devid);
	*p = (struct xsp_nic_port){ .port = (evtchn_port_t)port, .have = true };
	return 0;
}

static void unbind(struct xsp_nic *nic, struct xsp_nic_port *p)
{
	if (p->have)
		xenevtchn_unbind(nic->evtchn, p->port);
	*p = (struct xsp_nic_port){ .have = false };
}

/* Packet pages of all queues; half as many as long as there aren't so many. */
static int share_packets(struct xsp_nic *nic)
{
	uint32_t all = nic->want_opts.pages ? nic->want_opts.pages : 480;
	uint32_t want = all / nic->n_queues / 2;

	if (want > XSP_NET_TX_SLOTS)
		want = XSP_NET_TX_SLOTS;
	if (want < XSP_NIC_MIN_PAGES)
		want = XSP_NIC_MIN_PAGES;
	for (;;) {
		int error = 0;

		for_each_nic_queue(u, nic) {
			if (!error)
				error = share(nic, &u->tx_pages, want, false);
			if (!error)
				error = share(nic, &u->rx_pages, want, true);
		}
		if (!error)
			return 0;
		for_each_nic_queue(u, nic) {
			unshare(nic, &u->tx_pages);
			unshare(nic, &u->rx_pages);
		}
		if (want == XSP_NIC_MIN_PAGES)
			return xsp_nic_fail(nic, -ENOSPC,
					    "vif %u: no pages left to grant: %u are the least for %u %s",
					    nic->devid, 2 * want * nic->n_queues, nic->n_queues,
					    nic->n_queues == 1 ? "queue" : "queues");
		want = want / 2 > XSP_NIC_MIN_PAGES ? want / 2 : XSP_NIC_MIN_PAGES;
	}
}

static int make_queue(struct xsp_nic *nic, struct xsp_nic_queue *u)
{
	int error = share(nic, &u->tx_ring, 1, true);

	if (!error)
		error = share(nic, &u->rx_ring, 1, true);
	if (error)
		return xsp_nic_fail(nic, error, "vif %u: can't grant the rings: %m", nic->devid);
	xsp_netfront_tx_init(&u->tx, u->tx_ring.base);
	xsp_netfront_rx_init(&u->rx, u->rx_ring.base);
	error = bind(nic, &u->port[0]);
	if (!error && nic->split)
		error = bind(nic, &u->port[1]);
	return error;
}

static int make_ctrl(struct xsp_nic *nic)
{
	nic->have_ctrl = nic->offer.ctrl && (!nic->want_opts.no_static || nic->want_opts.hash);
	if (!nic->have_ctrl)
		return 0;
	if (share(nic, &nic->ctrl_ring, 1, true) || share(nic, &nic->ctrl_data, 1, true))
		return xsp_nic_fail(nic, -ENOSPC, "vif %u: can't grant the control ring: %m", nic->devid);
	xsp_netfront_ctrl_init(&nic->ctrl, nic->ctrl_ring.base);
	return bind(nic, &nic->ctrl_port);
}

int xsp_nic_make_rings(struct xsp_nic *nic)
{
	unsigned int want = nic->want_opts.queues;
	int error = xsp_nic_read_offer(nic);

	if (error)
		return error;
	nic->split = nic->offer.split && !nic->want_opts.no_split;
	nic->n_queues = 0;
	if (want > nic->offer.max_queues)
		want = nic->offer.max_queues;
	for (unsigned int i = 0; i < want; i++) {
		struct xsp_nic_stats stats = { 0 };

		if (!nic->queue[i])
			nic->queue[i] = malloc(sizeof(*nic->queue[i]));
		else
			stats = nic->queue[i]->stats;
		if (!nic->queue[i])
			return xsp_nic_fail(nic, -ENOMEM, "no memory");
		memset(nic->queue[i], 0, sizeof(*nic->queue[i]));
		nic->queue[i]->stats = stats;
		nic->n_queues++;
	}
	error = make_ctrl(nic);
	for_each_nic_queue(u, nic)
		if (!error)
			error = make_queue(nic, u);
	if (!error)
		error = share_packets(nic);
	if (error)
		xsp_nic_drop_rings(nic);
	return error;
}

void xsp_nic_drop_rings(struct xsp_nic *nic)
{
	for_each_nic_queue(u, nic) {
		unbind(nic, &u->port[0]);
		unbind(nic, &u->port[1]);
		unshare(nic, &u->tx_ring);
		unshare(nic, &u->rx_ring);
		unshare(nic, &u->tx_pages);
		unshare(nic, &u->rx_pages);
		u->n_free = u->reserved = 0;
	}
	unbind(nic, &nic->ctrl_port);
	unshare(nic, &nic->ctrl_ring);
	unshare(nic, &nic->ctrl_data);
	nic->connected = nic->have_ctrl = nic->have_hash = false;
	nic->static_pages = 0;
}

/* The backend is connected: all pages are free, and all receive pages are its to fill. */
void xsp_nic_post_all(struct xsp_nic *nic)
{
	for_each_nic_queue(u, nic) {
		for (uint32_t i = 0; i < u->tx_pages.n; i++)
			u->free[i] = (uint16_t)i;
		u->n_free = (uint16_t)u->tx_pages.n;
		u->reserved = 0;
		for (uint32_t i = 0; i < u->rx_pages.n; i++)
			xsp_netfront_rx_post(&u->rx, u->rx_pages.gref[i], i);
		if (xsp_netfront_rx_push(&u->rx))
			xenevtchn_notify(nic->evtchn, u->port[nic->split].port);
	}
}
