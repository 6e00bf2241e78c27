/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What is read from and written to the store; frontend/core/blkkeys.h knows what it means. */
#include <linux/slab.h>

#include "frontend/linux/blk/xblk.h"

#define MAX_KEYS 16
#define RETRIES  50 /* of a transaction that others disturb */

/* The values of the backend's keys; to be freed with free_keys. */
static void get_keys(struct xblk *d, const char *const *names, unsigned int n, struct xsp_key *keys)
{
	for (unsigned int i = 0; i < n; i++) {
		char *value = xenbus_read(XBT_NIL, d->xb->otherend, names[i], NULL);

		keys[i].key = names[i];
		keys[i].value = IS_ERR(value) ? NULL : value;
	}
}

static void free_keys(struct xsp_key *keys, unsigned int n)
{
	while (n)
		kfree(keys[--n].value);
}

static int wrong(struct xblk *d, const char *key, int error)
{
	dev_err(&d->xb->dev, "the backend's %s is %s\n", key,
		error == -ENOENT ? "missing" : "not a number in range");
	return -EPROTO;
}

int xblk_keys_offer(struct xblk *d)
{
	struct xsp_key keys[MAX_KEYS];
	const char *bad = NULL;
	int error;

	get_keys(d, xsp_blk_offer_keys, xsp_blk_offer_keys_count, keys);
	error = xsp_blk_offer_from_keys(keys, xsp_blk_offer_keys_count, &d->offer, &bad);
	free_keys(keys, xsp_blk_offer_keys_count);
	return error ? wrong(d, bad, error) : 0;
}

int xblk_keys_disk(struct xblk *d, struct xsp_blk_disk *ret)
{
	struct xsp_key keys[MAX_KEYS];
	const char *bad = NULL;
	int error;

	get_keys(d, xsp_blk_disk_keys, xsp_blk_disk_keys_count, keys);
	error = xsp_blk_disk_from_keys(keys, xsp_blk_disk_keys_count,
				       xsp_blk_dialect_units(d->dialect), ret, &bad);
	free_keys(keys, xsp_blk_disk_keys_count);
	return error ? wrong(d, bad, error) : 0;
}

/* May the backend see pages of this guest that aren't its business? The toolstack says so. */
bool xblk_keys_trusted(struct xblk *d)
{
	return xblk_trust() && xenbus_read_unsigned(d->xb->nodename, "trusted", 1);
}

/* How the backend counts sectors that aren't of 512 bytes (ring/dialect.h). */
int xblk_keys_dialect(struct xblk *d)
{
	char *s = xenbus_read(XBT_NIL, d->xb->nodename, "xensplit-dialect", NULL);
	int error = 0;

	d->dialect = xsp_blk_dialect_of_backend(d->xb->otherend);
	if (IS_ERR(s))
		return 0;
	error = xsp_blk_dialect_parse(s, &d->dialect);
	if (error)
		dev_err(&d->xb->dev, "xensplit-dialect '%.20s' in the store is none\n", s);
	kfree(s);
	return error;
}

/* What an earlier frontend with rings of another shape may have left. */
static void remove_old(struct xblk *d, struct xenbus_transaction t)
{
	static const char *const keys[] = { "ring-ref", "ring-page-order", "event-channel",
					    "multi-queue-num-queues" };
	char key[24];

	for (unsigned int q = 0; q < XSP_BLK_MAX_QUEUES; q++) {
		snprintf(key, sizeof(key), "queue-%u", q);
		if (!xenbus_exists(t, d->xb->nodename, key))
			break;
		xenbus_rm(t, d->xb->nodename, key);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++)
		xenbus_rm(t, d->xb->nodename, keys[i]);
	for (unsigned int i = 0; i < 1u << XSP_RING_MAX_ORDER; i++) {
		snprintf(key, sizeof(key), "ring-ref%u", i);
		if (!xenbus_exists(t, d->xb->nodename, key))
			break;
		xenbus_rm(t, d->xb->nodename, key);
	}
}

static int write_all(struct xblk *d, const struct xsp_key_out *keys, int n)
{
	struct xenbus_transaction t;
	int error;

	for (int tries = 0; tries < RETRIES; tries++) {
		error = xenbus_transaction_start(&t);
		if (error)
			return error;
		remove_old(d, t);
		for (int i = 0; i < n && !error; i++)
			error = xenbus_printf(t, d->xb->nodename, keys[i].key, "%s", keys[i].value);
		if (error) {
			xenbus_transaction_end(t, 1);
			return error;
		}
		error = xenbus_transaction_end(t, 0);
		if (error != -EAGAIN)
			return error;
	}
	return error;
}

/* Rings and event channels, in one transaction; the state follows when it is done. */
int xblk_keys_publish(struct xblk *d)
{
	unsigned int max = 5 + d->n_queues * ((1u << d->order) + 1);
	struct xsp_blk_params *p = kzalloc(sizeof(*p), GFP_NOIO);
	struct xsp_key_out *keys = kcalloc(max, sizeof(*keys), GFP_NOIO);
	int n, error = -ENOMEM;

	if (!p || !keys)
		goto out;
	p->order = d->order;
	p->queues = d->n_queues;
	p->large_sector = d->dialect == XSP_DIALECT_QEMU || d->dialect == XSP_DIALECT_WINDOWS;
	p->persistent = xblk_want_persistent();
	for (unsigned int q = 0; q < d->n_queues; q++) {
		p->queue[q].port = d->queue[q].port;
		for (unsigned int i = 0; i < 1u << d->order; i++)
			p->queue[q].gref[i] = d->queue[q].ring_ref[i];
	}
	n = xsp_blk_keys_from_params(p, keys, max);
	error = n < 0 ? n : write_all(d, keys, n);
out:
	if (error)
		dev_err(&d->xb->dev, "can't publish the rings: %d\n", error);
	kfree(keys);
	kfree(p);
	return error;
}
