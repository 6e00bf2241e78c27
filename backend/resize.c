/* SPDX-License-Identifier: MIT */
/* vbd.resize, on the store thread: see resize.h; the pause itself is vbd_medium.c's. */
#include "backend/resize.h"

#include <errno.h>
#include <string.h>

#include "backend/vbd_medium.h"
#include "common/ask.h"

static struct xsp_vbd *find(struct xsp_daemon *d, const char *name)
{
	struct xsp_device *dev;

	TAILQ_FOREACH(dev, &d->devices, link)
		if (dev->class == &xsp_vbd_class && !strcmp(dev->name, name))
			return xsp_vbd_of(dev);
	return NULL;
}

static int check(const struct xsp_vbd *v, const struct xsp_resize *r)
{
	if (r->size_bytes % v->target->sector_size || r->size_bytes > INT64_MAX)
		return -EINVAL;
	if (v->target->readonly)
		return -EROFS;
	return xsp_target_can_truncate(v->target) ? 0 : -EOPNOTSUPP;
}

static int resize(void *owner, void *arg)
{
	struct xsp_daemon *d = owner;
	struct xsp_resize *r = arg;
	struct xsp_vbd *v = find(d, r->device);
	int err;

	if (!v)
		return -ENOENT;
	if (xsp_device_busy(&v->dev) || d->draining)
		return -EBUSY;
	if (!v->target)
		return -ENODEV;
	err = r->have_size ? check(v, r) : 0;
	if (err)
		return err;
	r->before = v->target->size_bytes;
	r->now = r->have_size ? r->size_bytes : xsp_target_size(v->target);
	if (r->now == r->before)
		return 0;
	if (r->have_size) {
		v->truncate = true;
		v->truncate_to = r->size_bytes;
	}
	err = xsp_vbd_begin_resize(v);
	r->begun = !err;
	return err;
}

int xsp_resize(struct xsp_daemon *d, struct xsp_resize *r)
{
	return xsp_ask(&d->box, resize, r, sizeof(*r), XSP_ASK_MS);
}
