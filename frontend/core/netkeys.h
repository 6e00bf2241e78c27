/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the two sides of a vif tell each other through the store, as arrays of key and value: the
 * host reads and writes them, this file gives them meaning and checks every range. No I/O, no libc.
 *
 * Source: xen/include/public/io/netif.h, the comments before "Control ring", "Link state", "MTU".
 */
#ifndef XSP_NETKEYS_H
#define XSP_NETKEYS_H

#include "frontend/core/keytext.h"
#include "ring/netif.h"

#define XSP_NET_MAX_QUEUES 16u
#define XSP_NET_MTU        1500u /* when nobody says another */

/* What the backend can take from us; it says so before its state 2. */
struct xsp_net_offer {
	bool rx_copy;  /* it copies into our pages: without this we can't talk to it */
	bool sg;       /* packets of several fragments */
	bool csum4;    /* a blank checksum, IPv4: yes unless it says no */
	bool csum6;    /* the same, IPv6: no unless it says yes */
	bool gso4;     /* TCP over IPv4 unsplit; implies sg and csum4 */
	bool gso6;     /* TCP over IPv6 unsplit; implies sg and csum6 */
	bool multicast, dynamic_multicast; /* filters on request; the request may change at any time */
	bool split;                        /* an event channel for each direction */
	bool ctrl;                         /* a control ring */
	bool xdp_headroom;                 /* it leaves room before received packets on request */
	uint32_t max_queues;               /* 1..XSP_NET_MAX_QUEUES */
};

/* What we can take from the backend, and where our rings are. */
struct xsp_net_params {
	bool sg, csum4, csum6, gso4, gso6;
	bool multicast; /* please filter */
	bool split;     /* port_rx counts; otherwise port_tx is that of both */
	bool ctrl;      /* ctrl_gref and ctrl_port count */
	uint32_t ctrl_gref, ctrl_port;
	uint32_t xdp_headroom; /* octets before each received packet, for offer.xdp_headroom; 0: none */
	unsigned int queues; /* 1..XSP_NET_MAX_QUEUES */
	struct {
		uint32_t tx_gref, rx_gref;
		uint32_t port_tx, port_rx;
	} queue[XSP_NET_MAX_QUEUES];
};

/* The keys that xsp_net_offer_from_keys looks at: read these and no others. */
extern const char *const xsp_net_offer_keys[];
extern const unsigned int xsp_net_offer_keys_count;

/**
 * xsp_net_offer_from_keys - parse what the backend can do
 * @ret_bad: on failure the key that is wrong; may be NULL
 *
 * Returns 0, -EINVAL (no number), -ERANGE, -EOPNOTSUPP (no feature-rx-copy); *ret is untouched then.
 */
int xsp_net_offer_from_keys(const struct xsp_key *keys, unsigned int n, struct xsp_net_offer *ret,
			    const char **ret_bad);

#define XSP_NET_PARAM_KEYS (13u + XSP_NET_MAX_QUEUES * 4u) /* as many as there can be */

/**
 * xsp_net_keys_from_params - the keys to write, in one transaction with state 4 (a vif has no 3)
 * @out: room for @max keys; XSP_NET_PARAM_KEYS are enough
 *
 * Features we don't have are written as 0: an earlier frontend may have left a 1. Returns how many,
 * or -EINVAL / -ENOSPC.
 */
int xsp_net_keys_from_params(const struct xsp_net_params *p, struct xsp_key_out *out,
			     unsigned int max);

/** xsp_net_mac_parse - "00:16:3e:01:02:03"; 0 or -EINVAL (also for a multicast address) */
int xsp_net_mac_parse(const char *text, uint8_t mac[6]);

/** xsp_net_mtu_parse - octets, 68..65521; NULL: 1500. 0 or -EINVAL. */
int xsp_net_mtu_parse(const char *text, uint32_t *ret);

#endif
