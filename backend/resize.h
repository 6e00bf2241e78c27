/* SPDX-License-Identifier: MIT */
/* An operator's word that a disk's size has changed, or is to. Main thread. */
#ifndef XSP_BACKEND_RESIZE_H
#define XSP_BACKEND_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

struct xsp_daemon;

struct xsp_resize {
	char device[40]; /* vbd/1/51712 */
	bool have_size;  /* make it so large; else only look how large it is */
	uint64_t size_bytes;
	uint64_t before, now; /* back: bytes that the guest was told, and is told next */
	bool begun;           /* back: it pauses for that */
};

/**
 * xsp_resize - offer a disk with the size that its target has, or is given now
 *
 * A smaller size counts for requests before the image is cut; what is beyond it then is lost. Does not
 * wait for the pause. Returns 0; -ENOENT: no such device; -ENODEV: nothing is open behind it; -EBUSY:
 * it connects, moves or stops just now; -EINVAL: no multiple of its sectors; -EROFS; -EOPNOTSUPP: its
 * target is no regular file (grow that, then ask without a size); -ETIMEDOUT: the store thread did not
 * answer, it may still happen.
 */
int xsp_resize(struct xsp_daemon *d, struct xsp_resize *r);

#endif
