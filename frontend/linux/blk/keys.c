/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What is read from and written to the store; frontend/core/blkkeys.h knows what it means. */
#include <linux/slab.h>

#include "frontend/linux/blk/xblk.h"

#define MAX_KEYS 16

static int wrong(struct xblk *d, const char *key, int error)
{
	dev_err(&d->base.xb->dev, "the backend's %s is %s\n", key,
		error == -ENOENT ? "missing" : "not a number in range");
	return -EPROTO;
}

int xblk_keys_offer(struct xblk *d)
{
	struct xsp_key keys[MAX_KEYS];
	const char *bad = NULL;
	int error;

	xdev_keys_read(&d->base, xsp_blk_offer_keys, xsp_blk_offer_keys_count, keys);
	error = xsp_blk_offer_from_keys(keys, xsp_blk_offer_keys_count, &d->offer, &bad);
	xdev_keys_free(keys, xsp_blk_offer_keys_count);
	return error ? wrong(d, bad, error) : 0;
}

int xblk_keys_disk(struct xblk *d, struct xsp_blk_disk *ret)
{
	struct xsp_key keys[MAX_KEYS];
	const char *bad = NULL;
	int error;

	xdev_keys_read(&d->base, xsp_blk_disk_keys, xsp_blk_disk_keys_count, keys);
	error = xsp_blk_disk_from_keys(keys, xsp_blk_disk_keys_count,
				       xsp_blk_dialect_units(d->dialect), ret, &bad);
	xdev_keys_free(keys, xsp_blk_disk_keys_count);
	return error ? wrong(d, bad, error) : 0;
}

/* How the backend counts sectors that aren't of 512 bytes (ring/dialect.h). */
int xblk_keys_dialect(struct xblk *d)
{
	char *s = xenbus_read(XBT_NIL, d->base.xb->nodename, "xensplit-dialect", NULL);
	int error = 0;

	d->dialect = xsp_blk_dialect_of_backend(d->base.xb->otherend);
	if (IS_ERR(s))
		return 0;
	error = xsp_blk_dialect_parse(s, &d->dialect);
	if (error)
		dev_err(&d->base.xb->dev, "xensplit-dialect '%.20s' in the store is none\n", s);
	kfree(s);
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
	error = n < 0 ? n : xdev_keys_write(&d->base, keys, n);
out:
	if (error)
		dev_err(&d->base.xb->dev, "can't publish the rings: %d\n", error);
	kfree(keys);
	kfree(p);
	return error;
}
