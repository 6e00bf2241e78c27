/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The transmit half of one network queue: packets of granted pieces into a ring, completions out of
 * it. Sans-I/O, as blkfront.h: each function says what the host must do next; the host grants pages,
 * sends events and serializes the calls of a queue.
 *
 * The backend is not trusted: each answer is copied once and must name a fragment that is in flight,
 * an empty answer must belong to an extra. The first that doesn't breaks the queue for good; its
 * packets are then handed back by xsp_netfront_tx_abort, and the host must not reuse their pages
 * before the backend has let go of them.
 *
 * Source: xen/include/public/io/netif.h "Guest transmit".
 */
#ifndef XSP_NETFRONT_TX_H
#define XSP_NETFRONT_TX_H

#include "frontend/core/netmeta.h"

/* A piece of a packet: never over the end of its page. */
struct xsp_netfront_frag {
	uint32_t gref;
	uint16_t offset;
	uint16_t bytes; /* 1..4096 - offset */
};

/* Of each fragment in flight; the index is the id on the wire. */
struct xsp_netfront_tx_slot {
	uint32_t cookie; /* first fragment: the host's */
	uint16_t head;   /* index of the packet's first fragment */
	uint16_t next;   /* next free */
	uint8_t left;    /* first fragment: answers that are missing */
	bool busy;
	bool failed; /* first fragment: one answer was not OKAY */
};

struct xsp_netfront_tx {
	struct xsp_ring_front ring;
	struct xsp_netfront_tx_slot slot[XSP_NET_TX_SLOTS];
	uint16_t free;       /* first free slot, if n_free */
	uint16_t n_free;     /* may be fewer than the ring has: a packet's first stays until all are answered */
	uint32_t in_flight;  /* packets added and not handed back yet */
	uint32_t extras;     /* slots with extras that were not answered yet */
	const char *broken;  /* NULL, or how the backend broke the protocol; static */
};

struct xsp_netfront_tx_done {
	uint32_t cookie;
	int status; /* 0, or -EIO: the backend dropped the packet or refused it */
};

/**
 * xsp_netfront_tx_init - a queue over a new ring
 * @page: 4096 bytes, shared or about to be shared; written here, not yet known to the backend
 *
 * Also starts a queue anew, after xsp_netfront_tx_abort: packets may be lost. Never fails.
 */
void xsp_netfront_tx_init(struct xsp_netfront_tx *q, void *page);

/**
 * xsp_netfront_tx_slots - ring slots that a packet of so many fragments takes
 */
static inline unsigned int xsp_netfront_tx_slots(const struct xsp_net_meta *m, unsigned int nr_frags)
{
	return nr_frags + (m->gso_type != XSP_NET_GSO_NONE) + m->have_hash;
}

/** xsp_netfront_tx_room - slots that are free now */
static inline uint32_t xsp_netfront_tx_room(const struct xsp_netfront_tx *q)
{
	uint32_t room = xsp_ring_front_free(&q->ring);

	return q->broken ? 0 : room < q->n_free ? room : q->n_free;
}

/**
 * xsp_netfront_tx_add - write one packet into the ring; xsp_netfront_tx_push publishes
 * @frags:  1..18 pieces, 65535 bytes together at most; whether the backend takes more than one, GSO
 *          or blank checksums is for the host to look up (struct xsp_net_offer)
 * @cookie: handed back with the completion
 *
 * Returns 0, -EBUSY (not enough room), -EINVAL, or -EPROTO on a broken queue.
 */
int xsp_netfront_tx_add(struct xsp_netfront_tx *q, const struct xsp_net_meta *m,
			const struct xsp_netfront_frag *frags, unsigned int nr_frags,
			uint32_t cookie);

/**
 * xsp_netfront_tx_mcast - ask the backend to let a multicast address through, or no more
 *
 * A request without a packet; its completion's status says whether the backend did it. As add.
 */
int xsp_netfront_tx_mcast(struct xsp_netfront_tx *q, bool add, const uint8_t addr[6],
			  uint32_t cookie);

/** xsp_netfront_tx_push - publish what was added. Returns true when the host must send one event. */
static inline bool xsp_netfront_tx_push(struct xsp_netfront_tx *q)
{
	return !q->broken && xsp_ring_front_push(&q->ring);
}

/**
 * xsp_netfront_tx_reap - take completions of whole packets
 * @done: room for @max of them
 *
 * Returns how many (0..max; fewer than max: there was no more), or -EPROTO when the queue is broken.
 * What was good before the first bad answer is returned first.
 */
int xsp_netfront_tx_reap(struct xsp_netfront_tx *q, struct xsp_netfront_tx_done *done,
			 unsigned int max);

/**
 * xsp_netfront_tx_sleep - ask for an event, then look once more
 * @lazy: false: at the next answer. true: when half of what is outstanding was answered; for a host
 *        that has room left and wants few events
 *
 * Returns how many answers are there: only on 0 may the host wait. -EPROTO: broken.
 */
int xsp_netfront_tx_sleep(struct xsp_netfront_tx *q, bool lazy);

/**
 * xsp_netfront_tx_abort - hand back packets that will never be answered, all with -EIO
 *
 * For a queue whose ring the backend no longer serves. Returns how many (0..max); call until 0. The
 * queue is broken then, until xsp_netfront_tx_init.
 */
int xsp_netfront_tx_abort(struct xsp_netfront_tx *q, struct xsp_netfront_tx_done *done,
			  unsigned int max);

#endif
