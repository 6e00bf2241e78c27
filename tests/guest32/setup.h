/* SPDX-License-Identifier: MIT */
/* What host.c (64 bit) tells child.c (32 bit): words only, so that both see the same layout. */
#ifndef XSP_TESTS_GUEST32_SETUP_H
#define XSP_TESTS_GUEST32_SETUP_H

#include <stdint.h>

#define DATA_PAGES 64

/*
 * On descriptor 3, once. The guest's memory is descriptor 4, mapped page by page; a byte written to 5
 * sends an event, one that comes on 6 is an event.
 */
struct setup {
	uint32_t ring_pages, requests, seed, discard; /* discard: bytes of a unit, 0: none */
	uint32_t indirect;                            /* segments, 0: none */
	uint32_t ring_at[16], data_at[DATA_PAGES];    /* page numbers in the guest's memory */
	uint32_t gref[DATA_PAGES];
};

#define FD_SETUP  3
#define FD_MEMORY 4
#define FD_KICK   5
#define FD_WAKE   6

#endif
