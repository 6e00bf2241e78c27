/* SPDX-License-Identifier: MIT */
/* A network queue's beginning and end on its worker's thread: see queue.h. */
#include "backend/net/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/net/recover.h"

/* --- the timers -------------------------------------------------------------------------------- */

static void timer_ended(struct xsp_cb *cb, int res)
{
	struct xsp_netq_timer *t =
		(struct xsp_netq_timer *)((char *)cb - offsetof(struct xsp_netq_timer, cb));

	(void)res;
	t->running = false;
	if (t->q->base.stopping)
		xsp_queue_may_stop(&t->q->base);
	else
		xsp_queue_set_ready(&t->q->base);
}

void xsp_netq_later(struct xsp_netq *q, struct xsp_netq_timer *t, uint64_t ns)
{
	if (t->running || q->base.stopping)
		return;
	t->q = q;
	t->running = true;
	t->cb.fn = timer_ended;
	t->time.tv_sec = (int64_t)(ns / 1000000000u);
	t->time.tv_nsec = (int64_t)(ns % 1000000000u);
	io_uring_prep_timeout(xsp_worker_sqe(q->base.worker, &t->cb), &t->time, 0, 0);
}

static void cancel(struct xsp_netq *q, const struct xsp_netq_timer *t)
{
	if (t->running)
		io_uring_prep_timeout_remove(xsp_worker_sqe(q->base.worker, NULL),
					     (uint64_t)(uintptr_t)&t->cb, 0);
}

/* --- the port's end ---------------------------------------------------------------------------- */

static void readable(struct xsp_netport_end *e)
{
	struct xsp_netq *q = xsp_netq_of_end(e);

	q->arrivals = true;
	xsp_queue_set_ready(&q->base);
}

static void end_stopped(struct xsp_netport_end *e)
{
	struct xsp_netq *q = xsp_netq_of_end(e);

	q->end_stopped = true;
	if (!q->in_may_stop)
		xsp_queue_may_stop(&q->base);
}

static void stop_end(struct xsp_netq *q)
{
	if (!q->end_started || q->end_stopping)
		return;
	q->end_stopping = true;
	q->in_may_stop = true;
	xsp_netport_stop(&q->end);
	q->in_may_stop = false;
}

static int start_end(struct xsp_netq *q)
{
	int err;

	q->end = (struct xsp_netport_end){
		.port = q->c.port,
		.index = q->base.index,
		.worker = q->base.worker,
		.readable = readable,
		.stopped = end_stopped,
	};
	err = xsp_netport_start(&q->end);
	if (err)
		return xsp_queue_fail(&q->base, err, "can't use the port's queue %u: %s",
				      q->base.index, strerror(-err));
	q->end_started = true;
	return 0;
}

/* --- begin ------------------------------------------------------------------------------------- */

static int map_ring(struct xsp_netq *q, uint32_t ref, const char *what, struct xsp_sring **ret)
{
	int err;

	*ret = xengnttab_map_domain_grant_refs(q->base.worker->xgt, 1, q->base.domid, &ref,
					       PROT_READ | PROT_WRITE);
	xsp_count(&q->c.stats->gnt_calls, 1);
	xsp_count(&q->c.stats->gnt_refs, 1);
	if (*ret)
		return 0;
	err = errno ? -errno : -EIO;
	return xsp_queue_fail(&q->base, err, "can't map the %s ring (grant %u): %s", what, ref,
			      strerror(-err));
}

/* What is recorded of the rings when they were left: how far, and which they were. */
static bool recorded(const struct xsp_netq *q, uint32_t *tx, uint32_t *rx)
{
	uint32_t tx_ref, rx_ref, evtchn;

	return sscanf(q->base.record, "%u %u %u %u %u", tx, rx, &tx_ref, &rx_ref, &evtchn) == 5 &&
	       tx_ref == q->c.tx_ref && rx_ref == q->c.rx_ref && evtchn == q->base.port[0].guest;
}

static int check_index(struct xsp_netq *q, const struct xsp_sring *s, uint32_t size, uint32_t left_at,
		       const char *what)
{
	uint32_t rsp_prod = xsp_load(&s->rsp_prod);

	if (rsp_prod != left_at)
		return xsp_queue_fail(&q->base, -EBUSY,
				      "the %s ring moved on since it was left (rsp_prod %u, recorded %u)",
				      what, rsp_prod, left_at);
	if (xsp_load(&s->req_prod) - rsp_prod > size)
		return xsp_queue_fail(&q->base, -EPROTO,
				      "the %s ring's request index is out of bounds", what);
	return 0;
}

/* Where to begin. Without a record the former daemon was killed: recover.h. */
static int choose_start(struct xsp_netq *q, uint32_t *tx, uint32_t *rx, bool *killed)
{
	int err;

	*tx = xsp_load(&q->tx_sring->rsp_prod);
	*rx = xsp_load(&q->rx_sring->rsp_prod);
	if (q->base.adopt == XSP_ADOPT_NEW) {
		if (*tx || *rx)
			return xsp_queue_fail(&q->base, -EPROTO,
					      "the rings are not new: they hold %u and %u responses already",
					      *tx, *rx);
		return 0;
	}
	*killed = !recorded(q, tx, rx);
	err = check_index(q, q->tx_sring, XSP_NET_TX_SLOTS, *tx, "tx");
	return err ? err : check_index(q, q->rx_sring, XSP_NET_RX_SLOTS, *rx, "rx");
}

