/* SPDX-License-Identifier: MIT */
/*
 * ring/netif.[ch]: our wire structs and numbers are Xen's (the XDP extra is Linux's alone), both
 * halves understand each other over one page, chains of extras end, and nothing outside a slot moves.
 */
#define __XEN_INTERFACE_VERSION__ 0x00040900
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "ring/netif.h"
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/netif.h>

#define SAME(ours, field, theirs, xfield)                                                          \
	static_assert(offsetof(ours, field) == offsetof(theirs, xfield) &&                         \
			      sizeof(((ours *)0)->field) == sizeof(((theirs *)0)->xfield),         \
		      #field " is " #xfield)
#define EQUAL(a, b) static_assert((int)(a) == (int)(b), #a " is " #b)

static_assert(sizeof(struct xsp_net_tx_req) == sizeof(struct netif_tx_request), "");
SAME(struct xsp_net_tx_req, gref, struct netif_tx_request, gref);
SAME(struct xsp_net_tx_req, offset, struct netif_tx_request, offset);
SAME(struct xsp_net_tx_req, flags, struct netif_tx_request, flags);
SAME(struct xsp_net_tx_req, id, struct netif_tx_request, id);
SAME(struct xsp_net_tx_req, size, struct netif_tx_request, size);
static_assert(sizeof(struct xsp_net_tx_rsp) == sizeof(struct netif_tx_response), "");
SAME(struct xsp_net_tx_rsp, id, struct netif_tx_response, id);
SAME(struct xsp_net_tx_rsp, status, struct netif_tx_response, status);
static_assert(sizeof(struct xsp_net_rx_req) == sizeof(struct netif_rx_request), "");
SAME(struct xsp_net_rx_req, id, struct netif_rx_request, id);
SAME(struct xsp_net_rx_req, gref, struct netif_rx_request, gref);
static_assert(sizeof(struct xsp_net_rx_rsp) == sizeof(struct netif_rx_response), "");
SAME(struct xsp_net_rx_rsp, id, struct netif_rx_response, id);
SAME(struct xsp_net_rx_rsp, offset, struct netif_rx_response, offset);
SAME(struct xsp_net_rx_rsp, flags, struct netif_rx_response, flags);
SAME(struct xsp_net_rx_rsp, status, struct netif_rx_response, status);
static_assert(sizeof(struct xsp_net_extra) == sizeof(struct netif_extra_info), "");
SAME(struct xsp_net_extra, type, struct netif_extra_info, type);
SAME(struct xsp_net_extra, flags, struct netif_extra_info, flags);
SAME(struct xsp_net_extra, u.gso.size, struct netif_extra_info, u.gso.size);
SAME(struct xsp_net_extra, u.gso.type, struct netif_extra_info, u.gso.type);
SAME(struct xsp_net_extra, u.gso.features, struct netif_extra_info, u.gso.features);
SAME(struct xsp_net_extra, u.mcast.addr, struct netif_extra_info, u.mcast.addr);
SAME(struct xsp_net_extra, u.hash.type, struct netif_extra_info, u.hash.type);
SAME(struct xsp_net_extra, u.hash.algorithm, struct netif_extra_info, u.hash.algorithm);
SAME(struct xsp_net_extra, u.hash.value, struct netif_extra_info, u.hash.value);
static_assert(sizeof(struct xsp_net_ctrl_req) == sizeof(struct xen_netif_ctrl_request), "");
SAME(struct xsp_net_ctrl_req, id, struct xen_netif_ctrl_request, id);
SAME(struct xsp_net_ctrl_req, type, struct xen_netif_ctrl_request, type);
SAME(struct xsp_net_ctrl_req, data, struct xen_netif_ctrl_request, data);
static_assert(sizeof(struct xsp_net_ctrl_rsp) == sizeof(struct xen_netif_ctrl_response), "");
SAME(struct xsp_net_ctrl_rsp, id, struct xen_netif_ctrl_response, id);
SAME(struct xsp_net_ctrl_rsp, type, struct xen_netif_ctrl_response, type);
SAME(struct xsp_net_ctrl_rsp, status, struct xen_netif_ctrl_response, status);
SAME(struct xsp_net_ctrl_rsp, data, struct xen_netif_ctrl_response, data);
static_assert(sizeof(struct xsp_net_gref) == sizeof(struct xen_netif_gref), "");
SAME(struct xsp_net_gref, ref, struct xen_netif_gref, ref);
SAME(struct xsp_net_gref, flags, struct xen_netif_gref, flags);
SAME(struct xsp_net_gref, status, struct xen_netif_gref, status);

EQUAL(XSP_NET_MIN_SLOTS, XEN_NETIF_NR_SLOTS_MIN);
EQUAL(XSP_NET_MAX_BYTES, XEN_NETIF_MAX_TX_SIZE);
EQUAL(XSP_NET_TX_CSUM_BLANK, NETTXF_csum_blank);
EQUAL(XSP_NET_TX_DATA_VALIDATED, NETTXF_data_validated);
EQUAL(XSP_NET_TX_MORE_DATA, NETTXF_more_data);
EQUAL(XSP_NET_TX_EXTRA_INFO, NETTXF_extra_info);
EQUAL(XSP_NET_RX_CSUM_BLANK, NETRXF_csum_blank);
EQUAL(XSP_NET_RX_DATA_VALIDATED, NETRXF_data_validated);
EQUAL(XSP_NET_RX_MORE_DATA, NETRXF_more_data);
EQUAL(XSP_NET_RX_EXTRA_INFO, NETRXF_extra_info);
EQUAL(XSP_NET_RX_GSO_PREFIX, NETRXF_gso_prefix);
EQUAL(XSP_NET_NULL, NETIF_RSP_NULL);
EQUAL(XSP_NET_OKAY, NETIF_RSP_OKAY);
EQUAL(XSP_NET_ERROR, NETIF_RSP_ERROR);
EQUAL(XSP_NET_DROPPED, NETIF_RSP_DROPPED);
EQUAL(XSP_NET_EXTRA_GSO, XEN_NETIF_EXTRA_TYPE_GSO);
EQUAL(XSP_NET_EXTRA_MCAST_ADD, XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
EQUAL(XSP_NET_EXTRA_MCAST_DEL, XEN_NETIF_EXTRA_TYPE_MCAST_DEL);
EQUAL(XSP_NET_EXTRA_HASH, XEN_NETIF_EXTRA_TYPE_HASH);
EQUAL(XSP_NET_EXTRA_XDP, XEN_NETIF_EXTRA_TYPE_MAX);
EQUAL(XSP_NET_EXTRA_MORE, XEN_NETIF_EXTRA_FLAG_MORE);
EQUAL(XSP_NET_GSO_NONE, XEN_NETIF_GSO_TYPE_NONE);
EQUAL(XSP_NET_GSO_TCPV4, XEN_NETIF_GSO_TYPE_TCPV4);
EQUAL(XSP_NET_GSO_TCPV6, XEN_NETIF_GSO_TYPE_TCPV6);
EQUAL(XSP_NET_CTRL_INVALID, XEN_NETIF_CTRL_TYPE_INVALID);
EQUAL(XSP_NET_CTRL_GET_HASH_FLAGS, XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS);
EQUAL(XSP_NET_CTRL_SET_HASH_FLAGS, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS);
EQUAL(XSP_NET_CTRL_SET_HASH_KEY, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY);
EQUAL(XSP_NET_CTRL_GET_HASH_MAPPING_SIZE, XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE);
EQUAL(XSP_NET_CTRL_SET_HASH_MAPPING_SIZE, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE);
EQUAL(XSP_NET_CTRL_SET_HASH_MAPPING, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING);
EQUAL(XSP_NET_CTRL_SET_HASH_ALGORITHM, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM);
EQUAL(XSP_NET_CTRL_GET_GREF_MAPPING_SIZE, XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE);
EQUAL(XSP_NET_CTRL_ADD_GREF_MAPPING, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
EQUAL(XSP_NET_CTRL_DEL_GREF_MAPPING, XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING);
EQUAL(XSP_NET_CTRL_SUCCESS, XEN_NETIF_CTRL_STATUS_SUCCESS);
EQUAL(XSP_NET_CTRL_NOT_SUPPORTED, XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
EQUAL(XSP_NET_CTRL_INVALID_PARAMETER, XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
EQUAL(XSP_NET_CTRL_BUFFER_OVERFLOW, XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);
EQUAL(XSP_NET_HASH_NONE, XEN_NETIF_CTRL_HASH_ALGORITHM_NONE);
EQUAL(XSP_NET_HASH_TOEPLITZ, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
EQUAL(XSP_NET_HASH_IPV4, XEN_NETIF_CTRL_HASH_TYPE_IPV4);
EQUAL(XSP_NET_HASH_IPV4_TCP, XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP);
EQUAL(XSP_NET_HASH_IPV6, XEN_NETIF_CTRL_HASH_TYPE_IPV6);
EQUAL(XSP_NET_HASH_IPV6_TCP, XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP);
EQUAL(XSP_NET_GREF_READONLY, XEN_NETIF_CTRLF_GREF_readonly);

static union {
	uint64_t align;
	uint8_t bytes[XSP_PAGE_SIZE];
} page;
#define RING ((struct xsp_sring *)(void *)page.bytes)

struct pair {
	struct xsp_ring_front f;
	struct xsp_ring_back b;
};

static struct pair make(uint32_t slots, uint32_t start)
{
	struct pair p;

	memset(&page, 0xa5, sizeof(page));
	xsp_sring_init(RING);
	RING->req_prod = RING->rsp_prod = start;
	RING->req_event = RING->rsp_event = start + 1;
	xsp_ring_front_init(&p.f, RING, slots);
	p.f.req_prod_pvt = p.f.req_prod_pub = p.f.rsp_cons = start;
	xsp_ring_back_init(&p.b, RING, slots, start);
	return p;
}

/* Index values at which a test starts: 0, and just before 2^31 and 2^32. */
static const uint32_t starts[] = { 0, 0x7fffff80u, 0xffffff80u };

static void sizes_and_places(void **state)
{
	netif_tx_sring_t *tx = (netif_tx_sring_t *)(void *)page.bytes;
	netif_rx_sring_t *rx = (netif_rx_sring_t *)(void *)page.bytes;
	xen_netif_ctrl_sring_t *ctrl = (xen_netif_ctrl_sring_t *)(void *)page.bytes;

	(void)state;
	assert_int_equal(XSP_NET_TX_SLOTS, __RING_SIZE(tx, XSP_PAGE_SIZE));
	assert_int_equal(XSP_NET_RX_SLOTS, __RING_SIZE(rx, XSP_PAGE_SIZE));
	assert_int_equal(XSP_NET_CTRL_SLOTS, __RING_SIZE(ctrl, XSP_PAGE_SIZE));
	for (uint32_t i = 0; i < 256; i++) {
		assert_ptr_equal(xsp_net_tx_slot(RING, i + 256), &tx->ring[i]);
		assert_ptr_equal(xsp_net_rx_slot(RING, i - 256), &rx->ring[i]);
		assert_ptr_equal(xsp_net_ctrl_slot(RING, i), &ctrl->ring[i % 128]);
	}
}

/* Round and round, with the ring full, each side seeing what the other wrote. */
static void tx_both_halves(void **state)
{
	(void)state;
	for (int s = 0; s < 3; s++) {
		struct pair p = make(XSP_NET_TX_SLOTS, starts[s]);
		uint16_t id = 0, answered = 0, seen = 0;

		for (int round = 0; round < 5; round++) {
			int n;

			while (xsp_ring_front_free(&p.f)) {
				struct xsp_net_tx_req q = { .gref = 0x01020304u + id, .offset = 7,
							    .flags = 9, .id = id, .size = 0xfffe };

				xsp_net_front_put_tx(&p.f, &q);
				id++;
			}
			xsp_ring_front_push(&p.f);
			n = xsp_ring_back_pending(&p.b);
			assert_true(n > 0);
			for (int i = 0; i < n; i++) {
				struct xsp_net_tx_req q;

				xsp_net_back_take_tx(&p.b, &q);
				assert_true(q.id == (uint16_t)(id - n + i) && q.offset == 7 && q.flags == 9);
				assert_true(q.gref == 0x01020304u + q.id && q.size == 0xfffe);
			}
			for (int i = 0; i < (round ? 100 : 256) && answered != id; i++)
				xsp_net_back_respond_tx(&p.b, answered++, -2);
			xsp_ring_back_push(&p.b);
			n = xsp_ring_front_pending(&p.f);
			for (int i = 0; i < n; i++) {
				struct xsp_net_tx_rsp r;

				xsp_net_front_take_tx(&p.f, &r);
				assert_true(r.id == seen++ && r.status == XSP_NET_DROPPED);
			}
		}
	}
}

/* A response is a word; the slot's other eight bytes stay as the guest wrote them. */
static void tx_response_writes_its_word_only(void **state)
{
	static const uint8_t want[12] = { 0x34, 0x12, 0xff, 0xff, 0x78, 0x56, 3, 0, 1, 0, 2, 0 };
	struct pair p = make(XSP_NET_TX_SLOTS, 0);
	struct xsp_net_tx_req q = { .gref = 9, .offset = 0x5678, .flags = 3, .id = 1, .size = 2 };

	(void)state;
	xsp_net_front_put_tx(&p.f, &q);
	xsp_ring_front_push(&p.f);
	xsp_net_back_take_tx(&p.b, &q);
	xsp_net_back_respond_tx(&p.b, 0x1234, XSP_NET_ERROR);
	assert_memory_equal(page.bytes + 64, want, sizeof(want));
	assert_int_equal(page.bytes[64 + 12], 0xa5);
}

static void extras_chain(void **state)
{
	struct pair p = make(XSP_NET_TX_SLOTS, 0xfffffffeu);
	struct xsp_net_extra gso = { .type = XSP_NET_EXTRA_GSO, .flags = XSP_NET_EXTRA_MORE };
	struct xsp_net_extra hash = { .type = XSP_NET_EXTRA_HASH, .flags = XSP_NET_EXTRA_MORE };
	struct xsp_net_extra add = { .type = XSP_NET_EXTRA_MCAST_ADD };
	struct xsp_net_extras x;

	(void)state;
	gso.u.gso.size = 1448;
	gso.u.gso.type = XSP_NET_GSO_TCPV6;
	hash.u.hash.value[3] = 0x80;
	memcpy(add.u.mcast.addr, "\x33\x33\0\0\0\1", 6);
	xsp_net_front_put_extra(&p.f, &gso);
	xsp_net_front_put_extra(&p.f, &hash);
	xsp_net_front_put_extra(&p.f, &add);
	xsp_ring_front_push(&p.f);
	assert_int_equal(xsp_ring_back_pending(&p.b), 3);
	assert_int_equal(xsp_net_back_take_extras(&p.b, 3, &x), 0);
	assert_true(x.slots == 3 && !x.unknown);
	assert_int_equal(x.have, 1 << XSP_NET_EXTRA_GSO | 1 << XSP_NET_EXTRA_HASH |
					 1 << XSP_NET_EXTRA_MCAST_ADD);
	assert_memory_equal(&x.of[XSP_NET_EXTRA_GSO], &gso, sizeof(gso));
	assert_memory_equal(&x.of[XSP_NET_EXTRA_HASH], &hash, sizeof(hash));
	assert_memory_equal(&x.of[XSP_NET_EXTRA_MCAST_ADD], &add, sizeof(add));
}

static void extras_without_end(void **state)
{
	struct xsp_net_extra e = { .type = XSP_NET_EXTRA_GSO, .flags = 0xff };
	struct xsp_net_extras x;

	(void)state;
	for (uint32_t pending = 0; pending < 20; pending++) {
		struct pair p = make(XSP_NET_TX_SLOTS, 0);
		uint32_t most = pending < XSP_NET_MAX_EXTRAS ? pending : XSP_NET_MAX_EXTRAS;

		for (uint32_t i = 0; i < 20; i++)
			xsp_net_front_put_extra(&p.f, &e);
		xsp_ring_front_push(&p.f);
		assert_int_equal(xsp_net_back_take_extras(&p.b, pending, &x), -EPROTO);
		assert_int_equal(x.slots, most);
		assert_int_equal(p.b.req_cons, most);
	}
}

static void extras_unknown_type(void **state)
{
	static const uint8_t types[] = { XSP_NET_EXTRA_NONE, XSP_NET_EXTRA_TYPES, 255 };
	struct xsp_net_extras x;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct pair p = make(XSP_NET_TX_SLOTS, 0);
		struct xsp_net_extra bad = { .type = types[i], .flags = XSP_NET_EXTRA_MORE };
		struct xsp_net_extra xdp = { .type = XSP_NET_EXTRA_XDP };

		xsp_net_front_put_extra(&p.f, &bad);
		xsp_net_front_put_extra(&p.f, &xdp);
		assert_int_equal(xsp_net_back_take_extras(&p.b, 2, &x), 0);
		assert_true(x.unknown && x.slots == 2 && x.have == 1 << XSP_NET_EXTRA_XDP);
	}
}

/* The n-th response is in the slot of the n-th request, whether it is an extra or not. */
static void rx_keeps_its_slot(void **state)
{
	(void)state;
	for (int s = 0; s < 3; s++) {
		struct pair p = make(XSP_NET_RX_SLOTS, starts[s]);

		for (uint32_t i = 0; i < XSP_NET_RX_SLOTS; i++) {
			struct xsp_net_rx_req q = { .id = (uint16_t)(p.f.req_prod_pvt & 255), .gref = i };

			xsp_net_front_put_rx(&p.f, &q);
		}
		xsp_ring_front_push(&p.f);
		assert_int_equal(xsp_ring_back_pending(&p.b), 256);
		for (uint32_t i = 0; i < XSP_NET_RX_SLOTS; i++) {
			struct xsp_net_extra e = { .type = XSP_NET_EXTRA_GSO };
			struct xsp_net_rx_req q;

			xsp_net_back_take_rx(&p.b, &q);
			assert_int_equal(q.gref, i);
			if (i & 1) {
				e.u.gso.size = q.id;
				xsp_net_back_respond_rx_extra(&p.b, &e);
			} else {
				struct xsp_net_rx_rsp r = { .id = q.id, .offset = 2, .flags = 8, .status = 99 };

				xsp_net_back_respond_rx(&p.b, &r);
			}
		}
		xsp_ring_back_push(&p.b);
		assert_int_equal(xsp_ring_front_pending(&p.f), 256);
		for (uint32_t i = 0; i < XSP_NET_RX_SLOTS; i++) {
			union xsp_net_rx_slot got;
			uint32_t slot = xsp_net_front_take_rx(&p.f, &got);

			if (i & 1)
				assert_true(got.extra.type == 1 && got.extra.u.gso.size == slot);
			else
				assert_true(got.rsp.id == slot && got.rsp.offset == 2 &&
					    got.rsp.flags == 8 && got.rsp.status == 99);
		}
	}
}

static void ctrl_both_halves(void **state)
{
	struct pair p = make(XSP_NET_CTRL_SLOTS, 0xffffffc0u);

	(void)state;
	for (uint32_t i = 0; i < 3 * XSP_NET_CTRL_SLOTS; i++) {
		struct xsp_net_ctrl_req q = { .id = (uint16_t)i, .type = 9, .data = { i, 2, 3 } }, got;
		struct xsp_net_ctrl_rsp r = { .id = (uint16_t)i, .type = 9, .status = 2, .data = ~i }, back;

		xsp_net_front_put_ctrl(&p.f, &q);
		xsp_ring_front_push(&p.f);
		assert_int_equal(xsp_ring_back_pending(&p.b), 1);
		xsp_net_back_take_ctrl(&p.b, &got);
		assert_memory_equal(&q, &got, sizeof(q));
		xsp_net_back_respond_ctrl(&p.b, &r);
		xsp_ring_back_push(&p.b);
		assert_int_equal(xsp_ring_front_pending(&p.f), 1);
		xsp_net_front_take_ctrl(&p.f, &back);
		assert_memory_equal(&r, &back, sizeof(r));
	}
}

/* Notified once, when the response asked for is there, not before. */
static void sleep_after_n(void **state)
{
	struct pair p = make(XSP_NET_TX_SLOTS, 0);
	struct xsp_net_tx_req q = { .size = 60 };

	(void)state;
	for (int i = 0; i < 10; i++)
		xsp_net_front_put_tx(&p.f, &q);
	assert_true(xsp_ring_front_push(&p.f));
	assert_int_equal(xsp_ring_front_sleep_after(&p.f, 6), 0);
	for (int i = 1; i <= 10; i++) {
		xsp_net_back_take_tx(&p.b, &q);
		xsp_net_back_respond_tx(&p.b, 0, 0);
		assert_int_equal(xsp_ring_back_push(&p.b), i == 6);
	}
	assert_int_equal(xsp_ring_front_sleep_after(&p.f, 1), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_and_places),
		cmocka_unit_test(tx_both_halves),
		cmocka_unit_test(tx_response_writes_its_word_only),
		cmocka_unit_test(extras_chain),
		cmocka_unit_test(extras_without_end),
		cmocka_unit_test(extras_unknown_type),
		cmocka_unit_test(rx_keeps_its_slot),
		cmocka_unit_test(ctrl_both_halves),
		cmocka_unit_test(sleep_after_n),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
