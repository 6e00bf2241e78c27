/* SPDX-License-Identifier: MIT */
/* What stands behind a block device, and the nodes that say so: see vbd.h. */
#include "backend/vbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vbd_journal.h"
#include "backend/vbd_keys.h"
#include "backend/vbd_medium.h"

/* --- target ------------------------------------------------------------------------------------ */

static void read_nature(struct xsp_vbd *v)
{
	struct xsp_store *store = &v->dev.d->store;
	char *mode = xsp_store_read(store, XBT_NULL, "%s/mode", v->dev.be);
	char *type = xsp_store_read(store, XBT_NULL, "%s/device-type", v->dev.be);
	char *dev = xsp_store_read(store, XBT_NULL, "%s/dev", v->dev.be);
	uint32_t removable = 0, discard = 1; /* absent means: offer it, as Linux's blkback takes it */

	xsp_store_read_u32(store, XBT_NULL, &discard, "%s/discard-enable", v->dev.be);
	xsp_store_read_u32(store, XBT_NULL, &removable, "%s/removable", v->dev.be);
	v->readonly = !mode || mode[0] != 'w';
	v->discard_enable = discard != 0;
	/*
	 * Somebody's wish, or what we offered before: a guest that is connected goes on with that even if
	 * the target now needs more.
	 */
	v->sector_wish = 0;
	xsp_store_read_u32(store, XBT_NULL, &v->sector_wish, "%s/sector-size", v->dev.be);
	v->info = (type && !strcmp(type, "cdrom") ? 1 : 0) | (removable ? 2 : 0) |
		  (v->readonly ? 4 : 0);
	pthread_mutex_lock(&v->dev.d->lock);
	snprintf(v->snap.vdev, sizeof(v->snap.vdev), "%s", dev ? dev : "");
	pthread_mutex_unlock(&v->dev.d->lock);
	free(mode);
	free(type);
	free(dev);
}

void xsp_vbd_show_target(struct xsp_vbd *v)
{
	pthread_mutex_lock(&v->dev.d->lock);
	snprintf(v->snap.target, sizeof(v->snap.target), "%s", v->spec ? v->spec : "");
	v->snap.readonly = v->readonly;
	if (v->target) {
		v->snap.size_bytes = v->target->size_bytes;
		v->snap.sector_size = v->target->sector_size;
	}
	pthread_mutex_unlock(&v->dev.d->lock);
}

void xsp_vbd_open_empty(struct xsp_vbd *v, uint32_t sector_size)
{
	if (sector_size < XSP_SECTOR_SIZE || sector_size > XSP_PAGE_SIZE || (sector_size & (sector_size - 1)))
		sector_size = XSP_SECTOR_SIZE; /* somebody's wish */
	xsp_target_empty(&v->empty, sector_size, v->readonly);
	v->target = &v->empty;
	v->offer_discard = false;
	xsp_vbd_show_target(v);
}

static void opening_done(struct xsp_opening *o)
{
	struct xsp_vbd *v = o->owner;

	v->dev.dirty = true;
}

int xsp_vbd_begin_open(struct xsp_vbd *v, const char *spec)
{
	struct xsp_opening *o = v->opening;
	int err;

	if (o && !strcmp(o->spec, spec) && o->wish.readonly == v->readonly &&
	    o->sector_size == v->sector_wish)
		return 0; /* that is under way, or done */
	xsp_opener_free(o); /* the toolstack wants another one now */
	o = v->opening = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->spec = strdup(spec);
	o->wish = (struct xsp_target_wish){ v->readonly, v->dev.d->config->direct };
	o->sector_size = v->sector_wish;
	o->owner = v;
	o->done = opening_done;
	o->box = &v->dev.d->box;
	err = o->spec ? xsp_opener_start(o) : -ENOMEM;
	if (err) {
		o->finished = true; /* nobody else has it */
		xsp_opener_free(o);
		v->opening = NULL;
	}
	return err;
}

/* Begin to open it, or see how far that is: 0, -EINPROGRESS or -errno. */
static int open_target(struct xsp_vbd *v, char *why, size_t why_len)
{
	int err = xsp_vbd_begin_open(v, v->spec);
	struct xsp_opening *o = v->opening;

	if (err)
		return err;
	if (!o->finished)
		return -EINPROGRESS;
	err = o->err;
	snprintf(why, why_len, "%s", o->why);
	v->target = o->target;
	v->served = false;
	o->target = NULL;
	xsp_opener_free(o);
	v->opening = NULL;
	return err;
}

