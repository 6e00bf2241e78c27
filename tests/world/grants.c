/* SPDX-License-Identifier: MIT */
/*
 * How many pages a domain has granted, to anyone, mapped or not: reads its grant table as Xen's tools
 * may. Prints one number. Only from Dom0 of a real Xen.
 *
 *     world-grants DOMID
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xenforeignmemory.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

#define PER_FRAME (4096 / sizeof(struct grant_entry_v1))
#define MAX_FRAMES 64u

int main(int argc, char **argv)
{
	xenforeignmemory_handle *fm = xenforeignmemory_open(NULL, 0);
	unsigned int grants = 0, frames = 0;

	if (argc != 2)
		errx(2, "usage: world-grants DOMID");
	if (!fm)
		err(1, "can't map other domains' memory");
	for (; frames < MAX_FRAMES; frames++) {
		void *table = NULL;
		xenforeignmemory_resource_handle *h = xenforeignmemory_map_resource(
			fm, (domid_t)atoi(argv[1]), XENMEM_resource_grant_table,
			XENMEM_resource_grant_table_id_shared, frames, 1, &table, PROT_READ, 0);

		if (!h)
			break;
		for (size_t i = 0; i < PER_FRAME; i++) {
			const volatile struct grant_entry_v1 *e = (struct grant_entry_v1 *)table + i;

			grants += (e->flags & GTF_type_mask) == GTF_permit_access;
		}
		xenforeignmemory_unmap_resource(fm, h);
	}
	if (!frames)
		err(1, "can't map the grant table");
	printf("%u\n", grants);
	xenforeignmemory_close(fm);
	return 0;
}
