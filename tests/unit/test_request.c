/* SPDX-License-Identifier: MIT */
/* The judge of block requests: every rule once, at its edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/blk/request.h"

static const struct xsp_blk_limits disk = { .sectors = 1000, .sector_size = 512, .can_flush = true };

static struct xsp_blk_req request(uint8_t op, uint64_t sector, uint8_t nr_segs)
{
	struct xsp_blk_req req = { .op = op, .nr_segs = nr_segs, .sector = sector };

	for (unsigned int i = 0; i < XSP_BLK_SEGS; i++)
		req.seg[i] = (struct xsp_blk_seg){ .gref = 8 + i, .first = 0, .last = 7 };
	return req;
}

static const struct xsp_blk_seg *segs; /* of the indirect request that is judged */

static int16_t judge(const struct xsp_blk_req *req, const struct xsp_blk_limits *limits,
		     struct xsp_blk_plan *plan)
{
	const char *why = NULL;
	int16_t status = xsp_blk_check(req, segs ? segs : req->seg, limits, plan, &why);

	assert_true(status == XSP_BLK_OKAY || why);
	return status;
}

static void good_requests(void **state)
{
	struct xsp_blk_req req = request(XSP_BLK_READ, 8, 11);
	struct xsp_blk_plan plan;

	(void)state;
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.op, XSP_IO_READ);
	assert_int_equal(plan.offset, 8 * 512);
	assert_int_equal(plan.len, 11 * 4096);
	req = request(XSP_BLK_WRITE, 992, 1);
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.op, XSP_IO_WRITE);
	req.sector = 999; /* the very last sector */
	req.seg[0].first = req.seg[0].last = 3;
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.len, 512);
}

static void flushes(void **state)
{
	struct xsp_blk_limits no_flush = disk;
	struct xsp_blk_req req = request(XSP_BLK_FLUSH, ~0ull, 0);
	struct xsp_blk_plan plan;

	(void)state;
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.op, XSP_IO_FLUSH);
	assert_false(plan.sync_before);
	req = request(XSP_BLK_FLUSH, 0, 1); /* with data: flush, then write */
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.op, XSP_IO_WRITE);
	assert_true(plan.sync_before);
	assert_false(plan.drain);
	no_flush.can_flush = false;
	assert_int_equal(judge(&req, &no_flush, &plan), XSP_BLK_EOPNOTSUPP);
}

static void barriers(void **state)
{
	struct xsp_blk_req req = request(XSP_BLK_BARRIER, 0, 1);
	struct xsp_blk_plan plan;

	(void)state;
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.op, XSP_IO_WRITE);
	assert_true(plan.sync_before && plan.sync_after && plan.drain);
	req.nr_segs = 0;
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.op, XSP_IO_FLUSH);
	assert_true(plan.drain);
}

static void discards(void **state)
{
	struct xsp_blk_limits can = disk, ro = disk;
	struct xsp_blk_req req = { .op = XSP_BLK_DISCARD, .sector = 8, .discard.nr_sectors = 992 };
	struct xsp_blk_plan plan;

	(void)state;
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_EOPNOTSUPP);
	can.can_discard = ro.can_discard = ro.readonly = true;
	assert_int_equal(judge(&req, &can, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.op, XSP_IO_DISCARD);
	assert_int_equal(plan.len, 992 * 512);
	assert_int_equal(judge(&req, &ro, &plan), XSP_BLK_ERROR);
	req.discard.nr_sectors = 993;
	assert_int_equal(judge(&req, &can, &plan), XSP_BLK_ERROR);
	req.discard.nr_sectors = UINT64_MAX - 4;
	assert_int_equal(judge(&req, &can, &plan), XSP_BLK_ERROR);
	req.discard.nr_sectors = 0;
	assert_int_equal(judge(&req, &can, &plan), XSP_BLK_ERROR);
	req.discard.nr_sectors = 8;
	req.nr_segs = 1; /* secure */
	assert_int_equal(judge(&req, &can, &plan), XSP_BLK_EOPNOTSUPP);
}

