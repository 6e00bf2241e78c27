/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, the hub's half: gntshr pages (who owns which reference) and what is to be undone
 * when a handle dies. Mapping and copying happen in the clients over shared memory (libgnttab.c).
 * A page whose owner let it go while a peer has it mapped is a zombie: it counts against the limit
 * until the peer unmaps, as in Linux's gntalloc.
 */
#include "common/lab/hub.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* As lab_lock_or_go_on; a holder that was killed may have left counts that its records don't bear
 * out. */
static bool grants_lock(struct lab_dom *ld)
{
	bool died, locked = lab_lock_or_go_on(&ld->grant_lock, &died);

	if (died)
		ld->recount = 1;
	return locked;
}

/* End foreign access unless mapped. Like gnttab_end_foreign_access_ref, whose entry stays if so. */
static bool end_access(uint16_t dom, uint32_t ref)
{
	struct lab_dom *ld = &hub.shm->dom[dom];
	struct lab_gref *g = &ld->gref[ref];
	bool locked = grants_lock(ld), free_now = g->ro + g->rw == 0;

	if (free_now)
		__atomic_store_n(&g->entry, 0, __ATOMIC_RELEASE);
	if (locked)
		lab_unlock(&ld->grant_lock);
	return free_now;
}

static void page_end(struct domain *d, uint32_t ref)
{
	struct page *p = &d->page[ref];

	if (p->notify & 1)
		d->memory[ref * LAB_PAGE + p->notify_offset] = 0;
	if ((p->notify & 2) && p->owner)
		port_release(p->owner, p->notify_port);
	p->notify = 0;
	p->owner = NULL;
	if (end_access(d->id, ref)) {
		p->state = PAGE_FREE;
		d->pages_used--;
	} else {
		p->state = PAGE_ZOMBIE;
	}
}

/* Pages whose last map went since: as gntalloc, nobody looks before somebody needs one. */
void grant_zombies(struct domain *d)
{
	uint32_t i;

	for (i = LAB_GREF_RESERVED; i < LAB_GREF_RESERVED + LAB_GNTALLOC; i++) {
		if (d->page[i].state == PAGE_ZOMBIE && end_access(d->id, i)) {
			d->page[i].state = PAGE_FREE;
			d->pages_used--;
		}
	}
}

/* A run of free pages if there is one (one mmap for the owner and its peers), else any. */
static void pages_find(struct domain *d, uint32_t count, uint32_t *refs)
{
	uint32_t i, run = 0, n = 0;

	for (i = LAB_GREF_RESERVED; i < LAB_GREF_RESERVED + LAB_GNTALLOC; i++) {
		run = d->page[i].state == PAGE_FREE ? run + 1 : 0;
		if (run == count) {
			for (n = 0; n < count; n++)
				refs[n] = i - count + 1 + n;
			return;
		}
	}
	for (i = LAB_GREF_RESERVED; n < count; i++)
		if (d->page[i].state == PAGE_FREE)
			refs[n++] = i;
}

/* arg: domid, count, writable, notify, offset, port. Returns count, the references in refs. */
int grant_share(struct client *c, struct lab_msg *m, uint32_t *refs)
{
	struct domain *d = hub.dom[c->dom];
	uint32_t count = m->arg[1], i;
	uint16_t flags = LAB_GTF_PERMIT | (m->arg[2] ? 0 : LAB_GTF_READONLY);

	if (count == 0 || count > LAB_GNTALLOC || m->arg[4] >= LAB_PAGE)
		return count > LAB_GNTALLOC ? -ENOSPC : -EINVAL;
	grant_zombies(d);
	if (d->pages_used + count > LAB_GNTALLOC)
		return -ENOSPC;
	if (m->arg[3] & 2) {
		int r = port_hold(c, m->arg[5]);

		if (r < 0)
			return r;
	}
	pages_find(d, count, refs);
	for (i = 0; i < count; i++) {
		struct page *p = &d->page[refs[i]];

		memset(d->memory + (size_t)refs[i] * LAB_PAGE, 0, LAB_PAGE);
		p->state = PAGE_SHARED;
		p->owner = c;
		p->notify = (uint8_t)m->arg[3];
		p->notify_offset = m->arg[4];
		p->notify_port = m->arg[5];
		__atomic_store_n(&hub.shm->dom[d->id].gref[refs[i]].entry,
				 LAB_ENTRY(flags, m->arg[0], refs[i]), __ATOMIC_RELEASE);
	}
	d->pages_used += count;
	return (int)count;
}

int grant_unshare(struct client *c, const uint32_t *refs, uint32_t n)
{
	struct domain *d = hub.dom[c->dom];
	uint32_t i;

	for (i = 0; i < n; i++)
		if (refs[i] >= LAB_GREFS || d->page[refs[i]].owner != c)
			return -EINVAL;
	for (i = 0; i < n; i++)
		page_end(d, refs[i]);
	return 0;
}

