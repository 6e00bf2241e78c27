/* SPDX-License-Identifier: MIT */
/* Attacks in the requests themselves. XSA-155, -180, -361 and its like. */
#include "tests/evil/evil.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool connect_plain(struct guest *g)
{
	return expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects");
}

/* Segments 8.. of the disk's first MiB hold a known pattern; true when they still do. */
static void paint(struct guest *g)
{
	for (unsigned int s = 0; s < 16; s++) {
		struct xsp_blk_req req = guest_request(g, XSP_BLK_WRITE, s * 88, 11, 0);

		for (unsigned int i = 0; i < 11 * XSP_PAGE_SIZE; i++)
			g->data[i] = (uint8_t)(s * 31 + i / 64);
		expect(&g->end, guest_do(g, &req) == XSP_BLK_OKAY, "the pattern is written");
	}
}

static void still_painted(struct guest *g, const char *what)
{
	for (unsigned int s = 0; s < 16; s++) {
		struct xsp_blk_req req = guest_request(g, XSP_BLK_READ, s * 88, 11, 0);
		unsigned int wrong = 0;

		memset(g->data, 0, 11 * XSP_PAGE_SIZE);
		if (!expect(&g->end, guest_do(g, &req) == XSP_BLK_OKAY, "%s: the pattern is read",
			    what))
			return;
		for (unsigned int i = 0; i < 11 * XSP_PAGE_SIZE; i++)
			wrong += g->data[i] != (uint8_t)(s * 31 + i / 64);
		if (!expect(&g->end, !wrong, "%s: no byte of the image changed (%u did)", what,
			    wrong))
			return;
	}
}

static void refused(struct guest *g, struct xsp_blk_req *req, int16_t status, const char *what,
		    unsigned int value)
{
	int16_t got = guest_do(g, req);

	expect(&g->end, got == status, "%s %u: status %d (got %d)", what, value, status, got);
}

void bad_segments(struct guest *g)
{
	static const uint8_t numbers[] = { 0, 12, 13, 128, 255 };

	if (!connect_plain(g))
		return;
	paint(g);
	for (unsigned int i = 0; i < sizeof(numbers); i++)
		for (uint8_t op = XSP_BLK_READ; op <= XSP_BLK_WRITE; op++) {
			struct xsp_blk_req req = guest_request(g, op, 0, numbers[i], 11);

			refused(g, &req, XSP_BLK_ERROR, "number of segments", numbers[i]);
		}
	still_painted(g, "bad numbers of segments");
}

