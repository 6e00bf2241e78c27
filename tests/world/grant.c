/* SPDX-License-Identifier: MIT */
/* Mapping grants: the guest grants, Dom0 maps. */
#include "tests/world/world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RW (PROT_READ | PROT_WRITE)

static void map_dom0(struct world *w)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	uint32_t ref = (uint32_t)hear(w, "ref"), ro = (uint32_t)hear(w, "ro");
	uint32_t other = (uint32_t)hear(w, "other");
	char *p = xengnttab_map_grant_ref(g, w->peer, ref, RW);

	if (claim(w, p != NULL, "map")) {
		claim(w, !strcmp(p, "from the guest"), "the page says '%.20s'", p);
		strcpy(p + 100, "from dom0");
	}
	say(w, "written", 1);
	claim(w, p && xengnttab_unmap(g, p, 1) == 0, "unmap");
	claim(w, !xengnttab_map_grant_ref(g, w->peer, ro, RW) && errno == EINVAL,
	      "a read-only page was mapped for writing");
	p = xengnttab_map_grant_ref(g, w->peer, ro, PROT_READ);
	claim(w, p && !strcmp(p, "read-only"), "a read-only page was not mapped for reading");
	claim(w, p && xengnttab_unmap(g, p, 1) == 0, "unmap of a read-only page");
	claim(w, !xengnttab_map_grant_ref(g, w->peer, other, RW) && errno == EINVAL,
	      "a page granted to another domain was mapped");
	xengnttab_close(g);
	say(w, "end", 1);
}

static void map_guest(struct world *w)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	uint32_t ref = 0, ro = 0, other = 0;
	char *p = xengntshr_share_pages(s, w->peer, 1, &ref, 1);
	char *q = xengntshr_share_pages(s, w->peer, 1, &ro, 0);
	char *r = xengntshr_share_pages(s, 77, 1, &other, 1);

	claim(w, p && q && r, "share");
	if (!p || !q || !r)
		return;
	strcpy(p, "from the guest");
	strcpy(q, "read-only");
	say(w, "ro", ro);
	say(w, "other", other);
	say(w, "ref", ref);
	hear(w, "written");
	claim(w, !strcmp(p + 100, "from dom0"), "what Dom0 wrote is not here");
	hear(w, "end");
	claim(w,
	      xengntshr_unshare(s, p, 1) == 0 && xengntshr_unshare(s, q, 1) == 0 &&
		      xengntshr_unshare(s, r, 1) == 0,
	      "unshare");
	xengntshr_close(s);
}

/* The unit of unmap is the map call; one bad reference fails a whole call. */
static void batch_dom0(struct world *w)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	uint32_t refs[8], i;
	char key[16], *p;

	for (i = 0; i < 8; i++) {
		snprintf(key, sizeof(key), "ref%u", i);
		refs[i] = (uint32_t)hear(w, key);
	}
	p = xengnttab_map_domain_grant_refs(g, 8, w->peer, refs, RW);
	if (claim(w, p != NULL, "map of 8")) {
		for (i = 0; i < 8; i++)
			claim(w, p[i * PAGE] == (char)('a' + i), "page %u says %c", i, p[i * PAGE]);
		claim(w, xengnttab_unmap(g, p, 4) < 0 && errno == EINVAL, "a part was unmapped");
		claim(w, p[7 * PAGE] == 'h', "a refused unmap took a page away");
		claim(w, xengnttab_unmap(g, p, 8) == 0, "unmap of the whole call");
	}
	refs[5] = (uint32_t)hear(w, "unused");
	p = xengnttab_map_domain_grant_refs(g, 8, w->peer, refs, RW);
	claim(w, !p && errno == EINVAL, "a call with one bad reference mapped");
	refs[5] = refs[4];
	p = xengnttab_map_domain_grant_refs(g, 8, w->peer, refs, RW);
	claim(w, p != NULL, "one reference twice in a call");
	claim(w, p && p[4 * PAGE] == 'e' && p[5 * PAGE] == 'e', "the double reference differs");
	claim(w, p && xengnttab_unmap(g, p, 8) == 0, "unmap");
	xengnttab_close(g);
	say(w, "end", 1);
}

static void batch_guest(struct world *w)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	uint32_t refs[8] = {0}, unused = 0, i;
	char *p = xengntshr_share_pages(s, w->peer, 8, refs, 1), *q, key[16];

	if (!claim(w, p != NULL, "share of 8"))
		return;
	q = xengntshr_share_pages(s, w->peer, 1, &unused, 1);
	if (q)
		xengntshr_unshare(s, q, 1);
	say(w, "unused", unused);
	for (i = 0; i < 8; i++) {
		p[i * PAGE] = (char)('a' + i);
		snprintf(key, sizeof(key), "ref%u", i);
		say(w, key, refs[i]);
	}
	hear(w, "end");
	claim(w, xengntshr_unshare(s, p, 8) == 0, "unshare");
	xengntshr_close(s);
}

