/* SPDX-License-Identifier: MIT */
/* A block device's life, on the store thread: see vbd.h. */
#include "backend/vbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS    100000000ull  /* what a former daemon still holds: an image's lock, a port */
#define GIVE_UP_NS  5000000000ull /* below libxl's 10 s */
#define MAX_STEPS   8             /* the state machine needs at most four */

static void show(struct xsp_vbd *v)
{
	pthread_mutex_lock(&v->d->lock);
	v->snap.state = v->me;
	v->snap.peer_state = v->peer;
	v->snap.online = v->online;
	v->snap.connected = v->connected;
	pthread_mutex_unlock(&v->d->lock);
}

/* Try the last thing again soon; false when it has been tried long enough. */
static bool retry(struct xsp_vbd *v)
{
	uint64_t now = xsp_now_ns();

	if (!v->give_up_ns)
		v->give_up_ns = now + GIVE_UP_NS;
	if (now >= v->give_up_ns) {
		v->give_up_ns = 0;
		return false;
	}
	v->retry_at_ns = now + RETRY_NS;
	return true;
}

/* The device can't go on: say why and ask the frontend to close. */
static void fail(struct xsp_vbd *v, const char *why)
{
	xsp_vbd_report(v, why);
	xsp_vbd_set_state(v, XSP_XB_CLOSING);
}

/* --- start and stop of the queue --------------------------------------------------------------- */

static void free_queue(struct xsp_vbd *v)
{
	pthread_mutex_lock(&v->d->lock);
	v->connected = false;
	v->snap.connected_ns = 0;
	v->snap.connected = false;
	free(v->queue);
	v->queue = NULL;
	pthread_mutex_unlock(&v->d->lock);
}

static void stop(struct xsp_vbd *v, enum xsp_xenbus_state next)
{
	v->busy = true;
	v->after_stop = next;
	xsp_queue_stop(v->queue);
}

static void record_drained(struct xsp_vbd *v)
{
	char path[XSP_STORE_PATH];

	if (v->me != XSP_XB_CONNECTED || v->queue->sync_failed || v->queue->broken)
		return;
	snprintf(path, sizeof(path), "%s/" XSP_KEY_DRAINED, v->be);
	xsp_store_write(&v->d->store, XBT_NULL, path, "%u %u %u", v->queue->rsp_prod,
			v->queue->c.ring_ref[0], v->queue->c.evtchn);
	xsp_info(v->name, "drained; left connected for the next daemon");
}

static void stopped(struct xsp_queue *q)
{
	struct xsp_vbd *v = q->owner;
	enum xsp_xenbus_state next = v->after_stop;

	v->busy = false;
	if (v->d->draining)
		record_drained(v);
	free_queue(v);
	if (v->d->draining)
		return;
	xsp_info(v->name, "disconnected");
	if (next != XSP_XB_UNKNOWN)
		xsp_vbd_set_state(v, next);
	v->dirty = true;
}

static void broke(struct xsp_queue *q)
{
	struct xsp_vbd *v = q->owner;
	char why[sizeof(q->why) + 64];

	snprintf(why, sizeof(why), "the guest broke its ring: %s; its disk is closed", q->why);
	xsp_vbd_report(v, why);
	if (v->connected && !v->busy)
		stop(v, XSP_XB_CLOSING);
}

static void start_failed(struct xsp_vbd *v, const struct xsp_queue *q)
{
	char why[sizeof(q->why) + 64];
	bool adopting = q->c.adopt != XSP_ADOPT_NEW;
	int err = q->err;

	/* The port of a dead daemon is free only when its last file reference is gone. */
	if (adopting && err == -EINVAL && retry(v)) {
		free_queue(v);
		return;
	}
	snprintf(why, sizeof(why), "%s%s", adopting ? "not taken over: " : "", q->why);
	free_queue(v);
	if (adopting) {
		v->left_alone = true;
		xsp_vbd_report(v, why);
	} else {
		fail(v, why);
	}
}

