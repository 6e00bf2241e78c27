/* SPDX-License-Identifier: MIT */
/*
 * The way of a request through the daemon, one function a stage (docs/architecture.md, "The life of
 * one block read"):
 *
 *   visit    take -> fetch -> check -> data in -> submit   ring to target, a batch at a time
 *   finish   data out -> respond                           target to ring, one push, one notify
 *   arm      ask for an event when there is nothing more
 *
 * Starting and stopping a queue is in queue_life.c.
 */
#include "backend/queue.h"

#include <stdarg.h>
#include <stdio.h>

#include "backend/blk/data.h"

#define RETRY_MS 10u

/* --- lists ------------------------------------------------------------------------------------- */

void xsp_queue_set_ready(struct xsp_queue *q)
{
	if (q->is_ready || q->is_starved)
		return;
	if ((q->stopping || q->broken) && !q->n_parked)
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
	if (q->is_starved || ((q->stopping || q->broken) && !q->n_parked))
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

	if (!xsp_log_allowed(&q->c.stats->complaints))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	xsp_log_limited(&q->c.stats->complaints, XSP_LOG_WARN, q->c.name, text);
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

/* Hand the request to the target: the flush before it if there is one to do, else itself. */
static void submit(struct xsp_queue *q, struct xsp_io *io)
{
	const struct xsp_slot *slot = &q->slots[io->slot];

	io->op = io->sync_before ? XSP_IO_FLUSH : slot->op;
	io->len = io->sync_before ? 0 : slot->bytes;
	xsp_target_submit(q->c.target, io);
}

static void complain_io(struct xsp_queue *q, const struct xsp_slot *slot, int err)
{
	static const char *const names[] = { "read", "write", "flush", "discard" };

	xsp_count(&q->c.stats->io_errors, 1);
	xsp_queue_complain(q, "%s of %llu bytes at sector %llu failed: %s", names[slot->op],
			   (unsigned long long)slot->bytes, (unsigned long long)slot->req.sector,
			   strerror(-err));
}

static void io_done(struct xsp_io *io, int err)
{
	struct xsp_queue *q = io->queue;
	struct xsp_slot *slot = &q->slots[io->slot];

	if (!err && io->sync_before) {
		io->sync_before = false;
		submit(q, io);
		return;
	}
	if (!err && io->sync_after) {
		io->sync_after = false;
		io->op = XSP_IO_FLUSH;
		io->len = 0;
		xsp_target_submit(q->c.target, io);
		return;
	}
	if (err) {
		slot->status = XSP_BLK_ERROR;
		complain_io(q, slot, err);
	}
	answered(q, io->slot);
}

/* --- visit ------------------------------------------------------------------------------------- */

const struct xsp_blk_seg *xsp_queue_segs(const struct xsp_queue *q, const struct xsp_slot *slot)
{
	const struct xsp_io *io = xsp_worker_io(q->worker, slot->io);

	return io->area ? io->area->seg : slot->req.seg;
}

/*
 * What every queue has for itself, and beyond that no more than its share of the rest. Since claims are
 * never lent, a disk that hangs with all it could get can't stop the others.
 */
static bool may_take(const struct xsp_queue *q)
{
	const struct xsp_worker *w = q->worker;
	uint32_t claim = q->has_claim ? XSP_CLAIM_IOS : 0, share = w->n_common_ios / w->n_queues;

	if (q->in_flight < claim)
		return true;
	return w->common_ios_used < w->n_common_ios && q->in_flight - claim < (share ? share : 1);
}

static void count_taken(struct xsp_queue *q)
{
	if (q->in_flight++ >= (q->has_claim ? XSP_CLAIM_IOS : 0))
		q->worker->common_ios_used++;
}

static void count_answered(struct xsp_queue *q)
{
	if (--q->in_flight >= (q->has_claim ? XSP_CLAIM_IOS : 0))
		q->worker->common_ios_used--;
}

static bool get_area(struct xsp_queue *q, struct xsp_io *io)
{
	struct xsp_worker *w = q->worker;
	bool common = q->areas >= q->has_claim;

	if ((common && w->common_areas_used == w->n_common_areas) || !xsp_worker_get_area(w, io))
		return false;
	q->areas++;
	w->common_areas_used += common;
	return true;
}

static void count_area_put(struct xsp_queue *q)
{
	if (--q->areas >= q->has_claim)
		q->worker->common_areas_used--;
}

static uint16_t take_one(struct xsp_queue *q, struct xsp_io *io)
{
	uint16_t number = q->free_slots[--q->n_free]; /* the ring's size bounds what is taken */
	struct xsp_slot *slot = &q->slots[number];

	xsp_blk_back_take(&q->back, &slot->req);
	slot->io = xsp_worker_io_number(q->worker, io);
	slot->taken_ns = q->worker->now_ns;
	slot->status = XSP_BLK_OKAY;
	slot->bytes = 0;
	slot->op = XSP_IO_READ;
	slot->drain = false;
	slot->n_segs = slot->req.nr_segs;
	io->slot = number;
	io->queue = q;
	io->done = io_done;
	count_taken(q);
	return number;
}

/* Copy requests into slots, each with an io. Returns how many; < 0: the ring is broken. */
static int take(struct xsp_queue *q, uint16_t *batch)
{
	int pending = xsp_ring_back_pending(&q->back.ring), n = 0;
	uint32_t bytes = 0;

	while (n < pending && n < (int)XSP_VISIT_REQS && bytes < XSP_VISIT_BYTES) {
		struct xsp_io *io = may_take(q) ? xsp_worker_get_io(q->worker) : NULL;
		const struct xsp_blk_req *req;

		if (!io) {
			set_starved(q);
			break;
		}
		batch[n] = take_one(q, io);
		req = &q->slots[batch[n++]].req;
		if (req->op == XSP_BLK_BARRIER)
			break; /* nothing behind it yet */
		bytes += (req->op == XSP_BLK_INDIRECT ? req->handle : req->nr_segs) * XSP_PAGE_SIZE;
	}
	return pending < 0 ? pending : n;
}

/*
 * Indirect requests get an area and their segments. Those for which no area is free are parked; the
 * others stay in batch. A malformed one stays too: check says what is wrong with it.
 */
static unsigned int fetch(struct xsp_queue *q, uint16_t *batch, unsigned int n)
{
	uint16_t indirect[XSP_VISIT_REQS];
	unsigned int n_indirect = 0, kept = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct xsp_slot *slot = &q->slots[batch[i]];

		if (slot->req.op == XSP_BLK_INDIRECT) {
			slot->n_segs = xsp_blk_indirect_segs(&slot->req, &q->limits);
			if (slot->n_segs) {
				if (!get_area(q, xsp_worker_io(q->worker, slot->io))) {
					q->parked[q->n_parked++] = batch[i];
					continue;
				}
				indirect[n_indirect++] = batch[i];
			}
		}
		batch[kept++] = batch[i];
	}
	if (n_indirect) {
		xsp_count(&q->c.stats->indirect, n_indirect);
		xsp_data_fetch(q, indirect, n_indirect);
	}
	if (q->n_parked)
		set_starved(q);
	return kept;
}

