/* SPDX-License-Identifier: MIT */
/*
 * The XenStore nodes that a frontend wrote are a guest's word: each value is parsed with its range,
 * and all of them are read in one transaction.
 */
#include "backend/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int xsp_front_bad(struct xsp_front_keys *k, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(k->why, k->why_len, fmt, args);
	va_end(args);
	return -EINVAL;
}

int xsp_front_number(struct xsp_front_keys *k, const char *key, uint32_t limit, uint32_t absent,
		     uint32_t *ret)
{
	struct xsp_store *s = &k->dev->d->store;
	int err = xsp_store_read_u32(s, k->t, ret, "%s/%s", k->dev->fe, key);

	if (err == -ENOENT && absent < limit) {
		*ret = absent;
		return 0;
	}
	if (err == -ENOENT)
		return xsp_front_bad(k, "the frontend's node '%s' is missing", key);
	if (err && s->broken)
		return err;
	if (err || *ret >= limit)
		return xsp_front_bad(k, "the frontend's node '%s' is not a number below %u", key,
				     limit);
	return 0;
}

bool xsp_front_exists(struct xsp_front_keys *k, const char *key)
{
	char *value = xsp_store_read(&k->dev->d->store, k->t, "%s/%s", k->dev->fe, key);

	free(value);
	return value != NULL;
}

struct reading {
	struct xsp_front_keys k;
	int (*read)(struct xsp_front_keys *k, void *arg);
	void *arg;
};

static int read_once(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct reading *r = arg;

	(void)s;
	r->k.t = t;
	return r->read(&r->k, r->arg);
}

int xsp_front_read(struct xsp_device *dev, int (*read)(struct xsp_front_keys *k, void *arg), void *arg,
		   char *why, size_t why_len)
{
	struct reading r = {
		.k = { .dev = dev, .why = why, .why_len = why_len },
		.read = read,
		.arg = arg,
	};
	int err = xsp_store_transact(&dev->d->store, read_once, &r);

	if (err == -EAGAIN)
		snprintf(why, why_len, "the frontend writes its nodes all the time");
	else if (err && !*why)
		snprintf(why, why_len, "can't read the frontend's nodes: %s", strerror(-err));
	return err;
}
