/* SPDX-License-Identifier: MIT */
/*
 * Packets on their way from one worker to another: a bounded queue with a descriptor that is readable
 * while something is in it. What doesn't fit is dropped by whoever brings it, so a guest that takes
 * nothing costs this much memory and no more (XSA-392).
 */
#ifndef XSP_BACKEND_PORT_INBOX_H
#define XSP_BACKEND_PORT_INBOX_H

#include <pthread.h>

#include "backend/port/port.h"

#define XSP_INBOX_BYTES (512u << 10)

struct xsp_inbox {
	pthread_mutex_t lock;
	int fd; /* eventfd */
	uint8_t *ring; /* XSP_INBOX_BYTES */
	uint32_t head, tail, used; /* used: bytes, with what is skipped at the end */
};

/** xsp_inbox_init - empty; 0 or -errno */
int xsp_inbox_init(struct xsp_inbox *b);
void xsp_inbox_fini(struct xsp_inbox *b);

/** xsp_inbox_put - a copy of a packet; false: no room. Any thread */
bool xsp_inbox_put(struct xsp_inbox *b, const uint8_t *data, uint32_t len, const struct xsp_vnet *v);

/** xsp_inbox_is_empty - nothing waits in it; any thread */
bool xsp_inbox_is_empty(struct xsp_inbox *b);

/** xsp_inbox_take - up to n packets, in the order they came; how many. Its end's worker */
unsigned int xsp_inbox_take(struct xsp_inbox *b, struct xsp_packet *p, unsigned int n);

#endif
