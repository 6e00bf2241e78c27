/* SPDX-License-Identifier: MIT */
/*
 * Packets that came for the guest, from the port to its rx ring: recv -> fit -> place -> copy out ->
 * respond, a batch at a time. One that finds too few buffers is held until there are enough of them.
 */
#include "backend/net/queue.h"

#include "common/stream.h"

#define STALE_NS    10000000000ull /* a packet that waits so long for a buffer is dropped */
#define LOOK_NS     1000000000ull  /* after this long a queue that waits for buffers is looked after */
#define BLIND_NS    10000000ull    /* ... and after this when its guest sends no events for them */
#define STALE_BATCH 8u             /* times XSP_NET_BATCH packets dropped in one visit */

/* Pieces of what was placed: those for pages that are kept mapped at once, the others in one call. */
static void copy_out(struct xsp_netq *q)
{
	struct xsp_rx_batch *b = &q->s->rx;
	uint32_t n = 0;
	int err;

	for (uint32_t i = 0; i < b->n_segs; i++) {
		const struct xsp_rx_seg *seg = &b->seg[i];
		uint8_t *page = xsp_statics_find(q->statics, seg->gref, true);

		xsp_count(&q->c.stats->copied, seg->len);
		if (page) {
			xsp_stream_put(page, seg->from, seg->len);
			xsp_count(&q->c.stats->static_pieces, 1);
			continue;
		}
		q->s->copy_of[n] = (uint16_t)i;
		q->s->copy[n++] = (xengnttab_grant_copy_segment_t){
			.source.virt = (void *)(uintptr_t)seg->from,
			.dest.foreign = { .ref = seg->gref, .domid = (domid_t)q->base.domid },
			.len = seg->len,
			.flags = GNTCOPY_dest_gref,
		};
	}
	xsp_stream_done();
	err = n ? xsp_netq_copy(q, n) : 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!err && q->s->copy[i].status == GNTST_okay)
			continue;
		xsp_rx_failed(b, q->s->copy_of[i]);
		xsp_count(&q->c.stats->bad_gref, 1);
	}
}

/* What was placed goes out: one copy, the answers, one push. */
static void flush(struct xsp_netq *q)
{
	struct xsp_rx_batch *b = &q->s->rx;

	if (!b->n_answers)
		return;
	copy_out(q);
	xsp_rx_respond(&q->rx, b);
	b->n_segs = b->n_answers = 0;
	if (xsp_ring_back_push(&q->rx))
		xsp_queue_notify(&q->base.port[q->base.n_ports - 1]);
}

static bool takes_blank(const struct xsp_netq *q, const uint8_t *data, uint32_t len)
{
	struct xsp_net_head h;

	if (q->c.csum4 == q->c.csum6 || xsp_net_parse(data, len, len, &h))
		return q->c.csum4 && q->c.csum6;
	return h.ip == 4 ? q->c.csum4 : q->c.csum6;
}

bool xsp_netq_takes(const struct xsp_netq *q, const uint8_t *data, uint32_t len,
		    const struct xsp_vnet *v, struct xsp_net_offload *o)
{
	if (v->flags & XSP_VNET_NEEDS_CSUM && !takes_blank(q, data, len))
		return false;
	if (xsp_net_from_vnet(v, o) || (len > XSP_PAGE_SIZE && !q->c.sg))
		return false;
	return o->gso_type == XSP_NET_GSO_NONE ||
	       (o->gso_type == XSP_NET_GSO_TCPV4 ? q->c.gso4 : q->c.gso6);
}

/* Make it what this guest takes: false when that can't be done. */
static bool fit(struct xsp_netq *q, uint8_t *data, uint32_t len, struct xsp_vnet *v,
		struct xsp_net_offload *o)
{
	if (xsp_netq_takes(q, data, len, v, o))
		return true;
	return v->flags & XSP_VNET_NEEDS_CSUM && !xsp_net_fill_csum(data, len, v) &&
	       xsp_netq_takes(q, data, len, v, o);
}

