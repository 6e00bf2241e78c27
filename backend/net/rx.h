/* SPDX-License-Identifier: MIT */
/*
 * What a guest receives: packets into the pages it posted on its rx ring, a page at a time, the GSO
 * and hash extras behind the first. A packet uses up as many requests as it has slots, in their order,
 * and each answer stays in its request's slot.
 *
 * Pure: the ring is its only outside; grants and ports are queue.c's. Source:
 * xen/include/public/io/netif.h "Guest receive".
 */
#ifndef XSP_BACKEND_NET_RX_H
#define XSP_BACKEND_NET_RX_H

#include "common/net/headers.h"
#include "ring/netif.h"

/* A hash for the guest to go by; algorithm 0: none. */
struct xsp_net_hash_value {
	uint8_t algorithm; /* enum xsp_net_hash_algorithm */
	uint8_t type;      /* number of the bit in enum xsp_net_hash_type */
	uint32_t value;
};

/* One piece of a packet on its way into a page of the guest's. */
struct xsp_rx_seg {
	uint32_t gref;
	uint16_t len;
	uint16_t answer; /* that tells of it */
	const uint8_t *from;
};

struct xsp_rx_batch {
	uint32_t n_segs, n_answers;
	struct xsp_rx_seg seg[XSP_NET_RX_SLOTS];
	union xsp_net_rx_slot answer[XSP_NET_RX_SLOTS];
	bool is_extra[XSP_NET_RX_SLOTS];
};

/** xsp_rx_slots - how many requests a packet uses up: at most 17 + 2 */
uint32_t xsp_rx_slots(uint32_t len, const struct xsp_net_offload *o,
		      const struct xsp_net_hash_value *hash);

/**
 * xsp_rx_place - take the requests for a packet and note what goes where
 * @r: with xsp_rx_slots() requests pending; b has room for as many
 */
void xsp_rx_place(struct xsp_ring_back *r, const uint8_t *data, uint32_t len,
		  const struct xsp_net_offload *o, const struct xsp_net_hash_value *hash,
		  struct xsp_rx_batch *b);

/** xsp_rx_failed - a piece could not be copied: the guest is told, and drops the packet */
void xsp_rx_failed(struct xsp_rx_batch *b, uint32_t seg);

/** xsp_rx_respond - answer every slot of the batch; xsp_ring_back_push publishes */
void xsp_rx_respond(struct xsp_ring_back *r, const struct xsp_rx_batch *b);

#endif
