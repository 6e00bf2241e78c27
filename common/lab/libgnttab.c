/* SPDX-License-Identifier: MIT */
/*
 * The mapping half of libxengnttab.so.1. A map puts that very page of the granter's memory at an
 * address of the arena; counts and GTF_reading/writing change under the granter's grant_lock
 * together with a record that the hub undoes if this process is killed.
 * Source: xengnttab.h; Linux drivers/xen/gntdev.c: the unit of unmap is the whole map call, one bad
 * reference fails the whole call.
 */
#include "common/lab/gnttab.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xengnttab.h>

#define GNTDEV_LIMIT (64u * 1024u) /* pages a handle may have mapped: Linux's gntdev.limit */

/* By first page of the arena: the map call that is there. Written by who got that page. */
static struct {
	struct xengntdev_handle *h;
	uint32_t count;
} calls[LAB_ARENA];

static int fail(int err)
{
	errno = err;
	return -1;
}

struct xengntdev_handle *lab_gnt_open(enum lab_kind kind, const char *fault)
{
	struct xengntdev_handle *h;
	int r = -lab_fault(fault, ENOENT);
	void *p;

	h = r ? NULL : calloc(1, sizeof(*h));
	if (!r)
		r = h ? lab_link_open(&h->link, kind, &h->recs_fd, true) : -ENOMEM;
	if (r) {
		free(h);
		errno = -r;
		return NULL;
	}
	pthread_mutex_init(&h->lock, NULL);
	h->limit = GNTDEV_LIMIT;
	if (kind == LAB_KIND_GNTTAB) {
		p = mmap(NULL, sizeof(*h->recs), PROT_READ | PROT_WRITE, MAP_SHARED, h->recs_fd, 0);
		close(h->recs_fd);
		if (p == MAP_FAILED) {
			lab_link_close(&h->link);
			free(h);
			errno = ENOMEM;
			return NULL;
		}
		h->recs = p;
		h->recs->lo = LAB_ARENA;
	}
	return h;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	return lab_gnt_open(LAB_KIND_GNTTAB, "gnttab.open");
}

