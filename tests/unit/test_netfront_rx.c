/* SPDX-License-Identifier: MIT */
/*
 * frontend/core/netfront_rx against the back half of its ring: packets in pieces, with extras, too long,
 * and every way in which a backend can lie. Then netfront_ctrl: a request and its answer.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "frontend/core/netfront_ctrl.h"
#include "frontend/core/netfront_rx.h"
#include "tests/unit/random.h"

static union {
	uint64_t align;
	uint8_t bytes[XSP_PAGE_SIZE];
} page;
#define RING ((struct xsp_sring *)(void *)page.bytes)

static struct xsp_netfront_rx rx;
static struct xsp_ring_back back;

static int setup_rx(void **state)
{
	(void)state;
	xsp_netfront_rx_init(&rx, &page);
	xsp_ring_back_init(&back, RING, XSP_NET_RX_SLOTS, 0);
	return 0;
}

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
	const struct xsp_netfront_packet *p;

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
	assert_true(p->status == 0 && p->bytes == 60 && p->bufs == 1 && p->buf[0].cookie == 0);
	assert_true(!p->meta.csum_blank && !p->meta.data_validated && !p->meta.gso_type);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p->status == 0 && p->bytes == 66 + 4096 + 1 && p->bufs == 5);
	assert_true(p->buf[0].cookie == 1 && p->buf[1].bytes == 0 && p->buf[2].bytes == 0);
	assert_true(p->buf[3].cookie == 4 && p->buf[3].bytes == 4096 && p->buf[4].offset == 4095);
	assert_true(p->meta.csum_blank && p->meta.data_validated && p->meta.gso_size == 1400 &&
		    p->meta.gso_type == XSP_NET_GSO_TCPV6);
	assert_true(p->meta.have_hash && p->meta.hash_type == 3 && p->meta.hash_algorithm == 1 &&
		    (p->meta.hash & 0xffff) == 0xbbaa);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p->meta.data_validated && !p->meta.csum_blank && !p->meta.have_hash);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 0);
	assert_int_equal(xsp_netfront_rx_room(&rx), 7);
	assert_int_equal(xsp_netfront_rx_sleep(&rx), 0);
}

/* A backend may publish in the middle of a packet. */
static void rx_in_pieces(void **state)
{
	const struct xsp_netfront_packet *p;

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
		assert_true(p->status == 0 && p->bytes == 200 && p->bufs == 4 && p->meta.gso_size == 1400);
	}
}

/* What makes no sense by itself costs that packet, and its pages come back. */
static void rx_bad_packets(void **state)
{
	const struct xsp_netfront_packet *p;

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
		assert_int_equal(p->status, want);
		assert_int_equal(p->bufs, bufs);
		assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
		assert_true(p->status == 0 && p->bytes == 77 && p->buf[0].cookie == bufs);
	}
}

/* As Linux's netback says that it left the room that was asked for: the offset is 0 and the room counts. */
static void rx_xdp_extra(void **state)
{
	const struct xsp_netfront_packet *p;

	(void)state;
	post(16);
	rx.xdp = true;
	give(0, 316, XSP_NET_RX_EXTRA_INFO);
	give_extra(XSP_NET_EXTRA_XDP, 0, 256, 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p->status == 0 && p->bytes == 60 && p->bufs == 2 && p->buf[0].offset == 256 &&
		    p->buf[0].bytes == 60);
	give(0, 4096, XSP_NET_RX_EXTRA_INFO | XSP_NET_RX_MORE_DATA); /* in each piece */
	give_extra(XSP_NET_EXTRA_XDP, 0, 256, 0);
	give(0, 266, 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p->status == 0 && p->bytes == 3850 && p->buf[0].bytes == 3840 && p->buf[2].offset == 256);
	give(256, 60, XSP_NET_RX_EXTRA_INFO); /* who says where it is, is believed */
	give_extra(XSP_NET_EXTRA_XDP, 0, 256, 0);
	give(0, 60, 0); /* nor does it last */
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p->status == 0 && p->bytes == 60 && p->buf[0].offset == 256);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_true(p->status == 0 && p->bytes == 60 && p->buf[0].offset == 0);
}

/* From who was not asked, and more of it than there is. */
static void rx_xdp_wrong(void **state)
{
	const struct xsp_netfront_packet *p;

	(void)state;
	post(8);
	give(0, 316, XSP_NET_RX_EXTRA_INFO); /* nobody has asked for it */
	give_extra(XSP_NET_EXTRA_XDP, 0, 256, 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_int_equal(p->status, -EINVAL);
	rx.xdp = true;
	give(0, 60, XSP_NET_RX_EXTRA_INFO); /* more room than there is */
	give_extra(XSP_NET_EXTRA_XDP, 0, 256, 0);
	give(0, 256, XSP_NET_RX_EXTRA_INFO); /* nothing behind it */
	give_extra(XSP_NET_EXTRA_XDP, 0, 256, 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_int_equal(p->status, -EINVAL);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1);
	assert_int_equal(p->status, -EINVAL);
	assert_true(p->bytes == 0 && p->bufs == 2);
}

static void rx_too_long(void **state)
{
	const struct xsp_netfront_packet *p;

	(void)state;
	post(64);
	for (int i = 0; i < 20; i++)
		give(0, 4096, i < 19 ? XSP_NET_RX_MORE_DATA : 0);
	xsp_ring_back_push(&back);
	assert_int_equal(xsp_netfront_rx_reap(&rx, &p), 1); /* twenty are borne */
	assert_int_equal(p->bytes, 20 * 4096);
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
	const struct xsp_netfront_packet *p;

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
	const struct xsp_netfront_packet *p;
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
			assert_int_equal(p->status, 0);
			assert_int_equal(p->bytes % 100, 0);
			for (unsigned int i = 0; i < p->bufs; i++) {
				assert_true(out[p->buf[i].cookie]);
				out[p->buf[i].cookie] = false;
				free_page[n_free++] = p->buf[i].cookie;
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
		cmocka_unit_test_setup(rx_packets, setup_rx),
		cmocka_unit_test_setup(rx_in_pieces, setup_rx),
		cmocka_unit_test_setup(rx_bad_packets, setup_rx),
		cmocka_unit_test_setup(rx_xdp_extra, setup_rx),
		cmocka_unit_test_setup(rx_xdp_wrong, setup_rx),
		cmocka_unit_test_setup(rx_too_long, setup_rx),
		cmocka_unit_test_setup(rx_liars, setup_rx),
		cmocka_unit_test_setup(rx_random, setup_rx),
		cmocka_unit_test(ctrl_ask_and_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
