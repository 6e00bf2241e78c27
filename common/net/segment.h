/* SPDX-License-Identifier: MIT */
/*
 * A large TCP packet cut into segments, for a receiver that takes none; what a network card or the
 * kernel does otherwise. Pure.
 */
#ifndef XSP_COMMON_NET_SEGMENT_H
#define XSP_COMMON_NET_SEGMENT_H

#include "common/net/headers.h"

/**
 * xsp_net_segment - one segment of a packet
 * @p, @len: the packet, whose vnet header v came from xsp_net_to_vnet: gso_type is not NONE
 * @at:  how much of the payload went before; the first call's is 0
 * @out: room for v->hdr_len + v->gso_size bytes
 * @ret_v: the segment's own header: a blank checksum
 *
 * Returns the segment's length and adds its payload to *at; 0 when all of it went.
 */
uint32_t xsp_net_segment(const uint8_t *p, uint32_t len, const struct xsp_vnet *v, uint32_t *at,
			 uint8_t *out, struct xsp_vnet *ret_v);

#endif
