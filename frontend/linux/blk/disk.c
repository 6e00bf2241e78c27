/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The disk as the guest's block layer knows it: its name, its limits, its coming and going. */
#include <linux/cdrom.h>
#include <linux/hdreg.h>
#include <linux/idr.h>

#include "frontend/linux/blk/xblk.h"

#define EXTENDED    (1u << 28) /* of a device number: 2^20 disks of 256 partitions */
#define PARTS       16         /* minors of each disk below */
#define EXT_PARTS   256
#define MINOR_LIMIT (1 << 20)

static DEFINE_IDA(minors); /* first minors in use: two disks of one name are refused */

/* --- names --------------------------------------------------------------------------------------- */

struct number {
	unsigned int disk, part, parts;
};

/* Source: docs/misc/vbd-interface.txt of Xen. Whatever the bus it pretends to be, it is an xvd. */
static bool parse_devid(u32 devid, struct number *n)
{
	static const u8 ide[] = { 3, 22, 33, 34, 56, 57, 88, 89, 90, 91 };
	unsigned int major = devid >> 8, minor = devid & 0xff;

	n->parts = PARTS;
	if (devid & EXTENDED) {
		n->parts = EXT_PARTS;
		n->disk = (devid & ~EXTENDED) >> 8;
		n->part = minor;
		return (devid & ~EXTENDED) < MINOR_LIMIT;
	}
	if (major == 202 || major == 8 || (major >= 65 && major <= 71) ||
	    (major >= 128 && major <= 135)) {
		unsigned int nth = major == 202 || major == 8 ? 0 :
				   major <= 71 ? major - 64 : major - 120;

		n->disk = nth * 16 + minor / PARTS;
		n->part = minor % PARTS;
		return true;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(ide); i++) {
		if (ide[i] != major)
			continue;
		n->disk = i * 2 + minor / 64;
		n->part = minor % 64;
		return minor < 128 && n->part < PARTS;
	}
	return false;
}

static char *letters(char *to, unsigned int disk)
{
	if (disk >= 26)
		to = letters(to, disk / 26 - 1);
	*to++ = 'a' + disk % 26;
	return to;
}

/* Finds name and minor; -EINVAL for a number that is no disk's, -EEXIST when the name is taken. */
int xblk_disk_name(struct xblk *d)
{
	struct number n;
	char *to;
	int minor;

	if (!parse_devid(d->base.devid, &n))
		return -EINVAL;
	minor = n.disk * n.parts + n.part;
	minor = ida_alloc_range(&minors, minor, minor, GFP_KERNEL);
	if (minor < 0)
		return minor == -ENOSPC ? -EEXIST : minor;
	d->minor = minor;
	to = letters(d->name + scnprintf(d->name, sizeof(d->name), "xvd"), n.disk);
	if (n.part)
		snprintf(to, d->name + sizeof(d->name) - to, "%u", n.part);
	return 0;
}

void xblk_disk_free_name(struct xblk *d)
{
	if (d->minor >= 0)
		ida_free(&minors, d->minor);
	d->minor = -1;
}

/* --- for file systems and tools ------------------------------------------------------------------ */

static int getgeo(struct block_device *bdev, struct hd_geometry *g)
{
	g->heads = 255;
	g->sectors = 63;
	g->cylinders = min_t(sector_t, bdev_nr_sectors(bdev) / (255 * 63), U16_MAX);
	return 0;
}

/* What programs ask to tell a CD drive. */
static int ioctl(struct block_device *bdev, fmode_t mode, unsigned int cmd, unsigned long arg)
{
	struct xblk *d = bdev->bd_disk->private_data;

	return cmd == CDROM_GET_CAPABILITY && READ_ONCE(d->disk_keys.cdrom) ? 0 : -ENOTTY;
}

/* The last user of a disk that is gone has closed it. */
static void free_disk(struct gendisk *disk)
{
	xblk_put(disk->private_data);
}

static const struct block_device_operations ops = {
	.owner = THIS_MODULE,
	.getgeo = getgeo,
	.ioctl = ioctl,
	.compat_ioctl = blkdev_compat_ptr_ioctl,
	.free_disk = free_disk,
};

/* The backend says how large the disk is, perhaps again. xdev.lock held. */
void xblk_disk_resize(struct xblk *d)
{
	struct xsp_blk_disk k;

	if (!d->disk || xblk_keys_disk(d, &k))
		return;
	if (k.readonly != d->disk_keys.readonly) {
		d->disk_keys.readonly = k.readonly;
		set_disk_ro(d->disk, k.readonly);
	}
	if (k.sectors == get_capacity(d->disk))
		return;
	if (k.sector_size != d->disk_keys.sector_size) {
		dev_err(&d->base.xb->dev, "the backend changes its sector size; not followed\n");
		return;
	}
	d->disk_keys.sectors = k.sectors;
	dev_info(&d->base.xb->dev, "%s: %llu sectors now\n", d->name, (unsigned long long)k.sectors);
	set_capacity_and_notify(d->disk, k.sectors);
}

