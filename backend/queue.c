/* SPDX-License-Identifier: MIT */
/*
 * The way of a request through the daemon, one function a stage (docs/architecture.md, "The life of
 * one block read"):
 *
 *   visit    take -> check -> data in -> submit      ring to target, a batch at a time
 *   finish   data out -> respond                      target to ring, one push, one notify
 *   arm      ask for an event when there is nothing more
 *
 * Starting and stopping a queue is in queue_life.c.
 */
#include "backend/queue.h"

#include <stdarg.h>
#include <stdio.h>

#include "backend/blk/data.h"

/* --- lists ------------------------------------------------------------------------------------- */

void xsp_queue_set_ready(struct xsp_queue *q)
{
	if (q->is_ready || q->is_starved || q->stopping || q->broken)
		return;
	q->is_ready = true;
	TAILQ_INSERT_TAIL(&q->worker->ready, q, ready_link);
}

static void set_finishing(struct xsp_queue *q)
{
	if (q->is_finishing)
		return;
	q->is_finishing = true;
	TAILQ_INSERT_TAIL(&q->worker->finishing, q, finishing_link);
}

static void set_arming(struct xsp_queue *q)
{
	if (q->is_arming || q->is_ready || q->is_starved || !q->masked || q->stopping || q->broken)
		return;
	q->is_arming = true;
	TAILQ_INSERT_TAIL(&q->worker->arming, q, arming_link);
}

static void set_starved(struct xsp_queue *q)
{
	if (q->is_starved || q->stopping || q->broken)
		return;
	xsp_count(&q->c.stats->starved, 1);
	q->is_starved = true;
	TAILQ_INSERT_TAIL(&q->worker->starved, q, starved_link);
}

/* --- trouble ----------------------------------------------------------------------------------- */

void xsp_queue_complain(struct xsp_queue *q, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (!xsp_log_allowed(&q->log_limit))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (q->log_limit.dropped)
		xsp_warn(q->c.name, "%s (and %u more since)", text, q->log_limit.dropped);
	else
		xsp_warn(q->c.name, "%s", text);
	q->log_limit.dropped = 0;
}

static void broke(struct xsp_mail *mail, void *owner)
{
	struct xsp_queue *q =
		(struct xsp_queue *)((char *)mail - offsetof(struct xsp_queue, broken_mail));

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

/* --- completions ------------------------------------------------------------------------------- */

/* The slot has its answer; it goes out with the queue's next finish. */
static void answered(struct xsp_queue *q, uint16_t number)
{
	q->done_slots[q->n_done++] = number;
	set_finishing(q);
}

static void io_done(struct xsp_io *io, int err)
{
	struct xsp_queue *q = io->queue;
	struct xsp_slot *slot = &q->slots[io->slot];

	if (!err && io->presync) { /* the flush before a FLUSH's data is through: now the data */
		io->presync = false;
		io->op = XSP_IO_WRITE;
		io->len = slot->bytes;
		xsp_target_submit(q->c.target, io);
		return;
	}
	if (err) {
		slot->status = XSP_BLK_ERROR;
		xsp_count(&q->c.stats->io_errors, 1);
		xsp_queue_complain(q, "%s at sector %llu failed: %s",
				   slot->req.op == XSP_BLK_READ  ? "read" :
				   slot->req.op == XSP_BLK_WRITE ? "write" :
								   "flush",
				   (unsigned long long)slot->req.sector, strerror(-err));
	}
	answered(q, io->slot);
}

/* --- visit ------------------------------------------------------------------------------------- */

/* So many requests of one queue may be in flight that every queue of the worker gets its share. */
static uint32_t quota(const struct xsp_queue *q)
{
	uint32_t share = q->worker->n_ios / q->worker->n_queues;

	return share ? share : 1;
}

/* Copy requests into slots, each with a buffer. Returns how many; < 0: the ring is broken. */
static int take(struct xsp_queue *q, uint16_t *batch)
{
	int pending = xsp_ring_back_pending(&q->back.ring), n = 0;
	uint32_t limit = quota(q), bytes = 0;

	while (n < pending && n < (int)XSP_VISIT_REQS && bytes < XSP_VISIT_BYTES) {
		struct xsp_io *io = q->in_flight < limit ? xsp_worker_get_io(q->worker) : NULL;
		struct xsp_slot *slot;
		uint16_t number;

		if (!io) {
			set_starved(q);
			break;
		}
		number = q->free_slots[--q->n_free]; /* the ring's size bounds what is taken */
		slot = &q->slots[number];
		xsp_blk_back_take(&q->back, &slot->req);
		slot->io = xsp_worker_io_number(q->worker, io);
		slot->taken_ns = q->worker->now_ns;
		slot->status = XSP_BLK_OKAY;
		io->slot = number;
		q->in_flight++;
		bytes += slot->req.nr_segs * XSP_PAGE_SIZE;
		batch[n++] = number;
	}
	return pending < 0 ? pending : n;
}

static void plan_io(struct xsp_queue *q, uint16_t number, const struct xsp_blk_plan *plan)
{
	struct xsp_io *io = xsp_worker_io(q->worker, q->slots[number].io);

	io->queue = q;
	io->done = io_done;
	io->op = (uint8_t)plan->op;
	io->offset = plan->offset;
	io->len = plan->len;
	io->one.iov_len = plan->len;
	q->slots[number].bytes = plan->len;
	io->presync = plan->presync;
	if (plan->presync) {
		io->op = XSP_IO_FLUSH;
		io->len = 0;
	}
}

/* Judge each request once; the bad ones are answered, the good ones stay in batch. */
static unsigned int check(struct xsp_queue *q, uint16_t *batch, unsigned int n)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct xsp_slot *slot = &q->slots[batch[i]];
		struct xsp_blk_plan plan;
		const char *why;

		slot->status = xsp_blk_check(&slot->req, &q->limits, &plan, &why);
		if (slot->status == XSP_BLK_OKAY) {
			plan_io(q, batch[i], &plan);
			batch[good++] = batch[i];
			continue;
		}
		xsp_count(&q->c.stats->bad_req, 1);
		xsp_queue_complain(q, "refused request %llu (op %u, sector %llu, %u segments): %s",
				   (unsigned long long)slot->req.id, slot->req.op,
				   (unsigned long long)slot->req.sector, slot->req.nr_segs, why);
		answered(q, batch[i]);
	}
	return good;
}

