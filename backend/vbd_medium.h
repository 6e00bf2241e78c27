/* SPDX-License-Identifier: MIT */
/* A disk's medium and its size change while it is in use: see vbd_medium.c. Store thread. */
#ifndef XSP_BACKEND_VBD_MEDIUM_H
#define XSP_BACKEND_VBD_MEDIUM_H

#include "backend/vbd.h"

/** xsp_vbd_removable - may its medium change? A cdrom, or what the toolstack calls removable */
static inline bool xsp_vbd_removable(const struct xsp_vbd *v)
{
	return v->info & 3;
}

/** xsp_vbd_tend - class op: look after a connected disk; true when that began a pause */
bool xsp_vbd_tend(struct xsp_device *dev);

/** xsp_vbd_size_changed - has the target another size than the guest was told? */
bool xsp_vbd_size_changed(struct xsp_vbd *v);

/** xsp_vbd_begin_resize - the same, now: 0, or -EBUSY */
int xsp_vbd_begin_resize(struct xsp_vbd *v);

/** xsp_vbd_watch_eject - the button in the frontend's directory: watch it, or not any more */
void xsp_vbd_watch_eject(struct xsp_vbd *v, bool on);

/** xsp_vbd_button_pushed - and was it pushed since this was asked last? Watches it, too. */
bool xsp_vbd_button_pushed(struct xsp_vbd *v);

/* vbd.c, for vbd_medium.c */
void xsp_vbd_show_target(struct xsp_vbd *v);
void xsp_vbd_open_empty(struct xsp_vbd *v, uint32_t sector_size);

/**
 * xsp_vbd_begin_open - open spec on another thread, with v->sector_wish and v->readonly; v->opening
 *
 * Nothing happens when just that is under way or done. The device is marked dirty when it ends. 0 or
 * -errno.
 */
int xsp_vbd_begin_open(struct xsp_vbd *v, const char *spec);

#endif
