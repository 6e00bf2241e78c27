/* SPDX-License-Identifier: MIT */
/* Parsing the head of a packet and its offloads: see headers.h. */
#include "common/net/headers.h"

#include <assert.h>
#include <string.h>

#define ETH_IP4    0x0800u
#define ETH_IP6    0x86ddu
#define ETH_VLAN   0x8100u
#define ETH_QINQ   0x88a8u
#define PROTO_TCP  6u
#define PROTO_UDP  17u
#define MAX_TAGS   2u
#define MAX_EXTS   8u /* IPv6 extension headers: more is nothing we carry offloads for */

#define IP6_HOP_BY_HOP 0u
#define IP6_ROUTING    43u
#define IP6_FRAGMENT   44u
#define IP6_AUTH       51u
#define IP6_OPTIONS    60u

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

const char *xsp_net_drop_name(enum xsp_net_drop drop)
{
	static const char *const names[XSP_DROP_REASONS] = {
		[XSP_DROP_NONE] = "none",
		[XSP_DROP_SHORT] = "short",
		[XSP_DROP_LENGTH] = "length",
		[XSP_DROP_PROTOCOL] = "protocol",
		[XSP_DROP_FRAGMENT] = "fragment",
		[XSP_DROP_GSO] = "gso",
	};

	return drop < XSP_DROP_REASONS ? names[drop] : "?";
}

/* --- checksums --------------------------------------------------------------------------------- */

uint64_t xsp_net_sum(const void *data, size_t len, uint64_t sum)
{
	const uint8_t *p = data;

	for (; len >= 4; p += 4, len -= 4) {
		uint32_t w;

		memcpy(&w, p, 4);
		sum += w;
	}
	if (len) {
		uint32_t w = 0;

		memcpy(&w, p, len); /* an odd byte counts as the first of a pair */
		sum += w;
	}
	return sum;
}

uint16_t xsp_net_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The sum that a blank L4 checksum field holds: addresses, protocol, length. */
static uint16_t pseudo_sum(const uint8_t *p, const struct xsp_net_head *h)
{
	uint32_t l4_len = h->end - h->l4;
	uint8_t tail[8] = { (uint8_t)(l4_len >> 24), (uint8_t)(l4_len >> 16), (uint8_t)(l4_len >> 8),
			    (uint8_t)l4_len, 0, 0, 0, h->proto };
	uint64_t sum = xsp_net_sum(tail, sizeof(tail), 0);

	sum = h->ip == 4 ? xsp_net_sum(p + h->l3 + 12, 8, sum) : xsp_net_sum(p + h->l3 + 8, 32, sum);
	return xsp_net_fold(sum);
}

enum xsp_net_drop xsp_net_fill_csum(uint8_t *p, uint32_t len, struct xsp_vnet *v)
{
	uint32_t at = (uint32_t)v->csum_start + v->csum_offset;
	uint16_t sum;

	if (!(v->flags & XSP_VNET_NEEDS_CSUM))
		return XSP_DROP_NONE;
	if (v->csum_start >= len || at + 2 > len)
		return XSP_DROP_LENGTH;
	sum = (uint16_t)~xsp_net_fold(xsp_net_sum(p + v->csum_start, len - v->csum_start, 0));
	if (!sum) /* 0 in a UDP header means: none; and for TCP the two are equal */
		sum = 0xffff;
	memcpy(p + at, &sum, 2);
	v->flags = (uint8_t)((v->flags & ~XSP_VNET_NEEDS_CSUM) | XSP_VNET_DATA_VALID);
	v->csum_start = v->csum_offset = 0;
	return XSP_DROP_NONE;
}

/* --- parsing ----------------------------------------------------------------------------------- */

/* The protocol of h->proto begins at `at`; have: bytes that may be looked at. */
static enum xsp_net_drop parse_l4(const uint8_t *p, uint32_t have, uint32_t at,
				  struct xsp_net_head *h)
{
	uint32_t head;

