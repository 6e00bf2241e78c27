/* SPDX-License-Identifier: MIT */
/* The same numbers in every run of a unit test; each program begins at 1. */
#ifndef XSP_TESTS_RANDOM_H
#define XSP_TESTS_RANDOM_H

#include <stdint.h>

static inline uint32_t rnd(void) /* xorshift64* */
{
	static uint64_t seed = 1;

	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)(seed * 2685821657736338717u >> 32);
}

#endif
