/* SPDX-License-Identifier: MIT */
/*
 * frontend/core/netfront_tx and netfront_rx against the back half of the rings: packets of every
 * shape there and back, answers in any order, and every way in which a backend can lie.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "frontend/core/netfront_ctrl.h"
#include "frontend/core/netfront_rx.h"
#include "frontend/core/netfront_tx.h"

static uint64_t seed = 1;

static uint32_t rnd(void) /* xorshift64* */
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)(seed * 2685821657736338717u >> 32);
}

static union {
	uint64_t align;
	uint8_t bytes[XSP_PAGE_SIZE];
} page;
#define RING ((struct xsp_sring *)(void *)page.bytes)

static struct xsp_netfront_tx tx;
static struct xsp_netfront_rx rx;
static struct xsp_ring_back back;
static const struct xsp_net_meta plain;

static int setup_tx(void **state)
{
	(void)state;
	xsp_netfront_tx_init(&tx, &page);
	xsp_ring_back_init(&back, RING, XSP_NET_TX_SLOTS, 0);
	return 0;
}

static int setup_rx(void **state)
{
	(void)state;
	xsp_netfront_rx_init(&rx, &page);
	xsp_ring_back_init(&back, RING, XSP_NET_RX_SLOTS, 0);
	return 0;
}

/* --- transmit ---------------------------------------------------------------------------------- */

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

/* --- receive ----------------------------------------------------------------------------------- */

static void post(unsigned int n)
{
	while (n--)
		xsp_netfront_rx_post(&rx, 1000 + rx.ring.req_prod_pvt, rx.ring.req_prod_pvt);
	xsp_netfront_rx_push(&rx);
}

static void give(uint16_t offset, int16_t status, uint16_t flags)
{
	struct xsp_net_rx_rsp r = { .offset = offset, .status = status, .flags = flags };
	struct xsp_net_rx_req q;

	xsp_net_back_take_rx(&back, &q);
	r.id = q.id;
	xsp_net_back_respond_rx(&back, &r);
}

static void give_extra(uint8_t type, uint8_t flags, uint16_t a, uint16_t b)
{
	struct xsp_net_extra e = { .type = type, .flags = flags };
	struct xsp_net_rx_req q;

	e.u.pad[0] = a;
	e.u.pad[1] = b;
	xsp_net_back_take_rx(&back, &q);
	xsp_net_back_respond_rx_extra(&back, &e);
}

static void rx_packets(void **state)
{
	struct xsp_netfront_packet p;

	(void)state;
	post(256);
	assert_int_equal(xsp_netfront_rx_room(&rx), 0);
	give(2, 60, 0);
	give(0, 66, XSP_NET_RX_CSUM_BLANK | XSP_NET_RX_EXTRA_INFO | XSP_NET_RX_MORE_DATA);
	give_extra(XSP_NET_EXTRA_GSO, XSP_NET_EXTRA_MORE, 1400, XSP_NET_GSO_TCPV6);
	give_extra(XSP_NET_EXTRA_HASH, 0, 0x0103, 0xbbaa);
	give(0, 4096, XSP_NET_RX_MORE_DATA);
	give(4095, 1, 0);
	give(0, 64, XSP_NET_RX_DATA_VALIDATED);
	xsp_ring_back_push(&back);

	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p.status == 0 && p.bytes == 60 && p.bufs == 1 && p.buf[0].cookie == 0);
	assert_true(!p.meta.csum_blank && !p.meta.data_validated && !p.meta.gso_type);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p.status == 0 && p.bytes == 66 + 4096 + 1 && p.bufs == 5);
	assert_true(p.buf[0].cookie == 1 && p.buf[1].bytes == 0 && p.buf[2].bytes == 0);
	assert_true(p.buf[3].cookie == 4 && p.buf[3].bytes == 4096 && p.buf[4].offset == 4095);
	assert_true(p.meta.csum_blank && p.meta.data_validated && p.meta.gso_size == 1400 &&
		    p.meta.gso_type == XSP_NET_GSO_TCPV6);
	assert_true(p.meta.have_hash && p.meta.hash_type == 3 && p.meta.hash_algorithm == 1 &&
		    (p.meta.hash & 0xffff) == 0xbbaa);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p.meta.data_validated && !p.meta.csum_blank && !p.meta.have_hash);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 0);
	assert_int_equal(xsp_netfront_rx_room(&rx), 7);
	assert_int_equal(xsp_netfront_rx_sleep(&rx), 0);
}

