/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What network rings carry: transmit, receive and control requests and responses, the extra-info
 * segments between them, and the front and back half of each ring. One page a ring; there is one
 * layout for all guests (no field is wider than 32 bits).
 *
 * On all three rings the n-th response lies in the slot of the n-th request. For receive it must also
 * *answer* the n-th request: an extra in a response has no id, so frontends go by the slot alone.
 * Answering in the order of taking keeps that rule, and is what these functions do.
 *
 * tests/unit/test_netwire.c proves the structs equal to Xen's public header.
 * Source: xen/include/public/io/netif.h "Guest transmit", "Guest receive", "Extra Info",
 * "Control messages"; XDP: Linux's include/xen/interface/io/netif.h (extension).
 */
#ifndef XSP_RING_NETIF_H
#define XSP_RING_NETIF_H

#include "ring/ring.h"

#define XSP_NET_TX_SLOTS   256u
#define XSP_NET_RX_SLOTS   256u
#define XSP_NET_CTRL_SLOTS 128u
#define XSP_NET_MIN_SLOTS  18u     /* fragments of a packet that every backend must take */
#define XSP_NET_MAX_SLOTS  20u     /* more than that is an attack: Linux's limit too */
#define XSP_NET_MAX_BYTES  0xffffu /* of a packet; `size` is 16 bits */
#define XSP_NET_MAX_EXTRAS 8u      /* in one chain; there are five types */

enum xsp_net_tx_flag {
	XSP_NET_TX_CSUM_BLANK = 1,     /* the protocol checksum is the pseudo header's only */
	XSP_NET_TX_DATA_VALIDATED = 2, /* the protocol checksum is known to be good */
	XSP_NET_TX_MORE_DATA = 4,      /* another fragment follows */
	XSP_NET_TX_EXTRA_INFO = 8,     /* extras follow, before the next fragment */
};

enum xsp_net_rx_flag { /* not the numbers of transmit */
	XSP_NET_RX_DATA_VALIDATED = 1,
	XSP_NET_RX_CSUM_BLANK = 2,
	XSP_NET_RX_MORE_DATA = 4,
	XSP_NET_RX_EXTRA_INFO = 8,
	XSP_NET_RX_GSO_PREFIX = 16, /* deprecated; never written here */
};

enum xsp_net_status {
	XSP_NET_NULL = 1, /* transmit: answers a slot that held an extra */
	XSP_NET_OKAY = 0,
	XSP_NET_ERROR = -1,
	XSP_NET_DROPPED = -2,
};

/* First fragment: size is that of the whole packet. Later ones: of the fragment. */
struct xsp_net_tx_req {
	uint32_t gref;
	uint16_t offset;
	uint16_t flags; /* enum xsp_net_tx_flag; on the first fragment, MORE_DATA on the later ones too */
	uint16_t id;
	uint16_t size;
};
static_assert(sizeof(struct xsp_net_tx_req) == 12, "netif_tx_request");

struct xsp_net_tx_rsp {
	uint16_t id;
	int16_t status; /* enum xsp_net_status */
};
static_assert(sizeof(struct xsp_net_tx_rsp) == 4, "netif_tx_response; the slot's rest stays");

struct xsp_net_rx_req {
	uint16_t id;
	uint16_t pad;
	uint32_t gref;
};
static_assert(sizeof(struct xsp_net_rx_req) == 8, "netif_rx_request");

struct xsp_net_rx_rsp {
	uint16_t id;
	uint16_t offset;
	uint16_t flags; /* enum xsp_net_rx_flag */
	int16_t status; /* bytes of this fragment, or enum xsp_net_status (negative) */
};
static_assert(sizeof(struct xsp_net_rx_rsp) == 8, "netif_rx_response");

enum xsp_net_extra_type {
	XSP_NET_EXTRA_NONE = 0, /* invalid */
	XSP_NET_EXTRA_GSO = 1,
	XSP_NET_EXTRA_MCAST_ADD = 2,
	XSP_NET_EXTRA_MCAST_DEL = 3,
	XSP_NET_EXTRA_HASH = 4,
	XSP_NET_EXTRA_XDP = 5, /* Linux only */
	XSP_NET_EXTRA_TYPES = 6,
};
#define XSP_NET_EXTRA_MORE 1u /* flag: another extra follows */

enum xsp_net_gso_type {
	XSP_NET_GSO_NONE = 0,
	XSP_NET_GSO_TCPV4 = 1,
	XSP_NET_GSO_TCPV6 = 2,
};

