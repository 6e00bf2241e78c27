/* SPDX-License-Identifier: MIT */
/* Packets' heads: what is found in good ones, what is said of each kind of bad one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/virtio_net.h>

#include <cmocka.h>

#include "common/net/headers.h"
#include "tests/unit/sum.h"

static_assert(sizeof(struct virtio_net_hdr) == sizeof(struct xsp_vnet), "same header");
static_assert(offsetof(struct virtio_net_hdr, csum_start) == offsetof(struct xsp_vnet, csum_start) &&
	      offsetof(struct virtio_net_hdr, gso_size) == offsetof(struct xsp_vnet, gso_size),
	      "same fields");
static_assert(VIRTIO_NET_HDR_GSO_TCPV6 == XSP_VNET_GSO_TCPV6 &&
	      VIRTIO_NET_HDR_GSO_TCPV4 == XSP_VNET_GSO_TCPV4 &&
	      VIRTIO_NET_HDR_GSO_ECN == XSP_VNET_GSO_ECN &&
	      VIRTIO_NET_HDR_F_NEEDS_CSUM == XSP_VNET_NEEDS_CSUM &&
	      VIRTIO_NET_HDR_F_DATA_VALID == XSP_VNET_DATA_VALID, "same numbers");

static uint8_t pkt[65536];
static uint32_t len;

static void add(const void *p, uint32_t n)
{
	if (n)
		memcpy(pkt + len, p, n);
	len += n;
}

static void add_zeros(uint32_t n)
{
	memset(pkt + len, 0, n);
	len += n;
}

static void put16(uint32_t at, uint32_t v)
{
	pkt[at] = (uint8_t)(v >> 8);
	pkt[at + 1] = (uint8_t)v;
}

static void ethernet(uint16_t type, unsigned int tags)
{
	len = 0;
	add("\xfe\xff\xff\xff\xff\xff\x00\x16\x3e\x01\x02\x03", 12);
	while (tags--)
		add("\x81\x00\x00\x07", 4);
	add_zeros(2);
	put16(len - 2, type);
}

/* Ends with the IP length right. */
static uint32_t tcp4(unsigned int tags, unsigned int options, uint32_t payload, uint8_t proto)
{
	uint32_t l3, l4, head = proto == 6 ? 20 : 8;

	ethernet(0x0800, tags);
	l3 = len;
	add("\x45\0\0\0\0\1\x40\0\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	pkt[l3] = (uint8_t)(0x45 + options);
	pkt[l3 + 9] = proto;
	add_zeros(options * 4);
	l4 = len;
	add_zeros(head);
	if (proto == 6)
		pkt[l4 + 12] = 0x50;
	for (uint32_t i = 0; i < payload; i++)
		pkt[len++] = (uint8_t)i;
	put16(l3 + 2, len - l3);
	return l4;
}

static uint32_t tcp6(const uint8_t *exts, uint32_t exts_len, uint8_t first, uint32_t payload)
{
	uint32_t l3, l4;

	ethernet(0x86dd, 0);
	l3 = len;
	add("\x60\0\0\0\0\0\x06\x40", 8);
	add_zeros(32);
	pkt[l3 + 8] = pkt[l3 + 24] = 0xfd;
	pkt[l3 + 39] = 2;
	pkt[l3 + 6] = first;
	add(exts, exts_len);
	l4 = len;
	add_zeros(20);
	pkt[l4 + 12] = 0x50;
	for (uint32_t i = 0; i < payload; i++)
		pkt[len++] = (uint8_t)i;
	put16(l3 + 4, len - l3 - 40);
	return l4;
}

static enum xsp_net_drop parse(struct xsp_net_head *h)
{
	return xsp_net_parse(pkt, len, len, h);
}

static void finds_headers(void **state)
{
	static const uint8_t exts[] = { 43, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0,
					6, 1, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0 };
	struct xsp_net_head h;

	(void)state;
	for (unsigned int tags = 0; tags < 3; tags++) {
		uint32_t l4 = tcp4(tags, 3, 100, 6);

		assert_int_equal(parse(&h), XSP_DROP_NONE);
		assert_int_equal(h.l3, 14 + 4 * tags);
		assert_int_equal(h.l4, l4);
		assert_int_equal(h.payload, l4 + 20);
		assert_int_equal(h.end, len);
		assert_int_equal(h.ethertype, 0x0800);
	}
	assert_int_equal(tcp4(0, 0, 10, 17), 34);
	assert_int_equal(parse(&h), XSP_DROP_NONE);
	assert_int_equal(h.payload, 42);
	assert_int_equal(tcp6(exts, sizeof(exts), 0, 9), 14 + 40 + 32);
	assert_int_equal(parse(&h), XSP_DROP_NONE);
	assert_int_equal(h.ip, 6);
	assert_int_equal(h.proto, 6);
	assert_int_equal(h.l4, 86);
	ethernet(0x0806, 0); /* ARP: nothing to find, nothing wrong */
	assert_int_equal(parse(&h), XSP_DROP_NONE);
	assert_int_equal(h.ip, 0);
	assert_int_equal(h.l4, 0);
}

static void padding_is_not_payload(void **state)
{
	struct xsp_net_head h;

	(void)state;
	tcp4(0, 0, 0, 6);
	add_zeros(6); /* to 60 bytes */
	assert_int_equal(parse(&h), XSP_DROP_NONE);
	assert_int_equal(h.end, 54);
}

static void every_cut_is_short(void **state)
{
	struct xsp_net_head h;
	uint32_t l4 = tcp4(1, 2, 50, 6);

	(void)state;
	for (uint32_t have = 0; have < l4 + 20; have++) {
		enum xsp_net_drop drop = xsp_net_parse(pkt, have, len, &h);

		assert_int_equal(drop, XSP_DROP_SHORT);
		assert_true(xsp_net_parse(pkt, have, have, &h) != XSP_DROP_NONE); /* frames of 0.. bytes */
	}
	assert_int_equal(xsp_net_parse(pkt, l4 + 20, len, &h), XSP_DROP_NONE);
}

static void lengths_that_lie(void **state)
{
	struct xsp_net_head h;

	(void)state;
	tcp4(0, 0, 100, 6);
	put16(16, len - 14 + 1); /* longer than the packet */
	assert_int_equal(parse(&h), XSP_DROP_LENGTH);
	put16(16, 19); /* shorter than its own header */
	assert_int_equal(parse(&h), XSP_DROP_LENGTH);
	put16(16, 39); /* ends within the TCP header */
	assert_int_equal(parse(&h), XSP_DROP_LENGTH);
	tcp4(0, 0, 100, 6);
	pkt[14] = 0x44;
	assert_int_equal(parse(&h), XSP_DROP_LENGTH);
	tcp4(0, 0, 100, 6);
	pkt[34 + 12] = 0x40; /* a TCP header of 16 bytes */
	assert_int_equal(parse(&h), XSP_DROP_LENGTH);
	pkt[34 + 12] = 0xf0; /* 60 bytes: still inside */
	assert_int_equal(parse(&h), XSP_DROP_NONE);
	tcp6(NULL, 0, 6, 10);
	put16(18, 31);
	assert_int_equal(parse(&h), XSP_DROP_LENGTH);
	put16(18, 0); /* a jumbogram, or nothing */
	assert_int_equal(parse(&h), XSP_DROP_LENGTH);
}

static void extensions_are_bounded(void **state)
{
	uint8_t exts[8 * 20];
	struct xsp_net_head h;

	(void)state;
	memset(exts, 0, sizeof(exts));
	for (unsigned int i = 0; i < 20; i++)
		exts[i * 8] = 60;
	exts[19 * 8] = 6;
	tcp6(exts, sizeof(exts), 60, 10);
	assert_int_equal(parse(&h), XSP_DROP_NONE);
	assert_int_equal(h.l4, 0); /* not looked for so far in */
	exts[1] = 255; /* a header of 2 KiB */
	tcp6(exts, 8, 60, 3000);
	assert_int_equal(parse(&h), XSP_DROP_SHORT);
	exts[0] = 6;
	exts[1] = 0;
	exts[3] = 1; /* more fragments */
	tcp6(exts, 8, 44, 10);
	assert_int_equal(parse(&h), XSP_DROP_NONE);
	assert_true(h.fragment);
	assert_int_equal(h.l4, 0);
}

static enum xsp_net_drop to_vnet(const struct xsp_net_offload *o, struct xsp_vnet *v)
{
	return xsp_net_to_vnet(pkt, len < XSP_NET_HEAD ? len : XSP_NET_HEAD, len, o, v);
}

static void offloads(void **state)
{
	struct xsp_net_offload o = { .csum_blank = true }, back;
	struct xsp_vnet v;

	(void)state;
	tcp4(1, 0, 100, 6);
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_NONE);
	assert_int_equal(v.flags, XSP_VNET_NEEDS_CSUM);
	assert_int_equal(v.csum_start, 38);
	assert_int_equal(v.csum_offset, 16);
	assert_int_equal(v.gso_type, XSP_VNET_GSO_NONE);
	tcp4(0, 0, 100, 17);
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_NONE);
	assert_int_equal(v.csum_offset, 6);
	o.gso_type = XSP_NET_GSO_TCPV4;
	o.gso_size = 1448;
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_GSO); /* of UDP */
	tcp4(0, 3, 20000, 6);
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_NONE);
	assert_int_equal(v.gso_type, XSP_VNET_GSO_TCPV4);
	assert_int_equal(v.gso_size, 1448);
	assert_int_equal(v.hdr_len, 66);
	assert_int_equal(xsp_net_from_vnet(&v, &back), XSP_DROP_NONE);
	assert_true(back.csum_blank && back.data_validated);
	assert_int_equal(back.gso_type, XSP_NET_GSO_TCPV4);
	assert_int_equal(back.gso_size, 1448);
	tcp4(0, 0, 1448, 6); /* one segment */
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_NONE);
	assert_int_equal(v.gso_type, XSP_VNET_GSO_NONE);
	assert_int_equal(v.flags, XSP_VNET_NEEDS_CSUM);
	o.gso_type = XSP_NET_GSO_TCPV6;
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_GSO); /* of IPv4 */
	tcp6(NULL, 0, 6, 3000);
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_NONE);
	assert_int_equal(v.gso_type, XSP_VNET_GSO_TCPV6);
	o.gso_size = XSP_GSO_MIN - 1;
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_GSO);
	o.gso_type = 3;
	o.gso_size = 1448;
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_GSO);
}

