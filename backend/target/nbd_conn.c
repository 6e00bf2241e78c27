/* SPDX-License-Identifier: MIT */
/*
 * One connection to an NBD server, on its worker's io_uring: polls for the directions that libnbd wants,
 * and one timer for whatever comes next: the next try to connect, the end of patience with a
 * handshake or an answer.
 *
 * libnbd calls completion callbacks with its handle locked, so they only note the result; settle()
 * works that off when libnbd has returned. A connection that is lost gives its requests back to the
 * set, which sends them again: each of them can be done twice with the same outcome.
 */
#include "backend/target/nbd.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define HANDSHAKE_S     10u
#define BACK_OFF_MIN_MS 50u
#define BACK_OFF_MAX_MS 5000u
#define READS_A_TURN    32u /* answers taken in a row: a flood can't keep the worker */

#define conn_of(cb_, member_) \
	((struct xsp_nbd_conn *)((char *)(cb_)-offsetof(struct xsp_nbd_conn, member_)))

static void settle(struct xsp_nbd_conn *c);

/* --- what the io_uring is asked for --------------------------------------------------------------- */

static void cancel(struct xsp_nbd_conn *c, struct xsp_cb *cb)
{
	io_uring_prep_cancel(xsp_worker_sqe(c->set->worker, NULL), cb, 0);
}

static void arm(struct xsp_nbd_conn *c)
{
	unsigned int dir = c->h ? nbd_aio_get_direction(c->h) : 0;
	struct xsp_worker *w = c->set->worker;

	if (dir & LIBNBD_AIO_DIRECTION_READ && !c->in_armed) {
		c->in_armed = true;
		io_uring_prep_poll_add(xsp_worker_sqe(w, &c->in_cb), nbd_aio_get_fd(c->h), POLLIN);
	}
	if (dir & LIBNBD_AIO_DIRECTION_WRITE && !c->out_armed) {
		c->out_armed = true;
		io_uring_prep_poll_add(xsp_worker_sqe(w, &c->out_cb), nbd_aio_get_fd(c->h), POLLOUT);
	}
}

static void set_deadline(struct xsp_nbd_conn *c, uint64_t at_ns)
{
	c->deadline_ns = at_ns;
	if (!at_ns)
		return; /* a timer that runs finds nothing to do */
	if (c->timer_armed && c->timer_at_ns <= at_ns)
		return; /* it comes in time to be set again */
	c->timer_at_ns = at_ns;
	c->time.tv_sec = (long long)(at_ns / 1000000000);
	c->time.tv_nsec = (long long)(at_ns % 1000000000);
	if (c->timer_armed) {
		/* When it has just run out there is nothing to update, and its completion looks. */
		io_uring_prep_timeout_update(xsp_worker_sqe(c->set->worker, NULL), &c->time,
					     (uint64_t)(uintptr_t)&c->timer_cb, IORING_TIMEOUT_ABS);
	} else {
		c->timer_armed = true;
		io_uring_prep_timeout(xsp_worker_sqe(c->set->worker, &c->timer_cb), &c->time, 0,
				      IORING_TIMEOUT_ABS);
	}
}

/* --- losing it, and coming back ------------------------------------------------------------------- */

/* The handle goes, and what was in flight waits again. */
static void drop(struct xsp_nbd_conn *c)
{
	if (c->in_armed && !c->in_stale) {
		c->in_stale = true;
		cancel(c, &c->in_cb);
	}
	if (c->out_armed && !c->out_stale) {
		c->out_stale = true;
		cancel(c, &c->out_cb);
	}
	if (c->h)
		nbd_close(c->h); /* no callback comes after this */
	c->h = NULL;
	c->state = XSP_NBD_DOWN;
	c->done = NULL;
	c->free = NULL;
	c->n_busy = 0;
	for (unsigned int i = 0; i < XSP_NBD_INFLIGHT; i++) {
		struct xsp_nbd_cmd *cmd = &c->cmd[i];
		struct xsp_io *io = cmd->io;

		cmd->io = NULL;
		cmd->next = c->free;
		c->free = cmd;
		if (!io)
			continue;
		if (++io->scratch[2] < XSP_NBD_TRIES)
			xsp_nbd_set_wait(c->set, io);
		else
			xsp_nbd_answer(c->set, io, -EIO);
	}
}

