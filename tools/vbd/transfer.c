/* SPDX-License-Identifier: MIT */
/* xensplit-vbd read, write, flush: bytes between the disk and a pipe; watch: its size. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/vbd/vbd.h"

#define PIECE (1u << 20) /* a multiple of every sector size */

int vbd_exit_code(int error)
{
	switch (error) {
	case 0:
		return VBD_OK;
	case -ENODEV:
		return VBD_NOT_FOUND;
	case -ENXIO:
		return VBD_UNREACHABLE;
	case -ETIMEDOUT:
		return VBD_TIMEOUT;
	default:
		return VBD_FAILED;
	}
}

static int failed(struct xsp_disk *disk, const char *what, uint64_t offset, int error)
{
	const char *why;

	if (xsp_disk_error(disk, &why))
		fprintf(stderr, "xensplit-vbd: %s\n", why);
	else
		fprintf(stderr, "xensplit-vbd: %s at %" PRIu64 ": %s\n", what, offset, strerror(-error));
	return vbd_exit_code(error);
}

static bool out_of_range(struct xsp_disk *disk, uint64_t offset, uint64_t bytes)
{
	struct xsp_disk_info info;

	xsp_disk_get_info(disk, &info);
	if (offset <= info.size_bytes && bytes <= info.size_bytes - offset)
		return false;
	fprintf(stderr, "xensplit-vbd: %" PRIu64 " bytes at %" PRIu64 ": the disk ends at %" PRIu64 "\n",
		bytes, offset, info.size_bytes);
	return true;
}

static bool write_all(int fd, const uint8_t *buf, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, buf, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		buf += n;
		bytes -= (size_t)n;
	}
	return true;
}

static uint32_t sector_bytes(struct xsp_disk *disk)
{
	struct xsp_disk_info info;

	xsp_disk_get_info(disk, &info);
	return info.sector_bytes;
}

int vbd_read(struct xsp_disk *disk, uint64_t offset, uint64_t bytes)
{
	uint64_t sector = sector_bytes(disk), at = offset / sector * sector;
	uint64_t end = offset + bytes;
	uint8_t *buf;
	int code = VBD_OK;

	if (out_of_range(disk, offset, bytes))
		return VBD_USAGE;
	buf = malloc(PIECE);
	if (!buf)
		return failed(disk, "read", offset, -ENOMEM);
	while (at < end && !code) {
		uint64_t some = (end - at + sector - 1) / sector * sector;
		uint64_t from = at < offset ? offset - at : 0, to;
		int error;

		if (some > PIECE)
			some = PIECE;
		to = at + some < end ? some : end - at;
		error = xsp_disk_read(disk, buf, some, at);
		if (error) {
			code = failed(disk, "read", at, error);
		} else if (!write_all(STDOUT_FILENO, buf + from, to - from)) {
			perror("xensplit-vbd: standard output");
			code = VBD_FAILED;
		}
		at += some;
	}
	free(buf);
	return code;
}

/* As much of a piece as standard input still has. -1: it can't be read. */
static ssize_t fill(uint8_t *buf)
{
	size_t have = 0;

	while (have < PIECE) {
		ssize_t n = read(STDIN_FILENO, buf + have, PIECE - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* The last sector may be given in part: the rest of it stays as it is on the disk. */
static int complete_sector(struct xsp_disk *disk, uint8_t *buf, size_t *have, uint64_t at)
{
	uint32_t sector = sector_bytes(disk);
	size_t whole = *have / sector * sector, rest = *have - whole;
	uint8_t last[4096];
	int error;

	if (!rest)
		return 0;
	error = xsp_disk_read(disk, last, sector, at + whole);
	if (!error)
		memcpy(buf + whole + rest, last + rest, sector - rest);
	*have = whole + sector;
	return error;
}

int vbd_write(struct xsp_disk *disk, uint64_t offset)
{
	uint8_t *buf = malloc(PIECE);
	int code = VBD_OK;

	if (!buf)
		return failed(disk, "write", offset, -ENOMEM);
	if (offset % sector_bytes(disk)) {
		fprintf(stderr, "xensplit-vbd: the offset must be a multiple of %u\n", sector_bytes(disk));
		code = VBD_USAGE;
	}
	while (!code) {
		ssize_t n = fill(buf);
		size_t have = (size_t)n;
		int error;

		if (n < 0) {
			perror("xensplit-vbd: standard input");
			code = VBD_FAILED;
		}
		if (n <= 0)
			break;
		if (out_of_range(disk, offset, have)) {
			code = VBD_FAILED;
			break;
		}
		error = complete_sector(disk, buf, &have, offset);
		if (!error)
			error = xsp_disk_write(disk, buf, have, offset);
		if (error)
			code = failed(disk, "write", offset, error);
		offset += have;
	}
	free(buf);
	return code ? code : vbd_flush(disk);
}

int vbd_flush(struct xsp_disk *disk)
{
	int error = xsp_disk_flush(disk);

	return error && error != -EOPNOTSUPP ? failed(disk, "flush", 0, error) : VBD_OK;
}

int vbd_discard(struct xsp_disk *disk, uint64_t offset, uint64_t bytes)
{
	int error;

	if ((offset | bytes) % sector_bytes(disk)) {
		fprintf(stderr, "xensplit-vbd: offset and length must be multiples of %u\n",
			sector_bytes(disk));
		return VBD_USAGE;
	}
	error = xsp_disk_discard(disk, offset, bytes);
	return error ? failed(disk, "discard", offset, error) : VBD_OK;
}

int vbd_eject(struct xsp_disk *disk)
{
	int error = xsp_disk_eject(disk);

	if (error == -EINVAL)
		fprintf(stderr, "xensplit-vbd: eject: the disk is not removable\n");
	else if (error == -ETIMEDOUT)
		fprintf(stderr, "xensplit-vbd: eject: the medium is still in\n");
	else if (error)
		return failed(disk, "eject", 0, error);
	return vbd_exit_code(error);
}

/* --- watch ------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void print_size(const struct xsp_disk_info *i, bool json)
{
	printf(json ? "{\"size_bytes\":%" PRIu64 ",\"resized\":%u}\n" : "%" PRIu64 " bytes (change %u)\n",
	       i->size_bytes, i->resized);
	fflush(stdout);
}

int vbd_watch(struct xsp_disk *disk, double seconds, bool json)
{
	int64_t by = seconds < 0 ? INT64_MAX : now_ms() + (int64_t)(seconds * 1000);
	struct xsp_disk_info info;
	uint32_t seen;

	xsp_disk_get_info(disk, &info);
	print_size(&info, json);
	for (seen = info.resized; now_ms() < by; seen = info.resized) {
		struct pollfd p = { .fd = xsp_disk_fd(disk), .events = POLLIN };
		struct xsp_disk_done none;

		poll(&p, 1, seconds < 0 || by - now_ms() > 1000 ? 1000 : (int)(by - now_ms()) + 1);
		xsp_disk_process(disk, &none, 1);
		if (xsp_disk_error(disk, NULL))
			return failed(disk, "watch", 0, xsp_disk_error(disk, NULL));
		xsp_disk_get_info(disk, &info);
		if (info.resized != seen)
			print_size(&info, json);
	}
	return VBD_OK;
}
