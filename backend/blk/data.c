/* SPDX-License-Identifier: MIT */
/* Mapped pages and grant copies of a batch: see data.h. */
#include "backend/blk/data.h"

#include <errno.h>
#include <string.h>

#include <xen/grant_table.h>

#include "common/stream.h"

#define CACHED_REQS 4u /* under way at most, for their zeros to be left in our cache */

static struct xsp_io *io_of(struct xsp_blkq *q, const struct xsp_slot *slot)
{
	return xsp_worker_io(q->base.worker, slot->io);
}

static uint32_t seg_bytes(const struct xsp_blk_seg *seg)
{
	return (seg->last - seg->first + 1u) * XSP_SECTOR_SIZE;
}

/* --- grant copies: collected in the worker's array, done when it is full or the batch ends -------- */

struct copies {
	struct xsp_blkq *q;
	bool in;        /* from the guest */
	unsigned int n;
	uint16_t slot[XSP_COPY_SEGS]; /* of each copy */
};

static void copies_do(struct copies *c)
{
	struct xsp_blkq *q = c->q;
	xengnttab_grant_copy_segment_t *copy = q->base.worker->copy;
	uint64_t bytes = 0;
	int err = 0;

	if (!c->n)
		return;
	if (xengnttab_grant_copy(q->base.worker->xgt, c->n, copy))
		err = errno;
	for (unsigned int i = 0; i < c->n; i++)
		bytes += copy[i].len;
	xsp_count(&q->c.stats->copied, bytes);
	xsp_count(&q->c.stats->gnt_calls, 1);
	xsp_count(&q->c.stats->gnt_refs, c->n);
	for (unsigned int i = 0; i < c->n; i++) {
		struct xsp_slot *slot = &q->slots[c->slot[i]];

		if (!err && copy[i].status == GNTST_okay)
			continue;
		xsp_count(&q->c.stats->bad_gref, 1);
		if (slot->status != XSP_BLK_OKAY)
			continue; /* one line a request */
		slot->status = XSP_BLK_ERROR;
		xsp_queue_complain(&q->base, "grant %u of request %llu can't be copied: %s %d",
				   c->in ? copy[i].source.foreign.ref : copy[i].dest.foreign.ref,
				   (unsigned long long)slot->req.id, err ? "errno" : "GNTST",
				   err ? err : copy[i].status);
	}
	c->n = 0;
}

static void copies_add(struct copies *c, uint16_t slot, uint32_t gref, uint32_t at, void *local,
		       uint32_t len)
{
	xengnttab_grant_copy_segment_t *copy;

	if (c->n == XSP_COPY_SEGS)
		copies_do(c);
	c->slot[c->n] = slot;
	copy = &c->q->base.worker->copy[c->n++];
	memset(copy, 0, sizeof(*copy));
	copy->len = (uint16_t)len;
	if (c->in) {
		copy->flags = GNTCOPY_source_gref;
		copy->source.foreign.ref = gref;
		copy->source.foreign.offset = (uint16_t)at;
		copy->source.foreign.domid = (domid_t)c->q->base.domid;
		copy->dest.virt = local;
	} else {
		copy->flags = GNTCOPY_dest_gref;
		copy->source.virt = local;
		copy->dest.foreign.ref = gref;
		copy->dest.foreign.offset = (uint16_t)at;
		copy->dest.foreign.domid = (domid_t)c->q->base.domid;
	}
}

/* --- descriptors of indirect requests ------------------------------------------------------------ */

