/* SPDX-License-Identifier: MIT */
/* Images of formats that QEMU knows; their targets are in the table of target.c. */
#ifndef XSP_BACKEND_TARGET_IMAGE_H
#define XSP_BACKEND_TARGET_IMAGE_H

#include "backend/target/target.h"

/**
 * xsp_image_open - what qcow2:PATH and file,format=qcow2:PATH do
 * @format: "qcow2"; others are refused
 * @opts:   direct, buffered, writethrough; format is not looked at
 */
int xsp_image_open(const char *format, const char *opts, const char *path,
		   const struct xsp_target_wish *wish, struct xsp_target **ret, char *why,
		   size_t why_len);

#endif