/* A backend may publish in the middle of a packet. */
static void rx_in_pieces(void **state)
{
	struct xsp_netfront_packet p;

	(void)state;
	post(64);
	for (int round = 0; round < 5; round++) {
		give(0, 100, XSP_NET_RX_EXTRA_INFO | XSP_NET_RX_MORE_DATA);
		for (int i = 0; i < 3; i++) {
			xsp_ring_back_push(&back);
			assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 0);
			if (i == 0)
				give_extra(XSP_NET_EXTRA_GSO, 0, 1400, XSP_NET_GSO_TCPV4);
			else
				give(0, 50, i == 1 ? XSP_NET_RX_MORE_DATA : 0);
		}
		xsp_ring_back_push(&back);
		assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
		assert_true(p.status == 0 && p.bytes == 200 && p.bufs == 4 && p.meta.gso_size == 1400);
	}
}

/* What makes no sense by itself costs that packet, and its pages come back. */
static void rx_bad_packets(void **state)
{
	struct xsp_netfront_packet p;

	(void)state;
	for (int what = 0; what < 12; what++) {
		int want = -EINVAL;
		unsigned int bufs = 1;

		setup_rx(NULL);
		post(32);
		switch (what) {
		case 0: give(0, XSP_NET_ERROR, 0); want = -EIO; break;
		case 1: give(0, -32768, 0); want = -EIO; break;
		case 2: give(1, 4096, 0); break;
		case 3: give(4097, 0, 0); break;
		case 4: give(65535, 32767, 0); break;
		case 5: give(0, 0, 0); break;
		case 6: give(0, 60, XSP_NET_RX_GSO_PREFIX); break;
		case 7: give(0, 60, XSP_NET_RX_EXTRA_INFO); give_extra(1, 0, 0, 1); bufs = 2; break;
		case 8: give(0, 60, XSP_NET_RX_EXTRA_INFO); give_extra(1, 0, 9, 3); bufs = 2; break;
		case 9: give(0, 60, XSP_NET_RX_EXTRA_INFO); give_extra(0, 0, 9, 3); bufs = 2; break;
		case 10: give(0, 60, XSP_NET_RX_EXTRA_INFO); give_extra(5, 0, 9, 3); bufs = 2; break;
		default:
			give(0, 60, XSP_NET_RX_MORE_DATA);
			give(4000, 4000, XSP_NET_RX_MORE_DATA);
			give(0, -1, 0);
			bufs = 3;
		}
		give(0, 77, 0);
		xsp_ring_back_push(&back);
		assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
		assert_int_equal(p.status, want);
		assert_int_equal(p.bufs, bufs);
		assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
		assert_true(p.status == 0 && p.bytes == 77 && p.buf[0].cookie == bufs);
	}
}

/* An XDP extra says nothing new to a host that has asked for headroom, and makes no sense to others. */
static void rx_xdp_extra(void **state)
{
	struct xsp_netfront_packet p;

	(void)state;
	post(8);
	rx.xdp = true;
	give(256, 60, XSP_NET_RX_EXTRA_INFO);
	give_extra(XSP_NET_EXTRA_XDP, 0, 256, 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p.status == 0 && p.bytes == 60 && p.bufs == 2 && p.buf[0].offset == 256);
	rx.xdp = false;
	give(256, 60, XSP_NET_RX_EXTRA_INFO);
	give_extra(XSP_NET_EXTRA_XDP, 0, 256, 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_int_equal(p.status, -EINVAL);
}

static void rx_too_long(void **state)
{
	struct xsp_netfront_packet p;

	(void)state;
	post(64);
	for (int i = 0; i < 20; i++)
		give(0, 4096, i < 19 ? XSP_NET_RX_MORE_DATA : 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1); /* twenty are borne */
	assert_int_equal(p.bytes, 20 * 4096);
	for (int i = 0; i < 21; i++)
		give(0, 1, XSP_NET_RX_MORE_DATA);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), -EPROTO);
	setup_rx(NULL);
	post(64);
	give(0, 60, XSP_NET_RX_EXTRA_INFO);
	for (int i = 0; i < 9; i++)
		give_extra(XSP_NET_EXTRA_HASH, XSP_NET_EXTRA_MORE, 0, 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), -EPROTO);
	assert_int_equal(xsp_netfront_rx_sleep(&rx), -EPROTO);
	assert_int_equal(xsp_netfront_rx_room(&rx), 0);
}

static void rx_liars(void **state)
{
	static const uint16_t id[] = { 1, 255, 256, 65535 };
	static const uint32_t prod[] = { 33, 0x80000000u, ~0u };
	struct xsp_netfront_packet p;

	(void)state;
	for (int i = 0; i < 7; i++) {
		struct xsp_net_rx_rsp r = { .id = id[i & 3], .status = 60 };

		setup_rx(NULL);
		post(32);
		if (i < 4) {
			xsp_net_back_respond_rx(&back, &r);
			xsp_ring_back_push(&back);
		} else {
			RING->rsp_prod = prod[i - 4];
		}
		assert_int_equal(xsp_netfront_rx_reap(&rx, &p), -EPROTO);
		assert_non_null(rx.broken);
		assert_int_equal(xsp_netfront_rx_reap(&rx, &p), -EPROTO);
		assert_false(xsp_netfront_rx_push(&rx));
	}
}

