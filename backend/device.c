/* SPDX-License-Identifier: MIT */
/* A device's life, on the store thread: see device.h. */
#include "backend/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/probe.h"

#define RETRY_NS    100000000ull  /* what a former daemon still holds: an image's lock, a port */
#define GIVE_UP_NS  5000000000ull /* below libxl's 10 s */
#define SLOW_NS     9000000000ull /* when people are told that an open takes its time: likewise */
#define MAX_STEPS   8             /* the state machine needs at most four */

static void show(struct xsp_device *dev)
{
	pthread_mutex_lock(&dev->d->lock);
	dev->snap.state = dev->me;
	dev->snap.peer_state = dev->peer;
	dev->snap.online = dev->online;
	dev->snap.connected = dev->connected;
	pthread_mutex_unlock(&dev->d->lock);
}

/* Try the last thing again soon; false when it has been tried long enough. */
static bool retry(struct xsp_device *dev)
{
	uint64_t now = xsp_now_ns();

	if (!dev->give_up_ns)
		dev->give_up_ns = now + GIVE_UP_NS;
	if (now >= dev->give_up_ns) {
		dev->give_up_ns = 0;
		return false;
	}
	dev->retry_at_ns = now + RETRY_NS;
	return true;
}

/* The device can't go on: say why and ask the frontend to close. */
static void fail(struct xsp_device *dev, const char *why)
{
	xsp_device_report(dev, why);
	xsp_device_set_state(dev, XSP_XB_CLOSING);
}

/* --- stopping ---------------------------------------------------------------------------------- */

static void free_queues(struct xsp_device *dev)
{
	if (dev->connected)
		XSP_PROBE_DISCONNECT(dev, dev->n_queues);
	pthread_mutex_lock(&dev->d->lock);
	dev->connected = false;
	dev->snap.connected_ns = 0;
	dev->snap.connected = false;
	dev->snap.n_queues = 0;
	for (uint32_t i = 0; i < dev->n_queues; i++)
		free(dev->queue[i]);
	dev->n_queues = 0;
	pthread_mutex_unlock(&dev->d->lock);
}

static void stop(struct xsp_device *dev, enum xsp_xenbus_state next)
{
	dev->after_stop = next;
	for (uint32_t i = 0; i < dev->n_queues; i++) {
		if (!dev->queue[i]->running)
			continue;
		dev->awaited++;
		xsp_queue_stop(dev->queue[i]);
	}
}

/* Where the rings were left, queue by queue: what the next daemon compares before it adopts. */
static void record_drained(struct xsp_device *dev)
{
	char path[XSP_STORE_PATH], record[XSP_MAX_QUEUES * (XSP_RECORD_LEN + 2)] = "";
	size_t len = 0;

	if (dev->me != XSP_XB_CONNECTED)
		return;
	if (dev->class->keep)
		dev->class->keep(dev);
	for (uint32_t i = 0; i < dev->n_queues; i++) {
		const struct xsp_queue *q = dev->queue[i];

		if (q->sync_failed || q->broken)
			return;
		len += (size_t)snprintf(record + len, sizeof(record) - len, "%s%s", i ? ", " : "",
					q->record);
	}
	snprintf(path, sizeof(path), "%s/" XSP_KEY_DRAINED, dev->be);
	if (!xsp_store_write(&dev->d->store, XBT_NULL, path, "%s", record))
		xsp_info(dev->name, "drained; left connected for the next daemon");
}

/* The same, read back. */
static void read_drained(struct xsp_device *dev)
{
	char *record = xsp_store_read(&dev->d->store, XBT_NULL, "%s/" XSP_KEY_DRAINED, dev->be);
	const char *at = record;

	dev->n_records = 0;
	while (at && *at && dev->n_records < XSP_MAX_QUEUES) {
		size_t len = strcspn(at, ",");

		snprintf(dev->record[dev->n_records++], XSP_RECORD_LEN, "%.*s", (int)len, at);
		at += len;
		at += strspn(at, ", ");
	}
	free(record);
}

