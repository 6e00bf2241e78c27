/* SPDX-License-Identifier: MIT */
/*
 * The class of block devices: the target behind one, and what the two directories in XenStore say
 * of a disk. Its life is device.c's, its queues' way with requests blk/queue.c's.
 *
 * Source: xen/include/public/io/blkif.h "Backend XenBus Nodes", "Frontend XenBus Nodes".
 */
#ifndef XSP_BACKEND_VBD_H
#define XSP_BACKEND_VBD_H

#include "backend/blk/queue.h"
#include "backend/device.h"
#include "backend/opener.h"
#include "backend/vbd_limits.h"

struct xsp_vbd {
	struct xsp_device dev; /* first */
	char *spec;                 /* params as opened */
	struct xsp_target *target;  /* NULL: not open */
	bool served;                /* and it was ours before, not a former daemon's */
	struct xsp_opening *opening; /* it is being opened, on another thread */
	bool readonly;
	bool discard_enable;        /* the toolstack's key */
	bool offer_discard;         /* the target can and the toolstack does not forbid it */
	struct xsp_vbd_limits limits;
	uint32_t info;              /* what the `info` node says: 1 cdrom, 2 removable, 4 read-only */
	struct xsp_target empty;    /* the target of a drive without a medium */
	uint32_t sector_wish;       /* the sector size to offer; 0: the target's */
	enum xsp_blk_dialect dialect; /* how the frontend counts sectors; known once its rings are read */
	bool truncate;              /* an operator wants the image to have ... */
	uint64_t truncate_to;       /* ... so many bytes */
	bool take_opening;          /* open: what was opened, not what params say by now */
	bool look_at_params;        /* they were written while it was open (vbd_medium.c) */
	bool eject_watched, eject_seen;

	/* shown to the control socket, under d->lock */
	struct xsp_vbd_snap snap; /* all but dev and stats */
	struct xsp_blk_stats *stats[XSP_MAX_QUEUES]; /* made with the first queue of that index, kept */
};
static_assert(offsetof(struct xsp_vbd, dev) == 0, "devices are freed by their dev");

extern const struct xsp_device_class xsp_vbd_class;

static inline struct xsp_vbd *xsp_vbd_of(struct xsp_device *dev)
{
	return (struct xsp_vbd *)dev;
}

#endif
