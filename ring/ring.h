/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The shared ring: two producer indices and two event indices in the first 64 bytes of the granted
 * pages, then a power of two of slots that hold a request and later its response. This file keeps
 * the indices of either half; what a slot holds is its user's matter (ring/blkif.h).
 *
 * Indices are free running 32-bit counters; only their differences mean anything. Everything in
 * shared memory may change at any moment and hold any value: each field is read once with xsp_load
 * and every difference is checked against the ring's size before it is used.
 *
 * Source: xen/include/public/io/ring.h. The hold-off rule is that of RING_PUSH_*_AND_CHECK_NOTIFY and
 * RING_FINAL_CHECK_FOR_* bit for bit (tests/unit/test_ring_xen.c compares them); unlike those macros the
 * "old" producer value comes from private memory, where the peer can't touch it.
 */
#ifndef XSP_RING_H
#define XSP_RING_H

#include <xsp/env.h>

#define XSP_PAGE_SIZE 4096u /* grants are of this size whatever the guest's page is */

struct xsp_sring {
	uint32_t req_prod;  /* written by the front half */
	uint32_t req_event; /* written by the back half: notify me when req_prod passes this */
	uint32_t rsp_prod;  /* written by the back half */
	uint32_t rsp_event; /* written by the front half: notify me when rsp_prod passes this */
	uint8_t pvt[48];    /* belongs to the halves' owners in Xen's header; unused here */
	/* slots follow at byte 64 */
};
static_assert(sizeof(struct xsp_sring) == 64, "slots start at byte 64");

struct xsp_ring_front {
	struct xsp_sring *sring; /* shared */
	uint32_t size;           /* slots, a power of two */
	uint32_t req_prod_pvt;   /* next request goes here */
	uint32_t req_prod_pub;   /* what sring->req_prod says by us */
	uint32_t req_prod_told;  /* what it said at the last push: the hold-off counts from there */
	uint32_t rsp_cons;       /* next response is taken here */
};

struct xsp_ring_back {
	struct xsp_sring *sring; /* shared */
	uint32_t size;           /* slots, a power of two */
	uint32_t req_cons;       /* next request is taken here */
	uint32_t rsp_prod_pvt;   /* next response goes here */
	uint32_t rsp_prod_pub;   /* what sring->rsp_prod says by us */
	uint32_t rsp_prod_told;  /* what it said at the last push: the hold-off counts from there */
};

/**
 * xsp_sring_init - make zeroed shared pages an empty ring (front half, before the peer knows of it)
 * @sring: first byte of the shared pages; written
 *
 * Source: ring.h SHARED_RING_INIT.
 */
static inline void xsp_sring_init(struct xsp_sring *sring)
{
	memset(sring, 0, sizeof(*sring));
	sring->req_event = 1;
	sring->rsp_event = 1;
}

/** xsp_ring_front_init - front half of a ring just made by xsp_sring_init; size: slots, power of 2 */
static inline void xsp_ring_front_init(struct xsp_ring_front *r, struct xsp_sring *s, uint32_t size)
{
	*r = (struct xsp_ring_front){ .sring = s, .size = size };
}

/** xsp_ring_front_free - how many more requests fit (0..size) */
static inline uint32_t xsp_ring_front_free(const struct xsp_ring_front *r)
{
	return r->size - (r->req_prod_pvt - r->rsp_cons);
}

/**
 * xsp_ring_step - how many slots to fill between two publications within a long batch
 *
 * A quarter of the ring: both halves are at work then. Smaller steps move the index's cache line more
 * often than they gain. (tools/bench: xensplit-bench ring)
 */
static inline uint32_t xsp_ring_step(uint32_t size)
{
	return size / 4;
}

/**
 * xsp_ring_front_publish - let a peer that is looking anyway see the requests written so far
 *
 * In the middle of a long batch, so that the peer begins while the rest is written. A peer that
 * sleeps is not woken: xsp_ring_front_push must follow, and counts from the last push.
 */
static inline void xsp_ring_front_publish(struct xsp_ring_front *r)
{
	xsp_wmb(); /* slots before req_prod; pairs with xsp_rmb in xsp_ring_back_pending */
	xsp_store(&r->sring->req_prod, r->req_prod_pvt);
	r->req_prod_pub = r->req_prod_pvt;
}

/**
 * xsp_ring_front_push - publish the requests written since the last push
 *
 * Returns true when the peer asked to be notified: send one event then.
 */
static inline bool xsp_ring_front_push(struct xsp_ring_front *r)
{
	uint32_t old = r->req_prod_told, new = r->req_prod_pvt;

	if (old == new)
		return false;
	if (r->req_prod_pub != new) /* else the index's cache line would travel for nothing */
		xsp_ring_front_publish(r);
	r->req_prod_told = new;
	xsp_mb(); /* req_prod before reading req_event; pairs with xsp_mb in xsp_ring_back_sleep */
	return new - xsp_load(&r->sring->req_event) < new - old;
}

/**
 * xsp_ring_front_pending - responses that can be taken now
 *
 * Returns 0..size, or -EPROTO when rsp_prod claims more responses than there are requests
 * outstanding: the backend is broken or hostile and the ring must not be used any more.
 */
static inline int xsp_ring_front_pending(const struct xsp_ring_front *r)
{
	uint32_t n = xsp_load(&r->sring->rsp_prod) - r->rsp_cons;

	if (n > r->req_prod_pub - r->rsp_cons)
		return -EPROTO;
	xsp_rmb(); /* rsp_prod before the slots; pairs with xsp_wmb in xsp_ring_back_push */
	return (int)n;
}

