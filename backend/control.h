/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a Unix stream socket that speaks newline-framed JSON-RPC 2.0 (rpc.h,
 * methods.h). Nothing here ever blocks; a client that is slow, silent or hostile costs bounded
 * memory and no time of anybody else. Main thread only.
 */
#ifndef XSP_BACKEND_CONTROL_H
#define XSP_BACKEND_CONTROL_H

#define XSP_CONTROL_CLIENTS  16
#define XSP_CONTROL_MAX_LINE (64u << 10) /* bytes of one request or batch, newline included */

struct xsp_config;
struct xsp_control;
struct xsp_daemon;

/**
 * xsp_control_open - make the socket and listen
 * @d: handed to xsp_inspect_*, not used otherwise
 * @c: socket_path, socket_gid and what daemon.status shows; must outlive the control socket
 *
 * A socket file that nobody answers any more is replaced; its directory is made when missing. Says
 * in the log what is wrong. Returns 0; -EADDRINUSE (another daemon answers there), -EEXIST (the
 * path is no socket) or another -errno.
 */
int xsp_control_open(struct xsp_daemon *d, const struct xsp_config *c, struct xsp_control **ret);

/** xsp_control_fd - readable when xsp_control_run has something to do; for poll or epoll */
int xsp_control_fd(const struct xsp_control *ctl);

/** xsp_control_run - do what is ready, a bounded amount; call it again while the fd is readable */
void xsp_control_run(struct xsp_control *ctl);

/** xsp_control_close - drop all clients, remove the socket file; NULL is fine */
void xsp_control_close(struct xsp_control *ctl);

#endif