/* The pages that the guest had kept mapped, for a daemon or a worker before this one. */
static void map_again(struct xsp_netq *q)
{
	struct xsp_net_gref list[XSP_STATICS];
	uint32_t n = q->statics ? xsp_keep_statics_get(&q->c.ctl->keep, q->base.index, list) : 0;

	if (!n || !xsp_statics_add(q->statics, list, n))
		return;
	xsp_keep_statics(&q->c.ctl->keep, q->base.index, list, 0); /* its packets are copied by grant */
	xsp_queue_complain(&q->base, "can't map its %u static grants again", n);
}

/* What a killed daemon was answering is answered; the event comes with the take-over. */
static void recover(struct xsp_netq *q)
{
	int tx = xsp_tx_recover(&q->tx), rx = xsp_rx_recover(&q->rx);

	xsp_ring_back_push(&q->tx);
	xsp_ring_back_push(&q->rx);
	if (tx > 0 || rx > 0)
		xsp_queue_complain(&q->base, "a daemon died while it answered it: %d requests to send and %d "
				   "buffers are given back", tx, rx);
}

static void let_go(struct xsp_netq *q)
{
	if (q->tx_sring)
		xengnttab_unmap(q->base.worker->xgt, q->tx_sring, 1);
	if (q->rx_sring)
		xengnttab_unmap(q->base.worker->xgt, q->rx_sring, 1);
	q->tx_sring = q->rx_sring = NULL;
	if (q->c.ctl)
		q->c.ctl->queue[q->base.index] = NULL;
	xsp_statics_free(q->statics);
	q->statics = NULL;
	free(q->held);
	q->held = NULL;
}

static int begin(struct xsp_queue *queue)
{
	struct xsp_netq *q = xsp_netq_of(queue);
	uint32_t tx = 0, rx = 0;
	bool killed = false;
	int err = 0;

	q->s = xsp_net_scratch_get(queue->worker);
	q->held = malloc(XSP_PACKET_BYTES);
	if (q->c.ctl)
		q->statics = xsp_statics_new(queue->worker->xgt, queue->domid);
	if (!q->s || !q->held || (q->c.ctl && !q->statics))
		err = xsp_queue_fail(queue, -ENOMEM, "no memory for packets");
	if (!err)
		err = map_ring(q, q->c.tx_ref, "tx", &q->tx_sring);
	if (!err)
		err = map_ring(q, q->c.rx_ref, "rx", &q->rx_sring);
	if (!err)
		err = choose_start(q, &tx, &rx, &killed);
	if (!err)
		err = start_end(q);
	if (err) {
		let_go(q);
		return err;
	}
	xsp_ring_back_init(&q->tx, q->tx_sring, XSP_NET_TX_SLOTS, tx);
	xsp_ring_back_init(&q->rx, q->rx_sring, XSP_NET_RX_SLOTS, rx);
	if (killed)
		recover(q);
	if (queue->adopt != XSP_ADOPT_NEW)
		map_again(q);
	q->max_slots = q->c.sg ? XSP_PACKET_BYTES / XSP_PAGE_SIZE + 2 : 1;
	q->arrivals = q->direct = true;
	if (q->c.ctl)
		q->c.ctl->queue[queue->index] = q;
	return 0;
}

/* --- end --------------------------------------------------------------------------------------- */

static void end(struct xsp_queue *queue)
{
	struct xsp_netq *q = xsp_netq_of(queue);

	stop_end(q); /* at once, when begin failed behind it: nothing was awaited yet */
	if (q->tx_sring && q->rx_sring)
		snprintf(queue->record, sizeof(queue->record), "%u %u %u %u %u", q->tx.rsp_prod_pvt,
			 q->rx.rsp_prod_pvt, q->c.tx_ref, q->c.rx_ref, queue->port[0].guest);
	let_go(q);
}

static void may_stop(struct xsp_queue *queue)
{
	struct xsp_netq *q = xsp_netq_of(queue);

	if (!q->end_stopping) {
		cancel(q, &q->rate_timer);
		cancel(q, &q->look_timer);
		stop_end(q);
	}
	if (q->end_stopped && !q->rate_timer.running && !q->look_timer.running)
		xsp_queue_end(queue);
}

/* --- between: has the guest given us anything? ------------------------------------------------- */

static int pending(const struct xsp_queue *queue)
{
	const struct xsp_netq *q = (const struct xsp_netq *)queue;
	int n = xsp_ring_back_pending(&q->tx);

	if (n)
		return n;
	return xsp_load(&q->rx_sring->req_prod) != q->rx_seen;
}

static int sleep_(struct xsp_queue *queue)
{
	struct xsp_netq *q = xsp_netq_of(queue);
	int n = q->throttled ? 0 : xsp_ring_back_sleep(&q->tx);

	q->tx_deaf = q->throttled;
	if (n || !q->rx_wanted)
		return n;
	n = xsp_ring_back_sleep_for(&q->rx, q->rx_wanted);
	return n < 0 ? n : n >= (int)q->rx_wanted;
}

static void finish(struct xsp_queue *queue)
{
	(void)queue; /* a visit answers what it took */
}

const struct xsp_queue_ops xsp_netq_ops = {
	.begin = begin,
	.visit = xsp_netq_visit,
	.finish = finish,
	.pending = pending,
	.sleep = sleep_,
	.may_stop = may_stop,
	.end = end,
};
