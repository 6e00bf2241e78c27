/* SPDX-License-Identifier: MIT */
/* Settings for the next daemon: see vif_keep.h. */
#include "backend/vif_keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/statics.h"

#define KEPT  "xensplit-kept"
#define CHUNK 1800u /* a node of an unprivileged domain may have 2048 bytes, a driver domain is one */

static int put(struct xsp_vif *v, const char *key, const char *value)
{
	char path[XSP_STORE_PATH];

	snprintf(path, sizeof(path), "%s/" KEPT "/%s", v->dev.be, key);
	return *value ? xsp_store_write(&v->dev.d->store, XBT_NULL, path, "%s", value) :
			xsp_store_rm(&v->dev.d->store, XBT_NULL, path);
}

static char *get(struct xsp_vif *v, const char *key)
{
	return xsp_store_read(&v->dev.d->store, XBT_NULL, "%s/" KEPT "/%s", v->dev.be, key);
}

/* In pieces of CHUNK; the first that is not there ends them. */
static int put_statics(struct xsp_vif *v, uint32_t queue)
{
	struct xsp_net_gref list[XSP_STATICS];
	uint32_t n = xsp_keep_statics_get(&v->ctl.keep, queue, list), at = 0, chunk = 0;
	char text[CHUNK], key[32];
	int err;

	do {
		at += xsp_keep_statics_text(list + at, n - at, text, sizeof(text));
		snprintf(key, sizeof(key), "static-%u-%u", queue, chunk++);
		err = put(v, key, text);
	} while (!err && *text);
	return err;
}

bool xsp_vif_keep_wanted(struct xsp_vif *v)
{
	return __atomic_load_n(&v->ctl.keep.changed, __ATOMIC_RELAXED) || xsp_mcast_changed(&v->mcast, false);
}

void xsp_vif_keep_write(struct xsp_vif *v)
{
	char text[XSP_MCASTS * 13 + XSP_KEEP_TEXT];
	struct xsp_net_hash hash;
	int err = 0;

	if (!xsp_vif_keep_wanted(v))
		return;
	__atomic_store_n(&v->ctl.keep.changed, false, __ATOMIC_RELAXED); /* what comes now comes again */
	xsp_mcast_changed(&v->mcast, true);
	if (v->has_ctl) {
		pthread_mutex_lock(&v->ctl.keep.lock);
		hash = v->ctl.keep.hash;
		pthread_mutex_unlock(&v->ctl.keep.lock);
		xsp_keep_hash_text(&hash, text);
		err = put(v, "hash", text);
		for (uint32_t i = 0; !err && i < v->ctl.n_queues; i++)
			err = put_statics(v, i);
	}
	xsp_mcast_text(&v->mcast, text, sizeof(text));
	if (!err)
		err = put(v, "multicast", text);
	if (err)
		__atomic_store_n(&v->ctl.keep.changed, true, __ATOMIC_RELAXED);
}

static void read_statics(struct xsp_vif *v, uint32_t queue)
{
	struct xsp_net_gref list[XSP_STATICS];
	uint32_t n = 0;

	for (uint32_t chunk = 0; chunk < XSP_STATICS; chunk++) {
		char key[32], *text;
		int got;

		snprintf(key, sizeof(key), "static-%u-%u", queue, chunk);
		text = get(v, key);
		if (!text)
			break;
		got = xsp_keep_statics_parse(text, list + n, XSP_STATICS - n);
		free(text);
		if (got < 0)
			return;
		n += (uint32_t)got;
	}
	xsp_keep_statics(&v->ctl.keep, queue, list, n);
}

void xsp_vif_keep_read(struct xsp_vif *v, uint32_t n_queues)
{
	char *text = get(v, "hash");

	if (text && !xsp_keep_hash_parse(text, n_queues, &v->ctl.hash))
		xsp_keep_hash(&v->ctl.keep, &v->ctl.hash);
	free(text);
	for (uint32_t i = 0; i < n_queues; i++)
		read_statics(v, i);
	text = get(v, "multicast");
	if (text)
		xsp_mcast_parse(&v->mcast, text);
	free(text);
	__atomic_store_n(&v->ctl.keep.changed, false, __ATOMIC_RELAXED);
	xsp_mcast_changed(&v->mcast, true);
}

void xsp_vif_keep_forget(struct xsp_vif *v)
{
	char path[XSP_STORE_PATH];

	xsp_keep_clear(&v->ctl.keep);
	snprintf(path, sizeof(path), "%s/" KEPT, v->dev.be);
	xsp_store_rm(&v->dev.d->store, XBT_NULL, path);
}
