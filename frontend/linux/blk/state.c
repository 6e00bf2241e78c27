/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What common/xenbus/fsm.h says is to be done, is done here. Three things are ours:
 *
 *   - a backend that broke the protocol is left in order (5, 6) and connected again, as after kexec;
 *     what was under way is asked again. One that does it too often is given up.
 *   - a backend that closes serves the disk until dirty pages are written, for ten seconds; then what
 *     is left fails. Nothing waits for a backend without a bound.
 *   - after a guest came back from a save the connection is made anew; requests only take longer.
 */
#include <linux/delay.h>

#include "frontend/linux/blk/xblk.h"
#include "frontend/linux/blk/trace.h"

#define MAX_STEPS 16 /* in one go; the state machine needs four */

/* While there is no connection, blk-mq keeps requests to itself. */
static void hold(struct xblk *d)
{
	if (!d->disk || d->quiesced)
		return;
	blk_mq_quiesce_queue(d->disk->queue);
	d->quiesced = true;
}

static void unhold(struct xblk *d)
{
	if (!d->quiesced)
		return;
	d->quiesced = false;
	blk_mq_unquiesce_queue(d->disk->queue);
	blk_mq_kick_requeue_list(d->disk->queue);
}

static void set_deadline(struct xblk *d, unsigned long from_now)
{
	d->deadline_at = from_now ? (jiffies + from_now) | 1 : 0;
	if (from_now)
		mod_delayed_work(xblk_wq, &d->deadline, from_now);
}

static bool too_late(const struct xblk *d)
{
	return d->deadline_at && time_after_eq(jiffies, d->deadline_at);
}

void xblk_deadline_work(struct work_struct *w)
{
	queue_work(xblk_wq, &container_of(to_delayed_work(w), struct xblk, deadline)->advance);
}

static void stop_queues(struct xblk *d)
{
	for (unsigned int i = 0; i < d->n_queues; i++)
		xblk_queue_stop(&d->queue[i]);
}

/* Rings, pages and ports go; requests wait for the next connection, or fail if there is none. */
void xblk_forget_connection(struct xblk *d)
{
	hold(d);
	stop_queues(d);
	for (unsigned int i = 0; i < d->n_queues; i++)
		xblk_queue_drop(&d->queue[i]);
	d->connected = false;
	d->linger = false;
	clear_bit(0, &d->broken);
	if (d->dead)
		unhold(d);
}

/* What is under way fails, and whatever comes; then the gendisk goes. */
static void lose_disk(struct xblk *d)
{
	WRITE_ONCE(d->dead, true);
	xblk_forget_connection(d);
	d->disk_wanted = false;
	d->ready = true;
	queue_work(xblk_wq, &d->disk_work);
}

void xblk_give_up(struct xblk *d, const char *why)
{
	dev_err(&d->xb->dev, "%s; the disk is closed\n", why);
	d->why = why;
	d->want = false;
	d->recover = false;
	set_deadline(d, 0);
	lose_disk(d);
}

static void set_state(struct xblk *d, enum xsp_xenbus_state next)
{
	if (next == XSP_XB_UNKNOWN)
		return;
	if (next == XSP_XB_CLOSED)
		xenbus_frontend_closed(d->xb);
	else
		xenbus_switch_state(d->xb, (enum xenbus_state)next);
}

/* --- connecting -------------------------------------------------------------------------------- */

/* How many rings, and how large. A disk keeps its blk-mq queues: several may then share a ring. */
static void choose_shape(struct xblk *d)
{
	unsigned int most = d->offer.max_queues;

	d->order = min(xblk_want_order(), d->offer.max_order);
	if (!d->disk) {
		d->n_poll = min(xblk_want_polled(), most - 1);
		d->n_hctx = min(xblk_want_queues() + d->n_poll, most);
	}
	d->n_queues = min(d->n_hctx, most);
	for (unsigned int i = 0; i < d->n_queues; i++)
		d->queue[i].poll_only = d->n_queues == d->n_hctx && i >= d->n_hctx - d->n_poll;
}

static int publish(struct xblk *d)
{
	int error = xblk_keys_offer(d) ?: xblk_keys_dialect(d);
	unsigned int made = 0;

	if (error)
		return error;
	d->trusted = xblk_keys_trusted(d);
	d->life++;
	choose_shape(d);
	for (; made < d->n_queues && !error; made += !error)
		error = xblk_queue_make(&d->queue[made]);
	if (!error)
		error = xblk_keys_publish(d);
	if (error)
		while (made)
			xblk_queue_drop(&d->queue[--made]);
	return error;
}

