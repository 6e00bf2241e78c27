/* SPDX-License-Identifier: MIT */
/* One copy from guest to guest: see direct.h. */
#include "backend/net/direct.h"

#include <assert.h>

#include "common/stream.h"

#define PENALTY_NS 1000000000ull

/* Where a packet goes and what its guest is told. */
struct way {
	struct xsp_netq *to;
	struct xsp_net_offload offload;
	struct xsp_net_hash_value hash;
};

/* Packets for one queue, until they are copied and answered in one go. */
struct run {
	struct xsp_netq *q, *to;
	uint32_t first, end; /* of the scratch's packets */
	uint32_t n_copies;
	uint32_t have;
	uint32_t room; /* requests pending there */
};

/* The bytes of one packet in their order: first our private copy, then the sender's pages. */
struct source {
	const struct xsp_netq *q;
	const struct xsp_tx_seg *seg;
	const uint8_t *data;
	uint32_t at, have, seg_at; /* at: of the packet; seg_at: where seg begins in it */
};

bool xsp_direct_may(const struct xsp_netq *q)
{
	return q->c.port->ops->direct && !xsp_capture_on(q->c.capture) &&
	       q->base.worker->now_ns >= q->direct_from_ns;
}

static bool takes_now(const struct xsp_netq *to, uint64_t now_ns)
{
	return !to->base.broken && !to->base.stopping && !to->held_len && now_ns >= to->direct_from_ns &&
	       !xsp_capture_on(to->c.capture);
}

/* By this end. False: it is to be sent. */
static bool find_way(struct xsp_netq *q, const struct xsp_packet *p, struct xsp_netport_end *end,
		     struct way *w)
{
	uint64_t now_ns = q->base.worker->now_ns;
	struct xsp_netq *at;
	uint32_t queue;

	*w = (struct way){ .to = xsp_netq_of_end(end) };
	at = w->to;
	assert(at->s == q->s);
	if (!takes_now(at, now_ns) || !xsp_mcast_passes(at->c.mcast, p->data) ||
	    !xsp_netq_takes(at, p->data, p->len, &p->vnet, &w->offload))
		return false;
	if (!at->c.ctl)
		return true;
	queue = xsp_net_hash(&at->c.ctl->hash, p->data, p->len, at->c.ctl->n_queues, at->base.index,
			     &w->hash);
	if (queue != at->base.index && at->c.ctl->queue[queue])
		w->to = at->c.ctl->queue[queue];
	return takes_now(w->to, now_ns);
}

/* --- one packet -------------------------------------------------------------------------------- */

/* Up to n bytes from s to this place; copied at once where Xen isn't needed. Returns how many. */
static uint32_t copy_piece(struct run *r, struct source *s, uint32_t gref, uint32_t offset, uint32_t n)
{
	uint8_t *page = xsp_statics_find(r->to->statics, gref, true);
	const uint8_t *from = s->data + s->at;
	bool private = s->at < s->have;
	uint32_t skip = 0;

	if (private) {
		n = n < s->have - s->at ? n : s->have - s->at;
	} else {
		while (s->at - s->seg_at >= s->seg->len)
			s->seg_at += s->seg++->len;
		skip = s->at - s->seg_at;
		n = n < s->seg->len - skip ? n : s->seg->len - skip;
		from = s->seg->page ? s->seg->page + s->seg->offset + skip : NULL;
	}
	s->at += n;
	if (page && from) {
		xsp_stream_put(page + offset, from, n);
		xsp_count(&r->q->c.stats->static_pieces, 1);
		return n;
	}
	assert(r->n_copies < XSP_NET_COPY_SEGS);
	r->q->s->copy[r->n_copies++] = (xengnttab_grant_copy_segment_t){
		.dest.foreign = { .ref = gref, .offset = (uint16_t)offset,
				  .domid = (domid_t)r->to->base.domid },
		.len = (uint16_t)n,
		.flags = private ? GNTCOPY_dest_gref : GNTCOPY_source_gref | GNTCOPY_dest_gref,
	};
	if (private)
		r->q->s->copy[r->n_copies - 1].source.virt = (void *)(uintptr_t)from;
	else
		r->q->s->copy[r->n_copies - 1].source = (union xengnttab_copy_ptr){
			.foreign = { .ref = s->seg->gref, .offset = (uint16_t)(s->seg->offset + skip),
				     .domid = (domid_t)s->q->base.domid } };
	return n;
}

