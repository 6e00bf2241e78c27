/* SPDX-License-Identifier: MIT */
/*
 * Rings into packets and packets into rings: good chains in their forms, each way of lying, and that
 * whatever comes every slot is answered once, in its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "backend/net/rate.h"
#include "backend/net/scratch.h"
#include "backend/net/tx.h"

static uint8_t page[4096] __attribute__((aligned(4096)));
static struct xsp_sring *const sring = (struct xsp_sring *)page;
static struct xsp_ring_front front;
static struct xsp_ring_back back;
static struct xsp_tx_batch b;
static struct xsp_tx_gate gate;
static const char *why;

static void fresh(uint32_t slots)
{
	xsp_sring_init(sring);
	xsp_ring_front_init(&front, sring, slots);
	xsp_ring_back_init(&back, sring, slots, 0);
	gate = (struct xsp_tx_gate){ 0 };
	why = NULL;
}

static void put(uint32_t offset, uint32_t size, uint16_t flags)
{
	struct xsp_net_tx_req req = { .gref = 100 + front.req_prod_pvt, .offset = (uint16_t)offset,
				      .flags = flags, .id = (uint16_t)front.req_prod_pvt,
				      .size = (uint16_t)size };

	xsp_net_front_put_tx(&front, &req);
}

static void put_extra(uint8_t type, uint8_t flags)
{
	struct xsp_net_extra e = { .type = type, .flags = flags };

	e.u.gso.size = 1448;
	e.u.gso.type = XSP_NET_GSO_TCPV4;
	xsp_net_front_put_extra(&front, &e);
}

static int take(void)
{
	xsp_ring_front_push(&front);
	return xsp_tx_take(&back, &gate, &b, &why);
}

/* Answers in slot order; each slot says what its request was. */
static void answers(const int16_t *status, uint32_t n)
{
	struct xsp_net_tx_rsp rsp;

	xsp_tx_respond(&back, &b);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_ring_front_pending(&front), n);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t id = (uint16_t)front.rsp_cons;

		xsp_net_front_take_tx(&front, &rsp);
		assert_int_equal(rsp.status, status[i]);
		if (status[i] != XSP_NET_NULL)
			assert_int_equal(rsp.id, id);
	}
}

static void one_fragment(void **state)
{
	(void)state;
	fresh(256);
	put(100, 60, XSP_NET_TX_CSUM_BLANK);
	assert_int_equal(take(), 0);
	assert_int_equal(b.n_packets, 1);
	assert_int_equal(b.packet[0].len, 60);
	assert_true(b.packet[0].offload.csum_blank);
	assert_int_equal(b.n_segs, 1);
	assert_int_equal(b.seg[0].len, 60);
	assert_int_equal(b.seg[0].offset, 100);
	answers((int16_t[]){ XSP_NET_OKAY }, 1);
}

static void fragments_and_extra(void **state)
{
	(void)state;
	fresh(256);
	put(0, 2000, XSP_NET_TX_MORE_DATA | XSP_NET_TX_EXTRA_INFO);
	put_extra(XSP_NET_EXTRA_GSO, 0);
	put(4000, 96, XSP_NET_TX_MORE_DATA);
	put(0, 904, 0);
	put(0, 60, 0);
	assert_int_equal(take(), 0);
	assert_int_equal(b.n_packets, 2);
	assert_int_equal(b.packet[0].n_segs, 3);
	assert_int_equal(b.seg[0].len, 1000); /* what the others leave of the whole */
	assert_int_equal(b.seg[0].gref, 100);
	assert_int_equal(b.seg[1].gref, 102);
	assert_int_equal(b.seg[2].len, 904);
	assert_int_equal(b.packet[0].offload.gso_size, 1448);
	assert_int_equal(b.packet[1].first_seg, 3);
	answers((int16_t[]){ 0, XSP_NET_NULL, 0, 0, 0 }, 5);
}

static void eighteen_fragments(void **state)
{
	int16_t status[20] = { 0 };

	(void)state;
	for (unsigned int n = 17; n <= 20; n++) {
		fresh(256);
		put(0, n * 100, XSP_NET_TX_MORE_DATA);
		for (unsigned int i = 1; i < n; i++)
			put(0, 100, i + 1 < n ? XSP_NET_TX_MORE_DATA : 0);
		assert_int_equal(take(), 0);
		assert_int_equal(b.packet[0].n_segs, n <= 18 ? n : 0);
		memset(status, 0xff, sizeof(status)); /* all of them -1: XSP_NET_ERROR */
		if (n <= 18)
			memset(status, 0, sizeof(status));
		answers(status, n);
	}
	fresh(256);
	put(0, 2100, XSP_NET_TX_MORE_DATA);
	for (unsigned int i = 1; i < 21; i++)
		put(0, 100, i < 20 ? XSP_NET_TX_MORE_DATA : 0);
	assert_int_equal(take(), -EPROTO);
	assert_non_null(strstr(why, "20 fragments"));
}

