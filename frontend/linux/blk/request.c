/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A request of the block layer: its pages are copied into pages of the pool, or granted as they are;
 * then it is one ring request, or several if the backend takes no such large ones (the limits change
 * when a guest is moved while requests for the old ones are queued).
 *
 * A request belongs to one side at a time: from blk_mq_start_request until its last ring request is
 * answered or aborted, to the ring (left > 0, under xblk_queue.lock); then to whoever found that.
 */
#include <linux/highmem.h>
#include <xen/page.h>

#include "frontend/linux/blk/xblk.h"
#include "frontend/linux/blk/trace.h"

size_t xblk_pdu_bytes(void)
{
	return struct_size_t(struct xblk_pdu, seg, xblk_want_segs());
}

static bool has_data(const struct request *rq)
{
	return req_op(rq) == REQ_OP_READ || req_op(rq) == REQ_OP_WRITE;
}

/* --- pages ------------------------------------------------------------------------------------- */

static void copy_bytes(struct bio_vec *bv, struct page *page, unsigned int at, unsigned int done,
		       unsigned int n, bool to_pool)
{
	void *theirs = kmap_local_page(bv->bv_page) + bv->bv_offset + done;
	void *ours = page_address(page) + at;

	if (to_pool)
		memcpy(ours, theirs, n);
	else
		memcpy(theirs, ours, n);
	kunmap_local(theirs);
}

/* Between the request's own memory and its pages of the pool, which are filled one after the other. */
static void copy(struct request *rq, struct xblk_pdu *pdu, bool to_pool)
{
	struct page *page = list_first_entry(&pdu->pages, struct page, lru);
	struct req_iterator it;
	unsigned int at = 0;
	struct bio_vec bv;

	rq_for_each_segment(bv, rq, it) {
		for (unsigned int done = 0, n; done < bv.bv_len; done += n) {
			if (at == XSP_PAGE_SIZE) {
				page = list_next_entry(page, lru);
				at = 0;
			}
			n = min(bv.bv_len - done, XSP_PAGE_SIZE - at);
			copy_bytes(&bv, page, at, done, n, to_pool);
			at += n;
		}
	}
}

static bool bounce(struct xblk_queue *u, struct request *rq, struct xblk_pdu *pdu)
{
	unsigned int bytes = blk_rq_bytes(rq), n = 0;
	struct page *page;

	if (DIV_ROUND_UP(bytes, XSP_PAGE_SIZE) > xblk_want_segs() ||
	    !xblk_pool_take(&u->pool, &pdu->pages, DIV_ROUND_UP(bytes, XSP_PAGE_SIZE)))
		return false;
	list_for_each_entry(page, &pdu->pages, lru) {
		unsigned int here = min(bytes, XSP_PAGE_SIZE);

		pdu->seg[n++] = (struct xsp_blk_seg){
			.gref = page_private(page),
			.last = here / XSP_SECTOR_SIZE - 1,
		};
		bytes -= here;
	}
	pdu->n_segs = n;
	if (req_op(rq) == REQ_OP_WRITE)
		copy(rq, pdu, true);
	u->count.bounced++;
	return true;
}

static void end_grants(struct xblk_pdu *pdu)
{
	for (unsigned int i = 0; i < pdu->n_segs; i++)
		if (!gnttab_try_end_foreign_access(pdu->seg[i].gref))
			/* still mapped: the kernel holds the page until the backend lets go */
			gnttab_end_foreign_access(pdu->seg[i].gref, NULL);
	pdu->n_segs = 0;
	pdu->direct = false;
}

