/* SPDX-License-Identifier: MIT */
/* Grant copy: a status for each segment. */
#include "tests/world/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static xengnttab_grant_copy_segment_t in(struct world *w, void *to, uint32_t ref, uint16_t off,
					 uint16_t len)
{
	xengnttab_grant_copy_segment_t s = {.flags = GNTCOPY_source_gref, .len = len};

	s.source.foreign.ref = ref;
	s.source.foreign.domid = (uint16_t)w->peer;
	s.source.foreign.offset = off;
	s.dest.virt = to;
	return s;
}

static xengnttab_grant_copy_segment_t out(struct world *w, uint32_t ref, uint16_t off, void *from,
					  uint16_t len)
{
	xengnttab_grant_copy_segment_t s = {.flags = GNTCOPY_dest_gref, .len = len};

	s.dest.foreign.ref = ref;
	s.dest.foreign.domid = (uint16_t)w->peer;
	s.dest.foreign.offset = off;
	s.source.virt = from;
	return s;
}

static void status_dom0(struct world *w)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	uint32_t ref = (uint32_t)hear(w, "ref"), ro = (uint32_t)hear(w, "ro");
	uint32_t other = (uint32_t)hear(w, "other"), unused = (uint32_t)hear(w, "unused");
	char *buf = aligned_alloc(PAGE, 2 * PAGE);
	xengnttab_grant_copy_segment_t s[6];
	int r;

	memset(buf, 'z', 2 * PAGE);
	s[0] = in(w, buf + PAGE - 3, ref, 0, 8); /* local memory may cross a page */
	s[1] = out(w, ref, 4088, buf, 8);
	s[2] = out(w, ro, 0, buf, 8);
	s[3] = in(w, buf + 64, other, 0, 8);
	s[4] = in(w, buf + 128, unused, 0, 8);
	s[5] = in(w, buf + 192, ro, 0, 9);
	r = xengnttab_grant_copy(g, 6, s);
	claim(w, r == 0, "the call fails with %d because of single segments", r);
	claim(w, s[0].status == GNTST_okay && !memcmp(buf + PAGE - 3, "abcdefgh", 8), "copy in: %d",
	      s[0].status);
	claim(w, s[1].status == GNTST_okay, "copy out: %d", s[1].status);
	claim(w, s[2].status == GNTST_general_error, "into a read-only page: %d", s[2].status);
	claim(w, s[3].status == GNTST_general_error, "granted to another domain: %d", s[3].status);
	claim(w, s[4].status == GNTST_general_error, "not granted: %d", s[4].status);
	claim(w, s[5].status == GNTST_okay && !strcmp(buf + 192, "readonly"),
	      "read of a read-only: %d", s[5].status);
	s[0] = in(w, buf, ref, 4090, 7);
	claim(w, xengnttab_grant_copy(g, 1, s) < 0 || s[0].status < 0, "a copy over a page's end");
	s[0] = in(w, buf, 100000, 0, 8);
	claim(w, xengnttab_grant_copy(g, 1, s) == 0 && s[0].status == GNTST_bad_gntref,
	      "a reference beyond the table: %d", s[0].status);
	say(w, "end", 1);
	free(buf);
	xengnttab_close(g);
}

static void status_guest(struct world *w)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	uint32_t ref = 0, ro = 0, other = 0, unused = 0;
	char *p = xengntshr_share_pages(s, w->peer, 1, &ref, 1);
	char *q = xengntshr_share_pages(s, w->peer, 1, &ro, 0);
	char *r = xengntshr_share_pages(s, 77, 1, &other, 1);
	char *u = xengntshr_share_pages(s, w->peer, 1, &unused, 1);

	if (!claim(w, p && q && r && u, "share"))
		return;
	strcpy(p, "abcdefgh");
	strcpy(q, "readonly");
	xengntshr_unshare(s, u, 1);
	say(w, "unused", unused);
	say(w, "other", other);
	say(w, "ro", ro);
	say(w, "ref", ref);
	hear(w, "end");
	claim(w, !memcmp(p + 4088, "zzzzzzzz", 8), "the copy out is not here");
	claim(w, !strcmp(q, "readonly"), "the read-only page was written");
	xengntshr_close(s);
}

/* From grant to grant works; into a page that is mapped here it must not. */
static void foreign_dom0(struct world *w)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	uint32_t a = (uint32_t)hear(w, "a"), b = (uint32_t)hear(w, "b");
	xengnttab_grant_copy_segment_t s = in(w, NULL, a, 0, 16);
	char *p = xengnttab_map_grant_ref(g, w->peer, b, PROT_READ | PROT_WRITE);

	s.flags |= GNTCOPY_dest_gref;
	s.dest.foreign.ref = b;
	s.dest.foreign.domid = (uint16_t)w->peer;
	s.dest.foreign.offset = 32;
	claim(w, xengnttab_grant_copy(g, 1, &s) == 0 && s.status == GNTST_okay,
	      "grant to grant: %d", s.status);
	claim(w, p && !strcmp(p + 32, "grant to grant"), "grant to grant did not arrive");
	if (p) {
		s = in(w, p, a, 0, 16);
		claim(w, xengnttab_grant_copy(g, 1, &s) < 0 || s.status == GNTST_bad_page,
		      "into a mapped page: %d", s.status);
		xengnttab_unmap(g, p, 1);
	}
	xengnttab_close(g);
	say(w, "end", 1);
}

static void foreign_guest(struct world *w)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	uint32_t refs[2] = {0};
	char *p = xengntshr_share_pages(s, w->peer, 2, refs, 1);

	if (!claim(w, p != NULL, "share"))
		return;
	strcpy(p, "grant to grant");
	say(w, "b", refs[1]);
	say(w, "a", refs[0]);
	hear(w, "end");
	xengntshr_close(s);
}

/* Many segments in one call: Linux goes on in batches of 16. */
static void many_dom0(struct world *w)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	uint32_t ref = (uint32_t)hear(w, "ref"), i, bad = 0;
	static xengnttab_grant_copy_segment_t s[100];
	static char buf[100];

	for (i = 0; i < 100; i++)
		s[i] = in(w, buf + i, ref, (uint16_t)(i * 40), 1);
	claim(w, xengnttab_grant_copy(g, 100, s) == 0, "100 segments");
	for (i = 0; i < 100; i++)
		bad += s[i].status != GNTST_okay || buf[i] != (char)i;
	claim(w, bad == 0, "%u of 100 segments are wrong", bad);
	xengnttab_close(g);
	say(w, "end", 1);
}

static void many_guest(struct world *w)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	uint32_t ref = 0, i;
	char *p = xengntshr_share_pages(s, w->peer, 1, &ref, 1);

	if (!claim(w, p != NULL, "share"))
		return;
	for (i = 0; i < 100; i++)
		p[i * 40] = (char)i;
	say(w, "ref", ref);
	hear(w, "end");
	xengntshr_close(s);
}

const struct world_case copy_cases[] = {
	{"copy-status", status_dom0, status_guest},
	{"copy-foreign", foreign_dom0, foreign_guest},
	{"copy-many", many_dom0, many_guest},
	{0},
};
