/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * xensplit-net.ko: PV NICs. The driver of XenBus's "vif" devices, as xen-netfront is; whichever is
 * loaded first has them (docs/modules.md).
 */
#include <linux/module.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>

#include "frontend/linux/net/xnet.h"

#define CREATE_TRACE_POINTS
#include "frontend/linux/net/trace.h"

static unsigned int max_queues;
module_param(max_queues, uint, 0444);
MODULE_PARM_DESC(max_queues, "Queues of a NIC, 1..16, if the backend offers as many (one for each CPU)");
static bool trusted = true;
module_param(trusted, bool, 0444);
MODULE_PARM_DESC(trusted, "N: treat every backend as the toolstack's trusted=0 says: it sees pages of this driver only (Y)");

static bool static_grants = true;
module_param(static_grants, bool, 0444);
MODULE_PARM_DESC(static_grants, "Copy packets through pages that the backend keeps mapped, if it offers to (Y)");

unsigned int xnet_want_queues(void)
{
	return clamp(max_queues ? max_queues : num_online_cpus(), 1u, XSP_NET_MAX_QUEUES);
}

bool xnet_want_trust(void)
{
	return trusted;
}

bool xnet_want_statics(void)
{
	return static_grants;
}

/* --- devices ------------------------------------------------------------------------------------- */

static struct xnet *new_device(struct xenbus_device *xb, u32 devid)
{
	struct net_device *dev = xnet_netdev_new();
	struct xnet *d;

	if (!dev)
		return NULL;
	d = netdev_priv(dev);
	d->queue = kvcalloc(XSP_NET_MAX_QUEUES, sizeof(*d->queue), GFP_KERNEL);
	if (!d->queue) {
		free_netdev(dev);
		return NULL;
	}
	SET_NETDEV_DEV(dev, &xb->dev);
	xdev_init(&d->base, &xnet_class, xb, devid);
	INIT_DELAYED_WORK(&d->ctrl_again, xnet_ctrl_work);
	init_waitqueue_head(&d->ctrl.answered);
	xnet_rss_init(d);
	d->dev = dev;
	d->want_queues = xnet_want_queues();
	for (unsigned int i = 0; i < XSP_NET_MAX_QUEUES; i++)
		xnet_queue_init(d, i);
	return d;
}

static void free_device(struct xnet *d)
{
	struct xnet_queue *queue = d->queue;

	free_netdev(d->dev); /* takes the NAPIs out, which are in the queues */
	kvfree(queue);
}

struct xdev *xnet_probe(struct xenbus_device *xb)
{
	const char *number = strrchr(xb->nodename, '/');
	struct xnet *d;
	u8 mac[ETH_ALEN];
	u32 devid, mtu;
	int error;

	if (!number || kstrtou32(number + 1, 10, &devid)) {
		dev_err(&xb->dev, "%s is not the directory of a vif\n", xb->nodename);
		return ERR_PTR(-ENODEV);
	}
	d = new_device(xb, devid);
	if (!d)
		return ERR_PTR(-ENOMEM);
	error = xnet_keys_nature(d, mac, &mtu);
	if (error)
		goto undo;
	eth_hw_addr_set(d->dev, mac);
	d->dev->mtu = mtu;
	netif_carrier_off(d->dev);
	error = register_netdev(d->dev);
	if (!error)
		return &d->base;
	dev_err(&xb->dev, "can't register the interface: %d\n", error);
undo:
	free_device(d);
	return ERR_PTR(error);
}

void xnet_remove(struct xdev *base)
{
	struct xnet *d = xnet_of(base);

	unregister_netdev(d->dev);
	xdev_close(base);
	xnet_keys_unwatch_link(d);
	cancel_delayed_work_sync(&d->ctrl_again);
	xdev_fini(base);
	free_device(d);
}

/* --- module -------------------------------------------------------------------------------------- */

static int __init start(void)
{
	if (!xen_domain())
		return -ENODEV;
	if (!xen_has_pv_nic_devices())
		return -ENODEV;
	return xdev_register(&xnet_class);
}

static void __exit stop(void)
{
	xdev_unregister();
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("PV NICs of Xen guests (xensplit)");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(XSP_VERSION);
MODULE_ALIAS("xen:vif");
MODULE_ALIAS("xennet");
