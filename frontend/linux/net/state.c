/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What common/xenbus/fsm.h says is to be done, is done here. Four things are ours:
 *
 *   - a vif has no state 3: with the rings we write 4, and are connected when the backend is, too;
 *   - a backend that broke the protocol is left in order (5, 6) and connected again. One that does it
 *     too often is given up. The interface stays, without a carrier;
 *   - the same way is taken when ethtool asks for another number of queues;
 *   - after a guest came back from a save the connection is made anew; then the neighbours are told
 *     where we are now.
 */
#include <linux/delay.h>
#include <linux/rtnetlink.h>

#include "frontend/linux/net/xnet.h"
#include "frontend/linux/net/trace.h"

#define MAX_STEPS 16 /* in one go; the state machine needs four */

static void set_deadline(struct xnet *d, unsigned long from_now)
{
	d->deadline_at = from_now ? (jiffies + from_now) | 1 : 0;
	if (from_now)
		mod_delayed_work(xnet_wq, &d->deadline, from_now);
}

static bool too_late(const struct xnet *d)
{
	return d->deadline_at && time_after_eq(jiffies, d->deadline_at);
}

void xnet_deadline_work(struct work_struct *w)
{
	queue_work(xnet_wq, &container_of(to_delayed_work(w), struct xnet, deadline)->advance);
}

/* The backend may have forgotten what it was told over the control ring. */
void xnet_ctrl_work(struct work_struct *w)
{
	struct xnet *d = container_of(to_delayed_work(w), struct xnet, ctrl_again);

	WRITE_ONCE(d->tell, true);
	queue_work(xnet_wq, &d->advance);
}

/* A ring can't be believed any more. Any context. */
void xnet_broken(struct xnet_queue *u, const char *how)
{
	if (!u->broken)
		u->broken = how;
	if (!test_and_set_bit(0, &u->d->broken))
		queue_work(xnet_wq, &u->d->advance);
}

/* No packet goes in or out any more; the rings stay. */
static void stop_queues(struct xnet *d)
{
	d->up = false;
	netif_carrier_off(d->dev);
	netif_tx_disable(d->dev);
	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_stop(&d->queue[i]);
}

/* Rings, pages and ports go; packets that were under way are lost. */
void xnet_forget_connection(struct xnet *d)
{
	stop_queues(d);
	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_drop(&d->queue[i]);
	xnet_ctrl_drop(d);
	d->connected = false;
	d->linger = false;
	clear_bit(0, &d->broken);
}

static void give_up(struct xnet *d, const char *why)
{
	dev_err(&d->xb->dev, "%s; the NIC is closed\n", why);
	d->why = why;
	d->want = false;
	d->recover = false;
	d->ready = true;
	set_deadline(d, 0);
	xnet_forget_connection(d);
}

static void set_state(struct xnet *d, enum xsp_xenbus_state next)
{
	if (next == XSP_XB_UNKNOWN)
		return;
	if (next == XSP_XB_CLOSED)
		xenbus_frontend_closed(d->xb);
	else
		xenbus_switch_state(d->xb, (enum xenbus_state)next);
}

/* --- connecting -------------------------------------------------------------------------------- */

static int publish(struct xnet *d)
{
	int error = xnet_keys_offer(d);
	unsigned int made = 0;
	bool xdp;

	if (error)
		return error;
	d->trusted = xnet_keys_trusted(d);
	d->split = d->offer.split;
	WRITE_ONCE(d->reshape, false); /* what is asked for from now on takes another connection */
	d->n_queues = min(READ_ONCE(d->want_queues), d->offer.max_queues);
	xdp = rcu_access_pointer(d->prog);
	d->params = (struct xsp_net_params){
		.sg = true,
		.csum4 = true,
		.csum6 = true,
		.gso4 = !xdp,
		.gso6 = !xdp,
		.xdp_headroom = xdp && d->offer.xdp_headroom ? XDP_PACKET_HEADROOM : 0,
	};
	d->life++;
	if (d->offer.ctrl && (xnet_want_statics() || d->n_queues > 1))
		error = xnet_ctrl_make(d);
	for (; made < d->n_queues && !error; made += !error)
		error = xnet_queue_make(&d->queue[made]);
	if (!error)
		error = xnet_keys_publish(d);
	if (!error)
		return 0;
	while (made)
		xnet_queue_drop(&d->queue[--made]);
	xnet_ctrl_drop(d);
	return error;
}

