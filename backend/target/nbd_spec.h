/* SPDX-License-Identifier: MIT */
/*
 * What the spec of an NBD server says:
 *   nbd[,OPTIONS]:unix:/path[:export]
 *   nbd[,OPTIONS]://host[:port][/export]       or with the whole URI: nbd,OPTIONS:nbd://host/export
 *   nbd+unix[,OPTIONS]:///[export]?socket=/path
 */
#ifndef XSP_BACKEND_TARGET_NBD_SPEC_H
#define XSP_BACKEND_TARGET_NBD_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XSP_NBD_ADDRS 8u
#define XSP_NBD_CONNS 8u /* of one worker */

struct xsp_nbd_spec {
	char name[160];   /* for people: "unix:/run/a.sock", "host:10809/export" */
	char path[108];   /* of a Unix socket; "" for TCP */
	char host[256], port[16];
	char export[1024];
	unsigned int conns;    /* of each worker, when the server allows several */
	uint32_t timeout_s;    /* no answer for so long: the connection is lost; 0: patience */
	uint32_t give_up_s;    /* no server for so long: requests fail; 0: never */
	bool fua;              /* each write is durable when it is answered */
};

/**
 * xsp_nbd_parse - read a spec; looks nothing up
 * @scheme: "nbd" or "nbd+unix"
 *
 * Returns 0, or -EINVAL with a sentence in why.
 */
int xsp_nbd_parse(const char *scheme, const char *opts, const char *rest, struct xsp_nbd_spec *ret,
		  char *why, size_t why_len);

#endif
