/* SPDX-License-Identifier: MIT */
/*
 * The control ring of a network device: hashing and static grants, asked for by its guest. It is a
 * queue of its own class. All queues of a device that has one are on one worker (vif.c), so that what
 * is set here is what they see, without a lock.
 *
 * Source: xen/include/public/io/netif.h "Control ring", "Control messages".
 */
#ifndef XSP_BACKEND_NET_CTRL_H
#define XSP_BACKEND_NET_CTRL_H

#include "backend/net/keep.h"
#include "backend/queue.h"

struct xsp_netq;

/* What the queues of one device share; the device's, its worker's while they run. */
struct xsp_netctl {
	struct xsp_net_hash hash;
	struct xsp_netq *queue[16]; /* those that run */
	uint32_t n_queues;          /* of them, as the guest published */
	struct xsp_netkeep keep;    /* what a later daemon needs of it */
};

struct xsp_ctrlq {
	struct xsp_queue base; /* first */
	uint32_t ref;
	struct xsp_netctl *ctl;
	/* the worker's */
	struct xsp_sring *sring;
	struct xsp_ring_back ring;
};
static_assert(offsetof(struct xsp_ctrlq, base) == 0, "queues are freed by their base");

extern const struct xsp_queue_ops xsp_ctrlq_ops;

/* How a request gets at the guest's memory; 0 or -errno. */
struct xsp_ctrl_pages {
	int (*read)(void *arg, uint32_t gref, void *to, uint32_t len);
	int (*write)(void *arg, uint32_t gref, const void *from, uint32_t len);
	void *arg;
};

/**
 * xsp_ctrl_hash_request - types 1 to 7, on h
 * @ret: id and type are filled in; status and data are set
 *
 * Returns false when the request is none of these. Pure but for pages.
 */
bool xsp_ctrl_hash_request(struct xsp_net_hash *h, uint32_t n_queues, const struct xsp_ctrl_pages *pages,
			   const struct xsp_net_ctrl_req *req, struct xsp_net_ctrl_rsp *ret);

#endif
