/* SPDX-License-Identifier: MIT */
/* The connections of one worker to one NBD server, and the requests that wait for one: see nbd.h. */
#include "backend/target/nbd.h"

#include <errno.h>
#include <stdlib.h>

struct xsp_nbd_set *xsp_nbd_set_new(struct xsp_nbd *n, struct xsp_worker *w)
{
	unsigned int conns = n->multi_conn ? n->spec.conns : 1;
	struct xsp_nbd_set *s = calloc(1, sizeof(*s) + conns * sizeof(s->conn[0]));
	struct nbd_handle *first;

	if (!s)
		return NULL;
	s->nbd = n;
	s->worker = w;
	pthread_mutex_lock(&n->lock);
	first = n->first;
	n->first = NULL;
	n->refs++;
	n->n_sets++;
	pthread_mutex_unlock(&n->lock);
	for (; s->n_conns < conns; s->n_conns++) {
		xsp_nbd_conn_init(&s->conn[s->n_conns], s, first);
		first = NULL;
	}
	return s;
}

static struct xsp_nbd_conn *least_busy(struct xsp_nbd_set *s)
{
	struct xsp_nbd_conn *best = NULL;

	for (unsigned int i = 0; i < s->n_conns; i++) {
		struct xsp_nbd_conn *c = &s->conn[i];

		if (c->state == XSP_NBD_UP && c->free && (!best || c->n_busy < best->n_busy))
			best = c;
	}
	return best;
}

void xsp_nbd_set_kick(struct xsp_nbd_set *s)
{
	struct xsp_nbd_conn *c;
	struct xsp_io *io;

	while ((io = s->waiting) && (c = least_busy(s))) {
		s->waiting = io->next;
		if (!s->waiting)
			s->last_waiting = NULL;
		xsp_nbd_conn_send(c, io);
	}
}

void xsp_nbd_set_submit(struct xsp_nbd_set *s, struct xsp_io *io)
{
	io->next = NULL;
	if (s->waiting)
		s->last_waiting->next = io;
	else
		s->waiting = io;
	s->last_waiting = io;
	xsp_nbd_set_kick(s);
}

void xsp_nbd_set_wait(struct xsp_nbd_set *s, struct xsp_io *io)
{
	io->next = s->waiting;
	s->waiting = io;
	if (!s->last_waiting)
		s->last_waiting = io;
}

void xsp_nbd_set_fail(struct xsp_nbd_set *s, int err)
{
	struct xsp_io *io = s->waiting, *next;

	s->waiting = s->last_waiting = NULL;
	for (; io; io = next) {
		next = io->next;
		xsp_nbd_answer(s, io, err);
	}
}

void xsp_nbd_set_may_go(struct xsp_nbd_set *s)
{
	struct xsp_nbd *n = s->nbd;

	for (unsigned int i = 0; i < s->n_conns; i++)
		if (s->conn[i].in_armed || s->conn[i].out_armed || s->conn[i].timer_armed)
			return;
	s->worker->owed--;
	free(s);
	xsp_nbd_put(n);
}

void xsp_nbd_set_close(struct xsp_mail *mail, void *owner)
{
	struct xsp_nbd_set *s =
		(struct xsp_nbd_set *)((char *)mail - offsetof(struct xsp_nbd_set, mail));

	(void)owner;
	s->closing = true;
	s->worker->owed++; /* it stays until its io_uring has nothing of ours any more */
	for (unsigned int i = 0; i < s->n_conns; i++)
		xsp_nbd_conn_close(&s->conn[i]);
	xsp_nbd_set_may_go(s);
}
