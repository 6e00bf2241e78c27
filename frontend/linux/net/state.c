/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a NIC does at each step of a device's life (frontend/linux/device/state.c). Three things are
 * its own:
 *
 *   - a vif has no state 3: with the rings we write 4, and are connected when the backend is, too;
 *   - a connection is left in order to get another one also when ethtool asks for another number of
 *     queues, or when an XDP program comes or goes;
 *   - what was under way when a connection ends is lost. The interface stays, without a carrier; when
 *     there is a connection again, the neighbours are told where we are now.
 */
#include <linux/rtnetlink.h>

#include "frontend/linux/net/xnet.h"
#include "frontend/linux/net/trace.h"

/* The backend may have forgotten what it was told over the control ring. */
void xnet_ctrl_work(struct work_struct *w)
{
	struct xnet *d = container_of(to_delayed_work(w), struct xnet, ctrl_again);

	WRITE_ONCE(d->tell, true);
	queue_work(xdev_wq, &d->base.advance);
}

/* A ring can't be believed any more. Any context. */
void xnet_broken(struct xnet_queue *u, const char *how)
{
	if (!u->broken)
		u->broken = how;
	xdev_broken(&u->d->base);
}

/* No packet goes in or out any more. */
static void stop(struct xdev *base)
{
	struct xnet *d = xnet_of(base);

	netif_carrier_off(d->dev);
	netif_tx_disable(d->dev);
	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_stop(&d->queue[i]);
}

static void drop(struct xdev *base)
{
	struct xnet *d = xnet_of(base);

	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_drop(&d->queue[i]);
	xnet_ctrl_drop(d);
}

/* --- connecting -------------------------------------------------------------------------------- */

static int publish(struct xdev *base)
{
	struct xnet *d = xnet_of(base);
	int error = xnet_keys_offer(d);
	unsigned int made = 0;
	bool xdp;

	if (error)
		return error;
	base->trusted = xnet_want_trust() && xdev_keys_trusted(base);
	d->split = d->offer.split;
	WRITE_ONCE(d->reshape, false); /* what is asked for from now on takes another connection */
	d->n_queues = min(READ_ONCE(d->want_queues), d->offer.max_queues);
	xdp = rcu_access_pointer(d->prog);
	d->params = (struct xsp_net_params){
		.sg = true,
		.csum4 = true,
		.csum6 = true,
		.gso4 = !xdp,
		.gso6 = !xdp,
		.xdp_headroom = xdp && d->offer.xdp_headroom ? XDP_PACKET_HEADROOM : 0,
	};
	xnet_mcast_reset(d);
	base->life++;
	if (d->offer.ctrl && (xnet_want_statics() || d->n_queues > 1))
		error = xnet_ctrl_make(d);
	for (; made < d->n_queues && !error; made += !error)
		error = xnet_queue_make(&d->queue[made]);
	if (!error)
		error = xnet_keys_publish(d);
	if (!error)
		return 0;
	while (made)
		xnet_queue_drop(&d->queue[--made]);
	xnet_ctrl_drop(d);
	return error == -EAGAIN ? -EBUSY : error;
}

static void look_at_link(struct xdev *base)
{
	struct xnet *d = xnet_of(base);
	bool link = xnet_keys_link(d);

	d->link = link;
	if (link)
		netif_carrier_on(d->dev);
	else
		netif_carrier_off(d->dev);
}

static int agree(struct xdev *base)
{
	struct xnet *d = xnet_of(base);

	rtnl_lock();
	if (d->dev->reg_state != NETREG_REGISTERED) { /* it is being removed */
		rtnl_unlock();
		return -EAGAIN;
	}
	netif_set_real_num_tx_queues(d->dev, d->n_queues);
	netif_set_real_num_rx_queues(d->dev, d->n_queues);
	xnet_netdev_agreed(d);
	rtnl_unlock();
	xnet_ctrl_setup(d); /* before a page is posted: static grants change how */
	return 0;
}

static void start(struct xdev *base)
{
	struct xnet *d = xnet_of(base);

	base->ready = true;
	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_start(&d->queue[i]);
	xnet_mcast_tell(d);
	xnet_keys_watch_link(d);
	look_at_link(base);
	netif_tx_wake_all_queues(d->dev);
	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_kick(&d->queue[i]);
	if (base->life > 1)
		netdev_notify_peers(d->dev);
	dev_info(&d->base.xb->dev, "%s: %u queues, %s event channels, %s%s%s%s\n", netdev_name(d->dev),
		 d->n_queues, d->split ? "split" : "shared",
		 d->statics ? "static grants" :
		 d->base.trusted ? "grants for each packet" : "bounced (not trusted)",
		 d->offer.sg ? ", sg" : "", d->offer.csum4 ? ", checksums" : "",
		 d->offer.gso4 ? ", tso" : "");
}

/* --- and the rest of its life ------------------------------------------------------------------ */

/* The rings are to have another shape. Any context that may sleep or not; it happens soon. */
void xnet_reshape(struct xnet *d)
{
	WRITE_ONCE(d->reshape, true);
	queue_work(xdev_wq, &d->base.advance);
}

static void asked(struct xdev *base)
{
	struct xnet *d = xnet_of(base);

	if (READ_ONCE(d->reshape)) {
		xdev_leave(base); /* the rest is done with the next connection */
		return;
	}
	if (READ_ONCE(d->tell))
		xnet_ctrl_setup(d);
	if (READ_ONCE(d->mcast.changed))
		xnet_mcast_tell(d);
}

static const char *broken(struct xdev *base)
{
	struct xnet *d = xnet_of(base);
	const char *how = NULL;

	for (unsigned int i = 0; i < d->n_queues; i++)
		if (d->queue[i].broken)
			how = d->queue[i].broken;
	return how;
}

/* The backend may be another one after a restore; the next connection watches it. */
static void resume(struct xdev *base)
{
	xnet_keys_unwatch_link(xnet_of(base));
}

/* --- */

static const char *name(struct xdev *base)
{
	return netdev_name(xnet_of(base)->dev);
}

static void trace(u32 devid, int me, int peer, int act, int next)
{
	trace_xnet_state(devid, me, peer, act, next);
}

static const char *const old_keys[] = {
	"tx-ring-ref", "rx-ring-ref", "event-channel", "event-channel-tx", "event-channel-rx",
	"ctrl-ring-ref", "event-channel-ctrl", "multi-queue-num-queues", "xdp-headroom",
	"request-multicast-control", NULL,
};

const struct xdev_class xnet_class = {
	.name = XNET_NAME,
	.type = "vif",
	.thing = "NIC",
	.old_keys = old_keys,
	.early = true,
	.probe = xnet_probe,
	.remove = xnet_remove,
	.resume = resume,
	.publish = publish,
	.connect = agree,
	.start = start,
	.stop = stop,
	.drop = drop,
	.asked = asked,
	.changed = look_at_link,
	.broken = broken,
	.show_name = name,
	.show_device = xnet_show_device,
	.show_rings = xnet_show_rings,
	.show_counters = xnet_show_counters,
	.trace = trace,
};
