/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* One queue of a block frontend (blkfront.h). */
#include "frontend/core/blkfront.h"

int xsp_blkfront_init(struct xsp_blkfront *q, void *pages, unsigned int order, uint16_t handle)
{
	uint32_t size;

	if (order > XSP_RING_MAX_ORDER)
		return -EINVAL;
	size = xsp_blk_ring_slots(order);
	*q = (struct xsp_blkfront){ .handle = handle };
	q->slots = xsp_zalloc(size * sizeof(*q->slots));
	if (!q->slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++)
		q->slots[i].next = i + 1;
	xsp_sring_init(pages);
	xsp_ring_front_init(&q->ring, pages, size);
	return 0;
}

void xsp_blkfront_fini(struct xsp_blkfront *q)
{
	xsp_free(q->slots);
	q->slots = NULL;
	q->ring.size = 0;
	q->free = 0;
	q->in_flight = 0;
}

static int broken(struct xsp_blkfront *q, const char *why)
{
	if (!q->broken)
		q->broken = why;
	return -EPROTO;
}

/* Why no request can be added now, or 0. */
static int no_room(const struct xsp_blkfront *q)
{
	if (q->broken)
		return -EPROTO;
	return q->free == q->ring.size ? -EBUSY : 0;
}

/* A free slot with what all requests have; there must be one (no_room). */
static struct xsp_blkfront_slot *take_slot(struct xsp_blkfront *q, uint8_t op, uint64_t sector,
					   uint64_t cookie)
{
	uint32_t index = q->free;
	struct xsp_blkfront_slot *s = &q->slots[index];

	q->free = s->next;
	q->in_flight++;
	s->busy = true;
	s->cookie = cookie;
	s->req.op = op;
	s->req.nr_segs = 0;
	s->req.handle = q->handle;
	s->req.id = (uint64_t)q->generation++ << 32 | index;
	s->req.sector = sector;
	return s;
}

int xsp_blkfront_add(struct xsp_blkfront *q, uint8_t op, uint64_t sector,
		     const struct xsp_blk_seg *segs, unsigned int nr_segs, uint64_t cookie)
{
	bool data = op == XSP_BLK_READ || op == XSP_BLK_WRITE;
	int error = no_room(q);
	struct xsp_blkfront_slot *s;

	if (error == -EPROTO)
		return error;
	if (!data && op != XSP_BLK_FLUSH && op != XSP_BLK_BARRIER)
		return -EINVAL;
	if (nr_segs > XSP_BLK_SEGS || (data && !nr_segs) || (op == XSP_BLK_FLUSH && nr_segs))
		return -EINVAL;
	if (error)
		return error;
	s = take_slot(q, op, sector, cookie);
	s->req.nr_segs = (uint8_t)nr_segs;
	for (unsigned int i = 0; i < nr_segs; i++)
		s->req.seg[i] = segs[i];
	xsp_blk_front_put(&q->ring, &s->req);
	return 0;
}

int xsp_blkfront_add_indirect(struct xsp_blkfront *q, uint8_t op, uint64_t sector,
			      const uint32_t *grefs, unsigned int nr_segs, uint64_t cookie)
{
	unsigned int pages = (nr_segs + XSP_BLK_SEGS_PER_PAGE - 1) / XSP_BLK_SEGS_PER_PAGE;
	int error = no_room(q);
	struct xsp_blkfront_slot *s;

	if (error == -EPROTO)
		return error;
	if ((op != XSP_BLK_READ && op != XSP_BLK_WRITE) || !nr_segs || pages > XSP_BLK_INDIRECT_PAGES)
		return -EINVAL;
	if (error)
		return error;
	s = take_slot(q, XSP_BLK_INDIRECT, sector, cookie);
	s->req.nr_segs = op;
	s->req.indirect.handle = s->req.handle;
	s->req.handle = (uint16_t)nr_segs;
	s->req.indirect.pad = 0;
	for (unsigned int i = 0; i < XSP_BLK_INDIRECT_PAGES; i++)
		s->req.indirect.gref[i] = i < pages ? grefs[i] : 0;
	xsp_blk_front_put(&q->ring, &s->req);
	return 0;
}