/* The pages' address space back to "faults". */
static void unplace(uint32_t page, uint32_t count)
{
	mmap(lab_arena_addr(page), (size_t)count * LAB_PAGE, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	lab_arena_put(page, count);
}

int xengnttab_close(xengnttab_handle *h)
{
	uint32_t i;

	if (!h)
		return 0;
	lab_link_close(&h->link); /* the hub undoes the records */
	for (i = h->recs->lo; i < h->recs->hi; i++) {
		if (calls[i].h == h && h->link.pid == getpid()) {
			calls[i].h = NULL;
			unplace(i, calls[i].count);
		}
	}
	lab_views_sweep(h->link.world);
	munmap(h->recs, sizeof(*h->recs));
	pthread_mutex_destroy(&h->lock);
	free(h);
	return 0;
}

int xengnttab_fd(xengnttab_handle *h)
{
	return h->link.fd;
}

int xengnttab_set_max_grants(xengnttab_handle *h, uint32_t nr)
{
	(void)h;
	(void)nr; /* as on Linux since 5.5, where the ioctl is accepted and does nothing */
	return 0;
}

int lab_gnt_check(struct lab_dom *d, uint16_t me, uint32_t ref, bool write, uint32_t *frame)
{
	uint64_t e;

	if (__atomic_load_n(&d->state, __ATOMIC_ACQUIRE) != LAB_DOM_ALIVE)
		return GNTST_general_error;
	if (ref >= LAB_GREFS)
		return GNTST_bad_gntref;
	e = __atomic_load_n(&d->gref[ref].entry, __ATOMIC_ACQUIRE);
	if (!(LAB_ENTRY_FLAGS(e) & LAB_GTF_PERMIT) || LAB_ENTRY_DOM(e) != me)
		return GNTST_general_error;
	if (write && (LAB_ENTRY_FLAGS(e) & LAB_GTF_READONLY))
		return GNTST_general_error;
	*frame = LAB_ENTRY_FRAME(e);
	return GNTST_okay;
}

static void grant_lock(struct lab_dom *d)
{
	if (lab_lock(&d->grant_lock))
		d->recount = 1;
}

/* One reference: counted and recorded. 0 or -EINVAL. */
static int map_one(struct xengntdev_handle *h, uint32_t dom, uint32_t ref, bool write,
		   struct lab_rec *rec)
{
	struct lab_dom *d = &h->link.world->shm->dom[dom];
	struct lab_gref *g;
	uint32_t frame;
	int r = -EINVAL;

	grant_lock(d);
	if (lab_gnt_check(d, h->link.dom, ref, write, &frame) == GNTST_okay) {
		g = &d->gref[ref];
		if (g->ro + g->rw < LAB_MAX_PINS) {
			rec->gen = d->gen;
			rec->dom = (uint16_t)dom;
			rec->ref = ref;
			rec->frame = frame;
			rec->notify = 0;
			rec->used = write ? 2 : 1;
			*(write ? &g->rw : &g->ro) += 1;
			d->maps++;
			__atomic_fetch_or(&g->entry,
					  LAB_GTF_READING | (write ? LAB_GTF_WRITING : 0),
					  __ATOMIC_RELEASE);
			r = 0;
		}
	}
	lab_unlock(&d->grant_lock);
	return r;
}

/* True: that was the last page of a dying domain that was mapped. */
static bool unmap_one(struct xengntdev_handle *h, struct lab_rec *rec)
{
	struct lab_dom *d = &h->link.world->shm->dom[rec->dom];
	struct lab_gref *g = &d->gref[rec->ref];
	bool last = false;

	grant_lock(d);
	if (d->gen == rec->gen && rec->used) { /* else the hub was here: our own domain died */
		uint64_t clear = 0;

		*(rec->used == 2 ? &g->rw : &g->ro) -= 1;
		d->maps--;
		if (!g->rw)
			clear |= LAB_GTF_WRITING;
		if (!g->rw && !g->ro)
			clear |= LAB_GTF_READING;
		__atomic_fetch_and(&g->entry, ~clear, __ATOMIC_RELEASE);
		last = d->maps == 0 && d->state == LAB_DOM_DYING;
	}
	rec->used = 0;
	lab_unlock(&d->grant_lock);
	return last;
}

static void unmap_all(struct xengntdev_handle *h, uint32_t page, uint32_t count)
{
	uint32_t i;

	for (i = page; i < page + count; i++) {
		struct lab_rec *rec = &h->recs->rec[i];
		uint16_t dom = rec->dom;

		if (unmap_one(h, rec))
			lab_call3(&h->link, LAB_REAP, dom, 0, 0);
	}
}

/* The mappings themselves: one mmap for each run of neighbours of one domain. */
static int place(struct xengntdev_handle *h, uint32_t page, uint32_t count, int prot)
{
	struct lab_rec *rec = &h->recs->rec[page];
	uint32_t i, n;

	for (i = 0; i < count; i += n) {
		struct lab_view *v = lab_view_get(&h->link, rec[i].dom);
		void *p = MAP_FAILED;

		for (n = 1; i + n < count && rec[i + n].dom == rec[i].dom &&
			    rec[i + n].frame == rec[i].frame + n;
		     n++)
			;
		if (v) {
			p = mmap(lab_arena_addr(page + i), (size_t)n * LAB_PAGE, prot,
				 MAP_SHARED | MAP_FIXED, v->fd, (off_t)rec[i].frame * LAB_PAGE);
			lab_view_put(&h->link);
		}
		if (p == MAP_FAILED)
			return -ENOMEM;
	}
	return 0;
}

static int reserve(struct xengntdev_handle *h, uint32_t count, uint32_t *page)
{
	int r = -ENOMEM;

	pthread_mutex_lock(&h->lock);
	if (count <= h->limit - h->mapped) {
		r = lab_arena_get(count, page);
		if (!r) {
			h->mapped += count;
			if (*page < h->recs->lo)
				h->recs->lo = *page;
			if (*page + count > h->recs->hi)
				h->recs->hi = *page + count;
		}
	}
	pthread_mutex_unlock(&h->lock);
	return r;
}

/* stride 0: one domid for all references, 1: one each. */
static void *map(struct xengntdev_handle *h, const char *name, uint32_t count,
		 const uint32_t *domids, uint32_t stride, const uint32_t *refs, int prot,
		 uint32_t *ret_page)
{
	uint32_t page = 0, i = 0;
	int r = -lab_fault(name, EINVAL);

	if (!r && count == 0)
		r = -EINVAL;
	if (!r && !lab_link_alive(&h->link))
		r = -ENODEV;
	if (!r)
		r = reserve(h, count, &page);
	if (r) {
		errno = -r;
		return NULL;
	}
	for (i = 0; i < count && !r; i++) {
		uint32_t dom = domids[i * stride];

		dom = dom == DOMID_SELF ? h->link.dom : dom;
		r = dom < LAB_DOMS && h->link.world->shm->dom[dom].state == LAB_DOM_ALIVE
			    ? map_one(h, dom, refs[i], prot & PROT_WRITE, &h->recs->rec[page + i])
			    : -EINVAL;
	}
	if (r)
		i--;
	else
		r = place(h, page, count, prot);
	if (r) {
		unmap_all(h, page, i);
		unplace(page, count);
		__atomic_fetch_sub(&h->mapped, count, __ATOMIC_RELAXED);
		errno = -r;
		return NULL;
	}
	calls[page].count = count;
	calls[page].h = h;
	if (ret_page)
		*ret_page = page;
	return lab_arena_addr(page);
}

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref, int prot)
{
	return map(h, "gnttab.map", 1, &domid, 0, &ref, prot, NULL);
}

