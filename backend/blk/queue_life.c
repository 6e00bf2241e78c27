/* SPDX-License-Identifier: MIT */
/* A block queue's beginning and end on its worker's thread: see queue.h. */
#include "backend/blk/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- begin ------------------------------------------------------------------------------------- */

/* Without its file a disk works, and is left alone after a kill: worth a warning, no more. */
static int open_journal(struct xsp_blkq *q, uint32_t n)
{
	int err = xsp_journal_open(&q->journal, q->c.journal, n);

	/* What an earlier ring's daemon holds while it hangs is of no use to a new one. */
	if (err == -EAGAIN && q->base.adopt == XSP_ADOPT_NEW && !unlink(q->c.journal))
		err = xsp_journal_open(&q->journal, q->c.journal, n);
	if (err == -EAGAIN)
		return xsp_queue_fail(&q->base, err, "another daemon has its journal %s", q->c.journal);
	if (!err)
		return 0;
	xsp_warn(q->base.name, "no journal %s (%s): it would not survive a kill of this daemon", q->c.journal,
		 strerror(-err));
	if (!xsp_journal_open(&q->journal, NULL, n))
		return 0;
	return xsp_queue_fail(&q->base, -ENOMEM, "no memory for %u slots", n);
}

static int make_slots(struct xsp_blkq *q, uint32_t n)
{
	int err = open_journal(q, n);

	if (err)
		return err;
	q->free_slots = calloc(n, sizeof(*q->free_slots));
	q->done_slots = calloc(n, sizeof(*q->done_slots));
	q->parked = calloc(n, sizeof(*q->parked));
	q->again = calloc(n, sizeof(*q->again));
	if (q->c.persistent)
		q->pages = xsp_pages_new(q->base.worker->xgt, q->base.domid, q->c.stats);
	if (!q->free_slots || !q->done_slots || !q->parked || !q->again || (q->c.persistent && !q->pages))
		return xsp_queue_fail(&q->base, -ENOMEM, "no memory for %u slots", n);
	q->slots = q->journal.slots;
	q->barrier = XSP_NO_SLOT;
	return 0;
}

static int map_ring(struct xsp_blkq *q)
{
	uint32_t pages = 1u << q->c.order;
	int err;

	q->sring = xengnttab_map_domain_grant_refs(q->base.worker->xgt, pages, q->base.domid,
						   q->c.ring_ref, PROT_READ | PROT_WRITE);
	xsp_count(&q->c.stats->gnt_calls, 1);
	xsp_count(&q->c.stats->gnt_refs, pages);
	if (q->sring)
		return 0;
	err = errno ? -errno : -EIO;
	return xsp_queue_fail(&q->base, err, "can't map the ring (grant %u%s): %s", q->c.ring_ref[0],
			      pages > 1 ? " .." : "", strerror(-err));
}

/* What is recorded of a ring when it was left: how far it was answered, and which ring it was. */
static bool recorded(const struct xsp_blkq *q, uint32_t *rsp_prod)
{
	uint32_t ref, evtchn;

	return sscanf(q->base.record, "%u %u %u", rsp_prod, &ref, &evtchn) == 3 &&
	       ref == q->c.ring_ref[0] && evtchn == q->base.port[0].guest;
}

static struct xsp_journal_id journal_id(const struct xsp_blkq *q)
{
	struct xsp_journal_id id = {
		.life = q->c.life,
		.domid = q->base.domid,
		.devid = q->base.devid,
		.queue = q->base.index,
		.evtchn = q->base.port[0].guest,
		.abi = q->c.abi,
		.order = q->c.order,
		.shifts = (uint32_t)q->c.shifts.number << 8 | q->c.shifts.segment,
	};

	memcpy(id.ring_ref, q->c.ring_ref, sizeof(id.ring_ref));
	return id;
}

