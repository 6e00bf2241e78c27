/* SPDX-License-Identifier: MIT */
/* ring/dialect.c: the table of who counts sectors how, written down once more, as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ring/dialect.h"

/* A sector-size of 4096: the disk's byte 40960 is sector .., its size of 1 MiB is .. */
static const struct {
	const char *name;
	uint64_t sectors, number;
	uint8_t last; /* of a segment that is a whole page */
} rows[] = {
	{ "xen", 2048, 80, 7 },	   { "linux", 2048, 80, 7 }, { "freebsd", 256, 10, 7 },
	{ "qemu", 256, 10, 0 },	   { "windows", 256, 10, 0 }, { "mini-os", 256, 80, 7 },
};

static enum xsp_blk_dialect dialect(const char *name)
{
	enum xsp_blk_dialect d;

	assert_int_equal(xsp_blk_dialect_parse(name, &d), 0);
	return d;
}

static void every_dialect_at_4096(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum xsp_blk_dialect d = dialect(rows[i].name);
		struct xsp_blk_shifts s = xsp_blk_dialect_shifts(d, 4096);

		assert_int_equal((1u << 20) >> (9 + s.size), rows[i].sectors);
		assert_int_equal(40960u >> (9 + s.number), rows[i].number);
		assert_int_equal((4096u >> (9 + s.segment)) - 1, rows[i].last);
		assert_int_equal(xsp_blk_dialect_units(d), s.size ? XSP_BLK_UNITS_SECTOR : XSP_BLK_UNITS_512);
	}
}

static void every_dialect_at_512_is_the_same(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < XSP_DIALECTS; d++) {
		struct xsp_blk_shifts s = xsp_blk_dialect_shifts((enum xsp_blk_dialect)d, 512);

		assert_true(!s.size && !s.number && !s.segment);
		s = xsp_blk_dialect_shifts((enum xsp_blk_dialect)d, 1024);
		assert_true(s.size <= 1 && s.number <= 1 && s.segment <= 1);
		s = xsp_blk_dialect_shifts((enum xsp_blk_dialect)d, UINT32_MAX); /* never beyond a page */
		assert_true(s.size <= 3 && s.number <= 3 && s.segment <= 3);
	}
}

static void names(void **state)
{
	static const char *const bad[] = { "", "x", "xenn", "xe", "XEN", "qemu ", "512", "mini" };
	enum xsp_blk_dialect d;

	(void)state;
	for (unsigned int i = 0; i < XSP_DIALECTS; i++)
		assert_int_equal(dialect(xsp_blk_dialect_name((enum xsp_blk_dialect)i)), i);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(xsp_blk_dialect_parse(bad[i], &d), -EINVAL);
}

static void detection(void **state)
{
	(void)state;
	assert_int_equal(xsp_blk_dialect_of_frontend(false), XSP_DIALECT_XEN);
	assert_int_equal(xsp_blk_dialect_of_frontend(true), XSP_DIALECT_WINDOWS);
	assert_int_equal(xsp_blk_dialect_of_backend("/local/domain/0/backend/vbd/1/51712"), XSP_DIALECT_XEN);
	assert_int_equal(xsp_blk_dialect_of_backend("/local/domain/0/backend/vbd3/1/51712"), XSP_DIALECT_XEN);
	assert_int_equal(xsp_blk_dialect_of_backend("/local/domain/0/backend/qdisk/1/51712"),
			 XSP_DIALECT_QEMU);
	assert_int_equal(xsp_blk_dialect_of_backend("/backend/qdis"), XSP_DIALECT_XEN);
	assert_int_equal(xsp_blk_dialect_of_backend(""), XSP_DIALECT_XEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_dialect_at_4096),
		cmocka_unit_test(every_dialect_at_512_is_the_same),
		cmocka_unit_test(names),
		cmocka_unit_test(detection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