/* --- coming and going ---------------------------------------------------------------------------- */

/* xdev.lock held. No I/O yet. */
static int make_disk(struct xblk *d)
{
	struct blk_mq_tag_set *set = &d->tags;
	struct gendisk *disk;
	int error;

	memset(set, 0, sizeof(*set));
	set->ops = &xblk_mq_ops;
	set->nr_hw_queues = d->n_hctx;
	set->nr_maps = d->n_poll ? HCTX_MAX_TYPES : 1;
	set->queue_depth = xsp_blk_ring_slots(d->order);
	set->numa_node = NUMA_NO_NODE;
	set->flags = BLK_MQ_F_SHOULD_MERGE;
	set->cmd_size = xblk_pdu_bytes();
	set->timeout = XBLK_TIMEOUT;
	set->driver_data = d;
	error = blk_mq_alloc_tag_set(set);
	if (error)
		return error;
	disk = xblk_limits_new_disk(d);
	if (IS_ERR(disk)) {
		blk_mq_free_tag_set(set);
		return PTR_ERR(disk);
	}
	if (xblk_major) {
		disk->major = xblk_major;
		disk->first_minor = d->minor;
		disk->minors = d->base.devid & EXTENDED ? EXT_PARTS : PARTS;
		if (d->minor % disk->minors)
			disk->minors = 1; /* the "disk" is itself called a partition */
	}
	disk->fops = &ops;
	disk->private_data = d;
	strscpy(disk->disk_name, d->name, sizeof(disk->disk_name));
	if (d->disk_keys.removable || d->disk_keys.cdrom)
		disk->flags |= GENHD_FL_REMOVABLE;
	xblk_get(d); /* until free_disk */
	d->disk = disk;
	set_capacity(disk, d->disk_keys.sectors);
	return 0;
}

/* xdev.lock held. */
static void forget_disk(struct xblk *d)
{
	struct gendisk *disk = d->disk;

	d->disk = NULL;
	d->quiesced = false;
	blk_mq_free_tag_set(&d->tags);
	put_disk(disk);
}

static void add(struct xblk *d)
{
	int error;

	mutex_lock(&d->base.lock);
	error = d->base.connected ? make_disk(d) : -EAGAIN;
	mutex_unlock(&d->base.lock);
	if (error == -EAGAIN)
		return; /* connecting again will want it again */
	if (!error) {
		error = device_add_disk(&d->base.xb->dev, d->disk, NULL);
		mutex_lock(&d->base.lock);
		if (error) {
			forget_disk(d);
			xblk_put(d); /* free_disk is not called for a disk that was never added */
		} else {
			d->disk_state = XBLK_DISK_ADDED;
		}
		mutex_unlock(&d->base.lock);
	}
	if (error) {
		dev_err(&d->base.xb->dev, "can't add %s: %d\n", d->name, error);
	} else {
		const struct xsp_blk_disk *k = &d->disk_keys;

		dev_info(&d->base.xb->dev,
			 "%s: %llu sectors of 512 B, %u queues (%u polled) of %u, %u segments, %s%s%s%s\n",
			 d->name, (unsigned long long)k->sectors, d->n_queues, d->n_poll,
			 xsp_blk_ring_slots(d->order), d->max_segs,
			 !d->base.trusted ? "bounced (not trusted)" : d->bounce ? "persistent grants" :
									     "grants for each request",
			 k->flush ? ", flush" : k->barrier ? ", barrier" : "",
			 k->discard ? ", discard" : "", k->readonly ? ", read-only" : "");
	}
	d->base.ready = true;
}

static void remove(struct xblk *d)
{
	del_gendisk(d->disk); /* writes what is dirty, waits for what is under way */
	mutex_lock(&d->base.lock);
	d->disk_state = XBLK_NO_DISK;
	forget_disk(d);
	mutex_unlock(&d->base.lock);
	queue_work(xdev_wq, &d->base.advance);
}

/* Makes the gendisk what is wanted now. The only place where it is waited for I/O. */
void xblk_disk_work(struct work_struct *w)
{
	struct xblk *d = container_of(w, struct xblk, disk_work);

	if (READ_ONCE(d->disk_wanted) && d->disk_state == XBLK_NO_DISK)
		add(d);
	else if (!READ_ONCE(d->disk_wanted) && d->disk_state == XBLK_DISK_ADDED)
		remove(d);
}
