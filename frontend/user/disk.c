/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Opening and closing a disk: platform handles, and the handshake as common/xenbus/fsm.h orders it. */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/devname.h"
#include "frontend/user/disk.h"

#define DEFAULT_TIMEOUT_MS 10000
#define DRAIN_MS           5000 /* the backend closes: how long what is under way may take */
#define MAX_STEPS          16   /* of a handshake in one go; the state machine needs four */

uint64_t xsp_disk_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Keeps the first error and its sentence; returns it. */
int xsp_disk_fail(struct xsp_disk *d, int error, const char *fmt, ...)
{
	va_list args;

	if (d->error)
		return d->error;
	d->error = error;
	va_start(args, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, args);
	va_end(args);
	return error;
}

void xsp_disk_set_timer(struct xsp_disk *d, unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	struct itimerspec its = { .it_interval = t, .it_value = t };

	timerfd_settime(d->timer, 0, &its, NULL);
	d->timer_on = ms != 0;
}

/* --- platform ---------------------------------------------------------------------------------- */

static bool listen_to(struct xsp_disk *d, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return fd >= 0 && epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static int open_platform(struct xsp_disk *d)
{
	int fd, error = xsp_store_open(&d->store);

	if (error)
		return xsp_disk_fail(d, -ENXIO, "can't reach the store: %s", strerror(-error));
	d->evtchn = xenevtchn_open(NULL, 0);
	if (!d->evtchn)
		return xsp_disk_fail(d, -ENXIO, "can't open event channels (/dev/xen/evtchn): %m");
	d->gntshr = xengntshr_open(NULL, 0);
	if (!d->gntshr)
		return xsp_disk_fail(d, -ENXIO, "can't grant pages (/dev/xen/gntalloc): %m");
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	fd = xenevtchn_fd(d->evtchn);
	if (d->epoll < 0 || d->timer < 0 || fd < 0 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) || !listen_to(d, fd) ||
	    !listen_to(d, xs_fileno(d->store.xs)) || !listen_to(d, d->timer))
		return xsp_disk_fail(d, -ENXIO, "can't wait for events: %m");
	return 0;
}

static void drop_rings(struct xsp_disk *d)
{
	for_each_queue(u, d) {
		if (u->have_port)
			xenevtchn_unbind(d->evtchn, u->port);
		u->have_port = u->event = u->masked = false;
		if (u->ring)
			xengntshr_unshare(d->gntshr, u->ring, 1u << d->order);
		u->ring = NULL;
	}
	d->connected = false;
}

static void free_disk(struct xsp_disk *d)
{
	drop_rings(d);
	for_each_queue(u, d)
		xsp_blkfront_fini(&u->q);
	xsp_pool_close(d);
	free(d->ios);
	xsp_store_close(&d->store);
	if (d->evtchn)
		xenevtchn_close(d->evtchn);
	if (d->gntshr)
		xengntshr_close(d->gntshr);
	if (d->epoll >= 0)
		close(d->epoll);
	if (d->timer >= 0)
		close(d->timer);
	free(d->front);
	free(d->back);
	free(d);
}

/* --- handshake --------------------------------------------------------------------------------- */

/* A ring of pages of ours; the first time a queue for it, later the same queue on the new ring. */
static int make_ring(struct xsp_disk *d, struct xsp_disk_queue *u)
{
	int port, error;

	u->ring = xengntshr_share_pages(d->gntshr, d->backend_domid, 1 << d->order, u->ring_gref, 1);
	if (!u->ring)
		return xsp_disk_fail(d, -ENOSPC, "vbd %u: can't grant the ring: %m", d->devid);
	memset(u->ring, 0, (size_t)XSP_PAGE_SIZE << d->order);
	if (u->q.slots)
		error = xsp_blkfront_restart(&u->q, u->ring, d->order);
	else
		error = xsp_blkfront_init(&u->q, u->ring, d->order, (uint16_t)d->devid);
	if (error)
		return xsp_disk_fail(d, error, "vbd %u: can't use a ring of order %u", d->devid, d->order);
	port = xenevtchn_bind_unbound_port(d->evtchn, d->backend_domid);
	if (port < 0)
		return xsp_disk_fail(d, -ENXIO, "vbd %u: can't make an event channel: %m", d->devid);
	u->port = (evtchn_port_t)port;
	u->have_port = true;
	return 0;
}

/* All rings. Their number and order are settled the first time: what is under way sits in them. */
static int make_rings(struct xsp_disk *d)
{
	bool first = !d->n_queues;
	int error = xsp_keys_offer(d);

	if (error)
		return error;
	if (first) {
		d->order = d->want_order < d->offer.max_order ? d->want_order : d->offer.max_order;
		d->n_queues = d->want_queues < d->offer.max_queues ? d->want_queues : d->offer.max_queues;
	} else if (d->order > d->offer.max_order || d->n_queues > d->offer.max_queues) {
		return xsp_disk_fail(d, -EPROTO,
				     "vbd %u: the backend started over and takes no %u queues of order %u "
				     "any more",
				     d->devid, d->n_queues, d->order);
	}
	for_each_queue(u, d) {
		error = make_ring(d, u);
		if (error)
			return error;
	}
	return first ? xsp_io_open(d) : 0;
}