/* One bad packet, then a good one: the bad is answered with an error, the good goes. */
static void lies(void **state)
{
	static const struct {
		uint32_t offset, size, offset2, size2;
	} bad[] = {
		{ 0, 13, 0, 0 },        /* no Ethernet header */
		{ 0, 0, 0, 0 },
		{ 4095, 60, 0, 0 },     /* leaves its page */
		{ 65535, 60, 0, 0 },
		{ 0, 4097, 0, 0 },
		{ 0, 100, 0, 101 },     /* less than its parts */
		{ 0, 100, 0, 100 },     /* nothing left for the first */
		{ 0, 100, 4050, 50 },   /* a part that leaves its page */
		{ 0, 65535, 0, 100 },
		{ 0, 60, 65535, 65535 },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool two = bad[i].size2 != 0;

		fresh(256);
		put(bad[i].offset, bad[i].size, two ? XSP_NET_TX_MORE_DATA : 0);
		if (two)
			put(bad[i].offset2, bad[i].size2, 0);
		put(0, 60, 0);
		assert_int_equal(take(), 0);
		assert_int_equal(b.n_packets, 2);
		assert_int_equal(b.packet[0].status, XSP_NET_ERROR);
		assert_int_equal(b.packet[0].n_segs, 0);
		assert_int_equal(b.packet[1].status, XSP_NET_OKAY);
		assert_int_equal(b.packet[1].n_segs, 1);
		if (two)
			answers((int16_t[]){ -1, -1, 0 }, 3);
		else
			answers((int16_t[]){ -1, 0 }, 2);
	}
}

/* Every subset of five fragments empty (XSA-448). */
static void empty_fragments(void **state)
{
	(void)state;
	for (unsigned int set = 0; set < 32; set++) {
		uint32_t total = 0;

		for (unsigned int i = 0; i < 5; i++)
			total += set & (1u << i) ? 0 : 50;
		fresh(256);
		put(0, total, XSP_NET_TX_MORE_DATA);
		for (unsigned int i = 1; i < 5; i++)
			put(0, set & (1u << i) ? 0 : 50, i < 4 ? XSP_NET_TX_MORE_DATA : 0);
		assert_int_equal(take(), 0);
		assert_int_equal(b.n_segs, set ? 0 : 5);
		assert_int_equal(b.packet[0].status, set ? XSP_NET_ERROR : XSP_NET_OKAY);
	}
}

static void chains_without_end(void **state)
{
	(void)state;
	fresh(256);
	put(0, 100, XSP_NET_TX_MORE_DATA);
	assert_int_equal(take(), -EPROTO);
	assert_non_null(strstr(why, "doesn't end"));
	fresh(256);
	put(0, 100, XSP_NET_TX_EXTRA_INFO);
	for (unsigned int i = 0; i < 100; i++)
		put_extra(XSP_NET_EXTRA_GSO, XSP_NET_EXTRA_MORE);
	assert_int_equal(take(), -EPROTO);
	assert_non_null(strstr(why, "extras"));
	fresh(256);
	put(0, 100, XSP_NET_TX_EXTRA_INFO); /* and none comes */
	assert_int_equal(take(), -EPROTO);
	fresh(256);
	put(0, 100, XSP_NET_TX_EXTRA_INFO); /* an unknown one: the packet only */
	put_extra(77, 0);
	assert_int_equal(take(), 0);
	answers((int16_t[]){ XSP_NET_ERROR, XSP_NET_NULL }, 2);
}

static void index_out_of_bounds(void **state)
{
	static const uint32_t prod[] = { 257, 1u << 31, ~0u };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		fresh(256);
		xsp_store(&sring->req_prod, prod[i]);
		assert_int_equal(xsp_tx_take(&back, &gate, &b, &why), -EPROTO);
		assert_int_equal(b.n_packets, 0);
	}
}

static void multicast_has_no_packet(void **state)
{
	(void)state;
	fresh(256);
	put(0, 0, XSP_NET_TX_EXTRA_INFO);
	put_extra(XSP_NET_EXTRA_MCAST_ADD, XSP_NET_EXTRA_MORE);
	put_extra(XSP_NET_EXTRA_MCAST_DEL, 0);
	assert_int_equal(take(), 0);
	assert_int_equal(b.n_segs, 0);
	assert_int_equal(b.packet[0].mcast, 1 << XSP_NET_EXTRA_MCAST_ADD | 1 << XSP_NET_EXTRA_MCAST_DEL);
}

