/* SPDX-License-Identifier: MIT */
/*
 * The class of network devices: the port behind one, and what the two directories in XenStore say of
 * it. Its life is device.c's, its queues' way with packets net/queue.c's.
 *
 * Source: xen/include/public/io/netif.h; libxl's nodes of a vif: mac, bridge, script, rate, mtu,
 * handle, vifname.
 */
#ifndef XSP_BACKEND_VIF_H
#define XSP_BACKEND_VIF_H

#include "backend/device.h"
#include "backend/net/queue.h"

struct xsp_vif {
	struct xsp_device dev; /* first */
	struct xsp_netport *port; /* NULL: not open */
	struct xsp_rate rate;
	struct xsp_mcast mcast;
	struct xsp_capture capture;
	struct xsp_netctl ctl; /* counts while the guest has a control ring */
	bool has_ctl;

	/* shown to the control socket, under d->lock */
	struct xsp_vif_snap snap; /* all but dev and stats */
	struct xsp_net_stats *stats[XSP_MAX_QUEUES]; /* made with the first queue of that index, kept */
};
static_assert(offsetof(struct xsp_vif, dev) == 0, "devices are freed by their dev");

extern const struct xsp_device_class xsp_vif_class;

static inline struct xsp_vif *xsp_vif_of(struct xsp_device *dev)
{
	return (struct xsp_vif *)dev;
}

#endif
