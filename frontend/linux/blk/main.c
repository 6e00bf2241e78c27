/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * xensplit-blk.ko: PV disks. The driver of XenBus's "vbd" devices, as xen-blkfront is; whichever is
 * loaded first has them (docs/modules.md).
 */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>
#include <xen/xen-ops.h>

#include "frontend/linux/blk/xblk.h"

#define CREATE_TRACE_POINTS
#include "frontend/linux/blk/trace.h"

#define XVD_MAJOR 202

struct workqueue_struct *xblk_wq;
atomic_t xblk_resumes;
int xblk_major;

static unsigned int ring_order = 1;
module_param(ring_order, uint, 0444);
MODULE_PARM_DESC(ring_order, "Pages of a ring, as a power of two, 0..4 (1). A page holds 32 requests");
static unsigned int max_queues;
module_param(max_queues, uint, 0444);
MODULE_PARM_DESC(max_queues, "Rings of a disk, 1..16, if the backend offers as many (one for each CPU)");
static unsigned int poll_queues;
module_param(poll_queues, uint, 0444);
MODULE_PARM_DESC(poll_queues, "Further rings for polled I/O (io_uring IOPOLL, RWF_HIPRI), 0..8 (0)");
static unsigned int max_segments = 32;
module_param(max_segments, uint, 0444);
MODULE_PARM_DESC(max_segments, "Pages of a request, 11..256, if the backend offers as many (32)");
static unsigned int pool_pages = 1056;
module_param(pool_pages, uint, 0444);
MODULE_PARM_DESC(pool_pages, "Granted pages of a ring at most (1056, which is what backends keep mapped)");
static bool persistent = true;
module_param(persistent, bool, 0444);
MODULE_PARM_DESC(persistent, "Keep granted pages for a backend that keeps them mapped (Y)");
static bool trusted = true;
module_param(trusted, bool, 0444);
MODULE_PARM_DESC(trusted, "N: treat every backend as the toolstack's trusted=0 says: it sees pages of this driver only (Y)");

unsigned int xblk_want_order(void)
{
	return min(ring_order, XSP_RING_MAX_ORDER);
}

unsigned int xblk_want_queues(void)
{
	return clamp(max_queues ? max_queues : num_online_cpus(), 1u,
		     min(num_online_cpus(), XSP_BLK_MAX_QUEUES));
}

unsigned int xblk_want_polled(void)
{
	return min(poll_queues, XSP_BLK_MAX_QUEUES / 2);
}

unsigned int xblk_want_segs(void)
{
	return clamp(max_segments, XSP_BLK_SEGS, XBLK_MAX_SEGS);
}

unsigned int xblk_want_pool(void)
{
	return max(pool_pages, xblk_want_segs() + 1);
}

bool xblk_want_persistent(void)
{
	return persistent;
}

bool xblk_trust(void)
{
	return trusted;
}

/* --- devices ------------------------------------------------------------------------------------- */

void xblk_get(struct xblk *d)
{
	kref_get(&d->ref);
}

static void free_device(struct kref *ref)
{
	struct xblk *d = container_of(ref, struct xblk, ref);

	kfree(d->queue);
	kfree(d);
}

void xblk_put(struct xblk *d)
{
	kref_put(&d->ref, free_device);
}

