/* SPDX-License-Identifier: MIT */
/*
 * What the daemon counts, as OpenMetrics text: on the control socket (daemon.metrics) and in a file for
 * node_exporter's textfile collector. Counters end in _total, times are in seconds, latencies are
 * histograms with an edge at each power of two.
 *
 * Source: the OpenMetrics specification 1.0; the older text format of Prometheus reads it too.
 */
#ifndef XSP_BACKEND_METRICS_H
#define XSP_BACKEND_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct xsp_daemon;

#define XSP_METRICS_SECONDS 10u /* between two writings of the file */

/**
 * xsp_metrics_text - all of it, ended by "# EOF"
 * @started_ns: CLOCK_MONOTONIC at the daemon's start
 * @ret: malloc'd, the caller frees
 *
 * Main thread; never waits for the store or a guest. Returns 0 or -ENOMEM.
 */
int xsp_metrics_text(struct xsp_daemon *d, uint64_t started_ns, char **ret, size_t *ret_len);

/**
 * xsp_metrics_write - the same into a file, by way of PATH.tmp, so that a reader sees all or nothing
 *
 * Main thread. Returns 0 or -errno.
 */
int xsp_metrics_write(struct xsp_daemon *d, uint64_t started_ns, const char *path);

#endif
