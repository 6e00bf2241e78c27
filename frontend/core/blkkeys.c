/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The store keys of a vbd (blkkeys.h). */
#include "frontend/core/blkkeys.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *const xsp_blk_offer_keys[] = {
	"max-ring-page-order",
	"multi-queue-max-queues",
	"feature-max-indirect-segments",
};
const unsigned int xsp_blk_offer_keys_count = COUNT(xsp_blk_offer_keys);

const char *const xsp_blk_disk_keys[] = {
	"sectors",	   "sector-size",    "physical-sector-size", "info",
	"feature-barrier", "feature-discard", "feature-flush-cache", "feature-persistent",
	"discard-granularity", "discard-alignment", "discard-secure",
};
const unsigned int xsp_blk_disk_keys_count = COUNT(xsp_blk_disk_keys);

/* --- reading ----------------------------------------------------------------------------------- */

struct reader {
	const struct xsp_key *keys;
	unsigned int n;
	const char *bad; /* the first key that was wrong */
	int error;
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static const char *find(const struct reader *r, const char *key)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (same(r->keys[i].key, key))
			return r->keys[i].value;
	return NULL;
}

static uint64_t fail(struct reader *r, const char *key, int error)
{
	if (!r->error) {
		r->error = error;
		r->bad = key;
	}
	return 0;
}

/* A decimal number min..max; `missing` when the key isn't there. */
static uint64_t number(struct reader *r, const char *key, uint64_t missing, uint64_t min, uint64_t max)
{
	const char *s = find(r, key);
	uint64_t v = 0;

	if (!s)
		return missing;
	if (!*s)
		return fail(r, key, -EINVAL);
	for (; *s; s++) {
		unsigned int digit = (unsigned int)(*s - '0');

		if (digit > 9)
			return fail(r, key, -EINVAL);
		if (v > (UINT64_MAX - digit) / 10)
			return fail(r, key, -ERANGE);
		v = v * 10 + digit;
	}
	return v < min || v > max ? fail(r, key, -ERANGE) : v;
}

/* A yes or no key: any number but 0 is yes; what is no number is no. */
static bool flag(struct reader *r, const char *key)
{
	struct reader quiet = *r;

	return number(&quiet, key, 0, 0, UINT64_MAX) != 0;
}

static int result(const struct reader *r, const char **ret_bad)
{
	if (r->error && ret_bad)
		*ret_bad = r->bad;
	return r->error;
}

int xsp_blk_offer_from_keys(const struct xsp_key *keys, unsigned int n, struct xsp_blk_offer *ret,
			    const char **ret_bad)
{
	struct reader r = { .keys = keys, .n = n };
	uint64_t order = number(&r, "max-ring-page-order", 0, 0, UINT32_MAX);
	uint64_t queues = number(&r, "multi-queue-max-queues", 1, 0, UINT32_MAX);
	uint64_t indirect = number(&r, "feature-max-indirect-segments", 0, 0, UINT32_MAX);

	if (r.error)
		return result(&r, ret_bad);
	if (!queues) /* some say 0 for "I don't do this" */
		queues = 1;
	ret->max_order = order < XSP_RING_MAX_ORDER ? (uint32_t)order : XSP_RING_MAX_ORDER;
	ret->max_queues = queues < XSP_BLK_MAX_QUEUES ? (uint32_t)queues : XSP_BLK_MAX_QUEUES;
	ret->max_indirect = (uint32_t)indirect;
	return 0;
}

static bool power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

int xsp_blk_disk_from_keys(const struct xsp_key *keys, unsigned int n, enum xsp_blk_units units,
			   struct xsp_blk_disk *ret, const char **ret_bad)
{
	struct reader r = { .keys = keys, .n = n };
	uint64_t size = number(&r, "sector-size", XSP_SECTOR_SIZE, XSP_SECTOR_SIZE, XSP_PAGE_SIZE);
	uint64_t physical = number(&r, "physical-sector-size", size, 0, UINT32_MAX);
	uint64_t info = number(&r, "info", 0, 0, UINT32_MAX);
	uint64_t granularity = number(&r, "discard-granularity", size, 0, UINT32_MAX);
	uint64_t alignment = number(&r, "discard-alignment", 0, 0, UINT32_MAX);
	uint64_t unit = units == XSP_BLK_UNITS_SECTOR ? size / XSP_SECTOR_SIZE : 1;
	uint64_t sectors;

