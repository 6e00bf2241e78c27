/* SPDX-License-Identifier: MIT */
/* The worker's loop, its buffers and its event channel: see worker.h. */
#include "backend/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include "backend/net/scratch.h"
#include "backend/port/writes.h"
#include "backend/queue.h"
#include "backend/target/target.h"
#include "common/log.h"

#define SQ_ENTRIES 256u
#define CQ_ENTRIES 4096u     /* at least */
#define PORTS_A_TURN 256u    /* events taken in one turn: a storm can't keep us from the work */
#define MAX_PORT     (1u << 17)

uint64_t xsp_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *w, struct xsp_cb *cb)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->uring);

	while (!sqe) {
		xsp_count(&w->enters, 1);
		io_uring_submit(&w->uring);
		sqe = io_uring_get_sqe(&w->uring);
	}
	io_uring_sqe_set_data(sqe, cb);
	return sqe;
}

/* --- buffers ----------------------------------------------------------------------------------- */

struct xsp_io *xsp_worker_io(struct xsp_worker *w, uint32_t number)
{
	return &w->ios[number];
}

uint32_t xsp_worker_io_number(const struct xsp_worker *w, const struct xsp_io *io)
{
	return (uint32_t)(io - w->ios);
}

struct xsp_io *xsp_worker_get_io(struct xsp_worker *w)
{
	struct xsp_io *io = w->free_io;

	if (!io)
		return NULL;
	w->free_io = io->next;
	io->bounce = w->bounce + (size_t)xsp_worker_io_number(w, io) * XSP_BOUNCE_BYTES;
	io->iovs = io->own_iovs;
	io->extents = io->own_extents;
	io->pages = io->own_pages;
	io->area = NULL;
	return io;
}

bool xsp_worker_get_area(struct xsp_worker *w, struct xsp_io *io)
{
	struct xsp_area *area = w->free_area;

	if (!area)
		return false;
	w->free_area = area->next;
	io->area = area;
	io->bounce = w->area_bounce + (size_t)(area - w->areas) * XSP_AREA_BYTES;
	io->iovs = area->iov;
	io->extents = area->extent;
	io->pages = area->page;
	return true;
}

void xsp_worker_put_io(struct xsp_worker *w, struct xsp_io *io)
{
	/* Last in, first out: the buffers in use stay few, warm in the cache and small in RSS. */
	if (io->area) {
		io->area->next = w->free_area;
		w->free_area = io->area;
	}
	io->next = w->free_io;
	w->free_io = io;
	xsp_queue_feed(w);
}

static uint8_t *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Half of the memory for direct requests, half for indirect ones. */
static int make_buffers(struct xsp_worker *w, size_t bytes)
{
	w->n_common_ios = (unsigned int)(bytes / 2 / XSP_BOUNCE_BYTES);
	if (w->n_common_ios < XSP_VISIT_REQS)
		w->n_common_ios = XSP_VISIT_REQS;
	w->n_common_areas = (unsigned int)(bytes / 2 / XSP_AREA_BYTES);
	if (!w->n_common_areas)
		w->n_common_areas = 1;
	w->claims_left = XSP_CLAIMS;
	w->n_ios = w->n_common_ios + XSP_CLAIMS * XSP_CLAIM_IOS;
	w->n_areas = w->n_common_areas + XSP_CLAIMS;
	w->ios = calloc(w->n_ios, sizeof(*w->ios));
	w->areas = calloc(w->n_areas, sizeof(*w->areas));
	w->bounce = reserve((size_t)w->n_ios * XSP_BOUNCE_BYTES);
	w->area_bounce = reserve((size_t)w->n_areas * XSP_AREA_BYTES);
	if (!w->ios || !w->areas || !w->bounce || !w->area_bounce)
		return -ENOMEM;
	for (unsigned int i = w->n_ios; i--;) {
		w->ios[i].worker = w;
		w->ios[i].next = w->free_io;
		w->free_io = &w->ios[i];
	}
	for (unsigned int i = w->n_areas; i--;) {
		w->areas[i].next = w->free_area;
		w->free_area = &w->areas[i];
	}
	return 0;
}

