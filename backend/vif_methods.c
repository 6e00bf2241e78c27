/* SPDX-License-Identifier: MIT */
/* What the control socket tells of network devices: see vif_methods.h. */
#include "backend/vif_methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/inspect.h"
#include "backend/methods.h"
#include "common/xenbus/fsm.h"

#define TEXT(o, key, v) json_object_object_add(o, key, xsp_rpc_text(v))
#define NUM(o, key, v)  json_object_object_add(o, key, json_object_new_uint64(v))
#define BOOL(o, key, v) json_object_object_add(o, key, json_object_new_boolean(v))

static int snapshot(struct xsp_methods *m, struct xsp_vif_snap **vifs, size_t *n,
		    struct xsp_rpc_error *e)
{
	if (!xsp_inspect_vifs(m->daemon, vifs, n))
		return 0;
	return xsp_rpc_fail(e, XSP_RPC_INTERNAL, "out of memory");
}

static struct json_object *head(const struct xsp_vif_snap *v)
{
	struct json_object *o = json_object_new_object();
	char id[32];

	snprintf(id, sizeof(id), "vif/%u/%u", v->dev.domid, v->dev.devid);
	TEXT(o, "device", id);
	NUM(o, "domid", v->dev.domid);
	NUM(o, "devid", v->dev.devid);
	BOOL(o, "connected", v->dev.connected);
	return o;
}

static struct json_object *summary(const struct xsp_vif_snap *v)
{
	struct json_object *o = head(v);

	TEXT(o, "port", v->port);
	TEXT(o, "ifname", v->ifname);
	TEXT(o, "mac", v->mac);
	TEXT(o, "bridge", v->bridge);
	NUM(o, "state", (uint64_t)v->dev.state);
	TEXT(o, "state_name", xsp_xenbus_state_name((enum xsp_xenbus_state)v->dev.state));
	NUM(o, "peer_state", (uint64_t)v->dev.peer_state);
	TEXT(o, "peer_state_name", xsp_xenbus_state_name((enum xsp_xenbus_state)v->dev.peer_state));
	NUM(o, "queues", v->dev.n_queues);
	TEXT(o, "why", v->dev.why);
	return o;
}

static struct json_object *counters(const struct xsp_net_stats *s)
{
	struct json_object *o = json_object_new_object();

#define X(name, help) NUM(o, #name, s->name);
	XSP_NET_COUNTERS(X)
#undef X
	return o;
}

static struct json_object *features(const struct xsp_vif_snap *v)
{
	struct json_object *o = json_object_new_object();

	BOOL(o, "sg", v->sg);
	BOOL(o, "csum_ipv4", v->csum4);
	BOOL(o, "csum_ipv6", v->csum6);
	BOOL(o, "gso_tcpv4", v->gso4);
	BOOL(o, "gso_tcpv6", v->gso6);
	BOOL(o, "split_event_channels", v->split);
	BOOL(o, "control_ring", v->ctrl);
	NUM(o, "static_grants", v->static_grants);
	NUM(o, "hash_types", v->hash_types);
	NUM(o, "multicasts", v->multicasts);
	return o;
}

static struct json_object *queues(const struct xsp_vif_snap *v)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < v->n_queue_stats; i++) {
		struct json_object *o = json_object_new_object();

		NUM(o, "tx_packets", v->queue[i].tx_packets);
		NUM(o, "rx_packets", v->queue[i].rx_packets);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *full(const struct xsp_vif_snap *v)
{
	struct json_object *o = summary(v);

	BOOL(o, "online", v->dev.online);
	NUM(o, "worker", v->dev.worker);
	NUM(o, "adopted", v->dev.adopted);
	NUM(o, "rate_bytes", v->rate_bytes);
	NUM(o, "rate_usecs", v->rate_usecs);
	if (v->dev.connected) {
		NUM(o, "tx_ring_ref", v->tx_ring_ref);
		NUM(o, "rx_ring_ref", v->rx_ring_ref);
		NUM(o, "evtchn", v->evtchn);
		json_object_object_add(o, "features", features(v));
	}
	NUM(o, "connected_seconds",
	    v->dev.connected_ns ? (xsp_monotonic_ns() - v->dev.connected_ns) / 1000000000u : 0);
	json_object_object_add(o, "queue_counters", queues(v));
	json_object_object_add(o, "counters", counters(&v->stats));
	return o;
}

/* The id in `device`: "vif/1/0"; -1 and *e when it is none. */
static int get_id(struct json_object *params, unsigned int *domid, unsigned int *devid,
		  struct xsp_rpc_error *e)
{
	struct json_object *o;
	const char *id;
	char end;

