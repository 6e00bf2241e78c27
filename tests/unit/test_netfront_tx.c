/* SPDX-License-Identifier: MIT */
/*
 * frontend/core/netfront_tx against the back half of its ring: packets of every shape, answers in any
 * order, and every way in which a backend can lie.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "frontend/core/netfront_tx.h"
#include "tests/unit/random.h"

static union {
	uint64_t align;
	uint8_t bytes[XSP_PAGE_SIZE];
} page;
#define RING ((struct xsp_sring *)(void *)page.bytes)

static struct xsp_netfront_tx tx;
static struct xsp_ring_back back;
static const struct xsp_net_meta plain;

static int setup_tx(void **state)
{
	(void)state;
	xsp_netfront_tx_init(&tx, &page);
	xsp_ring_back_init(&back, RING, XSP_NET_TX_SLOTS, 0);
	return 0;
}

static void tx_one_packet_on_the_wire(void **state)
{
	struct xsp_net_meta m = { .csum_blank = true, .gso_type = XSP_NET_GSO_TCPV4, .gso_size = 1448,
				  .have_hash = true, .hash_type = 1, .hash_algorithm = 1,
				  .hash = 0x11223344 };
	struct xsp_netfront_frag f[3] = { { 5, 100, 200 }, { 6, 0, 4096 }, { 7, 4095, 1 } };
	struct xsp_netfront_tx_done done[4];
	struct xsp_net_tx_req q[3];
	struct xsp_net_extras x;

	(void)state;
	assert_int_equal(xsp_netfront_tx_slots(&m, 3), 5);
	assert_int_equal(xsp_netfront_tx_add(&tx, &m, f, 3, 77), 0);
	assert_int_equal(xsp_netfront_tx_room(&tx), 251);
	assert_int_equal(xsp_ring_back_pending(&back), 0);
	assert_true(xsp_netfront_tx_push(&tx));
	assert_int_equal(xsp_ring_back_pending(&back), 5);
	xsp_net_back_take_tx(&back, &q[0]);
	assert_int_equal(xsp_net_back_take_extras(&back, 4, &x), 0);
	xsp_net_back_take_tx(&back, &q[1]);
	xsp_net_back_take_tx(&back, &q[2]);
	assert_true(q[0].gref == 5 && q[0].offset == 100 && q[0].size == 4297);
	assert_int_equal(q[0].flags, XSP_NET_TX_CSUM_BLANK | XSP_NET_TX_DATA_VALIDATED |
					     XSP_NET_TX_MORE_DATA | XSP_NET_TX_EXTRA_INFO);
	assert_true(q[1].size == 4096 && q[1].flags == XSP_NET_TX_MORE_DATA);
	assert_true(q[2].size == 1 && q[2].offset == 4095 && q[2].flags == 0);
	assert_true(x.slots == 2 && x.of[XSP_NET_EXTRA_GSO].u.gso.size == 1448 &&
		    x.of[XSP_NET_EXTRA_GSO].u.gso.type == XSP_NET_GSO_TCPV4);
	assert_true(x.of[XSP_NET_EXTRA_HASH].u.hash.value[0] == 0x44 &&
		    x.of[XSP_NET_EXTRA_HASH].u.hash.value[3] == 0x11);
	/* the last one first, then extras, then the rest: done only when all are */
	xsp_net_back_respond_tx(&back, q[2].id, XSP_NET_OKAY);
	xsp_net_back_respond_tx(&back, 0, XSP_NET_NULL);
	xsp_net_back_respond_tx(&back, q[0].id, XSP_NET_OKAY);
	xsp_net_back_respond_tx(&back, 9999, XSP_NET_NULL);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_tx_reap(&tx, done, 4), 0);
	xsp_net_back_respond_tx(&back, q[1].id, XSP_NET_OKAY);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_tx_reap(&tx, done, 4), 1);
	assert_true(done[0].cookie == 77 && done[0].status == 0 && tx.in_flight == 0);
	assert_int_equal(xsp_netfront_tx_room(&tx), 256);
}

static void tx_refuses_nonsense(void **state)
{
	struct xsp_netfront_frag f[20];
	struct xsp_net_meta m = plain;

	(void)state;
	for (int i = 0; i < 20; i++)
		f[i] = (struct xsp_netfront_frag){ 1, 0, 4096 };
	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, f, 0, 0), -EINVAL);
	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, f, 19, 0), -EINVAL);
	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, f, 16, 0), -EINVAL); /* 65536 bytes */
	f[15].bytes = 4095;
	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, f, 16, 0), 0);
	f[0].offset = 1;
	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, f, 1, 0), -EINVAL);
	f[0].offset = 0;
	f[0].bytes = 0;
	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, f, 1, 0), -EINVAL);
	f[0].bytes = 4097;
	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, f, 1, 0), -EINVAL);
	f[0].bytes = 60;
	m.gso_type = XSP_NET_GSO_TCPV4;
	assert_int_equal(xsp_netfront_tx_add(&tx, &m, f, 1, 0), -EINVAL);
	m.gso_size = 1;
	m.gso_type = 3;
	assert_int_equal(xsp_netfront_tx_add(&tx, &m, f, 1, 0), -EINVAL);
	assert_int_equal(tx.in_flight, 1);
}