static unsigned int at_most(unsigned int n, unsigned int limit)
{
	return n < limit ? n : limit;
}

static void register_buffers(struct xsp_worker *w)
{
	unsigned int areas = at_most(w->n_areas, XSP_FIXED_AREAS);
	struct iovec iov[1 + XSP_FIXED_AREAS];
	int err;

	iov[0].iov_base = w->bounce;
	iov[0].iov_len = (size_t)at_most(w->n_ios, XSP_FIXED_IOS) * XSP_BOUNCE_BYTES;
	for (unsigned int i = 0; i < areas; i++)
		iov[1 + i] = (struct iovec){ w->area_bounce + (size_t)i * XSP_AREA_BYTES,
					     XSP_FIXED_AREA_BYTES };
	err = io_uring_register_buffers(&w->uring, iov, 1 + areas);
	w->fixed = err ? XSP_FIXED_FAILED : XSP_FIXED;
	if (err)
		xsp_info(NULL, "worker %u: its buffers can't be registered: %s; direct I/O goes without",
			 w->index, strerror(-err));
}

int xsp_worker_fixed(struct xsp_worker *w, const struct xsp_io *io)
{
	size_t area;

	if (io < w->ios || io >= w->ios + w->n_ios)
		return -1; /* a wrapper's own: its data is elsewhere */
	if (w->fixed == XSP_FIXED_UNTRIED)
		register_buffers(w);
	if (w->fixed == XSP_FIXED_FAILED)
		return -1;
	if (!io->area)
		return io->len <= XSP_BOUNCE_BYTES && xsp_worker_io_number(w, io) < XSP_FIXED_IOS ? 0 : -1;
	area = (size_t)(io->area - w->areas);
	return io->len <= XSP_FIXED_AREA_BYTES && area < XSP_FIXED_AREAS ? 1 + (int)area : -1;
}

/* --- events ------------------------------------------------------------------------------------ */

int xsp_worker_set_port(struct xsp_worker *w, uint32_t local, struct xsp_port *p)
{
	if (local >= MAX_PORT)
		return -ERANGE;
	if (local >= w->n_ports) {
		uint32_t n = w->n_ports ? w->n_ports : 64;
		struct xsp_port **more;

		while (n <= local)
			n *= 2;
		more = realloc(w->by_port, n * sizeof(*more));
		if (!more)
			return -ENOMEM;
		memset(more + w->n_ports, 0, (n - w->n_ports) * sizeof(*more));
		w->by_port = more;
		w->n_ports = n;
	}
	w->by_port[local] = p;
	return 0;
}

/*
 * One-shot: a multishot poll on the event channel device does not fire again until its queue of
 * ports was drained, and a bounded turn may leave some of them there.
 */
static void poll_evtchn(struct xsp_worker *w)
{
	io_uring_prep_poll_add(xsp_worker_sqe(w, &w->evtchn_cb), xenevtchn_fd(w->xce), POLLIN);
}

/* A port without a queue was unbound a moment ago: its event means nothing now. */
static void fired(struct xsp_worker *w, uint32_t port)
{
	if (port < w->n_ports && w->by_port[port])
		xsp_queue_event(w->by_port[port]);
}

/*
 * The kernel's device gives all ports that wait with one read; the library asks for one at a time,
 * and once in vain to hear that there are no more.
 */
static void read_ports(struct xsp_worker *w)
{
	evtchn_port_t port[PORTS_A_TURN];
	ssize_t n = read(xenevtchn_fd(w->xce), port, sizeof(port));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(port[0]); i++)
		fired(w, port[i]);
}

