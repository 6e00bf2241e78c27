/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * xensplit-net.ko: PV NICs. The driver of XenBus's "vif" devices, as xen-netfront is; whichever is
 * loaded first has them (docs/modules.md).
 */
#include <linux/module.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>
#include <xen/xen-ops.h>

#include "frontend/linux/net/xnet.h"

#define CREATE_TRACE_POINTS
#include "frontend/linux/net/trace.h"

struct workqueue_struct *xnet_wq;
atomic_t xnet_resumes;

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

bool xnet_trust(void)
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
	mutex_init(&d->lock);
	INIT_WORK(&d->advance, xnet_advance_work);
	INIT_DELAYED_WORK(&d->deadline, xnet_deadline_work);
	INIT_DELAYED_WORK(&d->ctrl_again, xnet_ctrl_work);
	init_waitqueue_head(&d->ctrl.answered);
	xnet_rss_init(d);
	d->dev = dev;
	d->xb = xb;
	d->devid = devid;
	d->want = true;
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

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	const char *number = strrchr(xb->nodename, '/');
	struct xnet *d;
	u8 mac[ETH_ALEN];
	u32 devid, mtu;
	int error;

	if (!number || kstrtou32(number + 1, 10, &devid)) {
		dev_err(&xb->dev, "%s is not the directory of a vif\n", xb->nodename);
		return -ENODEV;
	}
	d = new_device(xb, devid);
	if (!d)
		return -ENOMEM;
	error = xnet_keys_nature(d, mac, &mtu);
	if (error) {
		free_device(d);
		return error;
	}
	eth_hw_addr_set(d->dev, mac);
	d->dev->mtu = mtu;
	netif_carrier_off(d->dev);
	dev_set_drvdata(&xb->dev, d);
	error = register_netdev(d->dev);
	if (error) {
		dev_err(&xb->dev, "can't register the interface: %d\n", error);
		dev_set_drvdata(&xb->dev, NULL);
		free_device(d);
		return error;
	}
	xnet_debugfs_add(d);
	queue_work(xnet_wq, &d->advance);
	return 0;
}

static void otherend_changed(struct xenbus_device *xb, enum xenbus_state state)
{
	struct xnet *d = dev_get_drvdata(&xb->dev);

	if (d)
		queue_work(xnet_wq, &d->advance);
}

static void remove(struct xenbus_device *xb)
{
	struct xnet *d = dev_get_drvdata(&xb->dev);

	if (!d)
		return;
	xnet_debugfs_remove(d);
	unregister_netdev(d->dev);
	xnet_close(d);
	xnet_keys_unwatch_link(d);
	cancel_work_sync(&d->advance); /* that watch may have fired once more */
	dev_set_drvdata(&xb->dev, NULL);
	free_device(d);
}

/* This guest came back from a save: the rings' other end is gone, the grants too. */
static int resume(struct xenbus_device *xb)
{
	struct xnet *d = dev_get_drvdata(&xb->dev);

	if (!d)
		return 0;
	xnet_keys_unwatch_link(d); /* the backend may be another one; the next connection watches it */
	mutex_lock(&d->lock);
	d->recover = false;
	d->deadline_at = 0;
	xnet_forget_connection(d);
	mutex_unlock(&d->lock);
	queue_work(xnet_wq, &d->advance);
	return 0;
}

static int is_ready(struct xenbus_device *xb)
{
	struct xnet *d = dev_get_drvdata(&xb->dev);

	return d && READ_ONCE(d->ready);
}

/* Early in a resume, before anything of ours could look at a ring. */
static int resumed(struct notifier_block *nb, unsigned long action, void *data)
{
	atomic_inc(&xnet_resumes);
	return NOTIFY_OK;
}

static struct notifier_block resume_notifier = { .notifier_call = resumed };

static const struct xenbus_device_id ids[] = { { "vif" }, { "" } };

static struct xenbus_driver driver = {
	.name = XNET_NAME,
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.resume = resume,
	.otherend_changed = otherend_changed,
	.is_ready = is_ready,
};

/* --- module -------------------------------------------------------------------------------------- */

static int __init start(void)
{
	int error;

	if (!xen_domain())
		return -ENODEV;
	if (!xen_has_pv_nic_devices())
		return -ENODEV;
	/* freezable: no handshake is half done when the guest is saved */
	xnet_wq = alloc_workqueue(XNET_NAME, WQ_FREEZABLE | WQ_UNBOUND, 0);
	if (!xnet_wq)
		return -ENOMEM;
	xnet_debugfs_init();
	xen_resume_notifier_register(&resume_notifier);
	error = xenbus_register_frontend(&driver);
	if (error)
		goto undo;
	return 0;
undo:
	xen_resume_notifier_unregister(&resume_notifier);
	xnet_debugfs_exit();
	destroy_workqueue(xnet_wq);
	return error;
}

static void __exit stop(void)
{
	xenbus_unregister_driver(&driver);
	xen_resume_notifier_unregister(&resume_notifier);
	xnet_debugfs_exit();
	destroy_workqueue(xnet_wq);
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("PV NICs of Xen guests (xensplit)");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(XSP_VERSION);
MODULE_ALIAS("xen:vif");
MODULE_ALIAS("xennet");