static void tx_multicast(void **state)
{
	static const uint8_t addr[6] = { 1, 0, 0x5e, 0, 0, 251 };
	struct xsp_netfront_tx_done done[2];
	struct xsp_net_tx_req q;
	struct xsp_net_extras x;

	(void)state;
	assert_int_equal(xsp_netfront_tx_mcast(&tx, true, addr, 5), 0);
	assert_int_equal(xsp_netfront_tx_mcast(&tx, false, addr, 6), 0);
	xsp_netfront_tx_push(&tx);
	for (int i = 0; i < 2; i++) {
		int type = i ? XSP_NET_EXTRA_MCAST_DEL : XSP_NET_EXTRA_MCAST_ADD;

		xsp_net_back_take_tx(&back, &q);
		assert_int_equal(q.flags, XSP_NET_TX_EXTRA_INFO);
		assert_int_equal(xsp_net_back_take_extras(&back, 9, &x), 0);
		assert_int_equal(x.have, 1 << type);
		assert_memory_equal(x.of[type].u.mcast.addr, addr, 6);
		xsp_net_back_respond_tx(&back, q.id, i ? XSP_NET_ERROR : XSP_NET_OKAY);
		xsp_net_back_respond_tx(&back, q.id, XSP_NET_NULL);
	}
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_tx_reap(&tx, done, 2), 2);
	assert_true(done[0].cookie == 5 && done[0].status == 0);
	assert_true(done[1].cookie == 6 && done[1].status == -EIO);
}

/* Any packets, answers in any order: each packet comes back once, with the right status. */
static void tx_random(void **state)
{
	static uint16_t id[256];
	static bool extra[256], out[100000], bad[100000];
	static uint32_t owner[256]; /* cookie of an id */
	uint32_t next = 0, came = 0, want = 0;
	unsigned int taken = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct xsp_net_meta m = { .gso_type = (uint8_t)(rnd() % 3), .gso_size = 9, .have_hash = rnd() & 1 };
		unsigned int n = rnd() % 18 + 1, add = rnd() % 4;
		struct xsp_netfront_tx_done done[7];
		struct xsp_netfront_frag f[18];
		int got;

		for (unsigned int i = 0; i < n; i++)
			f[i] = (struct xsp_netfront_frag){ next, 0, 64 };
		while (add-- && next < 100000) {
			int r = xsp_netfront_tx_add(&tx, &m, f, n, next);

			assert_int_equal(r, 0 == r ? 0 : -EBUSY);
			if (r)
				break;
			for (unsigned int i = 0; i < n; i++)
				f[i].gref = next + 1;
			out[next++] = true;
		}
		xsp_netfront_tx_push(&tx);
		while (xsp_ring_back_pending(&back) > 0) {
			struct xsp_net_tx_req q;
			struct xsp_net_extras x = { .slots = 0 };

			xsp_net_back_take_tx(&back, &q);
			owner[q.id] = q.gref;
			id[taken] = q.id;
			extra[taken++] = false;
			if (q.flags & XSP_NET_TX_EXTRA_INFO)
				assert_int_equal(xsp_net_back_take_extras(&back, 256, &x), 0);
			while (x.slots--)
				extra[taken++] = true;
		}
		for (unsigned int k = rnd() % 64; k && taken; k--) {
			unsigned int i = rnd() % taken;
			bool fail = rnd() % 50 == 0;

			xsp_net_back_respond_tx(&back, id[i], extra[i] ? XSP_NET_NULL : fail ? XSP_NET_DROPPED : 0);
			if (!extra[i] && fail)
				bad[owner[id[i]]] = true;
			id[i] = id[--taken];
			extra[i] = extra[taken];
		}
		xsp_ring_back_push(&back);
		while ((got = xsp_netfront_tx_reap(&tx, done, 7)) > 0)
			for (int i = 0; i < got; i++) {
				assert_true(out[done[i].cookie]);
				out[done[i].cookie] = false;
				assert_int_equal(done[i].status, bad[done[i].cookie] ? -EIO : 0);
				came++;
			}
		assert_int_equal(got, 0);
	}
	want = next - tx.in_flight;
	assert_int_equal(came, want);
	assert_true(came > 10000);
}

