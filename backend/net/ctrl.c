/* SPDX-License-Identifier: MIT */
/* The control ring's queue: see ctrl.h. */
#include "backend/net/ctrl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/net/queue.h"

#define REQS_A_VISIT 4u /* a request may map 512 pages: the others' turn after a few of them */

static struct xsp_ctrlq *ctrlq_of(struct xsp_queue *q)
{
	return (struct xsp_ctrlq *)q;
}

/* --- the guest's pages -------------------------------------------------------------------------- */

static int copy_piece(struct xsp_ctrlq *q, xengnttab_grant_copy_segment_t *seg)
{
	int err = xengnttab_grant_copy(q->base.worker->xgt, 1, seg);

	xsp_count(&q->base.stats->gnt_calls, 1);
	xsp_count(&q->base.stats->gnt_refs, 1);
	return err || seg->status != GNTST_okay ? -EFAULT : 0;
}

static int read_page(void *arg, uint32_t gref, void *to, uint32_t len)
{
	struct xsp_ctrlq *q = arg;

	return copy_piece(q, &(xengnttab_grant_copy_segment_t){
				     .source.foreign = { .ref = gref,
							 .domid = (domid_t)q->base.domid },
				     .dest.virt = to,
				     .len = (uint16_t)len,
				     .flags = GNTCOPY_source_gref,
			     });
}

static int write_page(void *arg, uint32_t gref, const void *from, uint32_t len)
{
	struct xsp_ctrlq *q = arg;

	return copy_piece(q, &(xengnttab_grant_copy_segment_t){
				     .source.virt = (void *)(uintptr_t)from,
				     .dest.foreign = { .ref = gref,
						       .domid = (domid_t)q->base.domid },
				     .len = (uint16_t)len,
				     .flags = GNTCOPY_dest_gref,
			     });
}

/* --- static grants ------------------------------------------------------------------------------ */

static uint32_t change_statics(struct xsp_ctrlq *q, struct xsp_statics *s,
			       const struct xsp_net_ctrl_req *req, uint32_t *ret_n)
{
	struct xsp_net_gref list[XSP_NET_GREFS_PER_PAGE];
	uint32_t n = req->data[2];

	if (!n || n > XSP_NET_GREFS_PER_PAGE || read_page(q, req->data[1], list, n * sizeof(list[0])))
		return XSP_NET_CTRL_INVALID_PARAMETER;
	xsp_count(&q->base.stats->gnt_calls, 1);
	xsp_count(&q->base.stats->gnt_refs, n);
	if (req->type == XSP_NET_CTRL_ADD_GREF_MAPPING)
		return xsp_statics_add(s, list, n) ? XSP_NET_CTRL_INVALID_PARAMETER :
						     XSP_NET_CTRL_SUCCESS;
	*ret_n = xsp_statics_del(s, list, n);
	return write_page(q, req->data[1], list, n * sizeof(list[0])) ? XSP_NET_CTRL_INVALID_PARAMETER :
									XSP_NET_CTRL_SUCCESS;
}

static void keep_statics(struct xsp_ctrlq *q, uint32_t queue, const struct xsp_statics *s)
{
	struct xsp_net_gref list[XSP_STATICS];

	xsp_keep_statics(&q->ctl->keep, queue, list, xsp_statics_list(s, list));
}

static void static_request(struct xsp_ctrlq *q, const struct xsp_net_ctrl_req *req,
			   struct xsp_net_ctrl_rsp *rsp)
{
	struct xsp_netq *target = req->data[0] < q->ctl->n_queues ? q->ctl->queue[req->data[0]] : NULL;

	rsp->data = 0;
	if (!target)
		rsp->status = XSP_NET_CTRL_INVALID_PARAMETER;
	else if (req->type == XSP_NET_CTRL_GET_GREF_MAPPING_SIZE)
		rsp->data = XSP_STATICS;
	else
		rsp->status = change_statics(q, target->statics, req, &rsp->data);
	if (target && req->type != XSP_NET_CTRL_GET_GREF_MAPPING_SIZE)
		keep_statics(q, req->data[0], target->statics);
}

/* --- visit -------------------------------------------------------------------------------------- */

static void answer(struct xsp_ctrlq *q, const struct xsp_net_ctrl_req *req)
{
	const struct xsp_ctrl_pages pages = { read_page, write_page, q };
	struct xsp_net_ctrl_rsp rsp = { .id = req->id, .type = req->type };

	if (req->type >= XSP_NET_CTRL_GET_GREF_MAPPING_SIZE && req->type <= XSP_NET_CTRL_DEL_GREF_MAPPING)
		static_request(q, req, &rsp);
	else if (!xsp_ctrl_hash_request(&q->ctl->hash, q->ctl->n_queues, &pages, req, &rsp))
		rsp.status = XSP_NET_CTRL_NOT_SUPPORTED;
	else if (memcmp(&q->ctl->hash, &q->ctl->keep.hash, sizeof(q->ctl->hash)))
		xsp_keep_hash(&q->ctl->keep, &q->ctl->hash);
	xsp_net_back_respond_ctrl(&q->ring, &rsp);
}