static void connected(struct xsp_vbd *v, const struct xsp_queue *q)
{
	char path[XSP_STORE_PATH];
	bool adopted = q->c.adopt != XSP_ADOPT_NEW;

	pthread_mutex_lock(&v->d->lock);
	v->connected = true;
	v->snap.connected = true;
	v->snap.connected_ns = xsp_now_ns();
	v->snap.worker = q->worker->index;
	v->snap.ring_order = q->c.order;
	memcpy(v->snap.ring_ref, q->c.ring_ref, sizeof(v->snap.ring_ref));
	v->snap.evtchn = q->c.evtchn;
	snprintf(v->snap.protocol, sizeof(v->snap.protocol), "%s",
		 q->c.abi == XSP_BLK_X86_32 ? "x86_32-abi" : "x86_64-abi");
	v->snap.adopted += adopted;
	pthread_mutex_unlock(&v->d->lock);
	xsp_info(v->name, "%s: %s, %llu MiB%s, ring of %u slots, event channel %u",
		 adopted ? "taken over" : "connected", v->spec,
		 (unsigned long long)(v->target->size_bytes >> 20), v->readonly ? ", read-only" : "",
		 xsp_blk_ring_slots(q->c.order), q->c.evtchn);
	if (adopted) {
		snprintf(path, sizeof(path), "%s/" XSP_KEY_DRAINED, v->be);
		xsp_store_rm(&v->d->store, XBT_NULL, path);
	} else if (xsp_vbd_publish(v)) {
		v->dirty = true; /* the directory is gone or the store is: the next step will see */
	}
	if (v->snap.why[0])
		xsp_vbd_report(v, "");
}

static void started(struct xsp_queue *q)
{
	struct xsp_vbd *v = q->owner;

	v->busy = false;
	v->dirty = true;
	if (q->err) {
		start_failed(v, q);
		return;
	}
	v->give_up_ns = 0;
	connected(v, q);
	if (v->d->draining)
		xsp_vbd_drain(v);
}

static void choose_adoption(struct xsp_vbd *v, struct xsp_queue_config *c)
{
	char *record = xsp_store_read(&v->d->store, XBT_NULL, "%s/" XSP_KEY_DRAINED, v->be);
	uint32_t rsp_prod, ref, evtchn;

	c->adopt = XSP_ADOPT_IDLE;
	if (record && sscanf(record, "%u %u %u", &rsp_prod, &ref, &evtchn) == 3 &&
	    ref == c->ring_ref[0] && evtchn == c->evtchn) {
		c->adopt = XSP_ADOPT_DRAINED;
		c->adopt_rsp_prod = rsp_prod;
	}
	free(record);
}

static void start(struct xsp_vbd *v, bool adopt)
{
	struct xsp_daemon *d = v->d;
	struct xsp_queue *q = calloc(1, sizeof(*q));
	char why[XSP_INSPECT_TEXT] = "no memory";
	int err = q ? 0 : -ENOMEM;

	if (!err)
		err = xsp_vbd_read_ring(v, &q->c, why, sizeof(why));
	if (d->store.broken) {
		free(q);
		v->dirty = true;
		return;
	}
	if (err) {
		free(q);
		fail(v, why);
		return;
	}
	q->c.domid = v->domid;
	q->c.devid = v->devid;
	q->c.name = v->name;
	q->c.target = v->target;
	q->c.stats = &v->stats;
	q->owner = v;
	q->reply_to = &d->box;
	q->started = started;
	q->stopped = stopped;
	q->broke = broke;
	if (adopt)
		choose_adoption(v, &q->c);
	v->queue = q;
	v->busy = true;
	xsp_queue_start(q, &d->workers[d->next_worker++ % d->n_workers]);
}

/* --- one step ---------------------------------------------------------------------------------- */

/* Open the target as soon as it may be wanted. Returns false while a former owner may let go. */
static bool have_target(struct xsp_vbd *v)
{
	bool wanted = v->me >= XSP_XB_INITIALISING && v->me != XSP_XB_CLOSING &&
		      v->me != XSP_XB_CLOSED && v->online && !v->peer_gone;

	if (!wanted || v->target || (v->target_err && v->target_err != -EAGAIN))
		return true;
	if (v->target_err == -EAGAIN && xsp_now_ns() < v->retry_at_ns)
		return false;
	xsp_vbd_open_target(v);
	if (v->target_err == -EAGAIN) {
		if (retry(v))
			return false;
		v->target_err = -EBUSY;
		xsp_vbd_report(v, v->open_why);
	}
	return true;
}

