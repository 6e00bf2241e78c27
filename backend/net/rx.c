/* SPDX-License-Identifier: MIT */
/* Packets into posted pages: see rx.h. */
#include "backend/net/rx.h"

uint32_t xsp_rx_slots(uint32_t len, const struct xsp_net_offload *o,
		      const struct xsp_net_hash_value *hash)
{
	return (len + XSP_PAGE_SIZE - 1) / XSP_PAGE_SIZE + (o->gso_type != XSP_NET_GSO_NONE) +
	       (hash->algorithm != XSP_NET_HASH_NONE);
}

static void place_piece(struct xsp_ring_back *r, const uint8_t *from, uint32_t len, uint16_t flags,
			struct xsp_rx_batch *b)
{
	struct xsp_net_rx_req req;

	xsp_net_back_take_rx(r, &req);
	b->seg[b->n_segs++] = (struct xsp_rx_seg){
		.gref = req.gref,
		.len = (uint16_t)len,
		.answer = (uint16_t)b->n_answers,
		.from = from,
	};
	b->is_extra[b->n_answers] = false;
	b->answer[b->n_answers++].rsp = (struct xsp_net_rx_rsp){
		.id = req.id,
		.flags = flags,
		.status = (int16_t)len,
	};
}

static void place_extra(struct xsp_ring_back *r, const struct xsp_net_extra *extra,
			struct xsp_rx_batch *b)
{
	struct xsp_net_rx_req req;

	xsp_net_back_take_rx(r, &req); /* its page stays empty */
	b->is_extra[b->n_answers] = true;
	b->answer[b->n_answers++].extra = *extra;
}

static void place_extras(struct xsp_ring_back *r, const struct xsp_net_offload *o,
			 const struct xsp_net_hash_value *hash, struct xsp_rx_batch *b)
{
	struct xsp_net_extra e = { .type = XSP_NET_EXTRA_GSO };

	if (o->gso_type != XSP_NET_GSO_NONE) {
		e.flags = hash->algorithm ? XSP_NET_EXTRA_MORE : 0;
		e.u.gso.size = o->gso_size;
		e.u.gso.type = o->gso_type;
		place_extra(r, &e, b);
	}
	if (hash->algorithm == XSP_NET_HASH_NONE)
		return;
	e = (struct xsp_net_extra){ .type = XSP_NET_EXTRA_HASH };
	e.u.hash.type = hash->type;
	e.u.hash.algorithm = hash->algorithm;
	for (unsigned int i = 0; i < 4; i++)
		e.u.hash.value[i] = (uint8_t)(hash->value >> (8 * i));
	place_extra(r, &e, b);
}

void xsp_rx_place(struct xsp_ring_back *r, const uint8_t *data, uint32_t len,
		  const struct xsp_net_offload *o, const struct xsp_net_hash_value *hash,
		  struct xsp_rx_batch *b)
{
	uint16_t flags = (uint16_t)((o->csum_blank ? XSP_NET_RX_CSUM_BLANK : 0) |
				    (o->data_validated ? XSP_NET_RX_DATA_VALIDATED : 0));

	if (o->gso_type != XSP_NET_GSO_NONE || hash->algorithm != XSP_NET_HASH_NONE)
		flags |= XSP_NET_RX_EXTRA_INFO;
	for (uint32_t at = 0; at < len; at += XSP_PAGE_SIZE) {
		uint32_t left = len - at, n = left < XSP_PAGE_SIZE ? left : XSP_PAGE_SIZE;

		place_piece(r, data + at, n, n < left ? flags | XSP_NET_RX_MORE_DATA : flags, b);
		if (!at)
			place_extras(r, o, hash, b);
		flags = 0;
	}
}

void xsp_rx_failed(struct xsp_rx_batch *b, uint32_t seg)
{
	b->answer[b->seg[seg].answer].rsp.status = XSP_NET_ERROR;
}

void xsp_rx_respond(struct xsp_ring_back *r, const struct xsp_rx_batch *b)
{
	for (uint32_t i = 0; i < b->n_answers; i++) {
		if (b->is_extra[i])
			xsp_net_back_respond_rx_extra(r, &b->answer[i].extra);
		else
			xsp_net_back_respond_rx(r, &b->answer[i].rsp);
	}
}
