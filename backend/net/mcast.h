/* SPDX-License-Identifier: MIT */
/*
 * The multicast addresses that a guest asked for, of one device. Its queues may be on different workers
 * and each may change it: it has a lock, taken only for multicast packets of a guest that filters.
 *
 * Source: xen/include/public/io/netif.h "feature-multicast-control".
 */
#ifndef XSP_BACKEND_NET_MCAST_H
#define XSP_BACKEND_NET_MCAST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XSP_MCASTS 64u /* as many as Linux's netback has */

struct xsp_mcast {
	pthread_mutex_t lock;
	bool on; /* atomic: the guest asked for filtering */
	bool changed; /* atomic: the list, since somebody asked */
	uint32_t n;
	uint8_t addr[XSP_MCASTS][6];
};

void xsp_mcast_init(struct xsp_mcast *m);
void xsp_mcast_fini(struct xsp_mcast *m);

/** xsp_mcast_clear - a new guest: no address; on: filter */
void xsp_mcast_clear(struct xsp_mcast *m, bool on);

/** xsp_mcast_set - filter from now on, or no more; any thread */
void xsp_mcast_set(struct xsp_mcast *m, bool on);

/** xsp_mcast_add - let packets to it through; false: the list is full. Any thread */
bool xsp_mcast_add(struct xsp_mcast *m, const uint8_t *addr);

/** xsp_mcast_del - no more; any thread */
void xsp_mcast_del(struct xsp_mcast *m, const uint8_t *addr);

/** xsp_mcast_count - how many addresses; any thread */
uint32_t xsp_mcast_count(struct xsp_mcast *m);

/** xsp_mcast_changed - has the list changed since it was asked with `seen`? Any thread */
bool xsp_mcast_changed(struct xsp_mcast *m, bool seen);

/** xsp_mcast_text - the list as "00163e000001 ..", at most 13 bytes each; any thread */
void xsp_mcast_text(struct xsp_mcast *m, char *text, size_t len);

/** xsp_mcast_parse - add what such a text has; store thread */
void xsp_mcast_parse(struct xsp_mcast *m, const char *text);

/** xsp_mcast_passes - may a frame to this address go to the guest? Any thread */
bool xsp_mcast_passes(struct xsp_mcast *m, const uint8_t *to);

#endif
