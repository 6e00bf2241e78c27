/* SPDX-License-Identifier: MIT */
/*
 * libxenforeignmemory.so.1 of the lab: opens, for the real libxenctrl opens it; maps nothing. Who
 * needs a guest's page (xenstored, xenconsoled) maps its reserved grant instead.
 */
#include <errno.h>
#include <stdlib.h>
#include <xenforeignmemory.h>

#include "common/lab/world.h"

struct xenforeignmemory_handle {
	int unused;
};

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	errno = getenv("XENSPLIT_LAB") ? lab_fault("foreign.open", ENOENT) : ENOENT;
	if (errno)
		return NULL;
	return calloc(1, sizeof(xenforeignmemory_handle));
}

int xenforeignmemory_close(xenforeignmemory_handle *h)
{
	free(h);
	return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *h, uint32_t dom, int prot, size_t pages,
			   const xen_pfn_t arr[], int err[])
{
	(void)h, (void)dom, (void)prot, (void)pages, (void)arr, (void)err;
	lab_unknown("xenforeignmemory_map");
	return NULL;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *h, uint32_t dom, void *addr, int prot,
			    int flags, size_t pages, const xen_pfn_t arr[], int err[])
{
	(void)h, (void)dom, (void)addr, (void)prot, (void)flags, (void)pages, (void)arr, (void)err;
	lab_unknown("xenforeignmemory_map2");
	return NULL;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *h, void *addr, size_t pages)
{
	(void)h, (void)addr, (void)pages;
	return lab_unknown("xenforeignmemory_unmap");
}

int xenforeignmemory_restrict(xenforeignmemory_handle *h, domid_t domid)
{
	(void)h, (void)domid;
	return lab_unknown("xenforeignmemory_restrict");
}

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(
	xenforeignmemory_handle *h, domid_t domid, unsigned int type, unsigned int id,
	unsigned long frame, unsigned long nr_frames, void **paddr, int prot, int flags)
{
	(void)h, (void)domid, (void)type, (void)id, (void)frame, (void)nr_frames, (void)paddr;
	(void)prot, (void)flags;
	lab_unknown("xenforeignmemory_map_resource");
	return NULL;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *h,
				    xenforeignmemory_resource_handle *res)
{
	(void)h, (void)res;
	return lab_unknown("xenforeignmemory_unmap_resource");
}

int xenforeignmemory_resource_size(xenforeignmemory_handle *h, domid_t domid, unsigned int type,
				   unsigned int id, size_t *size)
{
	(void)h, (void)domid, (void)type, (void)id, (void)size;
	return lab_unknown("xenforeignmemory_resource_size");
}