/* A gntshr handle ended. */
void grant_client_gone(struct client *c)
{
	struct domain *d = hub.dom[c->dom];
	uint32_t i;

	for (i = 0; d && i < LAB_GREFS; i++)
		if (d->page[i].state == PAGE_SHARED && d->page[i].owner == c)
			page_end(d, i);
}

/* A domain dies: no reference can be mapped any more; pages that are mapped stay. */
void grant_domain_gone(struct domain *d)
{
	struct lab_dom *ld = &hub.shm->dom[d->id];
	bool locked = grants_lock(ld);
	uint32_t i;

	for (i = 0; i < LAB_GREFS; i++)
		__atomic_store_n(&ld->gref[i].entry, 0, __ATOMIC_RELEASE);
	if (locked)
		lab_unlock(&ld->grant_lock);
}

static struct lab_recs *recs_map(const struct client *c)
{
	void *p = mmap(NULL, sizeof(struct lab_recs), PROT_READ | PROT_WRITE, MAP_SHARED,
		       c->recs_fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void flags_of_counts(struct lab_gref *g)
{
	uint64_t e = g->entry & ~(uint64_t)(LAB_GTF_READING | LAB_GTF_WRITING);

	if (g->ro || g->rw)
		e |= LAB_GTF_READING;
	if (g->rw)
		e |= LAB_GTF_WRITING;
	__atomic_store_n(&g->entry, e, __ATOMIC_RELEASE);
}

/*
 * Under grant_lock: somebody was killed between a record and its count, so take the counts from the
 * records. The dead one's are among them still; they are undone like any others.
 */
static void recount(uint16_t dom)
{
	struct lab_dom *ld = &hub.shm->dom[dom];
	struct client *c;
	uint32_t i;

	ld->recount = 0;
	ld->maps = 0;
	for (i = 0; i < LAB_GREFS; i++)
		ld->gref[i].ro = ld->gref[i].rw = 0;
	for (c = hub.clients; c; c = c->next) {
		struct lab_recs *r = c->kind == LAB_KIND_GNTTAB ? recs_map(c) : NULL;

		for (i = r ? r->lo : 0; r && i < r->hi && i < LAB_ARENA; i++) {
			struct lab_rec *e = &r->rec[i];

			if (!e->used || e->dom != dom || e->gen != ld->gen || e->ref >= LAB_GREFS)
				continue;
			ld->maps++;
			if (e->used == 2)
				ld->gref[e->ref].rw++;
			else
				ld->gref[e->ref].ro++;
		}
		if (r)
			munmap(r, sizeof(*r));
	}
	for (i = 0; i < LAB_GREFS; i++)
		flags_of_counts(&ld->gref[i]);
}

static void recount_if_needed(uint16_t dom)
{
	struct lab_dom *ld = &hub.shm->dom[dom];
	bool locked;

	if (ld->state == LAB_DOM_FREE)
		return;
	locked = grants_lock(ld);
	if (ld->recount)
		recount(dom);
	if (locked)
		lab_unlock(&ld->grant_lock);
	domain_reap(dom);
}

static void rec_undo(struct client *c, struct lab_rec *e)
{
	struct lab_dom *ld;
	struct lab_gref *g;
	struct domain *d;
	bool locked;

	if (e->dom >= LAB_DOMS || e->ref >= LAB_GREFS || e->frame >= LAB_GREFS)
		return;
	ld = &hub.shm->dom[e->dom];
	d = hub.dom[e->dom];
	if (!d || ld->gen != e->gen)
		return;
	if ((e->notify & 1) && e->notify_offset < LAB_PAGE)
		d->memory[(size_t)e->frame * LAB_PAGE + e->notify_offset] = 0;
	if (e->notify & 2)
		port_release(c, e->notify_port);
	locked = grants_lock(ld);
	if (ld->recount)
		recount(e->dom);
	g = &ld->gref[e->ref];
	if (e->used && (e->used == 2 ? g->rw : g->ro)) {
		*(e->used == 2 ? &g->rw : &g->ro) -= 1;
		ld->maps--;
		flags_of_counts(g);
	}
	e->used = 0;
	if (locked)
		lab_unlock(&ld->grant_lock);
	domain_reap(e->dom);
}

/* A gnttab handle ended: what it had mapped is unmapped. */
void grant_maps_gone(struct client *c)
{
	struct lab_recs *r = recs_map(c);
	uint32_t i;

	if (!r) {
		hub_log("cannot map the map records of process %d: %s", (int)c->pid,
			strerror(errno));
		return;
	}
	for (i = r->lo; i < r->hi && i < LAB_ARENA; i++)
		if (r->rec[i].used)
			rec_undo(c, &r->rec[i]);
	munmap(r, sizeof(*r));
	for (i = 0; i < LAB_DOMS; i++)
		recount_if_needed((uint16_t)i);
}
