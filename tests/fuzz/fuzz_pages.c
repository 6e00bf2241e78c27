/* SPDX-License-Identifier: MIT */
/*
 * A guest's pages kept mapped (backend/blk/pages.c), under any order of requests with good and bad
 * grants: what is handed out is the page that was asked for, nothing in use is unmapped, the bounds
 * hold, and nothing is left in the end. The grants are made up: an address tells which map call it
 * came from, and no memory stands behind it.
 */
#include "backend/blk/pages.h"
#include "ring/blkif.h"
#include "tests/fuzz/input.h"

#define CALLS 4096u
#define BASE  (1ull << 40)
#define STEP  (1ull << 24) /* between the addresses of two calls */
#define HELD  256u

static struct {
	uint32_t n, held;
	uint32_t gref[XSP_EXTENT_PAGES];
} call[CALLS];
static uint32_t n_calls, mapped;
static uint8_t bad; /* grants whose low bits are these can't be mapped */

void *xengnttab_map_domain_grant_refs(xengnttab_handle *h, uint32_t n, uint32_t domid, uint32_t *refs,
				      int prot)
{
	(void)h;
	(void)prot;
	HOLDS(domid == 7 && n >= 1 && n <= XSP_EXTENT_PAGES);
	if (n_calls == CALLS)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		if ((refs[i] & 15) == bad)
			return NULL;
	call[n_calls].n = n;
	call[n_calls].held = 0;
	memcpy(call[n_calls].gref, refs, n * sizeof(*refs));
	mapped += n;
	return (void *)(uintptr_t)(BASE + n_calls++ * STEP);
}

int xengnttab_unmap(xengnttab_handle *h, void *addr, uint32_t n)
{
	uint64_t at = (uint64_t)(uintptr_t)addr - BASE;

	(void)h;
	HOLDS(at % STEP == 0 && at / STEP < n_calls);
	HOLDS(call[at / STEP].n == n);     /* the whole call, and only once */
	HOLDS(call[at / STEP].held == 0);  /* no request points into it */
	call[at / STEP].n = 0;
	mapped -= n;
	return 0;
}

static struct {
	uint64_t call;
	uint16_t extent;
} held[HELD];
static unsigned int n_held;

static void get(struct xsp_pages *p, uint32_t gref)
{
	uint16_t extent = 12345;
	uint8_t *page = xsp_pages_get(p, gref, &extent);
	uint64_t at = (uint64_t)(uintptr_t)page - BASE, c = at / STEP, k = at % STEP / XSP_PAGE_SIZE;

	if (!page) {
		HOLDS(extent == XSP_NO_EXTENT);
		return;
	}
	HOLDS(c < n_calls && k < call[c].n && call[c].gref[k] == gref);
	if (n_held == HELD) {
		xsp_pages_put(p, extent);
		return;
	}
	call[c].held++;
	held[n_held].call = c;
	held[n_held++].extent = extent;
}

static void put(struct xsp_pages *p, unsigned int i)
{
	call[held[i].call].held--;
	xsp_pages_put(p, held[i].extent);
	held[i] = held[--n_held];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct xsp_blk_stats *stats = calloc(1, sizeof(*stats));
	struct xsp_pages *p = xsp_pages_new(NULL, 7, stats);

	HOLDS(p && stats);
	n_calls = mapped = n_held = 0;
	bad = eat8(&in);
	while (in.left) {
		uint8_t op = eat8(&in), arg = op >> 3;
		uint32_t gref = eat8(&in) * (op & 0x80 ? 9u : 1u);

		switch (op & 7) {
		case 0: /* a request's segments, as many as there can be */
		case 1:
			for (uint32_t i = 0; i < arg * 16u; i++)
				xsp_pages_want(p, gref + i * (op & 1 ? 3 : 1));
			break;
		case 2:
			xsp_pages_want(p, gref);
			break;
		case 3:
			xsp_pages_map(p);
			break;
		case 4:
		case 5:
			xsp_pages_map(p); /* as the daemon does before it looks up */
			for (uint32_t i = 0; i < arg; i++)
				get(p, gref + i);
			break;
		default:
			if (n_held)
				put(p, gref % n_held);
		}
		HOLDS(mapped <= XSP_PAGES_MAX && xsp_pages_count(p) == mapped);
	}
	while (n_held)
		put(p, 0);
	xsp_pages_free(p);
	HOLDS(!mapped);
	free(stats);
	return 0;
}
