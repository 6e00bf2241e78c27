/* SPDX-License-Identifier: MIT */
/*
 * Targets are opened on threads of their own: a server that says nothing, a file on a hung NFS server
 * or a cluster that is slow to answer must hold up its own disk only, while the toolstack's 10 s run
 * for all of them.
 */
#ifndef XSP_BACKEND_OPENER_H
#define XSP_BACKEND_OPENER_H

#include "backend/inspect.h"
#include "backend/target/target.h"
#include "common/mailbox.h"

struct xsp_opening {
	/* filled in by the one who asks */
	char *spec; /* owned */
	struct xsp_target_wish wish;
	uint32_t sector_size; /* that the target is to show; 0: its own */
	void *owner;
	void (*done)(struct xsp_opening *o); /* on the thread of box, unless it was abandoned */
	struct xsp_mailbox *box;

	/* the outcome, for done and later */
	bool finished;
	int err;
	struct xsp_target *target;
	char why[XSP_INSPECT_TEXT];

	/* the opener's */
	bool abandoned;
	struct xsp_mail mail;
	struct xsp_opening *next;
};

/**
 * xsp_opener_start - open o->spec elsewhere; done is called when that has come to an end
 *
 * The thread of box, like all of these. Returns 0, or -errno when there is no thread to do it (done
 * is not called then).
 */
int xsp_opener_start(struct xsp_opening *o);

/** xsp_opener_now - open it here and now: it may take long */
void xsp_opener_now(struct xsp_opening *o);

/** xsp_opener_free - forget it, finished or not: a target that was opened for it is closed */
void xsp_opener_free(struct xsp_opening *o);

#endif
