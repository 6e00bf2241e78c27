/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Between shared and private memory a word at a time: each shared word is accessed exactly once, by
 * an access the compiler may not repeat (a memcpy it may), and for the dozen words of a slot this is
 * quicker than a call. The shared side is aligned to the word; bytes are a multiple of it. (The order
 * between processors is made by the ring's indices.) For ring/ only.
 *
 * A store reads the private words: of a struct whose smaller fields were written just before, that
 * waits for all of these writes. Where it matters (blkif.h) the words are put together in registers.
 */
#ifndef XSP_RING_WORDS_H
#define XSP_RING_WORDS_H

#include <xsp/env.h>

static inline void xsp_load64s(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t w = xsp_load((const uint64_t *)((const uint8_t *)from + i));

		memcpy((uint8_t *)to + i, &w, 8);
	}
}

static inline void xsp_load32s(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4) {
		uint32_t w = xsp_load((const uint32_t *)((const uint8_t *)from + i));

		memcpy((uint8_t *)to + i, &w, 4);
	}
}

static inline void xsp_store64s(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t w;

		memcpy(&w, (const uint8_t *)from + i, 8);
		xsp_store((uint64_t *)((uint8_t *)to + i), w);
	}
}

static inline void xsp_store32s(void *to, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4) {
		uint32_t w;

		memcpy(&w, (const uint8_t *)from + i, 4);
		xsp_store((uint32_t *)((uint8_t *)to + i), w);
	}
}

#endif
