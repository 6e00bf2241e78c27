/* SPDX-License-Identifier: MIT */
/* What all queues share: see queue.h. */
#include "backend/queue.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/probe.h"

/*
 * Events that find nothing cost the guest its promptness, not us our processor: after a few of them
 * in a row the port stays masked for 1 ms, doubled each time up to 1 s (XSA-332). What comes meanwhile
 * is seen when the timer ends.
 */
#define IDLE_WAKES 64u
#define RETRY_MS   10u

#define queue_of(mail_, member_) \
	((struct xsp_queue *)((char *)(mail_)-offsetof(struct xsp_queue, member_)))

/* --- lists ------------------------------------------------------------------------------------- */

static bool takes_nothing(const struct xsp_queue *q)
{
	return (q->stopping || q->broken) && !q->parked;
}

static bool may_be_ready(const struct xsp_queue *q)
{
	return !q->is_ready && !q->is_starved && !q->is_waiting && !takes_nothing(q);
}

void xsp_queue_set_ready(struct xsp_queue *q)
{
	if (!may_be_ready(q))
		return;
	q->is_ready = true;
	TAILQ_INSERT_TAIL(&q->worker->ready, q, ready_link);
}

void xsp_queue_set_finishing(struct xsp_queue *q)
{
	if (q->is_finishing)
		return;
	q->is_finishing = true;
	TAILQ_INSERT_TAIL(&q->worker->finishing, q, finishing_link);
}

static bool is_masked(const struct xsp_queue *q)
{
	for (uint32_t i = 0; i < q->n_ports; i++)
		if (q->port[i].masked)
			return true;
	return false;
}

void xsp_queue_set_arming(struct xsp_queue *q)
{
	if (q->is_arming || q->is_ready || q->is_starved || q->is_waiting || q->stopping || q->broken ||
	    !is_masked(q))
		return;
	q->is_arming = true;
	TAILQ_INSERT_TAIL(&q->worker->arming, q, arming_link);
}

void xsp_queue_feed(struct xsp_worker *w)
{
	struct xsp_queue *q;

	/* All of them: one alone might not need it after all, and none would come after it. */
	while ((q = TAILQ_LAST(&w->starved, xsp_queue_list))) {
		TAILQ_REMOVE(&w->starved, q, starved_link);
		q->is_starved = false;
		if (!may_be_ready(q))
			continue;
		q->is_ready = true;
		TAILQ_INSERT_HEAD(&w->ready, q, ready_link);
	}
}

static bool starve(struct xsp_queue *q)
{
	if (q->is_starved || takes_nothing(q))
		return false;
	xsp_count(&q->stats->starved, 1);
	q->is_starved = true;
	return true;
}

void xsp_queue_set_starved(struct xsp_queue *q)
{
	if (starve(q))
		TAILQ_INSERT_TAIL(&q->worker->starved, q, starved_link);
}

void xsp_queue_set_starved_first(struct xsp_queue *q)
{
	if (starve(q))
		TAILQ_INSERT_HEAD(&q->worker->starved, q, starved_link);
}

void xsp_queue_set_waiting(struct xsp_queue *q, uint64_t until_ns)
{
	if (q->is_waiting || takes_nothing(q))
		return;
	q->is_waiting = true;
	q->wake_ns = until_ns;
	TAILQ_INSERT_TAIL(&q->worker->waiting, q, waiting_link);
	xsp_worker_wake_at(q->worker, until_ns);
}

void xsp_queue_end_waiting(struct xsp_queue *q)
{
	if (!q->is_waiting)
		return;
	TAILQ_REMOVE(&q->worker->waiting, q, waiting_link);
	q->is_waiting = false;
	xsp_queue_set_ready(q);
}

static void leave_lists(struct xsp_queue *q)
{
	struct xsp_worker *w = q->worker;

	if (q->is_ready)
		TAILQ_REMOVE(&w->ready, q, ready_link);
	if (q->is_arming)
		TAILQ_REMOVE(&w->arming, q, arming_link);
	if (q->is_starved)
		TAILQ_REMOVE(&w->starved, q, starved_link);
	if (q->is_waiting)
		TAILQ_REMOVE(&w->waiting, q, waiting_link);
	q->is_ready = q->is_arming = q->is_starved = q->is_waiting = false;
	if (q->parked) /* taken is taken: it waits on for a buffer */
		xsp_queue_set_ready(q);
}

/* --- trouble ----------------------------------------------------------------------------------- */

