/* SPDX-License-Identifier: MIT */
/* frontend/core/blkkeys.c: what a backend says, half-said and mis-said; what we write. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "frontend/core/blkkeys.h"

static struct xsp_blk_disk disk;
static const char *bad;

static int parse(enum xsp_blk_units units, unsigned int n, const struct xsp_key *keys)
{
	bad = NULL;
	return xsp_blk_disk_from_keys(keys, n, units, &disk, &bad);
}

#define PARSE(units, ...)                                                                          \
	parse(units, sizeof((const struct xsp_key[]){ __VA_ARGS__ }) / sizeof(struct xsp_key),     \
	      (const struct xsp_key[]){ __VA_ARGS__ })

static void keys_disk_defaults(void **state)
{
	(void)state;
	assert_int_equal(PARSE(XSP_BLK_UNITS_512, { "sectors", "2048" }), 0);
	assert_int_equal(disk.sectors, 2048);
	assert_int_equal(disk.sector_size, 512);
	assert_int_equal(disk.physical_sector_size, 512);
	assert_false(disk.readonly || disk.cdrom || disk.removable || disk.flush || disk.barrier);
	assert_false(disk.discard || disk.discard_secure || disk.persistent);
	assert_int_equal(disk.discard_granularity, 512);
}

static void keys_disk_all(void **state)
{
	(void)state;
	assert_int_equal(PARSE(XSP_BLK_UNITS_512, { "feature-flush-cache", "1" }, { "info", "5" },
			       { "sectors", "18014398509481983" }, { "sector-size", "4096" },
			       { "physical-sector-size", "16384" }, { "feature-persistent", "1" },
			       { "feature-barrier", "0" }, { "feature-discard", NULL }),
			 0);
	assert_int_equal(disk.sectors, 18014398509481983);
	assert_int_equal(disk.sector_size, 4096);
	assert_int_equal(disk.physical_sector_size, 16384);
	assert_true(disk.flush && disk.persistent && disk.readonly && disk.cdrom);
	assert_false(disk.barrier || disk.discard || disk.removable);
}

/* The two readings of `sectors` differ only where sector-size isn't 512. */
static void keys_disk_dialects(void **state)
{
	(void)state;
	assert_int_equal(PARSE(XSP_BLK_UNITS_SECTOR, { "sectors", "100" }), 0);
	assert_int_equal(disk.sectors, 100);
	assert_int_equal(PARSE(XSP_BLK_UNITS_SECTOR, { "sectors", "100" }, { "sector-size", "4096" }), 0);
	assert_int_equal(disk.sectors, 800);
	assert_int_equal(PARSE(XSP_BLK_UNITS_512, { "sectors", "100" }, { "sector-size", "4096" }), 0);
	assert_int_equal(disk.sectors, 100);
}

static void keys_disk_lying_peer(void **state)
{
	static const struct {
		const char *key, *value;
		int error;
	} lies[] = {
		{ "sectors", NULL, -ENOENT },
		{ "sectors", "", -EINVAL },
		{ "sectors", "-1", -EINVAL },
		{ "sectors", " 8", -EINVAL },
		{ "sectors", "8 ", -EINVAL },
		{ "sectors", "0x10", -EINVAL },
		{ "sectors", "18446744073709551616", -ERANGE },
		{ "sectors", "99999999999999999999999999", -ERANGE },
		{ "sectors", "18446744073709551615", -ERANGE },
		{ "sectors", "18014398509481984", -ERANGE }, /* 2^63 bytes */
		{ "sector-size", "0", -ERANGE },
		{ "sector-size", "511", -ERANGE },
		{ "sector-size", "513", -ERANGE },
		{ "sector-size", "3072", -ERANGE },
		{ "sector-size", "8192", -ERANGE },
		{ "sector-size", "big", -EINVAL },
		{ "info", "read-only", -EINVAL },
		{ "physical-sector-size", "4294967296", -ERANGE },
	};

	(void)state;
	memset(&disk, 0x77, sizeof(disk));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct xsp_blk_disk before = disk;

		assert_int_equal(PARSE(XSP_BLK_UNITS_512, { lies[i].key, lies[i].value }, { "sectors", "8" }),
				 lies[i].error);
		assert_string_equal(bad, lies[i].key);
		assert_memory_equal(&before, &disk, sizeof(disk)); /* untouched */
	}
}

