/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Network requests, responses and extras: in and out of the shared slots. */
#include "ring/netif.h"
#include "ring/words.h"

/*
 * A slot is put together in registers, for the reason given in words.h: a request read back from memory
 * in wider pieces than it was written waited for the stores before it, a cache line each. Xen's guests
 * are little-endian, and so is what they share. (Fields are read one by one, by xsp_load, or gcc would make
 * the wide read of them that this is to avoid.)
 */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of a slot");

static inline uint32_t pair(uint16_t low, uint16_t high)
{
	return low | (uint32_t)high << 16;
}

static inline uint64_t quad(uint16_t a, uint16_t b, uint32_t c)
{
	return pair(a, b) | (uint64_t)c << 32;
}

/* --- back half --------------------------------------------------------------------------------- */

#define LINE 64u

void xsp_net_back_fetch_tx(const struct xsp_ring_back *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += LINE / sizeof(struct xsp_net_tx_req))
		xsp_prefetchw(xsp_net_tx_slot(r->sring, r->req_cons + i));
}

void xsp_net_back_fetch_rx(const struct xsp_ring_back *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += LINE / sizeof(union xsp_net_rx_slot))
		xsp_prefetchw(xsp_net_rx_slot(r->sring, r->req_cons + i));
}

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
	xsp_store((uint32_t *)xsp_net_tx_slot(r->sring, r->rsp_prod_pvt++), pair(id, (uint16_t)status));
}

void xsp_net_back_take_rx(struct xsp_ring_back *r, struct xsp_net_rx_req *req)
{
	xsp_load64s(req, xsp_net_rx_slot(r->sring, r->req_cons++), sizeof(*req));
}

void xsp_net_back_respond_rx(struct xsp_ring_back *r, const struct xsp_net_rx_rsp *rsp)
{
	xsp_store((uint64_t *)xsp_net_rx_slot(r->sring, r->rsp_prod_pvt++),
		  quad(xsp_load(&rsp->id), xsp_load(&rsp->offset),
		       pair(xsp_load(&rsp->flags), (uint16_t)xsp_load(&rsp->status))));
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
	uint32_t *slot = xsp_net_tx_slot(r->sring, r->req_prod_pvt++);

	/* A line that will be written soon: the backend has it, since it answered there. */
	xsp_prefetchw(xsp_net_tx_slot(r->sring, r->req_prod_pvt + XSP_NET_TX_AHEAD));
	xsp_store(&slot[0], req->gref);
	xsp_store(&slot[1], pair(xsp_load(&req->offset), xsp_load(&req->flags)));
	xsp_store(&slot[2], pair(xsp_load(&req->id), xsp_load(&req->size)));
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
	xsp_store((uint64_t *)xsp_net_rx_slot(r->sring, r->req_prod_pvt++),
		  quad(xsp_load(&req->id), xsp_load(&req->pad), req->gref));
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