static bool go(struct xsp_disk *d, enum xsp_xenbus_state next)
{
	int error = next == XSP_XB_UNKNOWN ? 0 : xsp_front_set_state(&d->store, XBT_NULL, d->front, next);

	if (error == -ENOENT || error == -EACCES || !error) {
		d->me = next;
		return true;
	}
	return false; /* the store is away; the next watch or timer tries again */
}

/* The backend closes: what it has already taken it may still answer. */
static bool wait_for_the_rest(struct xsp_disk *d, enum xsp_xenbus_state peer, const char *why)
{
	if (peer != XSP_XB_CLOSING || !xsp_disk_in_flight(d) || d->lost)
		return false;
	if (!d->closing) {
		d->closing = true;
		if (d->want)
			xsp_disk_fail(d, -ENODEV, "vbd %u: %s", d->devid, why);
		d->closing_by_ms = xsp_disk_now_ms() + DRAIN_MS;
		xsp_disk_set_timer(d, 100);
	}
	return xsp_disk_now_ms() < d->closing_by_ms;
}

/* Does one verdict. False: nothing more to do now. */
static bool act(struct xsp_disk *d, const struct xsp_xenbus_verdict *v, enum xsp_xenbus_state peer)
{
	switch (v->act) {
	case XSP_XB_SET_STATE:
		return go(d, v->next);
	case XSP_XB_PUBLISH:
		d->connected = !make_rings(d) && !xsp_keys_publish(d);
		if (d->connected)
			d->me = v->next;
		return d->connected;
	case XSP_XB_CONNECT:
		if (xsp_keys_disk(d) || !go(d, v->next))
			return false;
		xsp_disk_push(d); /* what a restarted queue asks again */
		return true;
	case XSP_XB_DISCONNECT:
		if (wait_for_the_rest(d, peer, v->why))
			return false;
		drop_rings(d);
		d->closing = false;
		if (v->next != XSP_XB_INITIALISING) {
			d->lost = true;
			if (d->want)
				xsp_disk_fail(d, -ENODEV, "vbd %u: %s", d->devid, v->why);
		}
		return go(d, v->next);
	case XSP_XB_ERROR: /* no rings are out: what was asked on earlier ones is nobody's any more */
		d->lost = true;
		xsp_disk_fail(d, -ENODEV, "vbd %u: %s", d->devid, v->why);
		return false;
	default:
		return false;
	}
}

/* Everything the store's present contents ask for. */
void xsp_disk_advance(struct xsp_disk *d)
{
	for (int steps = 0; steps < MAX_STEPS; steps++) {
		struct xsp_xenbus_front_in in = {
			.me = d->me,
			/* closing: what is under way is still wanted */
			.want = d->want && (!d->error || d->closing),
			.connected = d->connected,
		};
		struct xsp_xenbus_verdict v;

		if (!xsp_front_look(&d->store, d->back, &in.peer, &in.online, &in.peer_gone))
			return;
		v = xsp_xenbus_front(&in);
		if (!act(d, &v, in.peer))
			return;
	}
}

static bool handshake_done(const struct xsp_disk *d)
{
	if (d->want)
		return d->error || (d->me == XSP_XB_CONNECTED && d->connected);
	return !d->connected && (d->me == XSP_XB_CLOSED || d->me == XSP_XB_UNKNOWN ||
				 d->me == XSP_XB_INITIALISING);
}

/* Waits for the backend, step by step, until the state wanted is there or time is up. */
static bool shake_hands(struct xsp_disk *d)
{
	uint64_t by = xsp_disk_now_ms() + d->timeout_ms;

	for (;;) {
		struct pollfd p = { .fd = xs_fileno(d->store.xs), .events = POLLIN };
		uint64_t now;

		xsp_disk_advance(d);
		if (handshake_done(d))
			return true;
		now = xsp_disk_now_ms();
		if (now >= by)
			return false;
		/* not for ever: a store that was restarted fires no watch of ours */
		poll(&p, 1, by - now < 1000 ? (int)(by - now) : 1000);
		xsp_front_watch_fired(&d->store);
	}
}

static int connect_disk(struct xsp_disk *d)
{
	char path[512];
	int error = xsp_keys_find(d);

	if (!error)
		error = xsp_keys_owner(d);
	if (error)
		return error;
	snprintf(path, sizeof(path), "%s/state", d->back);
	if (!xs_watch(d->store.xs, path, "backend"))
		return xsp_disk_fail(d, -ENXIO, "vbd %u: can't watch the store: %m", d->devid);
	d->me = xsp_front_state(&d->store, d->front);
	d->want = true;
	if (!shake_hands(d))
		return xsp_disk_fail(d, -ETIMEDOUT,
				     "vbd %u: the backend in domain %u did not connect within %u ms "
				     "(backend %s, frontend %s); is its daemon running?",
				     d->devid, d->backend_domid, d->timeout_ms,
				     xsp_xenbus_state_name(xsp_front_state(&d->store, d->back)),
				     xsp_xenbus_state_name(d->me));
	return d->error;
}

