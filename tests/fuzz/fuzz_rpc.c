/* SPDX-License-Identifier: MIT */
/* Any line on the control socket: the answer is one line of JSON, or none. */
#include <string.h>
#include "backend/config.h"
#include "backend/inspect.h"
#include "backend/methods.h"
#include "backend/resize.h"
#include "backend/steer.h"
#include "tests/fuzz/input.h"

int xsp_inspect_vbds(struct xsp_daemon *d, struct xsp_vbd_snap **ret, size_t *ret_n)
{
	struct xsp_vbd_snap *v = calloc(1, sizeof(*v));

	(void)d;
	v->dev.domid = 1;
	v->dev.devid = 51712;
	v->dev.connected = true;
	strcpy(v->target, "file:/a\xff\".img");
	*ret = v;
	*ret_n = 1;
	return 0;
}

int xsp_inspect_vbd_queues(struct xsp_daemon *d, uint32_t domid, uint32_t devid, uint32_t max,
			   struct xsp_vbd_queue_snap *ret)
{
	(void)d, (void)domid, (void)devid;
	memset(ret, 0, sizeof(*ret) * (max > 2 ? 2 : max));
	ret[0].size = ret[1].size = 32;
	ret[1].worker = 1;
	return 2;
}

int xsp_inspect_capture(struct xsp_daemon *d, uint32_t domid, uint32_t devid, const char *path,
			uint32_t snaplen)
{
	(void)d;
	(void)path;
	(void)snaplen;
	return domid == 1 && !devid ? 0 : -ENOENT;
}

int xsp_inspect_vifs(struct xsp_daemon *d, struct xsp_vif_snap **ret, size_t *ret_n)
{
	struct xsp_vif_snap *v = calloc(1, sizeof(*v));

	(void)d;
	v->dev.domid = 1;
	v->dev.connected = true;
	v->n_queue_stats = 2;
	v->stats.tx_packets = 7;
	strcpy(v->ifname, "vif1.0");
	strcpy(v->mac, "\xff\"");
	*ret = v;
	*ret_n = 1;
	return 0;
}

int xsp_inspect_ring(struct xsp_daemon *d, uint32_t domid, uint32_t devid, uint32_t queue,
		     struct xsp_ring_snap **ret)
{
	(void)d;
	(void)queue;
	if (domid != 1 || devid != 51712)
		return -ENOENT;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->size = 32;
	(*ret)->n_inflight = 1;
	(*ret)->inflight[0].req.op = XSP_BLK_INDIRECT;
	(*ret)->inflight[0].req.nr_segs = 255;
	return 0;
}

int xsp_resize(struct xsp_daemon *d, struct xsp_resize *r)
{
	(void)d;
	return strcmp(r->device, "vbd/1/51712") ? -ENOENT : 0;
}

int xsp_steer_list(struct xsp_daemon *d, struct xsp_workers_snap *s)
{
	(void)d;
	*s = (struct xsp_workers_snap){ .n_workers = 1, .n_queues = 1 };
	s->worker = calloc(1, sizeof(*s->worker));
	s->queue = calloc(1, sizeof(*s->queue));
	return 0;
}

void xsp_steer_free(struct xsp_workers_snap *s)
{
	free(s->worker);
	free(s->queue);
}

int xsp_steer_move(struct xsp_daemon *d, struct xsp_move *m)
{
	(void)d;
	return m->worker > 1 ? -ERANGE : strcmp(m->device, "vbd/1/51712") ? -ENOENT : 0;
}

int xsp_steer_set(struct xsp_daemon *d, uint32_t worker, const struct xsp_worker_wish *wish)
{
	(void)d;
	return worker ? -ERANGE : wish->cpus ? -EINVAL : 0;
}

static void is_json(const char *line)
{
	size_t len = strlen(line);
	struct json_tokener *t = json_tokener_new();
	struct json_object *o;

	HOLDS(len > 1 && line[len - 1] == '\n' && !memchr(line, '\n', len - 1));
	o = json_tokener_parse_ex(t, line, (int)len);
	HOLDS(o && json_tokener_get_error(t) == json_tokener_success);
	json_object_put(o);
	json_tokener_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xsp_config config = { .socket_path = (char *)"/run/x.sock", .workers = 1 };
	struct xsp_methods methods = { .config = &config };
	char *line = malloc(size + 1), *answer;

	xsp_log_set_level(XSP_LOG_ERR);
	memcpy(line, data, size);
	line[size] = '\0';
	answer = xsp_rpc_answer(xsp_methods_table, &methods, line, size);
	if (answer)
		is_json(answer);
	free(answer);
	free(line);
	return 0;
}