static void fetch_one(struct xsp_blkq *q, uint16_t number, struct copies *c)
{
	struct xsp_slot *slot = &q->slots[number];
	uint32_t bytes = slot->n_segs * (uint32_t)sizeof(struct xsp_blk_seg);
	uint32_t gref = slot->req.indirect.gref[0];
	struct xsp_area *area = io_of(q, slot)->area;
	uint16_t extent;
	void *page = q->pages ? xsp_pages_get(q->pages, gref, &extent) : NULL;

	static_assert(XSP_AREA_SEGS * sizeof(struct xsp_blk_seg) <= XSP_PAGE_SIZE,
		      "all descriptors are in the first page");
	if (!page) {
		copies_add(c, number, gref, 0, area->seg, bytes);
		return;
	}
	xsp_near_look(&q->near, page, false);
	__asm__ __volatile__("" ::: "memory"); /* one copy, and only the copy is looked at */
	memcpy(area->seg, page, bytes);
	__asm__ __volatile__("" ::: "memory");
	xsp_pages_put(q->pages, extent);
}

void xsp_data_fetch(struct xsp_blkq *q, const uint16_t *slots, unsigned int n)
{
	struct copies c;

	c.q = q;
	c.in = true;
	c.n = 0;
	if (q->pages) {
		for (unsigned int i = 0; i < n; i++)
			xsp_pages_want(q->pages, q->slots[slots[i]].req.indirect.gref[0]);
		xsp_pages_map(q->pages);
	}
	for (unsigned int i = 0; i < n; i++)
		fetch_one(q, slots[i], &c);
	copies_do(&c);
}

/* --- data ---------------------------------------------------------------------------------------- */

static void add_iov(struct xsp_io *io, uint8_t *addr, uint32_t len)
{
	struct iovec *last = io->niov ? &io->iovs[io->niov - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == addr)
		last->iov_len += len;
	else
		io->iovs[io->niov++] = (struct iovec){ addr, len };
}

/*
 * Data goes straight to and from the pages that are mapped. What a processor copies on its way to us, it
 * copies into the buffer all the same: that stays in our cache, and from there it goes past the cache
 * to the guest's pages. A copy more, but lines that are dirty in our cache would keep the guest waiting
 * for far longer (common/stream.h). Not one that is near: for it they are as good as any others (near.h).
 * What is not aligned goes through the buffer, which is.
 */
static bool goes_straight(const struct xsp_blkq *q, const struct xsp_slot *slot, const struct xsp_blk_seg *segs)
{
	const struct xsp_target *t = q->c.target;
	bool aside = slot->op == XSP_IO_READ && t->copied_reads && !(t->at_once && xsp_near(&q->near));

	return q->pages && !aside && xsp_blk_aligned(segs, slot->n_segs, q->limits.sector_size);
}

/*
 * What a target writes itself goes past our cache for the same reason. A guest that is near, polls and has
 * few requests under way fetches it from there twice as fast as from memory. With more of them, or
 * asleep, memory was better near, too (performance.md, "`make bench`, on an idle machine").
 */
static bool goes_past_cache(const struct xsp_blkq *q)
{
	return !xsp_near(&q->near) || q->in_flight > CACHED_REQS || xsp_ring_back_peer_sleeps(&q->back.ring);
}

/* One iovec, the buffer. A read's data is copied to what is mapped in the end, which stays so for that long. */
static bool place_buffered(struct xsp_blkq *q, struct xsp_slot *slot, const struct xsp_blk_seg *segs)
{
	struct xsp_io *io = io_of(q, slot);
	bool all = true;

	io->iovs[0] = (struct iovec){ io->bounce, slot->bytes };
	io->niov = 1;
	io->past_cache = false;
	io->copied_out = q->pages && slot->op == XSP_IO_READ;
	if (!io->copied_out) {
		memset(io->extents, 0xff, slot->n_segs * sizeof(io->extents[0])); /* XSP_NO_EXTENT */
		return true;
	}
	for (uint32_t i = 0; i < slot->n_segs; i++) {
		io->pages[i] = xsp_pages_get(q->pages, segs[i].gref, &io->extents[i]);
		all &= io->pages[i] != NULL;
	}
	return all;
}