/* Long enough for the indices to go round the ring many times; every page comes back once. */
static void rx_random(void **state)
{
	static bool out[1000];
	struct xsp_netfront_packet p;
	uint32_t free_page[1000], n_free = 1000, got = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		free_page[i] = i;
	for (int round = 0; round < 20000; round++) {
		int r;

		while (n_free && xsp_netfront_rx_room(&rx) && rnd() % 8) {
			uint32_t c = free_page[--n_free];

			out[c] = true;
			xsp_netfront_rx_post(&rx, c, c);
		}
		xsp_netfront_rx_push(&rx);
		while (xsp_ring_back_pending(&back) >= 21 && rnd() % 8) {
			unsigned int frags = rnd() % 18 + 1;
			bool gso = rnd() & 1;

			for (unsigned int i = 0; i < frags; i++) {
				give(0, 100, (i + 1 < frags ? XSP_NET_RX_MORE_DATA : 0) |
						     (gso && !i ? XSP_NET_RX_EXTRA_INFO : 0));
				if (gso && !i)
					give_extra(XSP_NET_EXTRA_GSO, 0, 1400, 1);
			}
		}
		xsp_ring_back_push(&back);
		while ((r = xsp_netfront_rx_reap(&rx, &p)) == 1) {
			assert_int_equal(p.status, 0);
			assert_int_equal(p.bytes % 100, 0);
			for (unsigned int i = 0; i < p.bufs; i++) {
				assert_true(out[p.buf[i].cookie]);
				out[p.buf[i].cookie] = false;
				free_page[n_free++] = p.buf[i].cookie;
			}
			got++;
		}
		assert_int_equal(r, 0);
	}
	assert_true(got > 10000);
}

/* --- control ----------------------------------------------------------------------------------- */

static void ctrl_ask_and_answer(void **state)
{
	static const uint32_t data[3] = { 1, 2, 3 };
	struct xsp_netfront_ctrl q;
	struct xsp_net_ctrl_rsp r;
	struct xsp_net_ctrl_req req;

	(void)state;
	for (int lie = 0; lie < 5; lie++) {
		xsp_netfront_ctrl_init(&q, &page);
		xsp_ring_back_init(&back, RING, XSP_NET_CTRL_SLOTS, 0);
		for (int i = 0; i < 300; i++) {
			assert_int_equal(xsp_netfront_ctrl_ask(&q, XSP_NET_CTRL_GET_HASH_FLAGS, data), i == 0);
			assert_int_equal(xsp_netfront_ctrl_ask(&q, XSP_NET_CTRL_GET_HASH_FLAGS, data), -EBUSY);
			assert_int_equal(xsp_netfront_ctrl_answer(&q, &r), 0);
			assert_int_equal(xsp_ring_back_pending(&back), 1);
			xsp_net_back_take_ctrl(&back, &req);
			assert_true(req.type == XSP_NET_CTRL_GET_HASH_FLAGS && req.data[2] == 3);
			r = (struct xsp_net_ctrl_rsp){ req.id, req.type, XSP_NET_CTRL_SUCCESS, 15 };
			xsp_net_back_respond_ctrl(&back, &r);
			assert_true(xsp_ring_back_push(&back));
			assert_int_equal(xsp_netfront_ctrl_answer(&q, &r), 1);
			assert_true(r.status == XSP_NET_CTRL_SUCCESS && r.data == 15);
		}
		xsp_netfront_ctrl_ask(&q, XSP_NET_CTRL_SET_HASH_KEY, data);
		xsp_net_back_take_ctrl(&back, &req);
		r = (struct xsp_net_ctrl_rsp){ req.id, req.type, 0, 0 };
		r.id = (uint16_t)(r.id + (lie == 0));
		r.type = (uint16_t)(r.type + (lie == 1));
		xsp_net_back_respond_ctrl(&back, &r);
		if (lie == 2)
			xsp_net_back_respond_ctrl(&back, &r); /* two for one */
		xsp_ring_back_push(&back);
		if (lie == 3)
			RING->rsp_prod = 0x80000000u;
		assert_int_equal(xsp_netfront_ctrl_answer(&q, &r), lie < 4 ? -EPROTO : 1);
		assert_int_equal(xsp_netfront_ctrl_ask(&q, 1, data), lie < 4 ? -EPROTO : 0);
	}
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
		cmocka_unit_test_setup(rx_packets, setup_rx),
		cmocka_unit_test_setup(rx_in_pieces, setup_rx),
		cmocka_unit_test_setup(rx_bad_packets, setup_rx),
		cmocka_unit_test_setup(rx_xdp_extra, setup_rx),
		cmocka_unit_test_setup(rx_too_long, setup_rx),
		cmocka_unit_test_setup(rx_liars, setup_rx),
		cmocka_unit_test_setup(rx_random, setup_rx),
		cmocka_unit_test(ctrl_ask_and_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
