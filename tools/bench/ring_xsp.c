/* SPDX-License-Identifier: MIT */
/*
 * Our ring halves under the benchmark: ring/ring.h and ring/blkif.h with everything they do in the
 * product: one copy of each request, checked indices, the hold-off on every push.
 */
#include "ring/blkif.h"
#include "tools/bench/pair.h"

/*
 * The ring's private indices stay in registers only where every function that takes them is inline. In
 * memory each slot costs one store more, and stores of any kind wait in line behind those to shared lines.
 */
#define ALWAYS static inline __attribute__((always_inline))


/* One request as a guest's driver makes it: a read of one page. */
ALWAYS void fill(struct xsp_ring_front *r, uint32_t n)
{
	struct xsp_blk_req req;

	req.op = XSP_BLK_READ;
	req.nr_segs = 1;
	req.handle = 51712 & 0xffff;
	req.id = n;
	req.sector = (uint64_t)n << 3;
	req.seg[0] = (struct xsp_blk_seg){ .gref = n & 1023, .first = 0, .last = 7 };
	xsp_blk_front_put(r, &req);
}

/* Takes all answers there are. Returns how many; UINT32_MAX: the ring is broken. */
ALWAYS uint32_t reap(struct pair *p, struct xsp_ring_front *r)
{
	int n = xsp_ring_front_pending(r);
	struct xsp_blk_rsp rsp;

	for (int i = 0; i < n; i++) {
		uint32_t want = r->rsp_cons;

		xsp_blk_front_take(r, &rsp);
		if (rsp.id != want || rsp.status != XSP_BLK_OKAY)
			p->wrong++;
	}
	if (n < 0)
		p->wrong++;
	return n < 0 ? UINT32_MAX : (uint32_t)n;
}

ALWAYS void wait_for_answers(struct pair *p, struct xsp_ring_front *r)
{
	if (!p->event)
		pair_relax();
	else if (!xsp_ring_front_sleep(r))
		pair_wait(p, PAIR_FRONT);
}

ALWAYS void send(struct pair *p, struct xsp_ring_front *r, bool check)
{
	uint32_t step = xsp_ring_step(r->size);

	for (uint32_t i = 0; i < p->batch; i++) {
		fill(r, r->req_prod_pvt);
		if (!((i + 1) & (step - 1)) && i + 1 < p->batch && p->queues < 2)
			xsp_ring_front_publish(r);
	}
	if (!check)
		xsp_ring_front_publish(r);
	else if (xsp_ring_front_push(r) && p->event)
		pair_notify(p, PAIR_FRONT);
}

static __attribute__((noinline)) void front(struct pair *p, bool check)
{
	struct xsp_ring_front r;

	xsp_ring_front_init(&r, p->pages, xsp_blk_ring_slots(p->order));
	for (;;) {
		uint32_t under_way = r.req_prod_pvt - r.rsp_cons, n;

		if (pair_stopped(p) && !under_way)
			break;
		if (p->depth - under_way >= p->batch && !pair_stopped(p))
			send(p, &r, check);
		n = reap(p, &r);
		if (n == UINT32_MAX)
			break;
		if (!n && (p->depth - (r.req_prod_pvt - r.rsp_cons) < p->batch || pair_stopped(p)))
			wait_for_answers(p, &r);
	}
	p->ops = r.rsp_cons;
}

/* A visit: take, judge, answer. What a backend does between is not the ring's. */
ALWAYS void serve(struct pair *p, struct xsp_blk_back *b, uint32_t n, bool check)
{
	uint32_t step = xsp_ring_step(b->ring.size);
	struct xsp_blk_req req;

	xsp_blk_back_prefetch(b, n);
	for (uint32_t i = 0; i < n; i++) {
		xsp_blk_back_take(b, &req);
		PAIR_USE(req);
		if (req.nr_segs > XSP_BLK_SEGS)
			p->wrong++;
		xsp_blk_back_respond(b, req.id, req.op, XSP_BLK_OKAY);
		if (!((i + 1) & (step - 1)) && i + 1 < n && p->queues < 2)
			xsp_ring_back_publish(&b->ring);
	}
	if (!check)
		xsp_ring_back_publish(&b->ring);
	else if (xsp_ring_back_push(&b->ring) && p->event)
		pair_notify(p, PAIR_BACK);
}

static __attribute__((noinline)) void back(struct pair *p, bool check)
{
	struct xsp_blk_back b = { .abi = XSP_BLK_NATIVE };

	xsp_ring_back_init(&b.ring, p->pages, xsp_blk_ring_slots(p->order), 0);
	while (!pair_over(p)) {
		int n = xsp_ring_back_pending(&b.ring);

		if (n < 0) {
			p->wrong++;
			return;
		}
		if (n)
			serve(p, &b, (uint32_t)n < p->batch ? (uint32_t)n : p->batch, check);
		else if (!p->event)
			pair_relax();
		else if (!xsp_ring_back_sleep(&b.ring) && !pair_over(p))
			pair_wait(p, PAIR_BACK);
	}
}

/*
 * Flowing: slots are filled as they come free and published by steps, and the other half is told once a
 * batch, or before this one waits. By then the stores have long left, and the barrier waits for nothing.
 */
