/* SPDX-License-Identifier: MIT */
/*
 * Names of block devices: the id "vbd/DOMID/DEVID" of logs, command line and JSON, and the
 * toolstack's names (xvda, hdb1, d0p1) of the numbers in XenStore.
 *
 * Source: xen-vbd-interface(7).
 */
#ifndef XSP_COMMON_DEVNAME_H
#define XSP_COMMON_DEVNAME_H

#include <stddef.h>
#include <stdint.h>

#define XSP_DEVID_LEN 40 /* "vbd/4294967295/4294967295" and room */
#define XSP_VDEV_LEN  24

/** xsp_devid_parse - "vbd/1/51712" to its two numbers; 0 or -EINVAL (results untouched) */
int xsp_devid_parse(const char *id, uint32_t *ret_domid, uint32_t *ret_devid);

/** xsp_devid_format - the reverse; @buf of XSP_DEVID_LEN bytes; returns @buf */
char *xsp_devid_format(char *buf, uint32_t domid, uint32_t devid);

/**
 * xsp_vdev_parse - "xvda", "xvdaa3", "sdb", "hdc1", "d0p1" or a number ("51712", "0xca00") to the
 * number of the device node; 0 or -EINVAL
 */
int xsp_vdev_parse(const char *name, uint32_t *ret_devid);

/** xsp_vdev_format - "xvda" for 51712; the number itself when it has no name; returns @buf */
char *xsp_vdev_format(char *buf, uint32_t devid);

#endif