static void evtchn_ready(struct xsp_cb *cb, int res)
{
	struct xsp_worker *w =
		(struct xsp_worker *)((char *)cb - offsetof(struct xsp_worker, evtchn_cb));

	(void)res;
	if (w->xce_is_device)
		read_ports(w);
	for (unsigned int i = 0; i < PORTS_A_TURN && !w->xce_is_device; i++) {
		xenevtchn_port_or_error_t port = xenevtchn_pending(w->xce);

		if (port < 0) /* the fd does not block: EAGAIN, all ports are read */
			break;
		fired(w, (uint32_t)port);
	}
	w->poll_owed = 1;
}

/*
 * Listening again costs no call of its own: it goes with the next one. A queue whose requests were
 * answered on the spot has none to make before the worker sleeps, so the poll is put off for one
 * turn; no longer, for the ports of idle queues must be heard while others keep the worker awake.
 */
static void listen_again(struct xsp_worker *w, bool waits)
{
	if (!w->poll_owed)
		return;
	if (waits || io_uring_sq_ready(&w->uring) || w->poll_owed++ > 1) {
		w->poll_owed = 0;
		poll_evtchn(w);
	}
}

static void poll_box(struct xsp_worker *w)
{
	io_uring_prep_poll_add(xsp_worker_sqe(w, &w->box_cb), w->box.fd, POLLIN);
}

static void box_ready(struct xsp_cb *cb, int res)
{
	struct xsp_worker *w =
		(struct xsp_worker *)((char *)cb - offsetof(struct xsp_worker, box_cb));

	(void)res;
	xsp_mailbox_run(&w->box, w);
	poll_box(w);
}

/* --- times ------------------------------------------------------------------------------------- */

void xsp_worker_wake_at(struct xsp_worker *w, uint64_t ns)
{
	if (!w->wake_ns || ns < w->wake_ns)
		w->wake_ns = ns;
}

/* In the order in which they began to wait: who came first takes first of what they share. */
static void wake_waiting(struct xsp_worker *w)
{
	struct xsp_queue *q, *next;

	w->wake_ns = 0;
	xsp_queue_feed(w);
	for (q = TAILQ_FIRST(&w->waiting); q; q = next) {
		next = TAILQ_NEXT(q, waiting_link);
		if (q->wake_ns > w->now_ns) {
			xsp_worker_wake_at(w, q->wake_ns);
			continue;
		}
		TAILQ_REMOVE(&w->waiting, q, waiting_link);
		q->is_waiting = false;
		xsp_queue_set_ready(q);
	}
}

/* --- the loop ---------------------------------------------------------------------------------- */

static void visit_ready(struct xsp_worker *w)
{
	struct xsp_queue *q, *last = TAILQ_LAST(&w->ready, xsp_queue_list);

	while ((q = TAILQ_FIRST(&w->ready))) {
		uint64_t visits = q->stats->visits;

		TAILQ_REMOVE(&w->ready, q, ready_link);
		q->is_ready = false;
		q->ops->visit(q); /* may go back to the tail: the next turn's */
		w->poller.worked |= q->stats->visits != visits;
		if (q == last)
			break;
	}
}

static void finish_done(struct xsp_worker *w)
{
	struct xsp_queue *q;

	if (TAILQ_EMPTY(&w->finishing))
		return;
	w->now_ns = xsp_now_ns();
	w->poller.worked = true;
	while ((q = TAILQ_FIRST(&w->finishing))) {
		TAILQ_REMOVE(&w->finishing, q, finishing_link);
		q->is_finishing = false;
		q->ops->finish(q);
	}
}

static void arm_idle(struct xsp_worker *w)
{
	struct xsp_queue *q;

	while ((q = TAILQ_FIRST(&w->arming))) {
		TAILQ_REMOVE(&w->arming, q, arming_link);
		q->is_arming = false;
		xsp_queue_arm(q);
	}
}

