/* SPDX-License-Identifier: MIT */
/*
 * The head of an Ethernet packet, parsed: VLAN tags, IPv4, IPv6 with its extension headers, TCP,
 * UDP. The one place that turns what a guest says about a packet (checksum blank, GSO) into the
 * header that a TAP or an AF_PACKET socket understands, and back. What a guest says is never passed
 * on: offsets are found anew in the packet, sizes are checked against it, and what can't be found
 * makes a dropped packet and a counter (enum xsp_net_drop).
 *
 * Pure: works on a private copy of the packet's head, at most XSP_NET_HEAD bytes of it; no I/O, no
 * memory of its own. Fuzzed by tests/fuzz/fuzz_headers.c.
 *
 * Source: linux/virtio_net.h struct virtio_net_hdr; xen/include/public/io/netif.h "Guest transmit".
 */
#ifndef XSP_COMMON_NET_HEADERS_H
#define XSP_COMMON_NET_HEADERS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/netif.h"

#define XSP_NET_HEAD    256u   /* bytes of a packet in which all its headers must be */
#define XSP_ETH_HEAD    14u

/*
 * Payload of a segment: a guest that asks for packets of a byte each would make the host cut 65 000
 * of them. Linux's TCP never goes below TCP_MIN_SND_MSS (48) less 40 bytes of options.
 */
#define XSP_GSO_MIN 8u

/* struct virtio_net_hdr as the TAP device has it without further ado: fields in host order. */
struct xsp_vnet {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};
static_assert(sizeof(struct xsp_vnet) == 10, "virtio_net_hdr without num_buffers");

#define XSP_VNET_NEEDS_CSUM 1u
#define XSP_VNET_DATA_VALID 2u
#define XSP_VNET_GSO_NONE   0u
#define XSP_VNET_GSO_TCPV4  1u
#define XSP_VNET_GSO_UDP    3u
#define XSP_VNET_GSO_TCPV6  4u
#define XSP_VNET_GSO_ECN    0x80u

/* What a ring says about a packet, either way: the flags and the GSO extra of its first slot. */
struct xsp_net_offload {
	bool csum_blank;     /* the L4 checksum holds only the pseudo header's sum */
	bool data_validated; /* the L4 checksum was checked, or never left this machine */
	uint8_t gso_type;    /* XSP_NET_GSO_* */
	uint16_t gso_size;   /* payload of a segment */
};

/* Why a packet was not passed on; XSP_DROP_NONE is 0. */
enum xsp_net_drop {
	XSP_DROP_NONE,
	XSP_DROP_SHORT,    /* no Ethernet header, or cut off within a header */
	XSP_DROP_LENGTH,   /* IP says it is longer than it is, or shorter than its header */
	XSP_DROP_PROTOCOL, /* an offload that only TCP or UDP have, asked for something else */
	XSP_DROP_FRAGMENT, /* an offload of a fragment */
	XSP_DROP_GSO,      /* a segment size or type that can't be */
	XSP_DROP_REASONS,
};

/** xsp_net_drop_name - "short" ... */
const char *xsp_net_drop_name(enum xsp_net_drop drop);

/* Where the headers of a packet are; offsets from its first byte. */
struct xsp_net_head {
	uint16_t ethertype; /* host order, behind VLAN tags */
	uint16_t l3;        /* IP header */
	uint16_t l4;        /* TCP or UDP header; 0 when there is none, or none in this fragment */
	uint16_t payload;   /* behind the L4 header; 0 when l4 is */
	uint32_t end;       /* where IP says the packet ends: behind that is padding */
	uint8_t ip;         /* 4, 6, or 0: no IP */
	uint8_t proto;      /* IPPROTO_TCP .. behind extension headers */
	bool fragment;
};

/**
 * xsp_net_parse - find the headers
 * @p:    the packet's first bytes, private memory
 * @have: how many of them are there: min(len, XSP_NET_HEAD) or more
 * @len:  of the whole packet
 *
 * Returns XSP_DROP_NONE and *ret, or why there is no sense in it. A protocol that is not known is no
 * error: ret->ip or ret->l4 is 0 then.
 */
enum xsp_net_drop xsp_net_parse(const uint8_t *p, uint32_t have, uint32_t len,
				struct xsp_net_head *ret);

/**
 * xsp_net_to_vnet - the header for a TAP of a packet that a guest sent
 * @p, @have, @len: as xsp_net_parse; p is writable: a GSO packet whose checksum is not blank gets the
 *       pseudo header's sum that segmenting needs
 * @o:   what the guest said
 * @ret: filled in on XSP_DROP_NONE
 */
enum xsp_net_drop xsp_net_to_vnet(uint8_t *p, uint32_t have, uint32_t len,
				  const struct xsp_net_offload *o, struct xsp_vnet *ret);

/**
 * xsp_net_from_vnet - what to tell a guest about a packet that came with this header
 * @v: from the kernel (TAP, AF_PACKET) or from xsp_net_to_vnet: trusted
 *
 * Returns XSP_DROP_NONE, or XSP_DROP_GSO for a kind that netif can't carry (UDP).
 */
enum xsp_net_drop xsp_net_from_vnet(const struct xsp_vnet *v, struct xsp_net_offload *ret);

/**
 * xsp_net_fill_csum - compute the checksum that v says is blank, and say so in v
 * @p: all len bytes of the packet; offsets in v are checked against it
 *
 * For receivers that want no blank checksums. XSP_DROP_NONE, or XSP_DROP_LENGTH.
 */
enum xsp_net_drop xsp_net_fill_csum(uint8_t *p, uint32_t len, struct xsp_vnet *v);

/** xsp_net_sum - one's complement sum of len bytes added to sum, not folded; any alignment */
uint64_t xsp_net_sum(const void *p, size_t len, uint64_t sum);

/** xsp_net_fold - a sum folded to 16 bits, not inverted; as it lies in memory */
uint16_t xsp_net_fold(uint64_t sum);

#endif
