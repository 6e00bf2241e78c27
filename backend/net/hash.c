/* SPDX-License-Identifier: MIT */
/* The Toeplitz hash of packets: see hash.h. */
#include "backend/net/hash.h"

#define PROTO_TCP 6u

uint32_t xsp_toeplitz(const uint8_t *key, const uint8_t *p, uint32_t n)
{
	uint32_t hash = 0, window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 |
				    (uint32_t)key[2] << 8 | key[3];

	for (uint32_t i = 0; i < n; i++) {
		uint8_t next = i + 4 < XSP_HASH_KEY ? key[i + 4] : 0;

		for (int bit = 7; bit >= 0; bit--) {
			if (p[i] >> bit & 1)
				hash ^= window;
			window = window << 1 | (next >> bit & 1u);
		}
	}
	return hash;
}

/* Number of the type's bit, or -1; what is hashed goes to buf, its length to *n. */
static int choose(const struct xsp_net_hash *h, const uint8_t *p, const struct xsp_net_head *head,
		  uint8_t *buf, uint32_t *n)
{
	bool tcp = head->l4 && head->proto == PROTO_TCP;
	uint32_t with = head->ip == 4 ? XSP_NET_HASH_IPV4_TCP : XSP_NET_HASH_IPV6_TCP;
	uint32_t without = head->ip == 4 ? XSP_NET_HASH_IPV4 : XSP_NET_HASH_IPV6;
	uint32_t bytes = head->ip == 4 ? 8 : 32;

	memcpy(buf, p + head->l3 + (head->ip == 4 ? 12 : 8), bytes);
	*n = bytes;
	if (tcp && h->types & with) {
		memcpy(buf + bytes, p + head->l4, 4);
		*n = bytes + 4;
		return __builtin_ctz(with);
	}
	return h->types & without ? __builtin_ctz(without) : -1;
}

uint32_t xsp_net_hash(const struct xsp_net_hash *h, const uint8_t *p, uint32_t len, uint32_t n_queues,
		      uint32_t here, struct xsp_net_hash_value *ret)
{
	struct xsp_net_head head;
	uint8_t buf[36];
	uint32_t n, queue;
	int type;

	*ret = (struct xsp_net_hash_value){ .algorithm = XSP_NET_HASH_NONE };
	if (h->algorithm != XSP_NET_HASH_TOEPLITZ || !h->types || xsp_net_parse(p, len, len, &head) ||
	    !head.ip)
		return here;
	type = choose(h, p, &head, buf, &n);
	if (type < 0)
		return here;
	*ret = (struct xsp_net_hash_value){
		.algorithm = XSP_NET_HASH_TOEPLITZ,
		.type = (uint8_t)type,
		.value = xsp_toeplitz(h->key, buf, n),
	};
	queue = h->map_size ? h->map[ret->value % h->map_size] : ret->value % n_queues;
	return queue < n_queues ? queue : here;
}
