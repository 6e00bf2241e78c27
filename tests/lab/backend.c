/* SPDX-License-Identifier: MIT */
/*
 * A block backend for tests of frontends: a memory disk that is honest, or lies in the way named on
 * its command line. One device, one ring; polls; no use but tests.
 *
 *     test-backend DOMID DEVID MODE
 *
 * Besides the lies: `scan` looks at every granted page for bytes that are none of its business (2: it
 * found some); `dialect-NAME` is honest with sectors of 4096 bytes, counted as NAME does; `resize`
 * changes the size five times a second; `keep` maps a page of each request and never lets go;
 * `resume-N` starts over and closes in mid-way.
 *
 * Ends with 0 when the frontend has closed the device, or after the lie when it must end by itself.
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ring/dialect.h"
#include "tests/lab/side.h"

#define DISK_BYTES (1u << 20)

static uint8_t disk[DISK_BYTES] __attribute__((aligned(4096)));
static struct xsp_blk_back back;
static void *ring;
static unsigned int pages;
static int port = -1;
static unsigned long taken;
static uint32_t sector_size = 512;
static struct xsp_blk_shifts shifts; /* of the units we count in */

static int wait_front(int a, int b)
{
	int state = side_wait(a, b, 20);

	if (state < 0)
		errx(1, "%s: the frontend stays in state %d, not %d or %d", mode, get(fe, "state", 0), a, b);
	return state;
}

/* --- connection -------------------------------------------------------------------------------- */

static void map_ring(void)
{
	uint32_t gref[16];
	int order = get(fe, "ring-page-order", 0);

	pages = 1u << order;
	for (unsigned int i = 0; i < pages; i++) {
		char key[32];

		snprintf(key, sizeof(key), order ? "ring-ref%u" : "ring-ref", i);
		gref[i] = (uint32_t)get(fe, key, 0);
	}
	ring = xengnttab_map_domain_grant_refs(gnttab, pages, domid, gref, PROT_READ | PROT_WRITE);
	if (!ring)
		err(1, "map ring");
	back.abi = XSP_BLK_NATIVE;
	xsp_ring_back_init(&back.ring, ring, xsp_blk_ring_slots((unsigned int)order), 0);
	port = xenevtchn_bind_interdomain(evtchn, domid, (uint32_t)get(fe, "event-channel", 0));
	if (port < 0)
		err(1, "bind");
}

static void drop_ring(void)
{
	xenevtchn_unbind(evtchn, (evtchn_port_t)port);
	xengnttab_unmap(gnttab, ring, pages);
	ring = NULL;
}

static void publish(void)
{
	char text[24];

	snprintf(text, sizeof(text), "%u", sector_size);
	put("sector-size", is("bad-sector-size") ? "777" : text);
	put("info", "0");
	put("feature-flush-cache", "1");
	snprintf(text, sizeof(text), "%u", DISK_BYTES >> (9 + shifts.size));
	if (!is("no-sectors"))
		put("sectors", is("bad-sectors") ? "99999999999999999999" : is("sectors-text") ? "many" : text);
	put("state", "4");
}

static void come_up(void)
{
	if (is("resume-0") && taken)
		return;
	put("max-ring-page-order", "4");
	if (is("scan") || !strncmp(mode, "dialect-", 8))
		put("feature-max-indirect-segments", "64");
	put("state", "2");
	if (is("resume-1") && taken)
		return;
	wait_front(3, 4);
	if (is("resume-2") && taken)
		return;
	map_ring();
	publish();
}

/* --- requests ---------------------------------------------------------------------------------- */

static bool get_page(uint32_t gref, void *page)
{
	xengnttab_grant_copy_segment_t c = { .len = 4096, .flags = GNTCOPY_source_gref };

	c.source.foreign.ref = gref;
	c.source.foreign.domid = (uint16_t)domid;
	c.dest.virt = page;
	return !xengnttab_grant_copy(gnttab, 1, &c) && !c.status;
}

/* Every page that a request ever named, for a last look when none is under way. */
static uint32_t seen[4096];
static unsigned int n_seen;
static unsigned long stale;

static void see(uint32_t gref)
{
	for (unsigned int i = 0; i < n_seen; i++)
		if (seen[i] == gref)
			return;
	if (n_seen < sizeof(seen) / sizeof(seen[0]))
		seen[n_seen++] = gref;
}

