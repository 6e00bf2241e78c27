/* SPDX-License-Identifier: MIT */
/*
 * A queue's beginning and end on its worker's thread. xsp_queue_stop is the one mechanism behind
 * SIGTERM, detach and hand-over.
 */
#include "backend/queue.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define queue_of(mail_, member_) \
	((struct xsp_queue *)((char *)(mail_)-offsetof(struct xsp_queue, member_)))

/* --- start ------------------------------------------------------------------------------------- */

static int fail(struct xsp_queue *q, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct xsp_queue *q, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(q->why, sizeof(q->why), fmt, args);
	va_end(args);
	return err;
}

static int make_slots(struct xsp_queue *q, uint32_t n)
{
	q->slots = calloc(n, sizeof(*q->slots));
	q->free_slots = calloc(n, sizeof(*q->free_slots));
	q->done_slots = calloc(n, sizeof(*q->done_slots));
	q->parked = calloc(n, sizeof(*q->parked));
	if (q->c.persistent)
		q->pages = xsp_pages_new(q->worker->xgt, q->c.domid, q->c.stats);
	if (!q->slots || !q->free_slots || !q->done_slots || !q->parked ||
	    (q->c.persistent && !q->pages))
		return fail(q, -ENOMEM, "no memory for %u slots", n);
	for (uint32_t i = 0; i < n; i++) {
		q->slots[i].io = XSP_NO_IO;
		q->free_slots[i] = (uint16_t)(n - 1 - i);
	}
	q->n_free = n;
	q->barrier = XSP_NO_SLOT;
	return 0;
}

static int map_ring(struct xsp_queue *q)
{
	uint32_t pages = 1u << q->c.order;
	int err;

	q->sring = xengnttab_map_domain_grant_refs(q->worker->xgt, pages, q->c.domid, q->c.ring_ref,
						   PROT_READ | PROT_WRITE);
	xsp_count(&q->c.stats->gnt_calls, 1);
	xsp_count(&q->c.stats->gnt_refs, pages);
	if (q->sring)
		return 0;
	err = errno ? -errno : -EIO;
	return fail(q, err, "can't map the ring (grant %u%s): %s", q->c.ring_ref[0],
		    pages > 1 ? " .." : "", strerror(-err));
}

/* Where to begin in the ring; -EBUSY when a former daemon may have left requests unanswered. */
static int choose_start(struct xsp_queue *q, uint32_t size, uint32_t *ret)
{
	uint32_t rsp_prod = xsp_load(&q->sring->rsp_prod);
	uint32_t req_prod = xsp_load(&q->sring->req_prod);

	switch (q->c.adopt) {
	case XSP_ADOPT_NEW:
		/* Its old requests would be done again. */
		if (rsp_prod)
			return fail(q, -EPROTO, "the ring is not new: it holds %u responses already",
				    rsp_prod);
		*ret = 0;
		return 0;
	case XSP_ADOPT_DRAINED:
		if (rsp_prod != q->c.adopt_rsp_prod)
			return fail(q, -EBUSY,
				    "the ring moved on since it was drained (rsp_prod %u, recorded %u)",
				    rsp_prod, q->c.adopt_rsp_prod);
		break;
	case XSP_ADOPT_IDLE:
		if (rsp_prod != req_prod)
			return fail(q, -EBUSY,
				    "%u requests were outstanding when the former daemon died; "
				    "reattach the disk or restart the guest",
				    req_prod - rsp_prod);
		break;
	}
	if (req_prod - rsp_prod > size)
		return fail(q, -EPROTO, "the ring's request index is out of bounds");
	*ret = rsp_prod;
	return 0;
}

static int bind_port(struct xsp_queue *q)
{
	xenevtchn_port_or_error_t port =
		xenevtchn_bind_interdomain(q->worker->xce, q->c.domid, q->c.evtchn);
	int err;

	if (port < 0) {
		err = -errno;
		return fail(q, err, "can't bind event channel %u: %s", q->c.evtchn, strerror(-err));
	}
	q->port = (uint32_t)port;
	err = xsp_worker_set_port(q->worker, q->port, q);
	if (err) {
		xenevtchn_unbind(q->worker->xce, port);
		return fail(q, err, "no room for event channel %d", port);
	}
	return 0;
}

static void let_go(struct xsp_queue *q)
{
	if (q->sring) {
		xengnttab_unmap(q->worker->xgt, q->sring, 1u << q->c.order);
		q->sring = NULL;
	}
	xsp_pages_free(q->pages);
	q->pages = NULL;
	free(q->slots);
	free(q->free_slots);
	free(q->done_slots);
	free(q->parked);
	q->slots = NULL;
	q->free_slots = q->done_slots = q->parked = NULL;
}

