/* SPDX-License-Identifier: MIT */
/* Judging block requests: see request.h. */
#include "backend/blk/request.h"

#define SECURE_DISCARD 1u /* flag of a DISCARD; never offered */

/* Sectors that n segments hold; 0 when one of them is malformed. */
static uint32_t count_sectors(const struct xsp_blk_seg *segs, uint32_t n)
{
	uint32_t sectors = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (segs[i].first > segs[i].last ||
		    segs[i].last >= XSP_PAGE_SIZE / XSP_SECTOR_SIZE)
			return 0;
		sectors += segs[i].last - segs[i].first + 1u;
	}
	return sectors;
}

static int16_t check_range(uint64_t sector, uint64_t n, const struct xsp_blk_limits *limits,
			   struct xsp_blk_plan *plan, const char **why)
{
	if (sector >= limits->sectors || n > limits->sectors - sector) {
		*why = "it reaches beyond the end of the disk";
		return XSP_BLK_ERROR;
	}
	plan->offset = sector * XSP_SECTOR_SIZE;
	plan->len = n * XSP_SECTOR_SIZE;
	if ((plan->offset | plan->len) & (limits->sector_size - 1)) {
		*why = "it is not aligned to sector-size";
		return XSP_BLK_ERROR;
	}
	return XSP_BLK_OKAY;
}

static int16_t check_data(const struct xsp_blk_req *req, const struct xsp_blk_seg *segs,
			  const struct xsp_blk_limits *limits, struct xsp_blk_plan *plan,
			  const char **why)
{
	bool indirect = req->op == XSP_BLK_INDIRECT;
	uint32_t n = indirect ? req->handle : req->nr_segs, sectors;

	if (n < 1 || n > (indirect ? limits->indirect : XSP_BLK_SEGS)) {
		*why = indirect ? "the number of indirect segments is not 1 .. what was offered" :
				  "the number of segments is not 1..11";
		return XSP_BLK_ERROR;
	}
	sectors = count_sectors(segs, n);
	if (!sectors) {
		*why = "a segment's first or last sector is out of its page";
		return XSP_BLK_ERROR;
	}
	return check_range(req->sector, sectors, limits, plan, why);
}

static int16_t check_discard(const struct xsp_blk_req *req, const struct xsp_blk_limits *limits,
			     struct xsp_blk_plan *plan, const char **why)
{
	if (!limits->can_discard || (req->nr_segs & SECURE_DISCARD)) {
		*why = limits->can_discard ? "secure discard was not offered" :
					     "discard was not offered";
		return XSP_BLK_EOPNOTSUPP;
	}
	if (!req->discard.nr_sectors) {
		*why = "it discards nothing";
		return XSP_BLK_ERROR;
	}
	return check_range(req->sector, req->discard.nr_sectors, limits, plan, why);
}

/* What the request wants done with data; false when it was not offered. */
static bool data_op(const struct xsp_blk_req *req, const struct xsp_blk_limits *limits,
		    struct xsp_blk_plan *plan)
{
	uint8_t op = req->op;

	if (op == XSP_BLK_INDIRECT) {
		op = req->nr_segs;
		if (!limits->indirect || (op != XSP_BLK_READ && op != XSP_BLK_WRITE))
			return false;
	}
	switch (op) {
	case XSP_BLK_READ:
		plan->op = XSP_IO_READ;
		return true;
	case XSP_BLK_BARRIER:
		plan->drain = plan->sync_after = true;
		/* fall through */
	case XSP_BLK_FLUSH:
		plan->sync_before = true;
		plan->op = XSP_IO_WRITE;
		return limits->can_flush;
	case XSP_BLK_WRITE:
		plan->op = XSP_IO_WRITE;
		return true;
	default:
		return false;
	}
}

/* --- other units than 512 bytes ----------------------------------------------------------------- */

static uint64_t widen(uint64_t sectors, unsigned int shift)
{
	return sectors > UINT64_MAX >> shift ? UINT64_MAX : sectors << shift;
}

void xsp_blk_segs_to_512(struct xsp_blk_seg *segs, uint32_t n, struct xsp_blk_shifts shifts)
{
	uint8_t in_page = (uint8_t)(XSP_PAGE_SIZE / XSP_SECTOR_SIZE >> shifts.segment);

	for (uint32_t i = 0; i < n; i++) {
		bool bad = segs[i].first >= in_page || segs[i].last >= in_page;

		segs[i].first = bad ? UINT8_MAX : (uint8_t)(segs[i].first << shifts.segment);
		segs[i].last = bad ? UINT8_MAX :
				     (uint8_t)(((segs[i].last + 1) << shifts.segment) - 1);
	}
}

void xsp_blk_to_512(struct xsp_blk_req *req, struct xsp_blk_shifts shifts)
{
	uint32_t n = req->nr_segs < XSP_BLK_SEGS ? req->nr_segs : XSP_BLK_SEGS;

	req->sector = widen(req->sector, shifts.number);
	if (req->op == XSP_BLK_DISCARD)
		req->discard.nr_sectors = widen(req->discard.nr_sectors, shifts.number);
	else if (shifts.segment && req->op != XSP_BLK_INDIRECT)
		xsp_blk_segs_to_512(req->seg, n, shifts);
}

bool xsp_blk_aligned(const struct xsp_blk_seg *segs, uint32_t n, uint32_t sector_size)
{
	uint32_t mask = sector_size / XSP_SECTOR_SIZE - 1;

	for (uint32_t i = 0; i < n && mask; i++)
		if ((segs[i].first | (segs[i].last + 1u)) & mask)
			return false;
	return true;
}

/* --- judging ------------------------------------------------------------------------------------- */

uint16_t xsp_blk_indirect_segs(const struct xsp_blk_req *req, const struct xsp_blk_limits *limits)
{
	return req->handle <= limits->indirect ? req->handle : 0;
}

int16_t xsp_blk_check(const struct xsp_blk_req *req, const struct xsp_blk_seg *segs,
		      const struct xsp_blk_limits *limits, struct xsp_blk_plan *plan,
		      const char **why)
{
	struct xsp_blk_plan p = { 0 };
	int16_t status;

	if (req->op == XSP_BLK_DISCARD) {
		p.op = XSP_IO_DISCARD;
	} else if (!data_op(req, limits, &p)) {
		*why = "the operation was not offered";
		return XSP_BLK_EOPNOTSUPP;
	}
	if ((req->op == XSP_BLK_FLUSH || req->op == XSP_BLK_BARRIER) && !req->nr_segs) {
		*plan = (struct xsp_blk_plan){ .op = XSP_IO_FLUSH, .drain = p.drain };
		return XSP_BLK_OKAY;
	}
	if (p.op != XSP_IO_READ && limits->readonly) {
		*why = "the disk is read-only";
		return XSP_BLK_ERROR;
	}
	if (p.op == XSP_IO_DISCARD)
		status = check_discard(req, limits, &p, why);
	else
		status = check_data(req, segs, limits, &p, why);
	if (status == XSP_BLK_OKAY)
		*plan = p;
	return status;
}
