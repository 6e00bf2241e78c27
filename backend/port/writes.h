/* SPDX-License-Identifier: MIT */
/*
 * Many packets into one descriptor by one system call. What is saved is not the call's own time but
 * what happens on the way back from each: a packet may have woken its reader, and a reader that is
 * run at once finds one packet, sleeps again, and is woken by the next. One context switch a batch
 * instead of one a packet; the kernel's own backends have it so, delivering from a soft interrupt.
 */
#ifndef XSP_BACKEND_WRITES_H
#define XSP_BACKEND_WRITES_H

#include "backend/port/port.h"

struct xsp_writes;

/** xsp_writes_get - the worker's, made when first asked for; worker's thread. NULL: it has none */
struct xsp_writes *xsp_writes_get(struct xsp_worker *w);

/** xsp_writes_free - NULL is fine; any thread, when the worker's is gone */
void xsp_writes_free(struct xsp_writes *s);

/**
 * xsp_writes_packets - write n packets, each behind its vnet header; sets `lost` in each
 * @s: NULL: a call for each packet
 * @fd: never blocks
 *
 * Worker's thread.
 */
void xsp_writes_packets(struct xsp_writes *s, int fd, struct xsp_packet *p, unsigned int n);

#endif