void *xengnttab_map_grant_refs(xengnttab_handle *h, uint32_t count, uint32_t *domids,
			       uint32_t *refs, int prot)
{
	return map(h, "gnttab.map", count, domids, 1, refs, prot, NULL);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *h, uint32_t count, uint32_t domid,
				      uint32_t *refs, int prot)
{
	return map(h, "gnttab.map", count, &domid, 0, refs, prot, NULL);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *h, uint32_t domid, uint32_t ref, int prot,
				     uint32_t notify_offset, evtchn_port_t notify_port)
{
	uint8_t notify = (uint8_t)((notify_offset < LAB_PAGE ? 1 : 0) |
				   (notify_port != (evtchn_port_t)-1 ? 2 : 0));
	struct lab_rec *rec;
	uint32_t page;
	void *p;
	int r = 0;

	if ((notify & 1) && !(prot & PROT_WRITE)) { /* as gntdev: the byte could not be cleared */
		errno = EINVAL;
		return NULL;
	}
	p = map(h, "gnttab.map", 1, &domid, 0, &ref, prot, &page);
	if (!p)
		return NULL;
	if (notify & 2)
		r = lab_call3(&h->link, LAB_HOLD, notify_port, 0, 0);
	if (r < 0) {
		xengnttab_unmap(h, p, 1);
		errno = -r;
		return NULL;
	}
	rec = &h->recs->rec[page];
	rec->notify_offset = notify_offset;
	rec->notify_port = notify_port;
	__atomic_store_n(&rec->notify, notify, __ATOMIC_RELEASE);
	return p;
}

int xengnttab_unmap(xengnttab_handle *h, void *start, uint32_t count)
{
	struct lab_rec *rec;
	uint32_t page, port = 0;
	int err = lab_fault("gnttab.unmap", EINVAL);
	bool send;

	if (err)
		return fail(err);
	if (!start || ((uintptr_t)start & (LAB_PAGE - 1)) || !lab_arena_has(start, 1, &page) ||
	    calls[page].h != h || calls[page].count != count)
		return fail(EINVAL);
	calls[page].h = NULL;
	rec = &h->recs->rec[page];
	send = rec->notify & 2;
	port = rec->notify_port;
	if (rec->notify & 1)
		((volatile uint8_t *)start)[rec->notify_offset] = 0;
	unmap_all(h, page, count);
	unplace(page, count);
	__atomic_fetch_sub(&h->mapped, count, __ATOMIC_RELAXED);
	if (send)
		lab_call3(&h->link, LAB_RELEASE, port, 0, 0);
	lab_views_sweep(h->link.world);
	return 0;
}

int xengnttab_dmabuf_exp_from_refs(xengnttab_handle *h, uint32_t domid, uint32_t flags,
				   uint32_t count, const uint32_t *refs, uint32_t *fd)
{
	(void)h, (void)domid, (void)flags, (void)count, (void)refs, (void)fd;
	return lab_unknown("xengnttab_dmabuf_exp_from_refs");
}

int xengnttab_dmabuf_exp_wait_released(xengnttab_handle *h, uint32_t fd, uint32_t wait_to_ms)
{
	(void)h, (void)fd, (void)wait_to_ms;
	return lab_unknown("xengnttab_dmabuf_exp_wait_released");
}

int xengnttab_dmabuf_imp_to_refs(xengnttab_handle *h, uint32_t domid, uint32_t fd, uint32_t count,
				 uint32_t *refs)
{
	(void)h, (void)domid, (void)fd, (void)count, (void)refs;
	return lab_unknown("xengnttab_dmabuf_imp_to_refs");
}

int xengnttab_dmabuf_imp_release(xengnttab_handle *h, uint32_t fd)
{
	(void)h, (void)fd;
	return lab_unknown("xengnttab_dmabuf_imp_release");
}
