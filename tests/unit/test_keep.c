/* SPDX-License-Identifier: MIT */
/* Settings of a guest as text and back; text that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/net/keep.h"
#include "backend/net/mcast.h"
#include "backend/net/statics.h"

static void hashes(void **state)
{
	struct xsp_net_hash h = { .algorithm = XSP_NET_HASH_TOEPLITZ, .types = XSP_HASH_TYPES }, back = { 0 };
	char text[XSP_KEEP_TEXT], cut[XSP_KEEP_TEXT];

	(void)state;
	xsp_keep_hash_text(&back, text);
	h.algorithm = 0;
	h.types = 0;
	assert_int_equal(xsp_keep_hash_parse(text, 1, &h), 0);
	assert_memory_equal(&h, &back, sizeof(h));
	for (uint32_t size = 0; size <= XSP_HASH_MAP; size += 32) {
		h = (struct xsp_net_hash){ .algorithm = 1, .types = 5, .map_size = size };
		for (uint32_t i = 0; i < XSP_HASH_KEY; i++)
			h.key[i] = (uint8_t)(i * 37);
		for (uint32_t i = 0; i < size; i++)
			h.map[i] = i % 16;
		xsp_keep_hash_text(&h, text);
		memset(&back, 0xff, sizeof(back));
		assert_int_equal(xsp_keep_hash_parse(text, 16, &back), 0);
		assert_memory_equal(&h, &back, sizeof(h));
		for (size_t len = 0; size && len < strlen(text); len++) {
			memcpy(cut, text, len);
			cut[len] = '\0';
			assert_int_equal(xsp_keep_hash_parse(cut, 16, &back), -EINVAL);
			assert_memory_equal(&h, &back, sizeof(h));
		}
		if (size)
			assert_int_equal(xsp_keep_hash_parse(text, 15, &back), -EINVAL);
	}
	assert_int_equal(xsp_keep_hash_parse("2 0 x 0 ", 1, &back), -EINVAL);
	assert_int_equal(xsp_keep_hash_parse("", 1, &back), -EINVAL);
}

static void statics(void **state)
{
	struct xsp_net_gref list[XSP_STATICS], back[XSP_STATICS];
	uint32_t at = 0, n = 0, chunks = 0;
	char text[1800];

	(void)state;
	for (uint32_t i = 0; i < XSP_STATICS; i++)
		list[i] = (struct xsp_net_gref){ .ref = (i * 2654435761u) >> 3, .flags = i & 1 };
	do {
		int got;

		at += xsp_keep_statics_text(list + at, XSP_STATICS - at, text, sizeof(text));
		assert_true(strlen(text) < sizeof(text));
		got = xsp_keep_statics_parse(text, back + n, XSP_STATICS - n);
		assert_true(got > 0);
		n += (uint32_t)got;
		assert_true(++chunks < 10);
	} while (at < XSP_STATICS);
	assert_int_equal(n, XSP_STATICS);
	assert_memory_equal(list, back, sizeof(list));
	assert_int_equal(xsp_keep_statics_text(list, 0, text, sizeof(text)), 0);
	assert_int_equal(xsp_keep_statics_parse(text, back, 1), 0);
	assert_int_equal(xsp_keep_statics_parse("1 2", back, 1), -EINVAL);
	assert_int_equal(xsp_keep_statics_parse("1,2", back, 9), -EINVAL);
	assert_int_equal(xsp_keep_statics_parse("x", back, 9), -EINVAL);
	assert_int_equal(xsp_keep_statics_parse("ffffffff", back, 9), -EINVAL);
}

static void copies(void **state)
{
	struct xsp_net_gref list[XSP_STATICS] = { { .ref = 7 }, { .ref = 8, .flags = 1 } };
	struct xsp_netkeep k = { .changed = false };

	(void)state;
	xsp_keep_init(&k);
	assert_int_equal(xsp_keep_statics_get(&k, 3, list), 0);
	xsp_keep_statics(&k, 3, list, 2);
	xsp_keep_statics(&k, 99, list, 2);
	assert_true(k.changed);
	memset(list, 0, sizeof(list));
	assert_int_equal(xsp_keep_statics_get(&k, 3, list), 2);
	assert_int_equal(list[1].ref, 8);
	xsp_keep_clear(&k);
	assert_false(k.changed);
	assert_int_equal(xsp_keep_statics_get(&k, 3, list), 0);
	xsp_keep_fini(&k);
}

static void multicast(void **state)
{
	static const uint8_t a[6] = { 1, 0, 0x5e, 0, 0, 1 }, b[6] = { 0x33, 0x33, 0, 0, 0, 0xfb };
	struct xsp_mcast m = { .n = 0 }, back = { .n = 0 };
	char text[XSP_MCASTS * 13];

	(void)state;
	xsp_mcast_init(&m);
	xsp_mcast_init(&back);
	xsp_mcast_set(&back, true);
	assert_false(xsp_mcast_changed(&m, true));
	assert_true(xsp_mcast_add(&m, a) && xsp_mcast_add(&m, b) && xsp_mcast_add(&m, a));
	assert_true(xsp_mcast_changed(&m, false) && xsp_mcast_changed(&m, true));
	assert_false(xsp_mcast_changed(&m, true));
	xsp_mcast_text(&m, text, sizeof(text));
	assert_string_equal(text, "01005e000001 3333000000fb");
	xsp_mcast_parse(&back, text);
	assert_int_equal(xsp_mcast_count(&back), 2);
	assert_true(xsp_mcast_passes(&back, a) && xsp_mcast_passes(&back, b));
	xsp_mcast_parse(&back, "not an address");
	assert_int_equal(xsp_mcast_count(&back), 2);
	for (uint32_t i = 0; i < 100; i++)
		xsp_mcast_add(&m, (uint8_t[]){ 1, 2, 3, 4, 5, (uint8_t)i });
	xsp_mcast_text(&m, text, sizeof(text));
	assert_int_equal(strlen(text), XSP_MCASTS * 13 - 1);
	xsp_mcast_parse(&back, text);
	assert_int_equal(xsp_mcast_count(&back), XSP_MCASTS);
	xsp_mcast_fini(&m);
	xsp_mcast_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes),
		cmocka_unit_test(statics),
		cmocka_unit_test(copies),
		cmocka_unit_test(multicast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
