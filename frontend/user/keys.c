/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The store as this library uses it: few keys, no more than one open transaction, one watch a device.
 * The only file that knows paths.
 */
#include "frontend/user/disk.h"

#include <stdio.h>

#define MAX_KEYS 16

/*
 * What the toolstack says about the backend, and how it counts (ring/dialect.h). Both directories are
 * written by toolstacks; the first word is the program's own.
 */
static int read_nature(struct xsp_disk *d)
{
	char *s = xsp_store_read(&d->store, XBT_NULL, "%s/trusted", d->front);
	int error = 0;

	if (s && !strcmp(s, "0"))
		d->untrusted = true;
	free(s);
	if (d->have_dialect)
		return 0;
	d->dialect = xsp_blk_dialect_of_backend(d->back);
	s = xsp_store_read(&d->store, XBT_NULL, "%s/xensplit-dialect", d->front);
	if (s && xsp_blk_dialect_parse(s, &d->dialect))
		error = xsp_disk_fail(d, -EINVAL, "vbd %u: xensplit-dialect '%.20s' in the store is none",
				      d->devid, s);
	free(s);
	return error;
}

/* Finds the device's two directories and the backend's domain. 0 or what xsp_disk_open returns. */
int xsp_keys_find(struct xsp_disk *d)
{
	const char *why;
	int error = xsp_front_find(&d->store, "vbd", d->devid, &d->front, &d->back, &d->backend_domid,
				   &why);

	return error ? xsp_disk_fail(d, error, "vbd %u: %s", d->devid, why) : read_nature(d);
}

int xsp_keys_offer(struct xsp_disk *d)
{
	struct xsp_key keys[MAX_KEYS];
	char *values[MAX_KEYS];
	unsigned int n = xsp_blk_offer_keys_count;
	const char *bad = NULL;
	int error;

	xsp_front_get_keys(&d->store, d->back, xsp_blk_offer_keys, n, keys, values);
	error = xsp_blk_offer_from_keys(keys, n, &d->offer, &bad);
	xsp_front_free_keys(values, n);
	return error ? xsp_disk_fail(d, -EPROTO, "vbd %u: the backend's %s is not a number in range",
				     d->devid, bad)
		     : 0;
}

/* What the disk is, as its backend says now. */
static int get_disk(struct xsp_disk *d, struct xsp_blk_disk *ret)
{
	struct xsp_key keys[MAX_KEYS];
	char *values[MAX_KEYS];
	unsigned int n = xsp_blk_disk_keys_count;
	const char *bad = NULL;
	int error;

	xsp_front_get_keys(&d->store, d->back, xsp_blk_disk_keys, n, keys, values);
	error = xsp_blk_disk_from_keys(keys, n, xsp_blk_dialect_units(d->dialect), ret, &bad);
	xsp_front_free_keys(values, n);
	return error ? xsp_disk_fail(d, -EPROTO, "vbd %u: the backend's %s is %s", d->devid, bad,
				     error == -ENOENT ? "missing" : "not a number in range")
		     : 0;
}

/* At connect. What is under way on a queue that is restarted is counted in the old units. */
int xsp_keys_disk(struct xsp_disk *d)
{
	struct xsp_blk_disk disk;
	int error = get_disk(d, &disk);

	if (error)
		return error;
	if (d->disk.sector_size && d->disk.sector_size != disk.sector_size)
		return xsp_disk_fail(d, -EPROTO, "vbd %u: the backend started over with sectors of %u, not %u",
				     d->devid, disk.sector_size, d->disk.sector_size);
	d->resized += d->disk.sector_size && d->disk.sectors != disk.sectors;
	d->disk = disk;
	d->shifts = xsp_blk_dialect_shifts(d->dialect, disk.sector_size);
	return 0;
}

/* While connected only the size may change: all else has been relied on. */
int xsp_keys_resize(struct xsp_disk *d)
{
	struct xsp_blk_disk disk;
	int error = get_disk(d, &disk);

	if (error || disk.sectors == d->disk.sectors)
		return error;
	d->disk.sectors = disk.sectors;
	d->resized++;
	return 0;
}

