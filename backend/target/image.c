/* SPDX-License-Identifier: MIT */
/*
 * qcow2:PATH, vmdk:, vhdx:, vpc: and qed: are images of QEMU's formats. Reading and above all writing
 * such formats right is QEMU's trade: a qemu-storage-daemon of our own, one for each disk, serves
 * the image on a private socket, and the rest is the nbd: target. When it dies it is started again.
 *
 * It keeps metadata of answered writes in its memory until the guest flushes. If it dies with such
 * writes, the disk fails rather than show old data; with the option writethrough each write is durable
 * when it is answered, and a death is only a pause.
 */
#include "backend/target/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/target/child.h"
#include "backend/target/nbd.h"

static const char *const formats[] = { "qcow2", "vmdk", "vhdx", "vpc", "qed" };

/* A JSON string's inside; false when it does not fit or holds control characters. */
static bool quote(char *to, size_t len, const char *text)
{
	size_t n = 0;

	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || n + 3 > len)
			return false;
		if (*text == '"' || *text == '\\')
			to[n++] = '\\';
		to[n++] = *text;
	}
	to[n] = '\0';
	return true;
}

static int serve(const char *format, const char *path, bool direct, bool readonly, const char *name,
		 char *sock, struct xsp_child **ret, char *why, size_t why_len)
{
	char file[4200], node[4600];
	struct stat st;
	const char *argv[] = {
		"qemu-storage-daemon", "--blockdev", node, "--nbd-server",
		"addr.type=fd,addr.str=3", "--export",
		readonly ? "type=nbd,id=disk,node-name=disk,name=,writable=off" :
			   "type=nbd,id=disk,node-name=disk,name=,writable=on", NULL,
	};

	if (stat(path, &st)) {
		int err = -errno;

		snprintf(why, why_len, "can't open %s: %s", path, strerror(-err));
		return err;
	}
	if (!quote(file, sizeof(file), path)) {
		snprintf(why, why_len, "%s: a path with control characters, or too long", format);
		return -EINVAL;
	}
	snprintf(node, sizeof(node),
		 "{\"driver\":\"%s\",\"node-name\":\"disk\",\"read-only\":%s,\"discard\":\"unmap\","
		 "\"file\":{\"driver\":\"%s\",\"filename\":\"%s\",\"discard\":\"unmap\","
		 "\"cache\":{\"direct\":%s}}}", format, readonly ? "true" : "false",
		 S_ISBLK(st.st_mode) ? "host_device" : "file", file, direct ? "true" : "false");
	return xsp_child_start(argv, name, sock, ret, why, why_len);
}

/* A former daemon's server may still be on its way out. */
static bool is_locked(const char *why)
{
	return strstr(why, "Is another process using the image") != NULL;
}

/* QEMU does not always say which image it means. */
static void name_it(const char *path, char *why, size_t why_len)
{
	char text[400];

	if (!*why || strstr(why, path))
		return;
	snprintf(text, sizeof(text), "%s", why);
	snprintf(why, why_len, "%.200s: %s", path, text);
}

int xsp_image_open(const char *format, const char *opts, const char *path,
		   const struct xsp_target_wish *wish, struct xsp_target **ret, char *why,
		   size_t why_len)
{
	struct xsp_nbd_spec spec = { .conns = 1 };
	bool direct = wish->direct, known = false;
	struct xsp_child *child = NULL;
	char v[8];
	int err;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		known |= !strcmp(format, formats[i]);
	if (!known) {
		snprintf(why, why_len, "format=%s: known are raw, qcow2, vmdk, vhdx, vpc and qed", format);
		return -EINVAL;
	}
	if (*path != '/') {
		snprintf(why, why_len, "%s:%.200s: give an absolute path", format, path);
		return -EINVAL;
	}
	if (xsp_target_opt(opts, "direct", v, sizeof(v)))
		direct = true;
	if (xsp_target_opt(opts, "buffered", v, sizeof(v)))
		direct = false;
	spec.fua = xsp_target_opt(opts, "writethrough", v, sizeof(v)) && !wish->readonly;
	snprintf(spec.name, sizeof(spec.name), "%s:%.140s", format, path);
	err = serve(format, path, direct, wish->readonly, spec.name, spec.path, &child, why, why_len);
	if (!err)
		err = xsp_nbd_open(&spec, child, wish, ret, why, why_len);
	if (err) {
		err = is_locked(why) ? -EAGAIN : err;
		name_it(path, why, why_len);
		return err;
	}
	xsp_child_keep(child);
	return 0;
}

static void never(struct xsp_target *t)
{
	(void)t;
}

static void never_submit(struct xsp_target *t, struct xsp_io *io)
{
	(void)t;
	(void)io;
}

/* What opens has nbd.c's ops: these entries are only ways to open. */
#define FORMAT(name_)                                                                               \
	static int name_##_open(const char *opts, const char *rest,                                 \
				const struct xsp_target_wish *wish, struct xsp_target **ret,        \
				char *why, size_t why_len)                                          \
	{                                                                                           \
		int err = xsp_target_check_opts(#name_, opts, "direct,buffered,writethrough", why,  \
						why_len);                                           \
                                                                                                    \
		return err ? err : xsp_image_open(#name_, opts, rest, wish, ret, why, why_len);     \
	}                                                                                           \
	const struct xsp_target_ops xsp_target_##name_ = {                                          \
		.name = #name_,                                                                     \
		.usage = #name_ "[,writethrough][,direct]:PATH",                                    \
		.open = name_##_open,                                                               \
		.close = never,                                                                     \
		.submit = never_submit,                                                             \
	}

FORMAT(qcow2);
FORMAT(vmdk);
FORMAT(vhdx);
FORMAT(vpc);
FORMAT(qed);
