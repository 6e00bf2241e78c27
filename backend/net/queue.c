/* SPDX-License-Identifier: MIT */
/*
 * The way of a packet through the daemon, a batch at a time:
 *
 *   transmit   take -> copy in -> judge -> send -> respond     tx ring to port
 *   receive    recv -> fit -> place -> copy out -> respond     port to rx ring
 *
 * Each direction makes one grant copy, one push and at most one notify a batch. Where the port says
 * that a packet is another guest's of the same worker, direct.c takes it there in one copy; then only
 * heads are copied in at first. What comes for the guest is in arrival.c, starting and stopping a queue
 * in queue_life.c.
 */
#include "backend/net/direct.h"

#include <errno.h>

/* --- grant copies ------------------------------------------------------------------------------ */

int xsp_netq_copy(struct xsp_netq *q, uint32_t n)
{
	int err = xengnttab_grant_copy(q->base.worker->xgt, n, q->s->copy);

	xsp_count(&q->c.stats->gnt_calls, 1);
	xsp_count(&q->c.stats->gnt_refs, n);
	if (err)
		xsp_queue_complain(&q->base, "a grant copy of %u pieces failed: %s", n,
				   strerror(errno));
	return err;
}

/* --- transmit ---------------------------------------------------------------------------------- */

static bool may_send(void *arg, uint32_t bytes)
{
	struct xsp_netq *q = arg;
	uint64_t wait_ns = xsp_rate_take(q->c.rate, bytes, q->base.worker->now_ns);

	if (!wait_ns)
		return true;
	xsp_count(&q->c.stats->throttled, 1);
	q->throttled = true;
	xsp_netq_later(q, &q->rate_timer, wait_ns);
	return false;
}

/* A part of a packet of the batch: from one byte of it up to another. */
struct part {
	uint32_t packet; /* its number */
	uint32_t from, to;
	uint8_t *data; /* where the whole packet goes */
};

/*
 * It is private from here on. What lies in a page that is kept mapped is copied at once; n counts
 * what needs a grant copy.
 */
static uint32_t plan_copy_in(struct xsp_netq *q, const struct part *part, uint32_t n)
{
	const struct xsp_tx_packet *p = &q->s->tx.packet[part->packet];
	uint32_t at = 0; /* of the packet */

	for (uint32_t k = 0; k < p->n_segs && at < part->to; k++) {
		const struct xsp_tx_seg *seg = &q->s->tx.seg[p->first_seg + k];
		uint32_t skip = part->from > at ? part->from - at : 0, end = part->to - at;

		end = end < seg->len ? end : seg->len;
		if (skip < end) {
			xsp_count(&q->c.stats->copied, end - skip);
			if (seg->page) {
				memcpy(part->data + at + skip, seg->page + seg->offset + skip,
				       end - skip);
				xsp_count(&q->c.stats->static_pieces, 1);
			} else {
				q->s->copy_of[n] = (uint16_t)part->packet;
				q->s->copy[n++] = (xengnttab_grant_copy_segment_t){
					.source.foreign = { .ref = seg->gref,
							    .offset = (uint16_t)(seg->offset + skip),
							    .domid = (domid_t)q->base.domid },
					.dest.virt = part->data + at + skip,
					.len = (uint16_t)(end - skip),
					.flags = GNTCOPY_source_gref,
				};
			}
		}
		at += seg->len;
	}
	return n;
}

/*
 * Pages that are kept mapped are found at once, and their lines asked for: each comes from the guest's
 * processor, and they come together while one after the other would be waited for.
 */
static void reach(struct xsp_netq *q)
{
	struct xsp_tx_batch *b = &q->s->tx;

	for (uint32_t i = 0; i < b->n_segs; i++) {
		struct xsp_tx_seg *seg = &b->seg[i];

		seg->page = xsp_statics_find(q->statics, seg->gref, false);
		if (seg->page)
			__builtin_prefetch(seg->page + seg->offset);
	}
}

/* What was planned. Returns how many pieces failed. */
static uint32_t copy_in(struct xsp_netq *q, uint32_t n)
{
	int err = n ? xsp_netq_copy(q, n) : 0;
	uint32_t failed = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!err && q->s->copy[i].status == GNTST_okay)
			continue;
		q->s->tx.packet[q->s->copy_of[i]].status = XSP_NET_ERROR;
		failed++;
	}
	xsp_count(&q->c.stats->bad_gref, failed);
	return failed;
}