/* Nobody has been there for too long: what waits fails, and what comes does so at the next try. */
static void maybe_give_up(struct xsp_nbd_conn *c)
{
	struct xsp_nbd *n = c->set->nbd;
	uint64_t limit = n->spec.give_up_s * 1000000000ull;
	bool over, first;

	if (!limit || !c->set->waiting)
		return;
	pthread_mutex_lock(&n->lock);
	over = !n->n_live && n->lost_ns && xsp_now_ns() - n->lost_ns >= limit;
	first = over && !n->gave_up;
	n->gave_up |= over;
	pthread_mutex_unlock(&n->lock);
	if (!over)
		return;
	if (first)
		xsp_warn(NULL, "nbd: %s has been away for %u s: the requests that wait for it fail",
			 n->spec.name, n->spec.give_up_s);
	xsp_nbd_set_fail(c->set, -EIO);
}

static void back_off(struct xsp_nbd_conn *c)
{
	maybe_give_up(c);
	if (c->set->nbd->spec.give_up_s && c->back_off_ms > 1000)
		c->back_off_ms = 1000; /* somebody wants to know */
	set_deadline(c, xsp_now_ns() + c->back_off_ms * 1000000ull);
	c->back_off_ms = c->back_off_ms * 2 < BACK_OFF_MAX_MS ? c->back_off_ms * 2 : BACK_OFF_MAX_MS;
}

static void lost(struct xsp_nbd_conn *c, const char *why)
{
	bool was_up = c->state == XSP_NBD_UP;

	drop(c);
	if (was_up)
		xsp_nbd_went(c->set->nbd, why);
	else
		xsp_debug(NULL, "nbd: %s: %s", c->set->nbd->spec.name, why);
	back_off(c);
	if (__atomic_load_n(&c->set->nbd->failed, __ATOMIC_RELAXED))
		xsp_nbd_set_fail(c->set, -EIO);
	xsp_nbd_set_kick(c->set); /* others of the set may take its requests */
}

static void connect_again(struct xsp_nbd_conn *c)
{
	struct xsp_nbd *n = c->set->nbd;

	c->h = xsp_nbd_handle(n, c->next_addr++ % n->n_addrs);
	if (!c->h) {
		xsp_debug(NULL, "nbd: can't connect to %s: %s", n->spec.name, strerror(errno));
		back_off(c);
		return;
	}
	c->state = XSP_NBD_CONNECTING;
	set_deadline(c, xsp_now_ns() + (n->spec.timeout_s && n->spec.timeout_s < HANDSHAKE_S ?
						n->spec.timeout_s : HANDSHAKE_S) * 1000000000ull);
}

/* The handshake is done. */
static void up(struct xsp_nbd_conn *c)
{
	char why[128];

	if (xsp_nbd_same(c->set->nbd, c->h, why, sizeof(why))) {
		xsp_warn(NULL, "nbd: %s is there again, but it is another export: %s; trying on",
			 c->set->nbd->spec.name, why);
		c->back_off_ms = BACK_OFF_MAX_MS;
		drop(c);
		back_off(c);
		return;
	}
	xsp_nbd_tune(nbd_aio_get_fd(c->h));
	c->state = XSP_NBD_UP;
	set_deadline(c, 0);
	xsp_nbd_came(c->set->nbd);
	xsp_nbd_set_kick(c->set);
}

/* --- sending and being answered ------------------------------------------------------------------- */

/* libnbd, with its lock held. */
static int note(void *arg, int *error)
{
	struct xsp_nbd_cmd *cmd = arg;

	cmd->err = *error;
	cmd->done = true;
	cmd->next = cmd->conn->done;
	cmd->conn->done = cmd;
	return 1; /* libnbd may forget it */
}

static uint32_t piece(const struct xsp_nbd *n, const struct xsp_io *io)
{
	uint64_t left = io->len - io->scratch[0];
	uint32_t most = io->op == XSP_IO_DISCARD ? XSP_NBD_DISCARD : n->max_bytes;

	return left < most ? (uint32_t)left : most;
}

