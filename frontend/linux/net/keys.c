/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What is read from and written to the store; frontend/core/netkeys.h knows what it means. */
#include <linux/slab.h>

#include "frontend/linux/net/xnet.h"

#define MAX_KEYS 16

/* The address and the size, which the toolstack wrote. A missing mac is as wrong as a bad one. */
int xnet_keys_nature(struct xnet *d, u8 mac[ETH_ALEN], u32 *mtu)
{
	char *s = xenbus_read(XBT_NIL, d->base.xb->nodename, "mac", NULL);
	int error = IS_ERR(s) ? -ENOENT : xsp_net_mac_parse(s, mac);

	if (error)
		dev_err(&d->base.xb->dev, "mac '%.20s' in the store is no address\n", IS_ERR(s) ? "" : s);
	if (!IS_ERR(s))
		kfree(s);
	if (error)
		return error;
	s = xenbus_read(XBT_NIL, d->base.xb->nodename, "mtu", NULL);
	error = xsp_net_mtu_parse(IS_ERR(s) ? NULL : s, mtu);
	if (error)
		dev_err(&d->base.xb->dev, "mtu '%.20s' in the store: 68 to 65521\n", s);
	if (!IS_ERR(s))
		kfree(s);
	return error;
}

int xnet_keys_offer(struct xnet *d)
{
	struct xsp_key keys[MAX_KEYS];
	const char *bad = NULL;
	int error;

	xdev_keys_read(&d->base, xsp_net_offer_keys, xsp_net_offer_keys_count, keys);
	error = xsp_net_offer_from_keys(keys, xsp_net_offer_keys_count, &d->offer, &bad);
	xdev_keys_free(keys, xsp_net_offer_keys_count);
	if (!error)
		return 0;
	dev_err(&d->base.xb->dev, error == -EOPNOTSUPP ? "the backend can't copy (%s)\n" :
						    "the backend's %s is not a number in range\n",
		bad);
	return -EPROTO;
}

/* The backend's link; without the key it is up. */
bool xnet_keys_link(struct xnet *d)
{
	return xenbus_read_unsigned(d->base.xb->otherend, "carrier", 1);
}

static void link_changed(struct xenbus_watch *w, const char *path, const char *token)
{
	queue_work(xdev_wq, &container_of(w, struct xnet, link_watch)->base.advance);
}

/*
 * Until the guest is saved or the device goes. Ending a watch waits for XenBus's thread, which may wait
 * for xdev.lock: not to be done under that.
 */
void xnet_keys_watch_link(struct xnet *d)
{
	if (!d->link_watch.node)
		xenbus_watch_pathfmt(d->base.xb, &d->link_watch, NULL, link_changed, "%s/carrier",
				     d->base.xb->otherend);
}

void xnet_keys_unwatch_link(struct xnet *d)
{
	if (!d->link_watch.node)
		return;
	unregister_xenbus_watch(&d->link_watch);
	kfree(d->link_watch.node);
	d->link_watch.node = NULL;
}

/* Features, rings and event channels in one transaction; the state follows when it is done. */
int xnet_keys_publish(struct xnet *d)
{
	struct xsp_net_params *p = &d->params;
	struct xsp_key_out *keys = kcalloc(XSP_NET_PARAM_KEYS, sizeof(*keys), GFP_KERNEL);
	int n, error = -ENOMEM;

	if (!keys)
		goto out;
	p->split = d->split;
	p->ctrl = d->ctrl.irq;
	p->ctrl_gref = d->ctrl.ring_ref;
	p->ctrl_port = d->ctrl.port;
	p->queues = d->n_queues;
	for (unsigned int q = 0; q < d->n_queues; q++) {
		p->queue[q].tx_gref = d->queue[q].tx_ring_ref;
		p->queue[q].rx_gref = d->queue[q].rx_ring_ref;
		p->queue[q].port_tx = d->queue[q].port[0];
		p->queue[q].port_rx = d->queue[q].port[1];
	}
	n = xsp_net_keys_from_params(p, keys, XSP_NET_PARAM_KEYS);
	error = n < 0 ? n : xdev_keys_write(&d->base, keys, n);
out:
	if (error)
		dev_err(&d->base.xb->dev, "can't publish the rings: %d\n", error);
	kfree(keys);
	return error;
}
