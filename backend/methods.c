/* SPDX-License-Identifier: MIT */
/* The control socket's methods: see methods.h. docs/man/xensplitd.8 documents them for users. */
#include "backend/methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/config.h"
#include "backend/inspect.h"
#include "backend/metrics.h"
#include "backend/vif_methods.h"
#include "common/devname.h"
#include "common/xenbus/fsm.h"

#define TEXT(o, key, v) json_object_object_add(o, key, xsp_rpc_text(v))
#define NUM(o, key, v)  json_object_object_add(o, key, json_object_new_uint64(v))
#define XSP_BLK_QUEUES 16u /* of one device at most */
#define BOOL(o, key, v) json_object_object_add(o, key, json_object_new_boolean(v))

static const char *const level_names[] = {"err", "warn", "info", "debug"};
static const char *const op_names[XSP_STAT_OPS] = {"read", "write", "flush", "discard"};

uint64_t xsp_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- daemon ---------------------------------------------------------------------------------- */

static int rpc_methods(void *ctx, struct json_object *params, struct json_object **ret,
		       struct xsp_rpc_error *e)
{
	(void)ctx, (void)params, (void)e;
	*ret = xsp_rpc_describe(xsp_methods_table);
	return 0;
}

static int daemon_version(void *ctx, struct json_object *params, struct json_object **ret,
			  struct xsp_rpc_error *e)
{
	(void)ctx, (void)params, (void)e;
	*ret = json_object_new_object();
	TEXT(*ret, "name", "xensplitd");
	TEXT(*ret, "version", XSP_VERSION);
	NUM(*ret, "protocol", 1);
	return 0;
}

static struct json_object *counters_json(const struct xsp_blk_stats *s)
{
	struct json_object *o = json_object_new_object();

#define X(name, help) NUM(o, #name, s->name);
	XSP_BLK_COUNTERS(X)
#undef X
	return o;
}

static int snapshot(struct xsp_methods *m, struct xsp_vbd_snap **vbds, size_t *n,
		    struct xsp_rpc_error *e)
{
	if (!xsp_inspect_vbds(m->daemon, vbds, n))
		return 0;
	return xsp_rpc_fail(e, XSP_RPC_INTERNAL, "out of memory");
}

static int daemon_metrics(void *ctx, struct json_object *params, struct json_object **ret,
			  struct xsp_rpc_error *e)
{
	struct xsp_methods *m = ctx;
	char *text = NULL;
	size_t len = 0;

	(void)params;
	if (xsp_metrics_text(m->daemon, m->started_ns, &text, &len)) {
		free(text);
		return xsp_rpc_fail(e, XSP_RPC_INTERNAL, "out of memory");
	}
	*ret = json_object_new_object();
	TEXT(*ret, "text", text);
	free(text);
	return 0;
}

static int daemon_status(void *ctx, struct json_object *params, struct json_object **ret,
			 struct xsp_rpc_error *e)
{
	struct xsp_methods *m = ctx;
	struct xsp_blk_stats sum = {0};
	struct xsp_vbd_snap *vbds;
	size_t n, connected = 0;
	struct json_object *o;

	(void)params;
	if (snapshot(m, &vbds, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		connected += vbds[i].dev.connected;
#define X(name, help) sum.name += vbds[i].stats.name;
		XSP_BLK_COUNTERS(X)
#undef X
	}
	free(vbds);
	o = *ret = json_object_new_object();
	TEXT(o, "version", XSP_VERSION);
	NUM(o, "pid", (uint64_t)getpid());
	NUM(o, "uptime_seconds", (xsp_monotonic_ns() - m->started_ns) / 1000000000u);
	NUM(o, "workers", m->config->workers);
	TEXT(o, "socket", m->config->socket_path);
	json_object_object_add(
		o, "config", m->config->config_path ? xsp_rpc_text(m->config->config_path) : NULL);
	TEXT(o, "log_level", level_names[xsp_log_get_level()]);
	NUM(o, "vbds", n);
	NUM(o, "vbds_connected", connected);
	NUM(o, "clients", m->clients);
	NUM(o, "requests", m->lines);
	NUM(o, "clients_refused", m->refused);
	json_object_object_add(o, "counters", counters_json(&sum));
	return 0;
}

/* --- vbd ------------------------------------------------------------------------------------- */

static struct json_object *vbd_head(const struct xsp_vbd_snap *v)
{
	struct json_object *o = json_object_new_object();
	char id[XSP_DEVID_LEN], vdev[XSP_VDEV_LEN];

