/* SPDX-License-Identifier: MIT */
/*
 * frontend/core/blkfront.c against an honest back half in this process, and against one that lies in
 * every way a response can.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "frontend/core/blkfront.h"

#define MAX 512u

struct rig {
	void *pages;
	struct xsp_blkfront q;
	struct xsp_blk_back b;
	struct xsp_blkfront_done done[MAX];
};

static uint64_t seed = 1;

static uint32_t rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)(seed * 2685821657736338717u >> 32);
}

static void *new_pages(unsigned int order)
{
	void *p = aligned_alloc(XSP_PAGE_SIZE, (size_t)XSP_PAGE_SIZE << order);

	assert_non_null(p);
	memset(p, 0xa5, (size_t)XSP_PAGE_SIZE << order);
	return p;
}

static void attach(struct rig *r)
{
	r->b.abi = XSP_BLK_NATIVE;
	xsp_ring_back_init(&r->b.ring, r->pages, r->q.ring.size, 0);
}

static struct rig *up(unsigned int order)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->pages = new_pages(order);
	assert_int_equal(xsp_blkfront_init(&r->q, r->pages, order, 51712 & 0xffff), 0);
	attach(r);
	return r;
}

static void down(struct rig *r)
{
	xsp_blkfront_fini(&r->q);
	free(r->pages);
	free(r);
}

static const struct xsp_blk_seg seg[XSP_BLK_SEGS + 1] = { { .gref = 8, .first = 0, .last = 7 } };

static int add(struct rig *r, uint64_t cookie)
{
	return xsp_blkfront_add(&r->q, XSP_BLK_READ, cookie * 8, seg, 1, cookie);
}

static struct xsp_blk_req take(struct rig *r)
{
	struct xsp_blk_req q;

	assert_true(xsp_ring_back_pending(&r->b.ring) > 0);
	xsp_blk_back_take(&r->b, &q);
	return q;
}

static void answer(struct rig *r, uint64_t id, uint8_t op, int16_t status)
{
	xsp_blk_back_respond(&r->b, id, op, status);
	xsp_ring_back_push(&r->b.ring);
}

static void blkfront_empty(void **state)
{
	struct rig *r = up(0);

	(void)state;
	assert_int_equal(xsp_blkfront_room(&r->q), 32);
	assert_false(xsp_blkfront_push(&r->q));
	assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), 0);
	assert_int_equal(xsp_blkfront_sleep(&r->q), 0);
	assert_int_equal(xsp_blkfront_abort(&r->q, r->done, MAX), 0);
	down(r);
}

static void blkfront_1req(void **state)
{
	static const struct {
		int16_t wire;
		int status;
	} answers[] = { { 0, 0 }, { -1, -EIO }, { -2, -EOPNOTSUPP }, { 1, -EIO }, { -77, -EIO } };

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct rig *r = up(0);
		struct xsp_blk_req q;

		assert_int_equal(add(r, 12345), 0);
		assert_true(xsp_blkfront_push(&r->q));
		q = take(r);
		assert_true(q.op == XSP_BLK_READ && q.nr_segs == 1 && q.sector == 12345 * 8);
		assert_true(q.handle == (51712 & 0xffff) && q.seg[0].gref == 8 && q.seg[0].last == 7);
		answer(r, q.id, q.op, answers[i].wire);
		assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), 1);
		assert_int_equal(r->done[0].cookie, 12345);
		assert_int_equal(r->done[0].status, answers[i].status);
		assert_int_equal(xsp_blkfront_room(&r->q), 32);
		assert_null(r->q.broken);
		down(r);
	}
}

static void blkfront_refuses(void **state)
{
	struct rig *r = up(0);
	struct xsp_blkfront q;

	(void)state;
	assert_int_equal(xsp_blkfront_init(&q, NULL, 5, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add(&r->q, XSP_BLK_READ, 0, seg, 0, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add(&r->q, XSP_BLK_READ, 0, seg, 12, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add(&r->q, XSP_BLK_FLUSH, 0, seg, 1, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add(&r->q, XSP_BLK_DISCARD, 0, seg, 1, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add(&r->q, 77, 0, seg, 1, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add(&r->q, XSP_BLK_FLUSH, 0, NULL, 0, 0), 0);
	assert_int_equal(xsp_blkfront_room(&r->q), 31);
	down(r);
}

/* Not more than fits, and a reap of fewer than there are leaves the rest. */
/* What is on the wire, and that the answer must name the operation inside. */
static void blkfront_indirect(void **state)
{
	static const uint32_t gref[XSP_BLK_INDIRECT_PAGES] = { 70, 71, 72, 73, 74, 75, 76, 77 };
	struct rig *r = up(0);
	struct xsp_blk_req q;

	(void)state;
	assert_int_equal(xsp_blkfront_add_indirect(&r->q, XSP_BLK_FLUSH, 0, gref, 1, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add_indirect(&r->q, XSP_BLK_READ, 0, gref, 0, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add_indirect(&r->q, XSP_BLK_READ, 0, gref, 4097, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add_discard(&r->q, 0, 0, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add_secure_discard(&r->q, 0, 0, 0), -EINVAL);
	assert_int_equal(xsp_blkfront_add_indirect(&r->q, XSP_BLK_WRITE, 8, gref, 513, 1), 0);
	assert_int_equal(xsp_blkfront_add_discard(&r->q, 16, 1ull << 40, 2), 0);
	assert_true(xsp_blkfront_push(&r->q));
	q = take(r);
	assert_true(q.op == XSP_BLK_INDIRECT && q.nr_segs == XSP_BLK_WRITE && q.handle == 513);
	assert_true(q.sector == 8 && q.indirect.handle == (51712 & 0xffff));
	assert_true(q.indirect.gref[0] == 70 && q.indirect.gref[1] == 71 && q.indirect.gref[2] == 0);
	answer(r, q.id, XSP_BLK_WRITE, XSP_BLK_OKAY);
	q = take(r);
	assert_true(q.op == XSP_BLK_DISCARD && q.nr_segs == 0 && q.sector == 16);
	assert_true(q.discard.nr_sectors == 1ull << 40);
	answer(r, q.id, XSP_BLK_DISCARD, XSP_BLK_OKAY);
	assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), 2);
	assert_true(r->done[0].cookie == 1 && !r->done[0].status && r->done[1].cookie == 2);
	assert_int_equal(xsp_blkfront_add_secure_discard(&r->q, 24, 8, 4), 0);
	xsp_blkfront_push(&r->q);
	q = take(r);
	assert_true(q.op == XSP_BLK_DISCARD && q.nr_segs == XSP_BLK_DISCARD_SECURE && q.sector == 24);
	assert_true(q.discard.nr_sectors == 8);
	answer(r, q.id, XSP_BLK_DISCARD, XSP_BLK_OKAY);
	assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), 1);
	assert_int_equal(xsp_blkfront_add_indirect(&r->q, XSP_BLK_WRITE, 8, gref, 12, 3), 0);
	xsp_blkfront_push(&r->q);
	q = take(r);
	answer(r, q.id, XSP_BLK_INDIRECT, XSP_BLK_OKAY);
	assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), -EPROTO);
	down(r);
}