static int connect_disk(struct xblk *d)
{
	struct xsp_blk_disk k;
	int error = xblk_keys_disk(d, &k);

	if (error)
		return error;
	d->disk_keys = k;
	d->shifts = xsp_blk_dialect_shifts(d->dialect, k.sector_size);
	d->bounce = !d->trusted || (k.persistent && xblk_want_persistent());
	d->max_segs = max(min(xblk_want_segs(), d->offer.max_indirect), XSP_BLK_SEGS);
	if (d->disk) {
		xblk_limits_apply(d);
		xblk_disk_resize(d);
	}
	for (unsigned int i = 0; i < d->n_queues; i++)
		xblk_queue_start(&d->queue[i]);
	return 0;
}

/* --- one step ---------------------------------------------------------------------------------- */

/* A ring is broken: leave in order and come back, unless that is all that ever happens. */
static void recover(struct xblk *d)
{
	const char *what = "a broken ring";

	for (unsigned int i = 0; i < d->n_queues; i++)
		if (d->queue[i].q.broken)
			what = d->queue[i].q.broken;
	if (!d->breaks || time_after(jiffies, d->first_break + XBLK_BREAKS_IN)) {
		d->first_break = jiffies;
		d->breaks = 0;
	}
	if (++d->breaks > XBLK_BREAKS) {
		xblk_give_up(d, what);
		return;
	}
	dev_err(&d->xb->dev, "the backend sent %s; connecting again\n", what);
	hold(d);
	stop_queues(d);
	d->recover = true;
	set_state(d, XSP_XB_CLOSING);
	set_deadline(d, XBLK_PATIENCE);
}

/* The connection ends. False: something has to happen first, and will call again. */
static bool disconnect(struct xblk *d, const struct xsp_xenbus_front_in *in,
		       const struct xsp_xenbus_verdict *v)
{
	if (v->next == XSP_XB_INITIALISING || d->recover) {
		xblk_forget_connection(d);
		set_state(d, v->next);
		return true;
	}
	d->why = v->why;
	if (in->me == XSP_XB_CLOSING)
		d->want = false; /* the bus closes us: the machine goes down */
	if (d->disk) {
		d->disk_wanted = false;
		if (in->peer != XSP_XB_CLOSING || in->me == XSP_XB_CLOSING || too_late(d)) {
			lose_disk(d);
			return true;
		}
		if (!d->deadline_at)
			set_deadline(d, XBLK_PATIENCE);
		queue_work(xblk_wq, &d->disk_work);
		return false;
	}
	if (in->peer == XSP_XB_CLOSING && in->me != XSP_XB_CLOSING) {
		stop_queues(d);
		d->linger = true;
		set_deadline(d, XBLK_PATIENCE);
	} else {
		set_deadline(d, 0);
		xblk_forget_connection(d);
	}
	set_state(d, v->next);
	return true;
}

/*
 * We are closed, the backend is about to be: it unmaps our pages now, and a grant that is ended
 * before takes the kernel long to get rid of. True while it is to be waited for.
 */
static bool lingers(struct xblk *d)
{
	if (!d->linger)
		return false;
	if (xenbus_read_driver_state(d->xb->otherend) == XenbusStateClosing && !too_late(d))
		return true;
	set_deadline(d, 0);
	xblk_forget_connection(d);
	return false;
}

static bool act(struct xblk *d, const struct xsp_xenbus_front_in *in,
		const struct xsp_xenbus_verdict *v)
{
	switch (v->act) {
	case XSP_XB_SET_STATE:
		set_state(d, v->next);
		return true;
	case XSP_XB_PUBLISH:
		if (d->disk && !d->disk_wanted)
			return false; /* the old disk first; its going calls again */
		WRITE_ONCE(d->dead, false);
		if (publish(d)) {
			xblk_give_up(d, "can't set up the rings");
			return false;
		}
		d->connected = true;
		set_state(d, v->next);
		return true;
	case XSP_XB_CONNECT:
		if (connect_disk(d)) {
			xblk_give_up(d, "the backend does not say what the disk is");
			return true;
		}
		set_state(d, v->next);
		d->recover = false;
		d->why = NULL;
		set_deadline(d, 0);
		unhold(d);
		d->disk_wanted = !d->leaving;
		queue_work(xblk_wq, &d->disk_work);
		return true;
	case XSP_XB_DISCONNECT:
		return disconnect(d, in, v);
	case XSP_XB_ERROR:
		d->why = v->why;
		d->recover = false;
		if (d->disk || d->connected)
			lose_disk(d);
		d->ready = true;
		return false;
	default:
		if (d->connected && in->me == XSP_XB_CONNECTED && in->peer == XSP_XB_CONNECTED)
			xblk_disk_resize(d);
		return false;
	}
}

