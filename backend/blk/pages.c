/* SPDX-License-Identifier: MIT */
/* Persistent grants as extents: see pages.h. Worker's thread, but for the daemon-wide budget. */
#include "backend/blk/pages.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "ring/blkif.h"

#define BUCKETS 2048u
#define NONE    UINT16_MAX
/* So many map calls with a bad grant in them, and the queue's pages are copied from then on. */
#define MAX_FAILURES 16u

/* A page, found by its grant reference. */
struct entry {
	uint32_t gref;
	uint16_t next;    /* in its bucket, or in the free list */
	uint16_t sibling; /* the next page of the same extent */
	uint16_t extent;  /* XSP_NO_EXTENT: wanted, not mapped yet */
	uint16_t page;    /* number within the extent */
};

/* What one call has mapped. */
struct extent {
	uint8_t *addr;   /* NULL: free */
	uint32_t in_use; /* requests' segments that point into it */
	uint32_t used;   /* the clock when a page of it was last wanted */
	uint16_t n;      /* pages */
	uint16_t first;  /* its entries; in the free list: the next free extent */
};

struct xsp_pages {
	xengnttab_handle *xgt;
	uint32_t domid;
	struct xsp_blk_stats *stats;
	uint32_t clock; /* counts batches */
	uint32_t count; /* pages mapped */
	uint32_t failures;
	uint16_t free_entry, free_extent, n_wanted;
	uint16_t n_entries, n_extents; /* ever used: memory behind them is not touched, idle disks are many */
	uint16_t wanted[XSP_EXTENT_PAGES];
	uint16_t bucket[BUCKETS];
	struct entry entry[XSP_PAGES_MAX];
	struct extent extent[XSP_PAGES_MAX];
};

/* --- the daemon-wide budget (relaxed atomics: a bound, not an order) ------------------------------ */

static uint32_t total_pages, total_extents;

static void budget_give(uint32_t pages, uint32_t extents)
{
	__atomic_sub_fetch(&total_pages, pages, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&total_extents, extents, __ATOMIC_RELAXED);
}

static bool budget_take(uint32_t pages)
{
	uint32_t p = __atomic_add_fetch(&total_pages, pages, __ATOMIC_RELAXED);
	uint32_t e = __atomic_add_fetch(&total_extents, 1, __ATOMIC_RELAXED);

	if (p <= XSP_PAGES_TOTAL && e <= XSP_EXTENTS_TOTAL)
		return true;
	budget_give(pages, 1);
	return false;
}

/* --- entries ------------------------------------------------------------------------------------ */

static uint16_t *bucket_of(struct xsp_pages *p, uint32_t gref)
{
	/* Fibonacci hashing: grant references of a guest are small and dense. */
	return &p->bucket[(gref * 2654435769u) >> 21 & (BUCKETS - 1)];
}

static uint16_t find(struct xsp_pages *p, uint32_t gref)
{
	uint16_t e = *bucket_of(p, gref);

	while (e != NONE && p->entry[e].gref != gref)
		e = p->entry[e].next;
	return e;
}

static void insert(struct xsp_pages *p, uint16_t e, uint32_t gref)
{
	uint16_t *head = bucket_of(p, gref);

	p->entry[e] = (struct entry){ .gref = gref, .next = *head, .extent = XSP_NO_EXTENT };
	*head = e;
}

static void erase(struct xsp_pages *p, uint16_t e)
{
	uint16_t *at = bucket_of(p, p->entry[e].gref);

	while (*at != e)
		at = &p->entry[*at].next;
	*at = p->entry[e].next;
	p->entry[e].next = p->free_entry;
	p->free_entry = e;
}

/* --- extents ------------------------------------------------------------------------------------ */

static void unmap(struct xsp_pages *p, struct extent *x)
{
	uint16_t n = x->n;

	for (uint16_t e = x->first, next; e != NONE; e = next) {
		next = p->entry[e].sibling;
		erase(p, e);
	}
	xengnttab_unmap(p->xgt, x->addr, n);
	xsp_count(&p->stats->gnt_calls, 1);
	xsp_count(&p->stats->gnt_refs, n);
	xsp_count(&p->stats->unmapped, n);
	budget_give(n, 1);
	p->count -= n;
	x->addr = NULL;
	x->first = p->free_extent;
	p->free_extent = (uint16_t)(x - p->extent);
}

/* Unmap the extent that was not wanted for longest; false when all are in use. */
static bool evict(struct xsp_pages *p)
{
	struct extent *oldest = NULL;

	for (uint32_t i = 0; i < p->n_extents; i++) {
		struct extent *x = &p->extent[i];

		if (!x->addr || x->in_use || x->used == p->clock)
			continue;
		if (!oldest || p->clock - x->used > p->clock - oldest->used)
			oldest = x;
	}
	if (oldest)
		unmap(p, oldest);
	return oldest != NULL;
}