	TEXT(o, "device", xsp_devid_format(id, v->dev.domid, v->dev.devid));
	NUM(o, "domid", v->dev.domid);
	NUM(o, "devid", v->dev.devid);
	TEXT(o, "vdev", v->vdev[0] ? v->vdev : xsp_vdev_format(vdev, v->dev.devid));
	BOOL(o, "connected", v->dev.connected);
	return o;
}

static struct json_object *vbd_summary(const struct xsp_vbd_snap *v)
{
	struct json_object *o = vbd_head(v);

	TEXT(o, "target", v->target);
	NUM(o, "state", (uint64_t)v->dev.state);
	TEXT(o, "state_name", xsp_xenbus_state_name((enum xsp_xenbus_state)v->dev.state));
	NUM(o, "peer_state", (uint64_t)v->dev.peer_state);
	TEXT(o, "peer_state_name", xsp_xenbus_state_name((enum xsp_xenbus_state)v->dev.peer_state));
	BOOL(o, "readonly", v->readonly);
	NUM(o, "size_bytes", v->size_bytes);
	TEXT(o, "why", v->dev.why);
	return o;
}

static struct json_object *vbd_full(const struct xsp_vbd_snap *v)
{
	struct json_object *o = vbd_summary(v), *refs = json_object_new_array();

	BOOL(o, "online", v->dev.online);
	BOOL(o, "direct", v->direct);
	NUM(o, "sector_size", v->sector_size);
	NUM(o, "worker", v->dev.worker);
	NUM(o, "adopted", v->dev.adopted);
	TEXT(o, "protocol", v->dev.connected ? v->protocol : "");
	NUM(o, "ring_order", v->dev.connected ? v->ring_order : 0);
	if (v->dev.connected && v->ring_order <= XSP_RING_MAX_ORDER)
		for (uint32_t i = 0; i < 1u << v->ring_order; i++)
			json_object_array_add(refs, json_object_new_uint64(v->ring_ref[i]));
	json_object_object_add(o, "ring_refs", refs);
	NUM(o, "evtchn", v->dev.connected ? v->evtchn : 0);
	NUM(o, "queues", v->dev.n_queues);
	NUM(o, "connected_seconds",
	    v->dev.connected_ns ? (xsp_monotonic_ns() - v->dev.connected_ns) / 1000000000u : 0);
	return o;
}

static struct json_object *latency_json(const struct xsp_hist *h, bool buckets)
{
	struct json_object *o = json_object_new_object(), *list;
	uint64_t n = xsp_hist_total(h);

	NUM(o, "count", n);
	NUM(o, "sum_ns", h->sum_ns);
	NUM(o, "mean_ns", n ? h->sum_ns / n : 0);
	NUM(o, "p50_ns", xsp_hist_quantile(h, 0.5));
	NUM(o, "p99_ns", xsp_hist_quantile(h, 0.99));
	NUM(o, "p999_ns", xsp_hist_quantile(h, 0.999));
	if (!buckets)
		return o;
	list = json_object_new_array();
	for (unsigned int b = 0; b < XSP_HIST_BUCKETS; b++) {
		struct json_object *pair;

		if (!h->count[b])
			continue;
		pair = json_object_new_array_ext(2);
		json_object_array_add(pair, json_object_new_uint64(xsp_hist_upper_ns(b)));
		json_object_array_add(pair, json_object_new_uint64(h->count[b]));
		json_object_array_add(list, pair);
	}
	json_object_object_add(o, "buckets", list);
	return o;
}

static void add_stats_json(struct json_object *o, const struct xsp_blk_stats *s, bool buckets)
{
	struct json_object *l = json_object_new_object();

	json_object_object_add(o, "counters", counters_json(s));
	NUM(o, "in_flight", s->in_flight);
	for (int op = 0; op < XSP_STAT_OPS; op++)
		json_object_object_add(l, op_names[op], latency_json(&s->latency[op], buckets));
	json_object_object_add(o, "latency", l);
}

static struct json_object *queues_json(struct xsp_methods *m, const struct xsp_vbd_snap *v, bool buckets)
{
	struct xsp_vbd_queue_snap *q = calloc(XSP_BLK_QUEUES, sizeof(*q));
	struct json_object *list = json_object_new_array();
	int n = q ? xsp_inspect_vbd_queues(m->daemon, v->dev.domid, v->dev.devid, XSP_BLK_QUEUES, q) : 0;

