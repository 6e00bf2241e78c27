/* SPDX-License-Identifier: MIT */
/*
 * nbd: is a disk on a Network Block Device server, through libnbd's asynchronous interface on the
 * worker's io_uring: see nbd.h for its parts and nbd_spec.h for specs.
 *
 * A server that says that several connections see the same disk (multi-conn) gets some from each worker.
 * Any other gets one in all: a flush on one connection would promise nothing about writes on
 * another. Requests of other workers then travel to the connection's worker and back by mail.
 *
 * While there is no connection, requests wait and the guest sees a pause. Those that were on their way
 * are sent again. That is right as long as the server did not lose what it had answered: a server
 * that keeps answered writes in its own memory (QEMU with a format that has metadata) needs `fua`.
 */
#include "backend/target/nbd.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/target/child.h"

/* --- what all threads share ----------------------------------------------------------------------- */

void xsp_nbd_put(struct xsp_nbd *n)
{
	bool last;

	pthread_mutex_lock(&n->lock);
	last = --n->refs == 0;
	pthread_mutex_unlock(&n->lock);
	if (!last)
		return;
	if (n->first)
		nbd_close(n->first);
	xsp_child_stop(n->child);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

void xsp_nbd_came(struct xsp_nbd *n)
{
	uint64_t lost_ns = 0;

	pthread_mutex_lock(&n->lock);
	if (!n->n_live++) {
		lost_ns = n->lost_ns;
		n->lost_ns = 0;
		n->gave_up = false;
	}
	pthread_mutex_unlock(&n->lock);
	if (lost_ns)
		xsp_info(NULL, "nbd: %s is back after %.1f s; what waited goes on", n->spec.name,
			 (double)(xsp_now_ns() - lost_ns) / 1e9);
}

/*
 * A server of ours that died with writes in its memory that it had answered. Going on would show
 * the guest old data as if nothing had happened; a disk that fails is something it can handle.
 */
static void check_loss(struct xsp_nbd *n)
{
	uint64_t written = __atomic_load_n(&n->written, __ATOMIC_RELAXED);
	uint64_t flushed = __atomic_load_n(&n->flushed, __ATOMIC_RELAXED);

	if (!n->child || n->spec.fua || written == flushed)
		return;
	if (!__atomic_exchange_n(&n->failed, true, __ATOMIC_RELAXED))
		xsp_err(NULL, "nbd: %s died with %llu writes not yet flushed: the disk fails from now on; "
			"attach it again (the option writethrough prevents this)", n->spec.name,
			(unsigned long long)(written - flushed));
}

void xsp_nbd_went(struct xsp_nbd *n, const char *why)
{
	bool last, closing;

	pthread_mutex_lock(&n->lock);
	last = !--n->n_live;
	closing = n->closing;
	if (last)
		n->lost_ns = xsp_now_ns();
	pthread_mutex_unlock(&n->lock);
	if (closing)
		return;
	if (last)
		xsp_warn(NULL, "nbd: lost the server %s: %s; requests wait, trying to reach it again",
			 n->spec.name, why);
	else
		xsp_debug(NULL, "nbd: lost a connection to %s: %s", n->spec.name, why);
	check_loss(n);
}

/* --- the way of a request ------------------------------------------------------------------------- */

static void answer_here(struct xsp_mail *mail, void *owner)
{
	struct xsp_io *io = (struct xsp_io *)((char *)mail - offsetof(struct xsp_io, mail));

	(void)owner;
	xsp_io_done(io, (int)(int64_t)io->scratch[1]);
}

void xsp_nbd_answer(struct xsp_nbd_set *s, struct xsp_io *io, int err)
{
	struct xsp_nbd *n = s->nbd;

	if (!err && (io->op == XSP_IO_WRITE || io->op == XSP_IO_DISCARD) &&
	    io->scratch[1] != XSP_NBD_DURABLE) {
		__atomic_add_fetch(&n->written, 1, __ATOMIC_RELAXED);
	} else if (!err && io->op == XSP_IO_FLUSH) {
		uint64_t seen = io->scratch[1], was = __atomic_load_n(&n->flushed, __ATOMIC_RELAXED);

		while (seen > was && !__atomic_compare_exchange_n(&n->flushed, &was, seen, true,
								  __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
	}
	if (!err && __atomic_load_n(&n->failed, __ATOMIC_RELAXED))
		err = -EIO;
	if (io->worker == s->worker) {
		xsp_io_done(io, err);
		return;
	}
	io->scratch[1] = (uint64_t)(int64_t)err;
	io->mail.fn = answer_here;
	xsp_mailbox_post(&io->worker->box, &io->mail);
}

/* On the thread of worker w, which is where its set is made and used. */
static void submit_on(struct xsp_nbd *n, struct xsp_worker *w, struct xsp_io *io)
{
	struct xsp_nbd_set *s = n->sets[w->index];

	if (!s) {
		s = xsp_nbd_set_new(n, w);
		__atomic_store_n(&n->sets[w->index], s, __ATOMIC_RELEASE); /* acquire: nbd_close */
	}
	if (s)
		xsp_nbd_set_submit(s, io);
	else
		xsp_io_done(io, -ENOMEM);
}

static void submit_there(struct xsp_mail *mail, void *owner)
{
	struct xsp_io *io = (struct xsp_io *)((char *)mail - offsetof(struct xsp_io, mail));
	struct xsp_worker *w = owner;

	submit_on((struct xsp_nbd *)io->target, w, io);
}

static void nbd_submit(struct xsp_target *t, struct xsp_io *io)
{
	struct xsp_nbd *n = (struct xsp_nbd *)t;
	struct xsp_worker *to = io->worker;

	assert(io->op == XSP_IO_FLUSH || io->offset + io->len <= t->size_bytes);
	if (__atomic_load_n(&n->failed, __ATOMIC_RELAXED)) {
		xsp_io_done(io, -EIO);
		return;
	}
	io->target = t;
	io->scratch[0] = io->scratch[2] = 0;
	io->scratch[1] = __atomic_load_n(&n->written, __ATOMIC_RELAXED); /* what a flush covers */
	if (io->op == XSP_IO_WRITE)
		xsp_io_gather(io);
	if (!n->multi_conn) {
		struct xsp_worker *none = NULL;

		/* The first to ask keeps it. */
		if (__atomic_compare_exchange_n(&n->owner, &none, to, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			none = to;
		to = none;
	}
	if (to == io->worker) {
		submit_on(n, to, io);
		return;
	}
	io->mail.fn = submit_there;
	xsp_mailbox_post(&to->box, &io->mail);
}

/* --- open and close ------------------------------------------------------------------------------- */

int xsp_nbd_open(const struct xsp_nbd_spec *spec, struct xsp_child *child,
		 const struct xsp_target_wish *wish, struct xsp_target **ret, char *why, size_t why_len)
{
	struct xsp_nbd *n = calloc(1, sizeof(*n));
	int err;

	if (!n) {
		xsp_child_stop(child);
		return -ENOMEM;
	}
	pthread_mutex_init(&n->lock, NULL);
	n->refs = 1;
	n->t.ops = &xsp_target_nbd;
	n->spec = *spec;
	n->child = child;
	err = xsp_nbd_load(why, why_len);
	if (!err)
		err = xsp_nbd_resolve(n, why, why_len);
	if (!err)
		err = xsp_nbd_dial(n, why, why_len);
	if (!err)
		err = xsp_nbd_learn(n, n->first, wish, why, why_len);
	if (err) {
		xsp_nbd_put(n);
		return err;
	}
	if (n->spec.conns > 1 && !n->multi_conn)
		xsp_info(NULL, "nbd: %s allows one connection only (no multi-conn); conns=%u is not used",
			 n->spec.name, n->spec.conns);
	*ret = &n->t;
	return 0;
}

static int open_nbd(const char *scheme, const char *opts, const char *rest,
		    const struct xsp_target_wish *wish, struct xsp_target **ret, char *why,
		    size_t why_len)
{
	struct xsp_nbd_spec spec;
	int err = xsp_nbd_parse(scheme, opts, rest, &spec, why, why_len);

	return err ? err : xsp_nbd_open(&spec, NULL, wish, ret, why, why_len);
}

static int nbd_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		    struct xsp_target **ret, char *why, size_t why_len)
{
	return open_nbd("nbd", opts, rest, wish, ret, why, why_len);
}

static int nbd_unix_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
			 struct xsp_target **ret, char *why, size_t why_len)
{
	return open_nbd("nbd+unix", opts, rest, wish, ret, why, why_len);
}

/* Returns at once; the last of the workers frees it. */
static void nbd_target_close(struct xsp_target *t)
{
	struct xsp_nbd *n = (struct xsp_nbd *)t;

	pthread_mutex_lock(&n->lock);
	n->closing = true;
	pthread_mutex_unlock(&n->lock);
	for (unsigned int i = 0; i < XSP_NBD_WORKERS; i++) {
		/* release: submit_on */
		struct xsp_nbd_set *s = __atomic_load_n(&n->sets[i], __ATOMIC_ACQUIRE);

		if (!s)
			continue;
		s->mail.fn = xsp_nbd_set_close;
		xsp_mailbox_post(&s->worker->box, &s->mail);
	}
	xsp_nbd_put(n);
}

const struct xsp_target_ops xsp_target_nbd = {
	.name = "nbd",
	.usage = "nbd[,conns=N,timeout=S,give-up=S,fua]:unix:PATH[:EXPORT] or nbd://HOST[:PORT][/EXPORT]",
	.open = nbd_open,
	.close = nbd_target_close,
	.submit = nbd_submit,
};

const struct xsp_target_ops xsp_target_nbd_unix = {
	.name = "nbd+unix",
	.usage = "nbd+unix:///[EXPORT]?socket=PATH",
	.open = nbd_unix_open,
	.close = nbd_target_close,
	.submit = nbd_submit,
};