static void indirect_lying_peer(void **state)
{
	struct xsp_blk_limits big = { .sectors = 1 << 20, .sector_size = 512, .indirect = 256 };
	struct xsp_blk_req req = { .op = XSP_BLK_INDIRECT, .nr_segs = XSP_BLK_WRITE, .handle = 256 };
	struct xsp_blk_seg fetched[256];
	struct xsp_blk_plan plan;

	(void)state;
	for (unsigned int i = 0; i < 256; i++)
		fetched[i] = (struct xsp_blk_seg){ .gref = 8 + i, .last = 7 };
	segs = fetched;
	assert_int_equal(xsp_blk_indirect_segs(&req, &big), 256);
	assert_int_equal(judge(&req, &big, &plan), XSP_BLK_OKAY);
	assert_int_equal(plan.op, XSP_IO_WRITE);
	assert_int_equal(plan.len, 1 << 20);
	for (unsigned int bad = 0; bad < 256; bad++) {
		fetched[bad].last = 8;
		assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
		fetched[bad].last = 7;
	}
	req.handle = 257;
	assert_int_equal(xsp_blk_indirect_segs(&req, &big), 0);
	assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
	req.handle = 0;
	assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
	req.handle = 1;
	for (unsigned int op = XSP_BLK_BARRIER; op < 256; op++) {
		req.nr_segs = (uint8_t)op;
		assert_int_equal(judge(&req, &big, &plan), XSP_BLK_EOPNOTSUPP);
	}
	req.nr_segs = XSP_BLK_READ;
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_EOPNOTSUPP);
	segs = NULL;
}

static void segments_lying_peer(void **state)
{
	struct xsp_blk_req req = request(XSP_BLK_READ, 0, 0);
	struct xsp_blk_plan plan;

	(void)state;
	assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_ERROR);
	for (unsigned int n = 12; n < 256; n++) {
		req.nr_segs = (uint8_t)n;
		assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_ERROR);
	}
	for (unsigned int bad = 0; bad < XSP_BLK_SEGS; bad++) {
		req = request(XSP_BLK_WRITE, 0, XSP_BLK_SEGS);
		req.seg[bad].last = 8;
		assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_ERROR);
		req.seg[bad].last = 255;
		assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_ERROR);
		req.seg[bad].first = 5;
		req.seg[bad].last = 4;
		assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_ERROR);
	}
}

static void range_lying_peer(void **state)
{
	static const uint64_t sectors[] = { 993,	 999,		 1000,	     1001,
					    1ull << 32,	 1ull << 54,	 1ull << 55, 1ull << 63,
					    UINT64_MAX - 7, UINT64_MAX };
	struct xsp_blk_plan plan;

	(void)state;
	for (unsigned int i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
		struct xsp_blk_req req = request(XSP_BLK_READ, sectors[i], 1);

		assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_ERROR);
	}
}

static void alignment(void **state)
{
	struct xsp_blk_limits big = { .sectors = 8000, .sector_size = 4096 };
	struct xsp_blk_req req = request(XSP_BLK_READ, 8, 1);
	struct xsp_blk_plan plan;

	(void)state;
	assert_int_equal(judge(&req, &big, &plan), XSP_BLK_OKAY);
	req.sector = 9;
	assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
	req.sector = 8;
	req.seg[0].last = 6;
	assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
}

static void readonly(void **state)
{
	struct xsp_blk_limits ro = { .sectors = 1000, .sector_size = 512, .can_flush = true,
				     .readonly = true };
	struct xsp_blk_req req = request(XSP_BLK_WRITE, 0, 1);
	struct xsp_blk_plan plan;

	(void)state;
	assert_int_equal(judge(&req, &ro, &plan), XSP_BLK_ERROR);
	req.op = XSP_BLK_FLUSH;
	assert_int_equal(judge(&req, &ro, &plan), XSP_BLK_ERROR);
	req.op = XSP_BLK_READ;
	assert_int_equal(judge(&req, &ro, &plan), XSP_BLK_OKAY);
}

static void other_operations(void **state)
{
	struct xsp_blk_plan plan;

	(void)state;
	for (unsigned int op = 0; op < 256; op++) {
		struct xsp_blk_req req = request((uint8_t)op, 0, 1);

		if (op <= XSP_BLK_FLUSH)
			continue;
		assert_int_equal(judge(&req, &disk, &plan), XSP_BLK_EOPNOTSUPP);
	}
}

