/* SPDX-License-Identifier: MIT */
/*
 * What changes behind a disk while a guest uses it: another medium in a removable drive, or none, and
 * another size. Store thread.
 *
 * Both go through xsp_device_pause: the queues stop at a request's end, the target is changed, the
 * queues go on where they were, and size and state 4 are written again, which is how a frontend
 * learns of it (Linux's backend does so after a resize). Requests that come meanwhile wait in the
 * ring; those beyond a new end are refused.
 *
 * Source: libxl's cdrom change, which rewrites `params` and no state; libxl_evenable_disk_eject, which
 * waits for `eject` = "eject" in the frontend's directory.
 */
#include "backend/vbd_medium.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct xsp_store *store(struct xsp_vbd *v)
{
	return &v->dev.d->store;
}

/* --- another size ------------------------------------------------------------------------------ */

bool xsp_vbd_size_changed(struct xsp_vbd *v)
{
	return v->target && xsp_target_size(v->target) != v->target->size_bytes;
}

static void resize(struct xsp_device *dev)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);
	uint64_t before = v->target->size_bytes;
	int err = v->truncate ? xsp_target_truncate(v->target, v->truncate_to) : 0;

	v->truncate = false;
	if (err)
		xsp_device_log(dev, &dev->trouble, XSP_LOG_ERR, "can't resize %s: %s", v->spec, strerror(-err));
	xsp_target_resize(v->target);
	xsp_vbd_show_target(v);
	dev->republish = true;
	xsp_device_log(dev, &dev->life, XSP_LOG_INFO, "resized: %s, %llu bytes, %llu before", v->spec,
		       (unsigned long long)v->target->size_bytes, (unsigned long long)before);
}

int xsp_vbd_begin_resize(struct xsp_vbd *v)
{
	int err = xsp_device_pause(&v->dev, resize);

	if (err == -ENOTCONN && !v->dev.n_queues) { /* nobody uses it */
		resize(&v->dev);
		v->dev.republish = false;
		err = 0;
	}
	return err;
}

/* --- another medium ---------------------------------------------------------------------------- */

/* What was opened is not what is wanted any more: the old medium stays until that is there. */
static bool outdated(struct xsp_vbd *v)
{
	char *params = v->opening ? xsp_store_read(store(v), XBT_NULL, "%s/params", v->dev.be) : NULL;
	bool other = params && *params && strcmp(params, v->opening->spec);

	free(params);
	if (!other)
		return false;
	xsp_opener_free(v->opening);
	v->opening = NULL;
	v->look_at_params = true;
	v->dev.dirty = true;
	return true;
}

/*
 * The new one, or none: its sectors must be of the size that the guest was told. A medium that can't be
 * used is as good as none; the reason is where people look.
 */
static void change(struct xsp_device *dev)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);
	uint32_t sector_size = v->target->sector_size;
	struct xsp_opening *o;

	if (outdated(v))
		return;
	o = v->opening;
	v->opening = NULL;
	dev->class->close(dev);
	v->opening = o;
	if (o && o->finished && o->err == -EAGAIN)
		xsp_opener_now(o); /* it was the old medium that held what the new one needs */
	dev->open_why[0] = '\0';
	v->sector_wish = sector_size;
	v->take_opening = o != NULL;
	dev->open_err = dev->class->open(dev);
	v->take_opening = false;
	if (dev->open_err == -EINPROGRESS) { /* yet another one: empty until it is there */
		xsp_vbd_open_empty(v, sector_size);
		dev->open_err = 0;
	} else if (dev->open_err) {
		xsp_vbd_open_empty(v, sector_size);
		xsp_device_report(dev, dev->open_why);
		dev->open_err = 0;
	} else {
		xsp_device_report(dev, "");
	}
	dev->republish = true;
	xsp_device_log(dev, &dev->life, XSP_LOG_INFO, "medium changed: %s",
		       v->target->size_bytes ? v->spec : "the drive is empty");
}

/* Is it another one than what is open? A disk that is not removable keeps what it has. */
static bool other_medium(struct xsp_vbd *v)
{
	char *params = xsp_store_read(store(v), XBT_NULL, "%s/params", v->dev.be);
	bool other = strcmp(params ? params : "", v->spec ? v->spec : "") != 0;

	if (store(v)->broken) {
		free(params);
		return false; /* it is looked at again when the store is back */
	}
	v->look_at_params = false;
	if (other && !xsp_vbd_removable(v)) {
		xsp_device_log(&v->dev, &v->dev.trouble, XSP_LOG_WARN,
			       "its params were changed to '%.80s', but it is not removable: it goes on with "
			       "%s; detach and attach it",
			       params ? params : "", v->spec);
		other = false;
	}
	free(params);
	return other;
}

/* Open the new medium beside the old one; change takes it when it is there. True: there is none to open. */
static bool begin_change(struct xsp_vbd *v)
{
	char *params = xsp_store_read(store(v), XBT_NULL, "%s/params", v->dev.be);
	bool none = !params || !*params;

	v->sector_wish = v->target->sector_size;
	if (!none && xsp_vbd_begin_open(v, params))
		none = true; /* change will try it again, and say why it can't be */
	free(params);
	return none;
}

/* --- eject -------------------------------------------------------------------------------------- */

static void eject_path(const struct xsp_vbd *v, char *path)
{
	snprintf(path, XSP_STORE_PATH, "%s/eject", v->dev.fe);
}

void xsp_vbd_watch_eject(struct xsp_vbd *v, bool on)
{
	char path[XSP_STORE_PATH];

	if (v->eject_watched == on || !store(v)->xs || store(v)->broken || !v->dev.fe[0])
		return;
	eject_path(v, path);
	if (on)
		v->eject_watched = xs_watch(store(v)->xs, path, v->dev.name);
	else
		xs_unwatch(store(v)->xs, path, v->dev.name);
	if (!on)
		v->eject_watched = false;
}

/* Was the button pushed since the last look? Once is once, until it is written anew. */
bool xsp_vbd_button_pushed(struct xsp_vbd *v)
{
	bool before = v->eject_seen;
	char *text;

	xsp_vbd_watch_eject(v, true);
	text = xsp_store_read(store(v), XBT_NULL, "%s/eject", v->dev.fe);
	if (!store(v)->broken)
		v->eject_seen = text && !strcmp(text, "eject");
	free(text);
	return v->eject_seen && !before && v->target->size_bytes;
}

/* As a toolstack would: by params, so that it stays out when we are started again. */
static void eject(struct xsp_vbd *v)
{
	xsp_device_log(&v->dev, &v->dev.life, XSP_LOG_INFO, "the guest ejects the medium");
	if (!xsp_device_put(&v->dev, XBT_NULL, "params", "%s", ""))
		v->look_at_params = true;
}

/* --- both --------------------------------------------------------------------------------------- */

bool xsp_vbd_tend(struct xsp_device *dev)
{
	struct xsp_vbd *v = xsp_vbd_of(dev);

	if (xsp_vbd_removable(v) && xsp_vbd_button_pushed(v))
		eject(v);
	if (v->look_at_params && other_medium(v) && begin_change(v))
		return !xsp_device_pause(dev, change);
	if (v->opening && v->opening->finished && !outdated(v))
		return !xsp_device_pause(dev, change);
	if (xsp_vbd_size_changed(v))
		return !xsp_device_pause(dev, resize);
	return false;
}
