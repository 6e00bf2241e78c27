/* SPDX-License-Identifier: MIT */
/* A worker's room for packets: see scratch.h. */
#include "backend/net/scratch.h"

#include <stdlib.h>
#include <sys/mman.h>

#define ROOM  ((size_t)XSP_PACKET_BYTES + XSP_PAGE_SIZE) /* a packet, wherever in a page it begins */
#define BYTES (XSP_NET_BATCH * ROOM)

struct xsp_net_scratch *xsp_net_scratch_get(struct xsp_worker *w)
{
	struct xsp_net_scratch *s = w->net;
	void *data;

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	data = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (!s || data == MAP_FAILED) {
		if (data != MAP_FAILED)
			munmap(data, BYTES);
		free(s);
		return NULL;
	}
	s->data = data;
	for (unsigned int i = 0; i < XSP_NET_BATCH; i++)
		s->packet[i].data = s->data + i * ROOM;
	w->net = s;
	return s;
}

static uint8_t *room_of(const struct xsp_packet *p)
{
	return (uint8_t *)((uintptr_t)p->data & ~(uintptr_t)(XSP_PAGE_SIZE - 1));
}

void xsp_net_scratch_align(struct xsp_net_scratch *s)
{
	for (uint32_t i = 0; i < s->tx.n_packets; i++) {
		const struct xsp_tx_packet *p = &s->tx.packet[i];
		const struct xsp_tx_seg *seg = &s->tx.seg[p->first_seg];
		uint32_t begin = p->n_segs > 1 ? (uint32_t)seg[1].offset - seg[0].len : 0;

		s->packet[i].data = room_of(&s->packet[i]) + begin % XSP_PAGE_SIZE;
	}
}

void xsp_net_scratch_level(struct xsp_net_scratch *s)
{
	for (uint32_t i = 0; i < XSP_NET_BATCH; i++)
		s->packet[i].data = room_of(&s->packet[i]);
}

void xsp_net_scratch_free(struct xsp_net_scratch *s)
{
	if (!s)
		return;
	munmap(s->data, BYTES);
	free(s);
}
