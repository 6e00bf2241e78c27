/* SPDX-License-Identifier: MIT */
/*
 * Hashing of what a guest receives, as it asked for over its control ring: which flows belong together
 * and which queue they go to. Pure. One of a device; all its queues are on one worker (vif.c).
 *
 * Source: xen/include/public/io/netif.h "Hash types", "Hash algorithms", "Control messages".
 */
#ifndef XSP_BACKEND_NET_HASH_H
#define XSP_BACKEND_NET_HASH_H

#include "backend/net/rx.h"
#include "common/net/headers.h"

#define XSP_HASH_KEY 40u
#define XSP_HASH_MAP 128u
#define XSP_HASH_TYPES \
	(XSP_NET_HASH_IPV4 | XSP_NET_HASH_IPV4_TCP | XSP_NET_HASH_IPV6 | XSP_NET_HASH_IPV6_TCP)

struct xsp_net_hash { /* zero-initialised: none */
	uint32_t algorithm; /* enum xsp_net_hash_algorithm */
	uint32_t types;     /* enum xsp_net_hash_type; 0: none */
	uint8_t key[XSP_HASH_KEY];
	uint32_t map_size; /* 0: by modulo */
	uint32_t map[XSP_HASH_MAP];
};

/** xsp_toeplitz - of n bytes with a key of XSP_HASH_KEY */
uint32_t xsp_toeplitz(const uint8_t *key, const uint8_t *p, uint32_t n);

/**
 * xsp_net_hash - of a packet, by the largest of the types that fits it
 * @ret: algorithm NONE when there is none: hashing is off, or it is no IP
 *
 * Returns the queue for it, below n_queues; or `here`, when there is no hash.
 */
uint32_t xsp_net_hash(const struct xsp_net_hash *h, const uint8_t *p, uint32_t len, uint32_t n_queues,
		      uint32_t here, struct xsp_net_hash_value *ret);

#endif
