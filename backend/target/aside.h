/* SPDX-License-Identifier: MIT */
/*
 * A thread beside the workers for calls that block and that io_uring does not know: a block device's
 * discard (io_uring has one since Linux 6.12 only). One for each target that needs it, so that a device that
 * takes its time holds up nobody else.
 */
#ifndef XSP_BACKEND_TARGET_ASIDE_H
#define XSP_BACKEND_TARGET_ASIDE_H

#include "backend/target/target.h"

struct xsp_aside;

/** xsp_aside_new - start the thread; call(t, io) is what it does. 0 or -errno */
int xsp_aside_new(struct xsp_target *t, int (*call)(struct xsp_target *t, struct xsp_io *io),
		  struct xsp_aside **ret);

/** xsp_aside_do - have a request done by the call, in order; it is answered on its own worker's thread */
void xsp_aside_do(struct xsp_aside *a, struct xsp_io *io);

/** xsp_aside_free - end the thread; nothing is in flight. NULL is fine */
void xsp_aside_free(struct xsp_aside *a);

#endif
