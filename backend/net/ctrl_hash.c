/* SPDX-License-Identifier: MIT */
/* Control requests about hashing: see ctrl.h. Every offset and length is the guest's word (XSA-270). */
#include "backend/net/ctrl.h"

static uint32_t set_key(struct xsp_net_hash *h, const struct xsp_ctrl_pages *pages, uint32_t gref,
			uint32_t len)
{
	uint8_t key[XSP_HASH_KEY] = { 0 }; /* what is not given is zero */

	if (len > XSP_HASH_KEY)
		return XSP_NET_CTRL_BUFFER_OVERFLOW;
	if (len && pages->read(pages->arg, gref, key, len))
		return XSP_NET_CTRL_INVALID_PARAMETER;
	memcpy(h->key, key, sizeof(key));
	return XSP_NET_CTRL_SUCCESS;
}

static uint32_t set_map(struct xsp_net_hash *h, uint32_t n_queues, const struct xsp_ctrl_pages *pages,
			const uint32_t *data)
{
	uint32_t len = data[1], off = data[2], part[XSP_HASH_MAP];

	if (len > XSP_HASH_MAP || off > XSP_HASH_MAP || len + off > XSP_HASH_MAP)
		return XSP_NET_CTRL_BUFFER_OVERFLOW;
	if (!len || len + off > h->map_size || pages->read(pages->arg, data[0], part, len * 4))
		return XSP_NET_CTRL_INVALID_PARAMETER;
	for (uint32_t i = 0; i < len; i++)
		if (part[i] >= n_queues)
			return XSP_NET_CTRL_INVALID_PARAMETER;
	memcpy(h->map + off, part, len * 4);
	return XSP_NET_CTRL_SUCCESS;
}

static uint32_t set_map_size(struct xsp_net_hash *h, uint32_t n)
{
	if (n > XSP_HASH_MAP)
		return XSP_NET_CTRL_INVALID_PARAMETER;
	h->map_size = n;
	memset(h->map, 0, sizeof(h->map));
	return XSP_NET_CTRL_SUCCESS;
}

static uint32_t set_algorithm(struct xsp_net_hash *h, uint32_t n)
{
	if (n != XSP_NET_HASH_NONE && n != XSP_NET_HASH_TOEPLITZ)
		return XSP_NET_CTRL_INVALID_PARAMETER;
	h->algorithm = n;
	return XSP_NET_CTRL_SUCCESS;
}

static uint32_t set_types(struct xsp_net_hash *h, uint32_t types)
{
	if (types & ~(uint32_t)XSP_HASH_TYPES || h->algorithm == XSP_NET_HASH_NONE)
		return XSP_NET_CTRL_INVALID_PARAMETER;
	h->types = types;
	return XSP_NET_CTRL_SUCCESS;
}

bool xsp_ctrl_hash_request(struct xsp_net_hash *h, uint32_t n_queues, const struct xsp_ctrl_pages *pages,
			   const struct xsp_net_ctrl_req *req, struct xsp_net_ctrl_rsp *ret)
{
	ret->data = 0;
	ret->status = XSP_NET_CTRL_SUCCESS;
	switch (req->type) {
	case XSP_NET_CTRL_GET_HASH_FLAGS:
		if (h->algorithm == XSP_NET_HASH_NONE)
			ret->status = XSP_NET_CTRL_NOT_SUPPORTED;
		else
			ret->data = XSP_HASH_TYPES;
		return true;
	case XSP_NET_CTRL_SET_HASH_FLAGS:
		ret->status = set_types(h, req->data[0]);
		return true;
	case XSP_NET_CTRL_SET_HASH_KEY:
		ret->status = set_key(h, pages, req->data[0], req->data[1]);
		return true;
	case XSP_NET_CTRL_GET_HASH_MAPPING_SIZE:
		ret->data = XSP_HASH_MAP;
		return true;
	case XSP_NET_CTRL_SET_HASH_MAPPING_SIZE:
		ret->status = set_map_size(h, req->data[0]);
		return true;
	case XSP_NET_CTRL_SET_HASH_MAPPING:
		ret->status = set_map(h, n_queues, pages, req->data);
		return true;
	case XSP_NET_CTRL_SET_HASH_ALGORITHM:
		ret->status = set_algorithm(h, req->data[0]);
		return true;
	}
	return false;
}
