/* SPDX-License-Identifier: MIT */
/*
 * The way of a request through the daemon, one function a stage (docs/architecture.md, "The life of
 * one block read"):
 *
 *   visit    take -> fetch -> check -> data in -> submit   ring to target, a batch at a time
 *   finish   data out -> respond                           target to ring, one push, one notify
 *
 * What comes between, asking for events, is in backend/queue.c; starting and stopping in queue_life.c.
 */
#include "backend/blk/queue.h"

#include <stdio.h>

#include "backend/blk/data.h"
#include "backend/probe.h"

#define FEW        8            /* requests that wait in a ring */
#define PART_BYTES (128u << 10) /* take longer to bring than an event to send and to take */

/* --- completions ------------------------------------------------------------------------------- */

/* The slot has its answer; it goes out with the queue's next finish. */
static void answered(struct xsp_blkq *q, uint16_t number)
{
	q->done_slots[q->n_done++] = number;
	xsp_queue_set_finishing(&q->base);
}

/* Hand the request to the target: the flush before it if there is one to do, else itself. */
static void submit(struct xsp_blkq *q, struct xsp_io *io)
{
	const struct xsp_slot *slot = &q->slots[io->slot];

	io->op = io->sync_before ? XSP_IO_FLUSH : slot->op;
	io->len = io->sync_before ? 0 : slot->bytes;
	XSP_PROBE_SUBMIT(&q->base, io->op, io->offset, io->len);
	xsp_target_submit(q->c.target, io);
}

static void complain_io(struct xsp_blkq *q, const struct xsp_slot *slot, int err)
{
	static const char *const names[] = { "read", "write", "flush", "discard" };

	xsp_count(&q->c.stats->io_errors, 1);
	xsp_queue_complain(&q->base, "%s of %llu bytes at sector %llu failed: %s", names[slot->op],
			   (unsigned long long)slot->bytes, (unsigned long long)slot->req.sector,
			   strerror(-err));
}

static void io_done(struct xsp_io *io, int err)
{
	struct xsp_blkq *q = io->queue;
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
	XSP_PROBE_COMPLETE(&q->base, slot->op, err);
	answered(q, io->slot);
}

/* --- visit ------------------------------------------------------------------------------------- */

struct xsp_blk_seg *xsp_blkq_segs(const struct xsp_blkq *q, struct xsp_slot *slot)
{
	const struct xsp_io *io = xsp_worker_io(q->base.worker, slot->io);

	return io->area ? io->area->seg : slot->req.seg;
}

/*
 * What every queue has for itself, and beyond that no more than its weight's share of the rest. Since claims are
 * never lent, a disk that hangs with all it could get can't stop the others.
 */
static bool may_take(const struct xsp_blkq *q)
{
	const struct xsp_worker *w = q->base.worker;
	uint32_t claim = q->has_claim ? XSP_CLAIM_IOS : 0;
	uint64_t share = (uint64_t)w->n_common_ios * q->shares.weight / w->window.weights;

	if (q->in_flight < claim)
		return true;
	return w->common_ios_used < w->n_common_ios && q->in_flight - claim < (share ? share : 1);
}

static void count_taken(struct xsp_blkq *q)
{
	if (q->in_flight++ >= (q->has_claim ? XSP_CLAIM_IOS : 0))
		q->base.worker->common_ios_used++;
}

static void count_answered(struct xsp_blkq *q)
{
	if (--q->in_flight >= (q->has_claim ? XSP_CLAIM_IOS : 0))
		q->base.worker->common_ios_used--;
}

static bool get_area(struct xsp_blkq *q, struct xsp_io *io)
{
	struct xsp_worker *w = q->base.worker;
	bool common = q->areas >= q->has_claim;

	if ((common && w->common_areas_used == w->n_common_areas) || !xsp_worker_get_area(w, io))
		return false;
	q->areas++;
	w->common_areas_used += common;
	return true;
}

static void count_area_put(struct xsp_blkq *q)
{
	if (--q->areas >= q->has_claim)
		q->base.worker->common_areas_used--;
}

/* A slot that holds a request gets an io. */
static void hold(struct xsp_blkq *q, uint16_t number, struct xsp_io *io)
{
	struct xsp_slot *slot = &q->slots[number];

	slot->io = xsp_worker_io_number(q->base.worker, io);
	slot->taken_ns = q->base.worker->now_ns;
	slot->status = XSP_BLK_OKAY;
	slot->bytes = 0;
	slot->op = XSP_IO_READ;
	slot->drain = false;
	slot->n_segs = slot->req.nr_segs;
	io->slot = number;
	io->queue = q;
	io->done = io_done;
	count_taken(q);
}

