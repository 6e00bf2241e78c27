/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The library in one screen: shows a PV disk, then reads its first megabyte with 16 requests under
 * way and prints a checksum.
 *
 *     cc example.c -lxensplit-front -o example && ./example xvda
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>

#include "frontend/user/xensplit-front.h"

#define DEPTH 16
#define PIECE 4096

int main(int argc, char **argv)
{
	char why[XSP_DISK_WHY_BYTES];
	struct xsp_disk *disk;
	struct xsp_disk_info info;
	uint64_t bytes, next = 0, read = 0;
	uint32_t sum = 0;
	uint8_t *buf;

	if (argc != 2)
		errx(2, "usage: %s DEVICE", argv[0]);
	if (xsp_disk_open(argv[1], NULL, &disk, why))
		errx(1, "%s", why);
	xsp_disk_get_info(disk, &info);
	printf("%s: %llu bytes, sectors of %u, %s, served by domain %u\n", argv[1],
	       (unsigned long long)info.size_bytes, info.sector_bytes,
	       info.read_only ? "read-only" : "writable", info.backend_domid);
	bytes = info.size_bytes < 1 << 20 ? info.size_bytes / PIECE * PIECE : 1 << 20;
	buf = xsp_disk_buffer(disk, DEPTH * PIECE); /* granted memory: nothing is copied */
	if (!buf)
		errx(1, "no granted memory");
	for (uint64_t i = 0; i < DEPTH && next < bytes; i++, next += PIECE)
		if (xsp_disk_submit(disk, XSP_DISK_READ, buf + i * PIECE, PIECE, next, i))
			errx(1, "can't submit");
	xsp_disk_push(disk);
	while (xsp_disk_in_flight(disk)) {
		struct xsp_disk_done done[DEPTH];
		struct pollfd p = { .fd = xsp_disk_fd(disk), .events = POLLIN };
		unsigned int n = xsp_disk_process(disk, done, DEPTH);

		for (unsigned int i = 0; i < n; i++) {
			uint8_t *piece = buf + done[i].cookie * PIECE;

			if (done[i].status)
				errx(1, "read failed: %d", done[i].status);
			for (int k = 0; k < PIECE; k++)
				sum += piece[k];
			read += PIECE;
			if (next < bytes && !xsp_disk_submit(disk, XSP_DISK_READ, piece, PIECE, next,
							     done[i].cookie))
				next += PIECE;
		}
		xsp_disk_push(disk);
		if (!n)
			poll(&p, 1, -1);
	}
	printf("%llu bytes read, sum of all bytes %u\n", (unsigned long long)read, sum);
	return xsp_disk_close(disk) ? 1 : 0;
}
