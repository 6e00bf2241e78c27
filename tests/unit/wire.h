/* SPDX-License-Identifier: MIT */
/* What is the same in both layouts: included by test_wire.c (64 bit) and tests/wire32/wire32.c. */
#ifndef XSP_TEST_WIRE_H
#define XSP_TEST_WIRE_H

static_assert(sizeof(struct xsp_sring) == offsetof(struct blkif_sring, ring), "slots start");
static_assert(offsetof(struct xsp_sring, req_prod) == offsetof(struct blkif_sring, req_prod), "");
static_assert(offsetof(struct xsp_sring, req_event) == offsetof(struct blkif_sring, req_event), "");
static_assert(offsetof(struct xsp_sring, rsp_prod) == offsetof(struct blkif_sring, rsp_prod), "");
static_assert(offsetof(struct xsp_sring, rsp_event) == offsetof(struct blkif_sring, rsp_event), "");

static_assert(sizeof(struct xsp_blk_seg) == sizeof(struct blkif_request_segment), "segment");
static_assert(offsetof(struct xsp_blk_seg, gref) == offsetof(struct blkif_request_segment, gref), "");
static_assert(offsetof(struct xsp_blk_seg, first) ==
		      offsetof(struct blkif_request_segment, first_sect), "");
static_assert(offsetof(struct xsp_blk_seg, last) ==
		      offsetof(struct blkif_request_segment, last_sect), "");

static_assert(XSP_BLK_SEGS == BLKIF_MAX_SEGMENTS_PER_REQUEST, "segments in a request");
static_assert(XSP_BLK_INDIRECT_PAGES == BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST, "indirect pages");
static_assert((int)XSP_BLK_READ == BLKIF_OP_READ, "operation");
static_assert((int)XSP_BLK_WRITE == BLKIF_OP_WRITE, "operation");
static_assert((int)XSP_BLK_BARRIER == BLKIF_OP_WRITE_BARRIER, "operation");
static_assert((int)XSP_BLK_FLUSH == BLKIF_OP_FLUSH_DISKCACHE, "operation");
static_assert((int)XSP_BLK_DISCARD == BLKIF_OP_DISCARD, "operation");
static_assert((int)XSP_BLK_INDIRECT == BLKIF_OP_INDIRECT, "operation");
static_assert((int)XSP_BLK_OKAY == BLKIF_RSP_OKAY, "status");
static_assert((int)XSP_BLK_ERROR == BLKIF_RSP_ERROR, "status");
static_assert((int)XSP_BLK_EOPNOTSUPP == BLKIF_RSP_EOPNOTSUPP, "status");

#endif