	if (!find(&r, "sectors"))
		fail(&r, "sectors", -ENOENT);
	if (!r.error && !power_of_two(size))
		fail(&r, "sector-size", -ERANGE);
	if (r.error)
		return result(&r, ret_bad);
	/* the size in bytes must be a file offset */
	sectors = number(&r, "sectors", 0, 0, INT64_MAX / XSP_SECTOR_SIZE / unit) * unit;
	if (r.error)
		return result(&r, ret_bad);
	*ret = (struct xsp_blk_disk){
		.sectors = sectors,
		.sector_size = (uint32_t)size,
		.physical_sector_size = (uint32_t)(physical > size ? physical : size),
		.discard_granularity = (uint32_t)(granularity > size ? granularity : size),
		.discard_alignment = (uint32_t)alignment,
		.cdrom = info & 1,     /* VDISK_CDROM */
		.removable = info & 2, /* VDISK_REMOVABLE */
		.readonly = info & 4,  /* VDISK_READONLY */
		.flush = flag(&r, "feature-flush-cache"),
		.barrier = flag(&r, "feature-barrier"),
		.discard = flag(&r, "feature-discard"),
		.discard_secure = flag(&r, "discard-secure"),
		.persistent = flag(&r, "feature-persistent"),
	};
	return 0;
}

/* --- writing ----------------------------------------------------------------------------------- */

struct writer {
	struct xsp_key_out *out;
	unsigned int n, max;
};

/* Text that always fits: keys and numbers here are far shorter than the fields. */
static char *text(char *to, const char *s)
{
	while (*s)
		*to++ = *s++;
	*to = '\0';
	return to;
}

static char *decimal(char *to, uint32_t v)
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
static char *entry(struct writer *w, int queue)
{
	char *key;

	if (w->n >= w->max)
		return NULL;
	key = w->out[w->n].key;
	*key = '\0';
	return queue < 0 ? key : text(decimal(text(key, "queue-"), (uint32_t)queue), "/");
}

static int put_number(struct writer *w, int queue, const char *name, int index, uint32_t v)
{
	char *key = entry(w, queue);

	if (!key)
		return -ENOSPC;
	key = text(key, name);
	if (index >= 0)
		decimal(key, (uint32_t)index);
	decimal(w->out[w->n++].value, v);
	return 0;
}

static int put_text(struct writer *w, const char *name, const char *value)
{
	char *key = entry(w, -1);

	if (!key)
		return -ENOSPC;
	text(key, name);
	text(w->out[w->n++].value, value);
	return 0;
}

int xsp_blk_keys_from_params(const struct xsp_blk_params *p, struct xsp_key_out *out, unsigned int max)
{
	struct writer w = { .out = out, .max = max };
	int error = 0;

	if (p->order > XSP_RING_MAX_ORDER || !p->queues || p->queues > XSP_BLK_MAX_QUEUES)
		return -EINVAL;
	error = put_text(&w, "protocol", "x86_64-abi");
	if (!error)
		error = put_number(&w, -1, "feature-persistent", -1, p->persistent);
	if (!error && p->large_sector)
		error = put_number(&w, -1, "feature-large-sector-size", -1, 1);
	if (!error && p->order)
		error = put_number(&w, -1, "ring-page-order", -1, p->order);
	if (!error && p->queues > 1)
		error = put_number(&w, -1, "multi-queue-num-queues", -1, p->queues);
	for (unsigned int q = 0; q < p->queues && !error; q++) {
		int prefix = p->queues > 1 ? (int)q : -1;

		for (unsigned int i = 0; i < 1u << p->order && !error; i++)
			error = put_number(&w, prefix, "ring-ref", p->order ? (int)i : -1,
					   p->queue[q].gref[i]);
		if (!error)
			error = put_number(&w, prefix, "event-channel", -1, p->queue[q].port);
	}
	return error ? error : (int)w.n;
}