static void plan_io(struct xsp_queue *q, uint16_t number, const struct xsp_blk_plan *plan)
{
	struct xsp_slot *slot = &q->slots[number];
	struct xsp_io *io = xsp_worker_io(q->worker, slot->io);

	slot->op = (uint8_t)plan->op;
	slot->bytes = plan->len;
	if (plan->op == XSP_IO_FLUSH || plan->op == XSP_IO_DISCARD)
		slot->n_segs = 0;
	io->offset = plan->offset;
	io->niov = 0;
	io->sync_before = plan->sync_before;
	io->sync_after = plan->sync_after;
	slot->drain = plan->drain;
}

static void refuse(struct xsp_queue *q, uint16_t number, const char *why)
{
	struct xsp_slot *slot = &q->slots[number];

	slot->n_segs = 0;
	xsp_count(&q->c.stats->bad_req, 1);
	xsp_queue_complain(q, "refused request %llu (op %u, sector %llu, %u segments): %s",
			   (unsigned long long)slot->req.id, slot->req.op,
			   (unsigned long long)slot->req.sector, slot->req.nr_segs, why);
	answered(q, number);
}

/* Judge each request once; the bad ones are answered, the good ones stay in batch. */
static unsigned int check(struct xsp_queue *q, uint16_t *batch, unsigned int n)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct xsp_slot *slot = &q->slots[batch[i]];
		struct xsp_blk_plan plan;
		const char *why;

		if (slot->status != XSP_BLK_OKAY) { /* its descriptors could not be fetched */
			slot->n_segs = 0;
			answered(q, batch[i]);
			continue;
		}
		slot->status = xsp_blk_check(&slot->req, xsp_queue_segs(q, slot), &q->limits, &plan,
					     &why);
		if (slot->status == XSP_BLK_OKAY) {
			plan_io(q, batch[i], &plan);
			batch[good++] = batch[i];
		} else {
			refuse(q, batch[i], why);
		}
	}
	return good;
}