static int begin(struct xsp_queue *q)
{
	uint32_t size = xsp_blk_ring_slots(q->c.order), start = 0;
	struct xsp_worker *w = q->worker;
	int err;

	err = make_slots(q, size);
	if (!err)
		err = map_ring(q);
	if (!err)
		err = choose_start(q, size, &start);
	if (!err)
		err = bind_port(q);
	if (err) {
		let_go(q);
		return err;
	}
	q->back.abi = q->c.abi;
	xsp_ring_back_init(&q->back.ring, q->sring, size, start);
	q->limits = (struct xsp_blk_limits){
		.sectors = q->c.target->size_bytes / XSP_SECTOR_SIZE,
		.sector_size = q->c.target->sector_size,
		.readonly = q->c.target->readonly,
		.can_flush = q->c.target->can_flush,
		.can_discard = q->c.offer_discard,
		.indirect = q->c.indirect,
	};
	TAILQ_INSERT_TAIL(&w->queues, q, all_link);
	w->n_queues++;
	q->has_claim = w->claims_left > 0;
	w->claims_left -= q->has_claim;
	/*
	 * Look at the ring at once, and in case our last notify got lost while nobody held the
	 * channel's other end, send one: it costs an idle guest one empty wake.
	 */
	q->masked = true;
	xsp_queue_set_ready(q);
	if (q->c.adopt != XSP_ADOPT_NEW)
		xenevtchn_notify(w->xce, q->port);
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

static void end(struct xsp_queue *q)
{
	struct xsp_worker *w = q->worker;

	TAILQ_REMOVE(&w->queues, q, all_link);
	w->n_queues--;
	w->claims_left += q->has_claim;
	q->rsp_prod = q->back.ring.rsp_prod_pvt;
	xsp_worker_set_port(w, q->port, NULL);
	xenevtchn_unbind(w->xce, (evtchn_port_t)q->port);
	let_go(q);
	q->stop_mail.fn = stopped;
	xsp_mailbox_post(q->reply_to, &q->stop_mail);
}

static void synced(struct xsp_io *io, int err)
{
	struct xsp_queue *q = io->queue;

	if (err) {
		q->sync_failed = true;
		xsp_err(q->c.name, "flushing before the queue stops failed: %s", strerror(-err));
	}
	end(q);
}

void xsp_queue_may_stop(struct xsp_queue *q)
{
	if (q->in_flight || q->syncing || q->backing_off)
		return;
	if (!q->dirty || !q->limits.can_flush) {
		end(q);
		return;
	}
	q->syncing = true;
	q->stop_io = (struct xsp_io){
		.worker = q->worker,
		.op = XSP_IO_FLUSH,
		.done = synced,
		.queue = q,
	};
	xsp_target_submit(q->c.target, &q->stop_io);
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
	q->is_ready = q->is_arming = q->is_starved = false;
	if (q->n_parked) /* taken is taken: they wait on for an area */
		xsp_queue_set_ready(q);
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

/* --- back-off ---------------------------------------------------------------------------------- */

static void backed_off(struct xsp_cb *cb, int res)
{
	struct xsp_queue *q =
		(struct xsp_queue *)((char *)cb - offsetof(struct xsp_queue, back_off_cb));

	(void)res;
	q->backing_off = false;
	if (q->notify_again && q->stopping)
		xenevtchn_notify(q->worker->xce, q->port); /* for the last time */
	else if (q->notify_again)
		xsp_queue_notify(q);
	if (q->stopping)
		xsp_queue_may_stop(q);
	else if (!q->broken && q->masked && q->unmask_later)
		xsp_queue_unmask(q);
}

void xsp_queue_back_off(struct xsp_queue *q)
{
	uint32_t shift = q->idle_wakes - XSP_IDLE_WAKES;

	q->unmask_later = true;
	xsp_queue_later(q, shift < 10 ? 1u << shift : 1000);
}

void xsp_queue_later(struct xsp_queue *q, uint32_t ms)
{
	if (q->backing_off)
		return;
	q->backing_off = true;
	q->back_off_cb.fn = backed_off;
	q->back_off_time.tv_sec = ms / 1000;
	q->back_off_time.tv_nsec = (ms % 1000) * 1000000;
	io_uring_prep_timeout(xsp_worker_sqe(q->worker, &q->back_off_cb), &q->back_off_time, 0, 0);
}