/* The first bytes of all packets, at most `have` of each. */
static void copy_heads(struct xsp_netq *q, uint32_t have)
{
	struct xsp_tx_batch *b = &q->s->tx;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n_packets; i++) {
		uint32_t len = b->packet[i].len;

		n = plan_copy_in(q, &(struct part){ i, 0, len < have ? len : have, q->s->packet[i].data },
				 n);
	}
	copy_in(q, n);
}

/* The packet in `from` moves up to `to`; their rooms change places. */
static void move_up(struct xsp_net_scratch *s, uint32_t from, uint32_t to)
{
	struct xsp_packet p = s->packet[to];

	if (from == to)
		return;
	s->packet[to] = s->packet[from];
	s->packet[from].data = p.data;
	s->of[to] = s->of[from];
}

/*
 * What is behind a packet's head may stay where it is, if the port takes it so and all of it is mapped.
 * The guest may change it meanwhile: nothing of it is looked at before the port has its own copy.
 */
static bool leave_rest(struct xsp_netq *q, uint32_t i)
{
	const struct xsp_tx_packet *t = &q->s->tx.packet[q->s->of[i]];
	struct xsp_packet *p = &q->s->packet[i];
	struct iovec *rest = q->s->rest[i];
	uint32_t n = 0, at = 0; /* of the packet */

	for (uint32_t k = 0; k < t->n_segs; k++) {
		const struct xsp_tx_seg *seg = &q->s->tx.seg[t->first_seg + k];
		uint32_t skip = at < XSP_NET_HEAD ? XSP_NET_HEAD - at : 0;

		at += seg->len;
		if (skip >= seg->len)
			continue;
		if (!seg->page)
			return false;
		rest[n++] = (struct iovec){ (void *)(uintptr_t)(seg->page + seg->offset + skip),
					    seg->len - skip };
	}
	p->rest = rest;
	p->n_rest = n;
	xsp_count(&q->c.stats->static_pieces, n);
	return true;
}

/*
 * The rest of the packets first .. end - 1, of which only `have` bytes were copied; those where that
 * fails are left out. Returns how many can be sent, from `first` on.
 */
static uint32_t copy_rest(struct xsp_netq *q, uint32_t have, uint32_t first, uint32_t end)
{
	struct xsp_net_scratch *s = q->s;
	uint32_t n = 0, to = first;
	bool failed;

	for (uint32_t i = first; i < end; i++)
		if (s->packet[i].len > have && !(q->c.port->ops->pieces && leave_rest(q, i)))
			n = plan_copy_in(q, &(struct part){ s->of[i], have, s->packet[i].len,
							    s->packet[i].data }, n);
	failed = copy_in(q, n) != 0;
	xsp_direct_judge(q, failed);
	for (uint32_t i = first; i < end; i++)
		if (!s->tx.packet[s->of[i]].status)
			move_up(s, i, to++);
	return to - first;
}

/* What a chain of extras asks of the multicast filter. */
static void change_filter(struct xsp_netq *q, struct xsp_tx_packet *p)
{
	if (p->mcast & 1u << XSP_NET_EXTRA_MCAST_ADD && !xsp_mcast_add(q->c.mcast, p->mcast_add))
		p->status = XSP_NET_ERROR;
	if (p->mcast & 1u << XSP_NET_EXTRA_MCAST_DEL)
		xsp_mcast_del(q->c.mcast, p->mcast_del);
}

static void count_drop(struct xsp_netq *q, enum xsp_net_drop drop)
{
	struct xsp_net_stats *s = q->c.stats;
	uint64_t *const counter[XSP_DROP_REASONS] = {
		[XSP_DROP_SHORT] = &s->tx_short,	[XSP_DROP_LENGTH] = &s->tx_length,
		[XSP_DROP_PROTOCOL] = &s->tx_protocol,	[XSP_DROP_FRAGMENT] = &s->tx_fragment,
		[XSP_DROP_GSO] = &s->tx_gso_bad,
	};

	xsp_count(counter[drop], 1);
}

/*
 * The packets that may go, moved up in packet[] (their data stays where it is: the pointers change
 * places). Returns how many.
 */
