/* SPDX-License-Identifier: MIT */
/* Weights and limits of disks: see vbd_limits.h. */
#include "backend/vbd_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vbd.h"

/* --- reading ------------------------------------------------------------------------------------- */

/* The bucket of a sibling that has the same limit: those of one guest share it. */
static struct xsp_bucket *find_shared(struct xsp_vbd *v, bool bytes, const char *text)
{
	struct xsp_device *dev;

	TAILQ_FOREACH(dev, &v->dev.d->devices, link) {
		struct xsp_vbd_limits *l = &xsp_vbd_of(dev)->limits;

		if (dev->class != &xsp_vbd_class || dev == &v->dev || dev->domid != v->dev.domid ||
		    strcmp(bytes ? l->bytes[XSP_LIMIT_GUEST] : l->reqs[XSP_LIMIT_GUEST], text))
			continue;
		return xsp_bucket_get((bytes ? l->shares.bytes : l->shares.reqs)[XSP_LIMIT_GUEST]);
	}
	return NULL;
}

static void read_limit(struct xsp_vbd *v, int whose, bool bytes)
{
	struct xsp_vbd_limits *l = &v->limits;
	struct xsp_bucket **bucket = &(bytes ? l->shares.bytes : l->shares.reqs)[whose];
	char *was = bytes ? l->bytes[whose] : l->reqs[whose], dir[XSP_STORE_PATH / 2];
	struct xsp_store *store = &v->dev.d->store;
	const char *key = bytes ? XSP_KEY_BYTES : XSP_KEY_IOPS;
	struct xsp_pace pace = { 0 };
	char *text;

	snprintf(dir, sizeof(dir), "%s", v->dev.be);
	if (whose == XSP_LIMIT_GUEST)
		*strrchr(dir, '/') = '\0';
	text = xsp_store_read(store, XBT_NULL, "%s/%s", dir, key);
	if ((!text && store->broken) || !strcmp(text ? text : "", was)) {
		free(text);
		return;
	}
	snprintf(was, XSP_PACE_TEXT, "%s", text ? text : "");
	if (text && (strlen(text) >= XSP_PACE_TEXT || xsp_pace_parse(text, &pace)))
		xsp_device_log(&v->dev, &v->dev.trouble, XSP_LOG_WARN,
			       "no limit: %s/%s = '%.40s' is not like 1000/s or 10MB/s@100ms", dir, key,
			       text);
	free(text);
	xsp_bucket_put(*bucket);
	*bucket = NULL;
	if (pace.per_second && whose == XSP_LIMIT_GUEST)
		*bucket = find_shared(v, bytes, was);
	if (pace.per_second && !*bucket)
		*bucket = xsp_bucket_new(&pace, xsp_now_ns());
	l->serial++;
}

static void read_weight(struct xsp_vbd *v)
{
	uint32_t weight = XSP_WEIGHT_DEFAULT;
	int err = xsp_store_read_u32(&v->dev.d->store, XBT_NULL, &weight, "%s/" XSP_KEY_WEIGHT,
				     v->dev.be);

	if (err && v->dev.d->store.broken)
		return;
	if (!err && (!weight || weight > XSP_WEIGHT_MAX))
		weight = XSP_WEIGHT_DEFAULT;
	v->limits.serial += v->limits.shares.weight != weight;
	v->limits.shares.weight = weight;
}

void xsp_vbd_limits_read(struct xsp_vbd *v)
{
	read_weight(v);
	for (int whose = 0; whose < XSP_LIMITS; whose++) {
		read_limit(v, whose, false);
		read_limit(v, whose, true);
	}
}

/* --- to the queues that run ------------------------------------------------------------------------ */

struct new_shares {
	struct xsp_mail mail; /* first */
	struct xsp_blkq *q;
	struct xsp_shares shares;
};

/*
 * Worker's thread. The queue is still there: between its start and its stop the mail to its worker
 * comes in order, and it is posted only in between.
 */
static void replace(struct xsp_mail *mail, void *owner)
{
	struct new_shares *n = (struct new_shares *)mail;

	(void)owner;
	xsp_share_replace(n->q, &n->shares);
	free(n);
}

void xsp_vbd_limits_apply(struct xsp_vbd *v)
{
	for (uint32_t i = 0; i < v->dev.n_queues; i++) {
		struct xsp_blkq *q = xsp_blkq_of(v->dev.queue[i]);
		struct new_shares *n;

		if (q->c.shares_serial == v->limits.serial)
			continue;
		n = calloc(1, sizeof(*n));
		if (!n)
			return; /* the next change or connection tries again */
		q->c.shares_serial = v->limits.serial;
		n->mail.fn = replace;
		n->q = q;
		n->shares = xsp_shares_get(&v->limits.shares);
		xsp_mailbox_post(&q->base.worker->box, &n->mail);
	}
}

/* A later guest of the same number must not get these limits. */
static void remove_guests(struct xsp_vbd *v)
{
	char path[XSP_STORE_PATH];
	struct xsp_device *dev;

	TAILQ_FOREACH(dev, &v->dev.d->devices, link)
		if (dev != &v->dev && dev->class == &xsp_vbd_class && dev->domid == v->dev.domid)
			return;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s/%u/%s", v->dev.d->backend_root, v->dev.class->name,
			 v->dev.domid, i ? XSP_KEY_BYTES : XSP_KEY_IOPS);
		xsp_store_rm(&v->dev.d->store, XBT_NULL, path);
	}
}

void xsp_vbd_limits_forget(struct xsp_vbd *v)
{
	const struct xsp_store *store = &v->dev.d->store;

	xsp_shares_put(&v->limits.shares);
	if (v->dev.domain_dead && store->xs && !store->broken)
		remove_guests(v);
}

void xsp_vbd_limits_changed(struct xsp_vbd *v, const char *key)
{
	if (*key && strcmp(key, XSP_KEY_WEIGHT) && strcmp(key, XSP_KEY_IOPS) &&
	    strcmp(key, XSP_KEY_BYTES))
		return;
	xsp_vbd_limits_read(v);
	/* Else they start with what was read, or, if they are on their way, are told once they run. */
	if (v->dev.connected && !xsp_device_busy(&v->dev))
		xsp_vbd_limits_apply(v);
}
