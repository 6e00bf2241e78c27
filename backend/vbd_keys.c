/* SPDX-License-Identifier: MIT */
/* The frontend's nodes of a disk: see vbd_keys.h. */
#include "backend/vbd_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GREF (1u << 30)

struct rings {
	struct xsp_vbd_ring *ring;
	uint32_t n;
	enum xsp_blk_dialect dialect;
};

static int read_protocol(struct xsp_front_keys *k, enum xsp_blk_abi *ret)
{
	char *protocol = xsp_store_read(&k->dev->d->store, k->t, "%s/protocol", k->dev->fe);
	int err = 0;

	/* No key means a 32-bit guest of old: so Linux, QEMU and blktap take it on x86. */
	if (!protocol || !*protocol || !strcmp(protocol, "x86_32-abi"))
		*ret = XSP_BLK_X86_32;
	else if (!strcmp(protocol, "x86_64-abi"))
		*ret = XSP_BLK_X86_64;
	else
		err = xsp_front_bad(
			k, "the frontend's protocol '%.20s' is neither x86_32-abi nor x86_64-abi",
			protocol);
	free(protocol);
	return err;
}

/* FreeBSD writes both, older frontends only the number of pages. */
static int read_order(struct xsp_front_keys *k, uint32_t *ret)
{
	uint32_t pages = 0, order = 0;
	int err = xsp_front_number(k, "ring-page-order", XSP_RING_MAX_ORDER + 1, 0, ret);

	if (!err)
		err = xsp_front_number(k, "num-ring-pages", (1u << XSP_RING_MAX_ORDER) + 1, 0, &pages);
	if (err || !pages)
		return err;
	while (1u << order < pages)
		order++;
	if (1u << order != pages)
		return xsp_front_bad(k, "the frontend's node 'num-ring-pages' is no power of two");
	if (xsp_front_exists(k, "ring-page-order") && *ret != order)
		return xsp_front_bad(k, "the frontend's num-ring-pages and ring-page-order do not agree");
	*ret = order;
	return 0;
}

/* Known names only; what a frontend says of itself is as good as anything else it says. */
static int read_dialect(struct xsp_front_keys *k, enum xsp_blk_dialect *ret)
{
	const char *const dirs[] = { k->dev->be, k->dev->fe };
	uint32_t large = 0;
	int err = xsp_front_number(k, "feature-large-sector-size", 2, 0, &large);

	*ret = xsp_blk_dialect_of_frontend(large);
	for (unsigned int i = 0; !err && i < 2; i++) {
		char *name = xsp_store_read(&k->dev->d->store, k->t, "%s/xensplit-dialect", dirs[i]);

		if (!name)
			continue;
		if (xsp_blk_dialect_parse(name, ret))
			err = xsp_front_bad(k, "xensplit-dialect '%.20s' is none of xen, freebsd, qemu, "
					       "windows, mini-os", name);
		free(name);
		break;
	}
	return err;
}

/* The grants and the port of one queue, below dir: "" with one queue, "queue-0/" .. with more. */
static int read_queue(struct xsp_front_keys *k, const char *dir, struct xsp_vbd_ring *r)
{
	char key[48], numbered[48];
	int err = 0;

	for (uint32_t i = 0; !err && i < 1u << r->order; i++) {
		if (r->order)
			snprintf(key, sizeof(key), "%sring-ref%u", dir, i);
		else
			snprintf(key, sizeof(key), "%sring-ref", dir);
		/* Some frontends that know multi-page rings number even a single page. */
		snprintf(numbered, sizeof(numbered), "%sring-ref0", dir);
		if (!r->order && !xsp_front_exists(k, key) && xsp_front_exists(k, numbered))
			memcpy(key, numbered, sizeof(key));
		err = xsp_front_number(k, key, MAX_GREF, MAX_GREF, &r->ref[i]);
	}
	snprintf(key, sizeof(key), "%sevent-channel", dir);
	return err ? err : xsp_front_number(k, key, MAX_GREF, MAX_GREF, &r->evtchn);
}

static int read_rings(struct xsp_front_keys *k, void *arg)
{
	struct rings *rings = arg;
	enum xsp_blk_abi abi = XSP_BLK_NATIVE;
	char dir[24] = "";
	uint32_t order, persistent = 0;
	int err;

	err = xsp_front_number(k, "multi-queue-num-queues", xsp_vbd_max_queues(k->dev) + 1, 1,
			       &rings->n);
	if (!err && !rings->n)
		err = xsp_front_bad(k, "the frontend's node 'multi-queue-num-queues' is 0");
	if (!err)
		err = read_order(k, &order);
	if (!err)
		err = read_protocol(k, &abi);
	if (!err)
		err = xsp_front_number(k, "feature-persistent", 2, 0, &persistent);
	if (!err)
		err = read_dialect(k, &rings->dialect);
	for (uint32_t i = 0; !err && i < rings->n; i++) {
		struct xsp_vbd_ring *r = &rings->ring[i];

		r->order = order;
		r->persistent = persistent;
		r->abi = abi;
		if (rings->n > 1)
			snprintf(dir, sizeof(dir), "queue-%u/", i);
		err = read_queue(k, dir, r);
	}
	return err;
}

uint32_t xsp_vbd_max_queues(const struct xsp_device *dev)
{
	return dev->d->n_workers < XSP_MAX_QUEUES ? dev->d->n_workers : XSP_MAX_QUEUES;
}

int xsp_vbd_read_rings(struct xsp_device *dev, struct xsp_vbd_ring *ret, uint32_t *ret_n,
		       enum xsp_blk_dialect *ret_dialect, char *why, size_t why_len)
{
	struct rings rings = { .ring = ret };
	int err = xsp_front_read(dev, read_rings, &rings, why, why_len);

	*ret_n = rings.n;
	*ret_dialect = rings.dialect;
	return err;
}