int64_t xsp_disk_devid(const char *name)
{
	uint32_t devid;

	return xsp_vdev_parse(name, &devid) ? -EINVAL : (int64_t)devid;
}

int xsp_disk_open(const char *name, const struct xsp_disk_options *options, struct xsp_disk **ret,
		  char *why)
{
	static const struct xsp_disk_options defaults;
	const struct xsp_disk_options *o = options ? options : &defaults;
	int64_t devid;
	struct xsp_disk *d = calloc(1, sizeof(*d));
	int error;

	if (!d)
		return -ENOMEM;
	d->epoll = d->timer = -1;
	devid = xsp_disk_devid(name);
	if (devid < 0)
		error = xsp_disk_fail(d, -EINVAL, "%s: not a device name (xvda, xvdb1, 51712)", name);
	else if (o->ring_order > XSP_RING_MAX_ORDER)
		error = xsp_disk_fail(d, -EINVAL, "ring order %u: 0..4", o->ring_order);
	else if (o->queues > XSP_BLK_MAX_QUEUES)
		error = xsp_disk_fail(d, -EINVAL, "%u queues: 1..%u", o->queues, XSP_BLK_MAX_QUEUES);
	else if (o->dialect && xsp_blk_dialect_parse(o->dialect, &d->dialect))
		error = xsp_disk_fail(d, -EINVAL, "%.20s: not a dialect (xen, freebsd, qemu, windows, mini-os)",
				      o->dialect);
	else
		error = open_platform(d);
	if (!error) {
		d->have_dialect = o->dialect != NULL;
		d->devid = (uint32_t)devid;
		d->want_order = o->ring_order;
		d->want_queues = o->queues ? o->queues : 1;
		d->no_indirect = o->no_indirect;
		d->no_persistent = o->no_persistent;
		d->untrusted = o->untrusted;
		d->timeout_ms = o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
		error = connect_disk(d);
	}
	if (!error)
		error = xsp_pool_open(d, o->pool_pages >= XSP_BLK_SEGS ? o->pool_pages :
									 d->n_ios * XSP_BLK_SEGS);
	if (!error) {
		*ret = d;
		return 0;
	}
	if (why)
		memcpy(why, d->why, sizeof(d->why));
	if (d->connected || d->me == XSP_XB_INITIALISED)
		xsp_disk_close(d);
	else
		free_disk(d);
	return error;
}

int xsp_disk_close(struct xsp_disk *d)
{
	struct xsp_disk_done done[32];
	uint64_t by;
	bool good;

	if (!d)
		return 0;
	by = xsp_disk_now_ms() + d->timeout_ms;
	while (xsp_disk_in_flight(d) && (!d->error || d->closing) && xsp_disk_now_ms() < by)
		if (!xsp_disk_process(d, done, 32))
			xsp_disk_wait(d, 1000);
	d->want = false;
	d->lost = true;
	good = shake_hands(d);
	if (!good) /* whoever opens it next finds it closed */
		xsp_front_set_state(&d->store, XBT_NULL, d->front, XSP_XB_CLOSED);
	xsp_front_disown(&d->store, d->front);
	free_disk(d);
	return good ? 0 : -ETIMEDOUT;
}

void xsp_disk_get_info(const struct xsp_disk *d, struct xsp_disk_info *ret)
{
	*ret = (struct xsp_disk_info){
		.size_bytes = d->disk.sectors * XSP_SECTOR_SIZE,
		.sector_bytes = d->disk.sector_size,
		.physical_bytes = d->disk.physical_sector_size,
		.max_bytes = d->untrusted ? xsp_io_piece_bytes(d) : xsp_io_max_segs(d) * XSP_PAGE_SIZE,
		.piece_bytes = xsp_io_piece_bytes(d),
		.discard_bytes = d->disk.discard ? d->disk.discard_granularity : 0,
		.slots = d->n_ios,
		.queues = d->n_queues,
		.pool_pages = d->pool.pages,
		.devid = d->devid,
		.backend_domid = d->backend_domid,
		.read_only = d->disk.readonly,
		.can_flush = d->disk.flush,
		.can_barrier = d->disk.barrier && d->n_queues == 1,
		.can_discard = d->disk.discard && !d->disk.readonly,
		.backend_persistent = d->disk.persistent,
		.cdrom = d->disk.cdrom,
		.removable = d->disk.removable,
		.trusted = !d->untrusted,
		.resized = d->resized,
		.dialect = xsp_blk_dialect_name(d->dialect),
	};
}

int xsp_disk_error(const struct xsp_disk *d, const char **why)
{
	if (why)
		*why = d->why;
	return d->error;
}
