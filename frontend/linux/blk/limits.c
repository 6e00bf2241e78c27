/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the block layer may ask of the disk. The only file that differs between kernels: since 6.11
 * limits are a struct that is handed over whole, before that a call for each. Built and run with 6.1
 * and 6.12; see docs/modules.md.
 */
#include <linux/version.h>

#include "frontend/linux/blk/xblk.h"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)

/*
 * Bounced data is packed into pages, whatever pieces it comes in. Granted data is pieces of pages.
 */
static void fill(const struct xblk *d, struct queue_limits *l)
{
	const struct xsp_blk_disk *k = &d->disk_keys;

	l->logical_block_size = k->sector_size;
	l->physical_block_size = k->physical_sector_size;
	l->max_hw_sectors = d->max_segs * (XSP_PAGE_SIZE / XSP_SECTOR_SIZE);
	l->dma_alignment = XSP_SECTOR_SIZE - 1;
	l->seg_boundary_mask = d->bounce ? ULONG_MAX : XSP_PAGE_SIZE - 1;
	l->max_segment_size = d->bounce ? UINT_MAX : XSP_PAGE_SIZE;
	l->max_segments = d->bounce ? USHRT_MAX : d->max_segs;
	l->features &= ~(BLK_FEAT_WRITE_CACHE | BLK_FEAT_ROTATIONAL | BLK_FEAT_ADD_RANDOM);
	if (k->flush || k->barrier)
		l->features |= BLK_FEAT_WRITE_CACHE;
	l->max_hw_discard_sectors = k->discard ? UINT_MAX : 0;
	l->max_secure_erase_sectors = k->discard && k->discard_secure ? UINT_MAX : 0;
	l->discard_granularity = k->discard ? k->discard_granularity : 0;
	l->discard_alignment = k->discard_alignment;
}

struct gendisk *xblk_limits_new_disk(struct xblk *d)
{
	struct queue_limits l = { 0 };
	struct gendisk *disk;

	fill(d, &l);
	disk = blk_mq_alloc_disk(&d->tags, &l, d);
	if (!IS_ERR(disk))
		set_disk_ro(disk, d->disk_keys.readonly);
	return disk;
}

void xblk_limits_apply(struct xblk *d)
{
	struct queue_limits l = queue_limits_start_update(d->disk->queue);
	int error;

	fill(d, &l);
	error = queue_limits_commit_update(d->disk->queue, &l);
	if (error)
		dev_err(&d->base.xb->dev, "%s: the kernel refuses the disk's new limits: %d\n", d->name, error);
	set_disk_ro(d->disk, d->disk_keys.readonly);
}

/* The next three may be called in any context: the backend said no to one of these. */
void xblk_limits_no_discard(struct request_queue *q)
{
	blk_queue_disable_discard(q);
}

void xblk_limits_no_erase(struct request_queue *q)
{
	blk_queue_disable_secure_erase(q);
}

/* The limit can't be changed here; each flush asks the backend again. */
void xblk_limits_no_flush(struct request_queue *q)
{
}

#else

/*
 * Bounced data is packed into pages, whatever pieces it comes in. Granted data is pieces of pages.
 * Changing these under requests that were made for others is harmless: see request.c.
 */
static void fill(const struct xblk *d, struct gendisk *disk)
{
	const struct xsp_blk_disk *k = &d->disk_keys;
	struct request_queue *q = disk->queue;

	blk_queue_logical_block_size(q, k->sector_size);
	blk_queue_physical_block_size(q, k->physical_sector_size);
	blk_queue_max_hw_sectors(q, d->max_segs * (XSP_PAGE_SIZE / XSP_SECTOR_SIZE));
	blk_queue_dma_alignment(q, XSP_SECTOR_SIZE - 1);
	blk_queue_segment_boundary(q, d->bounce ? ULONG_MAX : XSP_PAGE_SIZE - 1);
	blk_queue_max_segment_size(q, d->bounce ? UINT_MAX : XSP_PAGE_SIZE);
	blk_queue_max_segments(q, d->bounce ? USHRT_MAX : d->max_segs);
	blk_queue_write_cache(q, k->flush || k->barrier, false);
	blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	blk_queue_flag_clear(QUEUE_FLAG_ADD_RANDOM, q);
	blk_queue_max_discard_sectors(q, k->discard ? UINT_MAX : 0);
	blk_queue_max_secure_erase_sectors(q, k->discard && k->discard_secure ? UINT_MAX : 0);
	q->limits.discard_granularity = k->discard ? k->discard_granularity : 0;
	q->limits.discard_alignment = k->discard_alignment;
	set_disk_ro(disk, k->readonly);
}

struct gendisk *xblk_limits_new_disk(struct xblk *d)
{
	struct gendisk *disk = blk_mq_alloc_disk(&d->tags, d);

	if (!IS_ERR(disk))
		fill(d, disk);
	return disk;
}

void xblk_limits_apply(struct xblk *d)
{
	fill(d, d->disk);
}

/* The next three may be called in any context: the backend said no to one of these. */
void xblk_limits_no_discard(struct request_queue *q)
{
	blk_queue_max_discard_sectors(q, 0);
}

void xblk_limits_no_erase(struct request_queue *q)
{
	blk_queue_max_secure_erase_sectors(q, 0);
}

void xblk_limits_no_flush(struct request_queue *q)
{
	blk_queue_write_cache(q, false, false);
}

#endif