/* The rings of those queues once more, without asking for events. */
static void look_at_idle(struct xsp_worker *w)
{
	struct xsp_queue *q, *next;

	for (q = TAILQ_FIRST(&w->arming); q; q = next) {
		next = TAILQ_NEXT(q, arming_link);
		if (!xsp_queue_look(q))
			continue;
		TAILQ_REMOVE(&w->arming, q, arming_link);
		q->is_arming = false;
	}
}

/* Nothing found: a hint to the processor, for the sake of its other thread, or of whoever emulates it. */
static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static void arm_or_look(struct xsp_worker *w)
{
	/* The clock is read only where it matters. */
	if (w->poller.set.mode == XSP_POLL_EVENT || !xsp_poller_spins(&w->poller, xsp_now_ns())) {
		arm_idle(w);
		return;
	}
	look_at_idle(w);
	if (TAILQ_EMPTY(&w->ready))
		relax();
}

static void complete(struct xsp_worker *w)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	io_uring_for_each_cqe(&w->uring, head, cqe) {
		struct xsp_cb *cb = io_uring_cqe_get_data(cqe);

		n++;
		if (cb)
			cb->fn(cb, cqe->res);
	}
	io_uring_cq_advance(&w->uring, n);
}

/* A completion, or the time to look after those that wait. */
static void wait_for_one(struct xsp_worker *w)
{
	struct __kernel_timespec t = { 0 };
	struct io_uring_cqe *cqe;
	uint64_t now;

	xsp_count(&w->enters, 1);
	if (!w->wake_ns) {
		io_uring_submit_and_wait(&w->uring, 1);
		return;
	}
	now = xsp_now_ns();
	if (w->wake_ns > now) {
		t.tv_sec = (int64_t)((w->wake_ns - now) / 1000000000u);
		t.tv_nsec = (int64_t)((w->wake_ns - now) % 1000000000u);
	}
	io_uring_submit_and_wait_timeout(&w->uring, &cqe, 1, &t, NULL);
}

/*
 * Hand over what is queued and pick up completions: one call. It waits only when no queue has
 * anything to do; when there is nothing to hand over or to pick up either, there is no call at all.
 */
static void enter(struct xsp_worker *w)
{
	struct io_uring *u = &w->uring;
	bool waits = TAILQ_EMPTY(&w->ready) && TAILQ_EMPTY(&w->arming);

	listen_again(w, waits);
	if (waits) {
		wait_for_one(w);
		xsp_poller_turn(&w->poller, xsp_now_ns());
	} else if (io_uring_sq_ready(u) || (xsp_load(u->sq.kflags) & IORING_SQ_TASKRUN)) {
		xsp_count(&w->enters, 1);
		io_uring_submit_and_get_events(u);
	}
}

/* --- start and stop ---------------------------------------------------------------------------- */

static int make_uring(struct xsp_worker *w)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
		/* Each io has at most one completion outstanding: the CQ never overflows. */
		.cq_entries = w->n_ios < CQ_ENTRIES / 2 ? CQ_ENTRIES : w->n_ios * 2,
	};
	unsigned int bounded[2] = { 16, 16 }; /* kernel threads for I/O that would block, each kind */
	int err = io_uring_queue_init_params(SQ_ENTRIES, &w->uring, &p);

	if (err == -EINVAL) { /* kernels before 6.1 */
		p.flags = IORING_SETUP_CQSIZE;
		err = io_uring_queue_init_params(SQ_ENTRIES, &w->uring, &p);
	}
	if (err) {
		xsp_err(NULL, "worker %u: no io_uring: %s (kernel.io_uring_disabled, or a sandbox?)",
			w->index, strerror(-err));
		return err;
	}
	io_uring_register_iowq_max_workers(&w->uring, bounded);
	return 0;
}

