/* SPDX-License-Identifier: MIT */
/* The frames of the network benchmark: see frame.h. */
#include "tools/bench/frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define IP  14u /* where the IPv4 header is, and the one behind it */
#define L4  34u
#define UDP 8u
#define TCP 20u

static void put16(uint8_t *at, uint32_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

static void put_sum(uint8_t *at, uint64_t sum, bool invert)
{
	uint16_t folded = xsp_net_fold(sum);

	folded = invert ? (uint16_t)~folded : folded;
	memcpy(at, &folded, sizeof(folded));
}

static void make_ip(uint8_t *ip, uint32_t len, uint8_t proto)
{
	static const uint8_t addr[8] = { 198, 18, 0, 1, 198, 18, 0, 2 }; /* RFC 2544: for benchmarks */

	ip[0] = 0x45;
	put16(ip + 2, len);
	put16(ip + 6, 0x4000); /* don't fragment */
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, addr, sizeof(addr));
	put_sum(ip + 10, xsp_net_sum(ip, 20, 0), true);
}

/* A packet to be cut has the sum of its pseudo header where the checksum goes. */
static void make_tcp(struct frame *f, uint32_t len)
{
	uint8_t *tcp = f->head + L4, pseudo[4] = { 0, IPPROTO_TCP };

	put16(tcp, 1000);
	put16(tcp + 2, 2000);
	tcp[12] = TCP / 4 << 4;
	tcp[13] = 0x10; /* ACK */
	put16(pseudo + 2, len);
	put_sum(tcp + 16, xsp_net_sum(pseudo, 4, xsp_net_sum(f->head + IP + 12, 8, 0)), false);
	f->meta = (struct xsp_nic_meta){
		.csum_blank = true,
		.data_validated = true,
		.gso_type = XSP_NET_GSO_TCPV4,
		.gso_size = FRAME_MSS,
	};
	f->vnet = (struct xsp_vnet){
		.flags = XSP_VNET_NEEDS_CSUM,
		.gso_type = XSP_VNET_GSO_TCPV4,
		.hdr_len = L4 + TCP,
		.gso_size = FRAME_MSS,
		.csum_start = L4,
		.csum_offset = 16,
	};
}

void frame_make(struct frame *f, const uint8_t to[6], const uint8_t from[6], uint32_t bytes)
{
	bool large = bytes > FRAME_WIRE;
	uint32_t len = bytes - L4;

	memset(f, 0, sizeof(*f));
	f->bytes = bytes;
	f->payload = L4 + (large ? TCP : UDP);
	memcpy(f->head, to, 6);
	memcpy(f->head + 6, from, 6);
	put16(f->head + 12, 0x0800);
	make_ip(f->head + IP, bytes - IP, large ? IPPROTO_TCP : IPPROTO_UDP);
	if (large) {
		make_tcp(f, len);
		return;
	}
	put16(f->head + L4, 1000);
	put16(f->head + L4 + 2, 2000);
	put16(f->head + L4 + 4, len); /* its checksum stays 0: none */
}

/* The addresses may have been exchanged on the way: only what is behind them tells. */
bool frame_read(const struct frame *f, const void *head, uint32_t have, uint32_t *ret_number)
{
	const uint8_t *p = head;

	if (have < f->payload + sizeof(*ret_number) || memcmp(p + 12, f->head + 12, L4 - 12))
		return false;
	memcpy(ret_number, p + f->payload, sizeof(*ret_number));
	return true;
}