static void front_flow(struct pair *p)
{
	struct xsp_ring_front r;
	uint32_t step, untold = 0;

	xsp_ring_front_init(&r, p->pages, xsp_blk_ring_slots(p->order));
	step = p->batch < xsp_ring_step(p->depth) ? p->batch : xsp_ring_step(p->depth);
	step = step ? step : 1;
	for (;;) {
		uint32_t under_way = r.req_prod_pvt - r.rsp_cons, n;
		bool more = !pair_stopped(p) && p->depth - under_way >= step;

		if (!more && !under_way && pair_stopped(p))
			break;
		if (more) {
			for (uint32_t i = 0; i < step; i++)
				fill(&r, r.req_prod_pvt);
			xsp_ring_front_publish(&r);
			untold += step;
		}
		n = reap(p, &r);
		if (n == UINT32_MAX)
			break;
		if (untold && (untold >= p->batch || (!n && !more))) {
			untold = 0;
			if (xsp_ring_front_push(&r) && p->event)
				pair_notify(p, PAIR_FRONT);
		}
		if (!n && !more)
			wait_for_answers(p, &r);
	}
	p->ops = r.rsp_cons;
}

static void back_flow(struct pair *p)
{
	struct xsp_blk_back b = { .abi = XSP_BLK_NATIVE };
	struct xsp_blk_req req;
	uint32_t step, untold = 0;

	xsp_ring_back_init(&b.ring, p->pages, xsp_blk_ring_slots(p->order), 0);
	step = p->batch < xsp_ring_step(p->depth) ? p->batch : xsp_ring_step(p->depth);
	step = step ? step : 1;
	while (!pair_over(p)) {
		int n = xsp_ring_back_pending(&b.ring);

		if (n < 0) {
			p->wrong++;
			return;
		}
		if (n) {
			uint32_t k = (uint32_t)n < step ? (uint32_t)n : step;

			xsp_blk_back_prefetch(&b, (uint32_t)n);
			for (uint32_t i = 0; i < k; i++) {
				xsp_blk_back_take(&b, &req);
				PAIR_USE(req);
				if (req.nr_segs > XSP_BLK_SEGS)
					p->wrong++;
				xsp_blk_back_respond(&b, req.id, req.op, XSP_BLK_OKAY);
			}
			xsp_ring_back_publish(&b.ring);
			untold += k;
		}
		if (untold && (untold >= p->batch || !n)) {
			untold = 0;
			if (xsp_ring_back_push(&b.ring) && p->event)
				pair_notify(p, PAIR_BACK);
		} else if (n) {
			continue;
		}
		if (n)
			continue;
		if (!p->event)
			pair_relax();
		else if (!xsp_ring_back_sleep(&b.ring) && !pair_over(p))
			pair_wait(p, PAIR_BACK);
	}
}

/*
 * Several queues: each in turn gets a batch if it has room and gives its answers; nobody waits for one alone.
 * A batch is published whole then: the other half is looking at another ring meanwhile.
 */
static void front_many(struct pair *p)
{
	struct xsp_ring_front r[PAIR_MAX_QUEUES];
	uint32_t under_way = 1;

	for (uint32_t i = 0; i < p->queues; i++)
		xsp_ring_front_init(&r[i], pair_ring(p, i), xsp_blk_ring_slots(p->order));
	while (!pair_stopped(p) || under_way) {
		bool idle = true;

		under_way = 0;
		for (uint32_t i = 0; i < p->queues; i++) {
			uint32_t n;

			if (!pair_stopped(p) && p->depth - (r[i].req_prod_pvt - r[i].rsp_cons) >= p->batch) {
				send(p, &r[i], true);
				idle = false;
			}
			n = reap(p, &r[i]);
			if (n == UINT32_MAX)
				return;
			idle = idle && !n;
			under_way += r[i].req_prod_pvt - r[i].rsp_cons;
		}
		if (idle && under_way && p->event) {
			bool more = false;

			for (uint32_t i = 0; i < p->queues; i++)
				more |= xsp_ring_front_sleep(&r[i]) != 0;
			if (!more)
				pair_wait(p, PAIR_FRONT);
		}
	}
	for (uint32_t i = 0; i < p->queues; i++)
		p->ops += r[i].rsp_cons;
}

static void back_many(struct pair *p)
{
	struct xsp_blk_back b[PAIR_MAX_QUEUES];

	for (uint32_t i = 0; i < p->queues; i++) {
		b[i].abi = XSP_BLK_NATIVE;
		xsp_ring_back_init(&b[i].ring, pair_ring(p, i), xsp_blk_ring_slots(p->order), 0);
	}
	while (!pair_over(p)) {
		bool more = false;

		for (uint32_t i = 0; i < p->queues; i++) {
			int n = xsp_ring_back_pending(&b[i].ring);

			if (n < 0) {
				p->wrong++;
				return;
			}
			if (n)
				serve(p, &b[i], (uint32_t)n < p->batch ? (uint32_t)n : p->batch, true);
			more |= n != 0;
		}
		if (more || !p->event)
			continue;
		for (uint32_t i = 0; i < p->queues; i++)
			more |= xsp_ring_back_sleep(&b[i].ring) != 0;
		if (!more && !pair_over(p))
			pair_wait(p, PAIR_BACK);
	}
}

static void front_check(struct pair *p)
{
	front(p, true);
}

static void back_check(struct pair *p)
{
	back(p, true);
}

static void front_plain(struct pair *p)
{
	front(p, false);
}

static void back_plain(struct pair *p)
{
	back(p, false);
}

const struct contestant ring_xsp = {
	.name = "xsp",
	.what = "our ring: push says whether to notify",
	.front = front_check,
	.back = back_check,
	.front_many = front_many,
	.back_many = back_many,
};

const struct contestant ring_xsp_plain = {
	.name = "xsp-poll",
	.what = "our ring: publish, which never says whether to notify",
	.front = front_plain,
	.back = back_plain,
	.poll_only = true,
};

const struct contestant ring_xsp_flow = {
	.name = "xsp-flow",
	.what = "our ring: published by steps, told once a batch",
	.front = front_flow,
	.back = back_flow,
};
