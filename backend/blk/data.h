/* SPDX-License-Identifier: MIT */
/*
 * Guests' pages and the requests on them. Two modes only: a page that is kept mapped (pages.h) is
 * used where it is; any other is copied by grant copy through the request's buffer, one library call
 * for a batch. A request may have pages of both kinds. Reads that a processor copies anyway (a page
 * cache) go through the buffer, too, and from there to the mapped pages past the cache, but for a guest
 * whose processor is near ours (near.h).
 *
 * All functions: worker's thread; slots are at most XSP_VISIT_REQS slot numbers.
 */
#ifndef XSP_BACKEND_BLK_DATA_H
#define XSP_BACKEND_BLK_DATA_H

#include "backend/blk/queue.h"

/**
 * xsp_data_fetch - the segments of indirect requests, copied once from the guest's descriptor page
 * @slots: indirect requests with an area and n_segs in 1..XSP_AREA_SEGS
 *
 * A slot whose page can't be read gets status XSP_BLK_ERROR.
 */
void xsp_data_fetch(struct xsp_blkq *q, const uint16_t *slots, unsigned int n);

/**
 * xsp_data_in - make the iovecs of checked reads and writes, and bring the writes' data
 *
 * A slot whose pages can't be read gets status XSP_BLK_ERROR.
 */
void xsp_data_in(struct xsp_blkq *q, const uint16_t *slots, unsigned int n);

/** xsp_data_out - what was read goes to the guest's pages; slots: reads that succeeded */
void xsp_data_out(struct xsp_blkq *q, const uint16_t *slots, unsigned int n);

/** xsp_data_release - the pages of a slot that went through xsp_data_in are not in use any more */
void xsp_data_release(struct xsp_blkq *q, struct xsp_slot *slot);

#endif