static void keep_records(struct xsp_device *dev)
{
	dev->n_records = dev->n_queues;
	for (uint32_t i = 0; i < dev->n_queues; i++)
		memcpy(dev->record[i], dev->queue[i]->record, XSP_RECORD_LEN);
}

static void start_failed(struct xsp_device *dev)
{
	char why[sizeof(dev->start_why) + 64];
	bool adopting = dev->queue[0]->adopt != XSP_ADOPT_NEW;

	free_queues(dev);
	dev->resuming = false;
	dev->dirty = true;
	/* A dead daemon's port and journal are free only when their last file reference is gone. */
	if (adopting && (dev->start_err == -EINVAL || dev->start_err == -EAGAIN) && retry(dev))
		return;
	snprintf(why, sizeof(why), "%s%s", adopting ? "not taken over: " : "", dev->start_why);
	if (adopting) {
		dev->left_alone = true;
		xsp_device_report(dev, why);
	} else {
		fail(dev, why);
	}
}

static void start(struct xsp_device *dev, enum xsp_adopt adopt);

/* All queues stopped, and they are to start again: between is the time for changes. */
static void resume(struct xsp_device *dev)
{
	keep_records(dev);
	free_queues(dev);
	if (dev->pause_then)
		dev->pause_then(dev);
	dev->pause_then = NULL;
	start(dev, XSP_ADOPT);
}

static void stopped(struct xsp_queue *q)
{
	struct xsp_device *dev = q->owner;
	bool was_connected = dev->connected;

	q->running = false;
	if (--dev->awaited)
		return;
	if (!was_connected) { /* others of a start that failed */
		start_failed(dev);
		return;
	}
	dev->dirty = true;
	if (dev->resuming && !dev->d->draining && !dev->broken) {
		resume(dev);
		return;
	}
	if (dev->d->draining)
		record_drained(dev);
	free_queues(dev);
	if (dev->d->draining)
		return;
	if (dev->class->disconnected)
		dev->class->disconnected(dev);
	xsp_device_log(dev, &dev->life, XSP_LOG_INFO, "disconnected");
	if (dev->resuming && dev->broken)
		dev->after_stop = XSP_XB_CLOSING;
	dev->resuming = false;
	if (dev->after_stop != XSP_XB_UNKNOWN)
		xsp_device_set_state(dev, dev->after_stop);
}

static void broke(struct xsp_queue *q)
{
	struct xsp_device *dev = q->owner;
	char why[sizeof(q->why) + 64];

	snprintf(why, sizeof(why), "the guest broke its ring: %s; its %s is closed", q->why,
		 dev->class->noun);
	xsp_device_report(dev, why);
	dev->broken = true;
	if (dev->connected && !xsp_device_busy(dev))
		stop(dev, XSP_XB_CLOSING);
}

/* --- starting ---------------------------------------------------------------------------------- */

static void show_connection(struct xsp_device *dev, char *text, size_t len)
{
	pthread_mutex_lock(&dev->d->lock);
	dev->connected = true;
	dev->snap.connected = true;
	dev->snap.connected_ns = xsp_now_ns();
	dev->snap.n_queues = dev->n_queues;
	dev->snap.worker = dev->queue[0]->worker->index;
	dev->snap.adopted += dev->queue[0]->adopt != XSP_ADOPT_NEW && !dev->resuming;
	dev->class->connected(dev, text, len);
	pthread_mutex_unlock(&dev->d->lock);
}

