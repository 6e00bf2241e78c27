/* SPDX-License-Identifier: MIT */
/*
 * What the frontend of a network device wrote into the store, checked.
 *
 * Source: xen/include/public/io/netif.h, the comments before "Control ring".
 */
#ifndef XSP_BACKEND_VIF_KEYS_H
#define XSP_BACKEND_VIF_KEYS_H

#include "backend/device.h"

/* One queue as published. */
struct xsp_vif_rings {
	uint32_t tx_ref, rx_ref;
	uint32_t evtchn[2]; /* tx's and rx's; both the same when the guest has one for both */
	bool split;
};

/* What the guest takes. */
struct xsp_vif_features {
	bool sg, csum4, csum6, gso4, gso6, rx_notify;
	bool mcast;    /* filter multicast */
	bool ctrl;     /* there is a control ring: */
	uint32_t ctrl_ref, ctrl_evtchn;
};

/** xsp_vif_max_queues - how many queues a frontend is offered: one a worker */
uint32_t xsp_vif_max_queues(const struct xsp_device *dev);

/**
 * xsp_vif_read_rings - what the frontend published, range-checked
 * @ret: XSP_MAX_QUEUES, of which the first *ret_n are filled in
 * @why: a sentence when it makes no sense
 */
int xsp_vif_read_rings(struct xsp_device *dev, struct xsp_vif_rings *ret, uint32_t *ret_n,
		       struct xsp_vif_features *ret_features, char *why, size_t why_len);

#endif