/* The same pages again, seen as pieces that are granted: one a page, or a part of it. */
static bool grant(struct xblk_queue *u, struct request *rq, struct xblk_pdu *pdu)
{
	unsigned int unit = XSP_SECTOR_SIZE << u->d->shifts.segment;
	domid_t domid = u->pool.domid;
	struct page *last = NULL;
	unsigned int end = 0;
	struct req_iterator it;
	struct bio_vec bv;

	pdu->direct = true;
	rq_for_each_segment(bv, rq, it) {
		unsigned int first = bv.bv_offset / XSP_SECTOR_SIZE;
		int ref;

		if (bv.bv_page == last && bv.bv_offset == end && bv.bv_len % unit == 0) {
			end += bv.bv_len;
			pdu->seg[pdu->n_segs - 1].last = end / XSP_SECTOR_SIZE - 1;
			continue;
		}
		if (pdu->n_segs == xblk_want_segs() || (bv.bv_offset | bv.bv_len) % unit ||
		    bv.bv_offset + bv.bv_len > XSP_PAGE_SIZE)
			goto undo; /* can't be said in sectors of pages; it can be copied */
		ref = gnttab_grant_foreign_access(domid, xen_page_to_gfn(bv.bv_page),
						  req_op(rq) == REQ_OP_WRITE);
		if (ref < 0)
			goto undo;
		last = bv.bv_page;
		end = bv.bv_offset + bv.bv_len;
		pdu->seg[pdu->n_segs++] = (struct xsp_blk_seg){
			.gref = ref,
			.first = first,
			.last = end / XSP_SECTOR_SIZE - 1,
		};
	}
	u->count.direct++;
	return true;
undo:
	end_grants(pdu);
	return false;
}

static void release(struct xblk_pdu *pdu)
{
	if (pdu->direct)
		end_grants(pdu);
	xblk_pool_give(&pdu->queue->pool, &pdu->pages);
	xblk_pool_give(&pdu->queue->pool, &pdu->desc);
}

/* --- into the ring ----------------------------------------------------------------------------- */

static unsigned int sectors_of(const struct xsp_blk_seg *seg, unsigned int n)
{
	unsigned int sectors = 0;

	while (n--)
		sectors += seg[n].last - seg[n].first + 1u;
	return sectors;
}

/* Segments as the backend counts; ours are in 512 bytes. */
static void encode(struct xsp_blk_seg *to, const struct xsp_blk_seg *seg, unsigned int n,
		   unsigned int shift)
{
	for (unsigned int i = 0; i < n; i++)
		to[i] = (struct xsp_blk_seg){
			.gref = seg[i].gref,
			.first = seg[i].first >> shift,
			.last = ((seg[i].last + 1) >> shift) - 1,
		};
}

/* One ring request for n segments; lock held, there is room. A descriptor page was taken for it. */
static int add_piece(struct xblk_queue *u, struct request *rq, const struct xsp_blk_seg *seg,
		     unsigned int n, u64 sector, struct page **desc)
{
	u8 op = req_op(rq) == REQ_OP_WRITE ? XSP_BLK_WRITE : XSP_BLK_READ;
	const struct xsp_blk_shifts *s = &u->d->shifts;
	struct xsp_blk_seg inside[XSP_BLK_SEGS];
	u64 cookie = (uintptr_t)rq;
	uint32_t ref;

	sector >>= s->number;
	if (n <= XSP_BLK_SEGS) {
		encode(inside, seg, n, s->segment);
		return xsp_blkfront_add(&u->q, op, sector, inside, n, cookie);
	}
	encode(page_address(*desc), seg, n, s->segment);
	ref = page_private(*desc);
	*desc = list_next_entry(*desc, lru);
	u->count.indirect++;
	return xsp_blkfront_add_indirect(&u->q, op, sector, &ref, n, cookie);
}

static int add_data(struct xblk_queue *u, struct request *rq, struct xblk_pdu *pdu)
{
	struct page *desc = list_first_entry(&pdu->desc, struct page, lru);
	unsigned int limit = u->d->max_segs, n;
	u64 sector = blk_rq_pos(rq);
	int error;

	pdu->left = DIV_ROUND_UP(pdu->n_segs, limit);
	if (xsp_blkfront_room(&u->q) < pdu->left)
		return -EBUSY;
	for (unsigned int i = 0; i < pdu->n_segs; i += n) {
		n = min_t(unsigned int, pdu->n_segs - i, limit);
		error = add_piece(u, rq, &pdu->seg[i], n, sector, &desc);
		if (WARN_ON_ONCE(error))
			return error; /* there was room and the segments are ours */
		sector += sectors_of(&pdu->seg[i], n);
	}
	return 0;
}