/* Map n wanted entries as one extent: 0, -ENOSPC (the daemon's budget), -EINVAL (a bad grant). */
static int map(struct xsp_pages *p, const uint16_t *entries, uint16_t n)
{
	uint32_t gref[XSP_EXTENT_PAGES];
	struct extent *x = &p->extent[p->free_extent != NONE ? p->free_extent : p->n_extents];
	uint16_t sibling = NONE;
	void *addr;

	if (!budget_take(n))
		return -ENOSPC;
	for (uint16_t i = 0; i < n; i++)
		gref[i] = p->entry[entries[i]].gref;
	addr = xengnttab_map_domain_grant_refs(p->xgt, n, p->domid, gref, PROT_READ | PROT_WRITE);
	xsp_count(&p->stats->gnt_calls, 1);
	xsp_count(&p->stats->gnt_refs, n);
	if (!addr) {
		budget_give(n, 1);
		return -EINVAL;
	}
	if (p->free_extent != NONE)
		p->free_extent = x->first;
	else
		p->n_extents++; /* there is one: no more extents than entries */
	for (uint16_t i = n; i--;) {
		struct entry *e = &p->entry[entries[i]];

		e->extent = (uint16_t)(x - p->extent);
		e->page = i;
		e->sibling = sibling;
		sibling = entries[i];
	}
	*x = (struct extent){ .addr = addr, .used = p->clock, .n = n, .first = sibling };
	p->count += n;
	xsp_count(&p->stats->mapped, n);
	return 0;
}

/* --- what others call --------------------------------------------------------------------------- */

struct xsp_pages *xsp_pages_new(xengnttab_handle *xgt, uint32_t domid, struct xsp_blk_stats *stats)
{
	struct xsp_pages *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->xgt = xgt;
	p->domid = domid;
	p->stats = stats;
	for (uint32_t i = 0; i < BUCKETS; i++)
		p->bucket[i] = NONE;
	p->free_entry = p->free_extent = NONE;
	return p;
}

void xsp_pages_free(struct xsp_pages *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n_extents; i++) {
		assert(!p->extent[i].in_use || !p->extent[i].addr);
		if (p->extent[i].addr)
			unmap(p, &p->extent[i]);
	}
	free(p);
}

void xsp_pages_want(struct xsp_pages *p, uint32_t gref)
{
	uint16_t e = find(p, gref);

	if (e != NONE) {
		if (p->entry[e].extent != XSP_NO_EXTENT)
			p->extent[p->entry[e].extent].used = p->clock;
		return;
	}
	if (p->failures >= MAX_FAILURES)
		return;
	if (p->n_wanted == XSP_EXTENT_PAGES)
		xsp_pages_map(p);
	if (p->free_entry == NONE && p->n_entries < XSP_PAGES_MAX) {
		e = p->n_entries++;
	} else if (p->free_entry != NONE || evict(p)) {
		e = p->free_entry;
		p->free_entry = p->entry[e].next;
	} else {
		return;
	}
	insert(p, e, gref);
	p->wanted[p->n_wanted++] = e;
}

void xsp_pages_map(struct xsp_pages *p)
{
	uint16_t n = p->n_wanted;
	int err = n ? map(p, p->wanted, n) : 0;
	bool singly;

	p->n_wanted = 0;
	if (err == -EINVAL)
		p->failures++;
	/* One bad reference fails the whole call and does not say which it was. */
	singly = err == -EINVAL && n > 1 && p->failures < MAX_FAILURES;
	for (uint16_t i = 0; err && i < n; i++)
		if (!singly || map(p, &p->wanted[i], 1))
			erase(p, p->wanted[i]);
	p->clock++;
}

void *xsp_pages_get(struct xsp_pages *p, uint32_t gref, uint16_t *ret_extent)
{
	uint16_t e = find(p, gref);
	struct extent *x;

	*ret_extent = XSP_NO_EXTENT;
	if (e == NONE || p->entry[e].extent == XSP_NO_EXTENT)
		return NULL;
	*ret_extent = p->entry[e].extent;
	x = &p->extent[*ret_extent];
	x->in_use++;
	x->used = p->clock;
	return x->addr + (size_t)p->entry[e].page * XSP_PAGE_SIZE;
}

void xsp_pages_put(struct xsp_pages *p, uint16_t extent)
{
	assert(p->extent[extent].in_use);
	p->extent[extent].in_use--;
}

uint32_t xsp_pages_count(const struct xsp_pages *p)
{
	return p ? p->count : 0;
}
