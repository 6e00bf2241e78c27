/* SPDX-License-Identifier: MIT */
/* A made-up daemon behind the control socket (made_up.h); what it says is partly nonsense of guests. */
#include "tests/made_up.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/inspect.h"
#include "backend/resize.h"
#include "backend/steer.h"

bool xsp_made_up_fails;

int xsp_inspect_vbds(struct xsp_daemon *d, struct xsp_vbd_snap **ret, size_t *ret_n)
{
	struct xsp_vbd_snap *v = calloc(2, sizeof(*v));

	(void)d;
	if (xsp_made_up_fails || !v) {
		free(v);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < 2; i++) {
		v[i].dev.domid = i + 1;
		v[i].dev.devid = 51712;
		v[i].dev.state = 4;
		v[i].dev.peer_state = 4;
		v[i].dev.connected = true;
		v[i].stats.rd_req = 10 + i;
		v[i].stats.latency[XSP_STAT_READ].count[20] = 99;
		v[i].stats.latency[XSP_STAT_READ].count[40] = 1;
		v[i].stats.latency[XSP_STAT_READ].sum_ns = 100000;
	}
	strcpy(v[0].vdev, "xvda");
	strcpy(v[0].target, "file:/tmp/\xff\"x\n.img");
	strcpy(v[1].protocol, "x86_64-abi");
	*ret = v;
	*ret_n = 2;
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

int xsp_inspect_capture(struct xsp_daemon *d, uint32_t domid, uint32_t devid, const char *to,
			uint32_t snaplen)
{
	(void)d;
	(void)to;
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
	struct xsp_ring_snap *r;

	(void)d;
	(void)queue;
	if (devid != 51712)
		return -ENOENT;
	if (domid == 2)
		return -ENOTCONN;
	if (domid == 3)
		return -ETIMEDOUT;
	r = calloc(1, sizeof(*r));
	r->size = 32;
	r->req_prod = 7;
	r->ring_ref[0] = 8;
	r->n_inflight = 1;
	r->inflight[0].req.op = XSP_BLK_WRITE;
	r->inflight[0].req.nr_segs = 200; /* a lie of the guest's */
	r->inflight[0].req.id = UINT64_MAX;
	*ret = r;
	return 0;
}

int xsp_resize(struct xsp_daemon *d, struct xsp_resize *r)
{
	(void)d;
	if (strcmp(r->device, "vbd/1/51712"))
		return -ENOENT;
	r->before = 4096;
	r->now = r->have_size ? r->size_bytes : 8192;
	r->begun = r->now != r->before;
	return r->now % 512 ? -EINVAL : 0;
}

int xsp_steer_list(struct xsp_daemon *d, struct xsp_workers_snap *s)
{
	(void)d;
	*s = (struct xsp_workers_snap){.n_workers = 2, .n_queues = 1};
	s->worker = calloc(2, sizeof(*s->worker));
	s->queue = calloc(1, sizeof(*s->queue));
	s->worker[1].index = s->queue[0].worker = 1;
	s->worker[1].polling = (struct xsp_polling){XSP_POLL_ALWAYS, 50, 90};
	strcpy(s->queue[0].device, "vbd/1/51712");
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
	if (strcmp(m->device, "vbd/1/51712"))
		return -ENOENT;
	return m->worker > 1 || m->queue > 0 ? -ERANGE : 0;
}

int xsp_steer_set(struct xsp_daemon *d, uint32_t worker, const struct xsp_worker_wish *wish)
{
	(void)d;
	if (wish->cpus && strcmp(wish->cpus, "0"))
		return -EINVAL;
	return worker > 1 ? -ERANGE : 0;
}
