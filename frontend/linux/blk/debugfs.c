/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * /sys/kernel/debug/xensplit-blk/vbd-DEVID/: "device" says what was agreed, "rings" the indices as
 * both sides have them now and the requests in flight, "counters" one line for each queue.
 */
#include <linux/seq_file.h>

#include "frontend/linux/blk/xblk.h"

void xblk_show_device(struct seq_file *s, struct xdev *base)
{
	struct xblk *d = xblk_of(base);

	seq_printf(s, "queues %u\npolled %u\nring_order %u\nsegments %u\ntrusted %d\ngrants %s\n",
		   d->n_queues, d->n_poll, d->order, d->max_segs, d->base.trusted,
		   d->bounce ? "kept" : "each request");
	seq_printf(s, "offered queues=%u order=%u indirect=%u persistent=%d\n", d->offer.max_queues,
		   d->offer.max_order, d->offer.max_indirect, d->disk_keys.persistent);
}

static void show_slots(struct seq_file *s, const struct xsp_blkfront *q)
{
	for (u32 i = 0; i < q->ring.size; i++) {
		const struct xsp_blk_req *r = &q->slots[i].req;

		if (q->slots[i].busy)
			seq_printf(s, "  slot %u id %llx op %u sector %llu segments %u\n", i, r->id,
				   r->op == XSP_BLK_INDIRECT ? r->nr_segs : r->op, r->sector,
				   r->op == XSP_BLK_INDIRECT ? r->handle :
				   r->op == XSP_BLK_DISCARD  ? 0 :
							       r->nr_segs);
	}
}

static void show_ring(struct seq_file *s, struct xblk_queue *u)
{
	const struct xsp_ring_front *r = &u->q.ring;

	spin_lock_irq(&u->lock);
	if (!u->live) {
		seq_printf(s, "queue %u: not in use%s%s\n", u->index, u->q.broken ? ": " : "",
			   u->q.broken ? u->q.broken : "");
		goto out;
	}
	seq_printf(s, "queue %u: %u slots, %u in flight, port %u, irq %d%s\n", u->index, r->size,
		   u->q.in_flight, u->port, u->irq, u->poll_only ? ", polled" : "");
	seq_printf(s, "  ours   req_prod %u (published %u) rsp_cons %u\n", r->req_prod_pvt,
		   r->req_prod_pub, r->rsp_cons);
	seq_printf(s, "  shared req_prod %u req_event %u rsp_prod %u rsp_event %u\n",
		   xsp_load(&r->sring->req_prod), xsp_load(&r->sring->req_event),
		   xsp_load(&r->sring->rsp_prod), xsp_load(&r->sring->rsp_event));
	seq_printf(s, "  pool   %u pages, %u free\n", u->pool.n_all, u->pool.n_free);
	show_slots(s, &u->q);
out:
	spin_unlock_irq(&u->lock);
}

void xblk_show_rings(struct seq_file *s, struct xdev *base)
{
	struct xblk *d = xblk_of(base);

	for (unsigned int i = 0; i < d->n_queues; i++)
		show_ring(s, &d->queue[i]);
}

void xblk_show_counters(struct seq_file *s, struct xdev *base)
{
	struct xblk *d = xblk_of(base);

	for (unsigned int i = 0; i < d->n_queues; i++) {
		const struct xblk_count *c = &d->queue[i].count;

		seq_printf(s, "queue=%u requests=%llu ring_requests=%llu read_bytes=%llu write_bytes=%llu",
			   i, c->requests, c->ring_requests, c->bytes_read, c->bytes_written);
		seq_printf(s, " flushes=%llu discards=%llu errors=%llu bounced=%llu direct=%llu indirect=%llu",
			   c->flushes, c->discards, c->errors, c->bounced, c->direct, c->indirect);
		seq_printf(s, " events=%llu spurious=%llu notifies=%llu polled=%llu poll_found=%llu",
			   c->events, c->spurious, c->notifies, c->polled, c->poll_found);
		seq_printf(s, " late=%llu busy=%llu\n", c->late, c->busy);
	}
}