/* Anything but zeros outside of from..to is not ours to see. */
static void scan(uint32_t gref, uint32_t from, uint32_t to)
{
	uint8_t page[4096];

	if (!get_page(gref, page))
		errx(1, "grant %u can't be read", gref);
	for (uint32_t i = 0; i < sizeof(page); i++)
		stale += page[i] && (i < from || i >= to);
	see(gref);
}

static int16_t move(const struct xsp_blk_req *q)
{
	uint64_t at = q->sector << (9 + shifts.number);
	static unsigned int kept;
	struct xsp_blk_seg page[512];
	const struct xsp_blk_seg *seg = q->seg;
	unsigned int n = q->nr_segs < XSP_BLK_SEGS ? q->nr_segs : XSP_BLK_SEGS, unit = 512u << shifts.segment;
	uint8_t op = q->op;

	if (op == XSP_BLK_INDIRECT) {
		op = q->nr_segs;
		n = q->handle;
		seg = page;
		if (n > 64 || !get_page(q->indirect.gref[0], page))
			return XSP_BLK_ERROR;
		if (is("scan"))
			scan(q->indirect.gref[0], 0, n * sizeof(page[0]));
	}
	for (unsigned int i = 0; i < n; i++) {
		const struct xsp_blk_seg *s = &seg[i];
		uint32_t bytes = (s->last - s->first + 1u) * unit, from = s->first * unit;
		xengnttab_grant_copy_segment_t c = { .len = (uint16_t)bytes };

		if (s->last >= 4096 / unit || s->first > s->last || at + bytes > DISK_BYTES ||
		    (at | bytes) & (sector_size - 1))
			return XSP_BLK_ERROR;
		if (is("keep") && kept < 200)
			kept += xengnttab_map_domain_grant_refs(gnttab, 1, domid, (uint32_t[]){ s->gref },
								PROT_READ) != NULL;
		if (is("scan"))
			scan(s->gref, from, op == XSP_BLK_READ ? from : from + bytes);
		if (op == XSP_BLK_READ) {
			c.source.virt = disk + at;
			c.dest.foreign.ref = s->gref;
			c.dest.foreign.offset = (uint16_t)from;
			c.dest.foreign.domid = (uint16_t)domid;
			c.flags = GNTCOPY_dest_gref;
		} else {
			c.source.foreign.ref = s->gref;
			c.source.foreign.offset = (uint16_t)from;
			c.source.foreign.domid = (uint16_t)domid;
			c.dest.virt = disk + at;
			c.flags = GNTCOPY_source_gref;
		}
		if (xengnttab_grant_copy(gnttab, 1, &c) || c.status)
			return XSP_BLK_ERROR;
		at += bytes;
	}
	return XSP_BLK_OKAY;
}

/* An indirect request is answered with the operation inside it. */
static uint8_t op_of(const struct xsp_blk_req *q)
{
	return q->op == XSP_BLK_INDIRECT ? q->nr_segs : q->op;
}

static void answer(uint64_t id, uint8_t op, int16_t status)
{
	xsp_blk_back_respond(&back, id, op, status);
}

/* Answers one request, in this mode's way. False: the end of the serving. */
static bool serve(const struct xsp_blk_req *q)
{
	bool lie = ++taken > 200;

	if (lie && is("bad-id")) {
		answer(q->id + 0x10000, q->op, 0);
	} else if (lie && is("wrong-op")) {
		answer(q->id, (uint8_t)(q->op + 9), 0);
	} else if (lie && is("overflow")) {
		xsp_store(&back.ring.sring->rsp_prod, back.ring.rsp_prod_pvt + 5000);
		xenevtchn_notify(evtchn, (evtchn_port_t)port);
		return false;
	} else if (lie && is("twice")) {
		answer(q->id, q->op, move(q));
		answer(q->id, q->op, 0);
	} else if (lie && is("error")) {
		answer(q->id, q->op, XSP_BLK_ERROR);
		taken = 0;
	} else if (lie && is("odd-status")) {
		answer(q->id, q->op, 77);
		taken = 0;
	} else if (lie && is("eject")) { /* Closed, and some requests never answered */
		put("state", "6");
		return false;
	} else if (lie && is("vanish")) {
		xs_rm(xs, XBT_NULL, be);
		return false;
	} else if (lie && (is("start-over") || !strncmp(mode, "resume-", 7)) && taken < 1000) {
		return false;
	} else {
		answer(q->id, op_of(q), move(q));
	}
	return true;
}