static void look_at_link(struct xnet *d)
{
	bool link = xnet_keys_link(d);

	d->link = link;
	if (link)
		netif_carrier_on(d->dev);
	else
		netif_carrier_off(d->dev);
}

static void connected(struct xnet *d)
{
	bool again = d->life > 1;

	rtnl_lock();
	if (d->dev->reg_state != NETREG_REGISTERED) { /* it is being removed */
		rtnl_unlock();
		return;
	}
	netif_set_real_num_tx_queues(d->dev, d->n_queues);
	netif_set_real_num_rx_queues(d->dev, d->n_queues);
	xnet_netdev_agreed(d);
	rtnl_unlock();
	xnet_ctrl_setup(d); /* before a page is posted: static grants change how */
	d->up = true;
	d->recover = false;
	d->ready = true;
	set_deadline(d, 0);
	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_start(&d->queue[i]);
	xnet_keys_watch_link(d);
	look_at_link(d);
	netif_tx_wake_all_queues(d->dev);
	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_kick(&d->queue[i]);
	if (again)
		netdev_notify_peers(d->dev);
	dev_info(&d->xb->dev, "%s: %u queues, %s event channels, %s%s%s%s\n", netdev_name(d->dev),
		 d->n_queues, d->split ? "split" : "shared",
		 d->statics ? "static grants" :
		 d->trusted ? "grants for each packet" : "bounced (not trusted)",
		 d->offer.sg ? ", sg" : "", d->offer.csum4 ? ", checksums" : "",
		 d->offer.gso4 ? ", tso" : "");
}

/* --- one step ---------------------------------------------------------------------------------- */

/* Leaves the backend in order, to come back. */
static void leave(struct xnet *d)
{
	stop_queues(d);
	d->recover = true;
	set_state(d, XSP_XB_CLOSING);
	set_deadline(d, XNET_PATIENCE);
}

/* A ring is broken: leave in order and come back, unless that is all that ever happens. */
static void recover(struct xnet *d)
{
	const char *what = "a broken ring";

	for (unsigned int i = 0; i < d->n_queues; i++)
		if (d->queue[i].broken)
			what = d->queue[i].broken;
	if (!d->breaks || time_after(jiffies, d->first_break + XNET_BREAKS_IN)) {
		d->first_break = jiffies;
		d->breaks = 0;
	}
	if (++d->breaks > XNET_BREAKS) {
		give_up(d, what);
		return;
	}
	dev_err(&d->xb->dev, "the backend sent %s; connecting again\n", what);
	d->why = what;
	leave(d);
}

/* The rings are to have another shape. Any context that may sleep or not; it happens soon. */
void xnet_reshape(struct xnet *d)
{
	WRITE_ONCE(d->reshape, true);
	queue_work(xnet_wq, &d->advance);
}

static bool disconnect(struct xnet *d, const struct xsp_xenbus_front_in *in,
		       const struct xsp_xenbus_verdict *v)
{
	if (d->recover) {
		d->recover = false; /* from here on it is as at the beginning, however long that takes */
	} else {
		d->why = v->why;
		if (in->me == XSP_XB_CLOSING)
			d->want = false; /* the bus closes us: the machine goes down */
	}
	if (in->peer == XSP_XB_CLOSING && d->up) {
		stop_queues(d);
		d->linger = true;
		set_deadline(d, XNET_PATIENCE);
	} else {
		set_deadline(d, 0);
		xnet_forget_connection(d);
	}
	set_state(d, v->next);
	return true;
}

/*
 * We are closed, the backend is about to be: it unmaps our pages now, and a grant that is ended
 * before takes the kernel long to get rid of. True while it is to be waited for.
 */
static bool lingers(struct xnet *d)
{
	if (!d->linger)
		return false;
	if (xenbus_read_driver_state(d->xb->otherend) == XenbusStateClosing && !too_late(d))
		return true;
	set_deadline(d, 0);
	xnet_forget_connection(d);
	return false;
}