static void look(struct xblk *d, struct xsp_xenbus_front_in *in)
{
	enum xenbus_state peer = xenbus_read_driver_state(d->xb->otherend);

	in->me = (enum xsp_xenbus_state)d->xb->state;
	in->peer = peer <= XenbusStateReconfigured ? (enum xsp_xenbus_state)peer : XSP_XB_UNKNOWN;
	in->want = d->want;
	in->connected = d->connected;
	in->online = xenbus_read_unsigned(d->xb->otherend, "online", 1);
	in->peer_gone = in->peer == XSP_XB_UNKNOWN && !xenbus_exists(XBT_NIL, d->xb->otherend, "");
}

/* Everything that the store's present contents ask for. xblk.lock held; may sleep, not for I/O. */
void xblk_advance(struct xblk *d)
{
	if (test_bit(0, &d->broken) && d->connected && !d->recover && d->want)
		recover(d);
	if (d->recover && too_late(d))
		xblk_give_up(d, "the backend does not let go");
	for (int steps = 0; steps < MAX_STEPS && !lingers(d); steps++) {
		struct xsp_xenbus_front_in in;
		struct xsp_xenbus_verdict v;

		look(d, &in);
		v = xsp_xenbus_front(&in);
		trace_xblk_state(d->devid, in.me, in.peer, v.act, v.next);
		if (!act(d, &in, &v))
			return;
	}
}

void xblk_advance_work(struct work_struct *w)
{
	struct xblk *d = container_of(w, struct xblk, advance);

	mutex_lock(&d->lock);
	xblk_advance(d);
	mutex_unlock(&d->lock);
}

/* --- the end ----------------------------------------------------------------------------------- */

static bool disk_gone(struct xblk *d)
{
	return !d->disk;
}

static bool closed(struct xblk *d)
{
	if (d->want) {
		d->want = false;
		d->recover = false;
	}
	xblk_advance(d);
	return !d->connected && !d->disk &&
	       (d->xb->state == XenbusStateClosed || d->xb->state == XenbusStateUnknown ||
		d->xb->state == XenbusStateInitialising);
}

static bool await(struct xblk *d, bool (*done)(struct xblk *d), unsigned long time)
{
	unsigned long by = jiffies + time;
	bool good;

	for (;;) {
		mutex_lock(&d->lock);
		good = done(d);
		mutex_unlock(&d->lock);
		if (good || time_after(jiffies, by))
			return good;
		msleep(10);
	}
}

/*
 * The driver lets go of the device. First the disk, while the backend still serves it, then the
 * connection; both within a bound. XenBus's thread may be the caller, so the store is asked, not
 * waited for.
 */
void xblk_close(struct xblk *d)
{
	mutex_lock(&d->lock);
	d->leaving = true;
	d->disk_wanted = false;
	if (!d->connected || d->recover || xenbus_read_driver_state(d->xb->otherend) != XenbusStateConnected)
		lose_disk(d);
	mutex_unlock(&d->lock);
	queue_work(xblk_wq, &d->disk_work);
	if (!await(d, disk_gone, XBLK_PATIENCE)) {
		mutex_lock(&d->lock);
		lose_disk(d);
		mutex_unlock(&d->lock);
		flush_work(&d->disk_work);
	}
	if (!await(d, closed, XBLK_PATIENCE)) {
		dev_warn(&d->xb->dev, "the backend does not close\n");
		mutex_lock(&d->lock);
		lose_disk(d);
		mutex_unlock(&d->lock);
	}
	flush_work(&d->disk_work); /* the last it does is to queue `advance` */
	cancel_work_sync(&d->advance);
	cancel_delayed_work_sync(&d->deadline);
	cancel_work_sync(&d->advance);
}
