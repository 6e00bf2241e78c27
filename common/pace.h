/* SPDX-License-Identifier: MIT */
/*
 * "N/s@T": so many a second, and at most as many at once as come in T. Limits of disks are written so,
 * on the command line and in XenStore, as rates of network devices are in xl's configuration.
 *
 *   1000/s         a thousand requests a second, 50 of them at once
 *   10MB/s@1s      10^7 bytes a second; after a second of rest, 10^7 at once
 *   none           no limit
 *
 * N may end in k, M, G, T (powers of 1000), Ki, Mi, Gi, Ti (of 1024), with or without a B behind it; T
 * in us, ms or s. Source: xl-network-configuration(5) "rate".
 */
#ifndef XSP_COMMON_PACE_H
#define XSP_COMMON_PACE_H

#include <stdint.h>

#define XSP_PACE_MAX 10000000000000ull /* N */

struct xsp_pace {
	uint64_t per_second; /* 1..XSP_PACE_MAX; 0: no limit */
	uint64_t burst;      /* at once, at least 1 */
};

/** xsp_pace_parse - 0 or -EINVAL (result untouched) */
int xsp_pace_parse(const char *text, struct xsp_pace *ret);

#endif
