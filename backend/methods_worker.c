/* SPDX-License-Identifier: MIT */
/* worker.list, worker.set, worker.move: see methods.h. */
#include "backend/methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/steer.h"

#define TEXT(o, key, v) json_object_object_add(o, key, xsp_rpc_text(v))
#define NUM(o, key, v)  json_object_object_add(o, key, json_object_new_uint64(v))

static struct json_object *worker_json(const struct xsp_worker_snap *w,
				       const struct xsp_workers_snap *all)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	NUM(o, "worker", w->index);
	NUM(o, "tid", (uint64_t)w->tid);
	NUM(o, "cpu_ns", w->cpu_ns);
	NUM(o, "enters", w->enters);
	TEXT(o, "cpus", w->cpus);
	TEXT(o, "mode", xsp_polling_name(w->polling.mode));
	NUM(o, "polling_duration_us", w->polling.duration_us);
	NUM(o, "polling_idle_percent", w->polling.idle_percent);
	for (size_t i = 0; i < all->n_queues; i++) {
		struct json_object *q;

		if (all->queue[i].worker != w->index)
			continue;
		q = json_object_new_object();
		TEXT(q, "device", all->queue[i].device);
		NUM(q, "queue", all->queue[i].index);
		json_object_array_add(list, q);
	}
	json_object_object_add(o, "queues", list);
	return o;
}

int xsp_methods_worker_list(void *ctx, struct json_object *params, struct json_object **ret,
			    struct xsp_rpc_error *e)
{
	struct xsp_methods *m = ctx;
	struct xsp_workers_snap s;
	struct json_object *list;

	(void)params;
	if (xsp_steer_list(m->daemon, &s))
		return xsp_rpc_fail(e, XSP_RPC_INTERNAL, "out of memory");
	*ret = json_object_new_object();
	NUM(*ret, "monotonic_ns", xsp_monotonic_ns());
	list = json_object_new_array();
	for (size_t i = 0; i < s.n_workers; i++)
		json_object_array_add(list, worker_json(&s.worker[i], &s));
	json_object_object_add(*ret, "workers", list);
	xsp_steer_free(&s);
	return 0;
}

/* A whole number of the parameters; 1: it is there, 0: it is not, -1: out of its range. */
static int get_number(struct json_object *params, const char *key, int64_t min, int64_t max,
		      uint32_t *ret, struct xsp_rpc_error *e)
{
	struct json_object *o;
	int64_t n;

	if (!json_object_object_get_ex(params, key, &o))
		return 0;
	n = json_object_get_int64(o);
	if (n < min || n > max)
		return xsp_rpc_fail(e, XSP_RPC_PARAMS, "%s: %lld is not from %lld to %lld", key,
				    (long long)n, (long long)min, (long long)max);
	*ret = (uint32_t)n;
	return 1;
}

static int fail_worker(int err, uint32_t worker, const char *cpus, struct xsp_rpc_error *e)
{
	switch (err) {
	case -ERANGE:
		return xsp_rpc_fail(e, XSP_RPC_NOT_FOUND, "there is no worker %u", worker);
	case -EINVAL:
		return xsp_rpc_fail(e, XSP_RPC_PARAMS, "cpus '%.64s' is no list such as 0-3,8 of CPUs "
				    "that are there", cpus);
	case -ETIMEDOUT:
		return xsp_rpc_fail(e, XSP_RPC_TIMEOUT, "worker %u did not answer in a second",
				    worker);
	}
	return xsp_rpc_fail(e, XSP_RPC_INTERNAL, "worker %u: %s", worker, strerror(-err));
}

int xsp_methods_worker_set(void *ctx, struct json_object *params, struct json_object **ret,
			   struct xsp_rpc_error *e)
{
	uint32_t worker = 0, mode, duration, idle;
	struct xsp_worker_wish wish = { 0 };
	struct xsp_methods *m = ctx;
	struct json_object *o;
	int n_duration, n_idle, err;

	if (get_number(params, "worker", 0, UINT16_MAX, &worker, e) < 0)
		return -1;
	n_duration = get_number(params, "polling-duration", 1, XSP_POLL_MAX_US, &duration, e);
	n_idle = n_duration < 0 ? -1 : get_number(params, "polling-idle", 0, 100, &idle, e);
	if (n_idle < 0)
		return -1;
	wish.duration_us = n_duration ? &duration : NULL;
	wish.idle_percent = n_idle ? &idle : NULL;
	if (json_object_object_get_ex(params, "mode", &o)) {
		if (xsp_polling_parse(json_object_get_string(o), &mode))
			return xsp_rpc_fail(e, XSP_RPC_PARAMS,
					    "'%.64s' is not a mode: event, adaptive, always or auto",
					    json_object_get_string(o));
		wish.mode = &mode;
	}
	if (json_object_object_get_ex(params, "cpus", &o))
		wish.cpus = json_object_get_string(o);
	err = xsp_steer_set(m->daemon, worker, &wish);
	if (err)
		return fail_worker(err, worker, wish.cpus, e);
	return xsp_methods_worker_list(ctx, NULL, ret, e);
}

int xsp_methods_worker_move(void *ctx, struct json_object *params, struct json_object **ret,
			    struct xsp_rpc_error *e)
{
	struct xsp_methods *m = ctx;
	struct xsp_move move = { .queue = -1 };
	struct json_object *o;
	uint32_t queue;
	int n, err;

	json_object_object_get_ex(params, "device", &o);
	snprintf(move.device, sizeof(move.device), "%s", json_object_get_string(o));
	n = get_number(params, "queue", 0, UINT16_MAX, &queue, e);
	if (n < 0 || get_number(params, "worker", 0, UINT16_MAX, &move.worker, e) < 0)
		return -1;
	if (n)
		move.queue = (int)queue;
	err = xsp_steer_move(m->daemon, &move);
	if (err == -ENOENT)
		return xsp_rpc_fail(e, XSP_RPC_NOT_FOUND, "this daemon does not serve %s",
				    move.device);
	if (err == -ERANGE)
		return xsp_rpc_fail(e, XSP_RPC_NOT_FOUND, "there is no worker %u, or no such queue",
				    move.worker);
	if (err == -EBUSY)
		return xsp_rpc_fail(e, XSP_RPC_AGAIN,
				    "%s connects, moves or stops just now: again, a little later",
				    move.device);
	if (err == -ETIMEDOUT)
		return xsp_rpc_fail(e, XSP_RPC_TIMEOUT, "the thread that owns %s is busy (XenStore?): "
				    "it will be moved when that answers", move.device);
	if (err)
		return xsp_rpc_fail(e, XSP_RPC_INTERNAL, "%s: %s", move.device, strerror(-err));
	*ret = json_object_new_object();
	TEXT(*ret, "device", move.device);
	NUM(*ret, "worker", move.worker);
	NUM(*ret, "queues", move.n);
	json_object_object_add(*ret, "begun", json_object_new_boolean(move.begun));
	return 0;
}