static bool act(struct xnet *d, const struct xsp_xenbus_front_in *in,
		const struct xsp_xenbus_verdict *v)
{
	switch (v->act) {
	case XSP_XB_SET_STATE:
		set_state(d, v->next);
		return true;
	case XSP_XB_PUBLISH:
		if (publish(d)) {
			give_up(d, "can't set up the rings");
			return false;
		}
		d->connected = true;
		set_state(d, XSP_XB_CONNECTED); /* a vif has no 3 */
		return true;
	case XSP_XB_CONNECT: /* our state is 4 already */
		connected(d);
		return true;
	case XSP_XB_DISCONNECT:
		return disconnect(d, in, v);
	case XSP_XB_ERROR:
		d->why = v->why;
		d->recover = false;
		if (d->connected)
			xnet_forget_connection(d);
		d->ready = true;
		return false;
	default:
		if (d->up)
			look_at_link(d);
		return false;
	}
}

static void look(struct xnet *d, struct xsp_xenbus_front_in *in)
{
	enum xenbus_state peer = xenbus_read_driver_state(d->xb->otherend);

	in->me = (enum xsp_xenbus_state)d->xb->state;
	if (in->me == XSP_XB_CONNECTED && d->connected && !d->up)
		in->me = XSP_XB_INITIALISED; /* 4 is written early */
	in->peer = peer <= XenbusStateReconfigured ? (enum xsp_xenbus_state)peer : XSP_XB_UNKNOWN;
	in->want = d->want;
	in->connected = d->connected;
	in->online = xenbus_read_unsigned(d->xb->otherend, "online", 1);
	in->peer_gone = in->peer == XSP_XB_UNKNOWN && !xenbus_exists(XBT_NIL, d->xb->otherend, "");
}

/* Everything that the store's present contents ask for. xnet.lock held; may sleep. */
static void advance(struct xnet *d)
{
	if (d->up && d->want && !d->recover) {
		if (test_bit(0, &d->broken))
			recover(d);
		else if (READ_ONCE(d->reshape))
			leave(d);
		else if (READ_ONCE(d->tell))
			xnet_ctrl_setup(d);
	}
	if (d->recover && too_late(d))
		give_up(d, "the backend does not let go");
	for (int steps = 0; steps < MAX_STEPS && !lingers(d); steps++) {
		struct xsp_xenbus_front_in in;
		struct xsp_xenbus_verdict v;

		look(d, &in);
		v = xsp_xenbus_front(&in);
		trace_xnet_state(d->devid, in.me, in.peer, v.act, v.next);
		if (!act(d, &in, &v))
			return;
	}
}

void xnet_advance_work(struct work_struct *w)
{
	struct xnet *d = container_of(w, struct xnet, advance);

	mutex_lock(&d->lock);
	advance(d);
	mutex_unlock(&d->lock);
}

/* --- the end ----------------------------------------------------------------------------------- */

static bool closed(struct xnet *d)
{
	bool good;

	mutex_lock(&d->lock);
	d->want = false;
	d->recover = false;
	advance(d);
	good = !d->connected &&
	       (d->xb->state == XenbusStateClosed || d->xb->state == XenbusStateUnknown ||
		d->xb->state == XenbusStateInitialising);
	mutex_unlock(&d->lock);
	return good;
}

/*
 * The driver lets go of the device; the interface is gone already. XenBus's thread may be the caller,
 * so the store is asked, not waited for, and not for ever.
 */
void xnet_close(struct xnet *d)
{
	unsigned long by = jiffies + XNET_PATIENCE;

	while (!closed(d)) {
		if (time_after(jiffies, by)) {
			dev_warn(&d->xb->dev, "the backend does not close\n");
			break;
		}
		msleep(10);
	}
	mutex_lock(&d->lock);
	if (d->connected)
		xnet_forget_connection(d);
	mutex_unlock(&d->lock);
	/* no event comes any more that could have one of these done */
	cancel_delayed_work_sync(&d->ctrl_again);
	cancel_work_sync(&d->advance);
	cancel_delayed_work_sync(&d->deadline);
	cancel_work_sync(&d->advance);
}
