/* SPDX-License-Identifier: MIT */
/*
 * The host's side of an interface in the network benchmark: a packet socket that sends and receives
 * whole frames, with their vnet header, and the interface's own counter of what came.
 */
#ifndef XSP_BENCH_WIRE_H
#define XSP_BENCH_WIRE_H

#include "tools/bench/frame.h"

#define WIRE_BATCH 32u

struct wire {
	int fd;
	uint8_t head[WIRE_BATCH][FRAME_HEAD];
};

/** wire_open - @listen: take what comes, too (it costs the kernel a copy of each); 0 or -errno */
int wire_open(struct wire *w, const char *ifname, bool listen);
void wire_close(struct wire *w);

/**
 * wire_send - up to @n frames, WIRE_BATCH at most, numbered from @number; never waits
 *
 * Returns how many went, or -errno.
 */
int wire_send(struct wire *w, const struct frame *f, uint32_t number, unsigned int n);

/** wire_take - the next of @f's frames that came: 1 and its number, 0: none now, or -errno */
int wire_take(struct wire *w, const struct frame *f, uint32_t *ret_number);

/** wire_received - frames that the interface got from its owner since it was made; 0: no such */
uint32_t wire_received(const char *ifname);

/** wire_dropped - frames that it dropped on the way to its owner */
uint32_t wire_dropped(const char *ifname);

#endif
