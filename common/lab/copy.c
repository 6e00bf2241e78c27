/* SPDX-License-Identifier: MIT */
/*
 * xengnttab_grant_copy: a memcpy through views of the domains' memory, no system call. A status per
 * segment as Xen gives; what Linux's gntdev checks itself fails the whole call with EINVAL.
 */
#include <errno.h>
#include <string.h>
#include <xengnttab.h>

#include "common/lab/gnttab.h"

/* One side of a segment: its address, or NULL with *status set. */
static uint8_t *side(struct xengntdev_handle *h, const union xengnttab_copy_ptr *p, bool foreign,
		     bool write, uint16_t len, int16_t *status)
{
	struct lab_world *w = h->link.world;
	uint32_t dom, frame;
	int r;

	if (!foreign) {
		if (!lab_arena_has(p->virt, len, NULL))
			return p->virt;
		*status = GNTST_bad_page; /* a foreign page, mapped here: not ours to copy with */
		return NULL;
	}
	dom = p->foreign.domid == DOMID_SELF ? h->link.dom : p->foreign.domid;
	if (dom >= LAB_DOMS || w->shm->dom[dom].state == LAB_DOM_FREE || !w->view[dom].gen ||
	    w->view[dom].gen != w->shm->dom[dom].gen) {
		*status = GNTST_bad_domain;
		return NULL;
	}
	r = lab_gnt_check(&w->shm->dom[dom], h->link.dom, p->foreign.ref, write, &frame);
	if (r) {
		*status = (int16_t)r;
		return NULL;
	}
	return w->view[dom].base + (size_t)frame * LAB_PAGE + p->foreign.offset;
}

/* What gntdev refuses before it asks Xen. */
static bool sound(const xengnttab_grant_copy_segment_t *s)
{
	bool src = s->flags & GNTCOPY_source_gref, dst = s->flags & GNTCOPY_dest_gref;

	return (src || dst) && (!src || s->source.foreign.offset + s->len <= (int)LAB_PAGE) &&
	       (!dst || s->dest.foreign.offset + s->len <= (int)LAB_PAGE);
}

/* Have a view of every domain that is named, before the lock is taken for all of them. */
static void prefetch(struct xengntdev_handle *h, const xengnttab_grant_copy_segment_t *s)
{
	struct lab_world *w = h->link.world;
	uint32_t dom[2] = {LAB_DOMS, LAB_DOMS};
	int i;

	if (s->flags & GNTCOPY_source_gref)
		dom[0] = s->source.foreign.domid;
	if (s->flags & GNTCOPY_dest_gref)
		dom[1] = s->dest.foreign.domid;
	for (i = 0; i < 2; i++) {
		if (dom[i] == DOMID_SELF)
			dom[i] = h->link.dom;
		if (dom[i] < LAB_DOMS && w->shm->dom[dom[i]].state == LAB_DOM_ALIVE &&
		    w->view[dom[i]].gen != w->shm->dom[dom[i]].gen &&
		    lab_view_get(&h->link, dom[i]))
			lab_view_put(&h->link);
	}
}

int xengnttab_grant_copy(xengnttab_handle *h, uint32_t count, xengnttab_grant_copy_segment_t *segs)
{
	int err = lab_fault("gnttab.copy", ENOMEM);
	uint32_t i;

	if (!err && !lab_link_alive(&h->link))
		err = ENODEV;
	lab_views_sweep(h->link.world);
	for (i = 0; i < count && !err; i++) {
		prefetch(h, &segs[i]);
		if (!sound(&segs[i]))
			err = EINVAL;
	}
	if (err) {
		errno = err;
		return -1;
	}
	pthread_rwlock_rdlock(&h->link.world->lock);
	for (i = 0; i < count; i++) {
		xengnttab_grant_copy_segment_t *s = &segs[i];
		const uint8_t *from;
		uint8_t *to;

		s->status = GNTST_okay;
		from = side(h, &s->source, s->flags & GNTCOPY_source_gref, false, s->len,
			    &s->status);
		to = from ? side(h, &s->dest, s->flags & GNTCOPY_dest_gref, true, s->len,
				 &s->status)
			  : NULL;
		if (to)
			memmove(to, from, s->len);
	}
	pthread_rwlock_unlock(&h->link.world->lock);
	return 0;
}
