/* SPDX-License-Identifier: MIT */
/*
 * What can be asked on the control socket: the methods behind rpc.h's table. Each reads copies
 * (inspect.h) or sets one thing; none waits for the store or for a guest.
 */
#ifndef XSP_BACKEND_METHODS_H
#define XSP_BACKEND_METHODS_H

#include <stdint.h>

#include "backend/rpc.h"

struct xsp_daemon;
struct xsp_config;

/* The ctx of every call; the control socket owns it. Main thread only. */
struct xsp_methods {
	struct xsp_daemon *daemon;
	const struct xsp_config *config;
	uint64_t started_ns;  /* CLOCK_MONOTONIC */
	unsigned int clients; /* connected now */
	uint64_t lines;       /* requests and batches so far */
	uint64_t refused;     /* connections denied or over the limit */
};

/* Ended by a NULL name; ctx is a struct xsp_methods. */
extern const struct xsp_rpc_method xsp_methods_table[];

/* methods_resize.c */
int xsp_methods_vbd_resize(void *ctx, struct json_object *params, struct json_object **ret,
			   struct xsp_rpc_error *e);

/* methods_worker.c */
int xsp_methods_worker_list(void *ctx, struct json_object *params, struct json_object **ret,
			    struct xsp_rpc_error *e);
int xsp_methods_worker_set(void *ctx, struct json_object *params, struct json_object **ret,
			   struct xsp_rpc_error *e);
int xsp_methods_worker_move(void *ctx, struct json_object *params, struct json_object **ret,
			    struct xsp_rpc_error *e);

/** xsp_monotonic_ns - CLOCK_MONOTONIC now */
uint64_t xsp_monotonic_ns(void);

#endif