/* A request for bytes 40960 .. +8192 of a disk with sectors of 4096, as each dialect writes it. */
static void dialects(void **state)
{
	static const struct {
		enum xsp_blk_dialect dialect;
		uint64_t sector, nr_sectors;
		uint8_t last;
	} rows[] = {
		{ XSP_DIALECT_XEN, 80, 16, 7 },	   { XSP_DIALECT_FREEBSD, 10, 2, 7 },
		{ XSP_DIALECT_QEMU, 10, 2, 0 },	   { XSP_DIALECT_WINDOWS, 10, 2, 0 },
		{ XSP_DIALECT_MINIOS, 80, 16, 7 },
	};
	struct xsp_blk_limits big = { .sectors = 8000, .sector_size = 4096, .can_discard = true };
	struct xsp_blk_plan plan;

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct xsp_blk_shifts shifts = xsp_blk_dialect_shifts(rows[i].dialect, 4096);
		struct xsp_blk_req req = request(XSP_BLK_READ, rows[i].sector, 2);

		req.seg[0].last = req.seg[1].last = rows[i].last;
		xsp_blk_to_512(&req, shifts);
		assert_int_equal(judge(&req, &big, &plan), XSP_BLK_OKAY);
		assert_int_equal(plan.offset, 40960);
		assert_int_equal(plan.len, 8192);
		assert_int_equal(req.seg[1].last, 7);
		req = (struct xsp_blk_req){ .op = XSP_BLK_DISCARD, .sector = rows[i].sector,
					    .discard.nr_sectors = rows[i].nr_sectors };
		xsp_blk_to_512(&req, shifts);
		assert_int_equal(judge(&req, &big, &plan), XSP_BLK_OKAY);
		assert_int_equal(plan.offset, 40960);
		assert_int_equal(plan.len, 8192);
	}
}

/* What wraps around, or leaves its page, when it is made into sectors of 512 bytes. */
static void dialect_lying_peer(void **state)
{
	static const uint64_t sectors[] = { 1000, 1ull << 61, (1ull << 61) + 8, UINT64_MAX };
	struct xsp_blk_shifts shifts = xsp_blk_dialect_shifts(XSP_DIALECT_QEMU, 4096);
	struct xsp_blk_limits big = { .sectors = 8000, .sector_size = 4096, .can_discard = true };
	struct xsp_blk_plan plan;

	(void)state;
	for (unsigned int i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
		struct xsp_blk_req req = request(XSP_BLK_WRITE, sectors[i], 1);

		req.seg[0].last = 0;
		xsp_blk_to_512(&req, shifts);
		assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
		req = (struct xsp_blk_req){ .op = XSP_BLK_DISCARD,
					    .sector = 8,
					    .discard.nr_sectors = sectors[i] };
		xsp_blk_to_512(&req, shifts);
		assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
	}
	for (unsigned int v = 1; v < 256; v++) {
		struct xsp_blk_req req = request(XSP_BLK_WRITE, 8, (uint8_t)v);

		req.seg[0].last = (uint8_t)v;
		xsp_blk_to_512(&req, shifts);
		assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
		req.nr_segs = 1;
		req.seg[0].first = (uint8_t)v;
		req.seg[0].last = 0;
		xsp_blk_to_512(&req, shifts);
		assert_int_equal(judge(&req, &big, &plan), XSP_BLK_ERROR);
	}
}

/* A block of 4096 bytes in two pieces is a good request, but no memory for O_DIRECT. */
static void pieces(void **state)
{
	struct xsp_blk_seg seg[2] = { { .first = 0, .last = 7 }, { .first = 0, .last = 7 } };

	(void)state;
	assert_true(xsp_blk_aligned(seg, 2, 4096) && xsp_blk_aligned(seg, 2, 512));
	seg[0].first = 4;
	seg[1].last = 3;
	assert_true(xsp_blk_aligned(seg, 2, 512) && xsp_blk_aligned(seg, 2, 2048));
	assert_false(xsp_blk_aligned(seg, 2, 4096));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_requests),	cmocka_unit_test(flushes),
		cmocka_unit_test(segments_lying_peer),	cmocka_unit_test(range_lying_peer),
		cmocka_unit_test(alignment),		cmocka_unit_test(readonly),
		cmocka_unit_test(other_operations),	cmocka_unit_test(barriers),
		cmocka_unit_test(discards),		cmocka_unit_test(indirect_lying_peer),
		cmocka_unit_test(dialects),		cmocka_unit_test(dialect_lying_peer),
		cmocka_unit_test(pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
