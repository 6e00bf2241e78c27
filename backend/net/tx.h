/* SPDX-License-Identifier: MIT */
/*
 * What a guest transmits: requests out of its tx ring, gathered into packets and judged. Every slot
 * that was taken has its answer in the batch, in the order of taking, whatever became of its packet.
 *
 * Pure: the ring is its only outside; grants and ports are queue.c's. Source:
 * xen/include/public/io/netif.h "Guest transmit".
 */
#ifndef XSP_BACKEND_NET_TX_H
#define XSP_BACKEND_NET_TX_H

#include "common/net/headers.h"
#include "ring/netif.h"

#define XSP_NET_BATCH 32u /* packets a visit takes, either way ... */
#define XSP_NET_BATCH_BYTES (128u << 10) /* ... and stops after so many bytes: the guest goes on with these meanwhile */
#define XSP_TX_SEGS (XSP_NET_BATCH * XSP_NET_MIN_SLOTS)

/* One piece of a packet in a page of the guest's. */
struct xsp_tx_seg {
	uint32_t gref;
	uint16_t offset, len;
	const uint8_t *page; /* where it is kept mapped, or NULL: queue.c's */
};

struct xsp_tx_packet {
	struct xsp_net_offload offload;
	uint32_t len;
	uint16_t first_seg, n_segs; /* 0 segments: nothing is to be sent */
	int16_t status;             /* enum xsp_net_status, of all its slots but the extras */
	uint8_t mcast;              /* bits 1 << XSP_NET_EXTRA_MCAST_ADD, _DEL: a filter is changed */
	uint8_t mcast_add[6], mcast_del[6];
};

struct xsp_tx_answer {
	uint16_t id;
	uint8_t packet;
	bool extra;
};

struct xsp_tx_batch {
	uint32_t n_packets, n_segs, n_answers;
	uint32_t bytes; /* of all its packets */
	struct xsp_tx_packet packet[XSP_NET_BATCH];
	struct xsp_tx_seg seg[XSP_TX_SEGS];
	struct xsp_tx_answer answer[XSP_NET_TX_SLOTS];
};

/* What can end a batch before the ring is empty. */
struct xsp_tx_gate {
	/* may a packet of so many bytes go? NULL: always */
	bool (*may_send)(void *arg, uint32_t bytes);
	void *arg;
	bool closed; /* out: it said no */
};

/**
 * xsp_tx_take - gather packets from the ring until the batch is full or the ring empty
 * @b: overwritten
 *
 * Returns 0, or -EPROTO and *why: no good frontend does that, the ring can't be trusted any more. A
 * packet that is merely malformed has its status and no segments.
 */
int xsp_tx_take(struct xsp_ring_back *r, struct xsp_tx_gate *gate, struct xsp_tx_batch *b,
		const char **why);

/** xsp_tx_respond - answer every slot of the batch; xsp_ring_back_push publishes */
void xsp_tx_respond(struct xsp_ring_back *r, const struct xsp_tx_batch *b);

#endif
