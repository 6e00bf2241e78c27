/* SPDX-License-Identifier: MIT */
/*
 * ring/ring.h and ring/blkif.c: the borders (empty, full, wrap at 2^31 and 2^32), a peer that lies, both
 * halves over one set of pages in random order, and a peer that scribbles over the ring while the back
 * half takes from it. Against Xen's macros: test_ring_xen.c.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <pthread.h>
#include <time.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/random.h"
#include "tests/unit/ring_pair.h"

/* --- borders ----------------------------------------------------------------------------------- */

static void ring_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct pair p = make(0, XSP_BLK_NATIVE, starts[i]);

		assert_int_equal(xsp_ring_front_free(&p.f), 32);
		assert_int_equal(xsp_ring_front_pending(&p.f), 0);
		assert_int_equal(xsp_ring_front_sleep(&p.f), 0);
		assert_false(xsp_ring_front_push(&p.f));
		assert_int_equal(xsp_ring_back_pending(&p.b.ring), 0);
		assert_int_equal(xsp_ring_back_sleep(&p.b.ring), 0);
		assert_false(xsp_ring_back_push(&p.b.ring));
		free(p.s);
	}
}

static void ring_1req(void **state)
{
	struct pair p = make(0, XSP_BLK_NATIVE, 0);
	struct xsp_blk_req in = some_req(0x1122334455667788u, 11), out;
	struct xsp_blk_rsp rsp;

	(void)state;
	xsp_blk_front_put(&p.f, &in);
	assert_int_equal(xsp_ring_back_pending(&p.b.ring), 0); /* not before the push */
	assert_true(xsp_ring_front_push(&p.f));
	assert_false(xsp_ring_front_push(&p.f)); /* nothing new */
	assert_int_equal(xsp_ring_back_pending(&p.b.ring), 1);
	xsp_blk_back_take(&p.b, &out);
	assert_memory_equal(&in, &out, sizeof(in));
	xsp_blk_back_respond(&p.b, out.id, out.op, XSP_BLK_EOPNOTSUPP);
	assert_int_equal(xsp_ring_front_pending(&p.f), 0);
	assert_true(xsp_ring_back_push(&p.b.ring));
	assert_int_equal(xsp_ring_front_pending(&p.f), 1);
	xsp_blk_front_take(&p.f, &rsp);
	assert_true(rsp.id == in.id && rsp.op == XSP_BLK_WRITE && rsp.status == -2);
	assert_int_equal(xsp_ring_front_free(&p.f), 32);
	free(p.s);
}

/* Only the segments that count are written and read. */
static void ring_partial(void **state)
{
	static const uint8_t counts[] = { 0, 1, 10, 11, 12, 255 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts); i++) {
		struct pair p = make(0, XSP_BLK_NATIVE, 0);
		struct xsp_blk_req in = some_req(7, counts[i]), out;
		const uint8_t *slot = xsp_blk_slot(p.s, XSP_BLK_NATIVE, 0);
		unsigned int n = counts[i] < XSP_BLK_SEGS ? counts[i] : XSP_BLK_SEGS;

		memset(&out, 0x5a, sizeof(out));
		xsp_blk_front_put(&p.f, &in);
		for (size_t k = 24 + n * 8; k < 112; k++)
			assert_int_equal(slot[k], 0xa5);
		xsp_ring_front_push(&p.f);
		assert_int_equal(xsp_ring_back_pending(&p.b.ring), 1);
		xsp_blk_back_take(&p.b, &out);
		assert_int_equal(out.nr_segs, counts[i]); /* the guest's number, unchanged */
		assert_memory_equal(&in, &out, 24 + n * 8);
		for (size_t k = 24 + n * 8; k < 112; k++)
			assert_int_equal(((uint8_t *)&out)[k], 0x5a);
		free(p.s);
	}
}

/* A full ring, at every border of the indices; then emptied, several times around. */
static void ring_wraps(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (unsigned int order = 0; order <= XSP_RING_MAX_ORDER; order++) {
			struct pair p = make(order, XSP_BLK_NATIVE, starts[i]);
			uint32_t n = p.f.size;

			for (int round = 0; round < 4; round++) {
				struct xsp_blk_req q;
				struct xsp_blk_rsp r;

				for (uint32_t k = 0; k < n; k++) {
					q = some_req(k, 1);
					xsp_blk_front_put(&p.f, &q);
				}
				assert_int_equal(xsp_ring_front_free(&p.f), 0);
				assert_true(xsp_ring_front_push(&p.f));
				assert_int_equal(xsp_ring_back_pending(&p.b.ring), n);
				for (uint32_t k = 0; k < n; k++) {
					xsp_blk_back_take(&p.b, &q);
					assert_int_equal(q.id, k);
					xsp_blk_back_respond(&p.b, q.id, q.op, 0);
				}
				assert_true(xsp_ring_back_push(&p.b.ring));
				assert_int_equal(xsp_ring_front_pending(&p.f), n);
				for (uint32_t k = 0; k < n; k++)
					xsp_blk_front_take(&p.f, &r);
				assert_int_equal(xsp_ring_front_sleep(&p.f), 0);
				assert_int_equal(xsp_ring_back_sleep(&p.b.ring), 0);
			}
			free(p.s);
		}
}