/* In a slot of either ring: in a transmit slot four bytes of padding follow. */
struct xsp_net_extra {
	uint8_t type;
	uint8_t flags;
	union {
		struct {
			uint16_t size; /* payload of each segment */
			uint8_t type;  /* enum xsp_net_gso_type */
			uint8_t pad;
			uint16_t features; /* 0 */
		} gso;
		struct {
			uint8_t addr[6];
		} mcast;
		struct {
			uint8_t type;      /* number of the bit in enum xsp_net_hash_type */
			uint8_t algorithm; /* enum xsp_net_hash_algorithm */
			uint8_t value[4];  /* little endian */
		} hash;
		struct {
			uint16_t headroom;
			uint16_t pad[2];
		} xdp;
		uint16_t pad[3];
	} u;
};
static_assert(sizeof(struct xsp_net_extra) == 8, "netif_extra_info");

/* --- control ring ------------------------------------------------------------------------------ */

enum xsp_net_ctrl_type {
	XSP_NET_CTRL_INVALID = 0,
	XSP_NET_CTRL_GET_HASH_FLAGS = 1,
	XSP_NET_CTRL_SET_HASH_FLAGS = 2,
	XSP_NET_CTRL_SET_HASH_KEY = 3,
	XSP_NET_CTRL_GET_HASH_MAPPING_SIZE = 4,
	XSP_NET_CTRL_SET_HASH_MAPPING_SIZE = 5,
	XSP_NET_CTRL_SET_HASH_MAPPING = 6,
	XSP_NET_CTRL_SET_HASH_ALGORITHM = 7,
	XSP_NET_CTRL_GET_GREF_MAPPING_SIZE = 8,
	XSP_NET_CTRL_ADD_GREF_MAPPING = 9,
	XSP_NET_CTRL_DEL_GREF_MAPPING = 10,
};

enum xsp_net_ctrl_status {
	XSP_NET_CTRL_SUCCESS = 0,
	XSP_NET_CTRL_NOT_SUPPORTED = 1,
	XSP_NET_CTRL_INVALID_PARAMETER = 2,
	XSP_NET_CTRL_BUFFER_OVERFLOW = 3,
};

enum xsp_net_hash_algorithm {
	XSP_NET_HASH_NONE = 0,
	XSP_NET_HASH_TOEPLITZ = 1,
};

enum xsp_net_hash_type { /* bits */
	XSP_NET_HASH_IPV4 = 1,
	XSP_NET_HASH_IPV4_TCP = 2,
	XSP_NET_HASH_IPV6 = 4,
	XSP_NET_HASH_IPV6_TCP = 8,
};

struct xsp_net_ctrl_req {
	uint16_t id;
	uint16_t type; /* enum xsp_net_ctrl_type */
	uint32_t data[3];
};
static_assert(sizeof(struct xsp_net_ctrl_req) == 16, "xen_netif_ctrl_request");

struct xsp_net_ctrl_rsp {
	uint16_t id;
	uint16_t type;   /* the request's */
	uint32_t status; /* enum xsp_net_ctrl_status */
	uint32_t data;
};
static_assert(sizeof(struct xsp_net_ctrl_rsp) == 12, "xen_netif_ctrl_response");

/* An entry of the table that ADD and DEL_GREF_MAPPING point to, in a granted page. */
struct xsp_net_gref {
	uint32_t ref;
	uint16_t flags;  /* XSP_NET_GREF_READONLY */
	uint16_t status; /* out, of DEL only: enum xsp_net_ctrl_status */
};
static_assert(sizeof(struct xsp_net_gref) == 8, "xen_netif_gref");
#define XSP_NET_GREF_READONLY  1u
#define XSP_NET_GREFS_PER_PAGE 512u

/* --- back half --------------------------------------------------------------------------------- */
/*
 * Each take wants a request that xsp_ring_back_pending counted; what it copied is the guest's and
 * has to be checked. Each slot taken is answered once, in the order of taking; xsp_ring_back_push
 * publishes. No shared byte is read twice.
 */

/**
 * xsp_net_back_fetch_tx, xsp_net_back_fetch_rx - the next @n requests are about to be taken
 *
 * Asks for all their cache lines at once, so that their transfers from the guest's processor overlap, and
 * for writing, since they are answered in the same batch: each crosses once. Never more than are pending:
 * a slot that the frontend is writing would be torn from its hands.
 */
void xsp_net_back_fetch_tx(const struct xsp_ring_back *r, uint32_t n);
void xsp_net_back_fetch_rx(const struct xsp_ring_back *r, uint32_t n);

/** xsp_net_back_take_tx - copy the next transmit request out of the ring */
void xsp_net_back_take_tx(struct xsp_ring_back *r, struct xsp_net_tx_req *req);

