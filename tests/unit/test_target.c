/* SPDX-License-Identifier: MIT */
/* Target specs: what opens, what is refused and whether the refusal helps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/target/nbd_spec.h"
#include "backend/target/rbd_spec.h"
#include "backend/target/target.h"

/* The worker's side of a target, which these tests do not drive. */
int xsp_worker_fixed(struct xsp_worker *w, const struct xsp_io *io)
{
	(void)w;
	(void)io;
	return -1; /* nothing is registered; tests/lab/test-direct.sh has it */
}

struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *w, struct xsp_cb *cb)
{
	(void)w;
	(void)cb;
	abort();
}

uint64_t xsp_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
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

static void answered(struct xsp_io *io, int err)
{
	io->slot = !err;
}

/* A read that leaves the guest's pages alone must not leave another's data in the buffer beside them. */
static void left_alone(void **state)
{
	static uint8_t page[4096], bounce[8192];
	struct xsp_target *t;
	struct iovec iov[2] = { { page, sizeof(page) }, { bounce + 4096, 4096 } };
	struct xsp_io io = { .op = XSP_IO_READ, .bounce = bounce, .iov = iov, .niov = 2, .past_cache = true,
			     .len = 8192, .done = answered };

	(void)state;
	memset(page, 0x5a, sizeof(page));
	memset(bounce, 0xa5, sizeof(bounce));
	assert_int_equal(open_spec("null,leave:1G", false, &t), 0);
	xsp_target_submit(t, &io);
	assert_true(io.slot == 1);
	xsp_target_close(t);
	for (unsigned int i = 0; i < 4096; i++)
		assert_true(page[i] == 0x5a && bounce[i] == 0xa5 && !bounce[4096 + i]);
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
	refuses("null,laeve:1G", "laeve");
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
	refuses("nul:1G", "did you mean 'null'?");
	refuses("file,dircet:/x", "did you mean 'direct'?");
	refuses("file,format=qcow3:/x", "known are raw, qcow2");
	refuses("qcow2:relative", "absolute");
	refuses("qcow2:/no/such/image", "No such file");
	refuses("qcow2,fua:/x", "it has: direct,buffered,writethrough");
}

static void nbd_parses(const char *scheme, const char *rest, const char *path, const char *host,
		       const char *port, const char *export)
{
	struct xsp_nbd_spec s;

	*why = '\0';
	if (xsp_nbd_parse(scheme, "", rest, &s, why, sizeof(why)))
		fail_msg("%s:%s is refused: %s", scheme, rest, why);
	assert_string_equal(s.path, path);
	assert_string_equal(s.host, host);
	assert_string_equal(s.port, port);
	assert_string_equal(s.export, export);
}

static void rbd_specs(void **state)
{
	struct xsp_rbd_spec s;

	(void)state;
	assert_int_equal(xsp_rbd_parse("conf=/c,id=xen", "pool/image", &s, why, sizeof(why)), 0);
	assert_string_equal(s.pool, "pool");
	assert_string_equal(s.image, "image");
	assert_string_equal(s.nspace, "");
	assert_string_equal(s.snap, "");
	assert_string_equal(s.conf, "/c");
	assert_string_equal(s.id, "xen");
	assert_int_equal(xsp_rbd_parse("", "p/n/i@s:id=x:mon_host=a\\:1:conf=/d", &s, why, sizeof(why)), 0);
	assert_string_equal(s.nspace, "n");
	assert_string_equal(s.image, "i");
	assert_string_equal(s.snap, "s");
	assert_string_equal(s.id, "x");
	assert_string_equal(s.conf, "/d");
	assert_int_equal(s.n_options, 1);
	assert_string_equal(s.option[0].name, "mon_host");
	assert_string_equal(s.option[0].value, "a:1");
	assert_int_equal(xsp_rbd_parse("", "p/i\\@x", &s, why, sizeof(why)), 0);
	assert_string_equal(s.image, "i@x");
	assert_null(s.conf);
	assert_null(s.id);
}

