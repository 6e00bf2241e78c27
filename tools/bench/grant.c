/* SPDX-License-Identifier: MIT */
/*
 * xensplit-bench grant: what it costs to reach a guest's page. A call reaches "pages" granted pages and, with
 * use=read, reads every byte, which is what a backend is there for. Through Xen's own libraries: in the lab
 * they are drop-ins without a hypervisor, and the figures say so; on Xen they are Xen's.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xengnttab.h>

#include "tools/bench/options.h"
#include "tools/bench/load.h"
#include "tools/bench/world.h"

#define PAGE      4096u
#define MAX_PAGES 64u
#define GRANTS    512u /* the guest's pages that calls go through in turn */

enum { PAGES, USE, AXES };

static struct axis axes[AXES] = {
	[PAGES] = { "pages", NULL, 1, MAX_PAGES, "1,4,16,64", "pages reached in one go" },
	[USE] = { "use", "read,leave", 0, 0, "read,leave", "read every byte of them, or reach them only" },
};

struct grant {
	xengntshr_handle *guest;
	xengnttab_handle *dom0;
	uint8_t *shared, *kept; /* the guest's pages; Dom0's lasting map of them */
	uint32_t refs[GRANTS], domids[GRANTS];
	uint8_t *room;  /* private pages that data is copied into */
	uint32_t pages; /* of each call */
	uint64_t sum;   /* of what was read: the compiler must not leave it out */
	uint64_t calls; /* of the grant library */
	bool reads;
};

static void use(struct grant *g, const uint8_t *page)
{
	if (g->reads)
		g->sum += touch(page, PAGE);
}

/* --- the ways: each reaches g->pages pages from the at-th on ----------------------------------------- */

static int map_each(struct grant *g, uint32_t at)
{
	for (uint32_t i = at; i < at + g->pages; i++) {
		uint8_t *p = xengnttab_map_grant_ref(g->dom0, g->domids[i], g->refs[i], PROT_READ | PROT_WRITE);

		if (!p)
			return -errno;
		use(g, p);
		if (xengnttab_unmap(g->dom0, p, 1))
			return -errno;
	}
	g->calls += 2u * g->pages;
	return 0;
}

static int map_batch(struct grant *g, uint32_t at)
{
	uint8_t *p = xengnttab_map_grant_refs(g->dom0, g->pages, g->domids + at, g->refs + at,
					      PROT_READ | PROT_WRITE);

	if (!p)
		return -errno;
	for (uint32_t i = 0; i < g->pages; i++)
		use(g, p + i * PAGE);
	g->calls += 2;
	return xengnttab_unmap(g->dom0, p, g->pages) ? -errno : 0;
}

static int copy(struct grant *g, uint32_t at)
{
	xengnttab_grant_copy_segment_t seg[MAX_PAGES];

	for (uint32_t i = 0; i < g->pages; i++) {
		seg[i] = (xengnttab_grant_copy_segment_t){ .flags = GNTCOPY_source_gref, .len = PAGE };
		seg[i].source.foreign.ref = g->refs[at + i];
		seg[i].source.foreign.domid = (uint16_t)g->domids[at + i];
		seg[i].dest.virt = g->room + i * PAGE;
	}
	g->calls++;
	if (xengnttab_grant_copy(g->dom0, g->pages, seg))
		return -errno;
	for (uint32_t i = 0; i < g->pages; i++) {
		if (seg[i].status != GNTST_okay)
			return -EIO;
		use(g, g->room + i * PAGE);
	}
	return 0;
}

static int persistent(struct grant *g, uint32_t at)
{
	for (uint32_t i = at; i < at + g->pages; i++)
		use(g, g->kept + i * PAGE);
	return 0;
}

static int statics(struct grant *g, uint32_t at)
{
	for (uint32_t i = 0; i < g->pages; i++) {
		memcpy(g->room + i * PAGE, g->kept + (at + i) * PAGE, PAGE);
		__asm__ __volatile__("" ::"m"(*(g->room + i * PAGE)) : "memory");
		use(g, g->room + i * PAGE);
	}
	return 0;
}

static const struct way {
	const char *name, *what;
	int (*reach)(struct grant *g, uint32_t at);
	bool free; /* reaching alone costs nothing: no figure without reading */
} ways[] = {
	{ "map-each", "mapped and unmapped page by page", map_each, false },
	{ "map-batch", "mapped in one call, unmapped in one", map_batch, false },
	{ "copy", "copied in one call, a segment a page", copy, false },
	{ "persistent", "mapped once, used in place", persistent, true },
	{ "static", "mapped once, copied by memcpy", statics, false },
};