static void visit(struct xsp_queue *queue)
{
	struct xsp_ctrlq *q = ctrlq_of(queue);
	int pending = xsp_ring_back_pending(&q->ring);

	if (pending < 0) {
		xsp_queue_break(queue, "its control ring's request index is out of bounds");
		return;
	}
	if (!pending) {
		xsp_queue_set_arming(queue);
		return;
	}
	queue->idle_wakes = 0;
	for (int i = 0; i < pending && i < (int)REQS_A_VISIT; i++) {
		struct xsp_net_ctrl_req req;

		xsp_net_back_take_ctrl(&q->ring, &req);
		answer(q, &req);
	}
	if (xsp_ring_back_push(&q->ring))
		xsp_queue_notify(&queue->port[0]);
	xsp_queue_set_ready(queue);
}

/* --- life --------------------------------------------------------------------------------------- */

/*
 * A daemon was killed over these: perhaps they are done, perhaps half answered (id and type are the same
 * in a request and its answer). The guest learns that it can't count on them.
 */
static void refuse(struct xsp_ctrlq *q)
{
	for (int n = xsp_ring_back_pending(&q->ring); n > 0; n--) {
		struct xsp_net_ctrl_req req;

		xsp_net_back_take_ctrl(&q->ring, &req);
		xsp_net_back_respond_ctrl(&q->ring, &(struct xsp_net_ctrl_rsp){
			.id = req.id, .type = req.type, .status = XSP_NET_CTRL_INVALID_PARAMETER });
	}
	xsp_ring_back_push(&q->ring); /* an event comes with the take-over */
}

static bool may_begin_at(struct xsp_ctrlq *q, uint32_t rsp_prod, bool *killed)
{
	uint32_t left_at, ref, evtchn;

	if (q->base.adopt == XSP_ADOPT_NEW)
		return !rsp_prod;
	if (sscanf(q->base.record, "%u %u %u", &left_at, &ref, &evtchn) == 3 && ref == q->ref &&
	    evtchn == q->base.port[0].guest)
		return left_at == rsp_prod;
	*killed = true;
	return xsp_load(&q->sring->req_prod) - rsp_prod <= XSP_NET_CTRL_SLOTS;
}

static int begin(struct xsp_queue *queue)
{
	struct xsp_ctrlq *q = ctrlq_of(queue);
	bool killed = false;
	uint32_t rsp_prod;
	int err;

	q->sring = xengnttab_map_domain_grant_refs(queue->worker->xgt, 1, queue->domid, &q->ref,
						   PROT_READ | PROT_WRITE);
	if (!q->sring) {
		err = errno ? -errno : -EIO;
		return xsp_queue_fail(queue, err, "can't map the control ring (grant %u): %s", q->ref,
				      strerror(-err));
	}
	rsp_prod = xsp_load(&q->sring->rsp_prod);
	if (!may_begin_at(q, rsp_prod, &killed)) {
		xengnttab_unmap(queue->worker->xgt, q->sring, 1);
		q->sring = NULL;
		return xsp_queue_fail(queue, -EBUSY, "the control ring is not as it was left, or not new");
	}
	xsp_ring_back_init(&q->ring, q->sring, XSP_NET_CTRL_SLOTS, rsp_prod);
	if (killed)
		refuse(q);
	return 0;
}

static void end(struct xsp_queue *queue)
{
	struct xsp_ctrlq *q = ctrlq_of(queue);

	snprintf(queue->record, sizeof(queue->record), "%u %u %u", q->ring.rsp_prod_pvt, q->ref,
		 queue->port[0].guest);
	xengnttab_unmap(queue->worker->xgt, q->sring, 1);
	q->sring = NULL;
}

static int pending_(const struct xsp_queue *queue)
{
	return xsp_ring_back_pending(&((const struct xsp_ctrlq *)queue)->ring);
}

static int sleep_(struct xsp_queue *queue)
{
	return xsp_ring_back_sleep(&ctrlq_of(queue)->ring);
}

static void finish(struct xsp_queue *queue)
{
	(void)queue; /* a visit answers what it took */
}

const struct xsp_queue_ops xsp_ctrlq_ops = {
	.begin = begin,
	.visit = visit,
	.finish = finish,
	.pending = pending_,
	.sleep = sleep_,
	.may_stop = xsp_queue_end,
	.end = end,
};
