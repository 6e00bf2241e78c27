/* SPDX-License-Identifier: MIT */
/* The control socket's methods about network devices; their lines are in the table of methods.c. */
#ifndef XSP_BACKEND_VIF_METHODS_H
#define XSP_BACKEND_VIF_METHODS_H

#include "backend/rpc.h"

/* vif.list, vif.show, vif.stat: as their vbd counterparts; vif.capture: net/capture.h, ctx is a struct xsp_methods. */
int xsp_vif_list(void *ctx, struct json_object *params, struct json_object **ret,
		 struct xsp_rpc_error *e);
int xsp_vif_show(void *ctx, struct json_object *params, struct json_object **ret,
		 struct xsp_rpc_error *e);
int xsp_vif_capture(void *ctx, struct json_object *params, struct json_object **ret,
		    struct xsp_rpc_error *e);
int xsp_vif_stat(void *ctx, struct json_object *params, struct json_object **ret,
		 struct xsp_rpc_error *e);

#endif