/* Pages and data of the batch's reads and writes; those whose pages are bad are answered. */
static unsigned int data_in(struct xsp_queue *q, uint16_t *batch, unsigned int n)
{
	uint16_t data[XSP_VISIT_REQS];
	unsigned int n_data = 0, good = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct xsp_slot *slot = &q->slots[batch[i]];

		if (slot->n_segs)
			data[n_data++] = batch[i];
		if (slot->op != XSP_IO_READ)
			q->dirty = true;
	}
	if (n_data)
		xsp_data_in(q, data, n_data);
	for (unsigned int i = 0; i < n; i++) {
		if (q->slots[batch[i]].status == XSP_BLK_OKAY)
			batch[good++] = batch[i];
		else
			answered(q, batch[i]);
	}
	return good;
}

/* A barrier goes when it is alone in flight. */
static void submit_barrier(struct xsp_queue *q)
{
	if (q->barrier != XSP_NO_SLOT && q->in_flight == 1 && !q->barrier_sent) {
		q->barrier_sent = true;
		submit(q, xsp_worker_io(q->worker, q->slots[q->barrier].io));
	}
}

/* To the target, but for a barrier that must wait. Only a request that is good becomes the barrier. */
static void submit_batch(struct xsp_queue *q, const uint16_t *batch, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct xsp_slot *slot = &q->slots[batch[i]];

		if (slot->drain)
			q->barrier = batch[i];
		else
			submit(q, xsp_worker_io(q->worker, slot->io));
	}
	submit_barrier(q);
}

/* The batch of this visit: what was parked before anything new. */
static int gather(struct xsp_queue *q, uint16_t *batch)
{
	uint32_t n = q->n_parked < XSP_VISIT_REQS ? q->n_parked : XSP_VISIT_REQS;

	if (q->n_parked) {
		memcpy(batch, q->parked, n * sizeof(*batch));
		q->n_parked -= n;
		memmove(q->parked, q->parked + n, q->n_parked * sizeof(*batch));
		return (int)n;
	}
	if (q->stopping || q->broken || q->barrier != XSP_NO_SLOT)
		return 0;
	return take(q, batch);
}

void xsp_queue_visit(struct xsp_queue *q)
{
	uint16_t batch[XSP_VISIT_REQS];
	int taken = gather(q, batch);
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
	n = fetch(q, batch, (unsigned int)taken);
	n = check(q, batch, n);
	n = data_in(q, batch, n);
	submit_batch(q, batch, n);
	if (q->n_parked || xsp_ring_back_pending(&q->back.ring))
		xsp_queue_set_ready(q); /* at the tail: the others' turn first */
	else
		set_arming(q);
}

/* --- finish ------------------------------------------------------------------------------------ */

