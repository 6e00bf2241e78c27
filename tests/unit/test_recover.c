/* SPDX-License-Identifier: MIT */
/*
 * Rings of a daemon that died at each point of its answering: what may be an answer is never taken as a
 * request, what is none is taken unchanged, and every slot is answered once, in its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/net/recover.h"
#include "backend/net/rx.h"
#include "backend/net/tx.h"

#define GREF 1000u /* of request i: GREF + i */

static uint8_t page[4096] __attribute__((aligned(4096)));
static struct xsp_sring *const sring = (struct xsp_sring *)page;
static struct xsp_ring_front front;
static struct xsp_ring_back back;
static struct xsp_tx_batch b;
static struct xsp_rx_batch rb;
static bool is_extra[1024];

static void fresh(uint32_t at)
{
	memset(page, 0x5a, sizeof(page));
	xsp_sring_init(sring);
	xsp_ring_front_init(&front, sring, 256);
	xsp_store(&sring->req_prod, at);
	xsp_store(&sring->rsp_prod, at);
	front.req_prod_pvt = front.req_prod_pub = front.req_prod_told = front.rsp_cons = at;
	xsp_ring_back_init(&back, sring, 256, at);
}

static void put(uint32_t size, uint16_t flags)
{
	struct xsp_net_tx_req req = { .gref = GREF + front.req_prod_pvt, .flags = flags,
				      .id = (uint16_t)(255 - front.req_prod_pvt % 256), .size = (uint16_t)size };

	is_extra[front.req_prod_pvt] = false;
	xsp_net_front_put_tx(&front, &req);
}

static void put_extra(uint8_t flags)
{
	struct xsp_net_extra e = { .type = XSP_NET_EXTRA_GSO, .flags = flags };

	e.u.gso.size = 1448;
	e.u.gso.type = XSP_NET_GSO_TCPV4;
	is_extra[front.req_prod_pvt] = true;
	xsp_net_front_put_extra(&front, &e);
}

/* Packets of all forms; returns the slots. */
static uint32_t put_packets(uint32_t at, unsigned int *seed)
{
	for (unsigned int i = 0; i < 12; i++) {
		unsigned int frags = (unsigned int)rand_r(seed) % 4, extras = (unsigned int)rand_r(seed) % 2;

		put(2000 + 100 * frags, (uint16_t)((frags ? XSP_NET_TX_MORE_DATA : 0) |
						    (extras ? XSP_NET_TX_EXTRA_INFO : 0)));
		for (unsigned int k = 0; k < extras; k++)
			put_extra(k + 1 < extras ? XSP_NET_EXTRA_MORE : 0);
		for (unsigned int k = 0; k < frags; k++)
			put(100, k + 1 < frags ? XSP_NET_TX_MORE_DATA : 0);
	}
	xsp_ring_front_push(&front);
	return front.req_prod_pvt - at;
}

static void take_all(void)
{
	struct xsp_tx_gate gate = { 0 };
	const char *why = NULL;

	assert_int_equal(xsp_tx_take(&back, &gate, &b, &why), 0);
}

static void tx_dies(uint32_t at, uint32_t k, unsigned int seed)
{
	uint32_t n, answered;
	int dropped;

	fresh(at);
	n = put_packets(at, &seed);
	take_all();
	assert_int_equal(b.n_answers, n);
	b.n_answers = k; /* so far it came */
	xsp_tx_respond(&back, &b);
	xsp_ring_back_init(&back, sring, 256, xsp_load(&sring->rsp_prod));
	dropped = xsp_tx_recover(&back);
	assert_true(dropped >= (int)k && dropped <= (int)k + 4);
	take_all();
	for (uint32_t i = 0; i < b.n_packets; i++) {
		uint32_t extras = 0;

		assert_int_equal(b.packet[i].status, 0);
		for (uint32_t s = 0; s < b.packet[i].n_segs; s++)
			assert_in_range(b.seg[b.packet[i].first_seg + s].gref, GREF + at + k, GREF + at + n);
		for (uint32_t s = 1; s < b.packet[i].n_segs; s++) {
			const struct xsp_tx_seg *seg = &b.seg[b.packet[i].first_seg];

			extras = s == 1 ? seg[1].gref - seg[0].gref - 1 : extras;
			assert_int_equal(seg[s].gref, seg[0].gref + s + extras);
		}
	}
	xsp_tx_respond(&back, &b);
	xsp_ring_back_push(&back);
	answered = (uint32_t)xsp_ring_front_pending(&front);
	assert_int_equal(answered, n);
	for (uint32_t i = at; i < at + n; i++) {
		struct xsp_net_tx_rsp rsp;

		xsp_net_front_take_tx(&front, &rsp);
		if (is_extra[i])
			assert_int_equal(rsp.status, XSP_NET_NULL);
		else
			assert_int_equal(rsp.id, 255 - i % 256);
		if (!is_extra[i])
			assert_int_not_equal(rsp.status, XSP_NET_NULL);
	}
}

