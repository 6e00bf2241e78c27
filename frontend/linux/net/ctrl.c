/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The control ring: static grants for all pages that packets are copied through, so that none of them
 * costs the backend a grant call, and hashing of received packets over the queues. The backend may
 * refuse any of it; the NIC works without. One request at a time, each waited for a second at most:
 * a backend that doesn't answer costs that once. If it does later (its daemon was restarted just then),
 * it is told everything again.
 *
 * Called by `advance` with xdev.lock held; the queues may be running.
 *
 * Source: xen/include/public/io/netif.h "Control messages".
 */
#include <linux/interrupt.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/page.h>

#include "frontend/linux/net/xnet.h"

#define ANSWER (1 * HZ)
#define AGAIN  (1 * HZ)

/*
 * An event that no request of ours has called for: the backend's daemon was restarted and may have
 * forgotten what it was told. It is told again; until then the event is not acknowledged, so that
 * this happens once a second at most.
 */
static irqreturn_t event(int irq, void *arg)
{
	struct xnet_ctrl *c = arg;

	WRITE_ONCE(c->event, true);
	if (READ_ONCE(c->asking))
		wake_up(&c->answered);
	else
		queue_delayed_work(xdev_wq, &c->d->ctrl_again, AGAIN);
	return IRQ_HANDLED;
}

static void acknowledge(struct xnet_ctrl *c)
{
	if (!c->event)
		return;
	WRITE_ONCE(c->event, false);
	xen_irq_lateeoi(c->irq, 0);
}

int xnet_ctrl_make(struct xnet *d)
{
	struct xnet_ctrl *c = &d->ctrl;
	int error;

	c->d = d;
	c->event = c->asking = false;
	error = xenbus_setup_ring(d->base.xb, GFP_KERNEL, &c->ring, 1, &c->ring_ref);
	if (!error)
		error = xenbus_setup_ring(d->base.xb, GFP_KERNEL, &c->data, 1, &c->data_ref);
	if (!error)
		error = xenbus_alloc_evtchn(d->base.xb, &c->port);
	if (error)
		goto undo;
	xsp_netfront_ctrl_init(&c->q, c->ring);
	snprintf(c->irq_name, sizeof(c->irq_name), "vif-%u-ctrl", d->base.devid);
	error = bind_evtchn_to_irqhandler_lateeoi(c->port, event, 0, c->irq_name, c);
	if (error < 0) {
		xenbus_free_evtchn(d->base.xb, c->port);
		goto undo;
	}
	c->irq = error;
	return 0;
undo:
	xnet_ctrl_drop(d);
	return error;
}

void xnet_ctrl_drop(struct xnet *d)
{
	struct xnet_ctrl *c = &d->ctrl;

	if (c->irq > 0)
		unbind_from_irqhandler(c->irq, c);
	c->irq = 0;
	if (c->ring)
		xenbus_teardown_ring(&c->ring, 1, &c->ring_ref);
	if (c->data)
		xenbus_teardown_ring(&c->data, 1, &c->data_ref);
	c->ring = c->data = NULL;
	d->statics = 0;
	d->hashed = false;
}

/* Asks and waits. Returns the backend's status, or -errno; -EBUSY: it still owes an answer. */
static int ask(struct xnet *d, u16 type, u32 a, u32 b, u32 c, u32 *ret)
{
	const u32 data[3] = { a, b, c };
	struct xnet_ctrl *ctrl = &d->ctrl;
	struct xsp_net_ctrl_rsp rsp = { 0 };
	unsigned long by = jiffies + ANSWER;
	int r;

	WRITE_ONCE(ctrl->asking, true);
	r = xsp_netfront_ctrl_ask(&ctrl->q, type, data);
	if (r > 0)
		notify_remote_via_irq(ctrl->irq);
	while (r >= 0) {
		acknowledge(ctrl);
		r = xsp_netfront_ctrl_answer(&ctrl->q, &rsp);
		if (r)
			break;
		if (time_after(jiffies, by)) {
			r = -ETIMEDOUT;
			break;
		}
		wait_event_timeout(ctrl->answered, READ_ONCE(ctrl->event), HZ / 10);
	}
	WRITE_ONCE(ctrl->asking, false);
	if (r < 0)
		return r;
	if (ret)
		*ret = rsp.data;
	return rsp.status <= XSP_NET_CTRL_BUFFER_OVERFLOW ? (int)rsp.status : -EPROTO;
}

/* --- static grants ----------------------------------------------------------------------------- */