/* No journal tells how it was left: what was drained or is idle can be served on. */
static int judge_ring(struct xsp_blkq *q, uint32_t rsp_prod, uint32_t req_prod)
{
	uint32_t left_at;

	if (recorded(q, &left_at)) {
		if (rsp_prod != left_at)
			return xsp_queue_fail(
				&q->base, -EBUSY,
				"the ring moved on since it was drained (rsp_prod %u, recorded %u)",
				rsp_prod, left_at);
	} else if (rsp_prod != req_prod) {
		return xsp_queue_fail(&q->base, -EBUSY,
				      "%u requests were outstanding when the former daemon died; "
				      "reattach the disk or restart the guest",
				      req_prod - rsp_prod);
	}
	if (req_prod - rsp_prod > q->journal.n)
		return xsp_queue_fail(&q->base, -EPROTO, "the ring's request index is out of bounds");
	return 0;
}

/* Does its journal tell how a former daemon left the ring? */
static bool recovered(struct xsp_blkq *q, const struct xsp_journal_id *id, uint32_t rsp_prod,
		      uint32_t req_prod, struct xsp_recovery *r)
{
	const char *why;

	if (!xsp_journal_is_of(&q->journal, id))
		return false;
	if (!xsp_journal_recover(&q->journal, rsp_prod, req_prod, r, &why))
		return true;
	xsp_warn(q->base.name, "%s", why);
	return false;
}

/* Where to begin in the ring; -EBUSY when a former daemon may have left requests unanswered. */
static int choose_start(struct xsp_blkq *q, struct xsp_recovery *r)
{
	struct xsp_journal_id id = journal_id(q);
	uint32_t rsp_prod = xsp_load(&q->sring->rsp_prod);
	uint32_t req_prod = xsp_load(&q->sring->req_prod);

	if (q->base.adopt == XSP_ADOPT_NEW) {
		if (rsp_prod) /* its old requests would be done again */
			return xsp_queue_fail(&q->base, -EPROTO,
					      "the ring is not new: it holds %u responses already", rsp_prod);
	} else if (recovered(q, &id, rsp_prod, req_prod, r)) {
		return 0;
	} else {
		int err = judge_ring(q, rsp_prod, req_prod);

		if (err)
			return err;
	}
	xsp_journal_begin(&q->journal, &id, rsp_prod);
	r->n_answered = r->n_live = 0;
	r->rsp_prod = r->req_cons = rsp_prod;
	return 0;
}

/* What was answered and not published is now; what was taken comes again, the others are free. */
static void restore(struct xsp_blkq *q, const struct xsp_recovery *r)
{
	for (uint32_t i = 0; i < q->journal.n; i++)
		q->slots[i].io = XSP_NO_IO;
	q->back.abi = q->c.abi;
	xsp_ring_back_init(&q->back.ring, q->sring, q->journal.n, r->rsp_prod);
	q->back.ring.req_cons = r->req_cons;
	for (uint32_t i = 0; i < r->n_answered; i++) {
		const struct xsp_slot *slot = &q->slots[r->answered[i]];

		xsp_blk_back_respond(&q->back, slot->req.id, xsp_blkq_inner_op(slot), slot->status);
	}
	if (r->n_answered) /* an adopted queue's guest is notified in any case */
		xsp_ring_back_push(&q->back.ring);
	xsp_journal_published(&q->journal, q->back.ring.rsp_prod_pvt, r->answered, r->n_answered);
	for (uint32_t i = r->n_live; i > 0; i--)
		q->again[q->n_again++] = r->live[i - 1];
	for (uint32_t i = q->journal.n; i > 0; i--)
		if (q->slots[i - 1].stage == XSP_SLOT_FREE)
			q->free_slots[q->n_free++] = (uint16_t)(i - 1);
	if (r->n_answered + r->n_live)
		xsp_info(q->base.name,
			 "queue %u: of what a killed daemon had taken, %u requests were answered, "
			 "%u are done again",
			 q->base.index, r->n_answered, r->n_live);
}