	for (int i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		NUM(o, "queue", (uint64_t)i);
		NUM(o, "worker", q[i].worker);
		NUM(o, "slots", q[i].size);
		add_stats_json(o, &q[i].stats, buckets);
		json_object_array_add(list, o);
	}
	free(q);
	return list;
}

static struct json_object *vbd_stats(struct xsp_methods *m, const struct xsp_vbd_snap *v, bool buckets,
				     bool queues)
{
	struct json_object *o = vbd_head(v);

	NUM(o, "slots", v->dev.n_queues * xsp_blk_ring_slots(v->ring_order & 7));
	add_stats_json(o, &v->stats, buckets);
	if (queues)
		json_object_object_add(o, "queues", queues_json(m, v, buckets));
	return o;
}

static int get_device(struct json_object *params, uint32_t *domid, uint32_t *devid,
		      struct xsp_rpc_error *e)
{
	struct json_object *o;
	const char *id;

	json_object_object_get_ex(params, "device", &o);
	id = json_object_get_string(o);
	if (!xsp_devid_parse(id, domid, devid))
		return 0;
	return xsp_rpc_fail(e, XSP_RPC_PARAMS, "'%.64s' is no device id such as vbd/1/51712", id);
}

static int no_device(uint32_t domid, uint32_t devid, struct xsp_rpc_error *e)
{
	char id[XSP_DEVID_LEN];

	return xsp_rpc_fail(e, XSP_RPC_NOT_FOUND, "this daemon does not serve %s",
			    xsp_devid_format(id, domid, devid));
}

/* The device named by `device`, or every one when there is no such parameter. */
static int select_vbds(struct xsp_methods *m, struct json_object *params,
		       struct xsp_vbd_snap **ret_all, struct xsp_vbd_snap **ret_first,
		       size_t *ret_n, struct xsp_rpc_error *e)
{
	uint32_t domid, devid;
	struct xsp_vbd_snap *all;
	size_t n;

	if (!json_object_object_get_ex(params, "device", NULL)) {
		if (snapshot(m, &all, &n, e))
			return -1;
		*ret_all = *ret_first = all;
		*ret_n = n;
		return 0;
	}
	if (get_device(params, &domid, &devid, e) || snapshot(m, &all, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (all[i].dev.domid != domid || all[i].dev.devid != devid)
			continue;
		*ret_all = all;
		*ret_first = &all[i];
		*ret_n = 1;
		return 0;
	}
	free(all);
	return no_device(domid, devid, e);
}

static int vbd_list(void *ctx, struct json_object *params, struct json_object **ret,
		    struct xsp_rpc_error *e)
{
	struct xsp_vbd_snap *vbds;
	size_t n;

	(void)params;
	if (snapshot(ctx, &vbds, &n, e))
		return -1;
	*ret = json_object_new_array();
	for (size_t i = 0; i < n; i++)
		json_object_array_add(*ret, vbd_summary(&vbds[i]));
	free(vbds);
	return 0;
}

static int vbd_stat(void *ctx, struct json_object *params, struct json_object **ret,
		    struct xsp_rpc_error *e)
{
	struct json_object *list, *o;
	struct xsp_vbd_snap *all, *v;
	bool buckets = true, queues = false;
	size_t n;

	if (select_vbds(ctx, params, &all, &v, &n, e))
		return -1;
	if (json_object_object_get_ex(params, "buckets", &o))
		buckets = json_object_get_boolean(o);
	if (json_object_object_get_ex(params, "queues", &o))
		queues = json_object_get_boolean(o);
	*ret = json_object_new_object();
	NUM(*ret, "monotonic_ns", xsp_monotonic_ns());
	list = json_object_new_array();
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, vbd_stats(ctx, &v[i], buckets, queues));
	json_object_object_add(*ret, "vbds", list);
	free(all);
	return 0;
}

static int vbd_show(void *ctx, struct json_object *params, struct json_object **ret,
		    struct xsp_rpc_error *e)
{
	struct xsp_vbd_snap *all, *v;
	size_t n;