static void *worker_main(void *arg)
{
	struct xsp_worker *w = arg;

	w->tid = gettid();
	w->start_err = make_uring(w); /* here: a ring's one issuer is the thread that makes it */
	sem_post(&w->started);
	if (w->start_err)
		return NULL;
	poll_evtchn(w);
	poll_box(w);
	while (!w->leaving || w->owed) {
		w->now_ns = xsp_now_ns();
		xsp_poller_turn(&w->poller, w->now_ns);
		if (w->wake_ns && w->wake_ns <= w->now_ns)
			wake_waiting(w);
		visit_ready(w);
		finish_done(w); /* targets that answer at once */
		enter(w);
		complete(w);
		finish_done(w);
		/* Last: what came while we worked is found without an event. */
		arm_or_look(w);
	}
	return NULL;
}

static int open_xen(struct xsp_worker *w)
{
	struct stat st;
	int fd, err;

	w->xce = xenevtchn_open(NULL, 0);
	if (!w->xce) {
		err = -errno;
		xsp_err(NULL, "can't open event channels: %s (is this a Xen domain? modprobe xen-evtchn)",
			strerror(-err));
		return err;
	}
	w->xgt = xengnttab_open(NULL, 0);
	if (!w->xgt) {
		err = -errno;
		xsp_err(NULL, "can't open the grant device: %s (modprobe xen-gntdev)", strerror(-err));
		return err;
	}
	fd = xenevtchn_fd(w->xce);
	w->xce_is_device = !fstat(fd, &st) && S_ISCHR(st.st_mode);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return -errno;
	return 0;
}

static void release(struct xsp_worker *w)
{
	if (w->xgt)
		xengnttab_close(w->xgt);
	if (w->xce)
		xenevtchn_close(w->xce);
	if (w->bounce)
		munmap(w->bounce, (size_t)w->n_ios * XSP_BOUNCE_BYTES);
	if (w->area_bounce)
		munmap(w->area_bounce, (size_t)w->n_areas * XSP_AREA_BYTES);
	xsp_net_scratch_free(w->net);
	xsp_writes_free(w->writes);
	free(w->ios);
	free(w->areas);
	free(w->by_port);
}

int xsp_worker_start(struct xsp_worker *w, unsigned int index, size_t bounce_bytes,
		     size_t window_bytes, const struct xsp_polling *polling)
{
	int err;

	memset(w, 0, sizeof(*w));
	w->index = index;
	xsp_poller_set(&w->poller, polling);
	w->window.size = window_bytes;
	w->evtchn_cb.fn = evtchn_ready;
	w->box_cb.fn = box_ready;
	TAILQ_INIT(&w->queues);
	TAILQ_INIT(&w->ready);
	TAILQ_INIT(&w->finishing);
	TAILQ_INIT(&w->arming);
	TAILQ_INIT(&w->starved);
	TAILQ_INIT(&w->waiting);
	err = xsp_mailbox_init(&w->box);
	if (err)
		return err;
	err = open_xen(w);
	if (!err)
		err = make_buffers(w, bounce_bytes);
	if (err)
		goto fail;
	sem_init(&w->started, 0, 0);
	err = -pthread_create(&w->thread, NULL, worker_main, w);
	if (err)
		goto fail;
	while (sem_wait(&w->started))
		;
	err = w->start_err;
	if (err) {
		pthread_join(w->thread, NULL);
		goto fail;
	}
	w->running = true;
	return 0;
fail:
	release(w);
	xsp_mailbox_fini(&w->box);
	return err;
}

static void leave(struct xsp_mail *mail, void *owner)
{
	struct xsp_worker *w = owner;

	(void)mail;
	w->leaving = true;
}

void xsp_worker_stop(struct xsp_worker *w)
{
	struct xsp_mail mail = { .fn = leave };

	if (!w->running)
		return;
	xsp_mailbox_post(&w->box, &mail);
	pthread_join(w->thread, NULL);
	w->running = false;
	io_uring_queue_exit(&w->uring);
	release(w);
	xsp_mailbox_fini(&w->box);
}