static int64_t issue(struct xsp_nbd_conn *c, struct xsp_io *io, struct xsp_nbd_cmd *cmd)
{
	nbd_completion_callback done = { .callback = note, .user_data = cmd };
	struct xsp_nbd *n = c->set->nbd;
	uint64_t at = io->offset + io->scratch[0];
	uint8_t *data = xsp_io_flat(io) + io->scratch[0];
	uint32_t flags = 0;

	switch (io->op) {
	case XSP_IO_READ:
		return nbd_aio_pread(c->h, data, cmd->bytes, at, done, 0);
	case XSP_IO_WRITE:
		if (n->can_fua && (n->spec.fua || io->sync_after))
			flags = LIBNBD_CMD_FLAG_FUA;
		return nbd_aio_pwrite(c->h, data, cmd->bytes, at, done, flags);
	case XSP_IO_DISCARD:
		return nbd_aio_trim(c->h, cmd->bytes, at, done,
				    n->spec.fua ? LIBNBD_CMD_FLAG_FUA : 0);
	default:
		return nbd_aio_flush(c->h, done, 0);
	}
}

static void give_back(struct xsp_nbd_conn *c, struct xsp_nbd_cmd *cmd)
{
	cmd->io = NULL;
	cmd->next = c->free;
	c->free = cmd;
	c->n_busy--;
}

void xsp_nbd_conn_send(struct xsp_nbd_conn *c, struct xsp_io *io)
{
	struct xsp_nbd_cmd *cmd = c->free;

	assert(c->state == XSP_NBD_UP && cmd);
	c->free = cmd->next;
	cmd->io = io;
	cmd->bytes = piece(c->set->nbd, io);
	cmd->done = false;
	if (!c->n_busy++) {
		c->heard_ns = xsp_now_ns();
		if (c->set->nbd->spec.timeout_s)
			set_deadline(c, c->heard_ns + c->set->nbd->spec.timeout_s * 1000000000ull);
	}
	/* An error without a callback: the connection is dying (it comes back), or no memory. */
	if (issue(c, io, cmd) == -1 && !cmd->done && !nbd_aio_is_dead(c->h) &&
	    !nbd_aio_is_closed(c->h)) {
		int err = nbd_get_errno();

		give_back(c, cmd);
		xsp_nbd_answer(c->set, io, err ? -err : -EIO);
	}
	if (!c->settling)
		settle(c);
}

/* What one answer means for its request. */
static void answered(struct xsp_nbd_conn *c, struct xsp_nbd_cmd *cmd)
{
	struct xsp_io *io = cmd->io;
	uint32_t bytes = cmd->bytes;
	int err = cmd->err;

	give_back(c, cmd);
	c->back_off_ms = BACK_OFF_MIN_MS; /* it works: the next loss is a new one */
	io->scratch[0] += bytes;
	if (!err && io->scratch[0] < io->len) {
		xsp_nbd_set_wait(c->set, io);
		return;
	}
	if (!err && io->op == XSP_IO_WRITE && c->set->nbd->can_fua &&
	    (io->sync_after || c->set->nbd->spec.fua)) { /* each piece went with FUA */
		io->sync_after = false;
		io->scratch[1] = XSP_NBD_DURABLE;
	}
	if (!err && io->op == XSP_IO_READ)
		xsp_io_scatter(io);
	xsp_nbd_answer(c->set, io, -err);
}

/* Take what was noted. False when the connection is gone or the server is leaving. */
static bool collect(struct xsp_nbd_conn *c)
{
	bool gone = !c->h || nbd_aio_is_dead(c->h) || nbd_aio_is_closed(c->h);
	struct xsp_nbd_cmd *cmd;

	while ((cmd = c->done)) {
		/* Not the server's answers, but libnbd's when it gives up, or a farewell: send them again. */
		if (cmd->err == ENOTCONN || cmd->err == ESHUTDOWN || (gone && cmd->err))
			return false;
		c->done = cmd->next;
		c->heard_ns = xsp_now_ns();
		answered(c, cmd);
	}
	return !gone;
}

/* After anything that libnbd did. */
static void settle(struct xsp_nbd_conn *c)
{
	char why[256];

	c->settling = true;
	for (;;) {
		if (!c->h)
			break;
		if (!collect(c)) {
			snprintf(why, sizeof(why), "%s",
				 nbd_get_error() ? nbd_get_error() : "the server hung up");
			lost(c, why);
			break;
		}
		if (c->state == XSP_NBD_CONNECTING && nbd_aio_is_ready(c->h)) {
			up(c);
			continue;
		}
		if (c->state == XSP_NBD_UP && c->set->waiting) {
			struct xsp_io *was = c->set->waiting;

			xsp_nbd_set_kick(c->set);
			if (c->set->waiting != was)
				continue;
		}
		if (!c->done)
			break;
	}
	c->settling = false;
	arm(c);
}