static void nbd_specs(void **state)
{
	struct xsp_nbd_spec s;
	char longer[200];

	(void)state;
	nbd_parses("nbd", "unix:/run/a", "/run/a", "", "", "");
	nbd_parses("nbd", "unix:/run/a:b:c", "/run/a", "", "", "b:c");
	nbd_parses("nbd", "unix:/run/a:exportname=e", "/run/a", "", "", "e");
	nbd_parses("nbd+unix", "///?socket=/run/a", "/run/a", "", "", "");
	nbd_parses("nbd+unix", "///e%20x?socket=/run/%61", "/run/a", "", "", "e x");
	nbd_parses("nbd", "nbd+unix:///e?socket=/run/a", "/run/a", "", "", "e");
	nbd_parses("nbd", "//host", "", "host", "10809", "");
	nbd_parses("nbd", "//host:1234/a/b", "", "host", "1234", "a/b");
	nbd_parses("nbd", "nbd://[fe80::1]:5/x", "", "fe80::1", "5", "x");
	nbd_parses("nbd", "//[::1]", "", "::1", "10809", "");
	refuses("mem:", "mem:1G");
	refuses("mem,direct:1G", "has no option 'direct'");
	refuses("log:null:1M", "log,file=");
	refuses("log,file=relative:null:1M", "absolute path");
	refuses("log,file=/no/such/dir/x:null:1M", "can't write");
	refuses("log,file=/dev/null:log,file=/dev/null:null:1M", "logged already");
	refuses("log,flie=/x:null:1M", "did you mean 'file'?");
	refuses("rbd:", "pool or image is missing");
	refuses("rbd:pool", "pool or image is missing");
	refuses("rbd:pool/", "pool or image is missing");
	refuses("rbd:/image", "pool or image is missing");
	refuses("rbd:a/b/c/d", "pool or image is missing");
	refuses("rbd:a/b:x", "has no '='");
	refuses("rbd,config=/x:a/b", "did you mean 'conf'?");
	refuses("nbd:", "where is the server?");
	refuses("nbd:unix:a", "absolute path");
	refuses("nbd://", "host or port");
	refuses("nbd://h:x", "host or port");
	refuses("nbd://h:", "host or port");
	refuses("nbd://[::1", "host or port");
	refuses("nbd://h/%0", "badly encoded");
	refuses("nbd://h/%00", "badly encoded");
	refuses("nbd://h/x?tls=1", "a host takes no");
	refuses("nbd:nbds://h/", "TLS");
	refuses("nbd+unix:///x", "path of the socket");
	refuses("nbd+unix://h/x?socket=/a", "no host");
	refuses("nbd,conns=9:unix:/a", "conns is a number from 1 to 8, not '9'");
	refuses("nbd,con=2:unix:/a", "has no option 'con'");
	refuses("nbd,timeout=soon:unix:/a", "timeout is a number");
	refuses("nbd:unix:/no/such/socket", "is the server running?");
	memset(longer, 'a', sizeof(longer));
	memcpy(longer, "unix:/", 6);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(xsp_nbd_parse("nbd", "", longer, &s, why, sizeof(why)), -EINVAL);
	assert_int_equal(xsp_nbd_parse("nbd", "conns=8,timeout=3,give-up=4,fua", "unix:/a", &s, why,
				       sizeof(why)), 0);
	assert_true(s.conns == 8 && s.timeout_s == 3 && s.give_up_s == 4 && s.fua);
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
		cmocka_unit_test(specs),     cmocka_unit_test(refusals),
		cmocka_unit_test(nbd_specs), cmocka_unit_test(rbd_specs),
		cmocka_unit_test(locks),     cmocka_unit_test(sizes),
		cmocka_unit_test(left_alone),
	};

	return cmocka_run_group_tests(tests, make_image, remove_image);
}