static void connected(struct xsp_device *dev)
{
	bool adopted = dev->queue[0]->adopt != XSP_ADOPT_NEW, resumed = dev->resuming;
	char path[XSP_STORE_PATH], text[XSP_INSPECT_TEXT + 128] = "";

	dev->give_up_ns = 0;
	show_connection(dev, text, sizeof(text));
	XSP_PROBE_CONNECT(dev, dev->n_queues);
	xsp_device_log(dev, &dev->life, XSP_LOG_INFO, "%s: %s",
		       dev->resuming ? "goes on" : adopted ? "taken over" : "connected", text);
	/* From here on a record of these or of earlier rings is wrong. */
	snprintf(path, sizeof(path), "%s/" XSP_KEY_DRAINED, dev->be);
	xsp_store_rm(&dev->d->store, XBT_NULL, path);
	if (!adopted || dev->republish)
		xsp_device_publish(dev); /* fails when the directory is gone: the next step will see */
	dev->resuming = dev->republish = false;
	if (dev->snap.why[0] && !dev->broken && !resumed) /* a pause may have had its own reasons */
		xsp_device_report(dev, "");
}

static void started(struct xsp_queue *q)
{
	struct xsp_device *dev = q->owner;

	q->running = !q->err;
	if (q->err && !dev->start_err) {
		dev->start_err = q->err;
		snprintf(dev->start_why, sizeof(dev->start_why), "%s", q->why);
	}
	if (--dev->awaited)
		return;
	dev->dirty = true;
	if (dev->start_err) {
		stop(dev, XSP_XB_UNKNOWN);
		if (!dev->awaited)
			start_failed(dev);
		return;
	}
	connected(dev);
	if (dev->d->draining)
		xsp_device_drain(dev);
	else if (dev->broken)
		stop(dev, XSP_XB_CLOSING);
}

/* What all classes have of a queue that the class has made. */
static void fill_in(struct xsp_device *dev, uint32_t i, enum xsp_adopt adopt)
{
	struct xsp_queue *q = dev->queue[i];

	q->domid = dev->domid;
	q->devid = dev->devid;
	q->index = i;
	q->name = dev->name;
	q->adopt = adopt;
	if (adopt != XSP_ADOPT_NEW && i < dev->n_records)
		memcpy(q->record, dev->record[i], XSP_RECORD_LEN);
	q->owner = dev;
	q->reply_to = &dev->d->box;
	q->started = started;
	q->stopped = stopped;
	q->broke = broke;
}

/* Its worker was chosen by an operator, or when it started first, in turn. */
static struct xsp_worker *worker_of(struct xsp_device *dev, uint32_t i)
{
	struct xsp_daemon *d = dev->d;

	if (dev->worker[i] < 0)
		dev->worker[i] = (int)(d->next_worker++ % d->n_workers);
	return &d->workers[dev->worker[i]];
}

static void start(struct xsp_device *dev, enum xsp_adopt adopt)
{
	char why[XSP_INSPECT_TEXT] = "";
	int err = dev->class->make_queues(dev, why, sizeof(why));

	if (err) {
		free_queues(dev);
		if (dev->d->store.broken) {
			dev->dirty = true; /* a pause goes on as an adoption, when the store is back */
			return;
		}
		dev->resuming = false;
		fail(dev, *why ? why : "no memory");
		return;
	}
	if (adopt == XSP_ADOPT_NEW)
		dev->resuming = false;
	else if (!dev->resuming)
		read_drained(dev);
	dev->start_err = 0;
	dev->broken = false;
	dev->awaited = dev->n_queues;
	for (uint32_t i = 0; i < dev->n_queues; i++) {
		fill_in(dev, i, adopt);
		xsp_queue_start(dev->queue[i], worker_of(dev, i));
	}
}

int xsp_device_pause(struct xsp_device *dev, void (*then)(struct xsp_device *dev))
{
	if (xsp_device_busy(dev))
		return -EBUSY;
	if (!dev->connected || dev->broken)
		return -ENOTCONN;
	dev->resuming = true;
	dev->pause_then = then;
	stop(dev, XSP_XB_UNKNOWN);
	return 0;
}

/* --- one step ---------------------------------------------------------------------------------- */

static void close_backing(struct xsp_device *dev)
{
	dev->class->close(dev);
	dev->open = false;
}

