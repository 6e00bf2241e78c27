/* SPDX-License-Identifier: MIT */
/* TCP segmentation: see segment.h. */
#include "common/net/segment.h"

#include <string.h>

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Lengths, the IPv4 header's checksum and number. */
static void fix_ip(uint8_t *out, const struct xsp_net_head *h, uint32_t l3_bytes, uint32_t number)
{
	uint8_t *ip = out + h->l3;
	uint16_t sum;

	if (h->ip == 6) {
		put16(ip + 4, l3_bytes - 40);
		return;
	}
	put16(ip + 2, l3_bytes);
	put16(ip + 4, ((uint32_t)ip[4] << 8 | ip[5]) + number);
	put16(ip + 10, 0);
	sum = (uint16_t)~xsp_net_fold(xsp_net_sum(ip, (ip[0] & 15) * 4u, 0));
	memcpy(ip + 10, &sum, 2);
}

/* The sum of the pseudo header, which stands in for the checksum until somebody fills it in. */
static void fix_sum(uint8_t *out, const struct xsp_net_head *h, uint32_t l4_bytes)
{
	const uint8_t *ip = out + h->l3;
	uint8_t tail[8] = { 0 };
	uint64_t sum;
	uint16_t folded;

	put32(tail, l4_bytes);
	tail[7] = h->proto;
	sum = xsp_net_sum(tail, sizeof(tail), 0);
	sum = h->ip == 4 ? xsp_net_sum(ip + 12, 8, sum) : xsp_net_sum(ip + 8, 32, sum);
	folded = xsp_net_fold(sum);
	memcpy(out + h->l4 + 16, &folded, 2);
}

uint32_t xsp_net_segment(const uint8_t *p, uint32_t len, const struct xsp_vnet *v, uint32_t *at,
			 uint8_t *out, struct xsp_vnet *ret_v)
{
	struct xsp_net_head h = { 0 };
	uint32_t payload, n;
	uint8_t *tcp;

	if (!v->gso_size || xsp_net_parse(p, len, len, &h) || !h.l4 || h.payload != v->hdr_len)
		return 0;
	payload = h.end - h.payload;
	if (*at >= payload)
		return 0;
	n = payload - *at < v->gso_size ? payload - *at : v->gso_size;
	memcpy(out, p, h.payload);
	memcpy(out + h.payload, p + h.payload + *at, n);
	fix_ip(out, &h, h.payload - h.l3 + n, *at / v->gso_size);
	tcp = out + h.l4;
	put32(tcp + 4, get32(tcp + 4) + *at);
	if (*at + n < payload)
		tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	if (*at)
		tcp[13] &= (uint8_t)~TCP_CWR;
	fix_sum(out, &h, h.payload - h.l4 + n);
	*at += n;
	*ret_v = (struct xsp_vnet){
		.flags = XSP_VNET_NEEDS_CSUM,
		.hdr_len = h.payload,
		.csum_start = h.l4,
		.csum_offset = 16,
	};
	return h.payload + n;
}
