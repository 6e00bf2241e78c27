/* SPDX-License-Identifier: MIT */
/* Copies for the control socket: see inspect.h. */
#include "backend/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/vbd.h"
#include "backend/vif.h"

static void add_stats(struct xsp_blk_stats *to, const struct xsp_blk_stats *from)
{
	struct xsp_hist copy;

#define X(name, help) to->name += xsp_counted(&from->name);
	XSP_BLK_COUNTERS(X)
#undef X
	for (unsigned int i = 0; i < XSP_STAT_OPS; i++) {
		xsp_hist_copy(&copy, &from->latency[i]);
		xsp_hist_merge(&to->latency[i], &copy);
	}
	to->in_flight += xsp_counted(&from->in_flight);
}

static int by_id(const void *a, const void *b)
{
	const struct xsp_vbd_snap *x = a, *y = b;

	if (x->dev.domid != y->dev.domid)
		return x->dev.domid < y->dev.domid ? -1 : 1;
	return x->dev.devid < y->dev.devid ? -1 : x->dev.devid > y->dev.devid;
}

static int vif_by_id(const void *a, const void *b)
{
	const struct xsp_vif_snap *x = a, *y = b;

	if (x->dev.domid != y->dev.domid)
		return x->dev.domid < y->dev.domid ? -1 : 1;
	return x->dev.devid < y->dev.devid ? -1 : x->dev.devid > y->dev.devid;
}

int xsp_inspect_vbds(struct xsp_daemon *d, struct xsp_vbd_snap **ret, size_t *ret_n)
{
	struct xsp_vbd_snap *snaps = NULL;
	struct xsp_device *dev;
	size_t n = 0, i = 0;

	pthread_mutex_lock(&d->lock);
	TAILQ_FOREACH(dev, &d->devices, link)
		n += dev->class == &xsp_vbd_class;
	if (n)
		snaps = malloc(n * sizeof(*snaps));
	TAILQ_FOREACH(dev, &d->devices, link) {
		struct xsp_vbd *v = xsp_vbd_of(dev);

		if (!snaps || dev->class != &xsp_vbd_class)
			continue;
		snaps[i] = v->snap;
		snaps[i].dev = dev->snap;
		for (unsigned int k = 0; k < XSP_MAX_QUEUES && v->stats[k]; k++)
			add_stats(&snaps[i].stats, v->stats[k]);
		i++;
	}
	pthread_mutex_unlock(&d->lock);
	if (n && !snaps)
		return -ENOMEM;
	if (n)
		qsort(snaps, n, sizeof(*snaps), by_id);
	*ret = snaps;
	*ret_n = n;
	return 0;
}

int xsp_inspect_vbd_queues(struct xsp_daemon *d, uint32_t domid, uint32_t devid, uint32_t max,
			   struct xsp_vbd_queue_snap *ret)
{
	struct xsp_device *dev;
	int n = -ENOENT;

	pthread_mutex_lock(&d->lock);
	dev = xsp_device_find(d, &xsp_vbd_class, domid, devid);
	if (dev)
		for (n = 0; n < (int)max && n < (int)dev->snap.n_queues; n++) {
			struct xsp_vbd *v = xsp_vbd_of(dev);

			memset(&ret[n], 0, sizeof(ret[n]));
			ret[n].worker = dev->queue[n]->worker->index;
			ret[n].size = xsp_blk_ring_slots(v->snap.ring_order);
			add_stats(&ret[n].stats, v->stats[n]);
		}
	pthread_mutex_unlock(&d->lock);
	return n;
}

static void add_net_stats(struct xsp_net_stats *to, const struct xsp_net_stats *from)
{
#define X(name, help) to->name += xsp_counted(&from->name);
	XSP_NET_COUNTERS(X)
#undef X
}

int xsp_inspect_capture(struct xsp_daemon *d, uint32_t domid, uint32_t devid, const char *path,
			uint32_t snaplen)
{
	struct xsp_device *dev;
	int err = -ENOENT;

	pthread_mutex_lock(&d->lock); /* the device can't go meanwhile; connecting does not wait */
	dev = xsp_device_find(d, &xsp_vif_class, domid, devid);
	if (dev)
		err = xsp_capture_start(&xsp_vif_of(dev)->capture, path, snaplen);
	pthread_mutex_unlock(&d->lock);
	return err;
}

static void add_net_queue(struct xsp_vif_snap *to, unsigned int k, const struct xsp_net_stats *from)
{
	add_net_stats(&to->stats, from);
	to->queue[k].tx_packets = xsp_counted(&from->tx_packets);
	to->queue[k].rx_packets = xsp_counted(&from->rx_packets);
	to->n_queue_stats = k + 1;
}

static void add_settings(struct xsp_vif_snap *to, struct xsp_vif *v)
{
	to->multicasts = xsp_mcast_count(&v->mcast);
	if (!v->has_ctl)
		return;
	pthread_mutex_lock(&v->ctl.keep.lock);
	to->hash_types = v->ctl.keep.hash.types;
	for (uint32_t i = 0; i < XSP_KEEP_QUEUES; i++)
		to->static_grants += v->ctl.keep.n_statics[i];
	pthread_mutex_unlock(&v->ctl.keep.lock);
}