/* One more than fits is an overflow; exactly full is not. */
static void ring_overflow(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct pair p = make(0, XSP_BLK_NATIVE, starts[i]);

		p.s->req_prod = starts[i] + 32;
		assert_int_equal(xsp_ring_back_pending(&p.b.ring), 32);
		p.s->req_prod = starts[i] + 33;
		assert_int_equal(xsp_ring_back_pending(&p.b.ring), -EPROTO);

		p.f.req_prod_pvt = starts[i] + 5; /* five requests written, four pushed */
		p.f.req_prod_pub = starts[i] + 4;
		p.s->rsp_prod = starts[i] + 4;
		assert_int_equal(xsp_ring_front_pending(&p.f), 4);
		p.s->rsp_prod = starts[i] + 5;
		assert_int_equal(xsp_ring_front_pending(&p.f), -EPROTO);
		free(p.s);
	}
}

/* What was published in the middle of a batch is seen, and its sleeper is told of it by the push. */
static void ring_published_halfway(void **state)
{
	struct xsp_blk_req req = { .op = XSP_BLK_READ };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct pair p = make(0, XSP_BLK_NATIVE, starts[i]);

		xsp_blk_front_put(&p.f, &req);
		xsp_ring_front_publish(&p.f);
		assert_int_equal(xsp_ring_back_pending(&p.b.ring), 1);
		xsp_blk_front_put(&p.f, &req);
		assert_true(xsp_ring_front_push(&p.f)); /* asked for at the first of the two */
		assert_false(xsp_ring_front_push(&p.f));
		assert_int_equal(xsp_ring_back_pending(&p.b.ring), 2);
		for (int k = 0; k < 2; k++) {
			xsp_blk_back_take(&p.b, &req);
			xsp_blk_back_respond(&p.b, req.id, req.op, XSP_BLK_OKAY);
			if (!k)
				xsp_ring_back_publish(&p.b.ring);
			assert_int_equal(xsp_ring_front_pending(&p.f), 1);
		}
		assert_true(xsp_ring_back_push(&p.b.ring));
		assert_false(xsp_ring_back_push(&p.b.ring));
		assert_int_equal(xsp_ring_front_pending(&p.f), 2);
		free(p.s);
	}
}

/* A frontend that asks for events, however far it is behind; one that polls, or wants a later event. */
static void ring_peer_sleeps(void **state)
{
	struct xsp_blk_req req;

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		struct pair p = make(0, XSP_BLK_NATIVE, starts[i]);

		assert_int_equal(xsp_ring_front_sleep(&p.f), 0);
		for (unsigned int n = 1; n <= 3000; n++) {
			req = some_req(n, 1);
			xsp_blk_front_put(&p.f, &req);
			xsp_ring_front_push(&p.f);
			assert_int_equal(xsp_ring_back_pending(&p.b.ring), 1);
			xsp_blk_back_take(&p.b, &req);
			assert_int_equal(xsp_ring_back_peer_sleeps(&p.b.ring), n - 1 <= 64 * 32);
			xsp_blk_back_respond(&p.b, req.id, XSP_BLK_READ, 0);
			assert_int_equal(xsp_ring_back_push(&p.b.ring), n == 1);
			assert_int_equal(xsp_ring_front_pending(&p.f), 1);
			xsp_blk_front_take(&p.f, &(struct xsp_blk_rsp){ 0 });
		}
		assert_int_equal(xsp_ring_front_sleep_after(&p.f, 2), 0);
		assert_false(xsp_ring_back_peer_sleeps(&p.b.ring));
		assert_int_equal(xsp_ring_front_sleep(&p.f), 0);
		assert_true(xsp_ring_back_peer_sleeps(&p.b.ring));
		free(p.s);
	}
}

static void ring_lying_peer(void **state)
{
	static const uint32_t lies[] = { 33, 64, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffe0, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < sizeof(lies) / sizeof(lies[0]); k++) {
			struct pair p = make(0, XSP_BLK_NATIVE, starts[i]);

			/* ten taken, four of them answered: req_prod may not fall back either */
			p.b.ring.req_cons += 10;
			p.b.ring.rsp_prod_pvt += 4;
			p.s->req_prod = starts[i] + 10;
			assert_int_equal(xsp_ring_back_pending(&p.b.ring), 0);
			p.s->req_prod = starts[i] + 9;
			assert_int_equal(xsp_ring_back_pending(&p.b.ring), -EPROTO);
			p.s->req_prod = starts[i] + 10 + lies[k];
			assert_int_equal(xsp_ring_back_pending(&p.b.ring), -EPROTO);
			assert_int_equal(xsp_ring_back_sleep(&p.b.ring), -EPROTO);
			p.s->rsp_prod = starts[i] + lies[k];
			assert_int_equal(xsp_ring_front_pending(&p.f), -EPROTO);
			assert_int_equal(xsp_ring_front_sleep(&p.f), -EPROTO);
			free(p.s);
		}
}

