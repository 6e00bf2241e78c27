/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * One ring with its event channel: made, served, dropped. What the backend answers is judged by
 * frontend/core; the first answer that makes no sense stops the queue and has the connection made
 * anew (state.c).
 *
 * An event is acknowledged only after its completions were taken (late EOI), and one that brought
 * none is reported as spurious: Xen's event code then delays the next one, so that a backend can't
 * keep a processor busy by sending events.
 */
#include <linux/interrupt.h>
#include <xen/events.h>

#include "frontend/linux/blk/xblk.h"
#include "frontend/linux/blk/trace.h"

#define BATCH 32u

void xblk_queue_init(struct xblk *d, unsigned int index)
{
	struct xblk_queue *u = &d->queue[index];

	u->d = d;
	u->index = index;
	u->irq = -1;
	spin_lock_init(&u->lock);
	xblk_pool_init(&u->pool);
	for (unsigned int i = 0; i < ARRAY_SIZE(u->ring_ref); i++)
		u->ring_ref[i] = INVALID_GRANT_REF;
	snprintf(u->irq_name, sizeof(u->irq_name), "vbd-%u-q%u", d->base.devid, index);
}

/* The memory of a guest that came back from a save may hold answers without their data. */
static bool usable(const struct xblk_queue *u)
{
	return u->live && u->resumes == atomic_read(&xdev_resumes);
}

/* Takes what is in the ring. Lock held; the finished requests go to done. */
static int take(struct xblk_queue *u, struct request **done, unsigned int *ret_n)
{
	struct xsp_blkfront_done c[BATCH];
	int n;

	*ret_n = 0;
	n = xsp_blkfront_reap(&u->q, c, BATCH);
	for (int i = 0; i < n; i++) {
		struct request *rq = (struct request *)(uintptr_t)c[i].cookie;

		if (xblk_request_done(rq, c[i].status))
			done[(*ret_n)++] = rq;
	}
	return n;
}

/* The backend broke the protocol: nothing of this ring is believed any more. Lock held. */
static void broken(struct xblk_queue *u)
{
	u->live = false;
	xdev_broken(&u->d->base);
}

/* Completes what the backend has answered; returns how many answers there were. Any context. */
unsigned int xblk_queue_reap(struct xblk_queue *u)
{
	unsigned int total = 0, n_done;
	struct request *done[BATCH];
	unsigned long flags;
	int n;

	do {
		n_done = 0;
		n = 0;
		spin_lock_irqsave(&u->lock, flags);
		if (usable(u)) {
			n = take(u, done, &n_done);
			total += n > 0 ? n : 0;
			if (!n && !u->poll_only)
				n = xsp_blkfront_sleep(&u->q);
			if (u->q.broken)
				broken(u);
		}
		spin_unlock_irqrestore(&u->lock, flags);
		for (unsigned int i = 0; i < n_done; i++)
			if (!blk_should_fake_timeout(done[i]->q))
				blk_mq_complete_request(done[i]);
		/*
		 * Until there are no more, and an event is asked for. It ends: no more answers are
		 * believed than there are requests.
		 */
	} while (n > 0);
	return total;
}

static irqreturn_t event(int irq, void *arg)
{
	struct xblk_queue *u = arg;
	unsigned int n;

	u->count.events++;
	if (u->poll_only) { /* the first answer brings one: nobody asked for it */
		xen_irq_lateeoi(irq, 0);
		return IRQ_HANDLED;
	}
	n = xblk_queue_reap(u);
	if (!n)
		u->count.spurious++;
	xen_irq_lateeoi(irq, n ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

/* io_uring's and preadv2's polling: completions without an event. */
int xblk_queue_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	struct xblk *d = hctx->queue->queuedata;
	struct xblk_queue *u;
	unsigned int n;

	if (!READ_ONCE(d->n_queues))
		return 0;
	u = &d->queue[hctx->queue_num % d->n_queues];
	n = xblk_queue_reap(u);
	u->count.polled++;
	u->count.poll_found += n;
	return n;
}

void xblk_queue_notify(struct xblk_queue *u)
{
	u->count.notifies++;
	notify_remote_via_irq(u->irq);
}

/* Allocates, grants, binds. May sleep. 0 or -errno, with nothing left behind. */
int xblk_queue_make(struct xblk_queue *u)
{
	struct xblk *d = u->d;
	int error;

	error = xenbus_setup_ring(d->base.xb, GFP_NOIO, &u->ring, 1u << d->order, u->ring_ref);
	if (error)
		return error; /* says why itself */
	u->resumes = atomic_read(&xdev_resumes);
	error = xsp_blkfront_init(&u->q, u->ring, d->order, (uint16_t)d->base.devid);
	if (error)
		goto ring;
	u->pool.max = xblk_want_pool();
	/* the largest request, and a page for its descriptors */
	error = xblk_pool_open(&u->pool, d->base.xb->otherend_id, d->base.life, xblk_want_segs() + 1);
	if (error)
		goto queue;
	error = xenbus_alloc_evtchn(d->base.xb, &u->port);
	if (error)
		goto pool;
	error = bind_evtchn_to_irqhandler_lateeoi(u->port, event, 0, u->irq_name, u);
	if (error < 0)
		goto port;
	u->irq = error;
	return 0;
port:
	xenbus_free_evtchn(d->base.xb, u->port);
pool:
	xblk_pool_close(&u->pool);
queue:
	xsp_blkfront_fini(&u->q);
ring:
	xenbus_teardown_ring(&u->ring, 1u << d->order, u->ring_ref);
	return error;
}

void xblk_queue_start(struct xblk_queue *u)
{
	spin_lock_irq(&u->lock);
	u->live = !u->q.broken;
	spin_unlock_irq(&u->lock);
}

/* From here on nothing is added to the ring and nothing taken from it. */
void xblk_queue_stop(struct xblk_queue *u)
{
	spin_lock_irq(&u->lock);
	u->live = false;
	spin_unlock_irq(&u->lock);
}

/*
 * Gives back everything that xblk_queue_make made; what was under way is tried again later or fails
 * (xblk_request_abandon). blk-mq's queues are quiesced. May sleep.
 */
void xblk_queue_drop(struct xblk_queue *u)
{
	struct xblk *d = u->d;
	int n;

	xblk_queue_stop(u);
	if (u->irq >= 0)
		unbind_from_irqhandler(u->irq, u);
	u->irq = -1;
	if (u->q.slots) {
		struct xsp_blkfront_done c[BATCH];

		do {
			n = xsp_blkfront_abort(&u->q, c, BATCH);
			for (int i = 0; i < n; i++) {
				struct request *rq = (struct request *)(uintptr_t)c[i].cookie;

				if (xblk_request_done(rq, -EIO))
					xblk_request_abandon(d, rq);
			}
		} while (n > 0);
		xsp_blkfront_fini(&u->q);
	}
	xblk_pool_close(&u->pool);
	if (u->ring)
		xenbus_teardown_ring(&u->ring, 1u << d->order, u->ring_ref);
	u->ring = NULL;
}
