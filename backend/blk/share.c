/* SPDX-License-Identifier: MIT */
/* Limits, window and weights: see share.h. */
#include "backend/blk/share.h"

#include "backend/blk/queue.h"

/* What a disk of the default weight may take before it is the next one's turn: eight small requests. */
#define QUANTUM   65536u
#define PERIOD_NS 100000000ull /* what is in flight longer than two of these leaves the window */

/* --- shares -------------------------------------------------------------------------------------- */

void xsp_share_join(struct xsp_blkq *q)
{
	q->base.worker->window.weights += q->shares.weight;
	q->deficit = 0;
}

void xsp_share_leave(struct xsp_blkq *q)
{
	q->base.worker->window.weights -= q->shares.weight;
}

void xsp_share_replace(struct xsp_blkq *q, const struct xsp_shares *s)
{
	xsp_share_leave(q);
	xsp_shares_put(&q->shares);
	q->shares = *s;
	xsp_share_join(q);
	xsp_queue_end_waiting(&q->base); /* for the old limits, perhaps very long */
}

/* --- limits -------------------------------------------------------------------------------------- */

static uint64_t room(struct xsp_bucket *const *b, uint64_t now, uint64_t *until)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < XSP_LIMITS; i++) {
		uint64_t n = xsp_bucket_room(b[i], now);

		if (n < least)
			least = n;
		if (!n && xsp_bucket_until(b[i]) > *until)
			*until = xsp_bucket_until(b[i]);
	}
	return least;
}

static bool within_limits(struct xsp_blkq *q, struct xsp_allowance *a)
{
	uint64_t now = q->base.worker->now_ns, until = 0;

	a->reqs = room(q->shares.reqs, now, &until);
	a->bytes = room(q->shares.bytes, now, &until);
	if (a->reqs && a->bytes)
		return true;
	xsp_count(&q->c.stats->throttled, 1);
	xsp_queue_set_waiting(&q->base, until);
	return false;
}

/* --- window -------------------------------------------------------------------------------------- */

static uint64_t in_window(struct xsp_window *w, uint64_t now)
{
	for (int i = 0; i < 2 && now - w->began_ns >= PERIOD_NS; i++) {
		w->cost[++w->number & 1] = 0;
		w->began_ns = i ? now : w->began_ns + PERIOD_NS;
	}
	return w->cost[0] + w->cost[1];
}

static bool window_open(struct xsp_worker *w)
{
	return in_window(&w->window, w->now_ns) < w->window.size;
}

/*
 * Until something is answered, or is too old to count. Who has begun its turn goes on with it: were it
 * behind the others then, each would get one request by turns, whatever its weight.
 */
static void starve(struct xsp_blkq *q)
{
	struct xsp_worker *w = q->base.worker;

	if (q->deficit > 0)
		xsp_queue_set_starved_first(&q->base);
	else
		xsp_queue_set_starved(&q->base);
	xsp_worker_wake_at(w, w->window.began_ns + PERIOD_NS);
}

/* --- weights ------------------------------------------------------------------------------------- */

static bool is_alone(const struct xsp_worker *w)
{
	return TAILQ_EMPTY(&w->ready) && TAILQ_EMPTY(&w->starved);
}

static bool has_turn(struct xsp_blkq *q, struct xsp_allowance *a)
{
	if (is_alone(q->base.worker)) { /* nobody to wait for */
		q->deficit = 0;
		a->cost = UINT64_MAX;
		return true;
	}
	if (q->deficit <= 0)
		q->deficit += (int64_t)QUANTUM * q->shares.weight / XSP_WEIGHT_DEFAULT;
	if (q->deficit <= 0) {
		xsp_queue_set_ready(&q->base); /* at the tail: a large request is being paid for */
		return false;
	}
	a->cost = (uint64_t)q->deficit;
	return true;
}

/* --- a visit ------------------------------------------------------------------------------------- */

bool xsp_share_begin(struct xsp_blkq *q, struct xsp_allowance *ret)
{
	if (!within_limits(q, ret))
		return false;
	if (window_open(q->base.worker))
		return has_turn(q, ret);
	starve(q);
	return false;
}

/* By what it says; what it really is comes out later, and a lie costs the guest its own turn only. */
static uint32_t cost_of(const struct xsp_blk_req *req)
{
	uint32_t n = req->op == XSP_BLK_INDIRECT ? req->handle :
		     req->op == XSP_BLK_DISCARD	 ? 0 :
						   req->nr_segs;

	return XSP_COST_REQ + (n < XSP_AREA_SEGS ? n : XSP_AREA_SEGS) * XSP_PAGE_SIZE;
}

bool xsp_share_take(struct xsp_blkq *q, uint16_t number, struct xsp_allowance *a)
{
	struct xsp_window *w = &q->base.worker->window;
	struct xsp_slot *slot = &q->slots[number];
	uint32_t bytes;

	slot->cost = cost_of(&slot->req);
	slot->period = w->number;
	w->cost[w->number & 1] += slot->cost;
	if (a->cost != UINT64_MAX)
		q->deficit -= slot->cost;
	bytes = slot->cost - XSP_COST_REQ;
	a->cost = a->cost > slot->cost ? a->cost - slot->cost : 0;
	a->bytes = a->bytes > bytes ? a->bytes - bytes : 0;
	return --a->reqs && a->bytes && a->cost && w->cost[0] + w->cost[1] < w->size;
}

void xsp_share_end(struct xsp_blkq *q, uint32_t reqs, bool emptied, bool starved)
{
	for (int i = 0; reqs && i < XSP_LIMITS; i++)
		xsp_bucket_charge(q->shares.reqs[i], reqs, q->base.worker->now_ns);
	if (emptied && q->deficit > 0)
		q->deficit = 0; /* what was not used is not saved up */
	/* Whose turn is over goes behind those that are ready. */
	if (starved || (!emptied && q->deficit > 0 && !window_open(q->base.worker)))
		starve(q);
}

void xsp_share_bytes(struct xsp_blkq *q, uint64_t bytes)
{
	for (int i = 0; i < XSP_LIMITS; i++)
		xsp_bucket_charge(q->shares.bytes[i], bytes, q->base.worker->now_ns);
}

void xsp_share_answered(struct xsp_blkq *q, uint16_t number)
{
	struct xsp_window *w = &q->base.worker->window;
	const struct xsp_slot *slot = &q->slots[number];

	if (w->number - slot->period <= 1)
		w->cost[slot->period & 1] -= slot->cost;
}
