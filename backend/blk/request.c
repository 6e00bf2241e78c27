/* SPDX-License-Identifier: MIT */
/* Judging block requests: see request.h. */
#include "backend/blk/request.h"

/* Sectors that the segments hold; 0 when one of them is malformed. */
static uint32_t count_sectors(const struct xsp_blk_req *req)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < req->nr_segs; i++) {
		if (req->seg[i].first > req->seg[i].last ||
		    req->seg[i].last >= XSP_PAGE_SIZE / XSP_SECTOR_SIZE)
			return 0;
		n += req->seg[i].last - req->seg[i].first + 1u;
	}
	return n;
}

static int16_t check_data(const struct xsp_blk_req *req, const struct xsp_blk_limits *limits,
			  struct xsp_blk_plan *plan, const char **why)
{
	uint32_t n;

	if (req->nr_segs < 1 || req->nr_segs > XSP_BLK_SEGS) {
		*why = "the number of segments is not 1..11";
		return XSP_BLK_ERROR;
	}
	n = count_sectors(req);
	if (!n) {
		*why = "a segment's first or last sector is out of its page";
		return XSP_BLK_ERROR;
	}
	if (req->sector >= limits->sectors || n > limits->sectors - req->sector) {
		*why = "it reaches beyond the end of the disk";
		return XSP_BLK_ERROR;
	}
	plan->offset = req->sector * XSP_SECTOR_SIZE;
	plan->len = n * XSP_SECTOR_SIZE;
	if ((plan->offset | plan->len) & (limits->sector_size - 1)) {
		*why = "it is not aligned to sector-size";
		return XSP_BLK_ERROR;
	}
	return XSP_BLK_OKAY;
}

int16_t xsp_blk_check(const struct xsp_blk_req *req, const struct xsp_blk_limits *limits,
		      struct xsp_blk_plan *plan, const char **why)
{
	struct xsp_blk_plan p = { 0 };
	int16_t status;

	switch (req->op) {
	case XSP_BLK_READ:
		p.op = XSP_IO_READ;
		break;
	case XSP_BLK_WRITE:
		p.op = XSP_IO_WRITE;
		break;
	case XSP_BLK_FLUSH:
		if (!limits->can_flush) {
			*why = "flush was not offered";
			return XSP_BLK_EOPNOTSUPP;
		}
		if (!req->nr_segs) {
			*plan = (struct xsp_blk_plan){ .op = XSP_IO_FLUSH };
			return XSP_BLK_OKAY;
		}
		p.op = XSP_IO_WRITE;
		p.presync = true;
		break;
	default:
		*why = "the operation was not offered";
		return XSP_BLK_EOPNOTSUPP;
	}
	if (p.op == XSP_IO_WRITE && limits->readonly) {
		*why = "the disk is read-only";
		return XSP_BLK_ERROR;
	}
	status = check_data(req, limits, &p, why);
	if (status == XSP_BLK_OKAY)
		*plan = p;
	return status;
}