	if (select_vbds(ctx, params, &all, &v, &n, e))
		return -1;
	*ret = vbd_full(v);
	json_object_object_add(*ret, "counters", counters_json(&v->stats));
	free(all);
	return 0;
}

static const char *op_name(uint8_t op)
{
	switch (op) {
	case XSP_BLK_READ:
		return "read";
	case XSP_BLK_WRITE:
		return "write";
	case XSP_BLK_BARRIER:
		return "barrier";
	case XSP_BLK_FLUSH:
		return "flush";
	case XSP_BLK_DISCARD:
		return "discard";
	case XSP_BLK_INDIRECT:
		return "indirect";
	}
	return "unknown";
}

static struct json_object *inflight_json(const struct xsp_ring_inflight *f)
{
	struct json_object *o = json_object_new_object(), *segs = json_object_new_array();
	const struct xsp_blk_req *r = &f->req;
	unsigned int n = r->op == XSP_BLK_READ || r->op == XSP_BLK_WRITE ? r->nr_segs : 0;

	TEXT(o, "op", op_name(r->op));
	NUM(o, "id", r->id);
	NUM(o, "sector", r->sector);
	for (unsigned int i = 0; i < n && i < XSP_BLK_SEGS; i++) {
		struct json_object *s = json_object_new_object();

		NUM(s, "gref", r->seg[i].gref);
		NUM(s, "first", r->seg[i].first);
		NUM(s, "last", r->seg[i].last);
		json_object_array_add(segs, s);
	}
	json_object_object_add(o, "segments", segs);
	NUM(o, "age_ns", f->age_ns);
	return o;
}

static struct json_object *ring_json(const struct xsp_ring_snap *r)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	NUM(o, "size", r->size);
	NUM(o, "order", r->order);
	TEXT(o, "protocol", r->protocol);
	NUM(o, "req_prod", r->req_prod);
	NUM(o, "req_event", r->req_event);
	NUM(o, "rsp_prod", r->rsp_prod);
	NUM(o, "rsp_event", r->rsp_event);
	NUM(o, "req_cons", r->req_cons);
	NUM(o, "rsp_prod_pvt", r->rsp_prod_pvt);
	for (uint32_t i = 0; r->order <= XSP_RING_MAX_ORDER && i < 1u << r->order; i++) {
		struct json_object *p = json_object_new_object();

		NUM(p, "gref", r->ring_ref[i]);
		NUM(p, "frame", r->frame[i]);
		json_object_array_add(list, p);
	}
	json_object_object_add(o, "pages", list);
	NUM(o, "evtchn_guest", r->evtchn_remote);
	NUM(o, "evtchn_own", r->evtchn_local);
	BOOL(o, "broken", r->broken);
	BOOL(o, "stopping", r->stopping);
	list = json_object_new_array();
	for (uint32_t i = 0; i < r->n_inflight; i++)
		json_object_array_add(list, inflight_json(&r->inflight[i]));
	json_object_object_add(o, "in_flight", list);
	return o;
}

static int vbd_ring(void *ctx, struct json_object *params, struct json_object **ret,
		    struct xsp_rpc_error *e)
{
	struct xsp_methods *m = ctx;
	struct xsp_ring_snap *ring;
	struct json_object *queue;
	uint32_t domid, devid;
	char id[XSP_DEVID_LEN];
	int rc;

	if (get_device(params, &domid, &devid, e))
		return -1;
	if (!json_object_object_get_ex(params, "queue", &queue))
		queue = NULL;
	xsp_devid_format(id, domid, devid);
	rc = xsp_inspect_ring(m->daemon, domid, devid,
			      queue ? (uint32_t)json_object_get_int64(queue) : 0, &ring);
	if (rc == -ENOENT)
		return no_device(domid, devid, e);
	if (rc == -ENOTCONN && queue && json_object_get_int64(queue))
		return xsp_rpc_fail(e, XSP_RPC_NOT_CONNECTED, "%s has no queue %lld now", id,
				    (long long)json_object_get_int64(queue));
	if (rc == -ENOTCONN)
		return xsp_rpc_fail(e, XSP_RPC_NOT_CONNECTED,
				    "%s has no ring now: it is not connected", id);
	if (rc == -ETIMEDOUT)
		return xsp_rpc_fail(e, XSP_RPC_TIMEOUT, "%s: its worker did not answer in a second",
				    id);
	if (rc)
		return xsp_rpc_fail(e, XSP_RPC_INTERNAL, "%s: %s", id, strerror(-rc));
	*ret = ring_json(ring);
	TEXT(*ret, "device", id);
	free(ring);
	return 0;
}

/* --- log ------------------------------------------------------------------------------------- */

static int log_get(void *ctx, struct json_object *params, struct json_object **ret,
		   struct xsp_rpc_error *e)
{
	(void)ctx, (void)params, (void)e;
	*ret = json_object_new_object();
	TEXT(*ret, "level", level_names[xsp_log_get_level()]);
	return 0;
}

