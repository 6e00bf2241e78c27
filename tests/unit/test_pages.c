/* SPDX-License-Identifier: MIT */
/* Pages kept mapped: what is mapped in one call, what goes when there is no room, what bad grants do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/blk/pages.h"
#include "ring/blkif.h"

/* --- a grant device of paper -------------------------------------------------------------------- */

#define BAD_GREF 1000003u

static unsigned int map_calls, unmap_calls, last_count;
static uint32_t mapped_now;

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count, uint32_t domid,
				      uint32_t *refs, int prot)
{
	(void)xgt;
	(void)domid;
	(void)prot;
	map_calls++;
	last_count = count;
	for (uint32_t i = 0; i < count; i++)
		if (refs[i] == BAD_GREF) {
			errno = EINVAL;
			return NULL;
		}
	mapped_now += count;
	return malloc((size_t)count * XSP_PAGE_SIZE); /* not touched */
}

int xengnttab_unmap(xengnttab_handle *xgt, void *addr, uint32_t count)
{
	(void)xgt;
	unmap_calls++;
	mapped_now -= count;
	free(addr);
	return 0;
}

static struct xsp_blk_stats stats;

static struct xsp_pages *fresh(void)
{
	struct xsp_pages *p = xsp_pages_new(NULL, 1, &stats);

	assert_non_null(p);
	map_calls = unmap_calls = 0;
	return p;
}

static void done(struct xsp_pages *p)
{
	xsp_pages_free(p);
	assert_int_equal(mapped_now, 0);
}

static void want_range(struct xsp_pages *p, uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		xsp_pages_want(p, first + i);
	xsp_pages_map(p);
}

static bool is_mapped(struct xsp_pages *p, uint32_t gref)
{
	uint16_t extent;

	if (!xsp_pages_get(p, gref, &extent))
		return false;
	xsp_pages_put(p, extent);
	return true;
}

/* --- cases --------------------------------------------------------------------------------------- */

static void one_call_for_a_batch(void **state)
{
	struct xsp_pages *p = fresh();
	uint16_t a, b;
	uint8_t *x, *y;

	(void)state;
	for (int twice = 0; twice < 2; twice++) /* the same page in several segments is one page */
		for (uint32_t i = 0; i < 11; i++)
			xsp_pages_want(p, 8 + i);
	xsp_pages_map(p);
	assert_int_equal(map_calls, 1);
	assert_int_equal(last_count, 11);
	assert_int_equal(xsp_pages_count(p), 11);
	want_range(p, 8, 11); /* in steady state there is no call */
	assert_int_equal(map_calls, 1);
	x = xsp_pages_get(p, 8, &a);
	y = xsp_pages_get(p, 10, &b);
	assert_int_equal(a, b);
	assert_ptr_equal(y, x + 2 * XSP_PAGE_SIZE);
	assert_null(xsp_pages_get(p, 99, &b));
	assert_int_equal(b, XSP_NO_EXTENT);
	xsp_pages_put(p, a);
	xsp_pages_put(p, a);
	want_range(p, 1000, 200); /* more than one call maps */
	assert_int_equal(map_calls, 1 + 4);
	done(p);
}

static void least_recently_used_goes_first(void **state)
{
	struct xsp_pages *p = fresh();
	uint16_t held;

	(void)state;
	for (uint32_t first = 0; first < XSP_PAGES_MAX; first += 32)
		want_range(p, first, 32);
	assert_int_equal(xsp_pages_count(p), XSP_PAGES_MAX);
	want_range(p, 0, 1); /* touches the oldest extent: 0..31 */
	want_range(p, 5000, 8);
	assert_int_equal(unmap_calls, 1); /* a whole extent went: 32..63 */
	assert_true(is_mapped(p, 0));
	assert_true(is_mapped(p, 5007));
	assert_false(is_mapped(p, 32));
	assert_false(is_mapped(p, 63));
	assert_true(is_mapped(p, 64));
	assert_non_null(xsp_pages_get(p, 64, &held)); /* the next oldest, but in use */
	want_range(p, 6000, 32);
	assert_true(is_mapped(p, 64));
	assert_false(is_mapped(p, 96));
	xsp_pages_put(p, held);
	done(p);
}

static void never_more_than_the_bound(void **state)
{
	struct xsp_pages *p = fresh();
	static uint16_t held[XSP_PAGES_MAX];

	(void)state;
	for (uint32_t i = 0; i < 100000; i += 50) { /* a guest that never reuses a grant */
		want_range(p, i, 50);
		assert_true(xsp_pages_count(p) <= XSP_PAGES_MAX);
	}
	assert_int_equal(mapped_now, xsp_pages_count(p));
	xsp_pages_free(p);
	p = fresh();
	for (uint32_t i = 0; i < XSP_PAGES_MAX; i += 32)
		want_range(p, i, 32);
	for (uint32_t i = 0; i < XSP_PAGES_MAX; i++)
		assert_non_null(xsp_pages_get(p, i, &held[i]));
	want_range(p, 9000, 8); /* all are in use: these are copied */
	assert_false(is_mapped(p, 9000));
	assert_int_equal(unmap_calls, 0);
	for (uint32_t i = 0; i < XSP_PAGES_MAX; i++)
		xsp_pages_put(p, held[i]);
	done(p);
}

static void bad_grants_lying_peer(void **state)
{
	struct xsp_pages *p = fresh();

	(void)state;
	want_range(p, BAD_GREF - 2, 5);
	assert_int_equal(map_calls, 1 + 5); /* the whole call fails: one by one finds the bad one */
	assert_true(is_mapped(p, BAD_GREF - 1));
	assert_true(is_mapped(p, BAD_GREF + 2));
	assert_false(is_mapped(p, BAD_GREF));
	for (int i = 0; i < 100; i++) /* a guest that goes on with it gets no more maps */
		want_range(p, BAD_GREF, 1);
	assert_true(map_calls <= 1 + 5 + 16);
	want_range(p, 7000, 8);
	assert_false(is_mapped(p, 7000));
	assert_true(is_mapped(p, BAD_GREF - 1)); /* what is mapped stays */
	done(p);
}

static void one_budget_for_all(void **state)
{
	struct xsp_pages *p[40];
	uint32_t all = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		p[i] = fresh();
		for (uint32_t first = 0; first < XSP_PAGES_MAX; first += 32)
			want_range(p[i], first, 32);
		all += xsp_pages_count(p[i]);
	}
	assert_true(all <= XSP_PAGES_TOTAL);
	assert_true(all > XSP_PAGES_TOTAL - 32);
	assert_int_equal(xsp_pages_count(p[39]), 0);
	xsp_pages_free(p[0]);
	want_range(p[39], 0, 32); /* what one gives back another may take */
	assert_int_equal(xsp_pages_count(p[39]), 32);
	for (int i = 1; i < 40; i++)
		xsp_pages_free(p[i]);
	assert_int_equal(mapped_now, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_call_for_a_batch),
		cmocka_unit_test(least_recently_used_goes_first),
		cmocka_unit_test(never_more_than_the_bound),
		cmocka_unit_test(bad_grants_lying_peer),
		cmocka_unit_test(one_budget_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
