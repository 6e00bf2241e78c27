/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a disk does at each step of a device's life (frontend/linux/device/state.c):
 *
 *   - while there is no connection, requests wait: they go to the next one's rings, those that were
 *     under way, too;
 *   - a backend that closes serves the disk until dirty pages are written, within a bound; then what
 *     is left fails.
 */
#include <linux/delay.h>

#include "frontend/linux/blk/xblk.h"
#include "frontend/linux/blk/trace.h"

/* While there is no connection, blk-mq keeps requests to itself. */
static void hold(struct xblk *d)
{
	if (!d->disk || d->quiesced)
		return;
	blk_mq_quiesce_queue(d->disk->queue);
	d->quiesced = true;
}

static void unhold(struct xblk *d)
{
	if (!d->quiesced)
		return;
	d->quiesced = false;
	blk_mq_unquiesce_queue(d->disk->queue);
	blk_mq_kick_requeue_list(d->disk->queue);
}

static void stop(struct xdev *base)
{
	struct xblk *d = xblk_of(base);

	hold(d);
	for (unsigned int i = 0; i < d->n_queues; i++)
		xblk_queue_stop(&d->queue[i]);
}

/* Requests wait for the next connection, or fail if there is none. */
static void drop(struct xdev *base)
{
	struct xblk *d = xblk_of(base);

	for (unsigned int i = 0; i < d->n_queues; i++)
		xblk_queue_drop(&d->queue[i]);
	if (d->dead)
		unhold(d);
}

/* What is under way fails, and whatever comes; then the gendisk goes. */
static void lose(struct xdev *base)
{
	struct xblk *d = xblk_of(base);

	WRITE_ONCE(d->dead, true);
	WRITE_ONCE(d->disk_wanted, false);
	queue_work(xdev_wq, &d->disk_work);
}

/* --- connecting -------------------------------------------------------------------------------- */

/* How many rings, and how large. A disk keeps its blk-mq queues: several may then share a ring. */
static void choose_shape(struct xblk *d)
{
	unsigned int most = d->offer.max_queues;

	d->order = min(xblk_want_order(), d->offer.max_order);
	if (!d->disk) {
		d->n_poll = min(xblk_want_polled(), most - 1);
		d->n_hctx = min(xblk_want_queues() + d->n_poll, most);
	}
	d->n_queues = min(d->n_hctx, most);
	for (unsigned int i = 0; i < d->n_queues; i++)
		d->queue[i].poll_only = d->n_queues == d->n_hctx && i >= d->n_hctx - d->n_poll;
}

static int publish(struct xdev *base)
{
	struct xblk *d = xblk_of(base);
	unsigned int made = 0;
	int error;

	if (d->disk && !d->disk_wanted)
		return -EAGAIN; /* the old disk first; its going calls again */
	WRITE_ONCE(d->dead, false);
	error = xblk_keys_offer(d) ?: xblk_keys_dialect(d);
	if (error)
		return error;
	base->trusted = xblk_want_trust() && xdev_keys_trusted(base);
	base->life++;
	choose_shape(d);
	for (; made < d->n_queues && !error; made += !error)
		error = xblk_queue_make(&d->queue[made]);
	if (!error)
		error = xblk_keys_publish(d);
	if (error)
		while (made)
			xblk_queue_drop(&d->queue[--made]);
	return error == -EAGAIN ? -EBUSY : error;
}

static int connect_disk(struct xdev *base)
{
	struct xblk *d = xblk_of(base);
	struct xsp_blk_disk k;
	int error = xblk_keys_disk(d, &k);

	if (error)
		return error;
	d->disk_keys = k;
	d->shifts = xsp_blk_dialect_shifts(d->dialect, k.sector_size);
	d->bounce = !base->trusted || (k.persistent && xblk_want_persistent());
	d->max_segs = max(min(xblk_want_segs(), d->offer.max_indirect), XSP_BLK_SEGS);
	if (d->disk) {
		xblk_limits_apply(d);
		xblk_disk_resize(d);
	}
	return 0;
}

static void start(struct xdev *base)
{
	struct xblk *d = xblk_of(base);

	for (unsigned int i = 0; i < d->n_queues; i++)
		xblk_queue_start(&d->queue[i]);
	unhold(d);
	WRITE_ONCE(d->disk_wanted, !d->leaving);
	queue_work(xdev_wq, &d->disk_work);
}

/* --- and the rest of its life ------------------------------------------------------------------ */

static void changed(struct xdev *base)
{
	xblk_disk_resize(xblk_of(base));
}

static const char *broken(struct xdev *base)
{
	struct xblk *d = xblk_of(base);
	const char *how = NULL;

	for (unsigned int i = 0; i < d->n_queues; i++)
		if (d->queue[i].q.broken)
			how = d->queue[i].q.broken;
	return how;
}

/* The disk goes before the connection, as long as it is served. */
static bool may_end(struct xdev *base, bool served)
{
	struct xblk *d = xblk_of(base);

	if (!d->disk)
		return true;
	if (served) {
		WRITE_ONCE(d->disk_wanted, false);
		queue_work(xdev_wq, &d->disk_work);
	} else {
		xdev_lose(base);
	}
	return false;
}

/* --- the end ----------------------------------------------------------------------------------- */

static bool await_no_disk(struct xblk *d)
{
	unsigned long by = jiffies + XDEV_PATIENCE;

	for (;;) {
		bool gone;

		mutex_lock(&d->base.lock);
		gone = !d->disk;
		mutex_unlock(&d->base.lock);
		if (gone || time_after(jiffies, by))
			return gone;
		msleep(10);
	}
}

/*
 * The driver lets go of the device. First the disk, while the backend still serves it, then the
 * connection; both within a bound.
 */
void xblk_close(struct xblk *d)
{
	struct xdev *base = &d->base;

	mutex_lock(&base->lock);
	d->leaving = true;
	WRITE_ONCE(d->disk_wanted, false);
	if (!base->connected || base->recover ||
	    xenbus_read_driver_state(base->xb->otherend) != XenbusStateConnected)
		xdev_lose(base);
	mutex_unlock(&base->lock);
	queue_work(xdev_wq, &d->disk_work);
	if (!await_no_disk(d)) {
		mutex_lock(&base->lock);
		xdev_lose(base);
		mutex_unlock(&base->lock);
	}
	flush_work(&d->disk_work);
	xdev_close(base);
	flush_work(&d->disk_work); /* the last it does is to queue `advance` */
	xdev_fini(base);
}

/* --- */

static const char *name(struct xdev *base)
{
	return xblk_of(base)->name;
}

static void trace(u32 devid, int me, int peer, int act, int next)
{
	trace_xblk_state(devid, me, peer, act, next);
}

static const char *const old_keys[] = { "ring-ref", "ring-page-order", "event-channel",
					"multi-queue-num-queues", NULL };

const struct xdev_class xblk_class = {
	.name = "xensplit-blk",
	.type = "vbd",
	.thing = "disk",
	.old_keys = old_keys,
	.old_ring_refs = true,
	.urgent = true,
	.probe = xblk_probe,
	.remove = xblk_remove,
	.publish = publish,
	.connect = connect_disk,
	.start = start,
	.stop = stop,
	.drop = drop,
	.may_end = may_end,
	.lose = lose,
	.changed = changed,
	.broken = broken,
	.show_name = name,
	.show_device = xblk_show_device,
	.show_rings = xblk_show_rings,
	.show_counters = xblk_show_counters,
	.trace = trace,
};