/* Returns true when the state machine is to be asked again at once. */
static bool act(struct xsp_vbd *v, const struct xsp_xenbus_verdict *verdict)
{
	switch (verdict->act) {
	case XSP_XB_ADVERTISE:
		v->left_alone = false;
		if (v->target && v->snap.why[0])
			xsp_vbd_report(v, "");
		return !xsp_vbd_advertise(v);
	case XSP_XB_CONNECT:
		start(v, false);
		return false;
	case XSP_XB_ADOPT:
		if (!v->left_alone)
			start(v, true);
		return false;
	case XSP_XB_DISCONNECT:
		stop(v, verdict->next);
		return false;
	case XSP_XB_SET_STATE:
		return !xsp_vbd_set_state(v, verdict->next);
	case XSP_XB_ERROR:
		fail(v, verdict->why);
		return true;
	default:
		return false;
	}
}

static bool gone_for_good(struct xsp_vbd *v)
{
	if (!v->node_gone)
		return false;
	if (v->queue) {
		if (!v->busy)
			stop(v, XSP_XB_UNKNOWN);
	} else {
		xsp_debug(v->name, "its directory is gone");
		xsp_vbd_discard(v);
	}
	return true;
}

void xsp_vbd_step(struct xsp_vbd *v)
{
	for (unsigned int i = 0; i < MAX_STEPS; i++) {
		struct xsp_xenbus_verdict verdict;

		if (v->busy || v->d->draining)
			return; /* still dirty: the answer brings us back */
		v->dirty = false;
		if (xsp_vbd_read(v)) {
			v->dirty = true;
			return;
		}
		if (gone_for_good(v))
			return;
		if (!have_target(v))
			return;
		show(v);
		verdict = xsp_xenbus_back(&(struct xsp_xenbus_back_in){
			.me = v->me,
			.peer = v->peer,
			.online = v->online,
			.target_ready = v->target != NULL,
			.hotplug_ready = v->hotplug_ready,
			.connected = v->connected,
			.peer_gone = v->peer_gone,
		});
		if (verdict.act != XSP_XB_NONE)
			xsp_debug(v->name, "%s: %s (state %d, frontend %d)",
				  xsp_xenbus_act_name(verdict.act), verdict.why, v->me, v->peer);
		if (verdict.act == XSP_XB_REMOVE) {
			xsp_vbd_discard(v);
			return;
		}
		if (!act(v, &verdict))
			return;
	}
}

void xsp_vbd_drain(struct xsp_vbd *v)
{
	if (v->connected && !v->busy)
		stop(v, XSP_XB_UNKNOWN);
}

/* --- the list ---------------------------------------------------------------------------------- */

struct xsp_vbd *xsp_vbd_find(struct xsp_daemon *d, uint32_t domid, uint32_t devid)
{
	struct xsp_vbd *v;

	TAILQ_FOREACH(v, &d->vbds, link)
		if (v->domid == domid && v->devid == devid)
			return v;
	return NULL;
}

struct xsp_vbd *xsp_vbd_new(struct xsp_daemon *d, uint32_t domid, uint32_t devid)
{
	struct xsp_vbd *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->d = d;
	v->domid = domid;
	v->devid = devid;
	v->dirty = true;
	snprintf(v->name, sizeof(v->name), "vbd/%u/%u", domid, devid);
	snprintf(v->be, sizeof(v->be), "%s/%u/%u", d->backend_path, domid, devid);
	v->snap.domid = domid;
	v->snap.devid = devid;
	pthread_mutex_lock(&d->lock);
	TAILQ_INSERT_TAIL(&d->vbds, v, link);
	pthread_mutex_unlock(&d->lock);
	return v;
}

void xsp_vbd_rewatch(struct xsp_vbd *v)
{
	char path[XSP_STORE_PATH];

	if (!v->fe[0])
		return;
	snprintf(path, sizeof(path), "%s/state", v->fe);
	v->fe_watched = xs_watch(v->d->store.xs, path, v->name);
}

void xsp_vbd_discard(struct xsp_vbd *v)
{
	char path[XSP_STORE_PATH];

	if (v->fe_watched && v->d->store.xs && !v->d->store.broken) {
		snprintf(path, sizeof(path), "%s/state", v->fe);
		xs_unwatch(v->d->store.xs, path, v->name);
	}
	pthread_mutex_lock(&v->d->lock);
	TAILQ_REMOVE(&v->d->vbds, v, link);
	pthread_mutex_unlock(&v->d->lock);
	xsp_target_close(v->target);
	free(v->spec);
	free(v);
}
