/* SPDX-License-Identifier: MIT */
/*
 * A network queue: a tx and an rx ring with one event channel or two, and its end of the device's
 * port. queue.c carries packets between them, a batch at a time; its beginning and end are in
 * queue_life.c; what it shares with queues of other classes in backend/queue.h.
 *
 * A tx request that was taken is answered in the same visit, and an rx request is taken only for a
 * packet that is there: between visits nothing is in flight. So a queue stops at once, and where it
 * was left is told by its two rsp_prod.
 */
#ifndef XSP_BACKEND_NET_QUEUE_H
#define XSP_BACKEND_NET_QUEUE_H

#include "backend/net/capture.h"
#include "backend/net/ctrl.h"
#include "backend/net/mcast.h"
#include "backend/net/rate.h"
#include "backend/net/scratch.h"
#include "backend/net/statics.h"
#include "backend/queue.h"

/* What the device fills in before start, besides what queue.h asks for; read-only for the worker. */
struct xsp_netq_config {
	uint32_t tx_ref, rx_ref;
	bool sg;           /* the guest takes packets of several slots */
	bool csum4, csum6; /* ... with blank checksums */
	bool gso4, gso6;   /* ... to be cut into TCP segments */
	bool rx_notify;    /* it sends an event when it posts buffers */
	struct xsp_netport *port;
	struct xsp_rate *rate;   /* the device's, as the next ones */
	struct xsp_mcast *mcast;
	struct xsp_capture *capture;
	struct xsp_netctl *ctl;  /* NULL: the guest has no control ring */
	struct xsp_net_stats *stats;
};

/* Runs once and has its queue visited. */
struct xsp_netq_timer {
	struct xsp_netq *q;
	bool running;
	struct xsp_cb cb;
	struct __kernel_timespec time;
};

struct xsp_netq {
	struct xsp_queue base; /* first; port[0] is tx's, or of both; port[1] rx's, or there is none */
	struct xsp_netq_config c;

	/* the worker's */
	struct xsp_net_scratch *s;
	struct xsp_sring *tx_sring, *rx_sring;
	struct xsp_ring_back tx, rx;
	struct xsp_statics *statics; /* NULL without a control ring */
	struct xsp_netport_end end;
	bool end_started, end_stopping, end_stopped, in_may_stop;
	bool arrivals;        /* the port may have packets */
	uint32_t rx_len;      /* of the last packet that came */
	uint32_t max_slots;   /* of any packet to this guest */
	uint32_t rx_seen;     /* rx req_prod when it was looked at last */
	uint32_t rx_wanted;   /* slots that the next packet waits for; 0: none waits */
	uint64_t rx_since_ns; /* it waits since then */
	bool throttled;       /* tx waits for its rate */
	bool direct;          /* the last batch went, or could have gone, straight to a guest */
	uint64_t direct_from_ns; /* not before: pages of this guest's could not be copied */
	bool tx_deaf;         /* the port was unmasked while it did, without asking for tx events */
	uint8_t *held;        /* room for the packet that waits */
	uint32_t held_len;    /* 0: none */
	struct xsp_vnet held_vnet;
	struct xsp_net_hash_value held_hash;
	struct xsp_netq_timer rate_timer, look_timer;
};
static_assert(offsetof(struct xsp_netq, base) == 0, "queues are freed by their base");

extern const struct xsp_queue_ops xsp_netq_ops;

static inline struct xsp_netq *xsp_netq_of(struct xsp_queue *q)
{
	return (struct xsp_netq *)q;
}

static inline struct xsp_netq *xsp_netq_of_end(struct xsp_netport_end *e)
{
	return (struct xsp_netq *)((char *)e - offsetof(struct xsp_netq, end));
}

/* queue.c: a batch each way. */
void xsp_netq_visit(struct xsp_queue *q);

/* queue.c: the first n of the scratch's pieces in one grant copy call, counted; 0 or -1. */
int xsp_netq_copy(struct xsp_netq *q, uint32_t n);

/* arrival.c: what came in the port. Returns how many packets; < 0: the ring is broken. */
int xsp_netq_receive(struct xsp_netq *q);

/* arrival.c: does the guest take the packet as it is? Then *o is what to tell it. */
bool xsp_netq_takes(const struct xsp_netq *q, const uint8_t *data, uint32_t len,
		    const struct xsp_vnet *v, struct xsp_net_offload *o);

/* queue_life.c: visit q again in so many ns, unless the timer runs already. */
void xsp_netq_later(struct xsp_netq *q, struct xsp_netq_timer *t, uint64_t ns);

#endif