void xsp_queue_complain(struct xsp_queue *q, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (!xsp_log_allowed(&q->stats->complaints))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	xsp_log_limited(&q->stats->complaints, XSP_LOG_WARN, q->name, text);
}

static void broke(struct xsp_mail *mail, void *owner)
{
	struct xsp_queue *q = queue_of(mail, broken_mail);

	(void)owner;
	q->broke(q);
}

void xsp_queue_break(struct xsp_queue *q, const char *why)
{
	if (q->broken || q->stopping)
		return;
	q->broken = true;
	snprintf(q->why, sizeof(q->why), "%s", why);
	q->broken_mail.fn = broke;
	xsp_mailbox_post(q->reply_to, &q->broken_mail);
}

int xsp_queue_fail(struct xsp_queue *q, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(q->why, sizeof(q->why), fmt, args);
	va_end(args);
	return err;
}

/* --- events ------------------------------------------------------------------------------------ */

/* Notify or unmask in so many ms what notify_again and unmask_later say. */
static void later(struct xsp_queue *q, uint32_t ms);

/*
 * Neither of these calls fails on a bound port, as far as anybody knows. If one does all the same, a
 * guest would wait for ever: it is tried again a little later.
 */
void xsp_queue_notify(struct xsp_port *p)
{
	struct xsp_queue *q = p->queue;

	XSP_PROBE_NOTIFY(q);
	p->notify_again = xenevtchn_notify(q->worker->xce, p->local) != 0;
	xsp_count(&q->stats->notifies, 1);
	xsp_count(&q->stats->evtchn_calls, 1);
	if (!p->notify_again)
		return;
	xsp_queue_complain(q, "can't send an event: %s; trying again", strerror(errno));
	later(q, RETRY_MS);
}

static void unmask(struct xsp_port *p)
{
	struct xsp_queue *q = p->queue;

	p->unmask_later = xenevtchn_unmask(q->worker->xce, p->local) != 0;
	p->masked = p->unmask_later;
	xsp_count(&q->stats->evtchn_calls, 1);
	if (!p->unmask_later)
		return;
	xsp_queue_complain(q, "can't unmask its event channel: %s; trying again", strerror(errno));
	later(q, RETRY_MS);
}

static void backed_off(struct xsp_cb *cb, int res)
{
	struct xsp_queue *q =
		(struct xsp_queue *)((char *)cb - offsetof(struct xsp_queue, back_off_cb));

	(void)res;
	q->backing_off = false;
	for (uint32_t i = 0; i < q->n_ports; i++) {
		struct xsp_port *p = &q->port[i];

		if (p->notify_again && q->stopping)
			xenevtchn_notify(q->worker->xce, p->local); /* for the last time */
		else if (p->notify_again)
			xsp_queue_notify(p);
		if (!q->stopping && !q->broken && p->masked && p->unmask_later)
			unmask(p);
	}
	if (q->stopping)
		xsp_queue_may_stop(q);
}

static void later(struct xsp_queue *q, uint32_t ms)
{
	if (q->backing_off)
		return;
	q->backing_off = true;
	q->back_off_cb.fn = backed_off;
	q->back_off_time.tv_sec = ms / 1000;
	q->back_off_time.tv_nsec = (ms % 1000) * 1000000;
	io_uring_prep_timeout(xsp_worker_sqe(q->worker, &q->back_off_cb), &q->back_off_time, 0, 0);
}

static void back_off(struct xsp_queue *q)
{
	uint32_t shift = q->idle_wakes - IDLE_WAKES;

	for (uint32_t i = 0; i < q->n_ports; i++)
		q->port[i].unmask_later = q->port[i].masked;
	later(q, shift < 10 ? 1u << shift : 1000);
}

void xsp_queue_event(struct xsp_port *p)
{
	struct xsp_queue *q = p->queue;

	p->masked = true; /* reading the port masked it; arm unmasks, after the work */
	xsp_count(&q->stats->wakes, 1);
	xsp_count(&q->stats->evtchn_calls, 1);
	if (q->ops->pending(q) == 0) {
		xsp_count(&q->stats->empty_wakes, 1);
		q->idle_wakes++;
	}
	xsp_queue_set_ready(q);
}

static void break_index(struct xsp_queue *q)
{
	xsp_queue_break(q, "the ring's request index is out of bounds");
}

bool xsp_queue_look(struct xsp_queue *q)
{
	int n = q->ops->pending(q);

	if (!n && !q->is_ready)
		return false;
	if (n < 0)
		break_index(q);
	else
		xsp_queue_set_ready(q);
	return true;
}