static uint16_t take_one(struct xsp_blkq *q, struct xsp_io *io)
{
	uint16_t number = q->free_slots[--q->n_free]; /* the ring's size bounds what is taken */
	struct xsp_slot *slot = &q->slots[number];
	uint32_t index = q->back.ring.req_cons;

	xsp_blk_back_take(&q->back, &slot->req);
	if (q->c.shifts.number | q->c.shifts.segment)
		xsp_blk_to_512(&slot->req, q->c.shifts);
	xsp_journal_taken(&q->journal, slot, index);
	hold(q, number, io);
	return number;
}

/*
 * Reads that this processor brings one after the other: part of them first, and the guest has those
 * while the rest is brought. All at once, and each side would wait for the other.
 *
 * A guest that waits for events is woken by the first part, and mostly finds another one before it sleeps
 * again. For one that polls they come in parts by themselves where many are under way, and larger
 * batches cost less: only few are halved. A worker that sleeps pays an event for each half of few: the
 * half must be worth it.
 */
static bool is_part(const struct xsp_blkq *q, const struct xsp_slot *slot, int n, int pending, uint32_t cost)
{
	bool sleeps = q->base.worker->poller.set.mode == XSP_POLL_EVENT;
	int part = q->c.target->at_once;

	if (!part || xsp_blkq_inner_op(slot) != XSP_BLK_READ)
		return false;
	if (pending <= FEW && 2 * n >= pending && (!sleeps || cost >= PART_BYTES))
		return true;
	return n >= part && pending >= 2 * part && xsp_ring_back_peer_sleeps(&q->back.ring);
}

/*
 * A request that begins a cache line has that line for itself, and of one that waits nothing was touched:
 * its way here tells how far the guest is. The others share theirs with the one before.
 */
static void look_near(struct xsp_blkq *q, uint32_t pending)
{
	const struct xsp_ring_back *r = &q->back.ring;

	for (uint32_t i = 0; i < pending && i < 4; i++) {
		const void *slot = xsp_blk_slot(r->sring, q->back.abi, (r->req_cons + i) & (r->size - 1));

		if ((uintptr_t)slot % XSP_NEAR_LINE)
			continue;
		xsp_near_look(&q->near, slot, true);
		return;
	}
}

/* Copy requests into slots, each with an io. Returns how many; < 0: the ring is broken. */
static int take(struct xsp_blkq *q, uint16_t *batch)
{
	int pending = xsp_ring_back_pending(&q->back.ring), n = 0;
	struct xsp_allowance may;
	uint32_t cost = 0;
	bool more = pending > 0, starved = false;

	if (more && !xsp_share_begin(q, &may))
		return 0;
	if (more && q->c.target->at_once)
		look_near(q, (uint32_t)pending);
	if (more)
		xsp_blk_back_prefetch(&q->back, (uint32_t)pending);
	while (more && n < pending && n < (int)XSP_VISIT_REQS && cost < XSP_VISIT_BYTES) {
		struct xsp_io *io = may_take(q) ? xsp_worker_get_io(q->base.worker) : NULL;
		const struct xsp_slot *slot;

		if (!io) {
			starved = true;
			break;
		}
		batch[n] = take_one(q, io);
		slot = &q->slots[batch[n]];
		more = xsp_share_take(q, batch[n++], &may);
		cost += slot->cost;
		if (slot->req.op == XSP_BLK_BARRIER) /* nothing behind it yet */
			break;
		if (is_part(q, slot, n, pending, cost))
			break;
	}
	if (pending > 0)
		xsp_share_end(q, (uint32_t)n, n == pending, starved);
	return pending < 0 ? pending : n;
}

/* What a killed daemon had taken, in its order and whatever it costs: it comes before anything new. */
static int take_again(struct xsp_blkq *q, uint16_t *batch)
{
	struct xsp_allowance any = { UINT64_MAX, UINT64_MAX, UINT64_MAX };
	int n = 0;

	while (q->n_again && n < (int)XSP_VISIT_REQS) {
		struct xsp_io *io = may_take(q) ? xsp_worker_get_io(q->base.worker) : NULL;

		if (!io) {
			xsp_queue_set_starved(&q->base);
			break;
		}
		batch[n] = q->again[--q->n_again];
		hold(q, batch[n], io);
		xsp_share_take(q, batch[n], &any);
		if (q->slots[batch[n++]].req.op == XSP_BLK_BARRIER)
			break;
	}
	return n;
}

/*
 * Indirect requests get an area and their segments. Those for which no area is free are parked; the
 * others stay in batch. A malformed one stays too: check says what is wrong with it.
 */
