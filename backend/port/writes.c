/* SPDX-License-Identifier: MIT */
/*
 * Many packets by one system call: see writes.h. An io_uring of its own, and not the worker's, because
 * all of them must be done when the call returns: their memory is the next batch's.
 */
#include "backend/port/writes.h"

#include <stdlib.h>
#include <sys/uio.h>

#define DEPTH  32u
#define PIECES (2 + XSP_NET_MIN_SLOTS)

struct xsp_writes {
	struct io_uring uring;
	bool usable;
	struct iovec iov[DEPTH][PIECES];
};

struct xsp_writes *xsp_writes_get(struct xsp_worker *w)
{
	struct xsp_writes *s = w ? w->writes : NULL;

	if (s || !w)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->usable = !io_uring_queue_init(DEPTH, &s->uring, 0);
	return w->writes = s;
}

void xsp_writes_free(struct xsp_writes *s)
{
	if (s && s->usable)
		io_uring_queue_exit(&s->uring);
	free(s);
}

/* Returns how many. */
static unsigned int set_iov(struct iovec iov[PIECES], struct xsp_packet *p)
{
	iov[0] = (struct iovec){ &p->vnet, sizeof(p->vnet) };
	iov[1] = (struct iovec){ p->data, p->n_rest ? XSP_NET_HEAD : p->len };
	for (uint32_t i = 0; i < p->n_rest; i++)
		iov[2 + i] = p->rest[i];
	return 2 + p->n_rest;
}

static void one_by_one(int fd, struct xsp_packet *p, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct iovec iov[PIECES];
		unsigned int k = set_iov(iov, &p[i]);

		p[i].lost = writev(fd, iov, (int)k) < 0;
	}
}

/* Returns how many were answered. */
static unsigned int reap(struct xsp_writes *s, struct xsp_packet *p)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;

	io_uring_for_each_cqe(&s->uring, head, cqe) {
		p[cqe->user_data].lost = cqe->res < 0;
		n++;
	}
	io_uring_cq_advance(&s->uring, n);
	return n;
}

/* n <= DEPTH. What doesn't block is done when it is submitted; if not, this is no descriptor for it. */
static void at_once(struct xsp_writes *s, int fd, struct xsp_packet *p, unsigned int n)
{
	unsigned int left = n;

	for (unsigned int i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&s->uring);

		io_uring_prep_writev(sqe, fd, s->iov[i], set_iov(s->iov[i], &p[i]), 0);
		sqe->user_data = i;
		p[i].lost = true;
	}
	while (left) { /* one that fails may end a submission early */
		int r = io_uring_submit(&s->uring);
		unsigned int done = reap(s, p);

		left -= done;
		if (r < 0 || !done)
			break;
	}
	if (left) {
		io_uring_queue_exit(&s->uring);
		s->usable = false;
	}
}

void xsp_writes_packets(struct xsp_writes *s, int fd, struct xsp_packet *p, unsigned int n)
{
	for (unsigned int i = 0; i < n;) {
		unsigned int k = n - i < DEPTH ? n - i : DEPTH;

		if (k == 1 || !s || !s->usable)
			one_by_one(fd, p + i, k);
		else
			at_once(s, fd, p + i, k);
		i += k;
	}
}