static void a_batch_is_bounded(void **state)
{
	(void)state;
	fresh(256);
	for (unsigned int i = 0; i < 256; i++)
		put(0, 60, 0);
	assert_int_equal(take(), 0);
	assert_int_equal(b.n_packets, XSP_NET_BATCH);
	xsp_tx_respond(&back, &b);
	for (unsigned int i = 0; i < 7; i++) {
		assert_int_equal(xsp_tx_take(&back, &gate, &b, &why), 0);
		xsp_tx_respond(&back, &b);
	}
	assert_int_equal(xsp_tx_take(&back, &gate, &b, &why), 0);
	assert_int_equal(b.n_packets, 0);
}

static bool two_may(void *arg, uint32_t bytes)
{
	(void)bytes;
	return (*(unsigned int *)arg)++ < 2;
}

static void a_gate(void **state)
{
	unsigned int n = 0;

	(void)state;
	fresh(256);
	for (unsigned int i = 0; i < 4; i++)
		put(0, 60, 0);
	gate = (struct xsp_tx_gate){ two_may, &n, false };
	assert_int_equal(take(), 0);
	assert_int_equal(b.n_packets, 2);
	assert_true(gate.closed);
	assert_int_equal(back.req_cons, 2);
	answers((int16_t[]){ 0, 0 }, 2);
	n = 0;
	assert_int_equal(take(), 0);
	assert_int_equal(b.n_packets, 2);
}

/* --- receive ----------------------------------------------------------------------------------- */

static struct xsp_rx_batch rb;

static void post(uint32_t n)
{
	while (n--) {
		struct xsp_net_rx_req req = { .id = (uint16_t)front.req_prod_pvt,
					      .gref = 500 + front.req_prod_pvt };

		xsp_net_front_put_rx(&front, &req);
	}
	xsp_ring_front_push(&front);
}

static void receives(void **state)
{
	const struct xsp_net_offload gso = { .csum_blank = true, .data_validated = true,
					     .gso_type = XSP_NET_GSO_TCPV4, .gso_size = 1448 };
	const struct xsp_net_hash_value hash = { XSP_NET_HASH_TOEPLITZ, 1, 0x01020304 }, none = { 0 };
	const struct xsp_net_offload plain = { 0 };
	static uint8_t data[XSP_NET_MAX_BYTES];
	union xsp_net_rx_slot slot;

	(void)state;
	fresh(256);
	post(10);
	memset(&rb, 0, sizeof(rb));
	assert_int_equal(xsp_rx_slots(9000, &gso, &hash), 5);
	assert_int_equal(xsp_rx_slots(4096, &plain, &none), 1);
	assert_int_equal(xsp_rx_slots(65535, &gso, &none), 17);
	xsp_rx_place(&back, data, 9000, &gso, &hash, &rb);
	xsp_rx_place(&back, data, 60, &plain, &none, &rb);
	assert_int_equal(rb.n_segs, 4);
	assert_int_equal(rb.n_answers, 6);
	assert_int_equal(rb.seg[1].gref, 503); /* behind the extras' two */
	assert_ptr_equal(rb.seg[2].from, data + 8192);
	xsp_rx_failed(&rb, 1);
	xsp_rx_respond(&back, &rb);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_ring_front_pending(&front), 6);
	xsp_net_front_take_rx(&front, &slot);
	assert_int_equal(slot.rsp.status, 4096);
	assert_int_equal(slot.rsp.flags, XSP_NET_RX_CSUM_BLANK | XSP_NET_RX_DATA_VALIDATED |
					 XSP_NET_RX_MORE_DATA | XSP_NET_RX_EXTRA_INFO);
	xsp_net_front_take_rx(&front, &slot);
	assert_int_equal(slot.extra.type, XSP_NET_EXTRA_GSO);
	assert_int_equal(slot.extra.flags, XSP_NET_EXTRA_MORE);
	assert_int_equal(slot.extra.u.gso.size, 1448);
	xsp_net_front_take_rx(&front, &slot);
	assert_int_equal(slot.extra.type, XSP_NET_EXTRA_HASH);
	assert_int_equal(slot.extra.flags, 0);
	assert_int_equal(slot.extra.u.hash.value[0], 4);
	xsp_net_front_take_rx(&front, &slot);
	assert_int_equal(slot.rsp.status, XSP_NET_ERROR);
	assert_int_equal(slot.rsp.id, 3);
	assert_int_equal(slot.rsp.flags, XSP_NET_RX_MORE_DATA);
	xsp_net_front_take_rx(&front, &slot);
	assert_int_equal(slot.rsp.status, 9000 - 8192);
	assert_int_equal(slot.rsp.flags, 0);
	xsp_net_front_take_rx(&front, &slot);
	assert_int_equal(slot.rsp.status, 60);
	assert_int_equal(slot.rsp.id, 5);
}

