/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The table of sector dialects: see dialect.h. */
#include "ring/dialect.h"

static const struct {
	const char *name;
	enum xsp_blk_units size, number, segment;
} table[XSP_DIALECTS] = {
	[XSP_DIALECT_XEN] = { "xen", XSP_BLK_UNITS_512, XSP_BLK_UNITS_512, XSP_BLK_UNITS_512 },
	[XSP_DIALECT_FREEBSD] = { "freebsd", XSP_BLK_UNITS_SECTOR, XSP_BLK_UNITS_SECTOR,
				  XSP_BLK_UNITS_512 },
	[XSP_DIALECT_QEMU] = { "qemu", XSP_BLK_UNITS_SECTOR, XSP_BLK_UNITS_SECTOR,
			       XSP_BLK_UNITS_SECTOR },
	[XSP_DIALECT_WINDOWS] = { "windows", XSP_BLK_UNITS_SECTOR, XSP_BLK_UNITS_SECTOR,
				  XSP_BLK_UNITS_SECTOR },
	[XSP_DIALECT_MINIOS] = { "mini-os", XSP_BLK_UNITS_SECTOR, XSP_BLK_UNITS_512,
				 XSP_BLK_UNITS_512 },
};

enum xsp_blk_units xsp_blk_dialect_units(enum xsp_blk_dialect dialect)
{
	return table[dialect].size;
}

struct xsp_blk_shifts xsp_blk_dialect_shifts(enum xsp_blk_dialect dialect, uint32_t sector_size)
{
	uint8_t shift = 0;

	while (shift < 3 && XSP_SECTOR_SIZE << shift < sector_size)
		shift++;
	return (struct xsp_blk_shifts){
		.size = table[dialect].size == XSP_BLK_UNITS_SECTOR ? shift : 0,
		.number = table[dialect].number == XSP_BLK_UNITS_SECTOR ? shift : 0,
		.segment = table[dialect].segment == XSP_BLK_UNITS_SECTOR ? shift : 0,
	};
}

const char *xsp_blk_dialect_name(enum xsp_blk_dialect dialect)
{
	return table[dialect].name;
}

/* Does text begin with this? */
static bool begins(const char *text, const char *with)
{
	while (*with && *text == *with) {
		text++;
		with++;
	}
	return !*with;
}

static bool same(const char *a, const char *b)
{
	return begins(a, b) && begins(b, a);
}

int xsp_blk_dialect_parse(const char *name, enum xsp_blk_dialect *ret)
{
	if (same(name, "linux"))
		name = "xen";
	for (unsigned int i = 0; i < XSP_DIALECTS; i++)
		if (same(name, table[i].name)) {
			*ret = (enum xsp_blk_dialect)i;
			return 0;
		}
	return -EINVAL;
}

enum xsp_blk_dialect xsp_blk_dialect_of_frontend(bool large_sector)
{
	return large_sector ? XSP_DIALECT_WINDOWS : XSP_DIALECT_XEN;
}

enum xsp_blk_dialect xsp_blk_dialect_of_backend(const char *path)
{
	for (; *path; path++)
		if (begins(path, "/backend/qdisk/"))
			return XSP_DIALECT_QEMU;
	return XSP_DIALECT_XEN;
}