static void open_backing(struct xsp_device *dev)
{
	dev->open_why[0] = '\0';
	dev->open_err = dev->class->open(dev);
	dev->open = !dev->open_err;
	if (dev->open_err != -EINPROGRESS)
		dev->opening_ns = 0;
	if (dev->open_err && dev->open_err != -EAGAIN && dev->open_err != -EINPROGRESS)
		xsp_device_report(dev, dev->open_why);
}

/* It is being opened: before the toolstack loses its patience, say what it waits for. */
static void still_opening(struct xsp_device *dev)
{
	uint64_t now = xsp_now_ns();

	if (!dev->opening_ns)
		dev->opening_ns = now;
	if (now < dev->opening_ns + SLOW_NS)
		dev->retry_at_ns = dev->opening_ns + SLOW_NS;
	else if (!dev->snap.why[0])
		xsp_device_report(dev, "what stands behind it is still being opened; waiting on");
}

/*
 * Open what stands behind it as soon as it may be wanted. False while that is under way or a former owner
 * may let go.
 */
static bool have_backing(struct xsp_device *dev)
{
	bool wanted = dev->me >= XSP_XB_INITIALISING && dev->me != XSP_XB_CLOSING &&
		      dev->me != XSP_XB_CLOSED && dev->online && !dev->peer_gone;

	/*
	 * State 1 is the toolstack's alone: this is a new device, even if its nodes came so soon after
	 * the old one's that we never saw them gone. It may have something else behind it.
	 */
	if (dev->me == XSP_XB_INITIALISING && !dev->connected && dev->open)
		close_backing(dev);
	if (!wanted || dev->open ||
	    (dev->open_err && dev->open_err != -EAGAIN && dev->open_err != -EINPROGRESS))
		return true;
	if (dev->open_err == -EAGAIN && xsp_now_ns() < dev->retry_at_ns)
		return false;
	open_backing(dev);
	if (dev->open_err == -EINPROGRESS) {
		still_opening(dev);
		return false;
	}
	if (dev->open_err == -EAGAIN) {
		if (retry(dev))
			return false;
		dev->open_err = -EBUSY;
		xsp_device_report(dev, dev->open_why);
	}
	return true;
}

/* A former daemon took with it what the guest needs: going on would be worse than standing still. */
static bool lost(struct xsp_device *dev)
{
	const char *why = dev->class->lost ? dev->class->lost(dev) : NULL;
	char text[XSP_INSPECT_TEXT];

	if (!why)
		return false;
	snprintf(text, sizeof(text), "not taken over: %s", why);
	dev->left_alone = true;
	xsp_device_report(dev, text);
	return true;
}

/* Returns true when the state machine is to be asked again at once. */
static bool act(struct xsp_device *dev, const struct xsp_xenbus_verdict *verdict)
{
	switch (verdict->act) {
	case XSP_XB_ADVERTISE:
		dev->left_alone = false;
		if (dev->open && dev->snap.why[0])
			xsp_device_report(dev, "");
		return !xsp_device_advertise(dev);
	case XSP_XB_CONNECT:
		start(dev, XSP_ADOPT_NEW);
		return false;
	case XSP_XB_ADOPT:
		if (!dev->left_alone && !lost(dev))
			start(dev, XSP_ADOPT);
		return false;
	case XSP_XB_DISCONNECT:
		stop(dev, verdict->next);
		return false;
	case XSP_XB_SET_STATE:
		return !xsp_device_set_state(dev, verdict->next);
	case XSP_XB_ERROR:
		fail(dev, verdict->why);
		return true;
	default:
		return false;
	}
}

static bool gone_for_good(struct xsp_device *dev)
{
	if (!dev->node_gone)
		return false;
	if (dev->n_queues) {
		if (!xsp_device_busy(dev))
			stop(dev, XSP_XB_UNKNOWN);
	} else {
		xsp_debug(dev->name, "its directory is gone");
		xsp_device_free(dev);
	}
	return true;
}