static void let_go(struct xsp_blkq *q)
{
	if (q->sring) {
		xengnttab_unmap(q->base.worker->xgt, q->sring, 1u << q->c.order);
		q->sring = NULL;
	}
	xsp_shares_put(&q->shares);
	xsp_pages_free(q->pages);
	q->pages = NULL;
	xsp_journal_close(&q->journal);
	free(q->free_slots);
	free(q->done_slots);
	free(q->parked);
	free(q->again);
	q->slots = NULL;
	q->free_slots = q->done_slots = q->parked = q->again = NULL;
}

static int begin(struct xsp_queue *queue)
{
	struct xsp_blkq *q = xsp_blkq_of(queue);
	struct xsp_worker *w = q->base.worker;
	struct xsp_recovery r;
	uint32_t left_at;
	int err;

	err = make_slots(q, xsp_blk_ring_slots(q->c.order));
	if (!err)
		err = map_ring(q);
	if (!err)
		err = choose_start(q, &r);
	if (err) {
		let_go(q);
		return err;
	}
	restore(q, &r);
	/* A daemon that didn't stop its queue didn't flush either. */
	q->dirty = q->base.adopt != XSP_ADOPT_NEW && !recorded(q, &left_at);
	q->limits = (struct xsp_blk_limits){
		.sectors = q->c.target->size_bytes / XSP_SECTOR_SIZE,
		.sector_size = q->c.target->sector_size,
		.shifts = q->c.shifts,
		.readonly = q->c.target->readonly,
		.can_flush = q->c.target->can_flush,
		.can_discard = q->c.offer_discard,
		.indirect = q->c.indirect,
	};
	w->n_blkqs++;
	xsp_share_join(q);
	q->has_claim = w->claims_left > 0;
	w->claims_left -= q->has_claim;
	return 0;
}

/* --- end --------------------------------------------------------------------------------------- */

static void end(struct xsp_queue *queue)
{
	struct xsp_blkq *q = xsp_blkq_of(queue);
	struct xsp_worker *w = q->base.worker;

	w->n_blkqs--;
	xsp_share_leave(q);
	w->claims_left += q->has_claim;
	if (q->n_again) /* they are in the journal only */
		snprintf(q->base.record, sizeof(q->base.record), "-");
	else
		snprintf(q->base.record, sizeof(q->base.record), "%u %u %u", q->back.ring.rsp_prod_pvt,
			 q->c.ring_ref[0], q->base.port[0].guest);
	let_go(q);
}

static void synced(struct xsp_io *io, int err)
{
	struct xsp_blkq *q = io->queue;

	if (err) {
		q->base.sync_failed = true;
		xsp_err(q->base.name, "flushing before the queue stops failed: %s", strerror(-err));
	}
	xsp_queue_end(&q->base);
}

static void may_stop(struct xsp_queue *queue)
{
	struct xsp_blkq *q = xsp_blkq_of(queue);

	if (q->in_flight || q->syncing)
		return;
	if (!q->dirty || !q->limits.can_flush) {
		xsp_queue_end(&q->base);
		return;
	}
	q->syncing = true;
	q->stop_io = (struct xsp_io){
		.worker = q->base.worker,
		.op = XSP_IO_FLUSH,
		.done = synced,
		.queue = q,
	};
	xsp_target_submit(q->c.target, &q->stop_io);
}

/* --- between: has the guest given us anything? ------------------------------------------------- */

static int pending(const struct xsp_queue *queue)
{
	return xsp_ring_back_pending(&((const struct xsp_blkq *)queue)->back.ring);
}

static int sleep_(struct xsp_queue *queue)
{
	return xsp_ring_back_sleep(&xsp_blkq_of(queue)->back.ring);
}

const struct xsp_queue_ops xsp_blkq_ops = {
	.begin = begin,
	.visit = xsp_blkq_visit,
	.finish = xsp_blkq_finish,
	.pending = pending,
	.sleep = sleep_,
	.may_stop = may_stop,
	.end = end,
};
