/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Reading and writing arrays of store keys: what blkkeys.c and netkeys.c have in common. No I/O, no
 * libc; all inline, so that a user of one of them needs no further object.
 */
#ifndef XSP_KEYTEXT_H
#define XSP_KEYTEXT_H

#include <xsp/env.h>

#define XSP_KEY_BYTES   40u
#define XSP_VALUE_BYTES 24u

struct xsp_key {
	const char *key;
	const char *value; /* NULL: not there */
};

/* A key to be written. */
struct xsp_key_out {
	char key[XSP_KEY_BYTES]; /* below the device's directory, e.g. "queue-0/ring-ref" */
	char value[XSP_VALUE_BYTES];
};

/* --- reading ----------------------------------------------------------------------------------- */

struct xsp_key_reader {
	const struct xsp_key *keys;
	unsigned int n;
	const char *bad; /* the first key that was wrong */
	int error;
};

static inline bool xsp_key_same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static inline const char *xsp_key_find(const struct xsp_key_reader *r, const char *key)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (xsp_key_same(r->keys[i].key, key))
			return r->keys[i].value;
	return NULL;
}

static inline uint64_t xsp_key_fail(struct xsp_key_reader *r, const char *key, int error)
{
	if (!r->error) {
		r->error = error;
		r->bad = key;
	}
	return 0;
}

/* A decimal number min..max; `missing` when the key isn't there. */
static inline uint64_t xsp_key_number(struct xsp_key_reader *r, const char *key, uint64_t missing,
				      uint64_t min, uint64_t max)
{
	const char *s = xsp_key_find(r, key);
	uint64_t v = 0;

	if (!s)
		return missing;
	if (!*s)
		return xsp_key_fail(r, key, -EINVAL);
	for (; *s; s++) {
		unsigned int digit = (unsigned int)(*s - '0');

		if (digit > 9)
			return xsp_key_fail(r, key, -EINVAL);
		if (v > (UINT64_MAX - digit) / 10)
			return xsp_key_fail(r, key, -ERANGE);
		v = v * 10 + digit;
	}
	return v < min || v > max ? xsp_key_fail(r, key, -ERANGE) : v;
}

/* A yes or no key: any number but 0 is yes; what is no number is no. */
static inline bool xsp_key_flag(struct xsp_key_reader *r, const char *key)
{
	struct xsp_key_reader quiet = *r;

	return xsp_key_number(&quiet, key, 0, 0, UINT64_MAX) != 0;
}

static inline int xsp_key_result(const struct xsp_key_reader *r, const char **ret_bad)
{
	if (r->error && ret_bad)
		*ret_bad = r->bad;
	return r->error;
}

/* --- writing ----------------------------------------------------------------------------------- */

struct xsp_key_writer {
	struct xsp_key_out *out;
	unsigned int n, max;
};

/* Text that always fits: keys and numbers here are far shorter than the fields. */
static inline char *xsp_key_text(char *to, const char *s)
{
	while (*s)
		*to++ = *s++;
	*to = '\0';
	return to;
}

static inline char *xsp_key_decimal(char *to, uint32_t v)
{
	char digits[10];
	unsigned int n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*to++ = digits[--n];
	*to = '\0';
	return to;
}

/* The next entry, its key begun with "queue-Q/" when there are several; NULL when out is full. */
static inline char *xsp_key_entry(struct xsp_key_writer *w, int queue)
{
	char *key;

	if (w->n >= w->max)
		return NULL;
	key = w->out[w->n].key;
	*key = '\0';
	if (queue < 0)
		return key;
	key = xsp_key_decimal(xsp_key_text(key, "queue-"), (uint32_t)queue);
	return xsp_key_text(key, "/");
}

static inline int xsp_key_put_number(struct xsp_key_writer *w, int queue, const char *name,
				     int index, uint32_t v)
{
	char *key = xsp_key_entry(w, queue);

	if (!key)
		return -ENOSPC;
	key = xsp_key_text(key, name);
	if (index >= 0)
		xsp_key_decimal(key, (uint32_t)index);
	xsp_key_decimal(w->out[w->n++].value, v);
	return 0;
}

static inline int xsp_key_put_text(struct xsp_key_writer *w, const char *name, const char *value)
{
	char *key = xsp_key_entry(w, -1);

	if (!key)
		return -ENOSPC;
	xsp_key_text(key, name);
	xsp_key_text(w->out[w->n++].value, value);
	return 0;
}

#endif