static int vbd_open(struct xsp_device *dev)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);
	char *why = dev->open_why;
	size_t why_len = sizeof(dev->open_why);
	int err = -ENOENT;

	free(v->spec);
	if (v->take_opening)
		v->spec = strdup(v->opening->spec);
	else
		v->spec = xsp_store_read(&dev->d->store, XBT_NULL, "%s/params", dev->be);
	read_nature(v);
	xsp_vbd_limits_read(v);
	v->look_at_params = v->take_opening; /* they may say something else by now */
	if ((!v->spec || !*v->spec) && xsp_vbd_removable(v)) {
		xsp_opener_free(v->opening);
		v->opening = NULL;
		xsp_vbd_open_empty(v, v->sector_wish);
		return 0;
	}
	if (!v->spec || !*v->spec)
		snprintf(why, why_len, "no target: the node 'params' is missing or empty");
	else
		err = open_target(v, why, why_len);
	if (err && !*why)
		snprintf(why, why_len, "can't open %s: %s", v->spec, strerror(-err));
	v->offer_discard = !err && v->target->can_discard && v->discard_enable;
	xsp_vbd_show_target(v);
	return err;
}

static void vbd_close(struct xsp_device *dev)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);

	xsp_target_close(v->target);
	v->target = NULL;
	xsp_opener_free(v->opening);
	v->opening = NULL;
}

static void vbd_changed(struct xsp_device *dev, const char *key)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);

	xsp_vbd_limits_changed(v, key);
	if (strcmp(key, "params"))
		return;
	if (!dev->open)
		dev->open_err = 0; /* it may open now */
	else if (!dev->connected && !xsp_device_busy(dev) && xsp_vbd_removable(v))
		vbd_close(dev), dev->open = false, dev->open_err = 0; /* nobody looks: open the new one */
	else
		v->look_at_params = true;
}

static bool vbd_look(struct xsp_device *dev)
{
	return xsp_vbd_size_changed(xsp_vbd_of(dev));
}

static void vbd_rewatch(struct xsp_device *dev)
{
	xsp_vbd_of(dev)->eject_watched = false;
}

/* --- nodes ------------------------------------------------------------------------------------- */

static int vbd_advertise(struct xsp_device *dev, xs_transaction_t t)
{
	const struct xsp_config *config = dev->d->config;
	int err;

	err = xsp_device_put(dev, t, "max-ring-page-order", "%u", XSP_RING_MAX_ORDER);
	if (!err) /* the same for frontends that know num-ring-pages, as FreeBSD's */
		err = xsp_device_put(dev, t, "max-ring-pages", "%u", 1u << XSP_RING_MAX_ORDER);
	if (!err)
		err = xsp_device_put(dev, t, "multi-queue-max-queues", "%u",
				     xsp_vbd_max_queues(dev));
	if (!err && config->max_indirect)
		err = xsp_device_put(dev, t, "feature-max-indirect-segments", "%u",
				     config->max_indirect);
	/* Here, and not with the properties: some frontends decide on it before they publish. */
	return err ? err : xsp_device_put(dev, t, "feature-persistent", "%d", config->persistent);
}

/* The size in the frontend's units. */
static uint64_t sectors(const struct xsp_vbd *v)
{
	struct xsp_blk_shifts shifts = xsp_blk_dialect_shifts(v->dialect, v->target->sector_size);

	return v->target->size_bytes / XSP_SECTOR_SIZE >> shifts.size;
}

static int vbd_publish(struct xsp_device *dev, xs_transaction_t t)
{
	const struct xsp_vbd *v = xsp_vbd_of(dev);
	const struct xsp_target *target = v->target;
	int err = xsp_device_put(dev, t, "sectors", "%llu", (unsigned long long)sectors(v));

	if (!err)
		err = xsp_device_put(dev, t, "sector-size", "%u", target->sector_size);
	if (!err)
		err = xsp_device_put(dev, t, "physical-sector-size", "%u", target->physical_size);
	if (!err)
		err = xsp_device_put(dev, t, "info", "%u", v->info);
	if (!err)
		err = xsp_device_put(dev, t, "feature-flush-cache", "%d", target->can_flush);
	if (!err)
		err = xsp_device_put(dev, t, "feature-barrier", "%d", target->can_flush);
	if (!err)
		err = xsp_device_put(dev, t, "feature-discard", "%d", v->offer_discard);
	if (!err && v->offer_discard)
		err = xsp_device_put(dev, t, "discard-granularity", "%u",
				     target->discard_granularity);
	if (!err && v->offer_discard)
		err = xsp_device_put(dev, t, "discard-alignment", "%u", target->discard_alignment);
	/*
	 * Never: secure discard promises that no copy is left, and below a file, a cache, a snapshot or a
	 * flash translation layer nobody can promise that for a range of bytes.
	 */
	if (!err && v->offer_discard)
		err = xsp_device_put(dev, t, "discard-secure", "0");
	return err;
}

/* Taken over, but it is not what it was when the guest was told: tell it again. */
static void compare_size(struct xsp_vbd *v)
{
	char *told = xsp_store_read(&v->dev.d->store, XBT_NULL, "%s/sectors", v->dev.be);

	if (told && strtoull(told, NULL, 10) != sectors(v))
		v->dev.republish = true;
	free(told);
}

/* --- queues ------------------------------------------------------------------------------------ */