/* The button. Let go of again, so that the next push is a change. */
int xsp_keys_eject(struct xsp_disk *d, bool push)
{
	char path[XSP_STORE_PATH];

	snprintf(path, sizeof(path), "%s/eject", d->front);
	return xsp_store_write(&d->store, XBT_NULL, path, "%s", push ? "eject" : "");
}

/* --- who has the device open ------------------------------------------------------------------- */

/* Refuses a device that somebody else of this domain has open: -EBUSY. */
int xsp_keys_owner(struct xsp_disk *d)
{
	long pid = xsp_front_owner(&d->store, "vbd", d->devid, d->front);

	if (pid < 0)
		return xsp_disk_fail(d, -EBUSY,
				     "vbd %u: in use by the kernel (echo vbd-%u "
				     ">/sys/bus/xen/drivers/vbd/unbind)",
				     d->devid, d->devid);
	return pid ? xsp_disk_fail(d, -EBUSY, "vbd %u: in use by process %ld", d->devid, pid) : 0;
}

/* --- publishing -------------------------------------------------------------------------------- */

struct publication {
	struct xsp_disk *d;
	struct xsp_key_out keys[5 + XSP_BLK_MAX_QUEUES * (1 + (1u << XSP_RING_MAX_ORDER))];
	int n;
};

/* How many the last frontend had, if several. */
static unsigned int old_queues(struct xsp_disk *d, xs_transaction_t t)
{
	char *s = xsp_store_read(&d->store, t, "%s/multi-queue-num-queues", d->front);
	unsigned long n = s ? strtoul(s, NULL, 10) : 0;

	free(s);
	return n < XSP_BLK_MAX_QUEUES ? (unsigned int)n : XSP_BLK_MAX_QUEUES;
}

static int publish(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct publication *p = arg;
	struct xsp_disk *d = p->d;
	char path[XSP_STORE_PATH];
	int error;

	/* what an earlier frontend with another shape of rings may have left */
	for (unsigned int q = 0; q < old_queues(d, t); q++) {
		snprintf(path, sizeof(path), "%s/queue-%u", d->front, q);
		xsp_store_rm(s, t, path);
	}
	snprintf(path, sizeof(path), "%s/multi-queue-num-queues", d->front);
	error = xsp_store_rm(s, t, path);
	snprintf(path, sizeof(path), "%s/%s", d->front, d->order ? "ring-ref" : "ring-page-order");
	if (!error)
		error = xsp_store_rm(s, t, path);
	snprintf(path, sizeof(path), "%s/feature-large-sector-size", d->front);
	if (!error)
		error = xsp_store_rm(s, t, path);
	for (int i = 0; i < p->n && !error; i++)
		error = xsp_front_put(&d->store, t, d->front, p->keys[i].key, p->keys[i].value);
	if (!error)
		error = xsp_front_own(&d->store, t, d->front);
	return error ? error : xsp_front_set_state(&d->store, t, d->front, XSP_XB_INITIALISED);
}

/* Ring keys and state 3 in one transaction. */
int xsp_keys_publish(struct xsp_disk *d)
{
	struct xsp_blk_params params = {
		.order = d->order,
		.queues = d->n_queues,
		.persistent = !d->no_persistent, /* every page keeps its grant until close */
		.large_sector = d->dialect == XSP_DIALECT_QEMU || d->dialect == XSP_DIALECT_WINDOWS,
	};
	struct publication p = { .d = d };
	int error;

	for (unsigned int q = 0; q < d->n_queues; q++) {
		params.queue[q].port = d->queue[q].port;
		memcpy(params.queue[q].gref, d->queue[q].ring_gref, sizeof(d->queue[q].ring_gref));
	}
	p.n = xsp_blk_keys_from_params(&params, p.keys, sizeof(p.keys) / sizeof(p.keys[0]));
	assert(p.n > 0);
	error = xsp_store_transact(&d->store, publish, &p);
	return error ? xsp_disk_fail(d, -ENXIO, "vbd %u: can't write to the store: %s", d->devid,
				     strerror(-error))
		     : 0;
}