static int add(struct xblk_queue *u, struct request *rq, struct xblk_pdu *pdu)
{
	const struct xsp_blk_disk *k = &u->d->disk_keys;
	u64 cookie = (uintptr_t)rq;

	pdu->left = 1;
	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		return add_data(u, rq, pdu);
	case REQ_OP_FLUSH:
		if (!k->flush && !k->barrier)
			return -EOPNOTSUPP;
		/* an empty barrier is a flush: what was answered before it is on the medium after it */
		return xsp_blkfront_add(&u->q, k->flush ? XSP_BLK_FLUSH : XSP_BLK_BARRIER, 0, NULL, 0,
					cookie);
	case REQ_OP_DISCARD:
		if (!k->discard)
			return -EOPNOTSUPP;
		return xsp_blkfront_add_discard(&u->q, blk_rq_pos(rq) >> u->d->shifts.number,
						blk_rq_sectors(rq) >> u->d->shifts.number, cookie);
	case REQ_OP_SECURE_ERASE:
		if (!k->discard || !k->discard_secure)
			return -EOPNOTSUPP;
		return xsp_blkfront_add_secure_discard(&u->q, blk_rq_pos(rq) >> u->d->shifts.number,
						       blk_rq_sectors(rq) >> u->d->shifts.number,
						       cookie);
	default:
		return -EOPNOTSUPP;
	}
}

/* Pages for the request's data and descriptors. False: none now. */
static bool find_pages(struct xblk_queue *u, struct request *rq, struct xblk_pdu *pdu)
{
	unsigned int limit = u->d->max_segs;

	if (!has_data(rq))
		return true;
	if ((u->d->bounce || !grant(u, rq, pdu)) && !bounce(u, rq, pdu))
		return false;
	if (limit <= XSP_BLK_SEGS || pdu->n_segs <= XSP_BLK_SEGS)
		return true;
	return xblk_pool_take(&u->pool, &pdu->desc, DIV_ROUND_UP(pdu->n_segs, limit));
}

static void count(struct xblk_queue *u, struct request *rq, const struct xblk_pdu *pdu)
{
	struct xblk_count *c = &u->count;

	c->requests++;
	c->ring_requests += pdu->left;
	switch (req_op(rq)) {
	case REQ_OP_READ:
		c->bytes_read += blk_rq_bytes(rq);
		break;
	case REQ_OP_WRITE:
		c->bytes_written += blk_rq_bytes(rq);
		break;
	case REQ_OP_FLUSH:
		c->flushes++;
		break;
	default:
		c->discards++;
	}
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct xblk *d = hctx->queue->queuedata;
	struct request *rq = bd->rq;
	struct xblk_pdu *pdu = blk_mq_rq_to_pdu(rq);
	struct xblk_queue *u;
	bool notify = false;
	int error = -EBUSY;

	if (d->dead)
		return BLK_STS_IOERR;
	if (!d->n_queues)
		return BLK_STS_RESOURCE;
	u = &d->queue[hctx->queue_num % d->n_queues];
	pdu->queue = u;
	pdu->status = BLK_STS_OK;
	pdu->n_segs = 0;
	pdu->direct = false;
	INIT_LIST_HEAD(&pdu->pages);
	INIT_LIST_HEAD(&pdu->desc);
	if (!u->live || !find_pages(u, rq, pdu))
		goto again;

	blk_mq_start_request(rq);
	spin_lock_irq(&u->lock);
	if (u->live)
		error = add(u, rq, pdu);
	if (!error) {
		count(u, rq, pdu);
		trace_xblk_submit(d->base.devid, u->index, rq, pdu->n_segs, pdu->left, pdu->direct);
	}
	if (bd->last && u->live)
		notify = xsp_blkfront_push(&u->q);
	spin_unlock_irq(&u->lock);
	if (notify)
		xblk_queue_notify(u);
	if (!error)
		return BLK_STS_OK;
	if (error == -EOPNOTSUPP) {
		release(pdu);
		return BLK_STS_NOTSUPP;
	}
again:
	release(pdu);
	u->count.busy++;
	return BLK_STS_RESOURCE; /* blk-mq tries again in a few milliseconds */
}

static void commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct xblk *d = hctx->queue->queuedata;
	struct xblk_queue *u;
	bool notify;

	if (!d->n_queues)
		return;
	u = &d->queue[hctx->queue_num % d->n_queues];
	spin_lock_irq(&u->lock);
	notify = u->live && xsp_blkfront_push(&u->q);
	spin_unlock_irq(&u->lock);
	if (notify)
		xblk_queue_notify(u);
}

/* --- out of the ring --------------------------------------------------------------------------- */

