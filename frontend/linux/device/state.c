/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What common/xenbus/fsm.h says is to be done, is done here. Of all classes alike:
 *
 *   - a backend that broke the protocol is left in order (5, 6) and connected again, as after kexec.
 *     One that does it too often is given up;
 *   - a backend that closes serves on until the class has what it needs (dirty pages are written), for
 *     ten seconds. Nothing waits for a backend without a bound;
 *   - after a guest came back from a save the connection is made anew.
 */
#include <linux/delay.h>

#include "frontend/linux/device/device.h"

#define MAX_STEPS 16 /* in one go; the state machine needs four */

static void set_deadline(struct xdev *d, unsigned long from_now)
{
	d->deadline_at = from_now ? (jiffies + from_now) | 1 : 0;
	if (from_now)
		mod_delayed_work(xdev_wq, &d->deadline, from_now);
}

static bool too_late(const struct xdev *d)
{
	return d->deadline_at && time_after_eq(jiffies, d->deadline_at);
}

static void set_state(struct xdev *d, enum xsp_xenbus_state next)
{
	if (next == XSP_XB_UNKNOWN)
		return;
	if (next == XSP_XB_CLOSED)
		xenbus_frontend_closed(d->xb);
	else
		xenbus_switch_state(d->xb, (enum xenbus_state)next);
}

static void stop(struct xdev *d)
{
	WRITE_ONCE(d->up, false);
	d->class->stop(d);
}

/* A ring can't be believed any more. Any context. */
void xdev_broken(struct xdev *d)
{
	if (!test_and_set_bit(0, &d->broken))
		queue_work(xdev_wq, &d->advance);
}

/* Rings, pages and ports go; what was under way waits for the next connection or is lost. lock held. */
void xdev_forget(struct xdev *d)
{
	stop(d);
	d->class->drop(d);
	d->connected = false;
	d->linger = false;
	clear_bit(0, &d->broken);
}

/* The same, and no connection follows. lock held. */
void xdev_lose(struct xdev *d)
{
	if (d->class->lose)
		d->class->lose(d);
	xdev_forget(d);
	d->ready = true;
}

static void give_up(struct xdev *d, const char *why)
{
	dev_err(&d->xb->dev, "%s; the %s is closed\n", why, d->class->thing);
	d->why = why;
	d->want = false;
	d->recover = false;
	set_deadline(d, 0);
	xdev_lose(d);
}

/* Leaves the backend in order, to come back. lock held, the device is up. */
void xdev_leave(struct xdev *d)
{
	stop(d);
	d->recover = true;
	set_state(d, XSP_XB_CLOSING);
	set_deadline(d, XDEV_PATIENCE);
}

/* --- one step ---------------------------------------------------------------------------------- */

/* A ring is broken: leave in order and come back, unless that is all that ever happens. */
static void recover(struct xdev *d)
{
	const char *what = d->class->broken(d) ?: "a broken ring";

	if (!d->breaks || time_after(jiffies, d->first_break + XDEV_BREAKS_IN)) {
		d->first_break = jiffies;
		d->breaks = 0;
	}
	if (++d->breaks > XDEV_BREAKS) {
		give_up(d, what);
		return;
	}
	dev_err(&d->xb->dev, "the backend sent %s; connecting again\n", what);
	d->why = what;
	xdev_leave(d);
}

/* The connection ends, and it is as at the beginning; at once. */
static void start_over(struct xdev *d, enum xsp_xenbus_state next)
{
	if (!d->class->urgent)
		d->recover = false; /* however long that takes */
	if (!d->recover)
		set_deadline(d, 0);
	xdev_forget(d);
	set_state(d, next);
}

/* The connection ends. False: something has to happen first, and will call again. */
static bool disconnect(struct xdev *d, const struct xsp_xenbus_front_in *in,
		       const struct xsp_xenbus_verdict *v)
{
	bool closing = in->peer == XSP_XB_CLOSING && in->me != XSP_XB_CLOSING;

	if (d->recover || v->next == XSP_XB_INITIALISING) {
		start_over(d, v->next);
		return true;
	}
	d->why = v->why;
	if (in->me == XSP_XB_CLOSING)
		d->want = false; /* the bus closes us: the machine goes down */
	if (d->class->may_end && !d->class->may_end(d, closing && !too_late(d))) {
		if (d->connected && !d->deadline_at)
			set_deadline(d, XDEV_PATIENCE);
		return !d->connected;
	}
	if (closing) {
		stop(d);
		d->linger = true;
		set_deadline(d, XDEV_PATIENCE);
	} else {
		set_deadline(d, 0);
		xdev_forget(d);
	}
	set_state(d, v->next);
	return true;
}

/*
 * We are closed, the backend is about to be: it unmaps our pages now, and a grant that is ended
 * before takes the kernel long to get rid of. True while it is to be waited for.
 */
static bool lingers(struct xdev *d)
{
	if (!d->linger)
		return false;
	if (xenbus_read_driver_state(d->xb->otherend) == XenbusStateClosing && !too_late(d))
		return true;
	set_deadline(d, 0);
	xdev_forget(d);
	return false;
}