	json_object_object_get_ex(params, "device", &o);
	id = json_object_get_string(o);
	if (sscanf(id, "vif/%9u/%9u%c", domid, devid, &end) == 2)
		return 0;
	return xsp_rpc_fail(e, XSP_RPC_PARAMS, "'%.64s' is no device id such as vif/1/0", id);
}

int xsp_vif_list(void *ctx, struct json_object *params, struct json_object **ret,
		 struct xsp_rpc_error *e)
{
	struct xsp_vif_snap *vifs;
	size_t n;

	(void)params;
	if (snapshot(ctx, &vifs, &n, e))
		return -1;
	*ret = json_object_new_array();
	for (size_t i = 0; i < n; i++)
		json_object_array_add(*ret, summary(&vifs[i]));
	free(vifs);
	return 0;
}

int xsp_vif_show(void *ctx, struct json_object *params, struct json_object **ret,
		 struct xsp_rpc_error *e)
{
	unsigned int domid, devid;
	struct xsp_vif_snap *vifs;
	int rc;
	size_t n;

	if (get_id(params, &domid, &devid, e) || snapshot(ctx, &vifs, &n, e))
		return -1;
	rc = xsp_rpc_fail(e, XSP_RPC_NOT_FOUND, "this daemon does not serve vif/%u/%u", domid,
			  devid);
	for (size_t i = 0; rc && i < n; i++) {
		if (vifs[i].dev.domid != domid || vifs[i].dev.devid != devid)
			continue;
		*ret = full(&vifs[i]);
		rc = 0;
	}
	free(vifs);
	return rc;
}

int xsp_vif_stat(void *ctx, struct json_object *params, struct json_object **ret,
		 struct xsp_rpc_error *e)
{
	unsigned int domid = 0, devid = 0;
	bool one = json_object_object_get_ex(params, "device", NULL);
	struct xsp_vif_snap *vifs;
	struct json_object *list;
	size_t n;

	if ((one && get_id(params, &domid, &devid, e)) || snapshot(ctx, &vifs, &n, e))
		return -1;
	*ret = json_object_new_object();
	NUM(*ret, "monotonic_ns", xsp_monotonic_ns());
	list = json_object_new_array();
	for (size_t i = 0; i < n; i++) {
		struct json_object *o;

		if (one && (vifs[i].dev.domid != domid || vifs[i].dev.devid != devid))
			continue;
		o = head(&vifs[i]);
		json_object_object_add(o, "counters", counters(&vifs[i].stats));
		json_object_array_add(list, o);
	}
	json_object_object_add(*ret, "vifs", list);
	free(vifs);
	return 0;
}

int xsp_vif_capture(void *ctx, struct json_object *params, struct json_object **ret,
		    struct xsp_rpc_error *e)
{
	struct xsp_methods *m = ctx;
	struct json_object *path, *snaplen;
	unsigned int domid, devid;
	int err;

	if (get_id(params, &domid, &devid, e))
		return -1;
	json_object_object_get_ex(params, "path", &path);
	if (!json_object_object_get_ex(params, "snaplen", &snaplen))
		snaplen = NULL;
	err = xsp_inspect_capture(m->daemon, domid, devid, json_object_get_string(path),
				  snaplen ? (uint32_t)json_object_get_int64(snaplen) : 0);
	if (err == -ENOENT)
		return xsp_rpc_fail(e, XSP_RPC_NOT_FOUND, "this daemon does not serve vif/%u/%u", domid,
				    devid);
	if (err == -EBUSY)
		return xsp_rpc_fail(e, XSP_RPC_AGAIN, "vif/%u/%u is being captured already", domid, devid);
	if (err)
		return xsp_rpc_fail(e, XSP_RPC_PARAMS, "can't connect to '%.100s': %s",
				    json_object_get_string(path), strerror(-err));
	*ret = json_object_new_object();
	return 0;
}
