/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Who of this domain has a device open: its `owner` node holds a process id and when that process
 * started, so that a number that was given out again is not taken for it.
 */
#ifndef XSP_USER_OWNER_H
#define XSP_USER_OWNER_H

#include <stddef.h>

/** xsp_owner_text - what this process writes there */
void xsp_owner_text(char *text, size_t n);

/** xsp_owner_alive - the process that the node names, if it lives; else 0. NULL: no node. */
long xsp_owner_alive(const char *text);

#endif
