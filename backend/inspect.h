/* SPDX-License-Identifier: MIT */
/*
 * What the control socket may see of the daemon: copies, made under the registry's lock or by the
 * queue's own worker; nothing in them points into live objects.
 */
#ifndef XSP_BACKEND_INSPECT_H
#define XSP_BACKEND_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/stats.h"
#include "ring/blkif.h"

struct xsp_daemon;

#define XSP_INSPECT_TEXT 256

/* One device of any class. */
struct xsp_device_snap {
	uint32_t domid, devid;
	char why[XSP_INSPECT_TEXT]; /* last error or what it is waiting for; empty when all is well */
	int state, peer_state;      /* XenBus states, ours and the frontend's as last seen */
	bool online, connected;
	uint32_t n_queues;     /* 0 when not connected */
	uint32_t worker;       /* that owns queue 0; valid when connected */
	uint32_t adopted;      /* times running rings were taken over from a former daemon */
	uint64_t connected_ns; /* CLOCK_MONOTONIC at connect; 0 when not connected */
};

/* One block device. */
struct xsp_vbd_snap {
	struct xsp_device_snap dev;
	char vdev[32];                 /* the toolstack's name: xvda; may be empty */
	char target[XSP_INSPECT_TEXT]; /* the spec as given */
	bool readonly, direct;
	uint64_t size_bytes;
	uint32_t sector_size;
	uint32_t ring_order;   /* what follows: of queue 0, valid when connected */
	uint32_t ring_ref[1u << XSP_RING_MAX_ORDER];
	uint32_t evtchn;       /* the guest's port */
	char protocol[24];     /* x86_64-abi, x86_32-abi */
	struct xsp_blk_stats stats; /* of all queues */
};

/**
 * xsp_inspect_vbds - copy of every block device, sorted by domid and devid
 * @ret: malloc'd array, the caller frees; NULL when there is none
 *
 * Any thread; never waits for the store. Returns 0 or -ENOMEM.
 */
int xsp_inspect_vbds(struct xsp_daemon *d, struct xsp_vbd_snap **ret, size_t *ret_n);

/* One queue of a connected block device. */
struct xsp_vbd_queue_snap {
	uint32_t worker; /* that owns it */
	uint32_t size;   /* slots of its ring */
	struct xsp_blk_stats stats; /* since the device had so many queues for the first time */
};

/**
 * xsp_inspect_vbd_queues - copies of the queues 0.. of one block device, @max at most
 *
 * Any thread. Returns how many (0: not connected), or -ENOENT.
 */
int xsp_inspect_vbd_queues(struct xsp_daemon *d, uint32_t domid, uint32_t devid, uint32_t max,
			   struct xsp_vbd_queue_snap *ret);

/* One network device. */
struct xsp_vif_snap {
	struct xsp_device_snap dev;
	char port[XSP_INSPECT_TEXT]; /* the spec as given */
	char ifname[16];             /* of the interface on this host; "" when there is none */
	char mac[18], bridge[16];    /* as the toolstack gave them */
	uint64_t rate_bytes, rate_usecs; /* 0: no limit */
	/* what follows: valid when connected; rings and port of queue 0 */
	bool sg, csum4, csum6, gso4, gso6, split, ctrl;
	uint32_t tx_ring_ref, rx_ring_ref, evtchn;
	uint32_t static_grants, hash_types, multicasts; /* that the guest has asked for */
	struct xsp_net_stats stats; /* of all queues */
	uint32_t n_queue_stats;     /* queues there ever were */
	struct {
		uint64_t tx_packets, rx_packets;
	} queue[16];
};

/**
 * xsp_inspect_capture - begin to send a network device's packets to a socket: net/capture.h
 *
 * Main thread. Returns 0, -ENOENT (no such device), or what xsp_capture_start does.
 */
int xsp_inspect_capture(struct xsp_daemon *d, uint32_t domid, uint32_t devid, const char *path,
			uint32_t snaplen);

/** xsp_inspect_vifs - as xsp_inspect_vbds, of every network device */
int xsp_inspect_vifs(struct xsp_daemon *d, struct xsp_vif_snap **ret, size_t *ret_n);

/* One request that was taken and not yet answered. */
struct xsp_ring_inflight {
	struct xsp_blk_req req;
	uint64_t age_ns;
};

/* A ring as its worker sees it at one moment. */
struct xsp_ring_snap {
	uint32_t size, order;
	uint32_t req_prod, req_event, rsp_prod, rsp_event; /* shared memory */
	uint32_t req_cons, rsp_prod_pvt;                   /* private */
	uint32_t ring_ref[1u << XSP_RING_MAX_ORDER];
	uint64_t frame[1u << XSP_RING_MAX_ORDER]; /* our machine's page frame, 0 when not allowed */
	uint32_t evtchn_remote, evtchn_local;
	char protocol[24];
	bool broken, stopping;
	uint32_t n_inflight;
	struct xsp_ring_inflight inflight[512];
};

/**
 * xsp_inspect_ring - copy of the ring of one queue of a connected device, made by its worker
 * @ret: malloc'd, the caller frees
 *
 * Main thread; waits at most a second. Returns 0, -ENOENT (no such device), -ENOTCONN (nor such a
 * queue), -ETIMEDOUT.
 */
int xsp_inspect_ring(struct xsp_daemon *d, uint32_t domid, uint32_t devid, uint32_t queue,
		     struct xsp_ring_snap **ret);

#endif
