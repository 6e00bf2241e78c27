/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The receive half of one network queue (netfront_rx.h). */
#include "frontend/core/netfront_rx.h"

void xsp_netfront_rx_init(struct xsp_netfront_rx *q, void *page)
{
	memset(q, 0, sizeof(*q));
	xsp_sring_init(page);
	xsp_ring_front_init(&q->ring, page, XSP_NET_RX_SLOTS);
}

static int broken(struct xsp_netfront_rx *q, const char *why)
{
	if (!q->broken)
		q->broken = why;
	return -EPROTO;
}

void xsp_netfront_rx_post(struct xsp_netfront_rx *q, uint32_t gref, uint32_t cookie)
{
	uint32_t slot = q->ring.req_prod_pvt & (XSP_NET_RX_SLOTS - 1);
	struct xsp_net_rx_req req = { .id = (uint16_t)slot, .gref = gref };

	q->cookie[slot] = cookie;
	xsp_net_front_put_rx(&q->ring, &req);
}

/* The packet so far makes no sense; the first reason stays. */
static void spoil(struct xsp_netfront_rx *q, int status)
{
	if (!q->part.status)
		q->part.status = status;
}

static void begin(struct xsp_netfront_rx *q)
{
	memset(&q->part.meta, 0, sizeof(q->part.meta));
	q->part.status = 0;
	q->part.bytes = 0;
	q->part.bufs = 0;
	q->frags = 0;
	q->extras = 0;
	q->room = 0;
	q->in_packet = true;
}

static void take_meta(struct xsp_netfront_rx *q, uint16_t flags)
{
	q->part.meta.csum_blank = flags & XSP_NET_RX_CSUM_BLANK;
	q->part.meta.data_validated = flags & (XSP_NET_RX_CSUM_BLANK | XSP_NET_RX_DATA_VALIDATED);
	q->want_extra = flags & XSP_NET_RX_EXTRA_INFO;
	if (flags & XSP_NET_RX_GSO_PREFIX) /* nobody has agreed to that */
		spoil(q, -EINVAL);
}

static int take_frag(struct xsp_netfront_rx *q, const struct xsp_net_rx_rsp *rsp, uint32_t slot)
{
	struct xsp_netfront_buf *b;

	if (rsp->id != slot)
		return broken(q, "a receive response that is not in its request's slot");
	if (!q->in_packet) {
		begin(q);
		take_meta(q, rsp->flags);
	}
	if (++q->frags > XSP_NET_MAX_SLOTS)
		return broken(q, "a received packet of too many pieces");
	q->more_data = rsp->flags & XSP_NET_RX_MORE_DATA;
	b = &q->part.buf[q->part.bufs++];
	b->cookie = q->cookie[slot];
	b->offset = rsp->offset;
	b->bytes = 0;
	if (rsp->status < 0)
		spoil(q, -EIO);
	else if (rsp->offset > XSP_PAGE_SIZE || (uint32_t)rsp->status > XSP_PAGE_SIZE - rsp->offset)
		spoil(q, -EINVAL);
	else
		b->bytes = (uint16_t)rsp->status;
	q->part.bytes += b->bytes;
	return 0;
}

static void take_gso(struct xsp_netfront_rx *q, const struct xsp_net_extra *e)
{
	if (!e->u.gso.size || e->u.gso.type == XSP_NET_GSO_NONE || e->u.gso.type > XSP_NET_GSO_TCPV6) {
		spoil(q, -EINVAL);
		return;
	}
	q->part.meta.gso_type = e->u.gso.type;
	q->part.meta.gso_size = e->u.gso.size;
}

static void take_hash(struct xsp_netfront_rx *q, const struct xsp_net_extra *e)
{
	struct xsp_net_meta *m = &q->part.meta;

	m->have_hash = true;
	m->hash_type = e->u.hash.type;
	m->hash_algorithm = e->u.hash.algorithm;
	m->hash = 0;
	for (unsigned int i = 0; i < 4; i++)
		m->hash |= (uint32_t)e->u.hash.value[i] << (8 * i);
}

/* Room was left before each piece. */
static void take_room(struct xsp_netfront_rx *q, const struct xsp_net_extra *e)
{
	if (q->xdp)
		q->room = e->u.xdp.headroom;
	else
		spoil(q, -EINVAL);
}

/*
 * Linux's netback says so with an extra and not in the responses: their offset is 0, and the room counts
 * in their length.
 */
static void skip_room(struct xsp_netfront_rx *q)
{
	for (unsigned int i = 0; i < q->part.bufs; i++) {
		struct xsp_netfront_buf *b = &q->part.buf[i];

		if (!b->bytes || b->offset)
			continue;
		if (b->bytes < q->room) {
			spoil(q, -EINVAL);
			return;
		}
		b->offset = q->room;
		b->bytes -= q->room;
		q->part.bytes -= q->room;
	}
}

/* An extra uses up a page that nothing is in. */
static int take_extra(struct xsp_netfront_rx *q, const struct xsp_net_extra *e, uint32_t slot)
{
	struct xsp_netfront_buf *b;

	if (++q->extras > XSP_NET_MAX_EXTRAS)
		return broken(q, "a chain of extras without end");
	b = &q->part.buf[q->part.bufs++];
	b->cookie = q->cookie[slot];
	b->offset = b->bytes = 0;
	switch (e->type) {
	case XSP_NET_EXTRA_GSO:
		take_gso(q, e);
		break;
	case XSP_NET_EXTRA_HASH:
		take_hash(q, e);
		break;
	case XSP_NET_EXTRA_XDP:
		take_room(q, e);
		break;
	default:
		spoil(q, -EINVAL);
	}
	q->want_extra = e->flags & XSP_NET_EXTRA_MORE;
	return 0;
}

int xsp_netfront_rx_reap(struct xsp_netfront_rx *q, const struct xsp_netfront_packet **ret)
{
	int pending;

	if (q->broken)
		return -EPROTO;
	pending = xsp_ring_front_pending(&q->ring);
	if (pending < 0)
		return broken(q, "more receive responses than requests");
	for (; pending > 0; pending--) {
		union xsp_net_rx_slot got;
		uint32_t slot = xsp_net_front_take_rx(&q->ring, &got);
		int error = q->want_extra && q->in_packet ? take_extra(q, &got.extra, slot) :
							    take_frag(q, &got.rsp, slot);

		if (error)
			return error;
		if (q->want_extra || q->more_data)
			continue;
		q->in_packet = false;
		if (q->room)
			skip_room(q);
		if (!q->part.bytes) /* nothing in it */
			spoil(q, -EINVAL);
		*ret = &q->part;
		return 1;
	}
	return 0;
}

int xsp_netfront_rx_sleep(struct xsp_netfront_rx *q)
{
	int pending;

	if (q->broken)
		return -EPROTO;
	pending = xsp_ring_front_sleep(&q->ring);
	return pending < 0 ? broken(q, "more receive responses than requests") : pending;
}
