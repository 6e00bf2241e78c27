/* SPDX-License-Identifier: MIT */
/* Target specs: what opens, what is refused and whether the refusal helps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/target/target.h"

/* The worker's side of a target, which these tests do not drive. */
struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *w, struct xsp_cb *cb)
{
	(void)w;
	(void)cb;
	abort();
}

static char image[] = "/tmp/xsp-target-XXXXXX";
static char why[256];

static int open_spec(const char *spec, bool readonly, struct xsp_target **ret)
{
	struct xsp_target_wish wish = { .readonly = readonly };

	*why = '\0';
	return xsp_target_open(spec, &wish, ret, why, sizeof(why));
}

static void refuses(const char *spec, const char *says)
{
	struct xsp_target *t = NULL;

	assert_true(open_spec(spec, false, &t) < 0);
	assert_null(t);
	if (!strstr(why, says))
		fail_msg("'%s' says \"%s\", not \"%s\"", spec, why, says);
}

static void specs(void **state)
{
	char spec[128];
	struct xsp_target *t;

	(void)state;
	assert_int_equal(open_spec("null:1G", false, &t), 0);
	assert_true(t->size_bytes == 1ull << 30);
	xsp_target_close(t);
	assert_int_equal(open_spec(image, false, &t), 0); /* a bare path is a file */
	assert_int_equal(t->size_bytes, 1 << 20);
	assert_false(t->readonly);
	xsp_target_close(t);
	snprintf(spec, sizeof(spec), "error,op=write,every=3:delay,ms=2:file:%s", image);
	assert_int_equal(open_spec(spec, true, &t), 0); /* wrappers nest and show what they wrap */
	assert_int_equal(t->size_bytes, 1 << 20);
	assert_true(t->readonly);
	xsp_target_close(t);
}

static void refusals(void **state)
{
	(void)state;
	refuses("nul:1G", "known:");
	refuses("nonsense", "known:");
	refuses("", "known:");
	refuses("null:", "null:1G");
	refuses("null:99999999P", "null:1G");
	refuses("file:relative", "absolute");
	refuses("/no/such/image", "No such file");
	refuses("file:/dev/null", "neither a file nor a block device");
	refuses("file,dircet:/x", "has no option 'dircet'");
	refuses("delay,ms=0:null:1M", "ms=1");
	refuses("error,op=wirte:null:1M", "'wirte'");
	refuses("error,every=0:null:1M", "at least 1");
	refuses("delay,ms=5:bogus:1", "known:");
}

static void locks(void **state)
{
	struct xsp_target *a, *b;

	(void)state;
	assert_int_equal(open_spec(image, false, &a), 0);
	assert_int_equal(open_spec(image, false, &b), -EAGAIN);
	assert_non_null(strstr(why, "in use"));
	assert_int_equal(open_spec(image, true, &b), -EAGAIN);
	xsp_target_close(a);
	assert_int_equal(open_spec(image, true, &a), 0); /* readers share */
	assert_int_equal(open_spec(image, true, &b), 0);
	xsp_target_close(a);
	xsp_target_close(b);
}

static void sizes(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(xsp_parse_size("512", &n), 0);
	assert_int_equal(n, 512);
	assert_int_equal(xsp_parse_size("3k", &n), 0);
	assert_int_equal(n, 3072);
	assert_int_equal(xsp_parse_size("2T", &n), 0);
	assert_true(n == 2ull << 40);
	assert_int_equal(xsp_parse_size("1GB", &n), -EINVAL);
	assert_int_equal(xsp_parse_size("-1", &n), -EINVAL);
	assert_int_equal(xsp_parse_size("G", &n), -EINVAL);
	assert_int_equal(xsp_parse_size("9223372036854775807K", &n), -ERANGE);
}

static int make_image(void **state)
{
	int fd = mkstemp(image);

	(void)state;
	return fd < 0 || ftruncate(fd, 1 << 20) || close(fd);
}

static int remove_image(void **state)
{
	(void)state;
	return unlink(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(specs), cmocka_unit_test(refusals),
		cmocka_unit_test(locks), cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests(tests, make_image, remove_image);
}
