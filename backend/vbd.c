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

/* --- stopping ---------------------------------------------------------------------------------- */

static void free_queues(struct xsp_vbd *v)
{
	pthread_mutex_lock(&v->d->lock);
	v->connected = false;
	v->snap.connected_ns = 0;
	v->snap.connected = false;
	v->snap.n_queues = 0;
	for (uint32_t i = 0; i < v->n_queues; i++)
		free(v->queue[i]);
	v->n_queues = 0;
	pthread_mutex_unlock(&v->d->lock);
}

static void stop(struct xsp_vbd *v, enum xsp_xenbus_state next)
{
	v->after_stop = next;
	for (uint32_t i = 0; i < v->n_queues; i++) {
		if (!v->queue[i]->running)
			continue;
		v->awaited++;
		xsp_queue_stop(v->queue[i]);
	}
}

/* "rsp_prod ring-ref event-channel" of each queue: what the next daemon compares before it adopts. */
static void record_drained(struct xsp_vbd *v)
{
	char path[XSP_STORE_PATH], record[XSP_MAX_QUEUES * 36] = "";
	size_t len = 0;

	if (v->me != XSP_XB_CONNECTED)
		return;
	for (uint32_t i = 0; i < v->n_queues; i++) {
		const struct xsp_queue *q = v->queue[i];

		if (q->sync_failed || q->broken)
			return;
		len += (size_t)snprintf(record + len, sizeof(record) - len, "%s%u %u %u",
					i ? ", " : "", q->rsp_prod, q->c.ring_ref[0], q->c.evtchn);
	}
	snprintf(path, sizeof(path), "%s/" XSP_KEY_DRAINED, v->be);
	if (!xsp_store_write(&v->d->store, XBT_NULL, path, "%s", record))
		xsp_info(v->name, "drained; left connected for the next daemon");
}

static void start_failed(struct xsp_vbd *v)
{
	char why[sizeof(v->start_why) + 64];
	bool adopting = v->queue[0]->c.adopt != XSP_ADOPT_NEW;

	free_queues(v);
	v->dirty = true;
	/* The port of a dead daemon is free only when its last file reference is gone. */
	if (adopting && v->start_err == -EINVAL && retry(v))
		return;
	snprintf(why, sizeof(why), "%s%s", adopting ? "not taken over: " : "", v->start_why);
	if (adopting) {
		v->left_alone = true;
		xsp_vbd_report(v, why);
	} else {
		fail(v, why);
	}
}

static void stopped(struct xsp_queue *q)
{
	struct xsp_vbd *v = q->owner;
	bool was_connected = v->connected;

	q->running = false;
	if (--v->awaited)
		return;
	if (!was_connected) { /* others of a start that failed */
		start_failed(v);
		return;
	}
	if (v->d->draining)
		record_drained(v);
	free_queues(v);
	if (v->d->draining)
		return;
	xsp_vbd_log(v, &v->life, XSP_LOG_INFO, "disconnected");
	if (v->after_stop != XSP_XB_UNKNOWN)
		xsp_vbd_set_state(v, v->after_stop);
	v->dirty = true;
}

static void broke(struct xsp_queue *q)
{
	struct xsp_vbd *v = q->owner;
	char why[sizeof(q->why) + 64];

	snprintf(why, sizeof(why), "the guest broke its ring: %s; its disk is closed", q->why);
	xsp_vbd_report(v, why);
	v->broken = true;
	if (v->connected && !xsp_vbd_busy(v))
		stop(v, XSP_XB_CLOSING);
}

/* --- starting ---------------------------------------------------------------------------------- */

static void show_connection(struct xsp_vbd *v)
{
	const struct xsp_queue *q = v->queue[0];

	pthread_mutex_lock(&v->d->lock);
	v->connected = true;
	v->snap.connected = true;
	v->snap.connected_ns = xsp_now_ns();
	v->snap.n_queues = v->n_queues;
	v->snap.worker = q->worker->index;
	v->snap.ring_order = q->c.order;
	memcpy(v->snap.ring_ref, q->c.ring_ref, sizeof(v->snap.ring_ref));
	v->snap.evtchn = q->c.evtchn;
	snprintf(v->snap.protocol, sizeof(v->snap.protocol), "%s",
		 q->c.abi == XSP_BLK_X86_32 ? "x86_32-abi" : "x86_64-abi");
	v->snap.adopted += q->c.adopt != XSP_ADOPT_NEW;
	pthread_mutex_unlock(&v->d->lock);
}

static void connected(struct xsp_vbd *v)
{
	const struct xsp_queue *q = v->queue[0];
	bool adopted = q->c.adopt != XSP_ADOPT_NEW;
	char path[XSP_STORE_PATH];

	v->give_up_ns = 0;
	show_connection(v);
	xsp_vbd_log(v, &v->life, XSP_LOG_INFO,
		    "%s: %s, %llu MiB%s, %u queue%s of %u slots, event channel %u",
		    adopted ? "taken over" : "connected", v->spec,
		    (unsigned long long)(v->target->size_bytes >> 20),
		    v->readonly ? ", read-only" : "", v->n_queues, v->n_queues > 1 ? "s" : "",
		    xsp_blk_ring_slots(q->c.order), q->c.evtchn);
	/* From here on a record of these or of earlier rings is wrong. */
	snprintf(path, sizeof(path), "%s/" XSP_KEY_DRAINED, v->be);
	xsp_store_rm(&v->d->store, XBT_NULL, path);
	if (!adopted)
		xsp_vbd_publish(v); /* fails when the directory is gone: the next step will see */
	if (v->snap.why[0] && !v->broken)
		xsp_vbd_report(v, "");
}