/* A chain of extras as it was found. */
struct xsp_net_extras {
	struct xsp_net_extra of[XSP_NET_EXTRA_TYPES]; /* by type; of one that comes twice the last */
	uint8_t have;                                 /* bit 1 << type */
	uint8_t slots;                                /* how many slots the chain had, to be answered */
	bool unknown;                                 /* one had a type that isn't known */
};

/**
 * xsp_net_back_take_extras - copy a chain of extras behind a transmit request with EXTRA_INFO
 * @pending: slots that may still be taken
 *
 * Returns 0, or -EPROTO when the chain doesn't end within @pending or XSP_NET_MAX_EXTRAS: the guest
 * is broken or hostile. ret->slots is right in any case.
 */
int xsp_net_back_take_extras(struct xsp_ring_back *r, uint32_t pending, struct xsp_net_extras *ret);

/** xsp_net_back_respond_tx - answer the next slot; XSP_NET_NULL for a slot that held an extra */
void xsp_net_back_respond_tx(struct xsp_ring_back *r, uint16_t id, int16_t status);

/** xsp_net_back_take_rx - copy the next receive request (an empty page of the guest's) */
void xsp_net_back_take_rx(struct xsp_ring_back *r, struct xsp_net_rx_req *req);

/**
 * xsp_net_back_respond_rx - answer the oldest unanswered receive request
 * @rsp: with that request's id
 */
void xsp_net_back_respond_rx(struct xsp_ring_back *r, const struct xsp_net_rx_rsp *rsp);

/**
 * xsp_net_back_respond_rx_extra - use up the oldest unanswered receive request for an extra
 *
 * Its page stays unused; the frontend knows from the slot which one that was.
 */
void xsp_net_back_respond_rx_extra(struct xsp_ring_back *r, const struct xsp_net_extra *extra);

/** xsp_net_back_take_ctrl - copy the next control request */
void xsp_net_back_take_ctrl(struct xsp_ring_back *r, struct xsp_net_ctrl_req *req);

/** xsp_net_back_respond_ctrl - answer it */
void xsp_net_back_respond_ctrl(struct xsp_ring_back *r, const struct xsp_net_ctrl_rsp *rsp);

/* --- front half -------------------------------------------------------------------------------- */
/* Each put wants xsp_ring_front_free() > 0, each take a response that xsp_ring_front_pending counted. */

/** xsp_net_front_put_tx - write the next transmit request; xsp_ring_front_push publishes */
void xsp_net_front_put_tx(struct xsp_ring_front *r, const struct xsp_net_tx_req *req);

/** xsp_net_front_put_extra - write an extra into the next transmit slot */
void xsp_net_front_put_extra(struct xsp_ring_front *r, const struct xsp_net_extra *extra);

/** xsp_net_front_take_tx - copy the next transmit response out of the ring */
void xsp_net_front_take_tx(struct xsp_ring_front *r, struct xsp_net_tx_rsp *rsp);

/** xsp_net_front_put_rx - write the next receive request */
void xsp_net_front_put_rx(struct xsp_ring_front *r, const struct xsp_net_rx_req *req);

/* What a receive slot holds: which of the two says the slot before it. */
union xsp_net_rx_slot {
	struct xsp_net_rx_rsp rsp;
	struct xsp_net_extra extra;
};

/** xsp_net_front_take_rx - copy the next receive response. Returns its slot, 0..255. */
uint32_t xsp_net_front_take_rx(struct xsp_ring_front *r, union xsp_net_rx_slot *ret);

/** xsp_net_front_put_ctrl - write the next control request */
void xsp_net_front_put_ctrl(struct xsp_ring_front *r, const struct xsp_net_ctrl_req *req);

/** xsp_net_front_take_ctrl - copy the next control response */
void xsp_net_front_take_ctrl(struct xsp_ring_front *r, struct xsp_net_ctrl_rsp *rsp);

/* --- for tests: where a slot lies --------------------------------------------------------------- */

#define XSP_NET_TX_AHEAD 16u /* slots, three cache lines */
static inline void *xsp_net_tx_slot(struct xsp_sring *s, uint32_t index)
{
	return (uint8_t *)(s + 1) + (index & (XSP_NET_TX_SLOTS - 1)) * sizeof(struct xsp_net_tx_req);
}

static inline void *xsp_net_rx_slot(struct xsp_sring *s, uint32_t index)
{
	return (uint8_t *)(s + 1) + (index & (XSP_NET_RX_SLOTS - 1)) * sizeof(struct xsp_net_rx_req);
}

static inline void *xsp_net_ctrl_slot(struct xsp_sring *s, uint32_t index)
{
	return (uint8_t *)(s + 1) +
	       (index & (XSP_NET_CTRL_SLOTS - 1)) * sizeof(struct xsp_net_ctrl_req);
}

#endif
