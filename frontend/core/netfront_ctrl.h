/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The control ring of a NIC, one request at a time: hashing of received packets over the queues, and
 * static grants. Sans-I/O, as netfront_tx.h; the backend is not trusted.
 *
 * Source: xen/include/public/io/netif.h "Control ring", "Control messages", "Static Grants".
 */
#ifndef XSP_NETFRONT_CTRL_H
#define XSP_NETFRONT_CTRL_H

#include "ring/netif.h"

struct xsp_netfront_ctrl {
	struct xsp_ring_front ring;
	uint16_t id, type;  /* of the request under way */
	bool busy;
	const char *broken; /* NULL, or why the ring can't be used any more; static */
};

/** xsp_netfront_ctrl_init - over a new ring of one page, as xsp_netfront_tx_init */
void xsp_netfront_ctrl_init(struct xsp_netfront_ctrl *q, void *page);

/**
 * xsp_netfront_ctrl_ask - write and publish a request
 * @type: enum xsp_net_ctrl_type; what data means with it: see the specification
 *
 * Returns 1 (send an event), 0 (the backend looks already), -EBUSY (one is under way), -EPROTO.
 */
int xsp_netfront_ctrl_ask(struct xsp_netfront_ctrl *q, uint16_t type, const uint32_t data[3]);

/**
 * xsp_netfront_ctrl_answer - the answer to the request under way
 * @ret: filled in when 1 is returned; its status and data are the backend's word
 *
 * Returns 1, 0 (not yet: an event will come) or -EPROTO.
 */
int xsp_netfront_ctrl_answer(struct xsp_netfront_ctrl *q, struct xsp_net_ctrl_rsp *ret);

#endif
