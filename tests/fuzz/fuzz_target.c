/* SPDX-License-Identifier: MIT */
/*
 * Any text as a target's spec: it opens something sound or says in one sentence why not. No file of
 * this machine is opened: file.c is built with open renamed to fuzz_open. No server is asked: nbd: and
 * the image formats are read up to where they would be.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/target/image.h"
#include "backend/target/nbd_spec.h"
#include "backend/target/rbd_spec.h"
#include "backend/target/target.h"
#include "tests/fuzz/input.h"

int fuzz_open(const char *path, int flags, ...);

static off_t file_bytes;

int fuzz_open(const char *path, int flags, ...)
{
	int fd;

	(void)flags;
	if (strstr(path, "no")) {
		errno = ENOENT;
		return -1;
	}
	fd = memfd_create("image", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, file_bytes)) {
		close(fd);
		return -1;
	}
	return fd;
}

struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *w, struct xsp_cb *cb)
{
	(void)w;
	(void)cb;
	__builtin_trap(); /* nothing is submitted here */
}

int xsp_worker_fixed(struct xsp_worker *w, const struct xsp_io *io)
{
	(void)w;
	(void)io;
	__builtin_trap();
}

uint64_t xsp_now_ns(void)
{
	return 1;
}

static int read_nbd(const char *scheme, const char *opts, const char *rest, char *why, size_t why_len)
{
	struct xsp_nbd_spec s;
	int err = xsp_nbd_parse(scheme, opts, rest, &s, why, why_len);

	if (err)
		return err;
	HOLDS((*s.path == '/') != (*s.host != '\0'));
	HOLDS(memchr(s.path, 0, sizeof(s.path)) && memchr(s.host, 0, sizeof(s.host)));
	HOLDS(memchr(s.name, 0, sizeof(s.name)) && memchr(s.export, 0, sizeof(s.export)));
	HOLDS(s.conns >= 1 && s.conns <= XSP_NBD_CONNS);
	snprintf(why, why_len, "no server is asked here");
	return -ENOENT;
}

static int nbd_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		    struct xsp_target **ret, char *why, size_t why_len)
{
	(void)wish;
	(void)ret;
	return read_nbd("nbd", opts, rest, why, why_len);
}

static int nbd_unix_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
			 struct xsp_target **ret, char *why, size_t why_len)
{
	(void)wish;
	(void)ret;
	return read_nbd("nbd+unix", opts, rest, why, why_len);
}

int xsp_image_open(const char *format, const char *opts, const char *path,
		   const struct xsp_target_wish *wish, struct xsp_target **ret, char *why,
		   size_t why_len)
{
	(void)format;
	(void)opts;
	(void)path;
	(void)wish;
	(void)ret;
	snprintf(why, why_len, "no image is opened here");
	return -ENOENT;
}

static int format_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		       struct xsp_target **ret, char *why, size_t why_len)
{
	return xsp_image_open("", opts, rest, wish, ret, why, why_len);
}

static int rbd_target_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
			   struct xsp_target **ret, char *why, size_t why_len)
{
	struct xsp_rbd_spec s;
	int err = xsp_rbd_parse(opts, rest, &s, why, why_len);

	(void)wish;
	(void)ret;
	if (err)
		return err;
	HOLDS(*s.pool && *s.image && s.n_options <= XSP_RBD_OPTIONS);
	for (unsigned int i = 0; i < s.n_options; i++)
		HOLDS(s.option[i].name && s.option[i].value &&
		      s.option[i].value + strlen(s.option[i].value) < s.text + sizeof(s.text));
	snprintf(why, why_len, "no cluster is asked here");
	return -ENOENT;
}

const struct xsp_target_ops xsp_target_rbd = { .name = "rbd", .usage = "", .open = rbd_target_open };
const struct xsp_target_ops xsp_target_nbd = { .name = "nbd", .usage = "", .open = nbd_open };
const struct xsp_target_ops xsp_target_nbd_unix = { .name = "nbd+unix", .usage = "", .open = nbd_unix_open };
const struct xsp_target_ops xsp_target_qcow2 = { .name = "qcow2", .usage = "", .open = format_open };
const struct xsp_target_ops xsp_target_vmdk = { .name = "vmdk", .usage = "", .open = format_open };
const struct xsp_target_ops xsp_target_vhdx = { .name = "vhdx", .usage = "", .open = format_open };
const struct xsp_target_ops xsp_target_vpc = { .name = "vpc", .usage = "", .open = format_open };
const struct xsp_target_ops xsp_target_qed = { .name = "qed", .usage = "", .open = format_open };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t kind = eat8(&in);
	struct xsp_target_wish wish = { .readonly = kind & 1, .direct = kind & 2 };
	struct xsp_target *t = NULL;
	char why[256] = "", *spec;
	uint64_t bytes;
	int err;

	if (in.left > 4096) /* no node of XenStore is longer */
		return 0;
	file_bytes = (kind >> 2) * 300;
	spec = malloc(in.left + 1);
	memcpy(spec, in.p, in.left);
	spec[in.left] = '\0';
	err = xsp_target_open(spec, &wish, &t, why, sizeof(why));
	if (err) {
		HOLDS(err < 0 && !t && (*why || err == -ENOMEM));
		HOLDS(memchr(why, 0, sizeof(why)));
	} else {
		HOLDS(t->sector_size >= 512 && !(t->sector_size & (t->sector_size - 1)));
		HOLDS(t->size_bytes >= t->sector_size && t->size_bytes % t->sector_size == 0);
		HOLDS(t->physical_size >= t->sector_size);
		xsp_target_close(t);
	}
	if (!xsp_parse_size(spec, &bytes))
		HOLDS(bytes <= INT64_MAX);
	free(spec);
	return 0;
}
