/* SPDX-License-Identifier: MIT */
/* vbd.resize: see methods.h. */
#include "backend/methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/resize.h"

static int failed(int err, const struct xsp_resize *r, struct xsp_rpc_error *e)
{
	switch (err) {
	case -ENOENT:
		return xsp_rpc_fail(e, XSP_RPC_NOT_FOUND, "this daemon does not serve %s", r->device);
	case -ENODEV:
		return xsp_rpc_fail(e, XSP_RPC_NOT_CONNECTED, "%s: nothing is open behind it", r->device);
	case -EBUSY:
		return xsp_rpc_fail(e, XSP_RPC_AGAIN,
				    "%s connects, moves or stops just now: again, a little later", r->device);
	case -EINVAL:
		return xsp_rpc_fail(e, XSP_RPC_PARAMS, "%s: the size is no multiple of its sectors",
				    r->device);
	case -EROFS:
		return xsp_rpc_fail(e, XSP_RPC_PARAMS, "%s is read-only", r->device);
	case -EOPNOTSUPP:
		return xsp_rpc_fail(e, XSP_RPC_PARAMS,
				    "%s is not on a plain file: change what is behind it, then ask without a "
				    "size", r->device);
	case -ETIMEDOUT:
		return xsp_rpc_fail(e, XSP_RPC_TIMEOUT,
				    "the thread that owns %s is busy (XenStore?): it looks when that answers",
				    r->device);
	}
	return xsp_rpc_fail(e, XSP_RPC_INTERNAL, "%s: %s", r->device, strerror(-err));
}

int xsp_methods_vbd_resize(void *ctx, struct json_object *params, struct json_object **ret,
			   struct xsp_rpc_error *e)
{
	struct xsp_methods *m = ctx;
	struct xsp_resize r = { .have_size = false };
	struct json_object *o;
	int err;

	json_object_object_get_ex(params, "device", &o);
	snprintf(r.device, sizeof(r.device), "%s", json_object_get_string(o));
	if (json_object_object_get_ex(params, "size_bytes", &o)) {
		if (json_object_get_int64(o) < 0)
			return xsp_rpc_fail(e, XSP_RPC_PARAMS, "size_bytes is negative");
		r.have_size = true;
		r.size_bytes = (uint64_t)json_object_get_int64(o);
	}
	err = xsp_resize(m->daemon, &r);
	if (err)
		return failed(err, &r, e);
	*ret = json_object_new_object();
	json_object_object_add(*ret, "device", xsp_rpc_text(r.device));
	json_object_object_add(*ret, "size_bytes", json_object_new_uint64(r.now));
	json_object_object_add(*ret, "was_bytes", json_object_new_uint64(r.before));
	json_object_object_add(*ret, "begun", json_object_new_boolean(r.begun));
	return 0;
}
