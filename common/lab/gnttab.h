/* SPDX-License-Identifier: MIT */
/* The handle of libxengnttab's two halves: Xen's header gives both the same struct. */
#ifndef COMMON_LAB_GNTTAB_H
#define COMMON_LAB_GNTTAB_H

#include "common/lab/world.h"

struct share { /* one share call of a gntshr handle */
	struct share *next;
	void *addr;
	uint32_t count;
	uint32_t refs[];
};

struct xengntdev_handle {
	struct lab_link link;
	pthread_mutex_t lock;  /* guards shares, mapped */
	struct share *shares;  /* gntshr */
	struct lab_recs *recs; /* gnttab: what is mapped, shared with the hub */
	int recs_fd;
	uint32_t mapped, limit; /* pages */
};

struct xengntdev_handle *lab_gnt_open(enum lab_kind kind, const char *fault);

/*
 * Why domain `me` may not use reference `ref` of `d`: 0 or a GNTST_* code. *frame: the page. Call
 * under d->grant_lock to map; a copy asks without.
 */
int lab_gnt_check(struct lab_dom *d, uint16_t me, uint32_t ref, bool write, uint32_t *frame);

#endif
