/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a packet, any offload asked for: what is found lies inside the packet, and what a TAP
 * is told is what its kernel accepts. The buffer is exactly as long as the head that may be read.
 */
#include "common/net/headers.h"
#include "tests/fuzz/input.h"

static void judge_head(const struct xsp_net_head *h, uint32_t have, uint32_t len)
{
	HOLDS(h->end <= len);
	HOLDS(!h->l4 || (h->l4 >= h->l3 && h->payload >= h->l4 + 8 && h->payload <= have &&
			 h->payload <= h->end));
	HOLDS(!h->l4 || h->proto == 6 || h->proto == 17);
	HOLDS(!h->ip || h->end > h->l3);
}

static void judge_vnet(const struct xsp_vnet *v, const struct xsp_net_offload *o, uint32_t len)
{
	struct xsp_net_offload back;

	HOLDS(!(v->flags & ~(XSP_VNET_NEEDS_CSUM | XSP_VNET_DATA_VALID)));
	if (v->flags & XSP_VNET_NEEDS_CSUM)
		HOLDS(v->csum_start + v->csum_offset + 2u <= v->hdr_len && v->hdr_len <= len);
	else
		HOLDS(!v->gso_type && !v->csum_start && !v->csum_offset);
	HOLDS(!v->gso_type || (v->gso_size >= XSP_GSO_MIN && v->hdr_len + v->gso_size < len));
	HOLDS(xsp_net_from_vnet(v, &back) == XSP_DROP_NONE);
	HOLDS(!back.gso_type || (back.gso_type == o->gso_type && back.gso_size == o->gso_size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t flags = eat8(&in);
	struct xsp_net_offload o = {
		.csum_blank = flags & 1,
		.data_validated = flags & 2,
		.gso_type = (flags >> 2) & 3,
		.gso_size = (uint16_t)eat32(&in),
	};
	uint32_t have = in.left < XSP_NET_HEAD ? (uint32_t)in.left : XSP_NET_HEAD;
	/* With this bit the packet is longer than the head that is there. */
	uint32_t len = flags & 16 ? (uint32_t)in.left + (have == XSP_NET_HEAD ? flags >> 5 << 12 : 0) :
				    (uint32_t)in.left;
	uint8_t *p = malloc(have ? have : 1);
	struct xsp_net_head h;
	struct xsp_vnet v;

	memcpy(p, in.p, have);
	if (xsp_net_parse(p, have, len, &h) == XSP_DROP_NONE)
		judge_head(&h, have, len);
	if (xsp_net_to_vnet(p, have, len, &o, &v) == XSP_DROP_NONE) {
		judge_vnet(&v, &o, len);
		if (len == have && !v.gso_type)
			HOLDS(xsp_net_fill_csum(p, len, &v) == XSP_DROP_NONE);
	}
	eat(&in, &v, sizeof(v)); /* a header that is no good */
	if (len == have)
		xsp_net_fill_csum(p, len, &v);
	free(p);
	return 0;
}