static void notify(void)
{
	static unsigned long n;

	n++;
	if (is("no-events") || (is("lose-events") && n % 50 == 0))
		return;
	for (int i = is("storm") ? 2000 : 1; i; i--)
		xenevtchn_notify(evtchn, (evtchn_port_t)port);
}

static void resize(void)
{
	static const char *const sizes[] = { "2048", "1024", "4096", "8", "0" };
	static unsigned int n;
	static time_t last_ds;
	struct timespec t;
	time_t ds;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ds = t.tv_sec * 5 + t.tv_nsec / 200000000;
	if (ds == last_ds)
		return;
	last_ds = ds;
	put("sectors", sizes[n++ % 5]);
	put("state", "4");
}

/* Serves until the frontend closes (true) or the mode has done its deed (false). */
static bool serve_all(void)
{
	struct pollfd p = { .fd = xenevtchn_fd(evtchn), .events = POLLIN };

	for (;;) {
		int n = xsp_ring_back_sleep(&back.ring), got = n;
		struct xsp_blk_req q;

		if (n < 0 && is("twice")) /* that lie spoils our own count as well */
			return false;
		if (n < 0)
			errx(1, "%s: the frontend broke the ring", mode);
		for (; n; n--) {
			xsp_blk_back_take(&back, &q);
			if (!serve(&q))
				return false;
		}
		if (xsp_ring_back_push(&back.ring))
			notify();
		if (is("resize") && get(fe, "state", 0) == 4)
			resize();
		if (poll(&p, 1, got ? 0 : 10) == 1)
			xenevtchn_unmask(evtchn, (evtchn_port_t)xenevtchn_pending(evtchn));
		if (!got && get(fe, "state", 0) >= 5)
			return true;
	}
}

int main(int argc, char **argv)
{
	side_open(argc, argv, "vbd");
	if (!strncmp(mode, "dialect-", 8)) {
		enum xsp_blk_dialect dialect;

		if (xsp_blk_dialect_parse(mode + 8, &dialect))
			errx(2, "%s: no such dialect", mode + 8);
		sector_size = 4096;
		shifts = xsp_blk_dialect_shifts(dialect, sector_size);
	}
	if (is("stuck")) { /* never gets beyond InitWait */
		put("state", "2");
		wait_front(5, 6);
		return 0;
	}
	if (is("keep-wait")) { /* the pages of an earlier frontend stay mapped until somebody ends us */
		mode = "keep";
		come_up();
		serve_all();
		put("state", "5");
		wait_front(6, 6);
		drop_ring();
		put("state", "6");
		pause();
	}
	if (is("bad-order")) { /* no frontend should come up on this */
		put("max-ring-page-order", "-3");
		put("state", "2");
		sleep(2);
		return get(fe, "state", 0) != 1;
	}
	come_up();
	if (!serve_all() && !strncmp(mode, "resume-", 7)) {
		drop_ring();
		put("state", "1");
		wait_front(1, 1);
		taken = 1000;
		come_up();
		put("online", "0");
		put("state", "5"); /* removed while the frontend comes back */
		wait_front(6, 1); /* 1: it has not come up again */
		if (ring)
			drop_ring();
		put("state", "6");
		return 0;
	}
	if (is("start-over") && taken < 1000) { /* as if it had been started anew: the rings are forgotten */
		drop_ring();
		put("state", "1");
		wait_front(1, 1);
		taken = 1000;
		come_up();
		serve_all();
	}
	if (is("vanish"))
		return 0;
	if (is("scan")) { /* nothing is under way, all is still granted: nothing may be left to see */
		unsigned int n = n_seen;

		for (unsigned int i = 0; i < n; i++)
			scan(seen[i], 0, 0);
		printf("scanned %lu requests, %u pages: %lu bytes were none of our business\n",
		       taken, n, stale);
	}
	if (!is("eject"))
		put("state", get(fe, "state", 0) == 6 ? "6" : "5");
	wait_front(6, 6);
	drop_ring();
	put("state", "6");
	return stale ? 2 : 0;
}