static unsigned int fetch(struct xsp_blkq *q, uint16_t *batch, unsigned int n)
{
	uint16_t indirect[XSP_VISIT_REQS];
	unsigned int n_indirect = 0, kept = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct xsp_slot *slot = &q->slots[batch[i]];

		if (slot->req.op == XSP_BLK_INDIRECT) {
			slot->n_segs = xsp_blk_indirect_segs(&slot->req, &q->limits);
			if (slot->n_segs) {
				if (!get_area(q, xsp_worker_io(q->base.worker, slot->io))) {
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
	q->base.parked = q->n_parked > 0;
	if (q->n_parked)
		xsp_queue_set_starved(&q->base);
	return kept;
}

static void plan_io(struct xsp_blkq *q, uint16_t number, const struct xsp_blk_plan *plan)
{
	struct xsp_slot *slot = &q->slots[number];
	struct xsp_io *io = xsp_worker_io(q->base.worker, slot->io);

	slot->op = (uint8_t)plan->op;
	slot->bytes = plan->len;
	if (plan->op != XSP_IO_DISCARD)
		xsp_share_bytes(q, plan->len);
	if (plan->op == XSP_IO_FLUSH || plan->op == XSP_IO_DISCARD)
		slot->n_segs = 0;
	io->offset = plan->offset;
	io->niov = 0;
	io->sync_before = plan->sync_before;
	io->sync_after = plan->sync_after;
	slot->drain = plan->drain;
}

static void refuse(struct xsp_blkq *q, uint16_t number, const char *why)
{
	struct xsp_slot *slot = &q->slots[number];

	slot->n_segs = 0;
	xsp_count(&q->c.stats->bad_req, 1);
	xsp_queue_complain(&q->base, "refused request %llu (op %u, sector %llu, %u segments): %s",
			   (unsigned long long)slot->req.id, slot->req.op,
			   (unsigned long long)slot->req.sector, slot->req.nr_segs, why);
	answered(q, number);
}

/* Judge each request once; the bad ones are answered, the good ones stay in batch. */
static unsigned int check(struct xsp_blkq *q, uint16_t *batch, unsigned int n)
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
		if (q->c.shifts.segment && slot->req.op == XSP_BLK_INDIRECT)
			xsp_blk_segs_to_512(xsp_blkq_segs(q, slot), slot->n_segs, q->c.shifts);
		slot->status = xsp_blk_check(&slot->req, xsp_blkq_segs(q, slot), &q->limits, &plan,
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
static unsigned int data_in(struct xsp_blkq *q, uint16_t *batch, unsigned int n)
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
static void submit_barrier(struct xsp_blkq *q)
{
	if (q->barrier != XSP_NO_SLOT && q->in_flight == 1 && !q->barrier_sent) {
		q->barrier_sent = true;
		submit(q, xsp_worker_io(q->base.worker, q->slots[q->barrier].io));
	}
}

/* To the target, but for a barrier that must wait. Only a request that is good becomes the barrier. */
static void submit_batch(struct xsp_blkq *q, const uint16_t *batch, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct xsp_slot *slot = &q->slots[batch[i]];

		if (slot->drain)
			q->barrier = batch[i];
		else
			submit(q, xsp_worker_io(q->base.worker, slot->io));
	}
	submit_barrier(q);
}

/* The batch of this visit: what was parked before anything new. */
static int gather(struct xsp_blkq *q, uint16_t *batch)
{
	uint32_t n = q->n_parked < XSP_VISIT_REQS ? q->n_parked : XSP_VISIT_REQS;

	if (q->n_parked) {
		memcpy(batch, q->parked, n * sizeof(*batch));
		q->n_parked -= n;
		memmove(q->parked, q->parked + n, q->n_parked * sizeof(*batch));
		q->base.parked = q->n_parked > 0;
		return (int)n;
	}
	if (q->base.stopping || q->base.broken || q->barrier != XSP_NO_SLOT)
		return 0;
	return q->n_again ? take_again(q, batch) : take(q, batch);
}

/* Slots with a request in them that has no answer yet, taken or not. */
static uint32_t occupied(const struct xsp_blkq *q)
{
	int waiting = xsp_ring_back_pending(&q->back.ring);

	return q->in_flight + q->n_again + (waiting > 0 ? (uint32_t)waiting : 0);
}

void xsp_blkq_visit(struct xsp_queue *queue)
{
	struct xsp_blkq *q = xsp_blkq_of(queue);
	uint16_t batch[XSP_VISIT_REQS];
	int taken = gather(q, batch);
	unsigned int n;
	uint32_t in_use;

	if (taken < 0) {
		xsp_queue_break(&q->base, "the ring's request index is out of bounds");
		return;
	}
	if (!taken) {
		xsp_queue_set_arming(&q->base);
		return;
	}
	in_use = occupied(q);
	xsp_count(&q->c.stats->visits, 1);
	xsp_count(&q->c.stats->occupied, in_use);
	XSP_PROBE_TAKE(&q->base, taken, in_use);
	xsp_gauge(&q->c.stats->in_flight, q->in_flight);
	q->base.idle_wakes = 0;
	n = fetch(q, batch, (unsigned int)taken);
	n = check(q, batch, n);
	n = data_in(q, batch, n);
	submit_batch(q, batch, n);
	if (q->n_parked || q->n_again || xsp_ring_back_pending(&q->back.ring))
		xsp_queue_set_ready(&q->base); /* at the tail: the others' turn first */
	else
		xsp_queue_set_arming(&q->base);
}

/* --- finish ------------------------------------------------------------------------------------ */

static void count_request(struct xsp_blkq *q, const struct xsp_slot *slot)
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
	xsp_hist_add(&s->latency[slot->op], q->base.worker->now_ns - slot->taken_ns);
}

/* The data of the reads among n (at most XSP_VISIT_REQS) answered slots, in one call. */
static void data_out(struct xsp_blkq *q, const uint16_t *slots, unsigned int n)
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

static void respond(struct xsp_blkq *q, uint16_t number)
{
	struct xsp_slot *slot = &q->slots[number];
	struct xsp_io *io = xsp_worker_io(q->base.worker, slot->io);

	xsp_journal_answered(slot, q->back.ring.rsp_prod_pvt);
	xsp_blk_back_respond(&q->back, slot->req.id, xsp_blkq_inner_op(slot), slot->status);
	XSP_PROBE_RESPOND(&q->base, slot->op, slot->bytes, slot->taken_ns, q->base.worker->now_ns);
	if (slot->bytes || slot->op == XSP_IO_FLUSH) /* it was not refused */
		count_request(q, slot);
	xsp_data_release(q, slot);
	if (number == q->barrier) {
		q->barrier = XSP_NO_SLOT;
		q->barrier_sent = false;
		xsp_queue_set_ready(&q->base);
	}
	xsp_share_answered(q, number);
	slot->io = XSP_NO_IO;
	q->free_slots[q->n_free++] = number;
	count_answered(q);
	if (io->area)
		count_area_put(q);
	xsp_worker_put_io(q->base.worker, io);
}

void xsp_blkq_finish(struct xsp_queue *queue)
{
	struct xsp_blkq *q = xsp_blkq_of(queue);
	uint32_t n = q->n_done, step = xsp_ring_step(q->back.ring.size);
	bool wants_event;

	for (uint32_t at = 0; at < n; at += XSP_VISIT_REQS)
		data_out(q, q->done_slots + at, n - at < XSP_VISIT_REQS ? n - at : XSP_VISIT_REQS);
	for (uint32_t i = 0; i < n; i++) {
		respond(q, q->done_slots[i]);
		if (!((i + 1) & (step - 1)) && i + 1 < n)
			xsp_ring_back_publish(&q->back.ring); /* for a guest that polls */
	}
	xsp_gauge(&q->c.stats->in_flight, q->in_flight);
	q->n_done = 0;
	wants_event = xsp_ring_back_push(&q->back.ring);
	xsp_journal_published(&q->journal, q->back.ring.rsp_prod_pvt, q->done_slots, n);
	if (wants_event)
		xsp_queue_notify(&q->base.port[0]);
	submit_barrier(q);
	if (q->base.stopping)
		xsp_queue_may_stop(&q->base);
}

/* --- inspection -------------------------------------------------------------------------------- */

void xsp_blkq_snap(struct xsp_blkq *q, struct xsp_ring_snap *s)
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
	s->evtchn_remote = q->base.port[0].guest;
	s->evtchn_local = q->base.port[0].local;
	snprintf(s->protocol, sizeof(s->protocol), "%s",
		 q->c.abi == XSP_BLK_X86_32 ? "x86_32-abi" : "x86_64-abi");
	s->broken = q->base.broken;
	s->stopping = q->base.stopping;
	for (uint32_t i = 0; i < q->back.ring.size; i++) {
		if (q->slots[i].io == XSP_NO_IO)
			continue;
		s->inflight[s->n_inflight].req = q->slots[i].req;
		s->inflight[s->n_inflight].age_ns = q->base.worker->now_ns - q->slots[i].taken_ns;
		s->n_inflight++;
	}
}
