/* SPDX-License-Identifier: MIT */
/*
 * A device's packets for somebody who watches: pcap records into a socket of theirs, a message each.
 * The socket's own buffer is the bound: when the watcher is slow, records are dropped and counted,
 * packets never wait. One watcher a device. Its lock is taken only while somebody watches.
 *
 * Source: the pcap file format (draft-ietf-opsawg-pcap): nanosecond timestamps, link type Ethernet.
 */
#ifndef XSP_BACKEND_NET_CAPTURE_H
#define XSP_BACKEND_NET_CAPTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/net/headers.h"

#define XSP_CAPTURE_MAX 65535u /* bytes kept of a packet */

struct xsp_capture {
	int fd; /* atomic: -1: nobody watches */
	pthread_mutex_t lock;
	uint32_t snaplen;
	uint64_t dropped;
	uint8_t *room; /* a record's, while somebody watches */
};

void xsp_capture_init(struct xsp_capture *c);
void xsp_capture_fini(struct xsp_capture *c);

/**
 * xsp_capture_start - send records to whoever listens at a socket (SOCK_SEQPACKET) from now on
 *
 * Any thread but a worker. Returns 0, -EBUSY (somebody watches already), -ENAMETOOLONG, -ENOMEM or
 * what connecting said.
 */
int xsp_capture_start(struct xsp_capture *c, const char *path, uint32_t snaplen);

/* A packet as it passes; a blank checksum of one that is not to be cut is filled in. Worker's thread. */
void xsp_capture_write(struct xsp_capture *c, const uint8_t *data, uint32_t len,
		       const struct xsp_vnet *v);

/* Is anybody watching? Any thread. */
static inline bool xsp_capture_on(const struct xsp_capture *c)
{
	return __atomic_load_n(&c->fd, __ATOMIC_RELAXED) >= 0;
}

static inline void xsp_capture(struct xsp_capture *c, const uint8_t *data, uint32_t len,
			       const struct xsp_vnet *v)
{
	if (xsp_capture_on(c))
		xsp_capture_write(c, data, len, v);
}

#endif
