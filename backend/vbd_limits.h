/* SPDX-License-Identifier: MIT */
/*
 * A disk's share of what it is served with, as the toolstack or `xensplit throttle` wrote it into our
 * directory: read when the device opens and each time a node changes, also while it runs.
 *
 *   <device's directory>/xensplit-weight   1..10000, 100 without
 *   <device's directory>/xensplit-iops     "N/s@T" (common/pace.h): requests of this disk
 *   <device's directory>/xensplit-bytes    the same: bytes
 *   <its guest's directory>/xensplit-iops, xensplit-bytes: of all disks of the guest together
 *
 * Store thread.
 */
#ifndef XSP_BACKEND_VBD_LIMITS_H
#define XSP_BACKEND_VBD_LIMITS_H

#include <stdbool.h>

#include "backend/blk/share.h"

#define XSP_KEY_WEIGHT "xensplit-weight"
#define XSP_KEY_IOPS   "xensplit-iops"
#define XSP_KEY_BYTES  "xensplit-bytes"

#define XSP_PACE_TEXT 32

struct xsp_vbd;

/* The device's. */
struct xsp_vbd_limits {
	unsigned int serial; /* changes with each change of what follows */
	struct xsp_shares shares;
	char reqs[XSP_LIMITS][XSP_PACE_TEXT], bytes[XSP_LIMITS][XSP_PACE_TEXT]; /* as read */
};

/** xsp_vbd_limits_read - what the store says now; nodes that make no sense are logged and left out */
void xsp_vbd_limits_read(struct xsp_vbd *v);

/** xsp_vbd_limits_apply - hand the running queues what was read, where they have something else */
void xsp_vbd_limits_apply(struct xsp_vbd *v);

/** xsp_vbd_limits_forget - the device is gone; with the last of a dead guest, the guest's nodes too */
void xsp_vbd_limits_forget(struct xsp_vbd *v);

/** xsp_vbd_limits_changed - the node `key` of our directory, or of the guest's ("") was written */
void xsp_vbd_limits_changed(struct xsp_vbd *v, const char *key);

#endif
