/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Arrays of the store's keys; what they mean is frontend/core's and the class's business. */
#include <linux/slab.h>

#include "frontend/linux/device/device.h"

#define RETRIES 50 /* of a transaction that others disturb */
#define NUMBERS 64 /* of queue-N, ring-refN; more than there ever are */

/* The values of the backend's keys; to be freed with xdev_keys_free. */
void xdev_keys_read(struct xdev *d, const char *const *names, unsigned int n, struct xsp_key *keys)
{
	for (unsigned int i = 0; i < n; i++) {
		char *value = xenbus_read(XBT_NIL, d->xb->otherend, names[i], NULL);

		keys[i].key = names[i];
		keys[i].value = IS_ERR(value) ? NULL : value;
	}
}

void xdev_keys_free(struct xsp_key *keys, unsigned int n)
{
	while (n)
		kfree(keys[--n].value);
}

/* May the backend see pages of this guest that aren't its business? The toolstack says so. */
bool xdev_keys_trusted(struct xdev *d)
{
	return xenbus_read_unsigned(d->xb->nodename, "trusted", 1);
}

static void remove_numbered(struct xdev *d, struct xenbus_transaction t, const char *name)
{
	char key[24];

	for (unsigned int i = 0; i < NUMBERS; i++) {
		snprintf(key, sizeof(key), "%s%u", name, i);
		if (!xenbus_exists(t, d->xb->nodename, key))
			break;
		xenbus_rm(t, d->xb->nodename, key);
	}
}

/* What an earlier frontend with rings of another shape may have left. */
static void remove_old(struct xdev *d, struct xenbus_transaction t)
{
	remove_numbered(d, t, "queue-");
	if (d->class->old_ring_refs)
		remove_numbered(d, t, "ring-ref");
	for (const char *const *key = d->class->old_keys; *key; key++)
		if (xenbus_exists(t, d->xb->nodename, *key))
			xenbus_rm(t, d->xb->nodename, *key);
}

static int write_all(struct xdev *d, struct xenbus_transaction t, const struct xsp_key_out *keys, int n)
{
	int error = 0;

	remove_old(d, t);
	for (int i = 0; i < n && !error; i++)
		error = xenbus_printf(t, d->xb->nodename, keys[i].key, "%s", keys[i].value);
	return error;
}

/* Keys of this connection, and no others, in one transaction; the state follows. 0 or -errno. */
int xdev_keys_write(struct xdev *d, const struct xsp_key_out *keys, int n)
{
	struct xenbus_transaction t;
	int error;

	for (int tries = 0; tries < RETRIES; tries++) {
		error = xenbus_transaction_start(&t);
		if (error)
			return error;
		error = write_all(d, t, keys, n);
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