/* --- rate -------------------------------------------------------------------------------------- */

static void rates(void **state)
{
	struct xsp_rate r = { 0 };
	uint64_t bytes, usecs, now = 1000000000;

	(void)state;
	assert_int_equal(xsp_rate_parse("1000000,50000", &bytes, &usecs), 0);
	assert_int_equal(bytes, 1000000);
	assert_int_equal(usecs, 50000);
	assert_int_equal(xsp_rate_parse("", &bytes, &usecs), 0);
	assert_int_equal(xsp_rate_parse("1000", &bytes, &usecs), -EINVAL);
	assert_int_equal(xsp_rate_parse("1000,", &bytes, &usecs), -EINVAL);
	assert_int_equal(xsp_rate_parse("-1,5", &bytes, &usecs), -EINVAL);
	assert_int_equal(xsp_rate_parse("1,5x", &bytes, &usecs), -EINVAL);
	assert_int_equal(xsp_rate_parse("99999999999999999999,5", &bytes, &usecs), -EINVAL);
	assert_int_equal(xsp_rate_parse("\xff\xff,\n", &bytes, &usecs), -EINVAL);
	assert_int_equal(xsp_rate_take(&r, 65535, now), 0); /* none */
	xsp_rate_set(&r, 10000, 1000);
	assert_int_equal(xsp_rate_take(&r, 10000, now), 0);
	bytes = 0; /* that was the burst a fresh limit grants; then 10 000 a ms */
	for (uint64_t end = now + 100000000; now < end;) {
		uint64_t wait = xsp_rate_take(&r, 1500, now);

		assert_true(wait <= 1000000);
		bytes += wait ? 0 : 1500;
		now += wait;
	}
	assert_in_range(bytes, 980000, 1030000);
	xsp_rate_set(&r, 100, 1000); /* a packet larger than a period's credit goes, if later */
	for (usecs = 0; usecs < 1000 && xsp_rate_take(&r, 60000, now); usecs++)
		now += 1000000;
	assert_in_range(usecs, 590, 610);
	xsp_rate_set(&r, 0, 0);
	assert_int_equal(xsp_rate_take(&r, 65535, now), 0);
}

/* Where a packet begins: its pieces' pages and ours fall together, and all of it has room. */
static void alignment(void **state)
{
	struct xsp_worker w = { 0 };
	struct xsp_net_scratch *s = xsp_net_scratch_get(&w);

	(void)state;
	assert_non_null(s);
	s->tx.n_packets = 2;
	s->tx.packet[0] = (struct xsp_tx_packet){ .first_seg = 0, .n_segs = 3 };
	s->tx.seg[0] = (struct xsp_tx_seg){ .offset = 200, .len = 66 };
	s->tx.seg[1] = (struct xsp_tx_seg){ .offset = 40, .len = XSP_PAGE_SIZE - 40 };
	s->tx.seg[2] = (struct xsp_tx_seg){ .offset = 0, .len = XSP_PAGE_SIZE };
	s->tx.packet[1] = (struct xsp_tx_packet){ .first_seg = 3, .n_segs = 1 };
	s->tx.seg[3] = (struct xsp_tx_seg){ .offset = 200, .len = 900 };
	for (unsigned int i = 0; i < 2; i++) { /* a second batch begins like the first */
		xsp_net_scratch_align(s);
		assert_int_equal((uintptr_t)(s->packet[0].data + 66) % XSP_PAGE_SIZE, 40);
		assert_int_equal((uintptr_t)s->packet[1].data % XSP_PAGE_SIZE, 0);
		assert_true(s->packet[0].data >= s->data);
		assert_true(s->packet[0].data + XSP_PACKET_BYTES <= s->packet[1].data);
	}
	xsp_net_scratch_level(s);
	assert_ptr_equal(s->packet[0].data, s->data);
	for (unsigned int i = 1; i < XSP_NET_BATCH; i++)
		assert_true(s->packet[i].data >= s->packet[i - 1].data + XSP_PACKET_BYTES + XSP_PAGE_SIZE);
	xsp_net_scratch_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alignment),
		cmocka_unit_test(one_fragment),
		cmocka_unit_test(fragments_and_extra),
		cmocka_unit_test(eighteen_fragments),
		cmocka_unit_test(lies),
		cmocka_unit_test(empty_fragments),
		cmocka_unit_test(chains_without_end),
		cmocka_unit_test(index_out_of_bounds),
		cmocka_unit_test(multicast_has_no_packet),
		cmocka_unit_test(a_batch_is_bounded),
		cmocka_unit_test(a_gate),
		cmocka_unit_test(receives),
		cmocka_unit_test(rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
