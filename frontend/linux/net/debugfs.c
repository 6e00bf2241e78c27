/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * /sys/kernel/debug/xensplit-net/vif-DEVID/: "device" says what was agreed, "rings" the indices as both
 * sides have them now and the pages, "counters" one line for each queue.
 */
#include <linux/seq_file.h>

#include "frontend/linux/net/xnet.h"

void xnet_show_device(struct seq_file *s, struct xdev *base)
{
	struct xnet *d = xnet_of(base);
	const struct xsp_net_offer *o = &d->offer;

	seq_printf(s, "queues %u\nsplit %d\ntrusted %d\npages %s\nlink %d\n", d->n_queues, d->split,
		   d->base.trusted, d->n_queues && d->queue[0].keep ? "kept" : "each packet", d->link);
	seq_printf(s, "xdp %d\nxdp_headroom %u\n", !!rcu_access_pointer(d->prog), d->params.xdp_headroom);
	seq_printf(s, "multicast %s\nmulticast_addresses %u\n", d->mcast.on ? "filtered" : "all",
		   d->mcast.n);
	seq_printf(s, "static_pages %u\nhashed %d\n", d->statics, d->hashed);
	seq_printf(s, "offered queues=%u split=%d sg=%d csum4=%d csum6=%d gso4=%d gso6=%d ctrl=%d multicast=%d\n",
		   o->max_queues, o->split, o->sg, o->csum4, o->csum6, o->gso4, o->gso6, o->ctrl,
		   o->multicast);
}

static void show_ring(struct seq_file *s, const char *name, const struct xsp_ring_front *r)
{
	seq_printf(s, "  %s ours   req_prod %u (published %u) rsp_cons %u\n", name, r->req_prod_pvt,
		   r->req_prod_pub, r->rsp_cons);
	seq_printf(s, "  %s shared req_prod %u req_event %u rsp_prod %u rsp_event %u\n", name,
		   xsp_load(&r->sring->req_prod), xsp_load(&r->sring->req_event),
		   xsp_load(&r->sring->rsp_prod), xsp_load(&r->sring->rsp_event));
}

/* The receive half may move meanwhile: its poll has no lock. */
static void show_queue(struct seq_file *s, struct xnet_queue *u)
{
	spin_lock_irq(&u->tx_lock);
	if (u->live) {
		seq_printf(s, "queue %u: ports %u %u, %u packets under way, %u pieces free, %u pages idle%s%s\n",
			   u->index, u->port[0], u->port[1], u->tx.in_flight, u->n_free, u->n_idle,
			   u->broken ? ", broken: " : "", u->broken ? u->broken : "");
		show_ring(s, "tx", &u->tx.ring);
		show_ring(s, "rx", &u->rx.ring);
	} else {
		seq_printf(s, "queue %u: not in use%s%s\n", u->index, u->broken ? ": " : "",
			   u->broken ? u->broken : "");
	}
	spin_unlock_irq(&u->tx_lock);
}

void xnet_show_rings(struct seq_file *s, struct xdev *base)
{
	struct xnet *d = xnet_of(base);

	for (unsigned int i = 0; i < d->n_queues; i++)
		show_queue(s, &d->queue[i]);
}

void xnet_show_counters(struct seq_file *s, struct xdev *base)
{
	struct xnet *d = xnet_of(base);

	for (unsigned int i = 0; i < d->n_queues; i++) {
		const struct xnet_count *c = &d->queue[i].count;

		seq_printf(s, "queue=%u tx_packets=%llu tx_bytes=%llu tx_gso=%llu tx_blank=%llu", i,
			   c->tx_packets, c->tx_bytes, c->tx_gso, c->tx_blank);
		seq_printf(s, " tx_copied=%llu tx_lent=%llu tx_refused=%llu tx_dropped=%llu tx_stops=%llu",
			   c->tx_copied, c->tx_lent, c->tx_refused, c->tx_dropped, c->tx_stops);
		seq_printf(s, " rx_packets=%llu rx_bytes=%llu rx_gso=%llu rx_blank=%llu rx_copied=%llu",
			   c->rx_packets, c->rx_bytes, c->rx_gso, c->rx_blank, c->rx_copied);
		seq_printf(s, " rx_taken=%llu rx_bad=%llu rx_dropped=%llu", c->rx_taken, c->rx_bad,
			   c->rx_dropped);
		seq_printf(s, " xdp_passed=%llu xdp_dropped=%llu xdp_sent=%llu xdp_redirected=%llu",
			   c->xdp_passed, c->xdp_dropped, c->xdp_sent, c->xdp_redirected);
		seq_printf(s, " events=%llu spurious=%llu tx_notifies=%llu rx_notifies=%llu\n",
			   c->events, c->spurious, c->tx_notifies, c->rx_notifies);
	}
}