/* Linux's gntalloc hands out 1024 pages in a guest and then says ENOSPC. */
static void limit_dom0(struct world *w)
{
	hear(w, "end");
}

static void limit_guest(struct world *w)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	static uint32_t refs[64];
	void *p[20] = {0};
	unsigned int i, n = 0;

	for (i = 0; i < 20; i++) {
		p[i] = xengntshr_share_pages(s, w->peer, 64, refs, 1);
		if (!p[i])
			break;
		n += 64;
	}
	claim(w, !p[i < 20 ? i : 19] && errno == ENOSPC, "no ENOSPC after %u pages", n);
	claim(w, n == 1024, "%u pages were shared", n);
	while (i-- > 0)
		xengntshr_unshare(s, p[i], 64);
	p[0] = xengntshr_share_pages(s, w->peer, 64, refs, 1);
	claim(w, p[0] != NULL, "no page after all were given back");
	xengntshr_close(s);
	say(w, "end", 1);
}

/* A page that Dom0 has mapped stays what it is when the guest lets go of it. */
static void revoke_dom0(struct world *w)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	char *p = xengnttab_map_grant_ref(g, w->peer, (uint32_t)hear(w, "ref"), RW);

	claim(w, p != NULL, "map");
	say(w, "mapped", 1);
	hear(w, "unshared");
	claim(w, p && !strcmp(p, "kept"), "the page changed under the map");
	claim(w, p && xengnttab_unmap(g, p, 1) == 0, "unmap");
	xengnttab_close(g);
}

static void revoke_guest(struct world *w)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	uint32_t ref = 0, ref2 = 0;
	char *p = xengntshr_share_pages(s, w->peer, 1, &ref, 1), *q;

	if (!claim(w, p != NULL, "share"))
		return;
	strcpy(p, "kept");
	say(w, "ref", ref);
	hear(w, "mapped");
	xengntshr_unshare(s, p, 1);
	q = xengntshr_share_pages(s, w->peer, 1, &ref2, 1);
	claim(w, q && ref2 != ref, "a reference that is mapped was given out again");
	if (q)
		memset(q, 'x', PAGE);
	say(w, "unshared", 1);
	xengntshr_close(s);
}

/* A byte is cleared and an event comes when a map with notification ends, by unmap or by death. */
static void notify_child(struct world *w, uint32_t ref, uint32_t rport, bool unmap)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int port = xenevtchn_bind_interdomain(x, w->peer, rport);
	char *p = xengnttab_map_grant_ref_notify(g, w->peer, ref, RW, 8, (evtchn_port_t)port);

	if (!p || port < 0)
		_exit(1);
	p[8] = 1;
	if (unmap)
		xengnttab_unmap(g, p, 1);
	_exit(0);
}

static void notify_dom0(struct world *w)
{
	uint32_t ref = (uint32_t)hear(w, "ref"), port = (uint32_t)hear(w, "port");
	int status, i;

	for (i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0)
			notify_child(w, ref, port, i == 0);
		claim(w, waitpid(pid, &status, 0) == pid && status == 0, "map with notification");
		say(w, i ? "died" : "unmapped", 1);
		hear(w, i ? "second" : "first");
	}
}

static void notify_guest(struct world *w)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	uint32_t ref = 0;
	volatile char *p = xengntshr_share_pages(s, w->peer, 1, &ref, 1);
	int port = xenevtchn_bind_unbound_port(x, w->peer), i;

	if (!claim(w, p != NULL, "share"))
		return;
	p[8] = 7;
	say(w, "port", port);
	say(w, "ref", ref);
	for (i = 0; i < 2; i++) {
		hear(w, i ? "died" : "unmapped");
		claim(w, next_event(x) == port, "no event at the %s", i ? "death" : "unmap");
		claim(w, p[8] == 0, "the byte is %d", p[8]);
		p[8] = 7;
		say(w, i ? "second" : "first", 1);
	}
	xenevtchn_close(x);
	xengntshr_close(s);
}

const struct world_case grant_cases[] = {
	{"grant-map", map_dom0, map_guest},          {"grant-batch", batch_dom0, batch_guest},
	{"grant-limit", limit_dom0, limit_guest},    {"grant-revoke", revoke_dom0, revoke_guest},
	{"grant-notify", notify_dom0, notify_guest}, {0},
};
