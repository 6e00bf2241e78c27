/* SPDX-License-Identifier: MIT */
/* Pages that a guest wants kept mapped: see statics.h. */
#include "backend/net/statics.h"

#include <stdlib.h>
#include <sys/mman.h>

#define BUCKETS 1024u
#define BUDGET  16384u /* map calls of all queues of the daemon: each is an area of its address space */

struct page {
	uint32_t gref;
	uint16_t extent;
	bool readonly, used;
	uint8_t *at;
};

struct extent {
	void *base; /* NULL: free */
	uint32_t n;
};

struct xsp_statics {
	xengnttab_handle *xgt;
	uint32_t domid, n;
	struct page page[XSP_STATICS];
	struct extent extent[XSP_STATICS];
	uint16_t bucket[BUCKETS]; /* page + 1, or 0: the next of its bucket is the next bucket */
};

static uint32_t areas; /* atomic */

static uint32_t bucket_of(uint32_t gref)
{
	return gref * 2654435761u >> 22;
}
static_assert(BUCKETS == 1u << 10, "bucket_of gives 10 bits");

/* Changes are rare: the index is made anew. */
static void reindex(struct xsp_statics *s)
{
	memset(s->bucket, 0, sizeof(s->bucket));
	for (uint32_t i = 0; i < XSP_STATICS; i++) {
		uint32_t b = bucket_of(s->page[i].gref);

		if (!s->page[i].used)
			continue;
		while (s->bucket[b])
			b = (b + 1) % BUCKETS;
		s->bucket[b] = (uint16_t)(i + 1);
	}
}

static struct page *find(const struct xsp_statics *s, uint32_t gref)
{
	for (uint32_t b = bucket_of(gref); s->bucket[b]; b = (b + 1) % BUCKETS)
		if (s->page[s->bucket[b] - 1].gref == gref)
			return (struct page *)(uintptr_t)&s->page[s->bucket[b] - 1];
	return NULL;
}

uint32_t xsp_statics_list(const struct xsp_statics *s, struct xsp_net_gref *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; s && i < XSP_STATICS; i++)
		if (s->page[i].used)
			list[n++] = (struct xsp_net_gref){
				.ref = s->page[i].gref,
				.flags = s->page[i].readonly ? XSP_NET_GREF_READONLY : 0,
			};
	return n;
}

struct xsp_statics *xsp_statics_new(xengnttab_handle *xgt, uint32_t domid)
{
	struct xsp_statics *s = calloc(1, sizeof(*s));

	if (s) {
		s->xgt = xgt;
		s->domid = domid;
	}
	return s;
}

/* --- extents ----------------------------------------------------------------------------------- */

/* Pages of one map call into the table. Returns the extent, or -1. */
static int map(struct xsp_statics *s, uint32_t *gref, uint32_t n, bool readonly)
{
	uint32_t e = 0, i = 0;

	while (e < XSP_STATICS && s->extent[e].base)
		e++;
	if (e == XSP_STATICS || __atomic_add_fetch(&areas, 1, __ATOMIC_RELAXED) > BUDGET)
		goto full;
	s->extent[e].base = xengnttab_map_domain_grant_refs(s->xgt, n, s->domid, gref,
							    readonly ? PROT_READ : PROT_READ | PROT_WRITE);
	if (!s->extent[e].base)
		goto full;
	s->extent[e].n = n;
	for (uint32_t k = 0; k < n; k++) {
		while (s->page[i].used)
			i++; /* the caller saw to it that there is room */
		s->page[i] = (struct page){
			.gref = gref[k],
			.extent = (uint16_t)e,
			.readonly = readonly,
			.used = true,
			.at = (uint8_t *)s->extent[e].base + (size_t)k * XSP_PAGE_SIZE,
		};
	}
	s->n += n;
	return (int)e;
full:
	if (e < XSP_STATICS)
		__atomic_sub_fetch(&areas, 1, __ATOMIC_RELAXED);
	return -1;
}

