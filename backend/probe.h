/* SPDX-License-Identifier: MIT */
/*
 * Trace points (USDT): a nop each, until a tracer puts a trap there. Their arguments are values that lie
 * in registers or memory anyway, so an untraced probe costs the nop. docs/tracing.md is their contract:
 * names and arguments stay; tests/lab/test-probes.sh compares it with the binary.
 *
 * Six arguments at most: bpftrace reads no more on x86. Queues' probes begin with the device's name (a string) and the queue's index.
 */
#ifndef XSP_BACKEND_PROBE_H
#define XSP_BACKEND_PROBE_H

#include <sys/sdt.h>

/* A batch was taken: how many requests, and how many slots of the ring are in use. */
#define XSP_PROBE_TAKE(q, taken, in_use) DTRACE_PROBE4(xensplitd, take, (q)->name, (q)->index, taken, in_use)

/* A request goes to the target: enum xsp_io_op, and where and how many bytes. */
#define XSP_PROBE_SUBMIT(q, op, offset, len) \
	DTRACE_PROBE5(xensplitd, submit, (q)->name, (q)->index, op, offset, len)

/* The target is done with it: 0 or -errno. */
#define XSP_PROBE_COMPLETE(q, op, err) DTRACE_PROBE4(xensplitd, complete, (q)->name, (q)->index, op, err)

/* A request is answered: bytes of data, and CLOCK_MONOTONIC when it was taken and now. */
#define XSP_PROBE_RESPOND(q, op, bytes, taken_ns, now_ns) \
	DTRACE_PROBE6(xensplitd, respond, (q)->name, (q)->index, op, bytes, taken_ns, now_ns)

/* An event goes to the guest, for any class of queue. */
#define XSP_PROBE_NOTIFY(q) DTRACE_PROBE2(xensplitd, notify, (q)->name, (q)->index)

/* A device's queues run, or don't any more. Store thread. */
#define XSP_PROBE_CONNECT(dev, queues)    DTRACE_PROBE2(xensplitd, connect, (dev)->name, queues)
#define XSP_PROBE_DISCONNECT(dev, queues) DTRACE_PROBE2(xensplitd, disconnect, (dev)->name, queues)

#endif
