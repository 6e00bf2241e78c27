/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user front end with one split virtqueue: as much as the disk benchmark needs to put load on a
 * vhost-user-blk server. The server is trusted: it is one that the benchmark has started.
 *
 * Source: QEMU's docs/interop/vhost-user.rst; Virtual I/O Device 1.1, 2.6 (split virtqueues), 5.2.
 */
#ifndef XSP_BENCH_VHOST_H
#define XSP_BENCH_VHOST_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>

struct vhost {
	int sock, memfd, kick, call;
	uint8_t *mem; /* shared: queue, headers, states, buffers */
	uint64_t bytes;
	uint16_t size; /* of the queue: a request takes three descriptors */
	uint16_t seen; /* answers taken */
	uint16_t put;  /* requests written, not yet shown */
	struct vring v;
	struct virtio_blk_outhdr *head; /* of each request */
	uint8_t *state;
	uint8_t *buf;
};

/** vhost_open - connect to the server at @path, with @depth requests (1..256) and so much buffer; 0 or -errno */
int vhost_open(struct vhost *h, const char *path, uint16_t depth, uint64_t buf_bytes);

/** vhost_put - request @i (not under way) on so many bytes at h->buf + @at; vhost_push shows all that were put */
void vhost_put(struct vhost *h, uint16_t i, bool write, uint64_t offset, uint64_t at, uint32_t bytes);
void vhost_push(struct vhost *h);

/** vhost_get - requests that were answered, at most @max; returns how many */
unsigned int vhost_get(struct vhost *h, uint16_t *ret, unsigned int max);

/** vhost_quiet - ask for no call; vhost_sleep - wait for one, unless there is an answer already */
void vhost_quiet(struct vhost *h);
void vhost_sleep(struct vhost *h);

#endif
