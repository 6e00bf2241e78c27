/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * xensplit-blk.ko: PV disks. The driver of XenBus's "vbd" devices, as xen-blkfront is; whichever is
 * loaded first has them (docs/modules.md).
 */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>

#include "frontend/linux/blk/xblk.h"

#define CREATE_TRACE_POINTS
#include "frontend/linux/blk/trace.h"

#define XVD_MAJOR 202

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

bool xblk_want_trust(void)
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
	xdev_init(&d->base, &xblk_class, xb, devid);
	INIT_WORK(&d->disk_work, xblk_disk_work);
	d->minor = -1;
	for (unsigned int i = 0; i < XSP_BLK_MAX_QUEUES; i++)
		xblk_queue_init(d, i);
	return d;
}

struct xdev *xblk_probe(struct xenbus_device *xb)
{
	struct xblk *d;
	u32 devid;
	int error;

	if (xenbus_scanf(XBT_NIL, xb->nodename, "virtual-device-ext", "%u", &devid) != 1 &&
	    xenbus_scanf(XBT_NIL, xb->nodename, "virtual-device", "%u", &devid) != 1) {
		dev_err(&xb->dev, "no virtual-device in the store\n");
		return ERR_PTR(-ENODEV);
	}
	d = new_device(xb, devid);
	if (!d)
		return ERR_PTR(-ENOMEM);
	error = xblk_disk_name(d);
	if (error) {
		dev_err(&xb->dev, "virtual device %u: %s\n", devid,
			error == -EEXIST ? "there is a disk of this name" : "not a disk's number");
		xblk_put(d);
		return ERR_PTR(error);
	}
	return &d->base;
}

void xblk_remove(struct xdev *base)
{
	struct xblk *d = xblk_of(base);

	xblk_close(d);
	xblk_disk_free_name(d);
	xblk_put(d);
}

/* --- module -------------------------------------------------------------------------------------- */

static int __init start(void)
{
	int error;

	if (!xen_domain())
		return -ENODEV;
	if (!xen_has_pv_disk_devices())
		return -ENODEV;
	/* the number every Xen guest knows; if xen-blkfront has it, any other will do */
	if (!register_blkdev(XVD_MAJOR, "xvd"))
		xblk_major = XVD_MAJOR;
	error = xdev_register(&xblk_class);
	if (error && xblk_major)
		unregister_blkdev(xblk_major, "xvd");
	return error;
}

static void __exit stop(void)
{
	xdev_unregister();
	if (xblk_major)
		unregister_blkdev(xblk_major, "xvd");
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("PV disks of Xen guests (xensplit)");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION(XSP_VERSION);
MODULE_ALIAS("xen:vbd");
MODULE_ALIAS("xenblk");
