/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Trace points of xensplit-net: trace-cmd record -e xensplit_net */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xensplit_net

#if !defined(XSP_LINUX_NET_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XSP_LINUX_NET_TRACE_H

#include <linux/tracepoint.h>

#include "frontend/linux/device/state_event.h"

DECLARE_EVENT_CLASS(xnet_packet,
	TP_PROTO(u32 devid, unsigned int queue, unsigned int bytes, unsigned int pieces,
		 unsigned int gso_size, bool blank),
	TP_ARGS(devid, queue, bytes, pieces, gso_size, blank),
	TP_STRUCT__entry(
		__field(u32, devid)
		__field(unsigned int, queue)
		__field(unsigned int, bytes)
		__field(unsigned int, pieces)
		__field(unsigned int, gso_size)
		__field(bool, blank)
	),
	TP_fast_assign(
		__entry->devid = devid;
		__entry->queue = queue;
		__entry->bytes = bytes;
		__entry->pieces = pieces;
		__entry->gso_size = gso_size;
		__entry->blank = blank;
	),
	TP_printk("vif-%u queue=%u bytes=%u pieces=%u gso_size=%u%s", __entry->devid, __entry->queue,
		  __entry->bytes, __entry->pieces, __entry->gso_size,
		  __entry->blank ? " checksum blank" : "")
);

DEFINE_EVENT(xnet_packet, xnet_tx,
	TP_PROTO(u32 devid, unsigned int queue, unsigned int bytes, unsigned int pieces,
		 unsigned int gso_size, bool blank),
	TP_ARGS(devid, queue, bytes, pieces, gso_size, blank));

DEFINE_EVENT(xnet_packet, xnet_rx,
	TP_PROTO(u32 devid, unsigned int queue, unsigned int bytes, unsigned int pieces,
		 unsigned int gso_size, bool blank),
	TP_ARGS(devid, queue, bytes, pieces, gso_size, blank));

XDEV_STATE_EVENT(xnet_state, "vif");

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