void xsp_queue_arm(struct xsp_queue *q)
{
	int n;

	if (q->is_ready || q->stopping || q->broken)
		return;
	n = q->ops->sleep(q);
	if (n < 0) {
		break_index(q);
	} else if (n > 0) {
		xsp_queue_set_ready(q);
	} else if (q->idle_wakes > IDLE_WAKES) {
		back_off(q);
	} else {
		for (uint32_t i = 0; i < q->n_ports; i++)
			if (q->port[i].masked)
				unmask(&q->port[i]);
		/* A worker that polls is about to sleep: what came meanwhile need not wait for its event. */
		if (q->worker->poller.set.mode != XSP_POLL_EVENT && q->ops->pending(q) > 0)
			xsp_queue_set_ready(q);
	}
}

/* --- start ------------------------------------------------------------------------------------- */

static void unbind_ports(struct xsp_queue *q, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		xsp_worker_set_port(q->worker, q->port[i].local, NULL);
		xenevtchn_unbind(q->worker->xce, (evtchn_port_t)q->port[i].local);
	}
}

static int bind_port(struct xsp_queue *q, struct xsp_port *p)
{
	xenevtchn_port_or_error_t port =
		xenevtchn_bind_interdomain(q->worker->xce, q->domid, p->guest);
	int err;

	if (port < 0) {
		err = -errno;
		return xsp_queue_fail(q, err, "can't bind event channel %u: %s", p->guest,
				      strerror(-err));
	}
	p->queue = q;
	p->local = (uint32_t)port;
	p->masked = true; /* not looked at yet: as if it had just fired */
	err = xsp_worker_set_port(q->worker, p->local, p);
	if (err) {
		xenevtchn_unbind(q->worker->xce, port);
		return xsp_queue_fail(q, err, "no room for event channel %d", port);
	}
	return 0;
}

static int begin(struct xsp_queue *q)
{
	struct xsp_worker *w = q->worker;
	int err = q->ops->begin(q);

	if (err)
		return err;
	for (uint32_t i = 0; i < q->n_ports; i++) {
		err = bind_port(q, &q->port[i]);
		if (err) {
			unbind_ports(q, i);
			q->ops->end(q);
			return err;
		}
	}
	TAILQ_INSERT_TAIL(&w->queues, q, all_link);
	/*
	 * Look at the ring at once, and in case our last notify got lost while nobody held the
	 * channel's other end, send one: it costs an idle guest one empty wake.
	 */
	xsp_queue_set_ready(q);
	for (uint32_t i = 0; i < q->n_ports && q->adopt != XSP_ADOPT_NEW; i++)
		xenevtchn_notify(w->xce, q->port[i].local);
	return 0;
}

static void started(struct xsp_mail *mail, void *owner)
{
	struct xsp_queue *q = queue_of(mail, start_mail);

	(void)owner;
	q->started(q);
}

static void start(struct xsp_mail *mail, void *owner)
{
	struct xsp_queue *q = queue_of(mail, start_mail);

	(void)owner;
	q->err = begin(q);
	q->start_mail.fn = started;
	xsp_mailbox_post(q->reply_to, &q->start_mail);
}

void xsp_queue_start(struct xsp_queue *q, struct xsp_worker *w)
{
	q->worker = w;
	q->start_mail.fn = start;
	xsp_mailbox_post(&w->box, &q->start_mail);
}

/* --- stop -------------------------------------------------------------------------------------- */

static void stopped(struct xsp_mail *mail, void *owner)
{
	struct xsp_queue *q = queue_of(mail, stop_mail);

	(void)owner;
	q->stopped(q);
}

void xsp_queue_end(struct xsp_queue *q)
{
	TAILQ_REMOVE(&q->worker->queues, q, all_link);
	unbind_ports(q, q->n_ports);
	q->ops->end(q);
	q->stop_mail.fn = stopped;
	xsp_mailbox_post(q->reply_to, &q->stop_mail);
}

void xsp_queue_may_stop(struct xsp_queue *q)
{
	if (!q->backing_off)
		q->ops->may_stop(q);
}

static void stop(struct xsp_mail *mail, void *owner)
{
	struct xsp_queue *q = queue_of(mail, stop_mail);

	(void)owner;
	q->stopping = true;
	leave_lists(q);
	if (!q->is_finishing) /* else finish comes first and goes on from there */
		xsp_queue_may_stop(q);
}

void xsp_queue_stop(struct xsp_queue *q)
{
	q->stop_mail.fn = stop;
	xsp_mailbox_post(&q->worker->box, &q->stop_mail);
}
