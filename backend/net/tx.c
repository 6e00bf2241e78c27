/* SPDX-License-Identifier: MIT */
/* Requests into packets: see tx.h. */
#include "backend/net/tx.h"

/* One packet while it is gathered. */
struct gathering {
	struct xsp_ring_back *r;
	struct xsp_tx_batch *b;
	struct xsp_tx_packet *p;
	uint32_t pending; /* slots that may still be taken */
	uint32_t slots;   /* of the packet, without extras */
	bool bad;
	const char *why;
};

static void add_answer(struct gathering *g, uint16_t id, bool extra)
{
	g->b->answer[g->b->n_answers++] = (struct xsp_tx_answer){
		.id = id,
		.packet = (uint8_t)(g->p - g->b->packet),
		.extra = extra,
	};
}

static void add_seg(struct gathering *g, const struct xsp_net_tx_req *req, uint32_t len)
{
	/* No piece of nothing (XSA-448), and none that leaves its page. */
	if (!len || (uint32_t)req->offset + len > XSP_PAGE_SIZE || g->slots > XSP_NET_MIN_SLOTS)
		g->bad = true;
	if (!g->bad)
		g->b->seg[g->b->n_segs++] = (struct xsp_tx_seg){
			.gref = req->gref,
			.offset = req->offset,
			.len = (uint16_t)len,
		};
}

static void take_req(struct gathering *g, struct xsp_net_tx_req *req)
{
	xsp_net_back_take_tx(g->r, req);
	g->pending--;
	g->slots++;
	add_answer(g, req->id, false);
}

static void use_extras(struct gathering *g, const struct xsp_net_extras *extras)
{
	struct xsp_tx_packet *p = g->p;

	if (extras->unknown)
		g->bad = true;
	if (extras->have & (1u << XSP_NET_EXTRA_GSO)) {
		p->offload.gso_type = extras->of[XSP_NET_EXTRA_GSO].u.gso.type;
		p->offload.gso_size = extras->of[XSP_NET_EXTRA_GSO].u.gso.size;
	}
	p->mcast = extras->have & (1u << XSP_NET_EXTRA_MCAST_ADD | 1u << XSP_NET_EXTRA_MCAST_DEL);
	memcpy(p->mcast_add, extras->of[XSP_NET_EXTRA_MCAST_ADD].u.mcast.addr, 6);
	memcpy(p->mcast_del, extras->of[XSP_NET_EXTRA_MCAST_DEL].u.mcast.addr, 6);
}

static int take_extras(struct gathering *g)
{
	struct xsp_net_extras extras;
	int err = xsp_net_back_take_extras(g->r, g->pending, &extras);

	g->pending -= extras.slots;
	for (uint32_t i = 0; i < extras.slots; i++)
		add_answer(g, 0, true);
	if (err)
		g->why = "extras without end in its tx ring";
	else
		use_extras(g, &extras);
	return err;
}

/*
 * The fragments behind the first, whose size is the whole packet's: what they leave is its own. Its
 * segment comes first, so room for it is kept.
 */
static int take_fragments(struct gathering *g, const struct xsp_net_tx_req *first)
{
	uint32_t left = first->size, at = g->b->n_segs;
	struct xsp_net_tx_req req = *first;

	g->p->first_seg = (uint16_t)at;
	g->b->n_segs++;
	while (req.flags & XSP_NET_TX_MORE_DATA) {
		if (!g->pending) {
			g->why = "a packet that doesn't end in its tx ring";
			return -EPROTO;
		}
		if (g->slots == XSP_NET_MAX_SLOTS) {
			g->why = "a packet of more than 20 fragments in its tx ring";
			return -EPROTO;
		}
		take_req(g, &req);
		add_seg(g, &req, req.size);
		if (req.size >= left)
			g->bad = true;
		else
			left -= req.size;
	}
	if (!left || (uint32_t)first->offset + left > XSP_PAGE_SIZE)
		g->bad = true;
	g->b->seg[at] = (struct xsp_tx_seg){
		.gref = first->gref,
		.offset = first->offset,
		.len = (uint16_t)left,
	};
	return 0;
}

static int take_packet(struct gathering *g, const struct xsp_net_tx_req *first)
{
	struct xsp_tx_batch *b = g->b;
	struct xsp_tx_packet *p = g->p;
	int err = 0;

	*p = (struct xsp_tx_packet){
		.len = first->size,
		.offload.csum_blank = first->flags & XSP_NET_TX_CSUM_BLANK,
		.offload.data_validated = first->flags & XSP_NET_TX_DATA_VALIDATED,
		.first_seg = (uint16_t)b->n_segs,
	};
	g->slots = 1;
	g->bad = false;
	b->n_packets++;
	add_answer(g, first->id, false);
	if (first->flags & XSP_NET_TX_EXTRA_INFO)
		err = take_extras(g);
	if (err)
		return err;
	/* A change of the filter carries no packet, whatever its slot says: its size may be 0. */
	if (p->mcast && !g->bad && !(first->flags & XSP_NET_TX_MORE_DATA))
		return 0;
	p->mcast = 0;
	err = take_fragments(g, first);
	if (err)
		return err;
	if (g->bad || p->len < XSP_ETH_HEAD) {
		p->status = XSP_NET_ERROR;
		b->n_segs = p->first_seg;
	}
	p->n_segs = (uint16_t)(b->n_segs - p->first_seg);
	b->bytes += p->n_segs ? p->len : 0;
	return 0;
}

int xsp_tx_take(struct xsp_ring_back *r, struct xsp_tx_gate *gate, struct xsp_tx_batch *b,
		const char **why)
{
	int pending = xsp_ring_back_pending(r);
	struct gathering g = { .r = r, .b = b, .pending = pending < 0 ? 0 : (uint32_t)pending };

	b->n_packets = b->n_segs = b->n_answers = b->bytes = 0;
	gate->closed = false;
	if (pending < 0) {
		*why = "its tx ring's request index is out of bounds";
		return pending;
	}
	xsp_net_back_fetch_tx(r, g.pending < XSP_NET_BATCH ? g.pending : XSP_NET_BATCH);
	while (g.pending && b->n_packets < XSP_NET_BATCH && b->bytes < XSP_NET_BATCH_BYTES) {
		struct xsp_net_tx_req first;
		int err;

		xsp_net_back_take_tx(r, &first);
		if (gate->may_send && !gate->may_send(gate->arg, first.size)) {
			r->req_cons--; /* taken anew next time, and looked at anew */
			gate->closed = true;
			break;
		}
		g.pending--;
		g.p = &b->packet[b->n_packets];
		err = take_packet(&g, &first);
		if (err) {
			*why = g.why;
			return err;
		}
	}
	return 0;
}

void xsp_tx_respond(struct xsp_ring_back *r, const struct xsp_tx_batch *b)
{
	for (uint32_t i = 0; i < b->n_answers; i++) {
		const struct xsp_tx_answer *a = &b->answer[i];

		xsp_net_back_respond_tx(r, a->id,
					a->extra ? XSP_NET_NULL : b->packet[a->packet].status);
	}
}
