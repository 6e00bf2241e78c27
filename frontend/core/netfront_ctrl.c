/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The control ring of a NIC (netfront_ctrl.h). */
#include "frontend/core/netfront_ctrl.h"

void xsp_netfront_ctrl_init(struct xsp_netfront_ctrl *q, void *page)
{
	memset(q, 0, sizeof(*q));
	xsp_sring_init(page);
	xsp_ring_front_init(&q->ring, page, XSP_NET_CTRL_SLOTS);
}

static int broken(struct xsp_netfront_ctrl *q, const char *why)
{
	q->broken = why;
	return -EPROTO;
}

int xsp_netfront_ctrl_ask(struct xsp_netfront_ctrl *q, uint16_t type, const uint32_t data[3])
{
	struct xsp_net_ctrl_req req = { .type = type };

	if (q->broken)
		return -EPROTO;
	if (q->busy)
		return -EBUSY;
	memcpy(req.data, data, sizeof(req.data));
	req.id = ++q->id;
	q->type = type;
	q->busy = true;
	xsp_net_front_put_ctrl(&q->ring, &req);
	return xsp_ring_front_push(&q->ring);
}

int xsp_netfront_ctrl_answer(struct xsp_netfront_ctrl *q, struct xsp_net_ctrl_rsp *ret)
{
	struct xsp_net_ctrl_rsp rsp;
	int pending;

	if (q->broken)
		return -EPROTO;
	pending = xsp_ring_front_sleep(&q->ring);
	if (pending < 0)
		return broken(q, "more control responses than requests");
	if (!pending)
		return 0;
	xsp_net_front_take_ctrl(&q->ring, &rsp);
	if (!q->busy || rsp.id != q->id || rsp.type != q->type)
		return broken(q, "a control response to no request under way");
	q->busy = false;
	*ret = rsp;
	return 1;
}
