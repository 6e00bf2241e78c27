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

int xsp_blk_offer_from_keys(const struct xsp_key *keys, unsigned int n, struct xsp_blk_offer *ret,
			    const char **ret_bad)
{
	struct xsp_key_reader r = { .keys = keys, .n = n };
	uint64_t order = xsp_key_number(&r, "max-ring-page-order", 0, 0, UINT32_MAX);
	uint64_t queues = xsp_key_number(&r, "multi-queue-max-queues", 1, 0, UINT32_MAX);
	uint64_t indirect = xsp_key_number(&r, "feature-max-indirect-segments", 0, 0, UINT32_MAX);

	if (r.error)
		return xsp_key_result(&r, ret_bad);
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
	struct xsp_key_reader r = { .keys = keys, .n = n };
	uint64_t size = xsp_key_number(&r, "sector-size", XSP_SECTOR_SIZE, XSP_SECTOR_SIZE, XSP_PAGE_SIZE);
	uint64_t physical = xsp_key_number(&r, "physical-sector-size", size, 0, UINT32_MAX);
	uint64_t info = xsp_key_number(&r, "info", 0, 0, UINT32_MAX);
	uint64_t granularity = xsp_key_number(&r, "discard-granularity", size, 0, UINT32_MAX);
	uint64_t alignment = xsp_key_number(&r, "discard-alignment", 0, 0, UINT32_MAX);
	uint64_t unit = units == XSP_BLK_UNITS_SECTOR ? size / XSP_SECTOR_SIZE : 1;
	uint64_t sectors;

	if (!xsp_key_find(&r, "sectors"))
		xsp_key_fail(&r, "sectors", -ENOENT);
	if (!r.error && !power_of_two(size))
		xsp_key_fail(&r, "sector-size", -ERANGE);
	if (r.error)
		return xsp_key_result(&r, ret_bad);
	/* the size in bytes must be a file offset */
	sectors = xsp_key_number(&r, "sectors", 0, 0, INT64_MAX / XSP_SECTOR_SIZE / unit) * unit;
	if (r.error)
		return xsp_key_result(&r, ret_bad);
	*ret = (struct xsp_blk_disk){
		.sectors = sectors,
		.sector_size = (uint32_t)size,
		.physical_sector_size = (uint32_t)(physical > size ? physical : size),
		.discard_granularity = (uint32_t)(granularity > size ? granularity : size),
		.discard_alignment = (uint32_t)alignment,
		.cdrom = info & 1,     /* VDISK_CDROM */
		.removable = info & 2, /* VDISK_REMOVABLE */
		.readonly = info & 4,  /* VDISK_READONLY */
		.flush = xsp_key_flag(&r, "feature-flush-cache"),
		.barrier = xsp_key_flag(&r, "feature-barrier"),
		.discard = xsp_key_flag(&r, "feature-discard"),
		.discard_secure = xsp_key_flag(&r, "discard-secure"),
		.persistent = xsp_key_flag(&r, "feature-persistent"),
	};
	return 0;
}

int xsp_blk_keys_from_params(const struct xsp_blk_params *p, struct xsp_key_out *out, unsigned int max)
{
	struct xsp_key_writer w = { .out = out, .max = max };
	int error = 0;

	if (p->order > XSP_RING_MAX_ORDER || !p->queues || p->queues > XSP_BLK_MAX_QUEUES)
		return -EINVAL;
	error = xsp_key_put_text(&w, "protocol", "x86_64-abi");
	if (!error)
		error = xsp_key_put_number(&w, -1, "feature-persistent", -1, p->persistent);
	if (!error && p->large_sector)
		error = xsp_key_put_number(&w, -1, "feature-large-sector-size", -1, 1);
	if (!error && p->order)
		error = xsp_key_put_number(&w, -1, "ring-page-order", -1, p->order);
	if (!error && p->queues > 1)
		error = xsp_key_put_number(&w, -1, "multi-queue-num-queues", -1, p->queues);
	for (unsigned int q = 0; q < p->queues && !error; q++) {
		int prefix = p->queues > 1 ? (int)q : -1;

		for (unsigned int i = 0; i < 1u << p->order && !error; i++)
			error = xsp_key_put_number(&w, prefix, "ring-ref", p->order ? (int)i : -1,
					   p->queue[q].gref[i]);
		if (!error)
			error = xsp_key_put_number(&w, prefix, "event-channel", -1, p->queue[q].port);
	}
	return error ? error : (int)w.n;
}