static void tx_put_one(void)
{
	struct xsp_netfront_frag f[2] = { { 1, 0, 60 }, { 1, 60, 60 } };
	struct xsp_net_tx_req q;

	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, f, 2, 3), 0);
	xsp_netfront_tx_push(&tx);
	xsp_net_back_take_tx(&back, &q);
	xsp_net_back_take_tx(&back, &q);
}

static void tx_is_broken(void)
{
	struct xsp_netfront_frag f = { 1, 0, 60 };
	struct xsp_netfront_tx_done done[2];

	assert_int_equal(xsp_netfront_tx_reap(&tx, done, 2), -EPROTO);
	assert_non_null(tx.broken);
	assert_int_equal(xsp_netfront_tx_add(&tx, &plain, &f, 1, 3), -EPROTO);
	assert_int_equal(xsp_netfront_tx_sleep(&tx, false), -EPROTO);
	assert_int_equal(xsp_netfront_tx_room(&tx), 0);
	assert_false(xsp_netfront_tx_push(&tx));
	assert_int_equal(xsp_netfront_tx_abort(&tx, done, 2), 1);
	assert_true(done[0].cookie == 3 && done[0].status == -EIO);
	assert_int_equal(xsp_netfront_tx_abort(&tx, done, 2), 0);
}

static void tx_liars(void **state)
{
	static const struct {
		uint16_t id[3];
		int16_t status[3];
		int n;
	} lie[] = {
		{ { 256 }, { 0 }, 1 },		/* no such id */
		{ { 65535 }, { 0 }, 1 },	/* nor this */
		{ { 2 }, { 0 }, 1 },		/* not in flight */
		{ { 0, 0 }, { 0, 0 }, 2 },	/* twice */
		{ { 0 }, { XSP_NET_NULL }, 1 }, /* no extra is out */
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		setup_tx(NULL);
		tx_put_one();
		for (int k = 0; k < lie[i].n; k++)
			xsp_net_back_respond_tx(&back, lie[i].id[k], lie[i].status[k]);
		xsp_ring_back_push(&back);
		tx_is_broken();
	}
	for (int i = 0; i < 3; i++) { /* indices */
		setup_tx(NULL);
		tx_put_one();
		RING->rsp_prod = i == 0 ? 3 : i == 1 ? 0x80000000u : ~0u;
		tx_is_broken();
	}
}

/* Heads answered, tails not: the ring has room, the table of fragments has not. */
static void tx_answers_only_heads(void **state)
{
	struct xsp_netfront_frag f[2] = { { 1, 0, 60 }, { 1, 60, 60 } };
	struct xsp_netfront_tx_done done[8];
	struct xsp_net_tx_req q[2];
	int added = 0;

	(void)state;
	while (!xsp_netfront_tx_add(&tx, &plain, f, 2, (uint32_t)added)) {
		added++;
		xsp_netfront_tx_push(&tx);
		xsp_net_back_take_tx(&back, &q[0]);
		xsp_net_back_take_tx(&back, &q[1]);
		xsp_net_back_respond_tx(&back, q[0].id, 0);
		xsp_ring_back_push(&back);
		assert_int_equal(xsp_netfront_tx_reap(&tx, done, 8), 0);
	}
	assert_int_equal(added, 128);
	assert_int_equal(xsp_netfront_tx_room(&tx), 0);
}

static void tx_lazy_event(void **state)
{
	struct xsp_netfront_frag f = { 1, 0, 60 };
	struct xsp_netfront_tx_done done[10];
	struct xsp_net_tx_req q;

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		xsp_netfront_tx_add(&tx, &plain, &f, 1, i);
	xsp_netfront_tx_push(&tx);
	assert_int_equal(xsp_netfront_tx_sleep(&tx, true), 0);
	for (int i = 1; i <= 10; i++) {
		xsp_net_back_take_tx(&back, &q);
		xsp_net_back_respond_tx(&back, q.id, 0);
		assert_int_equal(xsp_ring_back_push(&back), i == 5);
	}
	assert_int_equal(xsp_netfront_tx_sleep(&tx, false), 10);
	assert_int_equal(xsp_netfront_tx_reap(&tx, done, 10), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(tx_one_packet_on_the_wire, setup_tx),
		cmocka_unit_test_setup(tx_refuses_nonsense, setup_tx),
		cmocka_unit_test_setup(tx_multicast, setup_tx),
		cmocka_unit_test_setup(tx_random, setup_tx),
		cmocka_unit_test_setup(tx_liars, setup_tx),
		cmocka_unit_test_setup(tx_answers_only_heads, setup_tx),
		cmocka_unit_test_setup(tx_lazy_event, setup_tx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
