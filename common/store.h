/* SPDX-License-Identifier: MIT */
/*
 * Small typed access to XenStore over libxenstore. Every call here blocks until the store answers;
 * in the daemon only the store thread makes them.
 *
 * libxenstore's handle does not say when the store has died: requests just fail. `broken` is set by
 * the first failure that can only mean that (the connection's, not the request's); whoever owns the
 * handle then opens another.
 */
#ifndef XSP_COMMON_STORE_H
#define XSP_COMMON_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <xenstore.h>

#define XSP_STORE_PATH 512 /* longest path we make; Xen's limit is 3072 */

struct xsp_store {
	struct xs_handle *xs;
	bool broken;
};

/** xsp_store_open - connect; 0 or -errno */
int xsp_store_open(struct xsp_store *s);

/** xsp_store_close - also ends transactions and watches of this handle; idempotent */
void xsp_store_close(struct xsp_store *s);

/**
 * xsp_store_read - value of a node
 * @t: XBT_NULL or an open transaction
 *
 * Returns malloc'd text that the caller frees, NULL with errno otherwise.
 */
char *xsp_store_read(struct xsp_store *s, xs_transaction_t t, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * xsp_store_read_u32 - a node that holds one decimal number and nothing else
 *
 * Returns 0, -ENOENT, -EINVAL (not a number, or beyond 32 bits), or what the store said.
 */
int xsp_store_read_u32(struct xsp_store *s, xs_transaction_t t, uint32_t *ret, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** xsp_store_write - fmt gives the value; 0 or -errno */
int xsp_store_write(struct xsp_store *s, xs_transaction_t t, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** xsp_store_rm - 0 also when it is not there; else -errno */
int xsp_store_rm(struct xsp_store *s, xs_transaction_t t, const char *path);

/**
 * xsp_store_transact - run fn in a transaction, again when another writer got in between
 * @fn: returns 0 to commit, -errno to abort; may run several times
 *
 * Returns fn's error, 0, or -EAGAIN after 64 rounds.
 */
int xsp_store_transact(struct xsp_store *s, int (*fn)(struct xsp_store *s, xs_transaction_t t, void *arg),
		       void *arg);

/** xsp_parse_u32 - a whole decimal number of at most 32 bits: 0 or -EINVAL */
int xsp_parse_u32(const char *text, uint32_t *ret);

#endif