static void place(struct run *r, uint32_t i, const struct way *w)
{
	struct xsp_net_scratch *s = r->q->s;
	const struct xsp_tx_packet *t = &s->tx.packet[s->of[i]];
	const struct xsp_packet *p = &s->packet[i];
	struct source from = { .q = r->q, .seg = &s->tx.seg[t->first_seg], .data = p->data,
			       .have = p->len < r->have ? p->len : r->have };
	uint32_t k = s->rx.n_segs;

	xsp_rx_place(&r->to->rx, p->data, p->len, &w->offload, &w->hash, &s->rx);
	for (; k < s->rx.n_segs; k++) {
		const struct xsp_rx_seg *seg = &s->rx.seg[k];

		for (uint32_t at = 0; at < seg->len;)
			at += copy_piece(r, &from, seg->gref, at, seg->len - at);
	}
	r->end = i + 1;
}

/* --- runs -------------------------------------------------------------------------------------- */

static void count(struct run *r)
{
	struct xsp_net_stats *from = r->q->c.stats, *to = r->to->c.stats;
	uint64_t n = r->end - r->first, bytes = 0, gso = 0;

	for (uint32_t i = r->first; i < r->end; i++) {
		bytes += r->q->s->packet[i].len;
		gso += r->q->s->packet[i].vnet.gso_type != XSP_VNET_GSO_NONE;
	}
	xsp_count(&from->tx_packets, n);
	xsp_count(&from->tx_direct, n);
	xsp_count(&from->tx_bytes, bytes);
	xsp_count(&from->tx_gso, gso);
	xsp_count(&from->copied, bytes);
	xsp_count(&to->rx_packets, n);
	xsp_count(&to->rx_bytes, bytes);
	xsp_count(&to->rx_gso, gso);
}

static bool copied(struct run *r)
{
	if (r->n_copies && xsp_netq_copy(r->q, r->n_copies))
		return false;
	for (uint32_t i = 0; i < r->n_copies; i++)
		if (r->q->s->copy[i].status != GNTST_okay)
			return false;
	return true;
}

/* False: nothing of the run went, and it is as if it had not been tried. */
static bool flush(struct run *r)
{
	struct xsp_rx_batch *b = &r->q->s->rx;
	bool ok = copied(r);

	if (!ok) {
		r->to->rx.req_cons -= b->n_answers; /* taken anew, and looked at anew */
		r->q->s->direct_failed = r->to;
	} else if (b->n_answers) {
		xsp_stream_done();
		xsp_rx_respond(&r->to->rx, b);
		count(r);
		if (xsp_ring_back_push(&r->to->rx))
			xsp_queue_notify(&r->to->base.port[r->to->base.n_ports - 1]);
	}
	b->n_segs = b->n_answers = r->n_copies = 0;
	return ok;
}

/* Packets from `first` on go to this queue, n of them perhaps. */
static void begin(struct run *r, struct xsp_netq *to, uint32_t first, uint32_t n)
{
	int pending = xsp_ring_back_pending(&to->rx);

	r->to = to;
	r->first = first;
	r->room = pending < 0 ? 0 : (uint32_t)pending;
	xsp_net_back_fetch_rx(&to->rx, r->room < n ? r->room : n);
}

uint32_t xsp_direct_send(struct xsp_netq *q, uint32_t n, uint32_t have)
{
	struct xsp_netport_end *end[XSP_NET_BATCH];
	struct run r = { .q = q, .have = have };
	uint32_t i;

	n = q->c.port->ops->direct(&q->end, q->s->packet, n, end);
	q->s->direct_failed = NULL;
	q->s->rx.n_segs = q->s->rx.n_answers = 0;
	for (i = 0; i < n; i++) {
		const struct xsp_packet *p = &q->s->packet[i];
		uint32_t slots;
		struct way w;

		if (!find_way(q, p, end[i], &w))
			break;
		if (w.to != r.to) {
			if (!flush(&r))
				return r.first;
			begin(&r, w.to, i, n - i);
		}
		slots = xsp_rx_slots(p->len, &w.offload, &w.hash);
		if (slots > r.room)
			break;
		r.room -= slots;
		place(&r, i, &w);
	}
	return flush(&r) ? i : r.first;
}

void xsp_direct_judge(struct xsp_netq *q, bool sender)
{
	struct xsp_netq *to = q->s->direct_failed;

	if (to)
		(sender ? q : to)->direct_from_ns = q->base.worker->now_ns + PENALTY_NS;
	q->s->direct_failed = NULL;
}
