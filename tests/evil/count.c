/* SPDX-License-Identifier: MIT */
/* Not an attack: how many of so many requests a disk fails. For the tests of faulty targets. */
#include "tests/evil/evil.h"

#include <stdio.h>

void count_errors(struct guest *g)
{
	static const char *const names[] = { "read", "write", "flush" };
	static const uint8_t ops[] = { XSP_BLK_READ, XSP_BLK_WRITE, XSP_BLK_FLUSH };
	unsigned int errors[3] = { 0 }, lost = 0;

	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
		return;
	for (unsigned int i = 0; i < 300; i++) {
		struct xsp_blk_req req =
			guest_request(g, ops[i % 3], i % 3 == 2 ? 0 : 8 * i, i % 3 == 2 ? 0 : 1, i);
		int16_t status = guest_do(g, &req);

		if (status == XSP_BLK_ERROR)
			errors[i % 3]++;
		else
			lost += status != XSP_BLK_OKAY;
	}
	expect(&g->end, !lost, "every request is answered, with 0 or -1");
	for (unsigned int i = 0; i < 3; i++)
		say("%s errors: %u of 100", names[i], errors[i]);
}

/* A page that the image lost: zeros, or an error, and nothing worse. */
void read_far(struct guest *g)
{
	struct xsp_blk_req req;
	unsigned int zeros = 0;
	int16_t status;

	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
		return;
	req = guest_request(g, XSP_BLK_READ, g->sectors - 8, 1, 0);
	for (unsigned int i = 0; i < XSP_PAGE_SIZE; i++)
		g->data[i] = 0xa5;
	status = guest_do(g, &req);
	for (unsigned int i = 0; i < XSP_PAGE_SIZE; i++)
		zeros += g->data[i] == 0;
	expect(&g->end,
	       status == XSP_BLK_ERROR || (status == XSP_BLK_OKAY && zeros == XSP_PAGE_SIZE),
	       "zeros or an error where the image was cut off (status %d, %u zeros)", status,
	       zeros);
}
