/* SPDX-License-Identifier: MIT */
/*
 * What one block device counts. Its worker alone writes (xsp_count), anybody reads (xsp_counted);
 * the struct belongs to the device, not to the queue, so it outlives a reconnect.
 */
#ifndef XSP_BACKEND_STATS_H
#define XSP_BACKEND_STATS_H

#include "common/hist.h"
#include "common/log.h"

enum xsp_stat_op { XSP_STAT_READ, XSP_STAT_WRITE, XSP_STAT_FLUSH, XSP_STAT_DISCARD, XSP_STAT_OPS };

/* X(name, help): every plain counter, in the order they are shown. What any queue counts: */
#define XSP_QUEUE_COUNTERS(X)                                                                      \
	X(visits, "batches taken from the ring")                                                   \
	X(wakes, "events received")                                                                \
	X(empty_wakes, "events that found nothing to do")                                          \
	X(notifies, "events sent to the guest")                                                    \
	X(evtchn_calls, "calls into libxenevtchn: pending, unmask, notify")                        \
	X(gnt_calls, "calls into libxengnttab: copy, map, unmap")                                  \
	X(gnt_refs, "grant references in those calls")                                             \
	X(starved, "times it waited for the worker's buffers or window")

/* ... and what only a disk's does. */
#define XSP_DISK_COUNTERS(X)                                                                       \
	X(rd_req, "read requests answered")                                                        \
	X(wr_req, "write requests answered")                                                       \
	X(fl_req, "flush requests answered")                                                       \
	X(br_req, "write barriers answered")                                                       \
	X(ds_req, "discard requests answered")                                                     \
	X(rd_sect, "512-byte sectors read")                                                        \
	X(wr_sect, "512-byte sectors written")                                                     \
	X(ds_sect, "512-byte sectors discarded")                                                   \
	X(occupied, "slots in use, summed over the batches: / visits is the mean")                 \
	X(indirect, "of the requests, those with indirect segments")                               \
	X(io_errors, "requests answered with an error of the target")                              \
	X(throttled, "times the disk had to wait for its limits")                                  \
	X(bad_req, "malformed or forbidden requests refused")                                      \
	X(bad_gref, "segments whose grant could not be copied")                                    \
	X(copied, "bytes copied between guest pages and the worker's buffers")                     \
	X(mapped, "guest pages mapped to be kept")                                                 \
	X(unmapped, "of them, those given back")

/* ... and what only a network device's does; tx is what the guest sends. */
#define XSP_NIC_COUNTERS(X)                                                                        \
	X(tx_packets, "packets from the guest")                                                    \
	X(tx_bytes, "bytes in them")                                                               \
	X(tx_gso, "of them, those to be cut into TCP segments")                                    \
	X(rx_packets, "packets to the guest")                                                      \
	X(rx_bytes, "bytes in them")                                                               \
	X(rx_gso, "of them, those to be cut into TCP segments")                                    \
	X(tx_malformed, "dropped: a chain of requests that makes no packet")                       \
	X(tx_short, "dropped: cut off within a header")                                            \
	X(tx_length, "dropped: longer or shorter than its IP header says")                         \
	X(tx_protocol, "dropped: an offload that its protocol doesn't have")                       \
	X(tx_fragment, "dropped: an offload of an IP fragment")                                    \
	X(tx_gso_bad, "dropped: a segment size or type that can't be")                             \
	X(tx_refused, "dropped: the port had no room or refused it")                               \
	X(bad_gref, "pieces whose grant could not be copied")                                      \
	X(throttled, "times the guest had to wait for its rate")                                   \
	X(rx_too_big, "dropped: larger than the guest takes")                                      \
	X(rx_filtered, "dropped: multicast that the guest didn't ask for")                         \
	X(rx_waits, "times there were packets and no buffers of the guest's")                      \
	X(rx_stale, "dropped: the guest posted no buffers for ten seconds")                        \
	X(rx_no_room, "dropped: steered to a queue without buffers")                               \
	X(rx_steered, "packets that their hash sent to another queue")                             \
	X(static_pieces, "pieces of packets copied without a grant call: static grants")           \
	X(tx_direct, "of the packets from the guest, those copied straight into another guest's pages") \
	X(copied, "bytes of packets copied by the daemon, each time they were")

#define XSP_BLK_COUNTERS(X) XSP_DISK_COUNTERS(X) XSP_QUEUE_COUNTERS(X)
#define XSP_NET_COUNTERS(X) XSP_NIC_COUNTERS(X) XSP_QUEUE_COUNTERS(X)

struct xsp_queue_stats {
#define X(name, help) uint64_t name;
	XSP_QUEUE_COUNTERS(X)
#undef X
	/* Here, because a limit that began anew with each queue would be none: guests reconnect. */
	struct xsp_log_limit complaints;
};

struct xsp_blk_stats {
	union { /* its counters by name, or as what queue.c knows */
		struct xsp_queue_stats queue;
		struct {
#define X(name, help) uint64_t name;
			XSP_QUEUE_COUNTERS(X)
#undef X
		};
	};
#define X(name, help) uint64_t name;
	XSP_DISK_COUNTERS(X)
#undef X
	struct xsp_hist latency[XSP_STAT_OPS]; /* taken from the ring .. answered, ns */
	uint64_t in_flight; /* now: taken and not yet answered */
};

/* What is now, not what was so far: stored by the counters' writer. */
static inline void xsp_gauge(uint64_t *gauge, uint64_t now)
{
	__atomic_store_n(gauge, now, __ATOMIC_RELAXED);
}

struct xsp_net_stats {
	union { /* as above */
		struct xsp_queue_stats queue;
		struct {
#define X(name, help) uint64_t name;
			XSP_QUEUE_COUNTERS(X)
#undef X
		};
	};
#define X(name, help) uint64_t name;
	XSP_NIC_COUNTERS(X)
#undef X
};

#endif
