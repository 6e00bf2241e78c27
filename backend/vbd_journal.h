/* SPDX-License-Identifier: MIT */
/*
 * Where the journals of disks lie (blk/journal.h): a file for each queue, beside the control socket,
 * which is on a tmpfs. They are of use to the next daemon only, so they go with the connection, and
 * what is left of disks that are gone goes when a daemon starts.
 */
#ifndef XSP_BACKEND_VBD_JOURNAL_H
#define XSP_BACKEND_VBD_JOURNAL_H

#include "backend/vbd.h"

/**
 * xsp_vbd_life - a number of the guest, by the uuid in its path: who gets its domid later has another
 *
 * Store thread. Returns 0 or -EIO: the store is gone. A guest without that path, or one that a driver
 * domain may not read, has a number too, the same for all of them.
 */
int xsp_vbd_life(struct xsp_vbd *v, uint64_t *ret);

/** xsp_vbd_journal_name - a queue's file; any thread */
void xsp_vbd_journal_name(const struct xsp_vbd *v, uint32_t queue, char path[XSP_JOURNAL_PATH]);

/** xsp_vbd_journal_forget - the disk's rings are of no use to anybody any more; store thread */
void xsp_vbd_journal_forget(const struct xsp_vbd *v);

/** xsp_vbd_journal_sweep - forget those whose disk is not in the store; at start */
void xsp_vbd_journal_sweep(struct xsp_daemon *d);

#endif