/* Random bytes for every key: an answer within the ranges, or an error. */
static void keys_disk_noise(void **state)
{
	static const char alphabet[] = "0123456789999-x \n";
	char values[16][24];
	struct xsp_key keys[16];
	unsigned int good = 0;

	(void)state;
	srand(1);
	for (int round = 0; round < 200000; round++) {
		for (unsigned int i = 0; i < xsp_blk_disk_keys_count; i++) {
			int len = rand() % 22;

			for (int k = 0; k < len; k++)
				values[i][k] = alphabet[(size_t)rand() % (round & 1 ? 10 : sizeof(alphabet) - 1)];
			values[i][len] = '\0';
			keys[i].key = xsp_blk_disk_keys[i];
			keys[i].value = rand() % 3 ? values[i] : NULL;
		}
		if (xsp_blk_disk_from_keys(keys, xsp_blk_disk_keys_count,
					   rand() & 1 ? XSP_BLK_UNITS_512 : XSP_BLK_UNITS_SECTOR, &disk, NULL))
			continue;
		good++;
		assert_true(disk.sectors <= INT64_MAX / 512);
		assert_true(disk.sector_size >= 512 && disk.sector_size <= 4096);
		assert_true(disk.physical_sector_size >= disk.sector_size);
	}
	assert_true(good > 0);
}

static void keys_offer(void **state)
{
	struct xsp_blk_offer o;
	struct xsp_key k[3] = { { "max-ring-page-order", NULL },
				{ "multi-queue-max-queues", NULL },
				{ "feature-max-indirect-segments", NULL } };

	(void)state;
	assert_int_equal(xsp_blk_offer_from_keys(NULL, 0, &o, NULL), 0);
	assert_true(o.max_order == 0 && o.max_queues == 1 && o.max_indirect == 0);
	k[0].value = "9";
	k[1].value = "64";
	k[2].value = "256";
	assert_int_equal(xsp_blk_offer_from_keys(k, 3, &o, NULL), 0);
	assert_true(o.max_order == 4 && o.max_queues == 16 && o.max_indirect == 256);
	k[1].value = "0";
	assert_int_equal(xsp_blk_offer_from_keys(k, 3, &o, NULL), 0);
	assert_int_equal(o.max_queues, 1);
	k[0].value = "4294967296";
	assert_int_equal(xsp_blk_offer_from_keys(k, 3, &o, &bad), -ERANGE);
	assert_string_equal(bad, "max-ring-page-order");
}

static void expect_keys(const struct xsp_blk_params *p, unsigned int n, const char *const *want)
{
	struct xsp_key_out out[300];

	assert_int_equal(xsp_blk_keys_from_params(p, out, n), n);
	for (unsigned int i = 0; i < n; i++) {
		assert_string_equal(out[i].key, want[2 * i]);
		assert_string_equal(out[i].value, want[2 * i + 1]);
	}
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(xsp_blk_keys_from_params(p, out, i), -ENOSPC);
}

static void keys_params(void **state)
{
	struct xsp_blk_params p = { .queues = 1, .queue[0] = { 7, { 4294967295u, 9, 10, 11 } } };
	struct xsp_key_out out[300];

	(void)state;
	expect_keys(&p, 4, (const char *const[]){ "protocol", "x86_64-abi", "feature-persistent", "0",
						  "ring-ref", "4294967295", "event-channel", "7" });
	p.order = 1;
	p.persistent = true;
	expect_keys(&p, 6, (const char *const[]){ "protocol", "x86_64-abi", "feature-persistent", "1",
						  "ring-page-order", "1", "ring-ref0", "4294967295",
						  "ring-ref1", "9", "event-channel", "7" });
	p.order = 0;
	p.queues = 2;
	p.queue[1].port = 70;
	expect_keys(&p, 7, (const char *const[]){ "protocol", "x86_64-abi", "feature-persistent", "1",
						  "multi-queue-num-queues", "2", "queue-0/ring-ref",
						  "4294967295", "queue-0/event-channel", "7",
						  "queue-1/ring-ref", "0", "queue-1/event-channel", "70" });
	p.order = XSP_RING_MAX_ORDER;
	p.queues = XSP_BLK_MAX_QUEUES;
	assert_int_equal(xsp_blk_keys_from_params(&p, out, 300), 4 + 16 * 17);
	assert_string_equal(out[4 + 16 * 17 - 2].key, "queue-15/ring-ref15");
	p.queues = 0;
	assert_int_equal(xsp_blk_keys_from_params(&p, out, 300), -EINVAL);
	p.queues = 17;
	assert_int_equal(xsp_blk_keys_from_params(&p, out, 300), -EINVAL);
	p.queues = 1;
	p.order = 5;
	assert_int_equal(xsp_blk_keys_from_params(&p, out, 300), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_disk_defaults),	cmocka_unit_test(keys_disk_all),
		cmocka_unit_test(keys_disk_dialects),	cmocka_unit_test(keys_disk_lying_peer),
		cmocka_unit_test(keys_disk_noise),	cmocka_unit_test(keys_offer),
		cmocka_unit_test(keys_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
