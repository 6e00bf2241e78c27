/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The receive half of one network queue: empty pages into a ring, packets out of it. Sans-I/O, as
 * netfront_tx.h.
 *
 * The backend is not trusted. Each response is copied once. Two kinds of wrong are told apart:
 *   - what no backend of any kind writes, and after which nothing in the ring means anything (an id
 *     that isn't that of the slot, more responses than requests, a packet that doesn't end), breaks
 *     the queue for good;
 *   - a packet that makes no sense by itself (a piece that leaves its page, an extra that isn't
 *     known, GSO without a size) is handed out with an error and its pages, and life goes on.
 * What is *in* the pages the backend may change at any moment: copy it out before parsing it.
 *
 * Source: xen/include/public/io/netif.h "Guest receive"; XDP: what Linux's netback does, since 5.9.
 */
#ifndef XSP_NETFRONT_RX_H
#define XSP_NETFRONT_RX_H

#include "frontend/core/netmeta.h"

/* Pages a packet can use up: its fragments and its extras. */
#define XSP_NETFRONT_RX_BUFS (XSP_NET_MAX_SLOTS + XSP_NET_MAX_EXTRAS)

/* A page that came back. */
struct xsp_netfront_buf {
	uint32_t cookie; /* the host's, of xsp_netfront_rx_post */
	uint16_t offset;
	uint16_t bytes; /* 0: holds nothing of the packet */
};

struct xsp_netfront_packet {
	struct xsp_net_meta meta;
	int status;        /* 0, or why there is no packet: -EIO (the backend says so), -EINVAL */
	uint32_t bytes;    /* together */
	unsigned int bufs; /* all pages the packet used up, in order; post them again */
	struct xsp_netfront_buf buf[XSP_NETFRONT_RX_BUFS];
};

struct xsp_netfront_rx {
	struct xsp_ring_front ring;
	uint32_t cookie[XSP_NET_RX_SLOTS]; /* of the page posted in each slot of the ring */
	struct xsp_netfront_packet part;   /* as far as its responses are there */
	unsigned int frags, extras;        /* of part */
	uint16_t room;                     /* before each of its pieces, by an extra */
	bool in_packet, want_extra;        /* what the next response is */
	bool more_data;                    /* behind the extras */
	bool xdp;                          /* the host's: it wrote xdp-headroom, an extra may say so */
	const char *broken;                /* NULL, or how the backend broke the protocol; static */
};

/** xsp_netfront_rx_init - a queue over a new ring, with no page posted; as xsp_netfront_tx_init */
void xsp_netfront_rx_init(struct xsp_netfront_rx *q, void *page);

/** xsp_netfront_rx_room - how many more pages can be posted */
static inline uint32_t xsp_netfront_rx_room(const struct xsp_netfront_rx *q)
{
	return q->broken ? 0 : xsp_ring_front_free(&q->ring);
}

/**
 * xsp_netfront_rx_post - give the backend an empty page; there must be room
 * @gref:   of a page it may write
 * @cookie: comes back in struct xsp_netfront_buf
 */
void xsp_netfront_rx_post(struct xsp_netfront_rx *q, uint32_t gref, uint32_t cookie);

/** xsp_netfront_rx_push - publish what was posted. Returns true when the host must send one event. */
static inline bool xsp_netfront_rx_push(struct xsp_netfront_rx *q)
{
	return !q->broken && xsp_ring_front_push(&q->ring);
}

/**
 * xsp_netfront_rx_reap - take the next packet
 * @ret: set when 1 is returned; the queue's, and good until the next call
 *
 * Returns 1, 0 (no whole packet is there), or -EPROTO when the queue is broken.
 */
int xsp_netfront_rx_reap(struct xsp_netfront_rx *q, const struct xsp_netfront_packet **ret);

/**
 * xsp_netfront_rx_sleep - ask for an event at the next response, then look once more
 *
 * Returns how many responses are there: only on 0 may the host wait. -EPROTO: broken.
 */
int xsp_netfront_rx_sleep(struct xsp_netfront_rx *q);

#endif