int xsp_inspect_vifs(struct xsp_daemon *d, struct xsp_vif_snap **ret, size_t *ret_n)
{
	struct xsp_vif_snap *snaps = NULL;
	struct xsp_device *dev;
	size_t n = 0, i = 0;

	pthread_mutex_lock(&d->lock);
	TAILQ_FOREACH(dev, &d->devices, link)
		n += dev->class == &xsp_vif_class;
	if (n)
		snaps = calloc(n, sizeof(*snaps));
	TAILQ_FOREACH(dev, &d->devices, link) {
		struct xsp_vif *v = xsp_vif_of(dev);

		if (!snaps || dev->class != &xsp_vif_class)
			continue;
		snaps[i] = v->snap;
		snaps[i].dev = dev->snap;
		snaps[i].dev.n_queues -= snaps[i].dev.n_queues > 0 && v->has_ctl;
		snaps[i].ctrl = v->has_ctl;
		add_settings(&snaps[i], v);
		for (unsigned int k = 0; k < XSP_MAX_QUEUES && v->stats[k]; k++)
			add_net_queue(&snaps[i], k, v->stats[k]);
		i++;
	}
	pthread_mutex_unlock(&d->lock);
	if (n && !snaps)
		return -ENOMEM;
	if (n)
		qsort(snaps, n, sizeof(*snaps), vif_by_id);
	*ret = snaps;
	*ret_n = n;
	return 0;
}

/* --- a ring, by its worker --------------------------------------------------------------------- */

/* Shared by the asking thread and the worker; whoever comes last frees it. */
struct ring_question {
	struct xsp_mail mail;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t answered;
	int refs;
	bool done;
	int err;
	uint32_t domid, devid, queue;
	struct xsp_ring_snap *snap;
};

static void put_question(struct ring_question *rq)
{
	bool last;

	pthread_mutex_lock(&rq->lock);
	last = --rq->refs == 0;
	pthread_mutex_unlock(&rq->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&rq->lock);
	pthread_cond_destroy(&rq->answered);
	free(rq->snap);
	free(rq);
}

/* The machine frame behind a page of ours, as far as the kernel tells (root only). */
static uint64_t frame_of(const void *page)
{
	uint64_t entry = 0;
	off_t at = (off_t)((uintptr_t)page / XSP_PAGE_SIZE * sizeof(entry));
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry) || !(entry >> 63))
		entry = 0;
	close(fd);
	return entry & ((1ull << 55) - 1);
}

static void answer(struct xsp_mail *mail, void *owner)
{
	struct ring_question *rq = (struct ring_question *)mail;
	struct xsp_worker *w = owner;
	struct xsp_queue *q;

	pthread_mutex_lock(&rq->lock);
	rq->err = -ENOTCONN;
	TAILQ_FOREACH(q, &w->queues, all_link) {
		struct xsp_blkq *b = xsp_blkq_of(q);

		if (q->ops != &xsp_blkq_ops || q->domid != rq->domid || q->devid != rq->devid ||
		    q->index != rq->queue)
			continue;
		xsp_blkq_snap(b, rq->snap);
		for (uint32_t i = 0; i < 1u << b->c.order; i++)
			rq->snap->frame[i] =
				frame_of((const uint8_t *)b->sring + i * XSP_PAGE_SIZE);
		rq->err = 0;
	}
	rq->done = true;
	pthread_cond_signal(&rq->answered);
	pthread_mutex_unlock(&rq->lock);
	put_question(rq);
}

static int wait_answer(struct ring_question *rq)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&rq->lock);
	while (!rq->done && !err)
		err = pthread_cond_timedwait(&rq->answered, &rq->lock, &until);
	err = rq->done ? rq->err : -ETIMEDOUT;
	pthread_mutex_unlock(&rq->lock);
	return err;
}

int xsp_inspect_ring(struct xsp_daemon *d, uint32_t domid, uint32_t devid, uint32_t queue,
		     struct xsp_ring_snap **ret)
{
	struct xsp_worker *w = NULL;
	struct ring_question *rq;
	struct xsp_device *dev;
	int err = 0;

	pthread_mutex_lock(&d->lock);
	dev = xsp_device_find(d, &xsp_vbd_class, domid, devid);
	if (!dev)
		err = -ENOENT;
	else if (queue >= dev->snap.n_queues)
		err = -ENOTCONN;
	else
		w = dev->queue[queue]->worker;
	pthread_mutex_unlock(&d->lock);
	if (err)
		return err;
	rq = calloc(1, sizeof(*rq));
	if (!rq)
		return -ENOMEM;
	rq->snap = calloc(1, sizeof(*rq->snap));
	if (!rq->snap) {
		free(rq);
		return -ENOMEM;
	}
	pthread_mutex_init(&rq->lock, NULL);
	pthread_cond_init(&rq->answered, NULL);
	rq->refs = 2;
	rq->domid = domid;
	rq->devid = devid;
	rq->queue = queue;
	rq->mail.fn = answer;
	xsp_mailbox_post(&w->box, &rq->mail);
	err = wait_answer(rq);
	if (!err) {
		*ret = rq->snap; /* done: the worker does not touch it any more */
		rq->snap = NULL;
	}
	put_question(rq);
	return err;
}