void bad_sectors(struct guest *g)
{
	static const uint8_t pairs[][2] = { { 1, 0 }, { 7, 0 }, { 0, 8 }, { 0, 255 },
					    { 8, 8 }, { 255, 255 }, { 255, 0 }, { 200, 255 } };

	if (!connect_plain(g))
		return;
	paint(g);
	for (unsigned int i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		for (unsigned int at = 0; at < XSP_BLK_SEGS; at++) {
			struct xsp_blk_req req =
				guest_request(g, i & 1 ? XSP_BLK_READ : XSP_BLK_WRITE, 0, 11, 11);

			req.seg[at].first = pairs[i][0];
			req.seg[at].last = pairs[i][1];
			refused(g, &req, XSP_BLK_ERROR, "first and last, pair", i);
		}
	still_painted(g, "bad first and last sectors");
}

void bad_range(struct guest *g)
{
	struct xsp_blk_req req;
	uint64_t sectors[8];

	if (!connect_plain(g))
		return;
	paint(g);
	sectors[0] = g->sectors;
	sectors[1] = g->sectors - 7; /* eight from here: one too many */
	sectors[2] = 1ull << 63;
	sectors[3] = ~0ull;
	sectors[4] = ~0ull - 7;  /* the end wraps to 0 */
	sectors[5] = 1ull << 55; /* times 512 wraps to 0 */
	sectors[6] = (1ull << 55) + 8;
	sectors[7] = g->sectors + (1ull << 32);
	for (unsigned int i = 0; i < 8; i++)
		for (uint8_t op = XSP_BLK_READ; op <= XSP_BLK_WRITE; op++) {
			req = guest_request(g, op, sectors[i], 1, 11);
			refused(g, &req, XSP_BLK_ERROR, "sector", i);
		}
	req = guest_request(g, XSP_BLK_READ, g->sectors - 8, 1, 0);
	refused(g, &req, XSP_BLK_OKAY, "the last page of the disk is", 0);
	still_painted(g, "ranges beyond the disk");
}

void bad_operations(struct guest *g)
{
	static const uint8_t ops[] = { 4, 7, 8, 128, 255 };

	if (!connect_plain(g))
		return;
	paint(g);
	for (unsigned int i = 0; i < sizeof(ops); i++)
		for (unsigned int segs = 0; segs < 12; segs += 11) {
			struct xsp_blk_req req = guest_request(g, ops[i], 0, segs, 11);

			refused(g, &req, XSP_BLK_EOPNOTSUPP, "operation", ops[i]);
		}
	still_painted(g, "operations that were not offered");
}

/* --- grants ------------------------------------------------------------------------------------ */

/* A page of another domain of ours under a number that is none of ours, granted to the backend. */
static uint32_t foreign_grant(const struct guest *g, xengntshr_handle **h)
{
	static uint32_t refs[512];
	char domid[16];
	uint32_t n;

	*h = NULL;
	if (!g->peer)
		return 0;
	snprintf(domid, sizeof(domid), "%u", g->peer);
	setenv("XENSPLIT_DOM", domid, 1);
	*h = xengntshr_open(NULL, 0);
	snprintf(domid, sizeof(domid), "%u", g->end.domid);
	setenv("XENSPLIT_DOM", domid, 1);
	for (n = 512; *h && n >= 64; n /= 2)
		if (xengntshr_share_pages(*h, 0, (int)n, refs, 1))
			return refs[n - 1];
	return 0;
}

static void try_grant(struct guest *g, const char *what, uint32_t ref, uint8_t op)
{
	for (unsigned int n = 1; n <= XSP_BLK_SEGS; n++)
		for (unsigned int at = 0; at < n; at++) {
			struct xsp_blk_req req = guest_request(g, op, 0, n, 11);

			req.seg[at].gref = ref;
			memset(g->data + 11 * XSP_PAGE_SIZE, 0x5a, 11 * XSP_PAGE_SIZE);
			refused(g, &req, XSP_BLK_ERROR, what, at);
		}
}

void bad_grants(struct guest *g)
{
	xengntshr_handle *foreign;
	uint32_t ref, other = foreign_grant(g, &foreign);

	if (!connect_plain(g))
		return;
	paint(g);
	/* The barrier alone in flight is the one that is handed over out of its turn. */
	for (uint8_t op = XSP_BLK_READ; op <= XSP_BLK_BARRIER; op++) {
		try_grant(g, "a grant of nobody's at segment", 100000, op);
		try_grant(g, "reference 0xffffffff at segment", ~0u, op);
		if (other)
			try_grant(g, "another domain's grant at segment", other, op);
		else
			say("another domain's grant: not tried, there is no other domain");
		if (g->peer && xengntshr_share_pages(g->end.xgs, g->peer, 1, &ref, 1))
			try_grant(g, "a grant for somebody else at segment", ref, op);
	}
	if (expect(&g->end, xengntshr_share_pages(g->end.xgs, 0, 1, &ref, 0),
		   "a page is granted read-only"))
		try_grant(g, "a read-only grant for a READ at segment", ref, XSP_BLK_READ);
	still_painted(g, "bad grants");
	if (foreign)
		xengntshr_close(foreign);
}

/* --- indirect requests and discards -------------------------------------------------------------- */

static struct xsp_blk_req indirect(struct guest *g, uint8_t op, unsigned int segs, uint32_t ref)
{
	struct xsp_blk_req req = { .op = XSP_BLK_INDIRECT, .nr_segs = op, .handle = (uint16_t)segs,
				   .id = ++g->next_id };

	for (unsigned int i = 0; i < XSP_BLK_INDIRECT_PAGES; i++)
		req.indirect.gref[i] = ref;
	return req;
}

/* n descriptors in data page 63, of data pages 20 .. */
static struct xsp_blk_seg *describe(struct guest *g, unsigned int n)
{
	struct xsp_blk_seg *d = (struct xsp_blk_seg *)(g->data + 63 * XSP_PAGE_SIZE);

	for (unsigned int i = 0; i < n; i++)
		d[i] = (struct xsp_blk_seg){ .gref = g->ref[20 + i % 40], .last = 7 };
	return d;
}

void bad_indirect(struct guest *g)
{
	static const uint8_t ops[] = { 2, 3, 4, 5, 6, 255 };
	struct xsp_blk_seg *d;
	struct xsp_blk_req req;
	unsigned int max;
	int offered;

	if (!connect_plain(g))
		return;
	offered = end_number(&g->end, g->end.be, "feature-max-indirect-segments");
	if (offered <= 0) {
		say("not offered");
		return;
	}
	max = (unsigned int)offered;
	paint(g);
	d = describe(g, max);
	for (unsigned int i = 0; i < sizeof(ops); i++) {
		req = indirect(g, ops[i], 1, g->ref[63]);
		refused(g, &req, XSP_BLK_EOPNOTSUPP, "indirect operation", ops[i]);
	}
	for (uint8_t op = XSP_BLK_READ; op <= XSP_BLK_WRITE; op++) {
		const unsigned int numbers[] = { 0, max + 1, 4096, 65535 };

		for (unsigned int i = 0; i < 4; i++) {
			req = indirect(g, op, numbers[i], g->ref[63]);
			refused(g, &req, XSP_BLK_ERROR, "indirect segments", numbers[i]);
		}
		req = indirect(g, op, 1, 100000);
		refused(g, &req, XSP_BLK_ERROR, "descriptors in a page of nobody's", op);
		for (unsigned int at = 0; at < max; at++) {
			d = describe(g, max);
			d[at].gref = 100000 + at;
			req = indirect(g, op, max, g->ref[63]);
			refused(g, &req, XSP_BLK_ERROR, "a bad grant at indirect segment", at);
			d = describe(g, max);
			d[at].last = at & 1 ? 8 : 255;
			d[at].first = at & 2 ? 200 : 0;
			req = indirect(g, op, max, g->ref[63]);
			refused(g, &req, XSP_BLK_ERROR, "bad sectors at indirect segment", at);
		}
		describe(g, max);
		req = indirect(g, op, max, g->ref[63]);
		req.sector = g->sectors - 8;
		refused(g, &req, XSP_BLK_ERROR, "indirect beyond the end", op);
	}
	still_painted(g, "bad indirect requests");
	req = indirect(g, XSP_BLK_READ, max, g->ref[63]);
	refused(g, &req, XSP_BLK_OKAY, "a good one is", 0);
}

/* A ring full of the largest requests, and no move until somebody kills us. */
void hold_indirect(struct guest *g)
{
	if (!connect_plain(g))
		return;
	describe(g, 32);
	for (unsigned int i = 0; i < g->size; i++) {
		struct xsp_blk_req req = indirect(g, XSP_BLK_READ, 32, g->ref[63]);

		guest_put(g, &req);
	}
	guest_push(g);
	say("holding");
	pause();
}

void bad_discard(struct guest *g)
{
	uint64_t cases[][2] = { { 0, 0 }, { 0, ~0ull }, { 8, ~0ull - 7 }, { 1ull << 63, 8 },
				{ ~0ull, 1 }, { 0, 1ull << 55 }, { 0, 0 }, { 0, 0 } };

	if (!connect_plain(g))
		return;
	if (end_number(&g->end, g->end.be, "feature-discard") != 1) {
		say("not offered");
		return;
	}
	paint(g);
	cases[6][1] = g->sectors + 1;
	cases[7][0] = g->sectors - 8;
	cases[7][1] = 9;
	for (unsigned int i = 0; i < 8; i++) {
		struct xsp_blk_req req = { .op = XSP_BLK_DISCARD, .id = ++g->next_id,
					   .sector = cases[i][0] };

		req.discard.nr_sectors = cases[i][1];
		refused(g, &req, XSP_BLK_ERROR, "discard", i);
		if (end_number(&g->end, g->end.be, "discard-secure") != 1) {
			req = (struct xsp_blk_req){ .op = XSP_BLK_DISCARD, .nr_segs = 1, .id = ++g->next_id };
			req.discard.nr_sectors = 8;
			refused(g, &req, XSP_BLK_EOPNOTSUPP, "secure discard", i);
		}
	}
	still_painted(g, "bad discards");
}

/* --- a disk that may only be read ---------------------------------------------------------------- */

/* Every request that could change the image, of whatever kind; the script compares the image. XSA-142. */
void read_only(struct guest *g)
{
	static const uint8_t ops[] = { XSP_BLK_WRITE, XSP_BLK_FLUSH, XSP_BLK_BARRIER };
	struct xsp_blk_req req;
	int16_t got;

	if (!connect_plain(g))
		return;
	memset(g->data, 0xee, PAGES * XSP_PAGE_SIZE);
	for (unsigned int i = 0; i < sizeof(ops); i++)
		for (unsigned int n = 1; n <= XSP_BLK_SEGS; n++) {
			req = guest_request(g, ops[i], 8 * n, n, 0);
			got = guest_do(g, &req);
			expect(&g->end, got == XSP_BLK_ERROR || (i && got == XSP_BLK_EOPNOTSUPP),
			       "operation %u with %u segments is refused (%d)", ops[i], n, got);
		}
	describe(g, 32);
	req = indirect(g, XSP_BLK_WRITE, 32, g->ref[63]);
	got = guest_do(g, &req);
	expect(&g->end, got < 0 && got != INT16_MIN, "an indirect write is refused (%d)", got);
	req = (struct xsp_blk_req){ .op = XSP_BLK_DISCARD, .id = ++g->next_id };
	req.discard.nr_sectors = 8;
	got = guest_do(g, &req);
	expect(&g->end, got < 0 && got != INT16_MIN, "a discard is refused (%d)", got);
	req = guest_request(g, XSP_BLK_READ, 0, 11, 0);
	expect(&g->end, guest_do(g, &req) == XSP_BLK_OKAY, "a read is not");
}

/* --- double fetch ------------------------------------------------------------------------------ */

struct toggler {
	struct guest *g;
	int stop;
};

/* Rewrite every field but the id of requests that the daemon may be taking just now. */
static void *toggle(void *arg)
{
	struct toggler *t = arg;
	struct guest *g = t->g;
	uint32_t x = 4711;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
		volatile struct xsp_blk_req *req = guest_slot(g, x = x * 1664525u + 1013904223u);

		switch (x >> 29) {
		case 0:
		case 1:
			req->nr_segs = (uint8_t)(x & 1 ? 255 : x >> 8);
			break;
		case 2:
			req->op = (uint8_t)(x >> 8 & 7);
			break;
		case 3:
			req->sector = x & 1 ? ~0ull << (x >> 8 & 63) : 8;
			break;
		case 4:
			req->seg[x >> 8 & 7].gref = x & 1 ? x : g->ref[x >> 8 & 63];
			break;
		case 5:
			req->seg[x >> 8 & 7].last = (uint8_t)(x >> 16);
			break;
		case 6:
			req->handle = (uint16_t)(x >> 8);
			break;
		default:
			req->nr_segs = (uint8_t)(x >> 8 & 7);
		}
	}
	return NULL;
}