void xsp_device_step(struct xsp_device *dev)
{
	for (unsigned int i = 0; i < MAX_STEPS; i++) {
		struct xsp_xenbus_verdict verdict;

		if (xsp_device_busy(dev) || dev->d->draining)
			return; /* still dirty: the answer brings us back */
		dev->dirty = false;
		if (xsp_device_read(dev)) {
			dev->dirty = true;
			return;
		}
		if (gone_for_good(dev))
			return;
		if (!have_backing(dev))
			return;
		show(dev);
		if (dev->connected && dev->open && dev->me == XSP_XB_CONNECTED && dev->class->tend &&
		    dev->class->tend(dev))
			return;
		verdict = xsp_xenbus_back(&(struct xsp_xenbus_back_in){
			.me = dev->me,
			.peer = dev->peer,
			.online = dev->online,
			.target_ready = dev->open,
			.hotplug_ready = dev->hotplug_ready,
			.connected = dev->connected,
			.peer_gone = dev->peer_gone,
		});
		if (verdict.act != XSP_XB_NONE)
			xsp_debug(dev->name, "%s: %s (state %d, frontend %d)",
				  xsp_xenbus_act_name(verdict.act), verdict.why, dev->me, dev->peer);
		if (verdict.act == XSP_XB_REMOVE) {
			xsp_device_free(dev);
			return;
		}
		if (!act(dev, &verdict))
			return;
	}
}

void xsp_device_drain(struct xsp_device *dev)
{
	if (dev->connected && !xsp_device_busy(dev))
		stop(dev, XSP_XB_UNKNOWN);
}

/* --- the list ---------------------------------------------------------------------------------- */

struct xsp_device *xsp_device_find(struct xsp_daemon *d, const struct xsp_device_class *class,
				   uint32_t domid, uint32_t devid)
{
	struct xsp_device *dev;

	TAILQ_FOREACH(dev, &d->devices, link)
		if (dev->class == class && dev->domid == domid && dev->devid == devid)
			return dev;
	return NULL;
}

struct xsp_device *xsp_device_new(struct xsp_daemon *d, const struct xsp_device_class *class,
				  uint32_t domid, uint32_t devid)
{
	struct xsp_device *dev = calloc(1, class->size);

	if (!dev)
		return NULL;
	dev->class = class;
	dev->d = d;
	dev->domid = domid;
	dev->devid = devid;
	dev->dirty = true;
	for (uint32_t i = 0; i < XSP_MAX_QUEUES; i++)
		dev->worker[i] = -1;
	snprintf(dev->name, sizeof(dev->name), "%s/%u/%u", class->name, domid, devid);
	snprintf(dev->be, sizeof(dev->be), "%s/%s/%u/%u", d->backend_root, class->name, domid, devid);
	dev->snap.domid = domid;
	dev->snap.devid = devid;
	if (class->init)
		class->init(dev);
	pthread_mutex_lock(&d->lock);
	TAILQ_INSERT_TAIL(&d->devices, dev, link);
	pthread_mutex_unlock(&d->lock);
	return dev;
}

void xsp_device_rewatch(struct xsp_device *dev)
{
	char path[XSP_STORE_PATH];

	if (!dev->fe[0])
		return;
	snprintf(path, sizeof(path), "%s/state", dev->fe);
	dev->fe_watched = xs_watch(dev->d->store.xs, path, dev->name);
	if (dev->class->rewatch)
		dev->class->rewatch(dev);
}

void xsp_device_free(struct xsp_device *dev)
{
	char path[XSP_STORE_PATH];

	if (dev->fe_watched && dev->d->store.xs && !dev->d->store.broken) {
		snprintf(path, sizeof(path), "%s/state", dev->fe);
		xs_unwatch(dev->d->store.xs, path, dev->name);
	}
	pthread_mutex_lock(&dev->d->lock);
	TAILQ_REMOVE(&dev->d->devices, dev, link);
	pthread_mutex_unlock(&dev->d->lock);
	dev->class->close(dev);
	dev->class->fini(dev);
	free(dev);
}
