/* SPDX-License-Identifier: MIT */
/*
 * A program that serves a target and lives as long as it: started, watched, started again when it
 * dies, ended with the target and with the daemon. What it prints goes to our log.
 */
#ifndef XSP_BACKEND_TARGET_CHILD_H
#define XSP_BACKEND_TARGET_CHILD_H

#include <stdbool.h>
#include <stddef.h>

struct xsp_child;

/**
 * xsp_child_start - run a program with a listening Unix socket as its descriptor 3
 * @argv:   program (found in PATH) and arguments, NULL at the end; copied
 * @name:   for the log: "qcow2:/srv/a.qcow2"
 * @ret_path: the socket's path, 108 bytes; clients may connect before the program is ready
 *
 * Any thread. Returns 0, or -errno and a sentence in why.
 */
int xsp_child_start(const char *const *argv, const char *name, char *ret_path, struct xsp_child **ret,
		    char *why, size_t why_len);

/** xsp_child_ended - it has ended before xsp_child_keep; why: the last thing it said */
bool xsp_child_ended(struct xsp_child *c, char *why, size_t why_len);

/** xsp_child_keep - it serves: from now on it is started again when it dies */
void xsp_child_keep(struct xsp_child *c);

/**
 * xsp_child_stop - let it end (SIGTERM) and forget it; NULL is fine
 *
 * Returns at once. A program that does not end is left to it; its socket is gone.
 */
void xsp_child_stop(struct xsp_child *c);

#endif
