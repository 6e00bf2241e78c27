/* SPDX-License-Identifier: MIT */
/*
 * What a worker needs to carry a batch of packets, one queue after the other: made with its first
 * network queue, so that a worker of disks has none of it.
 */
#ifndef XSP_BACKEND_NET_SCRATCH_H
#define XSP_BACKEND_NET_SCRATCH_H

#include "backend/net/rx.h"
#include "backend/net/tx.h"
#include "backend/port/port.h"
#include "backend/worker.h"

/* Of a batch from guest to guest: where a piece, a page or a private head ends a new one begins. */
#define XSP_NET_COPY_SEGS (XSP_TX_SEGS + XSP_NET_RX_SLOTS + XSP_NET_BATCH)

struct xsp_netq;

struct xsp_net_scratch {
	uint8_t *data; /* a packet's room for each of a batch; touched as far as packets fill it */
	struct xsp_packet packet[XSP_NET_BATCH]; /* their data is in it, in turn */
	uint8_t of[XSP_NET_BATCH];  /* the place in the tx batch of each packet sent */
	struct iovec rest[XSP_NET_BATCH][XSP_NET_MIN_SLOTS];
	struct xsp_tx_batch tx;
	struct xsp_rx_batch rx;
	xengnttab_grant_copy_segment_t copy[XSP_NET_COPY_SEGS];
	uint16_t copy_of[XSP_NET_COPY_SEGS]; /* what each is for: a packet's number, a segment's */
	struct xsp_netq *direct_failed; /* the receiver of a run in this visit that could not be copied */
};

/** xsp_net_scratch_get - the worker's; worker's thread. NULL: no memory */
struct xsp_net_scratch *xsp_net_scratch_get(struct xsp_worker *w);

/**
 * xsp_net_scratch_align - the packets of the tx batch begin where their second pieces have the guest's
 * place in a page: a grant copy is split at the pages of both sides, so they should be the same
 */
void xsp_net_scratch_align(struct xsp_net_scratch *s);

/** xsp_net_scratch_level - all packets begin with a page, as what the guest posts does */
void xsp_net_scratch_level(struct xsp_net_scratch *s);

/** xsp_net_scratch_free - NULL is fine */
void xsp_net_scratch_free(struct xsp_net_scratch *s);

#endif
