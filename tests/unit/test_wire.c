/* SPDX-License-Identifier: MIT */
/*
 * Our wire structs are Xen's, byte for byte: offsets against the installed public header. This file
 * is the 64-bit layout; tests/source/wire32.sh compiles wire.h once more for 32-bit guests.
 */
#define __XEN_INTERFACE_VERSION__ 0x00040900
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "ring/blkif.h"
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>
#include "common/xenbus/fsm.h"
#include "tests/unit/wire.h"

#define SAME(ours, field, theirs, xfield)                                                          \
	static_assert(offsetof(ours, field) == offsetof(theirs, xfield) &&                         \
			      sizeof(((ours *)0)->field) == sizeof(((theirs *)0)->xfield),         \
		      #field " is " #xfield)

typedef struct xsp_blk_req req;
typedef struct xsp_blk_rsp rsp;

static_assert(sizeof(req) == sizeof(struct blkif_request), "request");
SAME(req, op, struct blkif_request, operation);
SAME(req, nr_segs, struct blkif_request, nr_segments);
SAME(req, handle, struct blkif_request, handle);
SAME(req, id, struct blkif_request, id);
SAME(req, sector, struct blkif_request, sector_number);
SAME(req, seg, struct blkif_request, seg);
SAME(req, nr_segs, struct blkif_request_indirect, indirect_op);
SAME(req, handle, struct blkif_request_indirect, nr_segments);
SAME(req, id, struct blkif_request_indirect, id);
SAME(req, sector, struct blkif_request_indirect, sector_number);
SAME(req, indirect.handle, struct blkif_request_indirect, handle);
SAME(req, indirect.gref, struct blkif_request_indirect, indirect_grefs);
SAME(req, nr_segs, struct blkif_request_discard, flag);
SAME(req, id, struct blkif_request_discard, id);
SAME(req, sector, struct blkif_request_discard, sector_number);
SAME(req, discard.nr_sectors, struct blkif_request_discard, nr_sectors);
static_assert(sizeof(rsp) == sizeof(struct blkif_response), "response");
SAME(rsp, id, struct blkif_response, id);
SAME(rsp, op, struct blkif_response, operation);
SAME(rsp, status, struct blkif_response, status);

static_assert((int)XSP_XB_UNKNOWN == XenbusStateUnknown, "xenbus states");
static_assert((int)XSP_XB_INITIALISING == XenbusStateInitialising, "xenbus states");
static_assert((int)XSP_XB_INITWAIT == XenbusStateInitWait, "xenbus states");
static_assert((int)XSP_XB_INITIALISED == XenbusStateInitialised, "xenbus states");
static_assert((int)XSP_XB_CONNECTED == XenbusStateConnected, "xenbus states");
static_assert((int)XSP_XB_CLOSING == XenbusStateClosing, "xenbus states");
static_assert((int)XSP_XB_CLOSED == XenbusStateClosed, "xenbus states");
static_assert((int)XSP_XB_RECONFIGURING == XenbusStateReconfiguring, "xenbus states");
static_assert((int)XSP_XB_RECONFIGURED == XenbusStateReconfigured, "xenbus states");

/* Each order has as many slots as Xen's macro says, in both layouts. */
static void wire_ring_sizes(void **state)
{
	(void)state;
	for (unsigned int order = 0; order <= XSP_RING_MAX_ORDER; order++) {
		static blkif_sring_t page; /* the macro takes addresses inside it */
		blkif_sring_t *s = &page;
		uint32_t n = xsp_blk_ring_slots(order), bytes = XSP_PAGE_SIZE << order;

		assert_int_equal(n, __RING_SIZE(s, bytes));
		for (int abi = 0; abi < 2; abi++) {
			uint32_t slot = xsp_blk_slot_bytes((enum xsp_blk_abi)abi);

			assert_true(64 + n * slot <= bytes && 64 + 2 * n * slot > bytes);
		}
	}
}

/* A request by its bytes, as a guest of each layout writes it. */
static void wire_golden_bytes(void **state)
{
	static const uint8_t head[] = { 1, 1, 0x34, 0x12 };
	static const uint8_t tail[] = { 8, 7, 6, 5, 4, 3, 2, 1, 0x80, 0, 0, 0, 0, 0, 0, 0,
					0x0d, 0xf0, 0xad, 0x0b, 2, 5, 0, 0 };
	uint64_t words[2][XSP_PAGE_SIZE / 8] = { { 0 }, { 0 } };

	(void)state;
	memcpy((uint8_t *)words[0] + 64, head, 4);
	memcpy((uint8_t *)words[0] + 64 + 8, tail, sizeof(tail));
	memcpy((uint8_t *)words[1] + 64, head, 4);
	memcpy((uint8_t *)words[1] + 64 + 4, tail, sizeof(tail));
	for (int abi = 0; abi < 2; abi++) {
		struct xsp_blk_back b = { .abi = (enum xsp_blk_abi)abi };
		struct xsp_blk_req q;

		xsp_ring_back_init(&b.ring, (struct xsp_sring *)(void *)words[abi], 32, 0);
		xsp_blk_back_take(&b, &q);
		assert_true(q.op == XSP_BLK_WRITE && q.nr_segs == 1 && q.handle == 0x1234);
		assert_true(q.id == 0x0102030405060708u && q.sector == 128);
		assert_true(q.seg[0].gref == 0x0badf00d && q.seg[0].first == 2 && q.seg[0].last == 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_ring_sizes),
		cmocka_unit_test(wire_golden_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
