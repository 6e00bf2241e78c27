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
#include <stdint.h>

#define XSP_MCASTS 64u /* as many as Linux's netback has */

struct xsp_mcast {
	pthread_mutex_t lock;
	bool on; /* atomic: the guest asked for filtering */
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

/** xsp_mcast_passes - may a frame to this address go to the guest? Any thread */
bool xsp_mcast_passes(struct xsp_mcast *m, const uint8_t *to);

#endif