/* The data of the batch's writes, in one call; those whose pages are bad are answered. */
static unsigned int data_in(struct xsp_queue *q, uint16_t *batch, unsigned int n)
{
	uint16_t writes[XSP_VISIT_REQS];
	unsigned int n_writes = 0, good = 0;

	for (unsigned int i = 0; i < n; i++)
		if (q->slots[batch[i]].bytes && q->slots[batch[i]].req.op != XSP_BLK_READ)
			writes[n_writes++] = batch[i];
	if (!n_writes)
		return n;
	q->dirty = true;
	xsp_data_in(q, writes, n_writes);
	for (unsigned int i = 0; i < n; i++) {
		if (q->slots[batch[i]].status == XSP_BLK_OKAY)
			batch[good++] = batch[i];
		else
			answered(q, batch[i]);
	}
	return good;
}

void xsp_queue_visit(struct xsp_queue *q)
{
	uint16_t batch[XSP_VISIT_REQS];
	int taken = take(q, batch);
	unsigned int n;

	if (taken < 0) {
		xsp_queue_break(q, "the ring's request index is out of bounds");
		return;
	}
	if (!taken) {
		set_arming(q);
		return;
	}
	xsp_count(&q->c.stats->visits, 1);
	q->idle_wakes = 0;
	n = check(q, batch, (unsigned int)taken);
	n = data_in(q, batch, n);
	for (unsigned int i = 0; i < n; i++)
		xsp_target_submit(q->c.target, xsp_worker_io(q->worker, q->slots[batch[i]].io));
	if (xsp_ring_back_pending(&q->back.ring))
		xsp_queue_set_ready(q); /* at the tail: the others' turn first */
	else
		set_arming(q);
}

/* --- finish ------------------------------------------------------------------------------------ */

static void count_request(struct xsp_queue *q, const struct xsp_slot *slot)
{
	uint32_t sectors = slot->status == XSP_BLK_OKAY ? slot->bytes / XSP_SECTOR_SIZE : 0;
	struct xsp_blk_stats *s = q->c.stats;
	enum xsp_stat_op op;

	switch (slot->req.op) {
	case XSP_BLK_READ:
		op = XSP_STAT_READ;
		xsp_count(&s->rd_req, 1);
		xsp_count(&s->rd_sect, sectors);
		break;
	case XSP_BLK_WRITE:
		op = XSP_STAT_WRITE;
		xsp_count(&s->wr_req, 1);
		xsp_count(&s->wr_sect, sectors);
		break;
	case XSP_BLK_FLUSH:
		op = XSP_STAT_FLUSH;
		xsp_count(&s->fl_req, 1);
		break;
	default:
		return;
	}
	xsp_hist_add(&s->latency[op], q->worker->now_ns - slot->taken_ns);
}

