/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * One queue of a NIC: two rings with their event channels, and the NAPI poll that serves both. What
 * the backend answers is judged by frontend/core; the first answer that makes no sense stops the
 * queue and has the connection made anew (state.c).
 *
 * An event is acknowledged only when the poll has found nothing more (late EOI), and one that brought
 * nothing is reported as spurious: Xen's event code then delays the next one, so that a backend can't
 * keep a processor busy by sending events. What brought something is counted for each direction by
 * itself, as an event may come after the poll has seen what it was sent for.
 *
 * NAPI runs as long as the rings are in use, whether the interface is up or not: packets that were
 * sent come back, and those received meanwhile are dropped and their pages not posted again.
 */
#include <linux/interrupt.h>
#include <xen/events.h>

#include "frontend/linux/net/xnet.h"

#define TX 0
#define RX 1

/* The memory of a guest that came back from a save may hold answers without their data. */
bool xnet_queue_usable(const struct xnet_queue *u)
{
	return u->live && u->resumes == atomic_read(&xdev_resumes);
}

/* --- events ------------------------------------------------------------------------------------ */

static irqreturn_t event(int irq, void *arg)
{
	struct xnet_queue *u = arg;

	u->count.events++;
	if (!READ_ONCE(u->live)) {
		xen_irq_lateeoi(irq, 0);
		return IRQ_HANDLED;
	}
	set_bit(irq == u->irq[TX] ? TX : RX, &u->eoi);
	napi_schedule(&u->napi);
	return IRQ_HANDLED;
}

static void acknowledge(struct xnet_queue *u, int which)
{
	bool good = u->moved[which] || (!u->d->split && u->moved[RX]);

	if (!test_and_clear_bit(which, &u->eoi))
		return;
	u->moved[which] = false;
	if (!u->d->split)
		u->moved[RX] = false;
	u->count.spurious += !good;
	xen_irq_lateeoi(u->irq[which], good ? 0 : XEN_EOI_FLAG_SPURIOUS);
}

static int poll(struct napi_struct *napi, int budget)
{
	struct xnet_queue *u = container_of(napi, struct xnet_queue, napi);
	bool more = false;
	int n = 0;

	if (!xnet_queue_usable(u)) {
		napi_complete_done(napi, 0);
		return 0;
	}
	xnet_tx_clean(u, budget);
	if (!budget)
		return 0; /* netpoll: only what was sent */
	n = xnet_rx_take(u, budget);
	if (n < budget && !u->broken) {
		int r = xsp_netfront_rx_sleep(&u->rx);

		if (r < 0)
			xnet_broken(u, u->rx.broken);
		more = xnet_tx_sleep(u) || r > 0;
	}
	if (n >= budget || more)
		return budget;
	if (napi_complete_done(napi, n) && !u->broken) {
		acknowledge(u, TX);
		acknowledge(u, RX);
	}
	return n;
}

/* Something is to be looked at, without an event. May sleep or not, not from an interrupt. */
void xnet_queue_kick(struct xnet_queue *u)
{
	local_bh_disable();
	napi_schedule(&u->napi);
	local_bh_enable();
}

static void refill(struct timer_list *t)
{
	struct xnet_queue *u = container_of(t, struct xnet_queue, refill);

	napi_schedule(&u->napi);
}

/* --- life -------------------------------------------------------------------------------------- */

void xnet_queue_init(struct xnet *d, unsigned int index)
{
	struct xnet_queue *u = &d->queue[index];

	u->d = d;
	u->index = index;
	u->irq[TX] = u->irq[RX] = -1;
	u->tx_ring_ref = u->rx_ring_ref = INVALID_GRANT_REF;
	spin_lock_init(&u->tx_lock);
	timer_setup(&u->refill, refill, 0);
	netif_napi_add(d->dev, &u->napi, poll);
	snprintf(u->irq_name[TX], sizeof(u->irq_name[TX]), "vif-%u-q%u-tx", d->base.devid, index);
	snprintf(u->irq_name[RX], sizeof(u->irq_name[RX]), "vif-%u-q%u-rx", d->base.devid, index);
}

static int bind(struct xnet_queue *u, int which)
{
	int error = xenbus_alloc_evtchn(u->d->base.xb, &u->port[which]);

	if (error)
		return error;
	error = bind_evtchn_to_irqhandler_lateeoi(u->port[which], event, 0, u->irq_name[which], u);
	if (error < 0) {
		xenbus_free_evtchn(u->d->base.xb, u->port[which]);
		return error;
	}
	u->irq[which] = error;
	return 0;
}

/* Allocates, grants, binds. May sleep. 0 or -errno, with nothing left behind. */
int xnet_queue_make(struct xnet_queue *u)
{
	struct xnet *d = u->d;
	int error;

	u->resumes = atomic_read(&xdev_resumes);
	u->keep = !d->base.trusted;
	u->listed = false;
	u->broken = NULL;
	u->eoi = 0;
	u->moved[TX] = u->moved[RX] = false;
	u->xdp_sent = u->xdp_redirected = false;
	error = xenbus_setup_ring(d->base.xb, GFP_KERNEL, &u->tx_ring, 1, &u->tx_ring_ref);
	if (!error)
		error = xenbus_setup_ring(d->base.xb, GFP_KERNEL, &u->rx_ring, 1, &u->rx_ring_ref);
	if (!error)
		error = xnet_tx_make(u);
	if (!error)
		error = xnet_rx_make(u);
	if (!error)
		error = bind(u, TX);
	if (!error && d->split)
		error = bind(u, RX);
	if (error)
		xnet_queue_drop(u);
	return error;
}

void xnet_queue_start(struct xnet_queue *u)
{
	napi_enable(&u->napi);
	u->rx.xdp = u->d->params.xdp_headroom;
	spin_lock_irq(&u->tx_lock);
	u->live = true;
	spin_unlock_irq(&u->tx_lock);
}

/* From here on nothing is added to the rings and nothing taken from them. */
void xnet_queue_stop(struct xnet_queue *u)
{
	if (!u->live)
		return;
	spin_lock_irq(&u->tx_lock);
	u->live = false;
	spin_unlock_irq(&u->tx_lock);
	napi_disable(&u->napi);
	del_timer_sync(&u->refill);
}

/* Gives back everything that xnet_queue_make made, also when it made half. May sleep. */
void xnet_queue_drop(struct xnet_queue *u)
{
	xnet_queue_stop(u);
	for (int i = TX; i <= RX; i++) {
		if (u->irq[i] >= 0)
			unbind_from_irqhandler(u->irq[i], u);
		u->irq[i] = -1;
	}
	xnet_tx_drop(u);
	xnet_rx_drop(u);
	if (u->tx_ring)
		xenbus_teardown_ring(&u->tx_ring, 1, &u->tx_ring_ref);
	if (u->rx_ring)
		xenbus_teardown_ring(&u->rx_ring, 1, &u->rx_ring_ref);
	u->tx_ring = u->rx_ring = NULL;
}
