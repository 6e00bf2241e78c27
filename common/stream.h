/* SPDX-License-Identifier: MIT */
/*
 * Data for another processor: stores that go past this one's cache. Pages that a guest is about to
 * read have no use here, and a line that is dirty in one processor's cache is what the other waits for
 * longest: measured between two processors, pages filled like this are read 1.6 times as fast when both
 * share a cache and 7 times as fast when they don't (docs/performance.md).
 *
 * Not for data that this processor reads again, nor for less than a line.
 */
#ifndef XSP_STREAM_H
#define XSP_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

/* What stands before the first whole block of 64 bytes. */
static inline size_t xsp_stream_head(const void *to, size_t n)
{
	size_t head = -(uintptr_t)to & 63;

	return head < n ? head : n;
}

/*
 * Such stores wait for no other: without the fence the index that says "it is there" would overtake
 * them. Pairs with the reader's load of that index.
 */
static inline void xsp_stream_done(void)
{
	_mm_sfence();
}

static inline void xsp_stream_zero(void *to, size_t n)
{
	size_t head = xsp_stream_head(to, n);
	__m128i *at = (__m128i *)((uint8_t *)to + head);

	memset(to, 0, head);
	for (n -= head; n >= 64; n -= 64, at += 4)
		for (int i = 0; i < 4; i++)
			_mm_stream_si128(at + i, _mm_setzero_si128());
	memset(at, 0, n);
	xsp_stream_done();
}

/* 64 bytes */
static inline void xsp_stream_line(__m128i *at, const __m128i_u *src)
{
	__m128i a = _mm_loadu_si128(src), b = _mm_loadu_si128(src + 1);
	__m128i c = _mm_loadu_si128(src + 2), d = _mm_loadu_si128(src + 3);

	_mm_stream_si128(at, a);
	_mm_stream_si128(at + 1, b);
	_mm_stream_si128(at + 2, c);
	_mm_stream_si128(at + 3, d);
}

static inline void xsp_stream_four(__m128i *at, const __m128i_u *src)
{
	xsp_stream_line(at, src);
	xsp_stream_line(at + 4, src + 4);
	xsp_stream_line(at + 8, src + 8);
	xsp_stream_line(at + 12, src + 12);
}

/* One of several copies: xsp_stream_done follows the last. */
static inline void xsp_stream_put(void *to, const void *from, size_t n)
{
	size_t head = xsp_stream_head(to, n);
	__m128i *at = (__m128i *)((uint8_t *)to + head);
	const __m128i_u *src = (const __m128i_u *)((const uint8_t *)from + head);

	if (head)
		memcpy(to, from, head);
	n -= head;
	for (; n >= 512; n -= 512, at += 32, src += 32) { /* pages: as few instructions as can be */
		xsp_stream_four(at, src);
		xsp_stream_four(at + 16, src + 16);
	}
	for (; n >= 64; n -= 64, at += 4, src += 4)
		xsp_stream_line(at, src);
	if (n)
		memcpy(at, src, n);
}

#else

static inline void xsp_stream_done(void)
{
}

static inline void xsp_stream_zero(void *to, size_t n)
{
	memset(to, 0, n);
}

static inline void xsp_stream_put(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
}

#endif

static inline void xsp_stream_copy(void *to, const void *from, size_t n)
{
	xsp_stream_put(to, from, n);
	xsp_stream_done();
}

#endif