static void started(struct xsp_queue *q)
{
	struct xsp_vbd *v = q->owner;

	q->running = !q->err;
	if (q->err && !v->start_err) {
		v->start_err = q->err;
		snprintf(v->start_why, sizeof(v->start_why), "%s", q->why);
	}
	if (--v->awaited)
		return;
	v->dirty = true;
	if (v->start_err) {
		stop(v, XSP_XB_UNKNOWN);
		if (!v->awaited)
			start_failed(v);
		return;
	}
	connected(v);
	if (v->d->draining)
		xsp_vbd_drain(v);
	else if (v->broken)
		stop(v, XSP_XB_CLOSING);
}

static void choose_adoption(struct xsp_vbd *v, struct xsp_queue_config *c, uint32_t n)
{
	char *record = xsp_store_read(&v->d->store, XBT_NULL, "%s/" XSP_KEY_DRAINED, v->be);
	const char *at = record;
	uint32_t rsp_prod, ref, evtchn;

	for (uint32_t i = 0; i < n; i++) {
		c[i].adopt = XSP_ADOPT_IDLE;
		if (at && sscanf(at, "%u %u %u", &rsp_prod, &ref, &evtchn) == 3 &&
		    ref == c[i].ring_ref[0] && evtchn == c[i].evtchn) {
			c[i].adopt = XSP_ADOPT_DRAINED;
			c[i].adopt_rsp_prod = rsp_prod;
		}
		at = at ? strchr(at, ',') : NULL;
		at = at ? at + 1 : NULL;
	}
	free(record);
}

/* Counters are shown by the main thread as soon as they are there. */
static bool have_stats(struct xsp_vbd *v, uint32_t i)
{
	struct xsp_blk_stats *stats = v->stats[i] ? NULL : calloc(1, sizeof(*stats));

	if (stats) {
		pthread_mutex_lock(&v->d->lock);
		v->stats[i] = stats;
		pthread_mutex_unlock(&v->d->lock);
	}
	return v->stats[i] != NULL;
}

static int make_queues(struct xsp_vbd *v, const struct xsp_queue_config *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct xsp_queue *q = calloc(1, sizeof(*q));

		if (!q || !have_stats(v, i)) {
			free(q);
			free_queues(v);
			return -ENOMEM;
		}
		q->c = c[i];
		q->c.domid = v->domid;
		q->c.devid = v->devid;
		q->c.index = i;
		q->c.name = v->name;
		q->c.offer_discard = v->offer_discard;
		q->c.indirect = (uint16_t)v->d->config->max_indirect;
		q->c.target = v->target;
		q->c.stats = v->stats[i];
		q->owner = v;
		q->reply_to = &v->d->box;
		q->started = started;
		q->stopped = stopped;
		q->broke = broke;
		v->queue[i] = q;
		v->n_queues = i + 1;
	}
	return 0;
}

static void start(struct xsp_vbd *v, bool adopt)
{
	struct xsp_queue_config c[XSP_MAX_QUEUES] = { 0 };
	char why[XSP_INSPECT_TEXT] = "";
	struct xsp_daemon *d = v->d;
	uint32_t n;
	int err;

	err = xsp_vbd_read_rings(v, c, &n, why, sizeof(why));
	if (d->store.broken) {
		v->dirty = true;
		return;
	}
	if (!err && adopt)
		choose_adoption(v, c, n);
	if (!err)
		err = make_queues(v, c, n);
	if (err) {
		fail(v, *why ? why : "no memory");
		return;
	}
	v->start_err = 0;
	v->broken = false;
	v->awaited = n;
	for (uint32_t i = 0; i < n; i++)
		xsp_queue_start(v->queue[i], &d->workers[d->next_worker++ % d->n_workers]);
}

/* --- one step ---------------------------------------------------------------------------------- */

/* Open the target as soon as it may be wanted. Returns false while a former owner may let go. */
static bool have_target(struct xsp_vbd *v)
{
	bool wanted = v->me >= XSP_XB_INITIALISING && v->me != XSP_XB_CLOSING &&
		      v->me != XSP_XB_CLOSED && v->online && !v->peer_gone;

	/*
	 * State 1 is the toolstack's alone: this is a new device, even if its nodes came so soon after
	 * the old one's that we never saw them gone. It may have another disk behind it.
	 */
	if (v->me == XSP_XB_INITIALISING && !v->connected && v->target) {
		xsp_target_close(v->target);
		v->target = NULL;
	}
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
	if (v->n_queues) {
		if (!xsp_vbd_busy(v))
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

		if (xsp_vbd_busy(v) || v->d->draining)
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
	if (v->connected && !xsp_vbd_busy(v))
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
	for (unsigned int i = 0; i < XSP_MAX_QUEUES; i++)
		free(v->stats[i]);
	xsp_target_close(v->target);
	free(v->spec);
	free(v);
}