static uint32_t judge(struct xsp_netq *q)
{
	struct xsp_tx_batch *b = &q->s->tx;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n_packets; i++) {
		struct xsp_tx_packet *p = &b->packet[i];
		struct xsp_packet *packet = &q->s->packet[i];
		enum xsp_net_drop drop;

		if (p->mcast)
			change_filter(q, p);
		else if (!p->n_segs && p->status)
			xsp_count(&q->c.stats->tx_malformed, 1);
		if (!p->n_segs || p->status)
			continue;
		/* The head suffices: nothing behind XSP_NET_HEAD is looked at. */
		drop = xsp_net_to_vnet(packet->data, p->len, p->len, &p->offload, &packet->vnet);
		if (drop) {
			p->status = XSP_NET_ERROR;
			count_drop(q, drop);
			continue;
		}
		packet->len = p->len;
		packet->n_rest = 0;
		q->s->of[i] = (uint8_t)i;
		move_up(q->s, i, n++);
	}
	return n;
}

static void send_batch(struct xsp_netq *q, uint32_t first, uint32_t n)
{
	struct xsp_net_stats *s = q->c.stats;
	uint64_t bytes = 0, sent = 0, gso = 0;

	for (uint32_t i = first; i < first + n; i++)
		xsp_capture(q->c.capture, q->s->packet[i].data, q->s->packet[i].len,
			    &q->s->packet[i].vnet);
	q->c.port->ops->send(&q->end, q->s->packet + first, n);
	for (uint32_t i = first; i < first + n; i++) {
		const struct xsp_packet *p = &q->s->packet[i];

		if (p->lost) {
			q->s->tx.packet[q->s->of[i]].status = XSP_NET_DROPPED;
			continue;
		}
		sent++;
		bytes += p->len;
		gso += p->vnet.gso_type != XSP_VNET_GSO_NONE;
	}
	xsp_count(&s->tx_packets, sent);
	xsp_count(&s->tx_bytes, bytes);
	xsp_count(&s->tx_gso, gso);
	xsp_count(&s->tx_refused, n - sent);
	xsp_count(&s->copied, bytes * q->c.port->ops->copies);
}

/* What was taken, on its way: straight to other guests as far as that goes, the rest to the port. */
static void carry(struct xsp_netq *q)
{
	bool direct = xsp_direct_may(q);
	bool pieces = q->c.port->ops->pieces && xsp_statics_count(q->statics) &&
		      !xsp_capture_on(q->c.capture);
	uint32_t have = (direct && q->direct) || pieces ? XSP_NET_HEAD : XSP_PACKET_BYTES;
	uint32_t n, gone = 0;

	copy_heads(q, have);
	n = judge(q);
	if (direct && n) {
		gone = xsp_direct_send(q, n, have);
		q->direct = gone != 0;
	}
	if (gone < n && have < XSP_PACKET_BYTES)
		n = gone + copy_rest(q, have, gone, n);
	else
		xsp_direct_judge(q, false);
	if (gone < n)
		send_batch(q, gone, n - gone);
}

/* Returns how many slots were taken; < 0: the ring is broken. */
static int transmit(struct xsp_netq *q)
{
	struct xsp_tx_gate gate = { .may_send = may_send, .arg = q };
	const char *why = "";

	q->throttled = false;
	if (xsp_tx_take(&q->tx, &gate, &q->s->tx, &why)) {
		xsp_queue_break(&q->base, why);
		return -EPROTO;
	}
	if (!q->s->tx.n_answers)
		return 0;
	reach(q);
	xsp_net_scratch_align(q->s);
	carry(q);
	xsp_tx_respond(&q->tx, &q->s->tx);
	if (xsp_ring_back_push(&q->tx))
		xsp_queue_notify(&q->base.port[0]);
	return (int)q->s->tx.n_answers;
}

/* --- visit ------------------------------------------------------------------------------------- */

void xsp_netq_visit(struct xsp_queue *queue)
{
	struct xsp_netq *q = xsp_netq_of(queue);
	int sent, came;
	bool more;

	sent = transmit(q);
	came = sent < 0 ? sent : xsp_netq_receive(q);
	if (came < 0)
		return;
	if (sent || came) {
		xsp_count(&q->c.stats->visits, 1);
		queue->idle_wakes = 0;
	}
	more = !q->throttled && xsp_ring_back_pending(&q->tx);
	if (q->tx_deaf && !q->throttled && !more) {
		q->tx_deaf = false;
		more = xsp_ring_back_sleep(&q->tx); /* arming won't: its port may be unmasked already */
	}
	if (q->rx_wanted)
		more |= xsp_ring_back_sleep_for(&q->rx, q->rx_wanted) >= (int)q->rx_wanted;
	else if (q->arrivals)
		more = true;
	else
		xsp_netport_await(&q->end);
	if (more)
		xsp_queue_set_ready(queue); /* at the tail: the others' turn first */
	else
		xsp_queue_set_arming(queue);
}