static struct xblk *new_device(struct xenbus_device *xb, u32 devid)
{
	struct xblk *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->queue = kcalloc(XSP_BLK_MAX_QUEUES, sizeof(*d->queue), GFP_KERNEL);
	if (!d->queue) {
		kfree(d);
		return NULL;
	}
	kref_init(&d->ref);
	mutex_init(&d->lock);
	INIT_WORK(&d->advance, xblk_advance_work);
	INIT_WORK(&d->disk_work, xblk_disk_work);
	INIT_DELAYED_WORK(&d->deadline, xblk_deadline_work);
	d->xb = xb;
	d->devid = devid;
	d->minor = -1;
	d->want = true;
	for (unsigned int i = 0; i < XSP_BLK_MAX_QUEUES; i++)
		xblk_queue_init(d, i);
	return d;
}

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	struct xblk *d;
	u32 devid;
	int error;

	if (xenbus_scanf(XBT_NIL, xb->nodename, "virtual-device-ext", "%u", &devid) != 1 &&
	    xenbus_scanf(XBT_NIL, xb->nodename, "virtual-device", "%u", &devid) != 1) {
		dev_err(&xb->dev, "no virtual-device in the store\n");
		return -ENODEV;
	}
	d = new_device(xb, devid);
	if (!d)
		return -ENOMEM;
	error = xblk_disk_name(d);
	if (error) {
		dev_err(&xb->dev, "virtual device %u: %s\n", devid,
			error == -EEXIST ? "there is a disk of this name" : "not a disk's number");
		xblk_put(d);
		return error;
	}
	dev_set_drvdata(&xb->dev, d);
	queue_work(xblk_wq, &d->advance);
	return 0;
}

static void otherend_changed(struct xenbus_device *xb, enum xenbus_state state)
{
	struct xblk *d = dev_get_drvdata(&xb->dev);

	if (d)
		queue_work(xblk_wq, &d->advance);
}

static void remove(struct xenbus_device *xb)
{
	struct xblk *d = dev_get_drvdata(&xb->dev);

	if (!d)
		return;
	xblk_close(d);
	dev_set_drvdata(&xb->dev, NULL);
	xblk_disk_free_name(d);
	xblk_put(d);
}

/* This guest came back from a save: the rings' other end is gone, the grants too. */
static int resume(struct xenbus_device *xb)
{
	struct xblk *d = dev_get_drvdata(&xb->dev);

	if (!d)
		return 0;
	mutex_lock(&d->lock);
	d->recover = false;
	d->deadline_at = 0;
	xblk_forget_connection(d);
	mutex_unlock(&d->lock);
	queue_work(xblk_wq, &d->advance);
	return 0;
}

static int is_ready(struct xenbus_device *xb)
{
	struct xblk *d = dev_get_drvdata(&xb->dev);

	return d && READ_ONCE(d->ready);
}

/* Early in a resume, before anything of ours could look at a ring. */
static int resumed(struct notifier_block *nb, unsigned long action, void *data)
{
	atomic_inc(&xblk_resumes);
	return NOTIFY_OK;
}

static struct notifier_block resume_notifier = { .notifier_call = resumed };

static const struct xenbus_device_id ids[] = { { "vbd" }, { "" } };

static struct xenbus_driver driver = {
	.name = "xensplit-blk",
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
	if (!xen_has_pv_disk_devices())
		return -ENODEV;
	/* freezable: no handshake is half done when the guest is saved */
	xblk_wq = alloc_workqueue("xensplit-blk", WQ_FREEZABLE | WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!xblk_wq)
		return -ENOMEM;
	/* the number every Xen guest knows; if xen-blkfront has it, any other will do */
	if (!register_blkdev(XVD_MAJOR, "xvd"))
		xblk_major = XVD_MAJOR;
	xblk_debugfs_init();
	xen_resume_notifier_register(&resume_notifier);
	error = xenbus_register_frontend(&driver);
	if (error)
		goto undo;
	return 0;
undo:
	xen_resume_notifier_unregister(&resume_notifier);
	xblk_debugfs_exit();
	if (xblk_major)
		unregister_blkdev(xblk_major, "xvd");
	destroy_workqueue(xblk_wq);
	return error;
}

static void __exit stop(void)
{
	xenbus_unregister_driver(&driver);
	xen_resume_notifier_unregister(&resume_notifier);
	xblk_debugfs_exit();
	if (xblk_major)
		unregister_blkdev(xblk_major, "xvd");
	destroy_workqueue(xblk_wq);
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("PV disks of Xen guests (xensplit)");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(XSP_VERSION);
MODULE_ALIAS("xen:vbd");
MODULE_ALIAS("xenblk");
