/* SPDX-License-Identifier: MIT */
/*
 * Where the journals of disks lie (blk/journal.h): a file for each queue, beside the control socket,
 * which is on a tmpfs. They are of use to the next daemon only, so they go
 * with the connection, and what is left of disks that are gone goes when a daemon starts.
 */
#ifndef XSP_BACKEND_VBD_JOURNAL_H
#define XSP_BACKEND_VBD_JOURNAL_H

#include "backend/vbd.h"

/** xsp_vbd_journal_name - q's file and whose life it is of: fills q->c; store thread */
void xsp_vbd_journal_name(struct xsp_vbd *v, uint32_t queue, struct xsp_blkq *q);

/** xsp_vbd_journal_forget - the disk's rings are of no use to anybody any more; store thread */
void xsp_vbd_journal_forget(struct xsp_vbd *v);

/** xsp_vbd_journal_sweep - forget those whose disk is not in the store; at start */
void xsp_vbd_journal_sweep(struct xsp_daemon *d);

#endif
