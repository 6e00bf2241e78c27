/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The store as this library uses it: few keys, no more than one open transaction, one watch a device.
 * The only file that knows paths.
 */
#include <stdio.h>
#include <unistd.h>

#include "frontend/user/disk.h"
#include "frontend/user/owner.h"

#define MAX_KEYS  16
#define MAX_DOMID 0x7fefu /* below DOMID_FIRST_RESERVED */

static enum xsp_xenbus_state to_state(const char *s)
{
	uint32_t v;

	return s && !xsp_parse_u32(s, &v) && v <= XSP_XB_RECONFIGURED ? (enum xsp_xenbus_state)v :
									XSP_XB_UNKNOWN;
}

enum xsp_xenbus_state xsp_keys_state(struct xsp_disk *d, const char *dir)
{
	char *s = xsp_store_read(&d->store, XBT_NULL, "%s/state", dir);
	enum xsp_xenbus_state state = to_state(s);

	free(s);
	return state;
}

static int write_state(struct xsp_disk *d, xs_transaction_t t, enum xsp_xenbus_state state)
{
	char path[XSP_STORE_PATH];

	snprintf(path, sizeof(path), "%s/state", d->front);
	return xsp_store_write(&d->store, t, path, "%d", state);
}

int xsp_keys_set_state(struct xsp_disk *d, enum xsp_xenbus_state state)
{
	return write_state(d, XBT_NULL, state);
}

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
	int error;

	if (asprintf(&d->front, "device/vbd/%u", d->devid) < 0)
		return d->front = NULL, xsp_disk_fail(d, -ENOMEM, "no memory");
	d->back = xsp_store_read(&d->store, XBT_NULL, "%s/backend", d->front);
	if (!d->back && (errno == ENOENT || errno == EACCES))
		return xsp_disk_fail(d, -ENODEV, "vbd %u: this domain has no such device", d->devid);
	if (!d->back)
		return xsp_disk_fail(d, -ENXIO, "vbd %u: can't read the store: %m", d->devid);
	error = xsp_store_read_u32(&d->store, XBT_NULL, &d->backend_domid, "%s/backend-id", d->front);
	if (error || d->backend_domid > MAX_DOMID)
		return xsp_disk_fail(d, -ENODEV, "vbd %u: backend-id in the store is no domain id",
				     d->devid);
	return read_nature(d);
}

/*
 * What the backend's nodes say now. False: the store gave no answer, which says nothing about the
 * device.
 */
bool xsp_keys_look(struct xsp_disk *d, enum xsp_xenbus_state *peer, bool *online, bool *gone)
{
	char *s = xsp_store_read(&d->store, XBT_NULL, "%s/state", d->back);

	*gone = false;
	*online = true;
	if (!s && errno != ENOENT && errno != EACCES)
		return false;
	*peer = to_state(s);
	*gone = !s; /* its directory goes with it; a half-written one is as good as none to us */
	free(s);
	s = xsp_store_read(&d->store, XBT_NULL, "%s/online", d->back);
	*online = !s || strcmp(s, "0"); /* not every backend's toolstack lets us read it */
	free(s);
	return true;
}

/* Reads the keys of a list; their values are to be freed with free_keys. */
static unsigned int get_keys(struct xsp_disk *d, const char *const *names, unsigned int n,
			     struct xsp_key *keys, char **values)
{
	for (unsigned int i = 0; i < n; i++) {
		keys[i].key = names[i];
		keys[i].value = values[i] =
			xsp_store_read(&d->store, XBT_NULL, "%s/%s", d->back, names[i]);
	}
	return n;
}

static void free_keys(char **values, unsigned int n)
{
	while (n)
		free(values[--n]);
}

int xsp_keys_offer(struct xsp_disk *d)
{
	struct xsp_key keys[MAX_KEYS] = { { NULL, NULL } };
	char *values[MAX_KEYS];
	unsigned int n = get_keys(d, xsp_blk_offer_keys, xsp_blk_offer_keys_count, keys, values);
	const char *bad = NULL;
	int error = xsp_blk_offer_from_keys(keys, n, &d->offer, &bad);

	free_keys(values, n);
	return error ? xsp_disk_fail(d, -EPROTO, "vbd %u: the backend's %s is not a number in range",
				     d->devid, bad)
		     : 0;
}

/* What the disk is, as its backend says now. */
static int get_disk(struct xsp_disk *d, struct xsp_blk_disk *ret)
{
	struct xsp_key keys[MAX_KEYS] = { { NULL, NULL } };
	char *values[MAX_KEYS];
	unsigned int n = get_keys(d, xsp_blk_disk_keys, xsp_blk_disk_keys_count, keys, values);
	const char *bad = NULL;
	int error = xsp_blk_disk_from_keys(keys, n, xsp_blk_dialect_units(d->dialect), ret, &bad);

	free_keys(values, n);
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

/*
 * Refuses a device that a living process of this domain has open, or a driver of its kernel: -EBUSY.
 * Taking it away from them would look to them like a disk that was pulled.
 */
int xsp_keys_owner(struct xsp_disk *d)
{
	char driver[64];
	char *s = xsp_store_read(&d->store, XBT_NULL, "%s/owner", d->front);
	long pid = xsp_owner_alive(s);
	int error = 0;

	snprintf(driver, sizeof(driver), "/sys/bus/xen/devices/vbd-%u/driver", d->devid);
	if (!access(driver, F_OK))
		error = xsp_disk_fail(d, -EBUSY,
				      "vbd %u: in use by the kernel (echo vbd-%u "
				      ">/sys/bus/xen/drivers/vbd/unbind)",
				      d->devid, d->devid);
	if (pid)
		error = xsp_disk_fail(d, -EBUSY, "vbd %u: in use by process %ld", d->devid, pid);
	free(s);
	return error;
}

/* --- publishing -------------------------------------------------------------------------------- */

struct publication {
	struct xsp_disk *d;
	struct xsp_key_out keys[5 + XSP_BLK_MAX_QUEUES * (1 + (1u << XSP_RING_MAX_ORDER))];
	int n;
};

static int put(struct xsp_disk *d, xs_transaction_t t, const char *key, const char *value)
{
	char path[XSP_STORE_PATH];

	snprintf(path, sizeof(path), "%s/%s", d->front, key);
	return xsp_store_write(&d->store, t, path, "%s", value);
}

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
	char path[XSP_STORE_PATH], owner[64];
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
		error = put(d, t, p->keys[i].key, p->keys[i].value);
	xsp_owner_text(owner, sizeof(owner));
	if (!error)
		error = put(d, t, "owner", owner);
	return error ? error : write_state(d, t, XSP_XB_INITIALISED);
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

/* Takes all waiting watch events; true when there was one. */
bool xsp_keys_watch_fired(struct xsp_disk *d)
{
	bool fired = false;
	char **event;

	while ((event = xs_check_watch(d->store.xs))) {
		fired = true;
		free(event);
	}
	return fired;
}
