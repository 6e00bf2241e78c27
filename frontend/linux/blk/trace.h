/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Trace points of xensplit-blk: trace-cmd record -e xensplit_blk */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xensplit_blk

#if !defined(XSP_LINUX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XSP_LINUX_TRACE_H

#include <linux/blk-mq.h>
#include <linux/tracepoint.h>

#include "frontend/linux/device/state_event.h"

TRACE_EVENT(xblk_submit,
	TP_PROTO(u32 devid, unsigned int queue, struct request *rq, unsigned int segs,
		 unsigned int pieces, bool direct),
	TP_ARGS(devid, queue, rq, segs, pieces, direct),
	TP_STRUCT__entry(
		__field(u32, devid)
		__field(unsigned int, queue)
		__field(unsigned int, op)
		__field(int, tag)
		__field(u64, sector)
		__field(unsigned int, bytes)
		__field(unsigned int, segs)
		__field(unsigned int, pieces)
		__field(bool, direct)
	),
	TP_fast_assign(
		__entry->devid = devid;
		__entry->queue = queue;
		__entry->op = (unsigned int)req_op(rq);
		__entry->tag = rq->tag;
		__entry->sector = blk_rq_pos(rq);
		__entry->bytes = blk_rq_bytes(rq);
		__entry->segs = segs;
		__entry->pieces = pieces;
		__entry->direct = direct;
	),
	TP_printk("vbd-%u queue=%u tag=%d op=%u sector=%llu bytes=%u segments=%u pieces=%u %s",
		  __entry->devid, __entry->queue, __entry->tag, __entry->op, __entry->sector,
		  __entry->bytes, __entry->segs, __entry->pieces,
		  __entry->direct ? "direct" : "bounced")
);

TRACE_EVENT(xblk_done,
	TP_PROTO(u32 devid, unsigned int queue, struct request *rq, int error),
	TP_ARGS(devid, queue, rq, error),
	TP_STRUCT__entry(
		__field(u32, devid)
		__field(unsigned int, queue)
		__field(int, tag)
		__field(u64, sector)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->devid = devid;
		__entry->queue = queue;
		__entry->tag = rq->tag;
		__entry->sector = blk_rq_pos(rq);
		__entry->error = error;
	),
	TP_printk("vbd-%u queue=%u tag=%d sector=%llu error=%d", __entry->devid, __entry->queue,
		  __entry->tag, __entry->sector, __entry->error)
);

XDEV_STATE_EVENT(xblk_state, "vbd");

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