/* Of one queue: as many as the backend keeps, what is sent first. */
static int add_grants(struct xnet *d, unsigned int index)
{
	struct xnet_queue *u = &d->queue[index];
	struct xsp_net_gref *list = d->ctrl.data;
	u32 max, n = 0;
	int r = ask(d, XSP_NET_CTRL_GET_GREF_MAPPING_SIZE, index, 0, 0, &max);

	if (r)
		return r;
	max = min(max, XSP_NET_GREFS_PER_PAGE);
	if (!max)
		return 0;
	if (!d->base.up && !xnet_tx_own_all(u) && !xnet_rx_own_all(u))
		u->keep = u->listed = true;
	for (unsigned int i = 0; u->listed && i < XSP_NET_TX_SLOTS && n < max; i++)
		list[n++] = (struct xsp_net_gref){ .ref = u->piece[i].own_ref,
						   .flags = XSP_NET_GREF_READONLY };
	for (unsigned int i = 0; u->listed && i < XSP_NET_RX_SLOTS && n < max; i++)
		list[n++] = (struct xsp_net_gref){ .ref = u->buf[i].ref };
	if (!n)
		return 0;
	r = ask(d, XSP_NET_CTRL_ADD_GREF_MAPPING, index, d->ctrl.data_ref, n, NULL);
	if (!r)
		d->statics += n;
	else if (!d->base.up && r != -ETIMEDOUT) /* then pages of packets are granted as they come */
		u->keep = u->listed = !d->base.trusted;
	return r;
}

static void statics(struct xnet *d)
{
	u32 before = d->statics;
	int r = 0;

	d->statics = 0;
	for (unsigned int q = 0; q < d->n_queues && !r; q++)
		r = add_grants(d, q);
	if (r == XSP_NET_CTRL_INVALID_PARAMETER || r < 0)
		d->statics = max(before, d->statics); /* it has them still, or will say so */
}

/* --- hashing ----------------------------------------------------------------------------------- */

/* Which queue a hash goes to. */
static int map_queues(struct xnet *d)
{
	u32 *map = d->ctrl.data, size;
	int r = ask(d, XSP_NET_CTRL_GET_HASH_MAPPING_SIZE, 0, 0, 0, &size);

	if (r || !size) /* none: by modulo, which is the same */
		return r;
	size = min(size, XNET_HASH_MAP);
	for (u32 i = 0; i < size; i++)
		map[i] = xnet_rss_queue(d, i);
	r = ask(d, XSP_NET_CTRL_SET_HASH_MAPPING_SIZE, size, 0, 0, NULL);
	return r ? r : ask(d, XSP_NET_CTRL_SET_HASH_MAPPING, d->ctrl.data_ref, size, 0, NULL);
}

static int hash(struct xnet *d)
{
	u32 types;
	int r = ask(d, XSP_NET_CTRL_SET_HASH_ALGORITHM, XSP_NET_HASH_TOEPLITZ, 0, 0, NULL);

	if (!r)
		r = ask(d, XSP_NET_CTRL_GET_HASH_FLAGS, 0, 0, 0, &types);
	if (r)
		return r;
	types &= XSP_NET_HASH_IPV4 | XSP_NET_HASH_IPV4_TCP | XSP_NET_HASH_IPV6 | XSP_NET_HASH_IPV6_TCP;
	memcpy(d->ctrl.data, d->rss.key, XNET_HASH_KEY);
	r = ask(d, XSP_NET_CTRL_SET_HASH_KEY, d->ctrl.data_ref, XNET_HASH_KEY, 0, NULL);
	if (!r)
		r = map_queues(d);
	return r ? r : ask(d, XSP_NET_CTRL_SET_HASH_FLAGS, types, 0, 0, NULL);
}

/* --- all of it --------------------------------------------------------------------------------- */

/* A request that nobody waits for any more has no answer yet. If it has, it is forgotten. */
static bool owing(struct xnet_ctrl *c)
{
	struct xsp_net_ctrl_rsp rsp;

	return c->q.busy && xsp_netfront_ctrl_answer(&c->q, &rsp) <= 0;
}

/* The backend is connected, or may have forgotten, or ethtool has set another hash. */
void xnet_ctrl_setup(struct xnet *d)
{
	struct xnet_ctrl *c = &d->ctrl;

	if (!c->irq)
		return;
	cancel_delayed_work(&d->ctrl_again);
	WRITE_ONCE(d->tell, false);
	if (!owing(c) && xnet_want_statics())
		statics(d);
	if (!c->q.busy && d->n_queues > 1)
		d->hashed = !hash(d);
	if (c->q.busy) {
		dev_warn_once(&d->base.xb->dev, "a control request was not answered\n");
		if (READ_ONCE(c->event)) /* it has just been */
			queue_delayed_work(xdev_wq, &d->ctrl_again, AGAIN);
	}
	acknowledge(c);
	if (c->q.broken)
		xnet_broken(&d->queue[0], c->q.broken);
}
