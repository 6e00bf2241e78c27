/* SPDX-License-Identifier: MIT */
/* Attacks on pages that the backend reads or keeps mapped while we change them, and on barriers. */
#include "tests/evil/evil.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DESC_PAGE 63u
#define BATCH     176u /* pages granted together: 16 whole requests */

static bool connect_plain(struct guest *g)
{
	return expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects");
}

/* Fills the ring, waits for all of it. Returns how many were answered; *odd: with what is no status. */
static unsigned int round_of(struct guest *g, struct xsp_blk_req (*make)(struct guest *, unsigned int),
			     unsigned int *odd, unsigned int *good)
{
	struct xsp_blk_rsp rsp[32];
	unsigned int n;

	for (unsigned int k = 0; k < g->size; k++) {
		struct xsp_blk_req req = make(g, k);

		guest_put(g, &req);
	}
	guest_push(g);
	n = guest_take(g, rsp, g->size, 10000);
	for (unsigned int k = 0; k < n; k++) {
		*odd += rsp[k].status > 0 || rsp[k].status < XSP_BLK_EOPNOTSUPP;
		*good += rsp[k].status == XSP_BLK_OKAY;
	}
	return n;
}

/* --- descriptors rewritten while they are fetched ------------------------------------------------ */

struct toggler {
	struct guest *g;
	int stop;
};

static void *rewrite(void *arg)
{
	struct toggler *t = arg;
	volatile struct xsp_blk_seg *d =
		(volatile struct xsp_blk_seg *)(t->g->data + DESC_PAGE * XSP_PAGE_SIZE);
	uint32_t x = 815;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
		volatile struct xsp_blk_seg *s = &d[x >> 8 & 255];

		x = x * 1664525u + 1013904223u;
		switch (x >> 30) {
		case 0:
			s->gref = x & 64 ? x : t->g->ref[x >> 8 & 31];
			break;
		case 1:
			s->first = (uint8_t)(x & 64 ? x >> 8 : 0);
			break;
		default:
			s->last = (uint8_t)(x & 64 ? x >> 8 : 7);
			s->gref = t->g->ref[x >> 16 & 31];
		}
	}
	return NULL;
}

static struct xsp_blk_req indirect_read(struct guest *g, unsigned int k)
{
	struct xsp_blk_req req = { .op = XSP_BLK_INDIRECT, .nr_segs = XSP_BLK_READ,
				   .handle = (uint16_t)(1 + k * 53 % 256), .id = ++g->next_id };

	for (unsigned int i = 0; i < XSP_BLK_INDIRECT_PAGES; i++)
		req.indirect.gref[i] = g->ref[DESC_PAGE];
	return req;
}

void descriptor_race(struct guest *g)
{
	struct toggler t = { .g = g };
	unsigned int sent = 0, answered = 0, odd = 0, good = 0;
	struct xsp_blk_seg *d = (struct xsp_blk_seg *)(g->data + DESC_PAGE * XSP_PAGE_SIZE);
	pthread_t thread;

	if (!connect_plain(g))
		return;
	if (end_number(&g->end, g->end.be, "feature-max-indirect-segments") < 256) {
		say("not offered");
		return;
	}
	for (unsigned int i = 0; i < 256; i++)
		d[i] = (struct xsp_blk_seg){ .gref = g->ref[i & 31], .last = 7 };
	pthread_create(&thread, NULL, rewrite, &t);
	for (unsigned int i = 0; i < g->end.dose && answered == sent; i++) {
		sent += g->size;
		answered += round_of(g, indirect_read, &odd, &good);
	}
	__atomic_store_n(&t.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	expect(&g->end, answered == sent, "%u indirect requests, %u answered", sent, answered);
	expect(&g->end, !odd, "every status is one of three (%u were not)", odd);
	say("%u requests whose descriptors changed, %u of them went well", sent, good);
}

/* --- barriers ------------------------------------------------------------------------------------ */

static struct xsp_blk_req barrier_or_write(struct guest *g, unsigned int k)
{
	return guest_request(g, k % 4 ? XSP_BLK_BARRIER : XSP_BLK_WRITE, 8 * k, k % 4 == 2 ? 0 : 1, k);
}

void barrier_flood(struct guest *g)
{
	unsigned int sent = 0, answered = 0, odd = 0, good = 0;

	if (!connect_plain(g))
		return;
	for (unsigned int i = 0; i < 1 + g->end.dose / 10 && answered == sent; i++) {
		sent += g->size;
		answered += round_of(g, barrier_or_write, &odd, &good);
	}
	expect(&g->end, answered == sent && good == sent,
	       "%u barriers and writes, %u answered, %u well", sent, answered, good);
}

/* --- grants that come and go ----------------------------------------------------------------------- */

static int16_t read_into(struct guest *g, const uint32_t *ref)
{
	struct xsp_blk_req req = guest_request(g, XSP_BLK_READ, 0, XSP_BLK_SEGS, 0);

	for (unsigned int i = 0; i < XSP_BLK_SEGS; i++)
		req.seg[i].gref = ref[i];
	return guest_do(g, &req);
}

/* More pages than the backend may keep, each granted, used, and ended while it may be mapped. */
void grants_cycle(struct guest *g)
{
	uint32_t ref[BATCH], old[XSP_BLK_SEGS] = { 0 };
	unsigned int pages = 0, bad = 0;

	if (!connect_plain(g))
		return;
	for (unsigned int i = 0; i < 10; i++) {
		void *p = xengntshr_share_pages(g->end.xgs, 0, BATCH, ref, 1);
		int16_t status;

		if (!p) /* those that are ended and still mapped count against what a guest may grant */
			break;
		for (unsigned int at = 0; at < BATCH; at += XSP_BLK_SEGS)
			bad += read_into(g, ref + at) != XSP_BLK_OKAY;
		memcpy(old, ref, sizeof(old));
		xengntshr_unshare(g->end.xgs, p, BATCH);
		pages += BATCH;
		status = read_into(g, old); /* still mapped, or a bad grant: both are right */
		bad += status != XSP_BLK_OKAY && status != XSP_BLK_ERROR;
	}
	expect(&g->end, pages >= BATCH, "pages are granted");
	expect(&g->end, !bad, "%u requests on pages that come and go", bad);
	say("%u pages granted, used and ended", pages);
}

/* A reference that is bad from time to time must not spoil those beside it, or itself once it is good. */
void grants_flaky(struct guest *g)
{
	unsigned int bad = 0;

	if (!connect_plain(g))
		return;
	for (unsigned int i = 0; i < g->end.dose; i++) {
		uint32_t ref[XSP_BLK_SEGS], one;
		void *page;

		for (unsigned int k = 0; k < XSP_BLK_SEGS; k++)
			ref[k] = g->ref[(i + k) % PAGES];
		bad += read_into(g, ref) != XSP_BLK_OKAY;
		ref[i % XSP_BLK_SEGS] = 100000 + i % 3;
		bad += read_into(g, ref) != XSP_BLK_ERROR;
		page = xengntshr_share_pages(g->end.xgs, 0, 1, &one, 1);
		if (!page)
			continue;
		ref[i % XSP_BLK_SEGS] = one;
		bad += read_into(g, ref) != XSP_BLK_OKAY;
		xengntshr_unshare(g->end.xgs, page, 1);
	}
	expect(&g->end, !bad, "%u answers that don't fit their grants", bad);
}