static void blkfront_overflow(void **state)
{
	(void)state;
	for (unsigned int order = 0; order <= XSP_RING_MAX_ORDER; order++) {
		struct rig *r = up(order);
		uint32_t n = r->q.ring.size;

		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(add(r, i), 0);
		assert_int_equal(add(r, n), -EBUSY);
		assert_int_equal(xsp_blkfront_room(&r->q), 0);
		xsp_blkfront_push(&r->q);
		for (uint32_t i = 0; i < n; i++) {
			struct xsp_blk_req q = take(r);

			answer(r, q.id, q.op, 0);
		}
		assert_int_equal(xsp_blkfront_reap(&r->q, r->done, 5), 5);
		assert_int_equal(add(r, n), 0);
		assert_int_equal(xsp_blkfront_sleep(&r->q), n - 5);
		assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), n - 5);
		assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), 0);
		down(r);
	}
}

/* Random adds, pushes, answers out of order, reaps; each cookie comes back once. Wraps many times. */
static void blkfront_wraps(void **state)
{
	(void)state;
	for (unsigned int order = 0; order <= XSP_RING_MAX_ORDER; order++) {
		struct rig *r = up(order);
		uint32_t n = r->q.ring.size, held = 0;
		struct xsp_blk_req *hold = calloc(n, sizeof(*hold));
		uint64_t sent = 0, done = 0;
		uint8_t *seen = calloc(40000, 1);

		/* both halves just before 2^32 */
		r->q.ring.req_prod_pvt = r->q.ring.req_prod_told = r->q.ring.req_prod_pub =
			r->q.ring.rsp_cons = 0xffffff00u;
		xsp_ring_back_init(&r->b.ring, r->pages, n, 0xffffff00u);
		r->q.ring.sring->req_prod = r->q.ring.sring->rsp_prod = 0xffffff00u;
		while (done < 40000) {
			for (uint32_t k = rnd() % (n + 1); k && sent < 40000 && add(r, sent) == 0; k--)
				sent++;
			xsp_blkfront_push(&r->q);
			while (xsp_ring_back_pending(&r->b.ring) > 0)
				hold[held++] = take(r);
			for (uint32_t k = rnd() % (n + 1); k && held; k--) {
				uint32_t i = rnd() % held;

				answer(r, hold[i].id, hold[i].op, 0);
				hold[i] = hold[--held];
			}
			int got = xsp_blkfront_reap(&r->q, r->done, rnd() % MAX + 1);

			assert_true(got >= 0);
			for (int i = 0; i < got; i++, done++) {
				assert_in_range(r->done[i].cookie, 0, 39999);
				assert_int_equal(seen[r->done[i].cookie]++, 0);
			}
		}
		assert_int_equal(r->q.in_flight, 0);
		free(seen);
		free(hold);
		down(r);
	}
}