/* Each segment where it is mapped, or its place in the buffer. */
static bool place_straight(struct xsp_blkq *q, struct xsp_slot *slot, const struct xsp_blk_seg *segs)
{
	struct xsp_io *io = io_of(q, slot);
	bool all = true, any = false;
	uint32_t at = 0;

	io->niov = 0;
	io->copied_out = false;
	for (uint32_t i = 0; i < slot->n_segs; i++) {
		uint8_t *page = xsp_pages_get(q->pages, segs[i].gref, &io->extents[i]);
		uint32_t len = seg_bytes(&segs[i]);

		all &= page != NULL;
		any |= page != NULL;
		add_iov(io, page ? page + segs[i].first * XSP_SECTOR_SIZE : io->bounce + at, len);
		at += len;
	}
	io->past_cache = any && goes_past_cache(q);
	return all;
}

/* The request's iovecs; false: pages that it could use are not mapped. */
static bool place(struct xsp_blkq *q, struct xsp_slot *slot)
{
	const struct xsp_blk_seg *segs = xsp_blkq_segs(q, slot);
	struct xsp_io *io = io_of(q, slot);

	io->iov = io->iovs;
	return goes_straight(q, slot, segs) ? place_straight(q, slot, segs) : place_buffered(q, slot, segs);
}

/* What went through the buffer of a placed request: grant copies, but for reads into mapped pages. */
static void copy_unmapped(struct xsp_blkq *q, uint16_t number, struct copies *c)
{
	struct xsp_slot *slot = &q->slots[number];
	const struct xsp_blk_seg *segs = xsp_blkq_segs(q, slot);
	struct xsp_io *io = io_of(q, slot);
	uint32_t at = 0;

	for (uint32_t i = 0; i < slot->n_segs; i++) {
		uint32_t len = seg_bytes(&segs[i]);

		if (io->extents[i] == XSP_NO_EXTENT)
			copies_add(c, number, segs[i].gref, segs[i].first * XSP_SECTOR_SIZE,
				   io->bounce + at, len);
		else if (io->copied_out)
			xsp_stream_copy(io->pages[i] + segs[i].first * XSP_SECTOR_SIZE, io->bounce + at, len);
		at += len;
	}
}

/* Map what these lack, and place them again. What still isn't mapped then is copied. */
static void place_again(struct xsp_blkq *q, const uint16_t *slots, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct xsp_slot *slot = &q->slots[slots[i]];
		const struct xsp_blk_seg *segs = xsp_blkq_segs(q, slot);

		xsp_data_release(q, slot);
		for (uint32_t k = 0; k < slot->n_segs; k++)
			xsp_pages_want(q->pages, segs[k].gref);
	}
	xsp_pages_map(q->pages);
	for (unsigned int i = 0; i < n; i++)
		place(q, &q->slots[slots[i]]);
}

void xsp_data_in(struct xsp_blkq *q, const uint16_t *slots, unsigned int n)
{
	uint16_t lacking[XSP_VISIT_REQS];
	unsigned int n_lacking = 0;
	struct copies c;

	c.q = q;
	c.in = true;
	c.n = 0;
	for (unsigned int i = 0; i < n; i++)
		if (!place(q, &q->slots[slots[i]]))
			lacking[n_lacking++] = slots[i];
	if (q->pages)
		place_again(q, lacking, n_lacking);
	for (unsigned int i = 0; i < n; i++)
		if (q->slots[slots[i]].op == XSP_IO_WRITE)
			copy_unmapped(q, slots[i], &c);
	copies_do(&c);
}

void xsp_data_out(struct xsp_blkq *q, const uint16_t *slots, unsigned int n)
{
	struct copies c;

	c.q = q;
	c.in = false;
	c.n = 0;
	for (unsigned int i = 0; i < n; i++)
		copy_unmapped(q, slots[i], &c);
	copies_do(&c);
}

void xsp_data_release(struct xsp_blkq *q, struct xsp_slot *slot)
{
	struct xsp_io *io = io_of(q, slot);

	if (!q->pages)
		return;
	for (uint32_t i = 0; i < slot->n_segs; i++)
		if (io->extents[i] != XSP_NO_EXTENT)
			xsp_pages_put(q->pages, io->extents[i]);
}
