/* SPDX-License-Identifier: MIT */
/*
 * The pages of a guest that a queue keeps mapped (persistent grants), as extents: what one map call
 * mapped is one extent, because the unit of unmap is the whole map call. In steady state a request
 * costs a look-up and no grant call.
 *
 * Bounds: XSP_PAGES_MAX pages in a queue, and for the whole daemon XSP_PAGES_TOTAL pages and
 * XSP_EXTENTS_TOTAL extents (each is a mapping of the process). A page beyond them is simply not
 * kept; it is copied as without persistent grants.
 *
 * Source: xen/include/public/io/blkif.h "feature-persistent".
 */
#ifndef XSP_BACKEND_BLK_PAGES_H
#define XSP_BACKEND_BLK_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include <xengnttab.h>

#include "backend/stats.h"

#define XSP_PAGES_MAX     1056u /* 32 requests of 32 segments and a descriptor page, as blkback */
#define XSP_PAGES_TOTAL   32768u
#define XSP_EXTENTS_TOTAL 16384u
#define XSP_EXTENT_PAGES  64u /* one map call maps at most this many */
#define XSP_NO_EXTENT     UINT16_MAX

struct xsp_pages;

/**
 * xsp_pages_new - an empty set; NULL: no memory
 * @stats: counts calls, references, pages
 */
struct xsp_pages *xsp_pages_new(xengnttab_handle *xgt, uint32_t domid, struct xsp_blk_stats *stats);

/** xsp_pages_free - unmap everything; nothing may be in use any more. NULL is fine */
void xsp_pages_free(struct xsp_pages *p);

/**
 * xsp_pages_want - note that a page will be looked up; unknown ones are mapped by xsp_pages_map
 *
 * A batch of requests wants all that it lacks first, so that it is mapped in few calls.
 */
void xsp_pages_want(struct xsp_pages *p, uint32_t gref);

/**
 * xsp_pages_map - map what was wanted and is not there yet, evicting what was not used for long
 *
 * Once for each batch, even if it lacks nothing: how long ago a page was used is counted in batches.
 */
void xsp_pages_map(struct xsp_pages *p);

/**
 * xsp_pages_get - address of a mapped page, in use until xsp_pages_put
 * @ret_extent: for xsp_pages_put
 *
 * Returns NULL when it is not mapped (beyond a bound, or the guest's grant is bad): copy it then.
 */
void *xsp_pages_get(struct xsp_pages *p, uint32_t gref, uint16_t *ret_extent);

/** xsp_pages_put - the page is not in use any more */
void xsp_pages_put(struct xsp_pages *p, uint16_t extent);

/** xsp_pages_count - pages mapped now */
uint32_t xsp_pages_count(const struct xsp_pages *p);

#endif