	if (h->fragment || (h->proto != PROTO_TCP && h->proto != PROTO_UDP))
		return XSP_DROP_NONE;
	if (h->proto == PROTO_UDP) {
		head = 8;
	} else {
		if (at + 20 > have)
			return XSP_DROP_SHORT;
		head = (p[at + 12] >> 4) * 4u;
		if (head < 20)
			return XSP_DROP_LENGTH;
	}
	if (at + head > have)
		return XSP_DROP_SHORT;
	if (at + head > h->end)
		return XSP_DROP_LENGTH;
	h->l4 = (uint16_t)at;
	h->payload = (uint16_t)(at + head);
	return XSP_DROP_NONE;
}

static enum xsp_net_drop parse_ip4(const uint8_t *p, uint32_t have, uint32_t len,
				   struct xsp_net_head *h)
{
	uint32_t at = h->l3, head, total;

	if (at + 20 > have)
		return XSP_DROP_SHORT;
	head = (p[at] & 15) * 4u;
	total = get16(p + at + 2);
	if (p[at] >> 4 != 4 || head < 20 || total < head || at + total > len)
		return XSP_DROP_LENGTH;
	if (at + head > have)
		return XSP_DROP_SHORT;
	h->ip = 4;
	h->proto = p[at + 9];
	h->fragment = (get16(p + at + 6) & 0x3fff) != 0; /* more fragments, or an offset */
	h->end = at + total;
	return parse_l4(p, have, at + head, h);
}

static bool is_ext(uint8_t proto)
{
	return proto == IP6_HOP_BY_HOP || proto == IP6_ROUTING || proto == IP6_FRAGMENT ||
	       proto == IP6_AUTH || proto == IP6_OPTIONS;
}

/* Skip the extension header of kind h->proto at *at; h->proto is what follows it. */
static enum xsp_net_drop skip_ext(const uint8_t *p, uint32_t have, uint32_t *at,
				  struct xsp_net_head *h)
{
	uint32_t size = 8;

	if (*at + 8 > have)
		return XSP_DROP_SHORT;
	if (h->proto == IP6_AUTH)
		size = (p[*at + 1] + 2u) * 4u;
	else if (h->proto != IP6_FRAGMENT)
		size = (p[*at + 1] + 1u) * 8u;
	else if (get16(p + *at + 2) & 0xfff9) /* an offset, or more fragments */
		h->fragment = true;
	h->proto = p[*at];
	*at += size;
	return *at > h->end ? XSP_DROP_LENGTH : XSP_DROP_NONE;
}

static enum xsp_net_drop parse_ip6(const uint8_t *p, uint32_t have, uint32_t len,
				   struct xsp_net_head *h)
{
	uint32_t at = h->l3 + 40u;

	if (at > have)
		return XSP_DROP_SHORT;
	h->end = at + get16(p + h->l3 + 4);
	if (p[h->l3] >> 4 != 6 || h->end > len)
		return XSP_DROP_LENGTH;
	h->ip = 6;
	h->proto = p[h->l3 + 6];
	for (unsigned int n = 0; n < MAX_EXTS && is_ext(h->proto); n++) {
		enum xsp_net_drop drop = skip_ext(p, have, &at, h);

		if (drop)
			return drop;
	}
	return parse_l4(p, have, at, h);
}

enum xsp_net_drop xsp_net_parse(const uint8_t *p, uint32_t have, uint32_t len,
				struct xsp_net_head *ret)
{
	struct xsp_net_head h = { .end = len };
	uint32_t at = 12;
	enum xsp_net_drop drop = XSP_DROP_NONE;

	if (have > len)
		have = len;
	if (have > XSP_NET_HEAD)
		have = XSP_NET_HEAD;
	if (have < XSP_ETH_HEAD)
		return XSP_DROP_SHORT;
	h.ethertype = get16(p + at);
	for (unsigned int i = 0; i < MAX_TAGS && (h.ethertype == ETH_VLAN || h.ethertype == ETH_QINQ);
	     i++) {
		at += 4;
		if (at + 2 > have)
			return XSP_DROP_SHORT;
		h.ethertype = get16(p + at);
	}
	h.l3 = (uint16_t)(at + 2);
	if (h.ethertype == ETH_IP4)
		drop = parse_ip4(p, have, len, &h);
	else if (h.ethertype == ETH_IP6)
		drop = parse_ip6(p, have, len, &h);
	if (!drop)
		*ret = h;
	return drop;
}

