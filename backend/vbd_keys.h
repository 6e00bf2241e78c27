/* SPDX-License-Identifier: MIT */
/*
 * What the frontend of a disk wrote into the store, checked.
 *
 * Source: xen/include/public/io/blkif.h "Frontend XenBus Nodes".
 */
#ifndef XSP_BACKEND_VBD_KEYS_H
#define XSP_BACKEND_VBD_KEYS_H

#include "backend/device.h"
#include "ring/dialect.h"

/* One queue as published. */
struct xsp_vbd_ring {
	enum xsp_blk_abi abi;
	uint32_t order;
	uint32_t ref[1u << XSP_RING_MAX_ORDER];
	uint32_t evtchn;
	bool persistent;
};

/** xsp_vbd_max_queues - how many queues a frontend is offered: one a worker */
uint32_t xsp_vbd_max_queues(const struct xsp_device *dev);

/**
 * xsp_vbd_read_rings - what the frontend published, range-checked
 * @ret: XSP_MAX_QUEUES, of which the first *ret_n are filled in
 * @ret_dialect: how it counts sectors: what the key xensplit-dialect says in our directory or in the
 *       frontend's, else as its features show
 * @why: a sentence when it makes no sense
 */
int xsp_vbd_read_rings(struct xsp_device *dev, struct xsp_vbd_ring *ret, uint32_t *ret_n,
		       enum xsp_blk_dialect *ret_dialect, char *why, size_t why_len);

#endif
