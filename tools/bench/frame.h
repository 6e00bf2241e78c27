/* SPDX-License-Identifier: MIT */
/*
 * The frames of the network benchmark: Ethernet, IPv4 and UDP, or TCP to be segmented when they are larger
 * than a wire takes; a number in each tells the receiver what is missing. Only the first FRAME_HEAD
 * bytes are written for each frame: the rest is whatever lies in the buffer, as other generators do.
 */
#ifndef XSP_BENCH_FRAME_H
#define XSP_BENCH_FRAME_H

#include <string.h>

#include "common/net/headers.h"
#include "frontend/user/xensplit-nic.h"

#define FRAME_MIN   64u
#define FRAME_WIRE  1514u  /* larger ones are TCP packets that are not cut yet */
#define FRAME_MOST  65535u /* what a netif request can say */
#define FRAME_HEAD  64u
#define FRAME_MSS   1448u

struct frame {
	uint8_t head[FRAME_HEAD];
	uint32_t bytes, payload; /* payload: where the number is */
	struct xsp_nic_meta meta;
	struct xsp_vnet vnet; /* the same for a TAP or a packet socket */
};

/** frame_make - a frame of so many bytes, FRAME_MIN to FRAME_MOST */
void frame_make(struct frame *f, const uint8_t to[6], const uint8_t from[6], uint32_t bytes);

/** frame_write - its head with a number, into at least FRAME_HEAD bytes */
static inline void frame_write(const struct frame *f, void *to, uint32_t number)
{
	memcpy(to, f->head, FRAME_HEAD);
	memcpy((uint8_t *)to + f->payload, &number, sizeof(number));
}

/** frame_read - is this one of f's, whole and with its offloads? Then its number */
bool frame_read(const struct frame *f, const void *head, uint32_t have, uint32_t *ret_number);

#endif
