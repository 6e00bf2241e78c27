/* SPDX-License-Identifier: MIT */
/* Typed access to XenStore: see store.h. */
#include "common/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRANSACTION_ROUNDS 64

int xsp_store_open(struct xsp_store *s)
{
	s->broken = false;
	s->xs = xs_open(0);
	return s->xs ? 0 : errno ? -errno : -ECONNREFUSED;
}

void xsp_store_close(struct xsp_store *s)
{
	if (s->xs)
		xs_close(s->xs);
	s->xs = NULL;
}

/* libxenstore crashes without a handle; a store that could not be opened again is a lost one. */
static bool lost(struct xsp_store *s)
{
	if (s->xs)
		return false;
	s->broken = true;
	errno = ENOTCONN;
	return true;
}

/* errno of a failed call as -errno; notes when it means that the store is gone. */
static int failed(struct xsp_store *s)
{
	int err = errno ? errno : EIO;

	switch (err) {
	case EBADF:
	case EIO:
	case EPIPE:
	case ECONNRESET:
	case ECONNREFUSED:
	case ENOTCONN:
	case ESHUTDOWN:
	case EPROTO:
		s->broken = true;
	}
	return -err;
}

char *xsp_store_read(struct xsp_store *s, xs_transaction_t t, const char *fmt, ...)
{
	char path[XSP_STORE_PATH];
	unsigned int len;
	va_list args;
	char *value;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	value = lost(s) ? NULL : xs_read(s->xs, t, path, &len);
	if (!value) {
		int err = failed(s);

		errno = -err;
	}
	return value;
}

int xsp_parse_u32(const char *text, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n > UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

int xsp_store_read_u32(struct xsp_store *s, xs_transaction_t t, uint32_t *ret, const char *fmt, ...)
{
	char path[XSP_STORE_PATH], *value;
	unsigned int len;
	va_list args;
	int err;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	value = lost(s) ? NULL : xs_read(s->xs, t, path, &len);
	if (!value)
		return failed(s);
	err = xsp_parse_u32(value, ret);
	free(value);
	return err;
}

int xsp_store_write(struct xsp_store *s, xs_transaction_t t, const char *path, const char *fmt, ...)
{
	char value[2048];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(value))
		return -E2BIG;
	return !lost(s) && xs_write(s->xs, t, path, value, (unsigned int)n) ? 0 : failed(s);
}

int xsp_store_rm(struct xsp_store *s, xs_transaction_t t, const char *path)
{
	int err;

	if (!lost(s) && xs_rm(s->xs, t, path))
		return 0;
	err = failed(s);
	return err == -ENOENT ? 0 : err;
}

int xsp_store_transact(struct xsp_store *s, int (*fn)(struct xsp_store *s, xs_transaction_t t, void *arg),
		       void *arg)
{
	for (unsigned int round = 0; round < TRANSACTION_ROUNDS; round++) {
		struct timespec pause = { .tv_nsec = 1000000 * (long)(round / 8) };
		xs_transaction_t t = lost(s) ? XBT_NULL : xs_transaction_start(s->xs);
		int err;

		if (t == XBT_NULL)
			return failed(s);
		err = fn(s, t, arg);
		if (xs_transaction_end(s->xs, t, err != 0)) {
			if (err != -EAGAIN)
				return err;
		} else if (errno != EAGAIN) {
			return err ? err : failed(s);
		}
		nanosleep(&pause, NULL); /* somebody writes the same nodes all the time */
	}
	return -EAGAIN;
}
