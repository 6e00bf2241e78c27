/* SPDX-License-Identifier: MIT */
/* Answers that were not published: see recover.h. */
#include "backend/net/recover.h"

/* The status that an answer at this place would have. */
static int16_t status_of(uint32_t word)
{
	return (int16_t)(word >> 16);
}

/* --- tx ---------------------------------------------------------------------------------------- */

static bool tx_answered(const struct xsp_net_tx_req *req)
{
	int16_t status = status_of(req->gref);

	return (req->gref & 0xffff) == req->id &&
	       (status == XSP_NET_OKAY || status == XSP_NET_ERROR || status == XSP_NET_DROPPED);
}

static void take(struct xsp_ring_back *r, struct xsp_net_tx_req *req, int *left)
{
	xsp_net_back_take_tx(r, req);
	(*left)--;
}

/* The extras behind a first slot: those that were answered read id 0, status 1, which no request does. */
static void drop_extras(struct xsp_ring_back *r, int *left)
{
	static const uint8_t answered[4] = { 0, 0, XSP_NET_NULL, 0 };
	bool more = true;

	while (more && *left) {
		struct xsp_net_tx_req slot, next;
		struct xsp_net_extra e;

		take(r, &slot, left);
		memcpy(&e, &slot, sizeof(e));
		more = e.flags & XSP_NET_EXTRA_MORE;
		if (!memcmp(&slot, answered, 4)) {
			next = slot;
			if (*left) {
				xsp_net_back_take_tx(r, &next);
				r->req_cons--;
			}
			more = *left && !memcmp(&next, answered, 4);
		}
		xsp_net_back_respond_tx(r, 0, XSP_NET_NULL);
	}
}

/* A packet of which at least the first slot was answered. */
static void drop_packet(struct xsp_ring_back *r, struct xsp_net_tx_req *req, int *left)
{
	xsp_net_back_respond_tx(r, req->id, XSP_NET_DROPPED);
	if (req->flags & XSP_NET_TX_EXTRA_INFO)
		drop_extras(r, left);
	while (req->flags & XSP_NET_TX_MORE_DATA && *left) {
		take(r, req, left);
		xsp_net_back_respond_tx(r, req->id, XSP_NET_DROPPED);
	}
}

int xsp_tx_recover(struct xsp_ring_back *r)
{
	int left = xsp_ring_back_pending(r);
	uint32_t from = r->rsp_prod_pvt;

	if (left < 0)
		return left;
	while (left) {
		struct xsp_net_tx_req req;

		take(r, &req, &left);
		if (!tx_answered(&req)) {
			r->req_cons--; /* it is taken as ever */
			break;
		}
		drop_packet(r, &req, &left);
	}
	return (int)(r->rsp_prod_pvt - from);
}

/* --- rx ---------------------------------------------------------------------------------------- */

#define RX_FLAGS 31u /* all that there are */

static bool rx_answered(const struct xsp_net_rx_req *req)
{
	return (req->gref & 0xffff) <= RX_FLAGS && status_of(req->gref) != 0;
}

/* What was read is the request or its answer, whose id is the same; or an extra: then its slot must do. */
static void give_back(struct xsp_ring_back *r, const struct xsp_net_rx_req *req, bool may_be_extra)
{
	struct xsp_net_rx_rsp rsp = {
		.id = may_be_extra ? (uint16_t)(r->rsp_prod_pvt & (r->size - 1)) : req->id,
		.status = XSP_NET_ERROR,
	};

	xsp_net_back_respond_rx(r, &rsp);
}

int xsp_rx_recover(struct xsp_ring_back *r)
{
	int left = xsp_ring_back_pending(r);
	uint32_t from = r->rsp_prod_pvt;
	bool extra = false;

	if (left < 0)
		return left;
	for (; left; left--) {
		struct xsp_net_rx_req req;
		uint16_t flags;

		xsp_net_back_take_rx(r, &req);
		if (!extra && !rx_answered(&req)) {
			r->req_cons--;
			break;
		}
		give_back(r, &req, extra);
		flags = (uint16_t)req.gref; /* of an answer */
		if (extra)
			extra = (req.id >> 8) & XSP_NET_EXTRA_MORE; /* its second byte */
		else
			extra = flags & XSP_NET_RX_EXTRA_INFO;
	}
	return (int)(r->rsp_prod_pvt - from);
}
