/* SPDX-License-Identifier: MIT */
/* xensplit-vbd: main.c commands; list.c what disks there are; transfer.c read, write, flush; verify.c load and its report; pattern.c data. */
#ifndef XSP_TOOLS_VBD_H
#define XSP_TOOLS_VBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/user/xensplit-front.h"

/* Exit codes, those of the xensplit command. */
enum { VBD_OK = 0, VBD_FAILED = 1, VBD_USAGE = 2, VBD_NOT_FOUND = 3, VBD_UNREACHABLE = 4, VBD_TIMEOUT = 5 };

/** vbd_exit_code - the exit code that says the same as a negative errno of the library */
int vbd_exit_code(int error);

enum vbd_mode { VBD_VERIFY, VBD_READ, VBD_WRITE, VBD_RANDREAD, VBD_RANDWRITE, VBD_RANDRW };

struct vbd_load {
	const char *dev;
	enum vbd_mode mode;
	uint64_t offset; /* bytes; the region starts here */
	uint64_t size;   /* bytes; 0: to the end of the disk */
	uint64_t seed;
	uint32_t bs;      /* bytes of one request */
	unsigned int qd;  /* requests under way */
	unsigned int write_percent;
	double seconds;
	unsigned int flush_every; /* a flush after so many writes; 0: none but the one at the end */
	bool barrier;             /* ... a barrier instead */
	bool json, quiet;
};

/** vbd_verify - run a load on an open disk and report; returns an exit code */
int vbd_verify(struct xsp_disk *disk, const struct vbd_load *load);

/** vbd_list - the disks of this domain; returns an exit code */
int vbd_list(bool json);

/* These return an exit code and print what went wrong. */
int vbd_read(struct xsp_disk *disk, uint64_t offset, uint64_t bytes);
int vbd_write(struct xsp_disk *disk, uint64_t offset);
int vbd_flush(struct xsp_disk *disk);
int vbd_discard(struct xsp_disk *disk, uint64_t offset, uint64_t bytes);
int vbd_eject(struct xsp_disk *disk);
int vbd_watch(struct xsp_disk *disk, double seconds, bool json); /* < 0: until it is closed */

/**
 * vbd_pattern_fill - the bytes of some sectors in one generation
 * @buf: whole sectors of 512 bytes, aligned to 8
 */
void vbd_pattern_fill(void *buf, size_t bytes, uint64_t offset, uint64_t seed, uint32_t generation);

/**
 * vbd_pattern_check - compare with what vbd_pattern_fill made
 * @what: VBD_WHAT_BYTES for a sentence when it differs: an old generation, another place, ...
 *
 * Returns true when every byte is right.
 */
#define VBD_WHAT_BYTES 160
bool vbd_pattern_check(const void *buf, size_t bytes, uint64_t offset, uint64_t seed,
		       uint32_t generation, char *what);

#endif
