/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The trace point of the state machine's steps, for a class's trace.h: its name and the devices'. */
#ifndef XSP_LINUX_STATE_EVENT_H
#define XSP_LINUX_STATE_EVENT_H

#define XDEV_STATE_EVENT(name, type)                                                       \
	TRACE_EVENT(name,                                                                  \
		TP_PROTO(u32 devid, int me, int peer, int act, int next),                  \
		TP_ARGS(devid, me, peer, act, next),                                       \
		TP_STRUCT__entry(                                                          \
			__field(u32, devid)                                                \
			__field(int, me)                                                   \
			__field(int, peer)                                                 \
			__field(int, act)                                                  \
			__field(int, next)                                                 \
		),                                                                         \
		TP_fast_assign(                                                            \
			__entry->devid = devid;                                            \
			__entry->me = me;                                                  \
			__entry->peer = peer;                                              \
			__entry->act = act;                                                \
			__entry->next = next;                                              \
		),                                                                         \
		TP_printk(type "-%u frontend=%d backend=%d act=%d next=%d", __entry->devid, \
			  __entry->me, __entry->peer, __entry->act, __entry->next))

#endif
