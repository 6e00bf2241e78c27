/* SPDX-License-Identifier: MIT */
/*
 * The layout of 32-bit guests against Xen's header as a 32-bit compiler sees it. Never linked:
 * tests/source/wire32.sh compiles it with -m32 -ffreestanding -fsyntax-only.
 */
#define __XEN_INTERFACE_VERSION__ 0x00040900
#include "ring/blkif.h"
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include "tests/unit/wire.h"

#define REST offsetof(struct xsp_blk_req32, rest)
#define UNION(field) (offsetof(struct xsp_blk_req, field) - offsetof(struct xsp_blk_req, seg))

static_assert(sizeof(void *) == 4, "compile with -m32");
static_assert(sizeof(union blkif_sring_entry) == sizeof(struct xsp_blk_req32), "slot");
static_assert(sizeof(struct blkif_request) == sizeof(struct xsp_blk_req32), "request");
static_assert(offsetof(struct blkif_request, operation) == offsetof(struct xsp_blk_req32, op), "");
static_assert(offsetof(struct blkif_request, nr_segments) == offsetof(struct xsp_blk_req32, nr_segs), "");
static_assert(offsetof(struct blkif_request, handle) == offsetof(struct xsp_blk_req32, handle), "");
static_assert(offsetof(struct blkif_request, id) == offsetof(struct xsp_blk_req32, id), "");
static_assert(offsetof(struct blkif_request, sector_number) == offsetof(struct xsp_blk_req32, sector), "");
static_assert(offsetof(struct blkif_request, seg) == REST, "");
static_assert(offsetof(struct blkif_request_indirect, handle) == REST + UNION(indirect.handle), "");
static_assert(offsetof(struct blkif_request_indirect, indirect_grefs) == REST + UNION(indirect.gref), "");
static_assert(offsetof(struct blkif_request_discard, nr_sectors) == REST + UNION(discard.nr_sectors), "");
static_assert(sizeof(struct blkif_response) == XSP_BLK_RSP32_SIZE, "response");
static_assert(offsetof(struct blkif_response, operation) == offsetof(struct xsp_blk_rsp, op), "");
static_assert(offsetof(struct blkif_response, status) == offsetof(struct xsp_blk_rsp, status), "");