static void place(struct xsp_netq *q, const uint8_t *data, uint32_t len,
		  const struct xsp_net_offload *o, const struct xsp_net_hash_value *hash)
{
	xsp_rx_place(&q->rx, data, len, o, hash, &q->s->rx);
	xsp_count(&q->c.stats->rx_packets, 1);
	xsp_count(&q->c.stats->rx_bytes, len);
	xsp_count(&q->c.stats->rx_gso, o->gso_type != XSP_NET_GSO_NONE);
}

/* A packet waits for so many slots, or, with 1, packets that are still in the port may. */
static void want(struct xsp_netq *q, uint32_t slots)
{
	if (!q->rx_wanted) {
		q->rx_since_ns = q->base.worker->now_ns;
		xsp_count(&q->c.stats->rx_waits, 1);
	}
	q->rx_wanted = slots;
	xsp_netq_later(q, &q->look_timer, q->c.rx_notify ? LOOK_NS : BLIND_NS);
}

/*
 * For ten seconds the guest gave us nothing to put packets in: they are too old to be of use. What
 * is in the port goes, so that what comes after is fresh.
 */
static void drop_stale(struct xsp_netq *q)
{
	uint64_t n = q->held_len != 0;

	q->held_len = 0;
	for (unsigned int i = 0, got = XSP_NET_BATCH; i < STALE_BATCH && got == XSP_NET_BATCH; i++) {
		got = q->c.port->ops->recv(&q->end, q->s->packet, XSP_NET_BATCH);
		n += got;
	}
	xsp_count(&q->c.stats->rx_stale, n);
}

/* The packet that waited for slots; false: it still does. */
static bool place_held(struct xsp_netq *q, uint32_t *room)
{
	struct xsp_net_offload o;
	uint32_t slots;

	if (!q->held_len)
		return true;
	xsp_net_from_vnet(&q->held_vnet, &o); /* it was fit before */
	slots = xsp_rx_slots(q->held_len, &o, &q->held_hash);
	if (slots > *room) {
		want(q, slots);
		return false;
	}
	*room -= slots;
	place(q, q->held, q->held_len, &o, &q->held_hash);
	flush(q); /* its room may be needed for another */
	q->held_len = 0;
	return true;
}

static void hold(struct xsp_netq *q, const struct xsp_packet *p, const struct xsp_net_hash_value *hash,
		 uint32_t slots)
{
	memcpy(q->held, p->data, p->len);
	q->held_len = p->len;
	q->held_vnet = p->vnet;
	q->held_hash = *hash;
	want(q, slots);
}

/*
 * A packet whose hash says that it belongs to another queue of this guest. They are on the same worker
 * (vif.c), so it goes into that ring at once; when that has no room the packet is lost.
 */
static void steer(struct xsp_netq *from, struct xsp_netq *to, const struct xsp_packet *p,
		  const struct xsp_net_offload *o, const struct xsp_net_hash_value *hash)
{
	int pending = to->base.broken || to->base.stopping ? 0 : xsp_ring_back_pending(&to->rx);

	flush(from); /* the batch is one queue's at a time */
	if (pending < (int)xsp_rx_slots(p->len, o, hash)) {
		xsp_count(&to->c.stats->rx_no_room, 1);
		return;
	}
	place(to, p->data, p->len, o, hash);
	xsp_count(&to->c.stats->rx_steered, 1);
	flush(to);
}

