/* SPDX-License-Identifier: MIT */
/* ring/ring.h does what Xen's macros do, bit for bit: both in the same random steps, the hold-off too. */
#define __XEN_INTERFACE_VERSION__ 0x00040900
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/random.h"
#include "tests/unit/ring_pair.h"

#define xen_mb()  xsp_mb()
#define xen_rmb() xsp_rmb()
#define xen_wmb() xsp_wmb()
#include <xen/xen.h>
#include <xen/io/blkif.h>

/* A ring of ours and one of Xen's do the same random steps; every shared word must stay equal. */
static void differential(unsigned int order, uint32_t start, unsigned int steps)
{
	struct pair p = make(order, XSP_BLK_NATIVE, start);
	size_t bytes = (size_t)XSP_PAGE_SIZE << order;
	blkif_sring_t *xs = aligned_alloc(XSP_PAGE_SIZE, bytes);
	blkif_front_ring_t xf;
	blkif_back_ring_t xb;

	memcpy(xs, p.s, bytes);
	FRONT_RING_ATTACH(&xf, xs, start, bytes);
	BACK_RING_ATTACH(&xb, xs, start, bytes);
	assert_int_equal(RING_SIZE(&xf), p.f.size);
	for (unsigned int i = 0; i < steps; i++) {
		int ours = 0, theirs = 0;
		uint32_t n = rnd() % (p.f.size / 2 + 1);

		switch (rnd() % 6) {
		case 0: /* write some requests */
			while (n-- && xsp_ring_front_free(&p.f)) {
				struct xsp_blk_req q = some_req(rnd(), XSP_BLK_SEGS);

				assert_false(RING_FULL(&xf));
				xsp_blk_front_put(&p.f, &q);
				memcpy(RING_GET_REQUEST(&xf, xf.req_prod_pvt), &q, sizeof(q));
				xf.req_prod_pvt++;
			}
			break;
		case 1:
			ours = xsp_ring_front_push(&p.f);
			RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&xf, theirs);
			break;
		case 2: /* take some requests, answer as many */
			while (n-- && xsp_ring_back_pending(&p.b.ring) > 0) {
				struct xsp_blk_req q;
				blkif_request_t xq;
				blkif_response_t *xr;

				assert_true(RING_HAS_UNCONSUMED_REQUESTS(&xb));
				xsp_blk_back_take(&p.b, &q);
				RING_COPY_REQUEST(&xb, xb.req_cons, &xq);
				xb.req_cons++;
				assert_memory_equal(&q, &xq, sizeof(q));
				xsp_blk_back_respond(&p.b, q.id, q.op, -1);
				xr = RING_GET_RESPONSE(&xb, xb.rsp_prod_pvt++);
				memset(xr, 0, sizeof(*xr));
				xr->id = q.id;
				xr->operation = q.op;
				xr->status = -1;
			}
			break;
		case 3:
			ours = xsp_ring_back_push(&p.b.ring);
			RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&xb, theirs);
			break;
		case 4: /* take some responses; go to sleep when there is none left */
			while (n-- && xsp_ring_front_pending(&p.f) > 0) {
				struct xsp_blk_rsp r;

				assert_true(RING_HAS_UNCONSUMED_RESPONSES(&xf));
				xsp_blk_front_take(&p.f, &r);
				xf.rsp_cons++;
			}
			ours = xsp_ring_front_pending(&p.f);
			if (!ours)
				ours = xsp_ring_front_sleep(&p.f);
			RING_FINAL_CHECK_FOR_RESPONSES(&xf, theirs);
			break;
		case 5:
			ours = xsp_ring_back_pending(&p.b.ring);
			if (!ours)
				ours = xsp_ring_back_sleep(&p.b.ring);
			RING_FINAL_CHECK_FOR_REQUESTS(&xb, theirs);
			break;
		}
		assert_int_equal(ours, theirs);
		assert_memory_equal(p.s, xs, 16);
	}
	assert_memory_equal(p.s, xs, bytes);
	free(p.s);
	free(xs);
}

static void ring_same_as_xens_macros(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (unsigned int order = 0; order <= XSP_RING_MAX_ORDER; order++)
			differential(order, starts[i], 20000);
}

/* The hold-off rule alone, over any values whatever: peers may put anything into the event index. */
static void ring_hold_off_any_values(void **state)
{
	struct pair p = make(0, XSP_BLK_NATIVE, 0);
	blkif_sring_t xs;
	blkif_front_ring_t xf = { .sring = &xs, .nr_ents = 32 };
	blkif_back_ring_t xb = { .sring = &xs, .nr_ents = 32 };

	(void)state;
	memset(&xs, 0, sizeof(xs));
	for (int i = 0; i < 300000; i++) {
		uint32_t old = rnd(), new = old + rnd() % 40, event = i & 1 ? rnd() : old - 4 + rnd() % 48;
		int theirs;

		p.s->req_prod = xs.req_prod = p.f.req_prod_told = old;
		p.f.req_prod_pvt = xf.req_prod_pvt = new;
		p.s->req_event = xs.req_event = event;
		RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&xf, theirs);
		assert_int_equal(xsp_ring_front_push(&p.f), theirs);
		p.s->rsp_prod = xs.rsp_prod = p.b.ring.rsp_prod_told = old;
		p.b.ring.rsp_prod_pvt = xb.rsp_prod_pvt = new;
		p.s->rsp_event = xs.rsp_event = event;
		RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&xb, theirs);
		assert_int_equal(xsp_ring_back_push(&p.b.ring), theirs);
		assert_memory_equal(p.s, &xs, 16);
	}
	free(p.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_same_as_xens_macros),
		cmocka_unit_test(ring_hold_off_any_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
