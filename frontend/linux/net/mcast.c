/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Which multicast packets the backend is to let through: those to the addresses that the stack listens
 * to. It learns of them by requests without a packet (an extra of the transmit ring), and filters as
 * long as "request-multicast-control" says so. That key is 0 while everything is wanted (promiscuous:
 * bridges, tcpdump) or there are more addresses than a backend has to keep, so only a backend that
 * takes a change at any time is asked to filter.
 *
 * The stack calls in atomic context; `advance` tells the backend, a moment later.
 *
 * Source: xen/include/public/io/netif.h "feature-multicast-control", "Guest transmit: extra info".
 */
#include <linux/delay.h>
#include <xen/events.h>

#include "frontend/linux/net/xnet.h"

#define TRIES 50 /* of 10 ms, when the ring is full */

/* The interface listens to other addresses now. Any context. */
void xnet_mcast_changed(struct net_device *dev)
{
	struct xnet *d = netdev_priv(dev);

	WRITE_ONCE(d->mcast.changed, true);
	if (READ_ONCE(d->base.up))
		queue_work(xdev_wq, &d->base.advance);
}

/* A new connection: the backend knows no address, and is asked to filter if it can. */
void xnet_mcast_reset(struct xnet *d)
{
	d->mcast.n = 0;
	d->mcast.on = d->offer.multicast && d->offer.dynamic_multicast;
	d->mcast.refused = false;
	d->params.multicast = d->mcast.on;
}

/* What the stack listens to. False: to everything, or to more than fit. */
static bool listen(struct xnet *d, u8 (*to)[ETH_ALEN], unsigned int *ret_n)
{
	struct net_device *dev = d->dev;
	struct netdev_hw_addr *ha;
	bool fits;

	*ret_n = 0;
	netif_addr_lock_bh(dev);
	fits = !(dev->flags & (IFF_PROMISC | IFF_ALLMULTI)) && netdev_mc_count(dev) <= XNET_MCASTS;
	if (fits)
		netdev_for_each_mc_addr(ha, dev)
			memcpy(to[(*ret_n)++], ha->addr, ETH_ALEN);
	netif_addr_unlock_bh(dev);
	return fits;
}

static bool among(const u8 (*list)[ETH_ALEN], unsigned int n, const u8 *addr)
{
	while (n--)
		if (ether_addr_equal_unaligned(list[n], addr))
			return true;
	return false;
}

/* By queue 0; published with the others of this time. */
static int tell(struct xnet *d, bool add, const u8 *addr)
{
	struct xnet_queue *u = &d->queue[0];
	int error = -EBUSY;

	for (int i = 0; i < TRIES && error == -EBUSY; i++) {
		if (i) {
			xnet_tx_publish(u);
			msleep(10);
		}
		spin_lock_irq(&u->tx_lock);
		error = u->live ? xsp_netfront_tx_mcast(&u->tx, add, addr, XNET_NO_PIECE) : -ENETDOWN;
		spin_unlock_irq(&u->tx_lock);
	}
	return error;
}

static void set_filter(struct xnet *d, bool on)
{
	if (on == d->mcast.on)
		return;
	if (!xenbus_printf(XBT_NIL, d->base.xb->nodename, "request-multicast-control", "%u", on))
		d->mcast.on = on;
}

/* From what the backend knows to what is listened to. 0 or -errno; d->mcast.addr is what it knows. */
static int difference(struct xnet *d, const u8 (*want)[ETH_ALEN], unsigned int n)
{
	u8 (*known)[ETH_ALEN] = d->mcast.addr;
	int error = 0;

	for (unsigned int i = 0; i < d->mcast.n && !error;) {
		if (among(want, n, known[i])) {
			i++;
			continue;
		}
		error = tell(d, false, known[i]);
		if (!error)
			memcpy(known[i], known[--d->mcast.n], ETH_ALEN);
	}
	for (unsigned int i = 0; i < n && !error; i++) {
		if (among(known, d->mcast.n, want[i]))
			continue;
		error = tell(d, true, want[i]);
		if (!error)
			memcpy(known[d->mcast.n++], want[i], ETH_ALEN);
	}
	return error;
}

/* The backend is told what has changed. xdev.lock held, the NIC is up. May sleep. */
void xnet_mcast_tell(struct xnet *d)
{
	u8 want[XNET_MCASTS][ETH_ALEN];
	unsigned int n;
	bool filter;

	WRITE_ONCE(d->mcast.changed, false);
	if (!d->offer.multicast || !d->offer.dynamic_multicast)
		return;
	filter = listen(d, want, &n);
	if (filter && !READ_ONCE(d->mcast.refused) && difference(d, want, n))
		filter = false;
	xnet_tx_publish(&d->queue[0]);
	set_filter(d, filter && !READ_ONCE(d->mcast.refused));
}

/* The backend has answered a request without a packet. tx_lock held. */
void xnet_mcast_answered(struct xnet *d, int status)
{
	if (!status || READ_ONCE(d->mcast.refused))
		return;
	/* it has no room for one of them: then all are to come through, in this connection */
	WRITE_ONCE(d->mcast.refused, true);
	WRITE_ONCE(d->mcast.changed, true);
	queue_work(xdev_wq, &d->base.advance);
}