static bool publish(struct xdev *d, const struct xsp_xenbus_verdict *v)
{
	int error = d->class->publish(d);

	if (error) {
		if (error != -EAGAIN)
			give_up(d, "can't set up the rings");
		return false;
	}
	d->connected = true;
	set_state(d, d->class->early ? XSP_XB_CONNECTED : v->next);
	return true;
}

static bool connect(struct xdev *d, const struct xsp_xenbus_verdict *v)
{
	int error = d->class->connect(d);

	if (error == -EAGAIN)
		return false;
	if (error) {
		give_up(d, "the backend does not say what it is that it serves");
		return true;
	}
	set_state(d, v->next);
	WRITE_ONCE(d->up, true);
	d->recover = false;
	set_deadline(d, 0);
	d->class->start(d);
	return true;
}

static bool act(struct xdev *d, const struct xsp_xenbus_front_in *in,
		const struct xsp_xenbus_verdict *v)
{
	switch (v->act) {
	case XSP_XB_SET_STATE:
		set_state(d, v->next);
		return true;
	case XSP_XB_PUBLISH:
		return publish(d, v);
	case XSP_XB_CONNECT:
		return connect(d, v);
	case XSP_XB_DISCONNECT:
		return disconnect(d, in, v);
	case XSP_XB_ERROR:
		d->why = v->why;
		d->recover = false;
		xdev_lose(d);
		return false;
	default:
		if (d->up && in->peer == XSP_XB_CONNECTED)
			d->class->changed(d);
		return false;
	}
}

static void look(struct xdev *d, struct xsp_xenbus_front_in *in)
{
	enum xenbus_state peer = xenbus_read_driver_state(d->xb->otherend);

	in->me = (enum xsp_xenbus_state)d->xb->state;
	if (d->class->early && in->me == XSP_XB_CONNECTED && d->connected && !d->up)
		in->me = XSP_XB_INITIALISED;
	in->peer = peer <= XenbusStateReconfigured ? (enum xsp_xenbus_state)peer : XSP_XB_UNKNOWN;
	in->want = d->want;
	in->connected = d->connected;
	in->online = xenbus_read_unsigned(d->xb->otherend, "online", 1);
	in->peer_gone = in->peer == XSP_XB_UNKNOWN && !xenbus_exists(XBT_NIL, d->xb->otherend, "");
}

/* Everything that the store's present contents ask for. lock held; may sleep, not for I/O. */
void xdev_advance(struct xdev *d)
{
	if (d->up && d->want && !d->recover) {
		if (test_bit(0, &d->broken))
			recover(d);
		else if (d->class->asked)
			d->class->asked(d);
	}
	if (d->recover && too_late(d))
		give_up(d, "the backend does not let go");
	for (int steps = 0; steps < MAX_STEPS && !lingers(d); steps++) {
		struct xsp_xenbus_front_in in;
		struct xsp_xenbus_verdict v;

		look(d, &in);
		v = xsp_xenbus_front(&in);
		d->class->trace(d->devid, in.me, in.peer, v.act, v.next);
		if (!act(d, &in, &v))
			return;
	}
}

static void advance_work(struct work_struct *w)
{
	struct xdev *d = container_of(w, struct xdev, advance);

	mutex_lock(&d->lock);
	if (!d->gone)
		xdev_advance(d);
	mutex_unlock(&d->lock);
}

static void deadline_work(struct work_struct *w)
{
	queue_work(xdev_wq, &container_of(to_delayed_work(w), struct xdev, deadline)->advance);
}

/* --- beginning and end ------------------------------------------------------------------------- */

void xdev_init(struct xdev *d, const struct xdev_class *class, struct xenbus_device *xb, u32 devid)
{
	d->class = class;
	d->xb = xb;
	d->devid = devid;
	d->want = true;
	mutex_init(&d->lock);
	INIT_WORK(&d->advance, advance_work);
	INIT_DELAYED_WORK(&d->deadline, deadline_work);
}

static bool closed(struct xdev *d)
{
	bool good;

	mutex_lock(&d->lock);
	d->want = false;
	d->recover = false;
	xdev_advance(d);
	good = !d->connected &&
	       (d->xb->state == XenbusStateClosed || d->xb->state == XenbusStateUnknown ||
		d->xb->state == XenbusStateInitialising);
	mutex_unlock(&d->lock);
	return good;
}

/*
 * The driver lets go of the device; what the guest had of it is gone already. XenBus's thread may be
 * the caller, so the store is asked, not waited for, and not for ever. Nothing is connected afterwards.
 */
void xdev_close(struct xdev *d)
{
	unsigned long by = jiffies + XDEV_PATIENCE;

	while (!closed(d)) {
		if (time_after(jiffies, by)) {
			dev_warn(&d->xb->dev, "the backend does not close\n");
			break;
		}
		msleep(10);
	}
	mutex_lock(&d->lock);
	d->gone = true;
	if (d->connected)
		xdev_lose(d);
	mutex_unlock(&d->lock);
	xdev_keys_write(d, NULL, 0); /* another driver may follow that would leave some of ours */
}

/* Before it is freed, when nobody is left who queues `advance`. */
void xdev_fini(struct xdev *d)
{
	cancel_delayed_work_sync(&d->deadline);
	cancel_work_sync(&d->advance);
}