/* --- both halves, every layout ----------------------------------------------------------------- */

/* The front half of a 32-bit guest, which only this test needs. */
static void put32(struct pair *p, const struct xsp_blk_req *q)
{
	struct xsp_blk_req32 r = { .op = q->op, .nr_segs = q->nr_segs, .handle = q->handle,
				   .id = q->id, .sector = q->sector };

	memcpy(r.rest, q->seg, sizeof(r.rest));
	memcpy(xsp_blk_slot(p->s, XSP_BLK_X86_32, p->f.req_prod_pvt++ & (p->f.size - 1)), &r, sizeof(r));
}

static struct xsp_blk_rsp take_rsp(struct pair *p)
{
	struct xsp_blk_rsp r = { .id = 0 };

	if (p->b.abi != XSP_BLK_X86_32) {
		xsp_blk_front_take(&p->f, &r);
		assert_int_equal(r.pad1, 0);
	} else {
		uint8_t *slot = xsp_blk_slot(p->s, p->b.abi, p->f.rsp_cons++ & (p->f.size - 1));

		memcpy(&r, slot, XSP_BLK_RSP32_SIZE);
		assert_true(r.pad0 == 0 && r.pad1 == 0);
	}
	assert_int_equal(r.pad0, 0); /* nothing of ours travels in the padding */
	return r;
}

/*
 * Random schedules with responses out of order; the model is one bit for each id in flight. A wakeup
 * that the hold-off rule swallows wrongly shows as a side that sleeps for ever with work to do.
 */
static void two_sided(unsigned int order, enum xsp_blk_abi abi, uint32_t start, unsigned int requests)
{
	struct pair p = make(order, abi, start);
	uint32_t slots = p.f.size, taken = 0;
	struct xsp_blk_req *slot = calloc(slots, sizeof(*slot));
	uint8_t *out = calloc(slots, 1);
	unsigned int sent = 0, done = 0, idle = 0;
	bool wake_front = false, wake_back = false, front_sleeps = false, back_sleeps = false;

	while (done < requests) {
		assert_in_range(++idle, 1, 1000); /* somebody must get on */
		if (rnd() & 1) {
			uint32_t n = rnd() % (slots + 1);

			if (front_sleeps && !wake_front && (sent == requests || !xsp_ring_front_free(&p.f)))
				continue;
			front_sleeps = wake_front = false;
			for (; n && sent < requests && xsp_ring_front_free(&p.f); n--, sent++) {
				uint64_t id = 0;
				struct xsp_blk_req q;

				while (out[id])
					id++;
				out[id] = 1;
				q = some_req(id, (uint8_t)(rnd() % 12));
				if (abi == XSP_BLK_X86_32)
					put32(&p, &q);
				else
					xsp_blk_front_put(&p.f, &q);
				idle = 0;
			}
			wake_back |= xsp_ring_front_push(&p.f);
			while (xsp_ring_front_pending(&p.f) > 0) {
				struct xsp_blk_rsp r = take_rsp(&p);

				assert_in_range(r.id, 0, slots - 1);
				assert_int_equal(out[r.id], 1); /* in flight, and answered once */
				out[r.id] = 0;
				done++;
				idle = 0;
			}
			front_sleeps = xsp_ring_front_sleep(&p.f) == 0;
		} else {
			uint32_t n = rnd() % (slots + 1);

			if (back_sleeps && !wake_back && !taken)
				continue;
			back_sleeps = wake_back = false;
			for (; n && xsp_ring_back_pending(&p.b.ring) > 0; n--) {
				struct xsp_blk_req *q = &slot[taken++], want;

				xsp_blk_back_take(&p.b, q);
				want = some_req(q->id, q->nr_segs);
				assert_memory_equal(q, &want, 24 + q->nr_segs * 8);
				idle = 0;
			}
			for (n = rnd() % (slots + 1); n && taken; n--) {
				uint32_t k = rnd() % taken;

				xsp_blk_back_respond(&p.b, slot[k].id, slot[k].op, 0);
				slot[k] = slot[--taken];
				idle = 0;
			}
			wake_front |= xsp_ring_back_push(&p.b.ring);
			back_sleeps = xsp_ring_back_sleep(&p.b.ring) == 0;
		}
	}
	for (uint32_t i = 0; i < slots; i++)
		assert_int_equal(out[i], 0);
	assert_int_equal(xsp_ring_front_free(&p.f), slots);
	free(slot);
	free(out);
	free(p.s);
}

