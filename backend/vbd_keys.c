/* SPDX-License-Identifier: MIT */
/*
 * The XenStore nodes of a block device, read and written. What the frontend wrote is a guest's
 * word: each value is parsed with its range. What is in our own directory was written by the
 * toolstack and is trusted.
 *
 * Source: xen/include/public/io/blkif.h "Backend XenBus Nodes", "Frontend XenBus Nodes".
 */
#include "backend/vbd.h"

#include "backend/domains.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GREF (1u << 30)

static struct xsp_store *store(struct xsp_vbd *v)
{
	return &v->d->store;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* A state node: missing or unreadable text is UNKNOWN; < 0 only when the store does not answer. */
static int read_state(struct xsp_vbd *v, xs_transaction_t t, const char *dir,
		      enum xsp_xenbus_state *ret)
{
	uint32_t n;
	int err = xsp_store_read_u32(store(v), t, &n, "%s/state", dir);

	if (err && store(v)->broken)
		return err;
	*ret = err || n > XSP_XB_RECONFIGURED ? XSP_XB_UNKNOWN : (enum xsp_xenbus_state)n;
	return 0;
}

/* The script writes hotplug-status when it is done; without a script there is nothing to wait for. */
static int read_hotplug(struct xsp_vbd *v)
{
	char *script = xsp_store_read(store(v), XBT_NULL, "%s/script", v->be);
	char *status = xsp_store_read(store(v), XBT_NULL, "%s/hotplug-status", v->be);

	v->hotplug_ready = !script || !*script || (status && !strcmp(status, "connected"));
	free(script);
	free(status);
	return store(v)->broken ? -EIO : 0;
}

/* The frontend's path comes once, and is watched from then on. */
static int read_frontend(struct xsp_vbd *v)
{
	char *fe;

	if (v->fe_watched)
		return 0;
	fe = xsp_store_read(store(v), XBT_NULL, "%s/frontend", v->be);
	if (!fe)
		return store(v)->broken ? -EIO : 0;
	if (strlen(fe) < sizeof(v->fe) - 64)
		snprintf(v->fe, sizeof(v->fe), "%s", fe);
	free(fe);
	if (v->fe[0])
		xsp_vbd_rewatch(v);
	return 0;
}

int xsp_vbd_read(struct xsp_vbd *v)
{
	char *value;
	uint32_t online = 0;
	int err;

	value = xsp_store_read(store(v), XBT_NULL, "%s", v->be);
	v->node_gone = !value && errno == ENOENT;
	free(value);
	err = read_frontend(v);
	if (!err)
		err = read_state(v, XBT_NULL, v->be, &v->me);
	if (!err)
		err = read_hotplug(v);
	if (err)
		return err;
	xsp_store_read_u32(store(v), XBT_NULL, &online, "%s/online", v->be);
	v->online = online != 0;
	v->peer = XSP_XB_UNKNOWN;
	if (v->me == XSP_XB_INITIALISING && v->domain_dead) /* a new domain of the same number? */
		xsp_domains_dead(store(v)->xs, &v->domid, 1, &v->domain_dead);
	v->peer_gone = v->domain_dead;
	if (v->fe[0]) {
		err = read_state(v, XBT_NULL, v->fe, &v->peer);
		value = xsp_store_read(store(v), XBT_NULL, "%s", v->fe);
		if (!value && errno == ENOENT)
			v->peer_gone = true;
		free(value);
	}
	return store(v)->broken ? -EIO : err;
}

/* --- target ------------------------------------------------------------------------------------ */

static void read_nature(struct xsp_vbd *v)
{
	char *mode = xsp_store_read(store(v), XBT_NULL, "%s/mode", v->be);
	char *type = xsp_store_read(store(v), XBT_NULL, "%s/device-type", v->be);
	char *dev = xsp_store_read(store(v), XBT_NULL, "%s/dev", v->be);
	uint32_t removable = 0, discard = 1; /* absent means: offer it, as Linux's blkback takes it */

	xsp_store_read_u32(store(v), XBT_NULL, &discard, "%s/discard-enable", v->be);
	xsp_store_read_u32(store(v), XBT_NULL, &removable, "%s/removable", v->be);
	v->readonly = !mode || mode[0] != 'w';
	v->discard_enable = discard != 0;
	v->info = (type && !strcmp(type, "cdrom") ? 1 : 0) | (removable ? 2 : 0) |
		  (v->readonly ? 4 : 0);
	pthread_mutex_lock(&v->d->lock);
	snprintf(v->snap.vdev, sizeof(v->snap.vdev), "%s", dev ? dev : "");
	pthread_mutex_unlock(&v->d->lock);
	free(mode);
	free(type);
	free(dev);
}

void xsp_vbd_open_target(struct xsp_vbd *v)
{
	struct xsp_target_wish wish = { .direct = v->d->config->direct };
	char *why = v->open_why;
	size_t why_len = sizeof(v->open_why);

	*why = '\0';
	free(v->spec);
	v->spec = xsp_store_read(store(v), XBT_NULL, "%s/params", v->be);
	read_nature(v);
	wish.readonly = v->readonly;
	if (!v->spec || !*v->spec) {
		v->target_err = -ENOENT;
		snprintf(why, why_len, "no target: the node 'params' is missing or empty");
	} else {
		v->target_err = xsp_target_open(v->spec, &wish, &v->target, why, why_len);
	}
	if (v->target_err && !*why)
		snprintf(why, why_len, "can't open %s: %s", v->spec, strerror(-v->target_err));
	if (v->target_err && v->target_err != -EAGAIN)
		xsp_vbd_report(v, why);
	v->offer_discard = v->target && v->target->can_discard && v->discard_enable;
	pthread_mutex_lock(&v->d->lock);
	snprintf(v->snap.target, sizeof(v->snap.target), "%s", v->spec ? v->spec : "");
	v->snap.readonly = v->readonly;
	if (v->target) {
		v->snap.size_bytes = v->target->size_bytes;
		v->snap.sector_size = v->target->sector_size;
	}
	pthread_mutex_unlock(&v->d->lock);
}

/* --- writing ----------------------------------------------------------------------------------- */

static int put(struct xsp_vbd *v, xs_transaction_t t, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int put(struct xsp_vbd *v, xs_transaction_t t, const char *key, const char *fmt, ...)
{
	char path[XSP_STORE_PATH], value[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", v->be, key);
	return xsp_store_write(store(v), t, path, "%s", value);
}

/*
 * The toolstack may remove our directory at any time, and a write would make a piece of it anew:
 * write only where the directory still is.
 */
static int still_there(struct xsp_vbd *v, xs_transaction_t t)
{
	char *value = xsp_store_read(store(v), t, "%s/frontend", v->be);
	int err = value ? 0 : -errno;

	free(value);
	return err;
}

/*
 * Only over the state that the verdict was based on: when the toolstack wrote another meanwhile (it
 * detaches the device, or has removed it and made a new one of the same name), its word stands, and
 * its watch event brings us back here. -ESTALE then.
 */
static int write_state(struct xsp_vbd *v, xs_transaction_t t, enum xsp_xenbus_state state)
{
	enum xsp_xenbus_state now = XSP_XB_UNKNOWN;
	int err = read_state(v, t, v->be, &now);

	if (!err && now != v->me)
		err = -ESTALE;
	return err ? err : put(v, t, "state", "%d", (int)state);
}

struct state_change {
	struct xsp_vbd *v;
	enum xsp_xenbus_state state;
};

static int set_state(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct state_change *c = arg;
	int err = still_there(c->v, t);

	(void)s;
	return err ? err : write_state(c->v, t, c->state);
}

int xsp_vbd_set_state(struct xsp_vbd *v, enum xsp_xenbus_state state)
{
	struct state_change c = { v, state };
	int err = xsp_store_transact(store(v), set_state, &c);

	if (err)
		return err;
	xsp_debug(v->name, "state %s -> %s", xsp_xenbus_state_name(v->me),
		  xsp_xenbus_state_name(state));
	v->me = state;
	return 0;
}

static int advertise(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct xsp_vbd *v = arg;
	char *script;
	int err = still_there(v, t);

	if (err)
		return err;
	err = put(v, t, "max-ring-page-order", "%u", XSP_RING_MAX_ORDER);
	if (!err)
		err = put(v, t, "multi-queue-max-queues", "%u", xsp_vbd_max_queues(v));
	if (!err && v->d->config->max_indirect)
		err = put(v, t, "feature-max-indirect-segments", "%u", v->d->config->max_indirect);
	/* Here, and not with the properties: some frontends decide on it before they publish. */
	if (!err)
		err = put(v, t, "feature-persistent", "%d", v->d->config->persistent);
	script = xsp_store_read(s, t, "%s/script", v->be);
	/* Without a script the status is ours to write, for the tools that look at it. */
	if (!err && (!script || !*script))
		err = put(v, t, "hotplug-status", v->target ? "connected" : "error");
	free(script);
	return err ? err : write_state(v, t, XSP_XB_INITWAIT);
}

int xsp_vbd_advertise(struct xsp_vbd *v)
{
	int err = xsp_store_transact(store(v), advertise, v);

	if (!err)
		v->me = XSP_XB_INITWAIT;
	return err;
}

static int publish(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct xsp_vbd *v = arg;
	struct xsp_target *target = v->target;
	int err = still_there(v, t);

	(void)s;
	if (!err)
		err = put(v, t, "sectors", "%llu",
			  (unsigned long long)(target->size_bytes / XSP_SECTOR_SIZE));
	if (!err)
		err = put(v, t, "sector-size", "%u", target->sector_size);
	if (!err)
		err = put(v, t, "physical-sector-size", "%u", target->physical_size);
	if (!err)
		err = put(v, t, "info", "%u", v->info);
	if (!err)
		err = put(v, t, "feature-flush-cache", "%d", target->can_flush);
	if (!err)
		err = put(v, t, "feature-barrier", "%d", target->can_flush);
	if (!err)
		err = put(v, t, "feature-discard", "%d", v->offer_discard);
	if (!err && v->offer_discard)
		err = put(v, t, "discard-granularity", "%u", target->discard_granularity);
	if (!err && v->offer_discard)
		err = put(v, t, "discard-alignment", "0");
	if (!err && v->offer_discard)
		err = put(v, t, "discard-secure", "0");
	return err ? err : write_state(v, t, XSP_XB_CONNECTED);
}

int xsp_vbd_publish(struct xsp_vbd *v)
{
	int err = xsp_store_transact(store(v), publish, v);

	if (!err)
		v->me = XSP_XB_CONNECTED;
	return err;
}

void xsp_vbd_log(struct xsp_vbd *v, struct xsp_log_limit *limit, enum xsp_log_level level,
		 const char *fmt, ...)
{
	char text[XSP_INSPECT_TEXT + 512];
	va_list args;

	if (level > xsp_log_get_level() || !xsp_log_allowed(limit))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	xsp_log_limited(limit, level, v->name, text);
}

/*
 * Two places: `error/<our directory>/error`, where Linux's backends write and Xen's tools look, and
 * a key of our own in the directory, which the hotplug script reads and which goes with it.
 */
void xsp_vbd_report(struct xsp_vbd *v, const char *why)
{
	char path[XSP_STORE_PATH];
	char *there;

	pthread_mutex_lock(&v->d->lock);
	snprintf(v->snap.why, sizeof(v->snap.why), "%s", why);
	pthread_mutex_unlock(&v->d->lock);
	if (*why)
		xsp_vbd_log(v, &v->trouble, XSP_LOG_ERR, "%s", why);
	if (!store(v)->xs || store(v)->broken)
		return;
	there = xsp_store_read(store(v), XBT_NULL, "%s/frontend", v->be);
	if (!there)
		return;
	free(there);
	snprintf(path, sizeof(path), "/local/domain/%u/error/backend/vbd/%u/%u", v->d->domid, v->domid,
		 v->devid);
	if (*why) {
		put(v, XBT_NULL, XSP_KEY_ERROR, "%s", why);
		snprintf(path, sizeof(path), "/local/domain/%u/error/backend/vbd/%u/%u/error",
			 v->d->domid, v->domid, v->devid);
		xsp_store_write(store(v), XBT_NULL, path, "%s", why);
		return;
	}
	xsp_store_rm(store(v), XBT_NULL, path);
	snprintf(path, sizeof(path), "%s/" XSP_KEY_ERROR, v->be);
	xsp_store_rm(store(v), XBT_NULL, path);
}

/* --- the frontend's keys ----------------------------------------------------------------------- */

struct ring_keys {
	struct xsp_vbd *v;
	struct xsp_queue_config *c;
	uint32_t n;
	char *why;
	size_t why_len;
};

static int bad(struct ring_keys *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int bad(struct ring_keys *k, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(k->why, k->why_len, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* A number of the frontend's; a missing one is `absent` when that is below limit. */
static int number(struct ring_keys *k, xs_transaction_t t, const char *key, uint32_t limit,
		  uint32_t absent, uint32_t *ret)
{
	int err = xsp_store_read_u32(&k->v->d->store, t, ret, "%s/%s", k->v->fe, key);

	if (err == -ENOENT && absent < limit) {
		*ret = absent;
		return 0;
	}
	if (err == -ENOENT)
		return bad(k, "the frontend's node '%s' is missing", key);
	if (err && k->v->d->store.broken)
		return err;
	if (err || *ret >= limit)
		return bad(k, "the frontend's node '%s' is not a number below %u", key, limit);
	return 0;
}

static bool exists(struct ring_keys *k, xs_transaction_t t, const char *key)
{
	char *value = xsp_store_read(&k->v->d->store, t, "%s/%s", k->v->fe, key);

	free(value);
	return value != NULL;
}

static int read_protocol(struct ring_keys *k, xs_transaction_t t, enum xsp_blk_abi *ret)
{
	char *protocol = xsp_store_read(&k->v->d->store, t, "%s/protocol", k->v->fe);
	int err = 0;

	/* No key means a 32-bit guest of old: so Linux, QEMU and blktap take it on x86. */
	if (!protocol || !*protocol || !strcmp(protocol, "x86_32-abi"))
		*ret = XSP_BLK_X86_32;
	else if (!strcmp(protocol, "x86_64-abi"))
		*ret = XSP_BLK_X86_64;
	else
		err = bad(k, "the frontend's protocol '%.20s' is neither x86_32-abi nor x86_64-abi",
			  protocol);
	free(protocol);
	return err;
}

/* The grants and the port of one queue, below dir: "" with one queue, "queue-0/" .. with more. */
static int read_queue(struct ring_keys *k, xs_transaction_t t, const char *dir,
		      struct xsp_queue_config *c)
{
	char key[48], numbered[48];
	int err = 0;

	for (uint32_t i = 0; !err && i < 1u << c->order; i++) {
		if (c->order)
			snprintf(key, sizeof(key), "%sring-ref%u", dir, i);
		else
			snprintf(key, sizeof(key), "%sring-ref", dir);
		/* Some frontends that know multi-page rings number even a single page. */
		snprintf(numbered, sizeof(numbered), "%sring-ref0", dir);
		if (!c->order && !exists(k, t, key) && exists(k, t, numbered))
			memcpy(key, numbered, sizeof(key));
		err = number(k, t, key, MAX_GREF, MAX_GREF, &c->ring_ref[i]);
	}
	snprintf(key, sizeof(key), "%sevent-channel", dir);
	return err ? err : number(k, t, key, MAX_GREF, MAX_GREF, &c->evtchn);
}

static int read_rings(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct ring_keys *k = arg;
	enum xsp_blk_abi abi = XSP_BLK_NATIVE;
	char dir[24] = "";
	uint32_t order, persistent = 0;
	int err;

	(void)s;
	err = number(k, t, "multi-queue-num-queues", xsp_vbd_max_queues(k->v) + 1, 1, &k->n);
	if (!err && !k->n)
		err = bad(k, "the frontend's node 'multi-queue-num-queues' is 0");
	if (!err)
		err = number(k, t, "ring-page-order", XSP_RING_MAX_ORDER + 1, 0, &order);
	if (!err)
		err = read_protocol(k, t, &abi);
	if (!err)
		err = number(k, t, "feature-persistent", 2, 0, &persistent);
	for (uint32_t i = 0; !err && i < k->n; i++) {
		k->c[i].order = order;
		k->c[i].persistent = persistent && k->v->d->config->persistent;
		k->c[i].abi = abi;
		if (k->n > 1)
			snprintf(dir, sizeof(dir), "queue-%u/", i);
		err = read_queue(k, t, dir, &k->c[i]);
	}
	return err;
}

uint32_t xsp_vbd_max_queues(const struct xsp_vbd *v)
{
	return v->d->n_workers < XSP_MAX_QUEUES ? v->d->n_workers : XSP_MAX_QUEUES;
}

int xsp_vbd_read_rings(struct xsp_vbd *v, struct xsp_queue_config *c, uint32_t *ret_n, char *why,
		       size_t why_len)
{
	struct ring_keys k = { .v = v, .c = c, .why = why, .why_len = why_len };
	int err = xsp_store_transact(store(v), read_rings, &k);

	*ret_n = k.n;
	if (err == -EAGAIN)
		snprintf(why, why_len, "the frontend writes its nodes all the time");
	else if (err && !*why)
		snprintf(why, why_len, "can't read the frontend's nodes: %s", strerror(-err));
	return err;
}