/* Counters are shown by the main thread as soon as they are there. */
static bool have_stats(struct xsp_vbd *v, uint32_t i)
{
	struct xsp_blk_stats *stats = v->stats[i] ? NULL : calloc(1, sizeof(*stats));

	if (stats) {
		pthread_mutex_lock(&v->dev.d->lock);
		v->stats[i] = stats;
		pthread_mutex_unlock(&v->dev.d->lock);
	}
	return v->stats[i] != NULL;
}

static int vbd_make_queues(struct xsp_device *dev, char *why, size_t why_len)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);
	struct xsp_vbd_ring ring[XSP_MAX_QUEUES] = { 0 };
	uint32_t n = 0;
	uint64_t life = 0;
	int err = xsp_vbd_read_rings(dev, ring, &n, &v->dialect, why, why_len);

	if (!err)
		err = xsp_vbd_life(v, &life);
	if (xsp_vbd_size_changed(v)) { /* while nobody used it */
		xsp_target_resize(v->target);
		xsp_vbd_show_target(v);
	}
	if (xsp_vbd_removable(v)) /* what is there before the frontend sees state 4 was for another life */
		xsp_vbd_button_pushed(v);
	for (uint32_t i = 0; !err && i < n; i++) {
		struct xsp_blkq *q = calloc(1, sizeof(*q));

		if (!q || !have_stats(v, i)) {
			free(q);
			return -ENOMEM;
		}
		q->c.abi = ring[i].abi;
		q->c.order = ring[i].order;
		memcpy(q->c.ring_ref, ring[i].ref, sizeof(q->c.ring_ref));
		q->c.persistent = ring[i].persistent && dev->d->config->persistent;
		q->c.shifts = xsp_blk_dialect_shifts(v->dialect, v->target->sector_size);
		q->c.offer_discard = v->offer_discard;
		q->c.indirect = (uint16_t)dev->d->config->max_indirect;
		q->c.target = v->target;
		q->c.stats = v->stats[i];
		q->c.life = life;
		xsp_vbd_journal_name(v, i, q->c.journal);
		q->base.ops = &xsp_blkq_ops;
		q->base.port[0].guest = ring[i].evtchn;
		q->base.n_ports = 1;
		q->base.stats = &v->stats[i]->queue;
		dev->queue[i] = &q->base;
		dev->n_queues = i + 1;
	}
	for (uint32_t i = 0; !err && i < n; i++) { /* from here on each is started, and ends */
		xsp_blkq_of(dev->queue[i])->shares = xsp_shares_get(&v->limits.shares);
		xsp_blkq_of(dev->queue[i])->c.shares_serial = v->limits.serial;
	}
	if (!err)
		compare_size(v);
	return err;
}

static void vbd_connected(struct xsp_device *dev, char *text, size_t len)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);
	const struct xsp_blkq *q = xsp_blkq_of(dev->queue[0]);

	xsp_vbd_limits_apply(v);
	v->served = true;
	v->snap.ring_order = q->c.order;
	memcpy(v->snap.ring_ref, q->c.ring_ref, sizeof(v->snap.ring_ref));
	v->snap.evtchn = q->base.port[0].guest;
	snprintf(v->snap.protocol, sizeof(v->snap.protocol), "%s",
		 q->c.abi == XSP_BLK_X86_32 ? "x86_32-abi" : "x86_64-abi");
	snprintf(text, len, "%s, %llu MiB%s, %u queue%s of %u slots, event channel %u", v->spec,
		 (unsigned long long)(v->target->size_bytes >> 20), v->readonly ? ", read-only" : "",
		 dev->n_queues, dev->n_queues > 1 ? "s" : "", xsp_blk_ring_slots(q->c.order),
		 q->base.port[0].guest);
}

static void vbd_disconnected(struct xsp_device *dev)
{
	xsp_vbd_journal_forget(xsp_vbd_of(dev));
}

static const char *vbd_lost(struct xsp_device *dev)
{
	const struct xsp_vbd *v = xsp_vbd_of(dev);

	return v->target->forgets && !v->served ?
		       "what its disk held was in the former daemon's memory; detach and attach it" : NULL;
}

static void vbd_fini(struct xsp_device *dev)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);

	xsp_vbd_watch_eject(v, false);
	for (unsigned int i = 0; i < XSP_MAX_QUEUES; i++)
		free(v->stats[i]);
	xsp_vbd_limits_forget(v);
	free(v->spec);
}

const struct xsp_device_class xsp_vbd_class = {
	.name = "vbd",
	.noun = "disk",
	.size = sizeof(struct xsp_vbd),
	.open = vbd_open,
	.close = vbd_close,
	.advertise = vbd_advertise,
	.make_queues = vbd_make_queues,
	.publish = vbd_publish,
	.connected = vbd_connected,
	.changed = vbd_changed,
	.tend = xsp_vbd_tend,
	.look = vbd_look,
	.rewatch = vbd_rewatch,
	.lost = vbd_lost,
	.disconnected = vbd_disconnected,
	.fini = vbd_fini,
};
