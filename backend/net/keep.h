/* SPDX-License-Identifier: MIT */
/*
 * What a guest has set over its control ring, as a later daemon needs it: hash settings and static
 * grants (the multicast list keeps itself, mcast.h). Queues change it on their worker; the store thread
 * writes it down (vif_keep.c) and reads it back, so it is a copy with a lock of its own.
 */
#ifndef XSP_BACKEND_NET_KEEP_H
#define XSP_BACKEND_NET_KEEP_H

#include <pthread.h>

#include "backend/net/hash.h"

#define XSP_KEEP_QUEUES 16u
#define XSP_KEEP_TEXT   1024u /* room for a hash's settings as text */

struct xsp_netkeep {
	pthread_mutex_t lock;
	bool changed; /* atomic: since it was written down */
	struct xsp_net_hash hash;
	uint32_t n_statics[XSP_KEEP_QUEUES];
	struct xsp_net_gref *statics[XSP_KEEP_QUEUES]; /* room for XSP_STATICS, or NULL */
};

void xsp_keep_init(struct xsp_netkeep *k);
void xsp_keep_fini(struct xsp_netkeep *k);

/** xsp_keep_clear - a new guest has set nothing; store thread, no queue runs */
void xsp_keep_clear(struct xsp_netkeep *k);

/** xsp_keep_hash - the guest has changed it; any thread */
void xsp_keep_hash(struct xsp_netkeep *k, const struct xsp_net_hash *h);

/** xsp_keep_statics - these n (at most XSP_STATICS) are what is mapped for a queue now; any thread */
void xsp_keep_statics(struct xsp_netkeep *k, uint32_t queue, const struct xsp_net_gref *list, uint32_t n);

/** xsp_keep_statics_get - a copy; list has room for XSP_STATICS. How many; any thread */
uint32_t xsp_keep_statics_get(struct xsp_netkeep *k, uint32_t queue, struct xsp_net_gref *list);

/* As text in XenStore: to and from. From: 0, or -EINVAL, and *h is as before. */
void xsp_keep_hash_text(const struct xsp_net_hash *h, char text[XSP_KEEP_TEXT]);
int xsp_keep_hash_parse(const char *text, uint32_t n_queues, struct xsp_net_hash *h);

/**
 * xsp_keep_statics_text - as many of the n grants as fit, "1a 1b 1cr", r: read-only
 *
 * Returns how many.
 */
uint32_t xsp_keep_statics_text(const struct xsp_net_gref *list, uint32_t n, char *text, size_t len);

/** xsp_keep_statics_parse - up to max grants; how many, or -EINVAL */
int xsp_keep_statics_parse(const char *text, struct xsp_net_gref *list, uint32_t max);

#endif
