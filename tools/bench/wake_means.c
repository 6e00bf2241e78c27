/* SPDX-License-Identifier: MIT */
/* Ways for one thread to wake another: eventfd, futex, io_uring, event channels. See wake.h. */
#include "tools/bench/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/bench/world.h"

void wake_init(struct wake *w)
{
	memset(w, 0, sizeof(*w));
	for (int i = 0; i < 2; i++)
		w->fd[i] = w->epoll[i] = -1;
}

void wake_close(struct wake *w)
{
	for (int i = 0; i < 2; i++) {
		if (w->ring_up[i])
			io_uring_queue_exit(&w->ring[i]);
		if (w->evtchn[i])
			xenevtchn_close(w->evtchn[i]);
		if (w->epoll[i] >= 0)
			close(w->epoll[i]);
		if (w->fd[i] >= 0)
			close(w->fd[i]);
	}
	wake_init(w);
}

/* --- eventfd ----------------------------------------------------------------------------------- */

static int eventfd_open(struct wake *w)
{
	for (int i = 0; i < 2; i++) {
		w->fd[i] = eventfd(0, EFD_CLOEXEC);
		if (w->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static void eventfd_tell(struct wake *w, int me)
{
	uint64_t one = 1;

	if (write(w->fd[!me], &one, sizeof(one)) < 0)
		return; /* it is full: the other half will surely wake */
}

static void eventfd_wait(struct wake *w, int me)
{
	uint64_t n;

	if (read(w->fd[me], &n, sizeof(n)) < 0)
		return;
}

static int epoll_open(struct wake *w)
{
	struct epoll_event e = { .events = EPOLLIN };
	int err = eventfd_open(w);

	for (int i = 0; i < 2 && !err; i++) {
		w->epoll[i] = epoll_create1(EPOLL_CLOEXEC);
		if (w->epoll[i] < 0 || epoll_ctl(w->epoll[i], EPOLL_CTL_ADD, w->fd[i], &e))
			err = -errno;
	}
	return err;
}

static void epoll_sleep(struct wake *w, int me)
{
	struct epoll_event e;

	if (epoll_wait(w->epoll[me], &e, 1, -1) == 1)
		eventfd_wait(w, me);
}

/* --- futex ------------------------------------------------------------------------------------- */

static int futex_open(struct wake *w)
{
	(void)w;
	return 0;
}

static void futex_tell(struct wake *w, int me)
{
	__atomic_store_n(&w->futex[!me], 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &w->futex[!me], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void futex_wait(struct wake *w, int me)
{
	while (!__atomic_exchange_n(&w->futex[me], 0, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &w->futex[me], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/* --- io_uring ---------------------------------------------------------------------------------- */

/* Waits in io_uring_enter for a descriptor, as our worker does. The ring belongs to the thread. */
static void uring_wait_for(struct wake *w, int me, int fd)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;

	if (!w->ring_up[me])
		w->ring_up[me] = !io_uring_queue_init(8, &w->ring[me],
						      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	sqe = w->ring_up[me] ? io_uring_get_sqe(&w->ring[me]) : NULL;
	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	io_uring_submit_and_wait(&w->ring[me], 1);
	if (!io_uring_peek_cqe(&w->ring[me], &cqe))
		io_uring_cqe_seen(&w->ring[me], cqe);
}

static int uring_open(struct wake *w)
{
	struct io_uring r;
	int err = io_uring_queue_init(8, &r, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (err)
		return err;
	io_uring_queue_exit(&r); /* can be had: each thread makes its own */
	return eventfd_open(w);
}

static void uring_wait(struct wake *w, int me)
{
	uring_wait_for(w, me, w->fd[me]);
	eventfd_wait(w, me);
}

#define MESSAGE 1u /* user_data of one that came from the other half */

static int msg_open(struct wake *w)
{
	for (int i = 0; i < 2; i++) {
		int err = io_uring_queue_init(64, &w->ring[i], 0);

		if (err)
			return err;
		w->ring_up[i] = true;
	}
	return 0;
}

static void msg_tell(struct wake *w, int me)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring[me]);
	struct io_uring_cqe *cqe;

	if (!sqe)
		return;
	io_uring_prep_msg_ring(sqe, w->ring[!me].ring_fd, 0, MESSAGE, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = 0;
	io_uring_submit(&w->ring[me]);
	while (!io_uring_peek_cqe(&w->ring[me], &cqe) && cqe->user_data != MESSAGE)
		io_uring_cqe_seen(&w->ring[me], cqe); /* its ring is full: it will surely wake */
}

static void msg_wait(struct wake *w, int me)
{
	struct io_uring_cqe *cqe;

	if (io_uring_wait_cqe(&w->ring[me], &cqe))
		return;
	do
		io_uring_cqe_seen(&w->ring[me], cqe);
	while (!io_uring_peek_cqe(&w->ring[me], &cqe));
}

/* --- event channels ---------------------------------------------------------------------------- */

static int evtchn_open(struct wake *w)
{
	int port;

	for (int i = 0; i < 2; i++) {
		world_as(i ? WORLD_DOM0 : WORLD_GUEST);
		w->evtchn[i] = xenevtchn_open(NULL, 0);
		if (!w->evtchn[i])
			return -errno;
	}
	port = xenevtchn_bind_unbound_port(w->evtchn[0], world_domid(WORLD_DOM0));
	if (port < 0)
		return -errno;
	w->port[0] = (evtchn_port_t)port;
	port = xenevtchn_bind_interdomain(w->evtchn[1], world_domid(WORLD_GUEST), w->port[0]);
	if (port < 0)
		return -errno;
	w->port[1] = (evtchn_port_t)port;
	return 0;
}

static void evtchn_tell(struct wake *w, int me)
{
	xenevtchn_notify(w->evtchn[me], w->port[me]);
}

static void evtchn_wait(struct wake *w, int me)
{
	int port = xenevtchn_pending(w->evtchn[me]);

	if (port > 0)
		xenevtchn_unmask(w->evtchn[me], (evtchn_port_t)port);
}

static int evtchn_uring_open(struct wake *w)
{
	int err = evtchn_open(w);

	for (int i = 0; i < 2 && !err; i++) {
		int fd = xenevtchn_fd(w->evtchn[i]);

		err = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : 0;
	}
	return err;
}

static void evtchn_uring_wait(struct wake *w, int me)
{
	uring_wait_for(w, me, xenevtchn_fd(w->evtchn[me]));
	evtchn_wait(w, me);
}

const struct means wake_means[] = {
	{ "eventfd", "eventfd, read", false, eventfd_open, eventfd_tell, eventfd_wait },
	{ "epoll", "eventfd, epoll and read", false, epoll_open, eventfd_tell, epoll_sleep },
	{ "futex", "futex", false, futex_open, futex_tell, futex_wait },
	{ "uring-poll", "eventfd, io_uring's poll and read", false, uring_open, eventfd_tell, uring_wait },
	{ "uring-msg", "message from io_uring to io_uring", false, msg_open, msg_tell, msg_wait },
	{ "evtchn", "event channel, read and unmask", true, evtchn_open, evtchn_tell, evtchn_wait },
	{ "evtchn-uring", "event channel, io_uring's poll, read and unmask: as xensplitd", true, evtchn_uring_open,
	  evtchn_tell, evtchn_uring_wait },
};

const int n_wake_means = sizeof(wake_means) / sizeof(wake_means[0]);