/* --- rounds ------------------------------------------------------------------------------------ */

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* One way once. Returns 0, or -1 and a message. */
static int one_run(const struct bench *b, struct group *gr, struct grant *g, const struct way *w)
{
	uint64_t from = bench_now_ns(), cpu = cpu_ns(), until = from + (uint64_t)(b->seconds * 1e9), n = 0, now;
	uint32_t at = 0;
	struct series *s;

	g->calls = 0;
	do {
		for (int i = 0; i < 8; i++, n += g->pages) {
			int err = w->reach(g, at);

			if (err) {
				fprintf(stderr, "xensplit-bench: %s: %s\n", w->name, strerror(-err));
				return -1;
			}
			at = (at + g->pages) % GRANTS + MAX_PAGES > GRANTS ? 0 : (at + g->pages) % GRANTS;
		}
		now = bench_now_ns();
	} while (now < until);
	s = group_series(gr, w->name, w->what, false);
	s->rate[s->n++] = (double)n / (double)(now - from) * 1e9;
	series_note(s, "us_per_page", (double)(now - from) / (double)n / 1e3);
	series_note(s, "cpu_us_per_page", (double)(cpu_ns() - cpu) / (double)n / 1e3);
	series_note(s, "GB_per_s", (double)n * PAGE / (double)(now - from));
	series_note(s, "calls_per_page", (double)g->calls / (double)n);
	return 0;
}

static int one_group(struct bench *b, struct grant *g, const uint64_t *v)
{
	static struct group gr; /* too large for a stack; bench_add clears it */
	int err = 0;

	g->pages = (uint32_t)v[PAGES];
	g->reads = !v[USE];
	gr.unit = "pages/s";
	gr.axes = axes_json(axes, AXES, v);
	gr.show_notes = true;
	snprintf(gr.title, sizeof(gr.title), "grant, %u page%s a call, %s", g->pages, g->pages > 1 ? "s" : "",
		 g->reads ? "every byte is read" : "data is left alone");
	snprintf(gr.base, sizeof(gr.base), "copy");
	for (int r = 0; r < b->rounds && !err; r++) {
		bench_turn(b->fifo);
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && !err; i++)
			if (g->reads || !ways[i].free)
				err = one_run(b, &gr, g, &ways[i]);
		bench_turn_over(b->fifo);
	}
	bench_add(b, &gr);
	return err;
}

/* The guest's pages, granted and filled; Dom0's lasting map. Returns NULL, or what failed. */
static const char *set_up(struct grant *g)
{
	world_as(WORLD_GUEST);
	g->guest = xengntshr_open(NULL, 0);
	world_as(WORLD_DOM0);
	g->dom0 = xengnttab_open(NULL, 0);
	if (!g->guest || !g->dom0)
		return "no grants here (on Xen: /dev/xen/gntalloc and gntdev)";
	g->shared = xengntshr_share_pages(g->guest, world_domid(WORLD_DOM0), GRANTS, g->refs, 1);
	if (!g->shared)
		return "pages can't be granted";
	memset(g->shared, 0xa5, (size_t)GRANTS * PAGE);
	for (uint32_t i = 0; i < GRANTS; i++)
		g->domids[i] = world_domid(WORLD_GUEST);
	g->kept = xengnttab_map_grant_refs(g->dom0, GRANTS, g->domids, g->refs, PROT_READ | PROT_WRITE);
	if (!g->kept)
		return "pages can't be mapped";
	g->room = mmap(NULL, MAX_PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (g->room == MAP_FAILED) {
		g->room = NULL;
		return "no memory";
	}
	return NULL;
}

static void tear_down(struct grant *g)
{
	if (g->room)
		munmap(g->room, MAX_PAGES * PAGE);
	if (g->kept)
		xengnttab_unmap(g->dom0, g->kept, GRANTS);
	if (g->shared)
		xengntshr_unshare(g->guest, g->shared, GRANTS);
	if (g->dom0)
		xengnttab_close(g->dom0);
	if (g->guest)
		xengntshr_close(g->guest);
}

/* On one processor, away from the machine's other work if that was asked for. */
static void settle(const struct bench *b)
{
	struct sched_param fifo = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	if (b->fifo)
		sched_setscheduler(0, SCHED_FIFO, &fifo);
}

static const struct command command = {
	.about = "Reaching a guest's pages: mapped, copied, kept mapped. In a lab of its own (drop-in libraries, no\n"
		 "hypervisor); on a real Xen, with that one's grant tables.\n",
	.examples = "  xensplit-bench grant\n"
		    "  xensplit-bench grant --pages=1,2,4,8,16,32,64 --use=read --out=grant.json\n",
	.axes = axes,
	.n_axes = AXES,
	.seconds = 0.1,
};

int mode_grant(struct bench *b, int argc, char **argv)
{
	static struct grant g;
	const char *failed;
	int rc = options_read(&command, b, argc, argv);

	if (rc >= 0)
		return rc;
	rc = world_enter(b);
	if (rc > 0)
		return rc - 1;
	if (rc < 0)
		return 1;
	failed = set_up(&g);
	if (failed) {
		fprintf(stderr, "xensplit-bench: %s: %s\n", failed, strerror(errno));
		tear_down(&g);
		return 1;
	}
	settle(b);
	bench_start(b);
	for (uint64_t i = 0; i < axes_points(axes, AXES) && !rc; i++) {
		uint64_t v[AXES];

		axes_point(axes, AXES, i, v);
		rc = one_group(b, &g, v);
	}
	tear_down(&g);
	return bench_end(b) || rc ? 1 : 0;
}
