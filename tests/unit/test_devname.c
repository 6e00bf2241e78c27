/* SPDX-License-Identifier: MIT */
/* Device ids and virtual-device names: the table of xen-vbd-interface(7), there and back. */
#undef NDEBUG
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/devname.h"
#include "common/utf8.h"

static const struct {
	const char *name;
	uint32_t devid;
} known[] = {
	{"xvda", 51712},     {"xvda1", 51713},      {"xvdb", 51728},         {"xvdp15", 51967},
	{"xvdq", 268439552}, {"xvda16", 268435472}, {"xvdz", 268441856},     {"xvdaa", 268442112},
	{"hda", 768},        {"hdb", 832},          {"hdc", 5632},           {"hdd1", 5697},
	{"sda", 2048},       {"sdp15", 2303},       {"xvdzz255", 268615167},
};

static void names_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint32_t devid = 0;
		char buf[XSP_VDEV_LEN];

		assert_int_equal(xsp_vdev_parse(known[i].name, &devid), 0);
		assert_int_equal(devid, known[i].devid);
		assert_string_equal(xsp_vdev_format(buf, devid), known[i].name);
	}
}

static void numbers_and_d_p(void **state)
{
	uint32_t devid;
	char buf[XSP_VDEV_LEN];

	(void)state;
	assert_int_equal(xsp_vdev_parse("51712", &devid), 0);
	assert_int_equal(devid, 51712);
	assert_int_equal(xsp_vdev_parse("0xca10", &devid), 0);
	assert_int_equal(devid, 51728);
	assert_int_equal(xsp_vdev_parse("d0p1", &devid), 0);
	assert_int_equal(devid, 51713);
	assert_int_equal(xsp_vdev_parse("d26p0", &devid), 0);
	assert_string_equal(xsp_vdev_format(buf, devid), "xvdaa");
	assert_string_equal(xsp_vdev_format(buf, 7), "7");
	assert_string_equal(xsp_vdev_format(buf, UINT32_MAX), "4294967295");
}

static void every_number_has_a_name_that_fits(void **state)
{
	(void)state;
	for (uint64_t n = 0; n <= UINT32_MAX; n += 9973) {
		char buf[XSP_VDEV_LEN];

		assert_true(strlen(xsp_vdev_format(buf, (uint32_t)n)) < XSP_VDEV_LEN);
	}
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",    "xvd",    "xvda0",    "xvda256",    "xvdA", "xvda1x", "hde",        "hda64",
		"sdq", "sda16",  "d0",       "d0p",        "dp1",  "-1",     "4294967296", "51712x",
		"vda", " 51712", "xvdzzzzz", "d1048576p0", "0x",   "xvda-1"};
	uint32_t devid = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (xsp_vdev_parse(bad[i], &devid) != -EINVAL)
			fail_msg("'%s' was taken for %u", bad[i], devid);
	assert_int_equal(devid, 42);
}

static void device_ids(void **state)
{
	static const char *const bad[] = {"",         "vbd/",      "vbd/1",
					  "vbd/1/",   "vbd/1/2/3", "vbd/-1/2",
					  "vif/1/2",  "vbd/1/2 ",  "vbd/4294967296/1",
					  "vbd/ 1/2", "vbd//1",    "1/2"};
	uint32_t domid = 42, devid = 43;
	char buf[XSP_DEVID_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(xsp_devid_parse(bad[i], &domid, &devid), -EINVAL);
	assert_int_equal(domid, 42);
	assert_int_equal(devid, 43);
	assert_int_equal(xsp_devid_parse("vbd/1/51712", &domid, &devid), 0);
	assert_int_equal(domid, 1);
	assert_int_equal(devid, 51712);
	assert_string_equal(xsp_devid_format(buf, UINT32_MAX, UINT32_MAX),
			    "vbd/4294967295/4294967295");
}

static void bytes_that_are_no_utf8(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"plain", "plain"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
		{"a\xff", "a?"},
		{"\xc3", "?"},                /* cut short */
		{"\xc0\xaf", "??"},           /* '/' made too long */
		{"\xed\xa0\x80", "???"},      /* a surrogate */
		{"\xf4\x90\x80\x80", "????"}, /* beyond the last character */
		{"\xe2\x82z", "??z"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[32];

		strcpy(text, cases[i][0]);
		assert_string_equal(xsp_utf8_clean(text), cases[i][1]);
	}
	assert_string_equal(xsp_terminal_clean((char[]){"a\033[2J\x7f\xc2\x9b\xc2\xa3\n\xff"}),
			    "a"
			    "?[2J"
			    "?"
			    "??"
			    "\xc2\xa3"
			    "?"
			    "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_there_and_back),
		cmocka_unit_test(numbers_and_d_p),
		cmocka_unit_test(every_number_has_a_name_that_fits),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(device_ids),
		cmocka_unit_test(bytes_that_are_no_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
