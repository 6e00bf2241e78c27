/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What is said about a packet beside its bytes, the same in both directions. */
#ifndef XSP_NETMETA_H
#define XSP_NETMETA_H

#include "ring/netif.h"

struct xsp_net_meta {
	bool csum_blank;     /* the TCP or UDP checksum is only the pseudo header's sum */
	bool data_validated; /* the checksum is known to be good */
	uint8_t gso_type;    /* enum xsp_net_gso_type; NONE: one packet as it goes on the wire */
	uint16_t gso_size;   /* payload of each segment, if gso_type isn't NONE: 1..65535 */
	bool have_hash;
	uint8_t hash_type;      /* 0..3, the number of a bit in enum xsp_net_hash_type */
	uint8_t hash_algorithm; /* enum xsp_net_hash_algorithm */
	uint32_t hash;
};

#endif