static void ring_two_sided(void **state)
{
	(void)state;
	for (unsigned int order = 0; order <= XSP_RING_MAX_ORDER; order++)
		for (size_t i = 0; i < 3; i++) {
			two_sided(order, XSP_BLK_X86_64, starts[i], 10000);
			two_sided(order, XSP_BLK_X86_32, starts[i], 10000);
		}
}

/* Poisoned slots: a response is 16 (12) bytes with zero padding, and the rest stays as it was. */
static void ring_response_padding(void **state)
{
	(void)state;
	for (int abi = 0; abi < 2; abi++) {
		struct pair p = make(0, (enum xsp_blk_abi)abi, 0);
		const uint8_t *slot = xsp_blk_slot(p.s, p.b.abi, 0);
		size_t end = abi == XSP_BLK_X86_32 ? 12 : 16;

		p.b.ring.req_cons = 1;
		xsp_blk_back_respond(&p.b, 0x0102030405060708u, XSP_BLK_READ, XSP_BLK_ERROR);
		assert_memory_equal(slot, "\x08\x07\x06\x05\x04\x03\x02\x01\x00\x00\xff\xff\0\0\0\0", end);
		for (size_t k = end; k < xsp_blk_slot_bytes(p.b.abi); k++)
			assert_int_equal(slot[k], 0xa5);
		free(p.s);
	}
}

/* --- a peer that scribbles --------------------------------------------------------------------- */

struct scribbler {
	struct xsp_sring *s;
	size_t words;
	uint32_t cons; /* where the back half is */
	int stop;
};

static void *scribble(void *arg)
{
	struct scribbler *w = arg;
	uint32_t *page = (uint32_t *)w->s, x = 99;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		uint32_t prod = __atomic_load_n(&w->cons, __ATOMIC_RELAXED);

		for (int i = 0; i < 64; i++) {
			x = x * 1664525u + 1013904223u;
			__atomic_store_n(&page[4 + (x >> 8) % (w->words - 4)], x, __ATOMIC_RELAXED);
		}
		/* mostly a believable producer, now and then any value */
		__atomic_store_n(&page[0], x >> 28 ? prod + (x >> 8) % 30 : x, __ATOMIC_RELAXED);
		__atomic_store_n(&page[3], x, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void racing(enum xsp_blk_abi abi)
{
	struct pair p = make(0, abi, 0);
	struct scribbler w = { .s = p.s, .words = XSP_PAGE_SIZE / 4 };
	unsigned long takes = 0, broken = 0;
	time_t until = time(NULL) + 30;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, scribble, &w), 0);
	/* On a busy machine the scribbler may get its first turn late. */
	for (long i = 0; i < 200000 || ((takes < 100 || !broken) && time(NULL) < until); i++) {
		int n = xsp_ring_back_pending(&p.b.ring);

		if (n < 0) { /* a host would drop the device; here the ring starts over */
			assert_int_equal(n, -EPROTO);
			broken++;
			xsp_store(&p.s->req_prod, 0u);
			xsp_ring_back_init(&p.b.ring, p.s, p.f.size, 0);
			__atomic_store_n(&w.cons, 0, __ATOMIC_RELAXED);
			continue;
		}
		assert_in_range(n, 0, p.f.size);
		while (n--) {
			struct xsp_blk_req *q = malloc(sizeof(*q)); /* so that ASan guards its end */

			xsp_blk_back_take(&p.b, q);
			xsp_blk_back_respond(&p.b, q->id, q->op, 0);
			takes++;
			free(q);
		}
		xsp_ring_back_push(&p.b.ring);
		__atomic_store_n(&w.cons, p.b.ring.req_cons, __ATOMIC_RELAXED);
		if (!(i & 63))
			sched_yield();
	}
	__atomic_store_n(&w.stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	print_message("           %lu requests taken, %lu lies seen\n", takes, broken);
	assert_true(takes > 0 && broken > 0);
	free(p.s);
}

static void ring_racing_peer(void **state)
{
	(void)state;
	racing(XSP_BLK_X86_64);
	racing(XSP_BLK_X86_32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_empty),
		cmocka_unit_test(ring_1req),
		cmocka_unit_test(ring_partial),
		cmocka_unit_test(ring_wraps),
		cmocka_unit_test(ring_overflow),
		cmocka_unit_test(ring_published_halfway),
		cmocka_unit_test(ring_peer_sleeps),
		cmocka_unit_test(ring_lying_peer),
		cmocka_unit_test(ring_two_sided),
		cmocka_unit_test(ring_response_padding),
		cmocka_unit_test(ring_racing_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
