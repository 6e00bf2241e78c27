/* SPDX-License-Identifier: MIT */
/*
 * A question to another thread of the daemon: a function that runs there, and its answer, awaited for
 * a bounded time. For the control socket, whose thread must not hang because a store or a disk does.
 * Control path only.
 */
#ifndef XSP_COMMON_ASK_H
#define XSP_COMMON_ASK_H

#include <stddef.h>

#include "common/mailbox.h"

#define XSP_ASK_MS 1000u /* as long as a person at a terminal should wait for a thread that is busy */

/**
 * xsp_ask - run fn on the thread whose mailbox it is, and wait for what it returns
 * @fn:  owner: that thread's object, as mail gets it. It answers at once: what takes longer it only
 *       begins. arg: a copy of the caller's
 * @arg: len bytes, no more than plain data: the copy is changed by fn and comes back here with the
 *       answer; untouched when there was none
 *
 * Any thread but that one. Returns what fn did; -ETIMEDOUT when ms passed before (fn may still run
 * later, on its copy); -ENOMEM.
 */
int xsp_ask(struct xsp_mailbox *box, int (*fn)(void *owner, void *arg), void *arg, size_t len,
	    unsigned int ms);

#endif