void double_fetch(struct guest *g)
{
	struct toggler t = { .g = g };
	unsigned int rounds = 10 * g->end.dose, answered = 0, lost = 0, sent = 0;
	struct xsp_blk_rsp rsp[32];
	pthread_t thread;

	if (!connect_plain(g))
		return;
	pthread_create(&thread, NULL, toggle, &t);
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int n;

		for (unsigned int k = 0; k < g->size; k++, sent++) {
			struct xsp_blk_req req = guest_request(g, k & 1, 8 * k, 1 + k % 11, k);

			guest_put(g, &req);
		}
		guest_push(g);
		n = guest_take(g, rsp, g->size, 5000);
		answered += n;
		if (n < g->size)
			break;
		for (unsigned int k = 0; k < n; k++)
			lost += rsp[k].status > 0 || rsp[k].status < XSP_BLK_EOPNOTSUPP;
	}
	__atomic_store_n(&t.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	expect(&g->end, answered == sent, "%u requests rewritten under way, %u answered", sent,
	       answered);
	expect(&g->end, !lost, "every status is one of three (%u were not)", lost);
	say("%u requests rewritten while they were taken", sent);
}

/* --- a flood of bad requests -------------------------------------------------------------------- */

void log_flood(struct guest *g)
{
	unsigned int total = 1000 * g->end.dose, done = 0, wrong = 0;
	struct xsp_blk_rsp rsp[32];

	if (!connect_plain(g))
		return;
	while (done < total) {
		unsigned int n;

		for (unsigned int k = 0; k < g->size && done + k < total; k++) {
			struct xsp_blk_req req = guest_request(g, XSP_BLK_READ, ~0ull, 1, 0);

			guest_put(g, &req);
		}
		guest_push(g);
		n = guest_take(g, rsp, total - done < g->size ? total - done : g->size, 5000);
		for (unsigned int k = 0; k < n; k++)
			wrong += rsp[k].status != XSP_BLK_ERROR;
		done += n;
		if (!n)
			break;
	}
	expect(&g->end, done == total && !wrong,
	       "%u bad requests refused (%u answered, %u wrongly)", total, done, wrong);
	say("flood of %u", done);
}