static int add_discard(struct xsp_blkfront *q, uint64_t sector, uint64_t nr_sectors, uint8_t flags,
		       uint64_t cookie)
{
	int error = no_room(q);
	struct xsp_blkfront_slot *s;

	if (error == -EPROTO)
		return error;
	if (!nr_sectors)
		return -EINVAL;
	if (error)
		return error;
	s = take_slot(q, XSP_BLK_DISCARD, sector, cookie);
	s->req.nr_segs = flags;
	s->req.discard.nr_sectors = nr_sectors;
	xsp_blk_front_put(&q->ring, &s->req);
	return 0;
}

int xsp_blkfront_add_discard(struct xsp_blkfront *q, uint64_t sector, uint64_t nr_sectors,
			     uint64_t cookie)
{
	return add_discard(q, sector, nr_sectors, 0, cookie);
}

int xsp_blkfront_add_secure_discard(struct xsp_blkfront *q, uint64_t sector, uint64_t nr_sectors,
				    uint64_t cookie)
{
	return add_discard(q, sector, nr_sectors, XSP_BLK_DISCARD_SECURE, cookie);
}

/* What an answer must name: an indirect request is answered with the operation inside it. */
static uint8_t answered_op(const struct xsp_blk_req *req)
{
	return req->op == XSP_BLK_INDIRECT ? req->nr_segs : req->op;
}

static uint64_t give_back(struct xsp_blkfront *q, struct xsp_blkfront_slot *s)
{
	s->busy = false;
	s->next = q->free;
	q->free = (uint32_t)(s - q->slots);
	q->in_flight--;
	return s->cookie;
}

/* The backend's status as an errno; whatever the specification doesn't name is an error. */
static int status_errno(int16_t status)
{
	switch (status) {
	case XSP_BLK_OKAY:
		return 0;
	case XSP_BLK_EOPNOTSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

int xsp_blkfront_reap(struct xsp_blkfront *q, struct xsp_blkfront_done *done, unsigned int max)
{
	unsigned int n = 0;
	int pending;

	if (q->broken)
		return -EPROTO;
	pending = xsp_ring_front_pending(&q->ring);
	if (pending < 0)
		return broken(q, "more responses than requests");
	for (; n < max && pending > 0; n++, pending--) {
		struct xsp_blkfront_slot *s;
		struct xsp_blk_rsp rsp;

		xsp_blk_front_take(&q->ring, &rsp);
		s = &q->slots[(uint32_t)rsp.id & (q->ring.size - 1)];
		if (!s->busy || s->req.id != rsp.id) {
			broken(q, "a response to no request in flight");
			break;
		}
		if (answered_op(&s->req) != rsp.op) {
			broken(q, "a response with another operation");
			break;
		}
		done[n].cookie = give_back(q, s);
		done[n].status = status_errno(rsp.status);
	}
	return n || !q->broken ? (int)n : -EPROTO;
}

int xsp_blkfront_sleep(struct xsp_blkfront *q)
{
	int pending;

	if (q->broken)
		return -EPROTO;
	pending = xsp_ring_front_sleep(&q->ring);
	return pending < 0 ? broken(q, "more responses than requests") : pending;
}

int xsp_blkfront_abort(struct xsp_blkfront *q, struct xsp_blkfront_done *done, unsigned int max)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < q->ring.size && n < max && q->in_flight; i++) {
		if (!q->slots[i].busy)
			continue;
		done[n].cookie = give_back(q, &q->slots[i]);
		done[n++].status = -EIO;
	}
	return (int)n;
}

int xsp_blkfront_restart(struct xsp_blkfront *q, void *pages, unsigned int order)
{
	if (q->broken)
		return -EPROTO;
	/* the slot array fixes the size; a larger ring would need more slots, a smaller one loses some */
	if (order > XSP_RING_MAX_ORDER || xsp_blk_ring_slots(order) != q->ring.size)
		return -EINVAL;
	xsp_sring_init(pages);
	xsp_ring_front_init(&q->ring, pages, q->ring.size);
	for (uint32_t i = 0; i < q->ring.size; i++)
		if (q->slots[i].busy)
			xsp_blk_front_put(&q->ring, &q->slots[i].req);
	return 0;
}