/* One ring request of rq is answered or aborted; true when it was the last. xblk_queue.lock held. */
bool xblk_request_done(struct request *rq, int status)
{
	struct xblk_pdu *pdu = blk_mq_rq_to_pdu(rq);

	if (status)
		pdu->status = status == -EOPNOTSUPP ? BLK_STS_NOTSUPP : BLK_STS_IOERR;
	return !--pdu->left;
}

/* The backend said it could, and now that it can't. */
static void no_such_operation(struct xblk *d, struct request *rq, struct xblk_pdu *pdu)
{
	if (req_op(rq) == REQ_OP_DISCARD) {
		dev_warn_once(disk_to_dev(rq->q->disk), "the backend can't discard after all\n");
		xblk_limits_no_discard(rq->q);
		xblk_limits_no_erase(rq->q);
	} else if (req_op(rq) == REQ_OP_SECURE_ERASE) {
		dev_warn_once(disk_to_dev(rq->q->disk), "the backend can't erase after all\n");
		xblk_limits_no_erase(rq->q);
	} else if (req_op(rq) == REQ_OP_FLUSH) {
		/* it has nothing that could be flushed; an error would stop every file system */
		dev_warn_once(disk_to_dev(rq->q->disk), "the backend can't flush after all\n");
		xblk_limits_no_flush(rq->q);
		pdu->status = BLK_STS_OK;
	}
}

/*
 * A request to be polled for that an event found all the same: a backend that came back with fewer
 * rings serves it on one with interrupts. Its bios must not go to a cache that only tasks may use.
 */
static void not_polled(struct request *rq)
{
	struct bio *bio;

	__rq_for_each_bio(bio, rq)
		bio_clear_polled(bio);
}

static void finish(struct request *rq)
{
	struct xblk_pdu *pdu = blk_mq_rq_to_pdu(rq);
	struct xblk_queue *u = pdu->queue;

	if (req_op(rq) == REQ_OP_READ && !pdu->direct && pdu->status == BLK_STS_OK)
		copy(rq, pdu, false);
	release(pdu);
	if (unlikely(pdu->status == BLK_STS_NOTSUPP))
		no_such_operation(u->d, rq, pdu);
	if (unlikely((rq->cmd_flags & REQ_POLLED) && in_interrupt()))
		not_polled(rq);
	if (pdu->status != BLK_STS_OK)
		u->count.errors++;
	trace_xblk_done(u->d->base.devid, u->index, rq, blk_status_to_errno(pdu->status));
	blk_mq_end_request(rq, pdu->status);
}

/* Its ring is gone: it is asked again on the next one, or fails for good. Queues are quiesced. */
void xblk_request_abandon(struct xblk *d, struct request *rq)
{
	release(blk_mq_rq_to_pdu(rq));
	if (d->dead)
		blk_mq_end_request(rq, BLK_STS_IOERR);
	else
		blk_mq_requeue_request(rq, false);
}

/*
 * A request takes long. A backend may be restarted meanwhile, so this is no error; but an event could
 * have been lost, so the ring is looked at.
 */
static enum blk_eh_timer_return timeout(struct request *rq)
{
	struct xblk_pdu *pdu = blk_mq_rq_to_pdu(rq);

	pdu->queue->count.late += xblk_queue_reap(pdu->queue);
	return blk_mq_rq_state(rq) == MQ_RQ_IN_FLIGHT ? BLK_EH_RESET_TIMER : BLK_EH_DONE;
}

static void map_queues(struct blk_mq_tag_set *set)
{
	struct xblk *d = set->driver_data;
	unsigned int offset = d->n_hctx - d->n_poll;

	set->map[HCTX_TYPE_DEFAULT].nr_queues = offset;
	blk_mq_map_queues(&set->map[HCTX_TYPE_DEFAULT]);
	if (set->nr_maps <= HCTX_TYPE_POLL)
		return;
	set->map[HCTX_TYPE_READ].nr_queues = 0;
	set->map[HCTX_TYPE_POLL].nr_queues = d->n_poll;
	set->map[HCTX_TYPE_POLL].queue_offset = offset;
	blk_mq_map_queues(&set->map[HCTX_TYPE_POLL]);
}

const struct blk_mq_ops xblk_mq_ops = {
	.queue_rq = queue_rq,
	.commit_rqs = commit_rqs,
	.complete = finish,
	.timeout = timeout,
	.poll = xblk_queue_poll,
	.map_queues = map_queues,
};
