/* SPDX-License-Identifier: MIT */
/* io_uring on the event channel fd: one-shot polls work; a multishot fires once until drained. */
#include "tests/world/world.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>

static void notifier(struct world *w)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int a = xenevtchn_bind_interdomain(x, w->peer, (uint32_t)hear(w, "a"));
	int b = xenevtchn_bind_interdomain(x, w->peer, (uint32_t)hear(w, "b"));

	hear(w, "armed");
	xenevtchn_notify(x, (evtchn_port_t)a);
	hear(w, "woken");
	xenevtchn_notify(x, (evtchn_port_t)b);
	say(w, "second", 1);
	hear(w, "end");
	xenevtchn_close(x);
}

static bool completion(struct io_uring *r, int ms)
{
	struct __kernel_timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000ll};
	struct io_uring_cqe *c;
	bool ok;

	if (io_uring_wait_cqe_timeout(r, &c, &t))
		return false;
	ok = c->res > 0 && (c->res & POLLIN);
	io_uring_cqe_seen(r, c);
	return ok;
}

static void arm(struct io_uring *r, int fd, bool multishot)
{
	struct io_uring_sqe *s = io_uring_get_sqe(r);

	if (multishot)
		io_uring_prep_poll_multishot(s, fd, POLLIN);
	else
		io_uring_prep_poll_add(s, fd, POLLIN);
	io_uring_submit(r);
}

static void waiter(struct world *w, bool multishot)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int a = xenevtchn_bind_unbound_port(x, w->peer),
	    b = xenevtchn_bind_unbound_port(x, w->peer);
	int fd = xenevtchn_fd(x), got;
	struct io_uring r;
	bool ring = io_uring_queue_init(8, &r, 0) == 0;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (!claim(w, ring, "no io_uring here"))
		memset(&r, 0, sizeof(r));
	say(w, "a", a);
	say(w, "b", b);
	if (ring)
		arm(&r, fd, multishot);
	say(w, "armed", 1);
	if (ring)
		claim(w, completion(&r, 5000), "no completion for the first event");
	if (!multishot) {
		got = xenevtchn_pending(x);
		claim(w, got == a, "first is %d, not %d", got, a);
		if (ring)
			arm(&r, fd, false);
	}
	say(w, "woken", 1);
	hear(w, "second");
	if (ring && multishot)
		claim(w, !completion(&r, 150), "a multishot poll fired though nothing was drained");
	else if (ring)
		claim(w, completion(&r, 5000), "no completion for the second event");
	say(w, "end", 1);
	if (ring)
		io_uring_queue_exit(&r);
	xenevtchn_close(x);
}

static void oneshot_guest(struct world *w)
{
	waiter(w, false);
}

static void multishot_guest(struct world *w)
{
	waiter(w, true);
}

const struct world_case uring_cases[] = {
	{"uring-oneshot", notifier, oneshot_guest},
	{"uring-multishot", notifier, multishot_guest},
	{0},
};
