/* SPDX-License-Identifier: MIT */
/* Names of block devices: see devname.h. */
#include "common/devname.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XVD_MAJOR 202u
#define SD_MAJOR  8u
#define HD_MAJOR  3u
#define HD2_MAJOR 22u
#define EXTENDED  (1u << 28)

/* Digits only, at most max; *text moves behind them. */
static int number(const char **text, uint32_t max, uint32_t *ret)
{
	uint64_t n = 0;
	const char *p = *text;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (uint32_t)(*p - '0');
		if (n > max)
			return -EINVAL;
	}
	*text = p;
	*ret = (uint32_t)n;
	return 0;
}

int xsp_devid_parse(const char *id, uint32_t *ret_domid, uint32_t *ret_devid)
{
	uint32_t domid, devid;

	if (strncmp(id, "vbd/", 4))
		return -EINVAL;
	id += 4;
	if (number(&id, UINT32_MAX, &domid) || *id++ != '/' || number(&id, UINT32_MAX, &devid) ||
	    *id)
		return -EINVAL;
	*ret_domid = domid;
	*ret_devid = devid;
	return 0;
}

char *xsp_devid_format(char *buf, uint32_t domid, uint32_t devid)
{
	snprintf(buf, XSP_DEVID_LEN, "vbd/%u/%u", domid, devid);
	return buf;
}

/* "a".."z", "aa".. and an optional partition number: 0 or -EINVAL. */
static int letters(const char *text, uint32_t max_disk, uint32_t max_part, uint32_t *disk,
		   uint32_t *part)
{
	uint64_t d = 0;

	if (*text < 'a' || *text > 'z')
		return -EINVAL;
	for (; *text >= 'a' && *text <= 'z'; text++) {
		d = d * 26 + (uint32_t)(*text - 'a') + 1;
		if (d - 1 > max_disk)
			return -EINVAL;
	}
	*disk = (uint32_t)(d - 1);
	*part = 0;
	if (!*text)
		return 0;
	return *text == '0' || number(&text, max_part, part) || *text ? -EINVAL : 0;
}

static uint32_t xvd(uint32_t disk, uint32_t part)
{
	if (disk < 16 && part < 16)
		return XVD_MAJOR << 8 | disk << 4 | part;
	return EXTENDED | disk << 8 | part;
}

int xsp_vdev_parse(const char *name, uint32_t *ret_devid)
{
	uint32_t disk, part;
	unsigned long n;
	const char *p;
	char *end;

	if (!strncmp(name, "xvd", 3) && !letters(name + 3, (1u << 20) - 1, 255, &disk, &part)) {
		*ret_devid = xvd(disk, part);
		return 0;
	}
	p = name + 1;
	if (name[0] == 'd' && !number(&p, (1u << 20) - 1, &disk) && *p++ == 'p' &&
	    !number(&p, 255, &part) && !*p) {
		*ret_devid = xvd(disk, part);
		return 0;
	}
	if (!strncmp(name, "sd", 2) && !letters(name + 2, 15, 15, &disk, &part)) {
		*ret_devid = SD_MAJOR << 8 | disk << 4 | part;
		return 0;
	}
	if (!strncmp(name, "hd", 2) && !letters(name + 2, 3, 63, &disk, &part)) {
		*ret_devid = (disk < 2 ? HD_MAJOR : HD2_MAJOR) << 8 | (disk & 1) << 6 | part;
		return 0;
	}
	if (*name < '0' || *name > '9')
		return -EINVAL;
	errno = 0;
	n = strtoul(name, &end, 0);
	if (errno || *end || n > INT32_MAX)
		return -EINVAL;
	*ret_devid = (uint32_t)n;
	return 0;
}

static char *with_letters(char *buf, const char *prefix, uint32_t disk, uint32_t part)
{
	char text[8], *p = text + sizeof(text) - 1;

	*p = 0;
	for (uint32_t d = disk + 1; d; d = (d - 1) / 26)
		*--p = (char)('a' + (d - 1) % 26);
	if (part)
		snprintf(buf, XSP_VDEV_LEN, "%s%s%u", prefix, p, part);
	else
		snprintf(buf, XSP_VDEV_LEN, "%s%s", prefix, p);
	return buf;
}

char *xsp_vdev_format(char *buf, uint32_t devid)
{
	uint32_t major = devid >> 8;

	if (devid & EXTENDED && !(devid & ~(EXTENDED | 0xfffffffu)))
		return with_letters(buf, "xvd", (devid & (EXTENDED - 1)) >> 8, devid & 0xff);
	if (major == XVD_MAJOR)
		return with_letters(buf, "xvd", (devid & 0xff) >> 4, devid & 15);
	if (major == SD_MAJOR)
		return with_letters(buf, "sd", (devid & 0xff) >> 4, devid & 15);
	if (major == HD_MAJOR || major == HD2_MAJOR)
		return with_letters(buf, "hd", (major == HD2_MAJOR ? 2 : 0) + ((devid & 0xff) >> 6),
				    devid & 63);
	snprintf(buf, XSP_VDEV_LEN, "%u", devid);
	return buf;
}
