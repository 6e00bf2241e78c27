/* SPDX-License-Identifier: MIT */
/*
 * vbd-barrier DEV MS: writes, a barrier, writes, pushed together, on a disk that holds each request for
 * MS milliseconds (the delay target). Each in its place: nothing behind the barrier may start before
 * it ends, nor it before those ahead have ended. Exit 3 when the times don't show that; on a busy machine
 * one more try may: without a barrier none does. For test-modes.sh.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frontend/user/xensplit-front.h"

#define SIDE    8u /* writes ahead of the barrier, and behind it */
#define BARRIER SIDE
#define ALL     (2 * SIDE + 1)

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void submit(struct xsp_disk *d, uint8_t *buf, unsigned int i)
{
	enum xsp_disk_op op = i == BARRIER ? XSP_DISK_BARRIER : XSP_DISK_WRITE;
	int error;

	memset(buf + i * 4096, (int)i + 1, 4096);
	/* the barrier writes where the last one ahead did, the first one behind there too */
	error = xsp_disk_submit(d, op, buf + i * 4096, 4096,
				i >= BARRIER - 1 && i <= BARRIER + 1 ? 0 : (i + 1) * 4096, i);
	if (error)
		errx(1, "submit %u: %s", i, strerror(-error));
}

int main(int argc, char **argv)
{
	double done_ms[ALL], began, ms, before = 0, first_behind = 1e9;
	char why[XSP_DISK_WHY_BYTES];
	struct xsp_disk *d;
	uint8_t *buf, check[4096];

	if (argc != 3)
		errx(2, "usage: vbd-barrier DEV MS");
	ms = atof(argv[2]);
	if (xsp_disk_open(argv[1], NULL, &d, why))
		errx(1, "%s", why);
	buf = xsp_disk_buffer(d, ALL * 4096);
	if (!buf)
		errx(1, "no buffer");
	began = now_ms();
	for (unsigned int i = 0; i < ALL; i++)
		submit(d, buf, i);
	xsp_disk_push(d);
	for (unsigned int left = ALL; left;) {
		struct pollfd p = { .fd = xsp_disk_fd(d), .events = POLLIN };
		struct xsp_disk_done done[ALL];
		unsigned int n = xsp_disk_process(d, done, ALL);

		for (unsigned int i = 0; i < n; i++) {
			if (done[i].status)
				errx(1, "request %u: %s", (unsigned int)done[i].cookie,
				     strerror(-done[i].status));
			done_ms[done[i].cookie] = now_ms() - began;
		}
		left -= n;
		if (!n)
			poll(&p, 1, 1000);
	}
	for (unsigned int i = 0; i < ALL; i++) {
		if (i < BARRIER && done_ms[i] > before)
			before = done_ms[i];
		if (i > BARRIER && done_ms[i] < first_behind)
			first_behind = done_ms[i];
	}
	printf("ahead done after %.1f ms, the barrier %.1f, the first behind %.1f\n", before,
	       done_ms[BARRIER], first_behind);
	/* each takes at least MS from its start: so much later than what it waits for */
	if (done_ms[BARRIER] < 2 * ms || first_behind < done_ms[BARRIER] + ms * 0.9)
		errx(3, "out of order, or this process was kept from looking");
	if (xsp_disk_read(d, check, 4096, 0) || check[0] != BARRIER + 2 || check[4095] != BARRIER + 2)
		errx(1, "the write behind the barrier is not what stayed");
	xsp_disk_close(d);
	return 0;
}