static void count_request(struct xsp_queue *q, const struct xsp_slot *slot)
{
	uint64_t sectors = slot->status == XSP_BLK_OKAY ? slot->bytes / XSP_SECTOR_SIZE : 0;
	struct xsp_blk_stats *s = q->c.stats;

	if (slot->req.op == XSP_BLK_BARRIER) {
		xsp_count(&s->br_req, 1);
	} else if (slot->req.op == XSP_BLK_FLUSH) {
		xsp_count(&s->fl_req, 1);
	} else if (slot->op == XSP_IO_DISCARD) {
		xsp_count(&s->ds_req, 1);
		xsp_count(&s->ds_sect, sectors);
	} else if (slot->op == XSP_IO_READ) {
		xsp_count(&s->rd_req, 1);
		xsp_count(&s->rd_sect, sectors);
	} else {
		xsp_count(&s->wr_req, 1);
	}
	if (slot->op == XSP_IO_WRITE)
		xsp_count(&s->wr_sect, sectors);
	xsp_hist_add(&s->latency[slot->op], q->worker->now_ns - slot->taken_ns);
}

/* The data of the reads among n (at most XSP_VISIT_REQS) answered slots, in one call. */
static void data_out(struct xsp_queue *q, const uint16_t *slots, unsigned int n)
{
	uint16_t reads[XSP_VISIT_REQS];
	unsigned int n_reads = 0;

	for (unsigned int i = 0; i < n; i++)
		if (q->slots[slots[i]].n_segs && q->slots[slots[i]].op == XSP_IO_READ &&
		    q->slots[slots[i]].status == XSP_BLK_OKAY)
			reads[n_reads++] = slots[i];
	if (n_reads)
		xsp_data_out(q, reads, n_reads);
}

static void respond(struct xsp_queue *q, uint16_t number)
{
	struct xsp_slot *slot = &q->slots[number];
	struct xsp_io *io = xsp_worker_io(q->worker, slot->io);
	/* Linux's blkfront wants to hear the operation inside an indirect request. */
	uint8_t op = slot->req.op == XSP_BLK_INDIRECT ? slot->req.nr_segs : slot->req.op;

	xsp_blk_back_respond(&q->back, slot->req.id, op, slot->status);
	if (slot->bytes || slot->op == XSP_IO_FLUSH) /* it was not refused */
		count_request(q, slot);
	xsp_data_release(q, slot);
	if (number == q->barrier) {
		q->barrier = XSP_NO_SLOT;
		q->barrier_sent = false;
		xsp_queue_set_ready(q);
	}
	slot->io = XSP_NO_IO;
	q->free_slots[q->n_free++] = number;
	count_answered(q);
	if (io->area)
		count_area_put(q);
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
	if (xsp_ring_back_push(&q->back.ring))
		xsp_queue_notify(q);
	submit_barrier(q);
	if (q->stopping)
		xsp_queue_may_stop(q);
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

/*
 * Neither of these calls fails on a bound port, as far as anybody knows. If one does all the same, a
 * guest would wait for ever: it is tried again a little later.
 */
void xsp_queue_notify(struct xsp_queue *q)
{
	q->notify_again = xenevtchn_notify(q->worker->xce, q->port) != 0;
	xsp_count(&q->c.stats->notifies, 1);
	xsp_count(&q->c.stats->evtchn_calls, 1);
	if (!q->notify_again)
		return;
	xsp_queue_complain(q, "can't send an event: %s; trying again", strerror(errno));
	xsp_queue_later(q, RETRY_MS);
}

void xsp_queue_unmask(struct xsp_queue *q)
{
	q->unmask_later = xenevtchn_unmask(q->worker->xce, q->port) != 0;
	q->masked = q->unmask_later;
	xsp_count(&q->c.stats->evtchn_calls, 1);
	if (!q->unmask_later)
		return;
	xsp_queue_complain(q, "can't unmask its event channel: %s; trying again", strerror(errno));
	xsp_queue_later(q, RETRY_MS);
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
