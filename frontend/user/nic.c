/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Opening and closing a NIC: platform handles, and the handshake as common/xenbus/fsm.h orders it. */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "frontend/user/nic.h"

#define DEFAULT_TIMEOUT_MS 10000
#define WAITING_MS         1000 /* no backend: how often to look for another */
#define MAX_STEPS          16   /* of a handshake in one go; the state machine needs four */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Keeps the first error and its sentence; returns it. */
int xsp_nic_fail(struct xsp_nic *nic, int error, const char *fmt, ...)
{
	va_list args;

	if (nic->error)
		return nic->error;
	nic->error = error;
	va_start(args, fmt);
	vsnprintf(nic->why, sizeof(nic->why), fmt, args);
	va_end(args);
	return error;
}

void xsp_nic_set_timer(struct xsp_nic *nic, unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	struct itimerspec its = { .it_interval = t, .it_value = t };

	timerfd_settime(nic->timer, 0, &its, NULL);
	nic->timer_ms = ms;
}

/* --- platform ---------------------------------------------------------------------------------- */

static bool listen_to(struct xsp_nic *nic, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return fd >= 0 && epoll_ctl(nic->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static int open_platform(struct xsp_nic *nic)
{
	int fd, error = xsp_store_open(&nic->store);

	if (error)
		return xsp_nic_fail(nic, -ENXIO, "can't reach the store: %s", strerror(-error));
	nic->evtchn = xenevtchn_open(NULL, 0);
	if (!nic->evtchn)
		return xsp_nic_fail(nic, -ENXIO, "can't open event channels (/dev/xen/evtchn): %m");
	nic->gntshr = xengntshr_open(NULL, 0);
	if (!nic->gntshr)
		return xsp_nic_fail(nic, -ENXIO, "can't grant pages (/dev/xen/gntalloc): %m");
	nic->epoll = epoll_create1(EPOLL_CLOEXEC);
	nic->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	fd = xenevtchn_fd(nic->evtchn);
	if (nic->epoll < 0 || nic->timer < 0 || fd < 0 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) || !listen_to(nic, fd) ||
	    !listen_to(nic, xs_fileno(nic->store.xs)) || !listen_to(nic, nic->timer))
		return xsp_nic_fail(nic, -ENXIO, "can't wait for events: %m");
	return 0;
}

static void free_nic(struct xsp_nic *nic)
{
	if (nic->gntshr && nic->evtchn)
		xsp_nic_drop_rings(nic);
	for (unsigned int i = 0; i < XSP_NET_MAX_QUEUES; i++)
		free(nic->queue[i]);
	xsp_store_close(&nic->store);
	if (nic->evtchn)
		xenevtchn_close(nic->evtchn);
	if (nic->gntshr)
		xengntshr_close(nic->gntshr);
	if (nic->epoll >= 0)
		close(nic->epoll);
	if (nic->timer >= 0)
		close(nic->timer);
	free(nic->front);
	free(nic->back);
	free(nic);
}

/* --- handshake --------------------------------------------------------------------------------- */

static bool go(struct xsp_nic *nic, enum xsp_xenbus_state next)
{
	int error = next == XSP_XB_UNKNOWN ? 0 : xsp_front_set_state(&nic->store, XBT_NULL, nic->front, next);

	if (error == -ENOENT || error == -EACCES || !error) {
		nic->me = next;
		return true;
	}
	return false; /* the store is away; the next watch or timer tries again */
}

/* No backend, or none that connects: another may come, as long as the store knows the device. */
static void wait_for_another(struct xsp_nic *nic, const char *why)
{
	if (!nic->connects) { /* not even once: for xsp_nic_open to say */
		xsp_nic_fail(nic, -ENODEV, "vif %u: %s", nic->devid, why);
		return;
	}
	if (!xsp_nic_present(nic)) {
		xsp_nic_fail(nic, -ENODEV, "vif %u: the device was taken away", nic->devid);
		return;
	}
	nic->waiting = true;
	if (!nic->timer_ms)
		xsp_nic_set_timer(nic, WAITING_MS);
}

/* Another backend, perhaps of another domain: all that the store says is read again. */
static bool found_again(struct xsp_nic *nic)
{
	if (!xsp_nic_present(nic)) {
		xsp_nic_fail(nic, -ENODEV, "vif %u: the device was taken away", nic->devid);
		return false;
	}
	xsp_nic_watch(nic, false);
	if (xsp_nic_find(nic))
		return false;
	return xsp_nic_watch(nic, true);
}

/* Does one verdict. False: nothing more to do now. */
static bool act(struct xsp_nic *nic, const struct xsp_xenbus_verdict *v)
{
	switch (v->act) {
	case XSP_XB_SET_STATE:
		return go(nic, v->next);
	case XSP_XB_PUBLISH:
		nic->connected = !xsp_nic_make_rings(nic) && !xsp_nic_publish(nic);
		if (nic->connected)
			nic->me = v->next;
		return nic->connected;
	case XSP_XB_CONNECT: /* our state is 4 already */
		nic->me = v->next;
		nic->waiting = false;
		nic->connects++;
		xsp_nic_read_link(nic);
		xsp_nic_ctrl_setup(nic);
		xsp_nic_post_all(nic);
		return true;
	case XSP_XB_DISCONNECT:
		xsp_nic_drop_rings(nic);
		return go(nic, v->next);
	case XSP_XB_ERROR:
		wait_for_another(nic, v->why);
		return false;
	default:
		return false;
	}
}

/* Everything the store's present contents ask for. */
void xsp_nic_advance(struct xsp_nic *nic)
{
	if (nic->waiting && !found_again(nic))
		return;
	for (int steps = 0; steps < MAX_STEPS; steps++) {
		struct xsp_xenbus_front_in in = {
			.me = nic->me,
			.want = nic->want && !nic->error,
			.connected = nic->connected,
		};
		struct xsp_xenbus_verdict v;

		if (!xsp_front_look(&nic->store, nic->back, &in.peer, &in.online, &in.peer_gone))
			return;
		v = xsp_xenbus_front(&in);
		if (!act(nic, &v))
			break;
	}
	if (xsp_nic_up(nic))
		xsp_nic_read_link(nic);
}

static bool handshake_done(const struct xsp_nic *nic)
{
	if (nic->want)
		return nic->error || xsp_nic_up(nic);
	return !nic->connected && (nic->me == XSP_XB_CLOSED || nic->me == XSP_XB_UNKNOWN ||
				   nic->me == XSP_XB_INITIALISING);
}

/*
 * Looks until no watch has fired meanwhile. What fired with the last step would else be the first
 * thing that xsp_nic_process finds: packets would wait for the store, however long that takes.
 */
static bool look_until_quiet(struct xsp_nic *nic)
{
	bool done;

	for (int i = 0; i < MAX_STEPS; i++) {
		xsp_nic_advance(nic);
		done = handshake_done(nic);
		if (!xsp_front_watch_fired(&nic->store) || (done && nic->error))
			break;
	}
	return done;
}

/* Waits for the backend, step by step, until the state wanted is there or time is up. */
static bool shake_hands(struct xsp_nic *nic)
{
	uint64_t by = now_ms() + nic->want_opts.timeout_ms;

	for (;;) {
		struct pollfd p = { .fd = xs_fileno(nic->store.xs), .events = POLLIN };
		uint64_t now;

		if (look_until_quiet(nic))
			return true;
		now = now_ms();
		if (now >= by)
			return false;
		/* not for ever: a store that was restarted fires no watch of ours */
		poll(&p, 1, by - now < 1000 ? (int)(by - now) : 1000);
		xsp_front_watch_fired(&nic->store);
	}
}

static int connect_nic(struct xsp_nic *nic)
{
	int error = xsp_nic_find(nic);

	if (!error)
		error = xsp_nic_owner(nic);
	if (error)
		return error;
	if (!xsp_nic_watch(nic, true))
		return xsp_nic_fail(nic, -ENXIO, "vif %u: can't watch the store: %m", nic->devid);
	nic->me = xsp_front_state(&nic->store, nic->front);
	nic->want = true;
	if (!shake_hands(nic))
		return xsp_nic_fail(nic, -ETIMEDOUT,
				    "vif %u: the backend in domain %u did not connect within %u ms "
				    "(backend %s, frontend %s); is its daemon running?",
				    nic->devid, nic->backend_domid, nic->want_opts.timeout_ms,
				    xsp_xenbus_state_name(xsp_front_state(&nic->store, nic->back)),
				    xsp_xenbus_state_name(nic->me));
	return nic->error;
}

int xsp_nic_open(const char *name, const struct xsp_nic_options *options, struct xsp_nic **ret,
		 char *why)
{
	struct xsp_nic *nic = calloc(1, sizeof(*nic));
	int error;

	if (!nic)
		return -ENOMEM;
	nic->epoll = nic->timer = -1;
	if (options)
		nic->want_opts = *options;
	if (!nic->want_opts.queues)
		nic->want_opts.queues = 1;
	if (!nic->want_opts.timeout_ms)
		nic->want_opts.timeout_ms = DEFAULT_TIMEOUT_MS;
	if (xsp_parse_u32(name, &nic->devid))
		error = xsp_nic_fail(nic, -EINVAL, "%.30s: not the number of a vif (0, 1, ...)", name);
	else if (nic->want_opts.queues > XSP_NET_MAX_QUEUES)
		error = xsp_nic_fail(nic, -EINVAL, "%u queues: 1..%u", nic->want_opts.queues,
				     XSP_NET_MAX_QUEUES);
	else
		error = open_platform(nic);
	if (!error)
		error = connect_nic(nic);
	if (!error) {
		*ret = nic;
		return 0;
	}
	if (why)
		memcpy(why, nic->why, sizeof(nic->why));
	if (nic->connected)
		xsp_nic_close(nic);
	else
		free_nic(nic);
	return error;
}

int xsp_nic_close(struct xsp_nic *nic)
{
	bool good;

	if (!nic)
		return 0;
	nic->want = false;
	nic->waiting = false;
	good = shake_hands(nic);
	if (!good) /* whoever opens it next finds it closed */
		xsp_front_set_state(&nic->store, XBT_NULL, nic->front, XSP_XB_CLOSED);
	xsp_front_disown(&nic->store, nic->front);
	free_nic(nic);
	return good ? 0 : -ETIMEDOUT;
}

/* --- what it is -------------------------------------------------------------------------------- */

void xsp_nic_get_info(const struct xsp_nic *nic, struct xsp_nic_info *ret)
{
	bool up = xsp_nic_up(nic);

	*ret = (struct xsp_nic_info){
		.devid = nic->devid,
		.backend_domid = nic->backend_domid,
		.connected = up,
		.carrier = up && nic->link,
		.mtu = nic->mtu,
		.queues = nic->n_queues,
		.tx_pages = up ? nic->queue[0]->tx_pages.n : 0,
		.rx_pages = up ? nic->queue[0]->rx_pages.n : 0,
		.static_pages = nic->static_pages,
		.split = nic->split,
		.sg = nic->offer.sg,
		.csum = nic->offer.csum4 && nic->offer.csum6,
		.gso4 = nic->offer.gso4,
		.gso6 = nic->offer.gso6,
		.ctrl = nic->have_ctrl,
		.hash = nic->have_hash,
		.multicast = nic->want_opts.multicast && nic->offer.multicast,
		.trusted = !nic->untrusted,
		.connects = nic->connects,
	};
	memcpy(ret->mac, nic->mac, sizeof(ret->mac));
	if (nic->want_opts.no_csum)
		ret->csum = false;
	if (nic->want_opts.no_gso || nic->want_opts.no_csum)
		ret->gso4 = ret->gso6 = false;
	if (!nic->offer.sg && ret->mtu > XSP_PAGE_SIZE - 18)
		ret->mtu = XSP_PAGE_SIZE - 18; /* all of a frame in one page */
}

void xsp_nic_get_stats(const struct xsp_nic *nic, unsigned int queue, struct xsp_nic_stats *ret)
{
	if (queue < XSP_NET_MAX_QUEUES && nic->queue[queue])
		*ret = nic->queue[queue]->stats;
	else
		memset(ret, 0, sizeof(*ret));
}

int xsp_nic_error(const struct xsp_nic *nic, const char **why)
{
	if (why)
		*why = nic->why;
	return nic->error;
}

int xsp_nic_fd(const struct xsp_nic *nic)
{
	return nic->epoll;
}
