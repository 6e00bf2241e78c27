/* SPDX-License-Identifier: MIT */
/* A bounded queue of packets between workers: see inbox.h. */
#include "backend/port/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A record: this, then the packet, whole in one piece; len 0: go on at the ring's start. */
struct record {
	uint32_t len;
	struct xsp_vnet vnet;
};

static uint32_t bytes_of(uint32_t len)
{
	return (uint32_t)(sizeof(struct record) + len + 7) & ~7u;
}

int xsp_inbox_init(struct xsp_inbox *b)
{
	*b = (struct xsp_inbox){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (b->fd < 0)
		return -errno;
	b->ring = malloc(XSP_INBOX_BYTES);
	if (!b->ring) {
		close(b->fd);
		return -ENOMEM;
	}
	pthread_mutex_init(&b->lock, NULL);
	return 0;
}

void xsp_inbox_fini(struct xsp_inbox *b)
{
	pthread_mutex_destroy(&b->lock);
	close(b->fd);
	free(b->ring);
}

/* With the lock held: where a record of so many bytes goes, or NULL. */
static struct record *room(struct xsp_inbox *b, uint32_t bytes)
{
	uint32_t to_end = XSP_INBOX_BYTES - b->tail, skip = to_end < bytes ? to_end : 0;
	struct record *r;

	if (bytes + skip > XSP_INBOX_BYTES - b->used)
		return NULL;
	if (skip) {
		if (to_end >= sizeof(*r))
			((struct record *)(void *)(b->ring + b->tail))->len = 0;
		b->tail = 0;
	}
	r = (struct record *)(void *)(b->ring + b->tail);
	b->used += bytes + skip;
	b->tail = (b->tail + bytes) % XSP_INBOX_BYTES;
	return r;
}

bool xsp_inbox_put(struct xsp_inbox *b, const uint8_t *data, uint32_t len, const struct xsp_vnet *v)
{
	uint64_t one = 1;
	struct record *r;
	bool was_empty;
	ssize_t n;

	pthread_mutex_lock(&b->lock);
	was_empty = !b->used;
	r = len && len <= XSP_PACKET_BYTES ? room(b, bytes_of(len)) : NULL;
	if (r) {
		*r = (struct record){ .len = len, .vnet = *v };
		memcpy(r + 1, data, len);
		if (was_empty) {
			n = write(b->fd, &one, sizeof(one));
			(void)n; /* it can only be readable already */
		}
	}
	pthread_mutex_unlock(&b->lock);
	return r != NULL;
}

bool xsp_inbox_is_empty(struct xsp_inbox *b)
{
	bool empty;

	pthread_mutex_lock(&b->lock);
	empty = !b->used;
	pthread_mutex_unlock(&b->lock);
	return empty;
}

/* With the lock held and something in it: the oldest record. */
static struct record *oldest(struct xsp_inbox *b)
{
	uint32_t to_end = XSP_INBOX_BYTES - b->head;
	struct record *r = (struct record *)(void *)(b->ring + b->head);

	if (to_end >= sizeof(*r) && r->len)
		return r;
	b->used -= to_end;
	b->head = 0;
	return (struct record *)(void *)b->ring;
}

unsigned int xsp_inbox_take(struct xsp_inbox *b, struct xsp_packet *p, unsigned int n)
{
	unsigned int got = 0;
	uint64_t count;
	ssize_t r;

	pthread_mutex_lock(&b->lock);
	for (; got < n && b->used; got++) {
		const struct record *rec = oldest(b);
		uint32_t bytes = bytes_of(rec->len);

		p[got].len = rec->len;
		p[got].vnet = rec->vnet;
		memcpy(p[got].data, rec + 1, rec->len);
		b->head = (b->head + bytes) % XSP_INBOX_BYTES;
		b->used -= bytes;
	}
	if (!b->used) {
		b->head = b->tail = 0;
		r = read(b->fd, &count, sizeof(count));
		(void)r; /* nothing to read: it was empty before */
	}
	pthread_mutex_unlock(&b->lock);
	return got;
}
