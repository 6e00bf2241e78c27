/* SPDX-License-Identifier: MIT */
/* Guests' pages in and out of the worker's buffers: grant copy, one library call for a batch. */
#ifndef XSP_BACKEND_BLK_DATA_H
#define XSP_BACKEND_BLK_DATA_H

#include "backend/queue.h"

/**
 * xsp_data_in - bring the data of writes into their bounce buffers
 * @slots: n (at most XSP_VISIT_REQS) slot numbers of checked writes
 *
 * A slot whose pages could not be read gets status XSP_BLK_ERROR; the others stay as they are.
 * Worker's thread.
 */
void xsp_data_in(struct xsp_queue *q, const uint16_t *slots, unsigned int n);

/** xsp_data_out - the same for reads that succeeded: buffers to the guest's pages */
void xsp_data_out(struct xsp_queue *q, const uint16_t *slots, unsigned int n);

#endif