/* One packet that has come: placed, held, or dropped. */
static void take_arrival(struct xsp_netq *q, struct xsp_packet *p, uint32_t *room)
{
	struct xsp_net_hash_value hash = { 0 };
	uint32_t slots, queue = q->base.index;
	struct xsp_net_offload o;

	if (!xsp_mcast_passes(q->c.mcast, p->data)) {
		xsp_count(&q->c.stats->rx_filtered, 1);
		return;
	}
	if (!fit(q, p->data, p->len, &p->vnet, &o)) {
		xsp_count(&q->c.stats->rx_too_big, 1);
		return;
	}
	xsp_capture(q->c.capture, p->data, p->len, &p->vnet);
	if (q->c.ctl)
		queue = xsp_net_hash(&q->c.ctl->hash, p->data, p->len, q->c.ctl->n_queues, queue, &hash);
	if (queue != q->base.index && q->c.ctl->queue[queue]) {
		steer(q, q->c.ctl->queue[queue], p, &o, &hash);
		return;
	}
	slots = xsp_rx_slots(p->len, &o, &hash);
	if (slots > *room) {
		hold(q, p, &hash, slots);
		return;
	}
	*room -= slots;
	place(q, p->data, p->len, &o, &hash);
}

static void count_copies(struct xsp_netq *q, const struct xsp_packet *p, uint32_t n)
{
	uint64_t bytes = 0;

	if (!q->c.port->ops->copies)
		return;
	for (uint32_t i = 0; i < n; i++)
		bytes += p[i].len;
	xsp_count(&q->c.stats->copied, bytes * q->c.port->ops->copies);
}

/*
 * How many packets to ask of the port: as many as surely fit, and, when they are as long as the last
 * one, not many more bytes than a visit takes. When less than one surely fits, a single one is taken
 * out, and held if it is too large.
 */
static uint32_t may_come(const struct xsp_netq *q, uint32_t room, uint32_t bytes, uint32_t n)
{
	uint32_t k = room / q->max_slots, few = 1 + (XSP_NET_BATCH_BYTES - bytes) / (q->rx_len | 1);

	k = k < few ? k : few;
	k = k < XSP_NET_BATCH - n ? k : XSP_NET_BATCH - n;
	return k ? k : 1;
}

/* Returns how many came. */
static uint32_t take_arrivals(struct xsp_netq *q, uint32_t *room)
{
	uint32_t n = 0, bytes = 0;

	while (q->arrivals && n < XSP_NET_BATCH && bytes < XSP_NET_BATCH_BYTES && !q->held_len) {
		struct xsp_packet *p = q->s->packet + n;
		uint32_t k = may_come(q, *room, bytes, n), got;

		if (!*room) {
			want(q, 1);
			break;
		}
		got = q->c.port->ops->recv(&q->end, p, k);
		q->arrivals = got == k;
		count_copies(q, p, got);
		for (uint32_t i = 0; i < got; i++) {
			q->rx_len = p[i].len;
			bytes += q->rx_len;
			take_arrival(q, &p[i], room);
		}
		n += got;
	}
	return n;
}

int xsp_netq_receive(struct xsp_netq *q)
{
	int pending = xsp_ring_back_pending(&q->rx);
	uint32_t room = (uint32_t)pending, n = 0;
	bool waited = q->rx_wanted != 0;

	if (pending < 0) {
		xsp_queue_break(&q->base, "its rx ring's request index is out of bounds");
		return pending;
	}
	q->rx_seen = q->rx.req_cons + room;
	if (waited && room < q->rx_wanted &&
	    q->base.worker->now_ns - q->rx_since_ns > STALE_NS) {
		drop_stale(q);
		want(q, 1);
		return 0;
	}
	if (waited && room < q->rx_wanted) {
		want(q, q->rx_wanted);
		return 0;
	}
	q->rx_wanted = 0;
	xsp_net_scratch_level(q->s);
	if (q->arrivals)
		xsp_net_back_fetch_rx(&q->rx, room < XSP_NET_BATCH ? room : XSP_NET_BATCH);
	q->s->rx.n_segs = q->s->rx.n_answers = 0;
	if (place_held(q, &room))
		n = take_arrivals(q, &room);
	flush(q);
	return (int)n;
}