static void offloads_that_cannot_be(void **state)
{
	struct xsp_net_offload o = { .csum_blank = true }, none = { 0 };
	struct xsp_vnet v = { .gso_type = XSP_VNET_GSO_UDP };

	(void)state;
	tcp4(0, 0, 100, 1); /* ICMP */
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_PROTOCOL);
	tcp4(0, 0, 100, 6);
	put16(20, 0x2000);
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_FRAGMENT);
	ethernet(0x0806, 0);
	add_zeros(46);
	assert_int_equal(to_vnet(&o, &v), XSP_DROP_PROTOCOL);
	assert_int_equal(to_vnet(&none, &v), XSP_DROP_NONE); /* as it is */
	assert_int_equal(v.flags, 0);
	len = 13;
	assert_int_equal(to_vnet(&none, &v), XSP_DROP_SHORT);
	v = (struct xsp_vnet){ .gso_type = XSP_VNET_GSO_UDP };
	assert_int_equal(xsp_net_from_vnet(&v, &o), XSP_DROP_GSO);
}

static void fills_checksums(void **state)
{
	struct xsp_net_offload o = { .gso_type = XSP_NET_GSO_TCPV4, .gso_size = 60000 };
	struct xsp_vnet v;

	(void)state;
	for (uint32_t payload = 0; payload < 9; payload++) {
		uint32_t l4 = tcp4(0, 0, payload, 6), pseudo;

		/* GSO without a blank checksum: the pseudo header's sum is put in, then all of it */
		assert_int_equal(to_vnet(&o, &v), XSP_DROP_NONE);
		assert_int_equal(xsp_net_fill_csum(pkt, len, &v), XSP_DROP_NONE);
		assert_int_equal(v.flags, XSP_VNET_DATA_VALID);
		pseudo = slow_sum(pkt + 26, 8, 6 + (len - l4));
		assert_int_equal(slow_sum(pkt + l4, len - l4, pseudo), 0xffff);
	}
	v = (struct xsp_vnet){ .flags = XSP_VNET_NEEDS_CSUM, .csum_start = 40, .csum_offset = 65535 };
	assert_int_equal(xsp_net_fill_csum(pkt, len, &v), XSP_DROP_LENGTH);
	v = (struct xsp_vnet){ .flags = XSP_VNET_NEEDS_CSUM, .csum_start = 65535 };
	assert_int_equal(xsp_net_fill_csum(pkt, len, &v), XSP_DROP_LENGTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_headers),
		cmocka_unit_test(padding_is_not_payload),
		cmocka_unit_test(every_cut_is_short),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(extensions_are_bounded),
		cmocka_unit_test(offloads),
		cmocka_unit_test(offloads_that_cannot_be),
		cmocka_unit_test(fills_checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
