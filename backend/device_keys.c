/* SPDX-License-Identifier: MIT */
/*
 * The XenStore nodes that devices of all classes have, read and written. What is in our own
 * directory was written by the toolstack and is trusted.
 *
 * Source: xen/include/public/io/xenbus.h; io/blkif.h "Backend XenBus Nodes".
 */
#include "backend/device.h"

#include "backend/domains.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct xsp_store *store(struct xsp_device *dev)
{
	return &dev->d->store;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* A state node: missing or unreadable text is UNKNOWN; < 0 only when the store does not answer. */
static int read_state(struct xsp_device *dev, xs_transaction_t t, const char *dir,
		      enum xsp_xenbus_state *ret)
{
	uint32_t n;
	int err = xsp_store_read_u32(store(dev), t, &n, "%s/state", dir);

	if (err && store(dev)->broken)
		return err;
	*ret = err || n > XSP_XB_RECONFIGURED ? XSP_XB_UNKNOWN : (enum xsp_xenbus_state)n;
	return 0;
}

/* The script writes hotplug-status when it is done; without a script there is nothing to wait for. */
static int read_hotplug(struct xsp_device *dev)
{
	char *script = xsp_store_read(store(dev), XBT_NULL, "%s/script", dev->be);
	char *status = xsp_store_read(store(dev), XBT_NULL, "%s/hotplug-status", dev->be);

	dev->hotplug_ready = !script || !*script || (status && !strcmp(status, "connected"));
	free(script);
	free(status);
	return store(dev)->broken ? -EIO : 0;
}

/* The frontend's path comes once, and is watched from then on. */
static int read_frontend(struct xsp_device *dev)
{
	char *fe;

	if (dev->fe_watched)
		return 0;
	fe = xsp_store_read(store(dev), XBT_NULL, "%s/frontend", dev->be);
	if (!fe)
		return store(dev)->broken ? -EIO : 0;
	if (strlen(fe) < sizeof(dev->fe) - 64)
		snprintf(dev->fe, sizeof(dev->fe), "%s", fe);
	free(fe);
	if (dev->fe[0])
		xsp_device_rewatch(dev);
	return 0;
}

int xsp_device_read(struct xsp_device *dev)
{
	char *value;
	uint32_t online = 0;
	int err;

	value = xsp_store_read(store(dev), XBT_NULL, "%s", dev->be);
	dev->node_gone = !value && errno == ENOENT;
	free(value);
	err = read_frontend(dev);
	if (!err)
		err = read_state(dev, XBT_NULL, dev->be, &dev->me);
	if (!err)
		err = read_hotplug(dev);
	if (err)
		return err;
	xsp_store_read_u32(store(dev), XBT_NULL, &online, "%s/online", dev->be);
	dev->online = online != 0;
	dev->peer = XSP_XB_UNKNOWN;
	if (dev->me == XSP_XB_INITIALISING && dev->domain_dead) /* a new domain of the same number? */
		xsp_domains_dead(store(dev)->xs, &dev->domid, 1, &dev->domain_dead);
	dev->peer_gone = dev->domain_dead;
	if (dev->fe[0]) {
		err = read_state(dev, XBT_NULL, dev->fe, &dev->peer);
		value = xsp_store_read(store(dev), XBT_NULL, "%s", dev->fe);
		if (!value && errno == ENOENT)
			dev->peer_gone = true;
		free(value);
	}
	return store(dev)->broken ? -EIO : err;
}

/* --- writing ----------------------------------------------------------------------------------- */

int xsp_device_put(struct xsp_device *dev, xs_transaction_t t, const char *key, const char *fmt, ...)
{
	char path[XSP_STORE_PATH], value[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", dev->be, key);
	return xsp_store_write(store(dev), t, path, "%s", value);
}

/*
 * The toolstack may remove our directory at any time, and a write would make a piece of it anew:
 * write only where the directory still is.
 */
static int still_there(struct xsp_device *dev, xs_transaction_t t)
{
	char *value = xsp_store_read(store(dev), t, "%s/frontend", dev->be);
	int err = value ? 0 : -errno;

	free(value);
	return err;
}

/*
 * Only over the state that the verdict was based on: when the toolstack wrote another meanwhile (it
 * detaches the device, or has removed it and made a new one of the same name), its word stands, and
 * its watch event brings us back here. -ESTALE then.
 */
static int write_state(struct xsp_device *dev, xs_transaction_t t, enum xsp_xenbus_state state)
{
	enum xsp_xenbus_state now = XSP_XB_UNKNOWN;
	int err = read_state(dev, t, dev->be, &now);

	if (!err && now != dev->me)
		err = -ESTALE;
	return err ? err : xsp_device_put(dev, t, "state", "%d", (int)state);
}

struct state_change {
	struct xsp_device *dev;
	enum xsp_xenbus_state state;
};

static int set_state(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct state_change *c = arg;
	int err = still_there(c->dev, t);

	(void)s;
	return err ? err : write_state(c->dev, t, c->state);
}

int xsp_device_set_state(struct xsp_device *dev, enum xsp_xenbus_state state)
{
	struct state_change c = { dev, state };
	int err = xsp_store_transact(store(dev), set_state, &c);

	if (err)
		return err;
	xsp_debug(dev->name, "state %s -> %s", xsp_xenbus_state_name(dev->me),
		  xsp_xenbus_state_name(state));
	dev->me = state;
	return 0;
}

static int advertise(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct xsp_device *dev = arg;
	char *script;
	int err = still_there(dev, t);

	if (!err)
		err = dev->class->advertise(dev, t);
	if (err)
		return err;
	script = xsp_store_read(s, t, "%s/script", dev->be);
	/* Without a script the status is ours to write, for the tools that look at it. */
	if (!script || !*script)
		err = xsp_device_put(dev, t, "hotplug-status", dev->open ? "connected" : "error");
	free(script);
	return err ? err : write_state(dev, t, XSP_XB_INITWAIT);
}

int xsp_device_advertise(struct xsp_device *dev)
{
	int err = xsp_store_transact(store(dev), advertise, dev);

	if (!err)
		dev->me = XSP_XB_INITWAIT;
	return err;
}

static int publish(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct xsp_device *dev = arg;
	int err = still_there(dev, t);

	(void)s;
	if (!err && dev->class->publish)
		err = dev->class->publish(dev, t);
	return err ? err : write_state(dev, t, XSP_XB_CONNECTED);
}

int xsp_device_publish(struct xsp_device *dev)
{
	int err = xsp_store_transact(store(dev), publish, dev);

	if (!err)
		dev->me = XSP_XB_CONNECTED;
	return err;
}

void xsp_device_log(struct xsp_device *dev, struct xsp_log_limit *limit, enum xsp_log_level level,
		 const char *fmt, ...)
{
	char text[XSP_INSPECT_TEXT + 512];
	va_list args;

	if (level > xsp_log_get_level() || !xsp_log_allowed(limit))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	xsp_log_limited(limit, level, dev->name, text);
}

/*
 * Two places: `error/<our directory>/error`, where Linux's backends write and Xen's tools look, and
 * a key of our own in the directory, which the hotplug script reads and which goes with it.
 */
void xsp_device_report(struct xsp_device *dev, const char *why)
{
	char path[XSP_STORE_PATH];
	char *there;

	pthread_mutex_lock(&dev->d->lock);
	snprintf(dev->snap.why, sizeof(dev->snap.why), "%s", why);
	pthread_mutex_unlock(&dev->d->lock);
	if (*why)
		xsp_device_log(dev, &dev->trouble, XSP_LOG_ERR, "%s", why);
	if (!store(dev)->xs || store(dev)->broken)
		return;
	there = xsp_store_read(store(dev), XBT_NULL, "%s/frontend", dev->be);
	if (!there)
		return;
	free(there);
	snprintf(path, sizeof(path), "/local/domain/%u/error/backend/%s", dev->d->domid, dev->name);
	if (*why) {
		xsp_device_put(dev, XBT_NULL, XSP_KEY_ERROR, "%s", why);
		snprintf(path, sizeof(path), "/local/domain/%u/error/backend/%s/error", dev->d->domid,
			 dev->name);
		xsp_store_write(store(dev), XBT_NULL, path, "%s", why);
		return;
	}
	xsp_store_rm(store(dev), XBT_NULL, path);
	snprintf(path, sizeof(path), "%s/" XSP_KEY_ERROR, dev->be);
	xsp_store_rm(store(dev), XBT_NULL, path);
}