/* Every lie breaks this queue, for good, and every cookie still comes back once. */
static void expect_broken(struct rig *r, unsigned int good)
{
	unsigned int left = r->q.in_flight;

	assert_true(left > 0);
	if (good) {
		assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), good);
		left -= good;
	}
	assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), -EPROTO);
	assert_non_null(r->q.broken);
	assert_int_equal(xsp_blkfront_sleep(&r->q), -EPROTO);
	assert_int_equal(add(r, 1), -EPROTO);
	assert_false(xsp_blkfront_push(&r->q));
	assert_int_equal(xsp_blkfront_room(&r->q), 0);
	assert_int_equal(xsp_blkfront_abort(&r->q, r->done, 1), 1);
	assert_int_equal(r->done[0].status, -EIO);
	assert_int_equal(xsp_blkfront_abort(&r->q, r->done, MAX), left - 1);
	assert_int_equal(xsp_blkfront_abort(&r->q, r->done, MAX), 0);
	assert_int_equal(xsp_blkfront_restart(&r->q, r->pages, 0), -EPROTO);
	down(r);
}

static struct rig *with_requests(unsigned int n)
{
	struct rig *r = up(0);

	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(add(r, i), 0);
	xsp_blkfront_push(&r->q);
	return r;
}

static void blkfront_lying_peer(void **state)
{
	static const uint32_t jumps[] = { 5, 32, 33, 0x80000000u, 0xffffffffu };
	static const uint64_t ids[] = { 4, 31, 32, 0xffffffffu, 0x100000000u, 0xdeadbeefdeadbeefu };
	struct xsp_blk_req q;
	struct rig *r;

	(void)state;
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) { /* four are out */
		r = with_requests(4);
		xsp_store(&r->q.ring.sring->rsp_prod, jumps[i]);
		expect_broken(r, 0);
	}
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) { /* an id that isn't in flight */
		r = with_requests(4);
		take(r);
		answer(r, ids[i], XSP_BLK_READ, 0);
		expect_broken(r, 0);
	}
	r = with_requests(4); /* the same answer twice */
	q = take(r);
	take(r);
	answer(r, q.id, q.op, 0);
	answer(r, q.id, q.op, 0);
	expect_broken(r, 1);

	r = with_requests(4); /* the same, when the slot has been taken again meanwhile */
	q = take(r);
	take(r);
	answer(r, q.id, q.op, 0);
	assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), 1);
	add(r, 99);
	xsp_blkfront_push(&r->q);
	answer(r, q.id, q.op, 0);
	expect_broken(r, 0);

	r = with_requests(4); /* another operation */
	q = take(r);
	answer(r, q.id, XSP_BLK_WRITE, 0);
	expect_broken(r, 0);

	r = with_requests(4); /* requests that were added but never pushed can't have an answer */
	for (int i = 0; i < 4; i++) {
		q = take(r);
		answer(r, q.id, q.op, 0);
	}
	add(r, 7);
	answer(r, (uint64_t)4 << 32, XSP_BLK_READ, 0);
	expect_broken(r, 0);
}

/* The backend starts over on a new ring: everything unanswered is asked again, once. */
static void blkfront_restart(void **state)
{
	struct rig *r = with_requests(20);
	void *old = r->pages;
	uint32_t seen = 0;

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct xsp_blk_req q = take(r);

		if (i & 1)
			answer(r, q.id, q.op, 0);
	}
	assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), 4);
	add(r, 20); /* not pushed yet */
	r->pages = new_pages(0);
	assert_int_equal(xsp_blkfront_restart(&r->q, r->pages, 1), -EINVAL);
	assert_int_equal(xsp_blkfront_restart(&r->q, r->pages, 0), 0);
	free(old);
	attach(r);
	assert_true(xsp_blkfront_push(&r->q));
	assert_int_equal(xsp_ring_back_pending(&r->b.ring), 17);
	for (int i = 0; i < 17; i++) {
		struct xsp_blk_req q = take(r);

		assert_int_equal(q.seg[0].gref, 8);
		answer(r, q.id, q.op, 0);
	}
	assert_int_equal(xsp_blkfront_reap(&r->q, r->done, MAX), 17);
	for (int i = 0; i < 17; i++)
		seen |= 1u << r->done[i].cookie;
	assert_int_equal(seen, 0x1fff55); /* all but 1, 3, 5 and 7 */
	assert_int_equal(r->q.in_flight, 0);
	down(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blkfront_empty),    cmocka_unit_test(blkfront_1req),
		cmocka_unit_test(blkfront_refuses),  cmocka_unit_test(blkfront_indirect),
		cmocka_unit_test(blkfront_overflow),
		cmocka_unit_test(blkfront_wraps),    cmocka_unit_test(blkfront_lying_peer),
		cmocka_unit_test(blkfront_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
