/* SPDX-License-Identifier: MIT */
/* Stores past the cache write what memset and memcpy write, and nothing beside it. */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/stream.h"

#define ROOM 512

static uint8_t from[ROOM], to[ROOM] __attribute__((aligned(64))), want[ROOM] __attribute__((aligned(64)));

static void whatever_the_place_and_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROOM; i++)
		from[i] = (uint8_t)(i * 7 + 1);
	for (size_t at = 0; at < 130; at++)
		for (size_t n = 0; n < 260; n++) {
			memset(to, 0xee, ROOM);
			memset(want, 0xee, ROOM);
			xsp_stream_copy(to + at, from + n % 17, n);
			memcpy(want + at, from + n % 17, n);
			assert_memory_equal(to, want, ROOM);
			xsp_stream_zero(to + at, n / 2);
			memset(want + at, 0, n / 2);
			assert_memory_equal(to, want, ROOM);
		}
}

static void a_page(void **state)
{
	uint8_t *a = aligned_alloc(4096, 8192), *b = aligned_alloc(4096, 8192);

	(void)state;
	for (size_t i = 0; i < 8192; i++)
		a[i] = (uint8_t)(i >> 3 ^ i);
	memset(b, 0x55, 8192);
	xsp_stream_copy(b, a, 4096);
	assert_memory_equal(a, b, 4096);
	assert_int_equal(b[4096], 0x55);
	xsp_stream_zero(b + 512, 2048);
	for (size_t i = 0; i < 2048; i++)
		assert_int_equal(b[512 + i], 0);
	assert_memory_equal(a + 2560, b + 2560, 4096 - 2560);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_place_and_length),
		cmocka_unit_test(a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
