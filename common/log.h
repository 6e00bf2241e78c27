/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log: one line a message to stderr, "<level> <device>: text". The prefix is made here
 * only; errno is left as it was. What a guest can cause goes through a limit, so that no guest can
 * fill Dom0's disk (XSA-180).
 */
#ifndef XSP_COMMON_LOG_H
#define XSP_COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum xsp_log_level { XSP_LOG_ERR, XSP_LOG_WARN, XSP_LOG_INFO, XSP_LOG_DEBUG };

/** xsp_log_set_level - messages above it are dropped; default XSP_LOG_INFO; any thread */
void xsp_log_set_level(enum xsp_log_level level);
enum xsp_log_level xsp_log_get_level(void);

/** xsp_log_parse_level - "err" "warn" "info" "debug" to *ret; 0 or -EINVAL */
int xsp_log_parse_level(const char *name, enum xsp_log_level *ret);

/** xsp_log_set_timestamps - prefix the local time (default on; off under a service manager) */
void xsp_log_set_timestamps(bool on);

/**
 * xsp_log - one message; any thread
 * @device: "vbd/1/51712", or NULL for the daemon itself
 */
void xsp_log(enum xsp_log_level level, const char *device, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Ten messages, then at most one a second; zero-initialised; one thread at a time. */
struct xsp_log_limit {
	uint64_t refilled_s;
	uint32_t used;
	uint32_t dropped;
};

/** xsp_log_allowed - take one message from the limit; false: drop it (it is counted) */
bool xsp_log_allowed(struct xsp_log_limit *limit);

/** xsp_log_limited - a message that xsp_log_allowed let through, with how many it dropped before */
void xsp_log_limited(struct xsp_log_limit *limit, enum xsp_log_level level, const char *device,
		     const char *text);

#define xsp_err(dev, ...)   xsp_log(XSP_LOG_ERR, dev, __VA_ARGS__)
#define xsp_warn(dev, ...)  xsp_log(XSP_LOG_WARN, dev, __VA_ARGS__)
#define xsp_info(dev, ...)  xsp_log(XSP_LOG_INFO, dev, __VA_ARGS__)
#define xsp_debug(dev, ...) xsp_log(XSP_LOG_DEBUG, dev, __VA_ARGS__)

#endif
