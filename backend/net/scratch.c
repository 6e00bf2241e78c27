/* SPDX-License-Identifier: MIT */
/* A worker's room for packets: see scratch.h. */
#include "backend/net/scratch.h"

#include <stdlib.h>
#include <sys/mman.h>

#define BYTES ((size_t)XSP_NET_BATCH * XSP_PACKET_BYTES)

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
		s->packet[i].data = s->data + (size_t)i * XSP_PACKET_BYTES;
	w->net = s;
	return s;
}

void xsp_net_scratch_free(struct xsp_net_scratch *s)
{
	if (!s)
		return;
	munmap(s->data, BYTES);
	free(s);
}