/**
 * xsp_ring_front_sleep - ask for an event at the next response, then look once more
 *
 * Returns what xsp_ring_front_pending would; only on 0 may the caller wait for the event.
 */
static inline int xsp_ring_front_sleep(struct xsp_ring_front *r)
{
	xsp_store(&r->sring->rsp_event, r->rsp_cons + 1);
	xsp_mb(); /* rsp_event before reading rsp_prod; pairs with xsp_mb in xsp_ring_back_push */
	return xsp_ring_front_pending(r);
}

/**
 * xsp_ring_front_sleep_after - as xsp_ring_front_sleep, but asks for the event only at the n-th response
 * @n: 1 .. requests outstanding. For a ring whose answers nobody waits for one by one.
 */
static inline int xsp_ring_front_sleep_after(struct xsp_ring_front *r, uint32_t n)
{
	xsp_store(&r->sring->rsp_event, r->rsp_cons + n);
	xsp_mb(); /* rsp_event before reading rsp_prod; pairs with xsp_mb in xsp_ring_back_push */
	return xsp_ring_front_pending(r);
}

/**
 * xsp_ring_back_init - back half of a mapped ring whose first rsp_prod responses were given before
 * @rsp_prod: 0 for a new ring; the shared rsp_prod when a drained ring is adopted (ring.h
 *            BACK_RING_ATTACH), after the caller has judged it safe
 */
static inline void xsp_ring_back_init(struct xsp_ring_back *r, struct xsp_sring *s, uint32_t size,
				      uint32_t rsp_prod)
{
	*r = (struct xsp_ring_back){
		.sring = s,
		.size = size,
		.req_cons = rsp_prod,
		.rsp_prod_pvt = rsp_prod,
		.rsp_prod_pub = rsp_prod,
		.rsp_prod_told = rsp_prod,
	};
}

/**
 * xsp_ring_back_pending - requests that can be taken now
 *
 * Returns 0..size, or -EPROTO when req_prod is outside what the ring can hold (it counts requests
 * that were answered already, or more than size unanswered ones): a hostile or broken frontend.
 * Source: ring.h RING_REQUEST_PROD_OVERFLOW.
 */
static inline int xsp_ring_back_pending(const struct xsp_ring_back *r)
{
	uint32_t prod = xsp_load(&r->sring->req_prod);

	if (prod - r->rsp_prod_pvt > r->size || prod - r->req_cons > r->size)
		return -EPROTO;
	xsp_rmb(); /* req_prod before the slots; pairs with xsp_wmb in xsp_ring_front_push */
	return (int)(prod - r->req_cons);
}

/** xsp_ring_back_publish - the same for responses: see xsp_ring_front_publish */
static inline void xsp_ring_back_publish(struct xsp_ring_back *r)
{
	xsp_wmb(); /* slots before rsp_prod; pairs with xsp_rmb in xsp_ring_front_pending */
	xsp_store(&r->sring->rsp_prod, r->rsp_prod_pvt);
	r->rsp_prod_pub = r->rsp_prod_pvt;
}

/**
 * xsp_ring_back_push - publish the responses written since the last push
 *
 * Returns true when the peer asked to be notified: send one event then.
 */
static inline bool xsp_ring_back_push(struct xsp_ring_back *r)
{
	uint32_t old = r->rsp_prod_told, new = r->rsp_prod_pvt;

	if (old == new)
		return false;
	if (r->rsp_prod_pub != new) /* else the index's cache line would travel for nothing */
		xsp_ring_back_publish(r);
	r->rsp_prod_told = new;
	xsp_mb(); /* rsp_prod before reading rsp_event; pairs with xsp_mb in xsp_ring_front_sleep */
	return new - xsp_load(&r->sring->rsp_event) < new - old;
}

/**
 * xsp_ring_back_peer_sleeps - does the peer wait for events, rather than poll?
 *
 * It does when it has asked for one within the last 64 rings' worth of responses, and not for a later one
 * than the next: while answers keep coming it may go on for long without asking again. Its word
 * alone: for deciding what is faster, never what is safe.
 */
static inline bool xsp_ring_back_peer_sleeps(const struct xsp_ring_back *r)
{
	return r->rsp_prod_pvt + 1 - xsp_load(&r->sring->rsp_event) <= 64 * r->size;
}

/**
 * xsp_ring_back_sleep - ask for an event at the next request, then look once more
 *
 * Returns what xsp_ring_back_pending would; only on 0 may the caller wait for the event.
 */
static inline int xsp_ring_back_sleep(struct xsp_ring_back *r)
{
	xsp_store(&r->sring->req_event, r->req_cons + 1);
	xsp_mb(); /* req_event before reading req_prod; pairs with xsp_mb in xsp_ring_front_push */
	return xsp_ring_back_pending(r);
}

/**
 * xsp_ring_back_sleep_for - the same, for the event that n requests (1..size) are pending
 *
 * Only on less than n may the caller wait for it.
 */
static inline int xsp_ring_back_sleep_for(struct xsp_ring_back *r, uint32_t n)
{
	xsp_store(&r->sring->req_event, r->req_cons + n);
	xsp_mb(); /* as in xsp_ring_back_sleep */
	return xsp_ring_back_pending(r);
}

#endif
