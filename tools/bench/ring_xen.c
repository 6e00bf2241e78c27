/* SPDX-License-Identifier: MIT */
/*
 * Xen's own macros (libxen-dev's xen/io/ring.h, blkif.h) under the benchmark, used as Linux's blkfront
 * and blkback use them: the request is written in place, copied whole by RING_COPY_REQUEST, and the
 * producer index is checked. A file of its own: its names and ours don't mix.
 */
#define __XEN_INTERFACE_VERSION__ 0x00040900
#define xen_mb()                  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb()                 __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb()                 __atomic_thread_fence(__ATOMIC_RELEASE)

#pragma GCC diagnostic ignored "-Wtsan" /* which knows no fences; nobody runs this under it */

#include <stdint.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/io/blkif.h>

#include "tools/bench/pair.h"

static size_t ring_bytes(const struct pair *p)
{
	return (size_t)4096 << p->order;
}

static void fill(blkif_front_ring_t *r)
{
	uint32_t n = r->req_prod_pvt;
	blkif_request_t *req = RING_GET_REQUEST(r, n);

	req->operation = BLKIF_OP_READ;
	req->nr_segments = 1;
	req->handle = 51712 & 0xffff;
	req->id = n;
	req->sector_number = (uint64_t)n << 3;
	req->seg[0].gref = n & 1023;
	req->seg[0].first_sect = 0;
	req->seg[0].last_sect = 7;
	r->req_prod_pvt = n + 1;
}

static uint32_t reap(struct pair *p, blkif_front_ring_t *r)
{
	RING_IDX prod = *(volatile RING_IDX *)&r->sring->rsp_prod;
	uint32_t n = prod - r->rsp_cons;
	blkif_response_t rsp;

	xen_rmb();
	if (RING_RESPONSE_PROD_OVERFLOW(r, prod)) {
		p->wrong++;
		return UINT32_MAX;
	}
	for (; r->rsp_cons != prod; r->rsp_cons++) {
		RING_COPY_RESPONSE(r, r->rsp_cons, &rsp);
		if (rsp.id != r->rsp_cons || rsp.status != BLKIF_RSP_OKAY)
			p->wrong++;
	}
	return n;
}

static void send(struct pair *p, blkif_front_ring_t *r, bool check)
{
	int notify = 0;

	for (uint32_t i = 0; i < p->batch; i++)
		fill(r);
	if (check)
		RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(r, notify);
	else
		RING_PUSH_REQUESTS(r);
	if (notify && p->event)
		pair_notify(p, PAIR_FRONT);
}

static void wait_for_answers(struct pair *p, blkif_front_ring_t *r)
{
	int more;

	if (!p->event) {
		pair_relax();
		return;
	}
	RING_FINAL_CHECK_FOR_RESPONSES(r, more);
	if (!more)
		pair_wait(p, PAIR_FRONT);
}

