/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Which unit a peer counts in. When sector-size is 512 everybody agrees. When it is larger, five
 * implementations read the specification in four ways:
 *
 *                        `sectors`      sector_number,     first/last
 *                        in the store   nr_sectors         sector of a segment
 *   xen (4.20 on), Linux      512             512                512
 *   freebsd              sector-size     sector-size             512
 *   qemu                 sector-size     sector-size         sector-size
 *   windows              sector-size     sector-size         sector-size
 *   mini-os              sector-size          512                512
 *
 * This kit speaks `xen` unless the peer shows that it does otherwise, or somebody says so by the key
 * or option xensplit-dialect. Inside, everything is counted in 512 bytes; these units are the wire's.
 *
 * Source: xen/include/public/io/blkif.h as of Xen 4.20 (4.17's text scales everything), and the
 * message of the commit that changed it, xen.git 221f2748e8.
 */
#ifndef XSP_RING_DIALECT_H
#define XSP_RING_DIALECT_H

#include "ring/blkif.h"

enum xsp_blk_units {
	XSP_BLK_UNITS_512,    /* always 512 bytes */
	XSP_BLK_UNITS_SECTOR, /* the backend's sector-size */
};

enum xsp_blk_dialect {
	XSP_DIALECT_XEN,
	XSP_DIALECT_FREEBSD,
	XSP_DIALECT_QEMU,
	XSP_DIALECT_WINDOWS,
	XSP_DIALECT_MINIOS,
	XSP_DIALECTS,
};

/* How much larger than 512 each unit is, as a shift: 0..3. */
struct xsp_blk_shifts {
	uint8_t size;    /* `sectors` */
	uint8_t number;  /* sector_number, and nr_sectors of a discard */
	uint8_t segment; /* first and last sector */
};

/** xsp_blk_dialect_units - the table above, for `sectors` alone (what a frontend parses first) */
enum xsp_blk_units xsp_blk_dialect_units(enum xsp_blk_dialect dialect);

/** xsp_blk_dialect_shifts - the units of a dialect at this sector size (512..4096, power of two) */
struct xsp_blk_shifts xsp_blk_dialect_shifts(enum xsp_blk_dialect dialect, uint32_t sector_size);

/** xsp_blk_dialect_name - "xen", "freebsd", ... */
const char *xsp_blk_dialect_name(enum xsp_blk_dialect dialect);

/** xsp_blk_dialect_parse - the dialect of a name ("linux" is "xen"); -EINVAL when there is none */
int xsp_blk_dialect_parse(const char *name, enum xsp_blk_dialect *ret);

/**
 * xsp_blk_dialect_of_frontend - what a frontend speaks
 * @large_sector: its feature-large-sector-size is 1. Windows' drivers are the only ones that write it.
 *
 * FreeBSD and Mini-OS can't be told from Linux: for them the key xensplit-dialect, or 512e.
 */
enum xsp_blk_dialect xsp_blk_dialect_of_frontend(bool large_sector);

/**
 * xsp_blk_dialect_of_backend - what a backend speaks
 * @path: of its directory. .../backend/qdisk/... is QEMU's.
 */
enum xsp_blk_dialect xsp_blk_dialect_of_backend(const char *path);

#endif
