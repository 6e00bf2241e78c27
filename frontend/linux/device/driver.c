/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The module's beginning and end, the driver as XenBus sees it, and the folder in debugfs. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <xen/xen.h>
#include <xen/xen-ops.h>

#include "frontend/linux/device/device.h"

struct workqueue_struct *xdev_wq;
atomic_t xdev_resumes;

static const struct xdev_class *class; /* this module has one */
static struct dentry *top;

/* --- /sys/kernel/debug/NAME/TYPE-DEVID/ ---------------------------------------------------------- */

static int device_show(struct seq_file *s, void *unused)
{
	struct xdev *d = s->private;

	mutex_lock(&d->lock);
	seq_printf(s, "name %s\nfrontend %s\nbackend domain %d\nconnected %d\nconnections %lu\n",
		   class->show_name(d), xsp_xenbus_state_name((enum xsp_xenbus_state)d->xb->state),
		   d->xb->otherend_id, d->up, d->life);
	class->show_device(s, d);
	seq_printf(s, "broken %u\nlast %s\n", d->breaks, d->why ? d->why : "-");
	mutex_unlock(&d->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(device);

static int rings_show(struct seq_file *s, void *unused)
{
	struct xdev *d = s->private;

	mutex_lock(&d->lock);
	class->show_rings(s, d);
	mutex_unlock(&d->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rings);

static int counters_show(struct seq_file *s, void *unused)
{
	struct xdev *d = s->private;

	mutex_lock(&d->lock);
	class->show_counters(s, d);
	mutex_unlock(&d->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static void add_folder(struct xdev *d)
{
	char name[24];

	snprintf(name, sizeof(name), "%s-%u", class->type, d->devid);
	d->debug = debugfs_create_dir(name, top);
	debugfs_create_file("device", 0400, d->debug, d, &device_fops);
	debugfs_create_file("rings", 0400, d->debug, d, &rings_fops);
	debugfs_create_file("counters", 0400, d->debug, d, &counters_fops);
}

/* --- devices ------------------------------------------------------------------------------------- */

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	struct xdev *d = class->probe(xb);

	if (IS_ERR(d))
		return PTR_ERR(d);
	dev_set_drvdata(&xb->dev, d);
	add_folder(d);
	queue_work(xdev_wq, &d->advance);
	return 0;
}

static void otherend_changed(struct xenbus_device *xb, enum xenbus_state state)
{
	struct xdev *d = dev_get_drvdata(&xb->dev);

	if (d)
		queue_work(xdev_wq, &d->advance);
}

static void remove(struct xenbus_device *xb)
{
	struct xdev *d = dev_get_drvdata(&xb->dev);

	if (!d)
		return;
	dev_set_drvdata(&xb->dev, NULL);
	debugfs_remove(d->debug);
	class->remove(d);
}

/* This guest came back from a save: the rings' other end is gone, the grants too. */
static int resume(struct xenbus_device *xb)
{
	struct xdev *d = dev_get_drvdata(&xb->dev);

	if (!d)
		return 0;
	if (class->resume)
		class->resume(d);
	mutex_lock(&d->lock);
	d->recover = false;
	d->deadline_at = 0;
	xdev_forget(d);
	mutex_unlock(&d->lock);
	queue_work(xdev_wq, &d->advance);
	return 0;
}

static int is_ready(struct xenbus_device *xb)
{
	struct xdev *d = dev_get_drvdata(&xb->dev);

	return d && READ_ONCE(d->ready);
}

/* Early in a resume, before anything of ours could look at a ring. */
static int resumed(struct notifier_block *nb, unsigned long action, void *data)
{
	atomic_inc(&xdev_resumes);
	return NOTIFY_OK;
}

static struct notifier_block resume_notifier = { .notifier_call = resumed };

/* --- module -------------------------------------------------------------------------------------- */

static struct xenbus_device_id ids[2]; /* the last one is empty */

static struct xenbus_driver driver = {
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.resume = resume,
	.otherend_changed = otherend_changed,
	.is_ready = is_ready,
};

/* From here on devices of the class are probed. 0 or -errno, with nothing left behind. */
int xdev_register(const struct xdev_class *c)
{
	int error;

	class = c;
	strscpy(ids[0].devicetype, c->type, sizeof(ids[0].devicetype));
	driver.name = c->name;
	/* disks and NICs may be what memory is freed through */
	xdev_wq = alloc_workqueue("%s", WQ_FREEZABLE | WQ_MEM_RECLAIM | WQ_UNBOUND, 0, c->name);
	if (!xdev_wq)
		return -ENOMEM;
	top = debugfs_create_dir(c->name, NULL);
	xen_resume_notifier_register(&resume_notifier);
	error = xenbus_register_frontend(&driver);
	if (!error)
		return 0;
	xen_resume_notifier_unregister(&resume_notifier);
	debugfs_remove(top);
	destroy_workqueue(xdev_wq);
	return error;
}

void xdev_unregister(void)
{
	xenbus_unregister_driver(&driver);
	xen_resume_notifier_unregister(&resume_notifier);
	debugfs_remove(top);
	destroy_workqueue(xdev_wq);
}
