/* SPDX-License-Identifier: MIT */
/* tools/vbd/pattern.c: wrong data is found, whatever is wrong with it, and named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tools/vbd/vbd.h"

static uint64_t buf[4096 / 8];
static char what[VBD_WHAT_BYTES];

static bool good(uint64_t offset, uint64_t seed, uint32_t generation)
{
	what[0] = '\0';
	return vbd_pattern_check(buf, sizeof(buf), offset, seed, generation, what);
}

static void expect(uint64_t offset, uint64_t seed, uint32_t generation, const char *text)
{
	assert_false(good(offset, seed, generation));
	if (!strstr(what, text))
		fail_msg("'%s' does not say '%s'", what, text);
}

static void pattern_every_byte_counts(void **state)
{
	(void)state;
	vbd_pattern_fill(buf, sizeof(buf), 8192, 7, 3);
	assert_true(good(8192, 7, 3));
	for (size_t i = 0; i < sizeof(buf); i++) {
		((uint8_t *)buf)[i] ^= 1;
		assert_false(good(8192, 7, 3));
		((uint8_t *)buf)[i] ^= 1;
	}
	assert_true(good(8192, 7, 3));
}

static void pattern_names_what_is_wrong(void **state)
{
	uint64_t newer[4096 / 8];

	(void)state;
	vbd_pattern_fill(buf, sizeof(buf), 8192, 7, 3);
	expect(8192, 7, 4, "offset 8192: generation 3 instead of 4");
	expect(12288, 7, 3, "offset 12288: the sector of offset 8192");
	expect(8192, 8, 3, "written by a run with seed 7");
	vbd_pattern_fill(newer, sizeof(newer), 8192, 7, 4);
	memcpy(buf, newer, 1024); /* a request torn between sectors ... */
	expect(8192, 7, 4, "offset 9216: generation 3 instead of 4");
	memcpy(&buf[1024 / 8], &newer[1024 / 8], 256); /* ... and inside of one */
	expect(8192, 7, 4, "offset 9216: torn or damaged");
	memset(buf, 0, sizeof(buf));
	expect(8192, 7, 4, "offset 8192: zeros (generation 4 is lost)");
	memset(buf, 0x5a, sizeof(buf));
	expect(8192, 7, 4, "foreign data");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pattern_every_byte_counts),
		cmocka_unit_test(pattern_names_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