static int log_set(void *ctx, struct json_object *params, struct json_object **ret,
		   struct xsp_rpc_error *e)
{
	enum xsp_log_level level, was = xsp_log_get_level();
	struct json_object *o;

	(void)ctx;
	json_object_object_get_ex(params, "level", &o);
	if (xsp_log_parse_level(json_object_get_string(o), &level))
		return xsp_rpc_fail(e, XSP_RPC_PARAMS,
				    "'%.64s' is not a level: err, warn, info or debug",
				    json_object_get_string(o));
	xsp_log_set_level(level);
	*ret = json_object_new_object();
	TEXT(*ret, "level", level_names[level]);
	TEXT(*ret, "was", level_names[was]);
	return 0;
}

#define DEVICE(required)                                                           \
	{                                                                          \
		"device", json_type_string, required, "device id, vbd/DOMID/DEVID" \
	}

const struct xsp_rpc_method xsp_methods_table[] = {
	{"rpc.methods", "what can be called, with which parameters", {{0}}, rpc_methods},
	{"daemon.version", "name and version of the daemon", {{0}}, daemon_version},
	{"daemon.status", "uptime, settings in force, sums of all counters", {{0}}, daemon_status},
	{"daemon.metrics", "all counters as OpenMetrics text", {{0}}, daemon_metrics},
	{"vbd.list", "every block device: state, target, what it waits for", {{0}}, vbd_list},
	{"vbd.show", "everything about one block device", {DEVICE(true), {0}}, vbd_show},
	{"vbd.stat",
	 "counters and latency of one or all block devices, since they first appeared",
	 {DEVICE(false),
	  {"buckets", json_type_boolean, false, "with the latency histogram (true)"},
	  {"queues", json_type_boolean, false, "and each of its queues (false)"},
	  {0}},
	 vbd_stat},
	{"vbd.ring",
	 "one device's ring: indices, grants, frames, requests in flight",
	 {DEVICE(true), {"queue", json_type_int, false, "which of its queues (0)"}, {0}},
	 vbd_ring},
	{"vbd.resize",
	 "offer a disk with the size that its target has now, or make its image that large",
	 {DEVICE(true), {"size_bytes", json_type_int, false, "of its image (as it is)"}, {0}},
	 xsp_methods_vbd_resize},
	{"worker.list", "every worker: thread, CPU time, how it waits, its queues", {{0}},
	 xsp_methods_worker_list},
	{"worker.set",
	 "change how a worker waits and where it runs, until the next start",
	 {{"worker", json_type_int, true, "its number"},
	  {"mode", json_type_string, false, "event, adaptive, always or auto"},
	  {"polling-duration", json_type_int, false, "us, for adaptive"},
	  {"polling-idle", json_type_int, false, "percent, for adaptive"},
	  {"cpus", json_type_string, false, "it may run on: 0-3,8"},
	  {0}},
	 xsp_methods_worker_set},
	{"worker.move",
	 "begin to give queues of a device to another worker; worker.list shows when it is done",
	 {{"device", json_type_string, true, "device id, vbd/DOMID/DEVID"},
	  {"queue", json_type_int, false, "which of its queues (all)"},
	  {"worker", json_type_int, true, "number of the worker"},
	  {0}},
	 xsp_methods_worker_move},
	{"vif.list", "every network device: state, port, what it waits for", {{0}}, xsp_vif_list},
	{"vif.show",
	 "everything about one network device",
	 {{"device", json_type_string, true, "device id, vif/DOMID/DEVID"}, {0}},
	 xsp_vif_show},
	{"vif.stat",
	 "counters of one or all network devices, since they first appeared",
	 {{"device", json_type_string, false, "device id, vif/DOMID/DEVID"}, {0}},
	 xsp_vif_stat},
	{"vif.capture",
	 "send a network device's packets, as pcap records, to a listening SOCK_SEQPACKET socket",
	 {{"device", json_type_string, true, "device id, vif/DOMID/DEVID"},
	  {"path", json_type_string, true, "of the socket"},
	  {"snaplen", json_type_int, false, "bytes kept of each packet (65535)"},
	  {0}},
	 xsp_vif_capture},
	{"log.get", "the log level in force", {{0}}, log_get},
	{"log.set",
	 "change the log level until the next start",
	 {{"level", json_type_string, true, "err, warn, info or debug"}, {0}},
	 log_set},
	{0},
};