/* Its pages leave the table; their grefs are given back. Returns how many. */
static uint32_t unmap(struct xsp_statics *s, uint32_t e, uint32_t *gref, bool *readonly)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < XSP_STATICS; i++) {
		if (!s->page[i].used || s->page[i].extent != e)
			continue;
		*readonly = s->page[i].readonly;
		gref[n++] = s->page[i].gref;
		s->page[i].used = false;
	}
	s->n -= n;
	xengnttab_unmap(s->xgt, s->extent[e].base, s->extent[e].n);
	s->extent[e].base = NULL;
	__atomic_sub_fetch(&areas, 1, __ATOMIC_RELAXED);
	return n;
}

void xsp_statics_free(struct xsp_statics *s)
{
	uint32_t gref[XSP_STATICS];
	bool readonly;

	for (uint32_t e = 0; s && e < XSP_STATICS; e++)
		if (s->extent[e].base)
			unmap(s, e, gref, &readonly);
	free(s);
}

/* --- lists ------------------------------------------------------------------------------------- */

int xsp_statics_add(struct xsp_statics *s, const struct xsp_net_gref *list, uint32_t n)
{
	uint32_t gref[2][XSP_STATICS], count[2] = { 0, 0 };
	int made[2] = { -1, -1 };
	bool readonly;

	if (n > XSP_STATICS - s->n)
		return -ENOSPC;
	for (uint32_t i = 0; i < n; i++) {
		unsigned int kind = list[i].flags & XSP_NET_GREF_READONLY;

		if (find(s, list[i].ref))
			return -EEXIST;
		for (uint32_t k = 0; k < i; k++)
			if (list[k].ref == list[i].ref)
				return -EEXIST;
		gref[kind][count[kind]++] = list[i].ref;
	}
	for (unsigned int kind = 0; kind < 2; kind++) {
		if (!count[kind])
			continue;
		made[kind] = map(s, gref[kind], count[kind], kind == XSP_NET_GREF_READONLY);
		if (made[kind] >= 0)
			continue;
		if (kind && made[0] >= 0)
			unmap(s, (uint32_t)made[0], gref[0], &readonly);
		reindex(s);
		return -EINVAL;
	}
	reindex(s);
	return 0;
}

/* What is left of an extent that lost some of its pages: mapped anew, or copied from now on. */
static void shrink(struct xsp_statics *s, uint32_t e, const bool *gone)
{
	uint32_t gref[XSP_STATICS], kept[XSP_STATICS], n = 0;
	bool readonly = false;

	for (uint32_t i = 0; i < XSP_STATICS; i++)
		if (s->page[i].used && s->page[i].extent == e && !gone[i])
			kept[n++] = s->page[i].gref;
	unmap(s, e, gref, &readonly);
	if (n)
		map(s, kept, n, readonly);
}

uint32_t xsp_statics_del(struct xsp_statics *s, struct xsp_net_gref *list, uint32_t n)
{
	bool gone[XSP_STATICS] = { false }, hit[XSP_STATICS] = { false };
	uint32_t removed = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct page *p = find(s, list[i].ref);

		list[i].status = p && !gone[p - s->page] ? XSP_NET_CTRL_SUCCESS :
							   XSP_NET_CTRL_INVALID_PARAMETER;
		if (list[i].status)
			continue;
		gone[p - s->page] = hit[p->extent] = true;
		removed++;
	}
	for (uint32_t e = 0; e < XSP_STATICS; e++)
		if (hit[e])
			shrink(s, e, gone);
	reindex(s);
	return removed;
}

uint8_t *xsp_statics_find(const struct xsp_statics *s, uint32_t gref, bool for_write)
{
	const struct page *p = s ? find(s, gref) : NULL;

	return p && !(for_write && p->readonly) ? p->at : NULL;
}

uint32_t xsp_statics_count(const struct xsp_statics *s)
{
	return s ? s->n : 0;
}