/* --- completions ---------------------------------------------------------------------------------- */

/*
 * Read while answers come: one readiness may be many of them. libnbd takes one at a time, and told to
 * read where there is nothing it waits in the middle of an answer and sends nothing until it comes.
 */
static void read_on(struct xsp_nbd_conn *c)
{
	struct pollfd p = { .fd = nbd_aio_get_fd(c->h), .events = POLLIN };

	for (unsigned int i = 0; i < READS_A_TURN; i++) {
		if (nbd_aio_notify_read(c->h) == -1)
			return;
		if (!(nbd_aio_get_direction(c->h) & LIBNBD_AIO_DIRECTION_READ) || poll(&p, 1, 0) != 1)
			return;
	}
}

static void readable(struct xsp_cb *cb, int res)
{
	struct xsp_nbd_conn *c = conn_of(cb, in_cb);
	bool stale = c->in_stale;

	(void)res;
	c->in_armed = c->in_stale = false;
	if (c->set->closing) {
		xsp_nbd_set_may_go(c->set);
		return;
	}
	if (!stale && c->h && nbd_aio_get_direction(c->h) & LIBNBD_AIO_DIRECTION_READ)
		read_on(c);
	settle(c);
}

static void writable(struct xsp_cb *cb, int res)
{
	struct xsp_nbd_conn *c = conn_of(cb, out_cb);
	bool stale = c->out_stale;

	(void)res;
	c->out_armed = c->out_stale = false;
	if (c->set->closing) {
		xsp_nbd_set_may_go(c->set);
		return;
	}
	if (!stale && c->h && nbd_aio_get_direction(c->h) & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(c->h);
	settle(c);
}

static void timed_out(struct xsp_cb *cb, int res)
{
	struct xsp_nbd_conn *c = conn_of(cb, timer_cb);
	uint64_t now = xsp_now_ns(), patience;

	(void)res;
	c->timer_armed = false;
	if (c->set->closing) {
		xsp_nbd_set_may_go(c->set);
		return;
	}
	if (!c->deadline_ns || now < c->deadline_ns) {
		set_deadline(c, c->deadline_ns);
		return;
	}
	c->deadline_ns = 0;
	switch (c->state) {
	case XSP_NBD_DOWN:
		connect_again(c);
		break;
	case XSP_NBD_CONNECTING:
		lost(c, "it took the connection and says nothing");
		break;
	case XSP_NBD_UP:
		patience = c->set->nbd->spec.timeout_s * 1000000000ull;
		if (!c->n_busy || !patience)
			break;
		if (now < c->heard_ns + patience)
			set_deadline(c, c->heard_ns + patience);
		else
			lost(c, "no answer within its timeout");
		break;
	}
	settle(c);
}

/* --- start and end -------------------------------------------------------------------------------- */

void xsp_nbd_conn_init(struct xsp_nbd_conn *c, struct xsp_nbd_set *s, struct nbd_handle *h)
{
	c->set = s;
	c->in_cb.fn = readable;
	c->out_cb.fn = writable;
	c->timer_cb.fn = timed_out;
	c->back_off_ms = BACK_OFF_MIN_MS;
	for (unsigned int i = 0; i < XSP_NBD_INFLIGHT; i++) {
		c->cmd[i].conn = c;
		c->cmd[i].next = c->free;
		c->free = &c->cmd[i];
	}
	c->h = h;
	if (h)
		c->state = XSP_NBD_CONNECTING; /* and ready: settle will find it so */
	else
		connect_again(c);
	settle(c);
}

void xsp_nbd_conn_close(struct xsp_nbd_conn *c)
{
	bool was_up = c->state == XSP_NBD_UP;

	if (was_up)
		nbd_aio_disconnect(c->h, 0); /* a farewell, if it can be said at once */
	drop(c);
	if (was_up)
		xsp_nbd_went(c->set->nbd, "closed");
	if (c->timer_armed)
		cancel(c, &c->timer_cb);
}