/* --- offloads ---------------------------------------------------------------------------------- */

static enum xsp_net_drop gso_to_vnet(uint8_t *p, const struct xsp_net_head *h,
				     const struct xsp_net_offload *o, struct xsp_vnet *v)
{
	uint8_t ip = o->gso_type == XSP_NET_GSO_TCPV4 ? 4 :
		     o->gso_type == XSP_NET_GSO_TCPV6 ? 6 : 0;

	if (!ip || h->ip != ip || h->proto != PROTO_TCP || o->gso_size < XSP_GSO_MIN)
		return XSP_DROP_GSO;
	if (!o->csum_blank) {
		uint16_t sum = pseudo_sum(p, h);

		memcpy(p + h->l4 + 16, &sum, 2);
	}
	/* One segment's worth needs no cutting; a TAP would refuse to. */
	if (h->end - h->payload <= o->gso_size)
		return XSP_DROP_NONE;
	v->gso_type = ip == 4 ? XSP_VNET_GSO_TCPV4 : XSP_VNET_GSO_TCPV6;
	v->gso_size = o->gso_size;
	return XSP_DROP_NONE;
}

enum xsp_net_drop xsp_net_to_vnet(uint8_t *p, uint32_t have, uint32_t len,
				  const struct xsp_net_offload *o, struct xsp_vnet *ret)
{
	struct xsp_vnet v = { 0 };
	struct xsp_net_head h = { 0 };
	enum xsp_net_drop drop;

	if (have < XSP_ETH_HEAD || len < XSP_ETH_HEAD)
		return XSP_DROP_SHORT;
	if (!o->csum_blank && o->gso_type == XSP_NET_GSO_NONE) {
		v.flags = o->data_validated ? XSP_VNET_DATA_VALID : 0;
		*ret = v;
		return XSP_DROP_NONE;
	}
	drop = xsp_net_parse(p, have, len, &h);
	if (drop)
		return drop;
	if (h.fragment)
		return XSP_DROP_FRAGMENT;
	if (!h.l4)
		return XSP_DROP_PROTOCOL;
	if (o->gso_type != XSP_NET_GSO_NONE)
		drop = gso_to_vnet(p, &h, o, &v);
	if (drop)
		return drop;
	v.flags = XSP_VNET_NEEDS_CSUM;
	v.hdr_len = h.payload;
	v.csum_start = h.l4;
	v.csum_offset = h.proto == PROTO_TCP ? 16 : 6;
	assert(v.csum_start + v.csum_offset + 2u <= h.payload && h.payload <= len);
	*ret = v;
	return XSP_DROP_NONE;
}

enum xsp_net_drop xsp_net_from_vnet(const struct xsp_vnet *v, struct xsp_net_offload *ret)
{
	struct xsp_net_offload o = { 0 };

	switch (v->gso_type & ~XSP_VNET_GSO_ECN) {
	case XSP_VNET_GSO_NONE:
		break;
	case XSP_VNET_GSO_TCPV4:
		o.gso_type = XSP_NET_GSO_TCPV4;
		break;
	case XSP_VNET_GSO_TCPV6:
		o.gso_type = XSP_NET_GSO_TCPV6;
		break;
	default:
		return XSP_DROP_GSO;
	}
	if (o.gso_type)
		o.gso_size = v->gso_size;
	o.csum_blank = v->flags & XSP_VNET_NEEDS_CSUM;
	/* netif.h: a blank checksum is also a validated one */
	o.data_validated = v->flags & (XSP_VNET_NEEDS_CSUM | XSP_VNET_DATA_VALID);
	*ret = o;
	return XSP_DROP_NONE;
}