static void front(struct pair *p, bool check)
{
	blkif_front_ring_t r;

	FRONT_RING_INIT(&r, (blkif_sring_t *)p->pages, ring_bytes(p));
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

static void serve(struct pair *p, blkif_back_ring_t *r, uint32_t n, bool check)
{
	blkif_request_t req;
	int notify = 0;

	for (uint32_t i = 0; i < n; i++) {
		blkif_response_t *rsp;

		RING_COPY_REQUEST(r, r->req_cons, &req);
		PAIR_USE(req); /* or gcc 12 makes no copy at all: the macro's volatile does not force it */
		r->req_cons++;
		if (req.nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
			p->wrong++;
		rsp = RING_GET_RESPONSE(r, r->rsp_prod_pvt);
		rsp->id = req.id;
		rsp->operation = req.operation;
		rsp->status = BLKIF_RSP_OKAY;
		r->rsp_prod_pvt++;
	}
	if (check)
		RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(r, notify);
	else
		RING_PUSH_RESPONSES(r);
	if (notify && p->event)
		pair_notify(p, PAIR_BACK);
}

static void back(struct pair *p, bool check)
{
	blkif_back_ring_t r;

	BACK_RING_INIT(&r, (blkif_sring_t *)p->pages, ring_bytes(p));
	while (!pair_over(p)) {
		RING_IDX prod = *(volatile RING_IDX *)&r.sring->req_prod;
		uint32_t n = prod - r.req_cons;
		int more = 0;

		xen_rmb();
		if (RING_REQUEST_PROD_OVERFLOW(&r, prod)) {
			p->wrong++;
			return;
		}
		if (n) {
			serve(p, &r, n < p->batch ? n : p->batch, check);
			continue;
		}
		if (!p->event) {
			pair_relax();
			continue;
		}
		RING_FINAL_CHECK_FOR_REQUESTS(&r, more);
		if (!more && !pair_over(p))
			pair_wait(p, PAIR_BACK);
	}
}

static void front_plain(struct pair *p)
{
	front(p, false);
}

static void back_plain(struct pair *p)
{
	back(p, false);
}

/* Several queues: as ours. */
static void front_many(struct pair *p)
{
	blkif_front_ring_t r[PAIR_MAX_QUEUES];
	uint32_t under_way = 1;

	for (uint32_t i = 0; i < p->queues; i++)
		FRONT_RING_INIT(&r[i], (blkif_sring_t *)pair_ring(p, i), ring_bytes(p));
	while (!pair_stopped(p) || under_way) {
		int idle = 1;

		under_way = 0;
		for (uint32_t i = 0; i < p->queues; i++) {
			uint32_t n;

			if (!pair_stopped(p) && p->depth - (r[i].req_prod_pvt - r[i].rsp_cons) >= p->batch) {
				send(p, &r[i], true);
				idle = 0;
			}
			n = reap(p, &r[i]);
			if (n == UINT32_MAX)
				return;
			idle = idle && !n;
			under_way += r[i].req_prod_pvt - r[i].rsp_cons;
		}
		if (idle && under_way && p->event) {
			int more = 0, any = 0;

			for (uint32_t i = 0; i < p->queues; i++) {
				RING_FINAL_CHECK_FOR_RESPONSES(&r[i], more);
				any |= more;
			}
			if (!any)
				pair_wait(p, PAIR_FRONT);
		}
	}
	for (uint32_t i = 0; i < p->queues; i++)
		p->ops += r[i].rsp_cons;
}

static void back_many(struct pair *p)
{
	blkif_back_ring_t r[PAIR_MAX_QUEUES];

	for (uint32_t i = 0; i < p->queues; i++)
		BACK_RING_INIT(&r[i], (blkif_sring_t *)pair_ring(p, i), ring_bytes(p));
	while (!pair_over(p)) {
		int more = 0, any = 0;

		for (uint32_t i = 0; i < p->queues; i++) {
			RING_IDX prod = *(volatile RING_IDX *)&r[i].sring->req_prod;
			uint32_t n = prod - r[i].req_cons;

			xen_rmb();
			if (RING_REQUEST_PROD_OVERFLOW(&r[i], prod)) {
				p->wrong++;
				return;
			}
			if (n)
				serve(p, &r[i], n < p->batch ? n : p->batch, true);
			any |= n != 0;
		}
		if (any || !p->event)
			continue;
		for (uint32_t i = 0; i < p->queues; i++) {
			RING_FINAL_CHECK_FOR_REQUESTS(&r[i], more);
			any |= more;
		}
		if (!any && !pair_over(p))
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

const struct contestant ring_xen = {
	.name = "xen",
	.what = "Xen's macros, RING_PUSH_*: never says whether to notify",
	.front = front_plain,
	.back = back_plain,
	.poll_only = true,
};

const struct contestant ring_xen_check = {
	.name = "xen-notify",
	.what = "Xen's macros, RING_PUSH_*_AND_CHECK_NOTIFY",
	.front = front_check,
	.back = back_check,
	.front_many = front_many,
	.back_many = back_many,
};