static void tx(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed < 200; seed++)
		for (uint32_t k = 0; k <= 12; k++)
			tx_dies(seed * 3, k, seed);
}

static void tx_lies(void **state)
{
	(void)state;
	fresh(0);
	xsp_store(&sring->req_prod, 300);
	assert_int_equal(xsp_tx_recover(&back), -EPROTO);
	xsp_ring_back_init(&back, sring, 256, 0);
	xsp_store(&sring->req_prod, 256);
	memset(page + 64, 0, sizeof(page) - 64);
	for (uint32_t i = 0; i < 256; i++) { /* all answered, each to be followed by more */
		struct xsp_net_tx_req req = { .flags = XSP_NET_TX_MORE_DATA | XSP_NET_TX_EXTRA_INFO };

		memcpy(xsp_net_tx_slot(sring, i), &req, sizeof(req));
	}
	assert_int_equal(xsp_tx_recover(&back), 256);
	assert_int_equal(xsp_rx_recover(&back), 0);
}

static void post(uint32_t n)
{
	while (n--) {
		struct xsp_net_rx_req req = { .id = (uint16_t)(front.req_prod_pvt & 255), .pad = 0x5a5a,
					      .gref = GREF + front.req_prod_pvt };

		xsp_net_front_put_rx(&front, &req);
	}
	xsp_ring_front_push(&front);
}

static void rx_dies(uint32_t at, uint32_t k, unsigned int seed)
{
	static uint8_t data[XSP_NET_MAX_BYTES];
	int given, left;

	fresh(at);
	post(256);
	rb.n_segs = rb.n_answers = 0;
	for (unsigned int i = 0; i < 6; i++) {
		struct xsp_net_offload o = { .gso_type = rand_r(&seed) & 1 ? XSP_NET_GSO_TCPV4 : 0,
					     .gso_size = 1448, .csum_blank = rand_r(&seed) & 1 };
		struct xsp_net_hash_value h = { .algorithm = rand_r(&seed) & 1, .type = 1,
						.value = GREF + (uint32_t)rand_r(&seed) % 256 };

		xsp_rx_place(&back, data, 60 + (uint32_t)rand_r(&seed) % 15000, &o, &h, &rb);
	}
	k = k < rb.n_answers ? k : rb.n_answers;
	rb.n_answers = k;
	xsp_rx_respond(&back, &rb);
	xsp_ring_back_init(&back, sring, 256, xsp_load(&sring->rsp_prod));
	given = xsp_rx_recover(&back);
	assert_true(given >= (int)k && given <= (int)k + 2);
	left = xsp_ring_back_pending(&back);
	assert_int_equal(left, 256 - given);
	for (uint32_t i = at + (uint32_t)given; left--; i++) {
		struct xsp_net_rx_req req;

		xsp_net_back_take_rx(&back, &req);
		assert_int_equal(req.gref, GREF + i);
	}
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_ring_front_pending(&front), given);
	for (uint32_t i = at; given--; i++) {
		union xsp_net_rx_slot slot;

		assert_int_equal(xsp_net_front_take_rx(&front, &slot), i & 255);
		assert_int_equal(slot.rsp.id, i & 255);
		assert_int_equal(slot.rsp.status, XSP_NET_ERROR);
		assert_int_equal(slot.rsp.flags, 0);
	}
}

static void rx(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed < 300; seed++)
		for (uint32_t k = 0; k <= 24; k++)
			rx_dies(seed * 2, k, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tx),
		cmocka_unit_test(tx_lies),
		cmocka_unit_test(rx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
