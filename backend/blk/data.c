/* SPDX-License-Identifier: MIT */
/* Grant copies of a batch: see data.h. */
#include "backend/blk/data.h"

#include <errno.h>
#include <string.h>

#include <xen/grant_table.h>

static uint8_t *bounce_of(struct xsp_queue *q, const struct xsp_slot *slot)
{
	return q->worker->bounce + (size_t)slot->io * XSP_BOUNCE_BYTES;
}

/* Append the copies of one request; returns how many. */
static unsigned int add_segments(struct xsp_queue *q, const struct xsp_slot *slot, bool in,
				 xengnttab_grant_copy_segment_t *copy)
{
	uint8_t *local = bounce_of(q, slot);

	for (unsigned int i = 0; i < slot->req.nr_segs; i++) {
		const struct xsp_blk_seg *seg = &slot->req.seg[i];
		uint16_t len = (uint16_t)((seg->last - seg->first + 1u) * XSP_SECTOR_SIZE);
		uint16_t at = (uint16_t)(seg->first * XSP_SECTOR_SIZE);
		xengnttab_grant_copy_segment_t *c = &copy[i];

		memset(c, 0, sizeof(*c));
		c->len = len;
		if (in) {
			c->flags = GNTCOPY_source_gref;
			c->source.foreign.ref = seg->gref;
			c->source.foreign.offset = at;
			c->source.foreign.domid = (domid_t)q->c.domid;
			c->dest.virt = local;
		} else {
			c->flags = GNTCOPY_dest_gref;
			c->source.virt = local;
			c->dest.foreign.ref = seg->gref;
			c->dest.foreign.offset = at;
			c->dest.foreign.domid = (domid_t)q->c.domid;
		}
		local += len;
	}
	return slot->req.nr_segs;
}

static void judge(struct xsp_queue *q, struct xsp_slot *slot,
		  const xengnttab_grant_copy_segment_t *copy, int call_err)
{
	for (unsigned int i = 0; i < slot->req.nr_segs; i++) {
		if (!call_err && copy[i].status == GNTST_okay)
			continue;
		slot->status = XSP_BLK_ERROR;
		xsp_count(&q->c.stats->bad_gref, 1);
		xsp_queue_complain(q, "grant %u of request %llu can't be copied: %s %d",
				   slot->req.seg[i].gref, (unsigned long long)slot->req.id,
				   call_err ? "errno" : "GNTST", call_err ? call_err : copy[i].status);
		if (call_err)
			return;
	}
}

static void copy_batch(struct xsp_queue *q, const uint16_t *slots, unsigned int n, bool in)
{
	struct xsp_worker *w = q->worker;
	unsigned int segs = 0, at = 0;
	int err = 0;

	for (unsigned int i = 0; i < n; i++)
		segs += add_segments(q, &q->slots[slots[i]], in, &w->copy[segs]);
	if (!segs)
		return;
	if (xengnttab_grant_copy(w->xgt, segs, w->copy))
		err = errno;
	xsp_count(&q->c.stats->gnt_calls, 1);
	xsp_count(&q->c.stats->gnt_refs, segs);
	for (unsigned int i = 0; i < n; i++) {
		struct xsp_slot *slot = &q->slots[slots[i]];

		judge(q, slot, &w->copy[at], err);
		at += slot->req.nr_segs;
	}
}

void xsp_data_in(struct xsp_queue *q, const uint16_t *slots, unsigned int n)
{
	copy_batch(q, slots, n, true);
}

void xsp_data_out(struct xsp_queue *q, const uint16_t *slots, unsigned int n)
{
	copy_batch(q, slots, n, false);
}
