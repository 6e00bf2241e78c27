/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Network requests, responses and extras: in and out of the shared slots. */
#include "ring/netif.h"
#include "ring/words.h"

/* --- back half --------------------------------------------------------------------------------- */

void xsp_net_back_take_tx(struct xsp_ring_back *r, struct xsp_net_tx_req *req)
{
	xsp_load32s(req, xsp_net_tx_slot(r->sring, r->req_cons++), sizeof(*req));
}

int xsp_net_back_take_extras(struct xsp_ring_back *r, uint32_t pending, struct xsp_net_extras *ret)
{
	struct xsp_net_extra e;

	memset(ret, 0, sizeof(*ret));
	do {
		if (ret->slots >= pending || ret->slots >= XSP_NET_MAX_EXTRAS)
			return -EPROTO;
		xsp_load32s(&e, xsp_net_tx_slot(r->sring, r->req_cons++), sizeof(e));
		ret->slots++;
		if (e.type == XSP_NET_EXTRA_NONE || e.type >= XSP_NET_EXTRA_TYPES) {
			ret->unknown = true;
			continue;
		}
		ret->of[e.type] = e;
		ret->have |= (uint8_t)(1u << e.type);
	} while (e.flags & XSP_NET_EXTRA_MORE);
	return 0;
}

void xsp_net_back_respond_tx(struct xsp_ring_back *r, uint16_t id, int16_t status)
{
	struct xsp_net_tx_rsp rsp = { .id = id, .status = status };

	xsp_store32s(xsp_net_tx_slot(r->sring, r->rsp_prod_pvt++), &rsp, sizeof(rsp));
}

void xsp_net_back_take_rx(struct xsp_ring_back *r, struct xsp_net_rx_req *req)
{
	xsp_load64s(req, xsp_net_rx_slot(r->sring, r->req_cons++), sizeof(*req));
}

void xsp_net_back_respond_rx(struct xsp_ring_back *r, const struct xsp_net_rx_rsp *rsp)
{
	xsp_store64s(xsp_net_rx_slot(r->sring, r->rsp_prod_pvt++), rsp, sizeof(*rsp));
}

void xsp_net_back_respond_rx_extra(struct xsp_ring_back *r, const struct xsp_net_extra *extra)
{
	xsp_store64s(xsp_net_rx_slot(r->sring, r->rsp_prod_pvt++), extra, sizeof(*extra));
}

void xsp_net_back_take_ctrl(struct xsp_ring_back *r, struct xsp_net_ctrl_req *req)
{
	xsp_load64s(req, xsp_net_ctrl_slot(r->sring, r->req_cons++), sizeof(*req));
}

void xsp_net_back_respond_ctrl(struct xsp_ring_back *r, const struct xsp_net_ctrl_rsp *rsp)
{
	xsp_store32s(xsp_net_ctrl_slot(r->sring, r->rsp_prod_pvt++), rsp, sizeof(*rsp));
}

/* --- front half -------------------------------------------------------------------------------- */

void xsp_net_front_put_tx(struct xsp_ring_front *r, const struct xsp_net_tx_req *req)
{
	xsp_store32s(xsp_net_tx_slot(r->sring, r->req_prod_pvt++), req, sizeof(*req));
}

void xsp_net_front_put_extra(struct xsp_ring_front *r, const struct xsp_net_extra *extra)
{
	xsp_store32s(xsp_net_tx_slot(r->sring, r->req_prod_pvt++), extra, sizeof(*extra));
}

void xsp_net_front_take_tx(struct xsp_ring_front *r, struct xsp_net_tx_rsp *rsp)
{
	xsp_load32s(rsp, xsp_net_tx_slot(r->sring, r->rsp_cons++), sizeof(*rsp));
}

void xsp_net_front_put_rx(struct xsp_ring_front *r, const struct xsp_net_rx_req *req)
{
	xsp_store64s(xsp_net_rx_slot(r->sring, r->req_prod_pvt++), req, sizeof(*req));
}

uint32_t xsp_net_front_take_rx(struct xsp_ring_front *r, union xsp_net_rx_slot *ret)
{
	uint32_t slot = r->rsp_cons++ & (XSP_NET_RX_SLOTS - 1);

	xsp_load64s(ret, xsp_net_rx_slot(r->sring, slot), sizeof(*ret));
	return slot;
}

void xsp_net_front_put_ctrl(struct xsp_ring_front *r, const struct xsp_net_ctrl_req *req)
{
	xsp_store64s(xsp_net_ctrl_slot(r->sring, r->req_prod_pvt++), req, sizeof(*req));
}

void xsp_net_front_take_ctrl(struct xsp_ring_front *r, struct xsp_net_ctrl_rsp *rsp)
{
	xsp_load32s(rsp, xsp_net_ctrl_slot(r->sring, r->rsp_cons++), sizeof(*rsp));
}