/* The data of the reads among n (at most XSP_VISIT_REQS) answered slots, in one call. */
static void data_out(struct xsp_queue *q, const uint16_t *slots, unsigned int n)
{
	uint16_t reads[XSP_VISIT_REQS];
	unsigned int n_reads = 0;

	for (unsigned int i = 0; i < n; i++)
		if (q->slots[slots[i]].req.op == XSP_BLK_READ &&
		    q->slots[slots[i]].status == XSP_BLK_OKAY)
			reads[n_reads++] = slots[i];
	if (n_reads)
		xsp_data_out(q, reads, n_reads);
}

static void respond(struct xsp_queue *q, uint16_t number)
{
	struct xsp_slot *slot = &q->slots[number];
	struct xsp_io *io = xsp_worker_io(q->worker, slot->io);

	xsp_blk_back_respond(&q->back, slot->req.id, slot->req.op, slot->status);
	count_request(q, slot);
	slot->io = XSP_NO_IO;
	q->free_slots[q->n_free++] = number;
	q->in_flight--;
	xsp_worker_put_io(q->worker, io);
}

void xsp_queue_finish(struct xsp_queue *q)
{
	uint32_t n = q->n_done;

	for (uint32_t at = 0; at < n; at += XSP_VISIT_REQS)
		data_out(q, q->done_slots + at, n - at < XSP_VISIT_REQS ? n - at : XSP_VISIT_REQS);
	for (uint32_t i = 0; i < n; i++)
		respond(q, q->done_slots[i]);
	q->n_done = 0;
	if (xsp_ring_back_push(&q->back.ring)) {
		xenevtchn_notify(q->worker->xce, q->port);
		xsp_count(&q->c.stats->notifies, 1);
		xsp_count(&q->c.stats->evtchn_calls, 1);
	}
	if (q->stopping)
		xsp_queue_may_stop(q);
	else if (q->is_starved && q->in_flight < quota(q) && q->worker->free_io)
		xsp_queue_unstarve(q);
}

/* --- arm --------------------------------------------------------------------------------------- */

void xsp_queue_event(struct xsp_queue *q)
{
	q->masked = true; /* reading the port masked it; arm unmasks, after the work */
	xsp_count(&q->c.stats->wakes, 1);
	xsp_count(&q->c.stats->evtchn_calls, 1);
	if (xsp_ring_back_pending(&q->back.ring) == 0) {
		xsp_count(&q->c.stats->empty_wakes, 1);
		q->idle_wakes++;
	}
	xsp_queue_set_ready(q);
}

void xsp_queue_unmask(struct xsp_queue *q)
{
	q->masked = false;
	xenevtchn_unmask(q->worker->xce, q->port);
	xsp_count(&q->c.stats->evtchn_calls, 1);
}

void xsp_queue_arm(struct xsp_queue *q)
{
	int n;

	if (q->is_ready || q->stopping || q->broken)
		return;
	n = xsp_ring_back_sleep(&q->back.ring);
	if (n < 0)
		xsp_queue_break(q, "the ring's request index is out of bounds");
	else if (n > 0)
		xsp_queue_set_ready(q);
	else if (q->idle_wakes > XSP_IDLE_WAKES)
		xsp_queue_back_off(q);
	else
		xsp_queue_unmask(q);
}

/* --- inspection -------------------------------------------------------------------------------- */

void xsp_queue_snap(struct xsp_queue *q, struct xsp_ring_snap *s)
{
	const struct xsp_sring *sring = q->sring;

	s->size = q->back.ring.size;
	s->order = q->c.order;
	s->req_prod = xsp_load(&sring->req_prod);
	s->req_event = xsp_load(&sring->req_event);
	s->rsp_prod = xsp_load(&sring->rsp_prod);
	s->rsp_event = xsp_load(&sring->rsp_event);
	s->req_cons = q->back.ring.req_cons;
	s->rsp_prod_pvt = q->back.ring.rsp_prod_pvt;
	memcpy(s->ring_ref, q->c.ring_ref, sizeof(s->ring_ref));
	s->evtchn_remote = q->c.evtchn;
	s->evtchn_local = q->port;
	snprintf(s->protocol, sizeof(s->protocol), "%s",
		 q->c.abi == XSP_BLK_X86_32 ? "x86_32-abi" : "x86_64-abi");
	s->broken = q->broken;
	s->stopping = q->stopping;
	for (uint32_t i = 0; i < q->back.ring.size; i++) {
		if (q->slots[i].io == XSP_NO_IO)
			continue;
		s->inflight[s->n_inflight].req = q->slots[i].req;
		s->inflight[s->n_inflight].age_ns = q->worker->now_ns - q->slots[i].taken_ns;
		s->n_inflight++;
	}
}
