/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the two sides of a vbd tell each other through the store, as arrays of key and value: the
 * host reads and writes them, this file gives them meaning and checks every range. No I/O, no libc.
 *
 * A missing key means what the specification says it means. A key that holds no number, or one out
 * of range, is an error that names the key: a disk of a guessed size is worse than none.
 *
 * Source: xen/include/public/io/blkif.h "Backend XenBus Nodes", "Frontend XenBus Nodes".
 */
#ifndef XSP_BLKKEYS_H
#define XSP_BLKKEYS_H

#include "frontend/core/keytext.h"
#include "ring/dialect.h"

#define XSP_BLK_MAX_QUEUES 16u

/* What the backend can do; it says so before its state 2. */
struct xsp_blk_offer {
	uint32_t max_order;    /* 0..XSP_RING_MAX_ORDER, whatever larger figure it says */
	uint32_t max_queues;   /* 1..XSP_BLK_MAX_QUEUES */
	uint32_t max_indirect; /* segments in an indirect request; 0: none */
};

/* The disk; the backend says this before its state 4. */
struct xsp_blk_disk {
	uint64_t sectors;              /* of 512 bytes each */
	uint32_t sector_size;          /* bytes; requests are multiples of it: 512..4096, power of two */
	uint32_t physical_sector_size; /* bytes; a hint */
	uint32_t discard_granularity;  /* bytes */
	uint32_t discard_alignment;    /* bytes */
	bool readonly, cdrom, removable;
	bool flush, barrier, discard, discard_secure;
	bool persistent; /* the backend keeps grants mapped */
};

/* What we tell the backend when we publish our rings. */
struct xsp_blk_params {
	unsigned int order;  /* of each queue's ring */
	unsigned int queues; /* 1..XSP_BLK_MAX_QUEUES */
	bool persistent;     /* we use each page again and again under the same grant */
	bool large_sector;   /* we count everything in the backend's sector-size (ring/dialect.h) */
	struct {
		uint32_t port;                           /* event channel */
		uint32_t gref[1u << XSP_RING_MAX_ORDER]; /* 1 << order of them */
	} queue[XSP_BLK_MAX_QUEUES];
};

/* The keys that the two functions below look at: read these and no others. */
extern const char *const xsp_blk_offer_keys[];
extern const unsigned int xsp_blk_offer_keys_count;
extern const char *const xsp_blk_disk_keys[];
extern const unsigned int xsp_blk_disk_keys_count;

/**
 * xsp_blk_offer_from_keys - parse what the backend can do
 * @ret_bad: on -EINVAL or -ERANGE the key that is wrong; may be NULL
 */
int xsp_blk_offer_from_keys(const struct xsp_key *keys, unsigned int n, struct xsp_blk_offer *ret,
			    const char **ret_bad);

/**
 * xsp_blk_disk_from_keys - parse what the disk is
 * @units: what this backend counts `sectors` in (xsp_blk_dialect_units)
 *
 * Returns 0, -ENOENT (`sectors` is missing), -EINVAL (no number) or -ERANGE; *ret is untouched then.
 */
int xsp_blk_disk_from_keys(const struct xsp_key *keys, unsigned int n, enum xsp_blk_units units,
			   struct xsp_blk_disk *ret, const char **ret_bad);

/**
 * xsp_blk_keys_from_params - the keys to write, in one transaction with state 3
 * @out: room for @max keys; 5 + queues * (2^order + 1) are enough
 *
 * Returns how many, or -EINVAL / -ENOSPC.
 */
int xsp_blk_keys_from_params(const struct xsp_blk_params *p, struct xsp_key_out *out,
			     unsigned int max);

#endif
