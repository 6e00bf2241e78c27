/* SPDX-License-Identifier: MIT */
/*
 * One process's connection to its domain's store, as an open file of Linux's /dev/xen/xenbus: its
 * watches get tokens of the relay's own, it may use only its own transactions, and when it ends,
 * its transactions are aborted and its watches removed.
 */
#include "common/lab/relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void session_events(struct session *s)
{
	uint32_t e = 0;

	if (s->inflight < RELAY_INFLIGHT)
		e |= EPOLLIN;
	if (s->out_len)
		e |= EPOLLOUT;
	source_mod(&s->src, e);
}

static void session_flush(struct session *s)
{
	while (s->out_len) {
		ssize_t n = send(s->src.fd, s->out, s->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			break;
		s->out_len -= (uint32_t)n;
		memmove(s->out, s->out + n, s->out_len);
	}
	session_events(s);
}

/* Queue a message to the process. One that reads nothing loses its connection at its next turn. */
void session_reply(struct session *s, const struct xsd_sockmsg *h, const void *body)
{
	uint32_t need = s->out_len + (uint32_t)sizeof(*h) + h->len;
	uint8_t *p;

	if (need > RELAY_OUT_MAX) {
		shutdown(s->src.fd, SHUT_RDWR);
		return;
	}
	if (need > s->out_cap) {
		p = realloc(s->out, need * 2);
		if (!p)
			return;
		s->out = p;
		s->out_cap = need * 2;
	}
	memcpy(s->out + s->out_len, h, sizeof(*h));
	memcpy(s->out + s->out_len + sizeof(*h), body, h->len);
	s->out_len = need;
	session_flush(s);
}

static void reply_text(struct session *s, const struct xsd_sockmsg *h, uint32_t type,
		       const char *text)
{
	struct xsd_sockmsg out = *h;

	out.type = type;
	out.len = (uint32_t)strlen(text) + 1;
	session_reply(s, &out, text);
}

static void watch_free(struct watch *w)
{
	free(w->path);
	free(w->token);
	free(w);
}

/* The relay's own UNWATCH: nobody waits for its reply. */
static void watch_drop(struct relay *r, const struct watch *w)
{
	struct xsd_sockmsg h = {.type = XS_UNWATCH};
	char body[XENSTORE_PAYLOAD_MAX];
	size_t n = strlen(w->path) + 1;

	if (n + 16 > sizeof(body))
		return;
	memcpy(body, w->path, n);
	n += (size_t)snprintf(body + n, 16, "r%u", w->id) + 1;
	h.len = (uint32_t)n;
	relay_send(r, NULL, &h, body, 0);
}

static void transaction_abort(struct relay *r, uint32_t id)
{
	struct xsd_sockmsg h = {.type = XS_TRANSACTION_END, .tx_id = id, .len = 2};

	relay_send(r, NULL, &h, "F", 0);
}

void session_close(struct session *s)
{
	struct relay *r = s->relay;
	struct session **p;
	struct request *q;
	struct transaction *t;
	struct watch *w;

	for (p = &r->sessions; *p != s;)
		p = &(*p)->next;
	*p = s->next;
	for (q = r->head; q; q = q->next)
		if (q->session == s)
			q->session = NULL;
	while ((t = s->transactions)) {
		s->transactions = t->next;
		transaction_abort(r, t->id);
		free(t);
	}
	while ((w = s->watches)) {
		s->watches = w->next;
		watch_drop(r, w);
		watch_free(w);
	}
	source_del(&s->src);
	close(s->src.fd);
	free(s->out);
	free(s);
	relay_pump(r);
}

static struct watch **watch_find(struct session *s, const char *path, const char *token)
{
	struct watch **p;

	for (p = &s->watches; *p; p = &(*p)->next)
		if (!strcmp((*p)->path, path) && !strcmp((*p)->token, token))
			return p;
	return NULL;
}

/* WATCH and UNWATCH: "path\0token\0", the token replaced by ours on the ring. */
static void session_watch(struct session *s, struct xsd_sockmsg *h, const char *body)
{
	const char *path = body, *token = memchr(body, 0, h->len);
	char out[XENSTORE_PAYLOAD_MAX];
	struct watch **p, *w;
	size_t n;

	if (!token || ++token >= body + h->len || body[h->len - 1] ||
	    (n = (size_t)(token - path)) + 16 > sizeof(out)) {
		reply_text(s, h, XS_ERROR, "EINVAL");
		return;
	}
	p = watch_find(s, path, token);
	if (h->type == XS_WATCH && p) {
		reply_text(s, h, XS_ERROR, "EEXIST");
		return;
	}
	if (h->type == XS_UNWATCH && !p) {
		reply_text(s, h, XS_ERROR, "ENOENT");
		return;
	}
	w = p ? *p : calloc(1, sizeof(*w));
	if (!w)
		return;
	if (h->type == XS_WATCH) {
		w->path = strdup(path);
		w->token = strdup(token);
		w->id = ++s->relay->next_watch;
		w->next = s->watches;
		s->watches = w;
	}
	memcpy(out, path, n);
	n += (size_t)snprintf(out + n, 16, "r%u", w->id) + 1;
	h->len = (uint32_t)n;
	relay_send(s->relay, s, h, out, w->id);
	if (h->type == XS_UNWATCH) {
		*p = w->next;
		watch_free(w);
	}
}

static void session_reset_watches(struct session *s, const struct xsd_sockmsg *h)
{
	struct watch *w;

	while ((w = s->watches)) {
		s->watches = w->next;
		watch_drop(s->relay, w);
		watch_free(w);
	}
	reply_text(s, h, XS_RESET_WATCHES, "OK");
}

static void session_request(struct session *s, struct xsd_sockmsg *h, const uint8_t *body)
{
	struct transaction *t;

	if (h->tx_id) {
		for (t = s->transactions; t && t->id != h->tx_id;)
			t = t->next;
		if (!t) {
			reply_text(s, h, XS_ERROR, "ENOENT");
			return;
		}
	}
	if (h->type == XS_WATCH || h->type == XS_UNWATCH)
		session_watch(s, h, (const char *)body);
	else if (h->type == XS_RESET_WATCHES)
		session_reset_watches(s, h);
	else
		relay_send(s->relay, s, h, body, 0);
}

/* 1: a whole request was taken; 0: not yet; -1: the connection is over. */
static int session_read(struct session *s)
{
	struct xsd_sockmsg h;
	uint32_t want = sizeof(h);
	ssize_t n;

	for (;;) {
		if (s->in_len >= sizeof(h)) {
			memcpy(&h, s->in, sizeof(h));
			if (h.len > XENSTORE_PAYLOAD_MAX)
				return -1;
			want = (uint32_t)sizeof(h) + h.len;
			if (s->in_len == want)
				break;
		}
		n = recv(s->src.fd, s->in + s->in_len, want - s->in_len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return -1;
		s->in_len += (uint32_t)n;
	}
	s->in_len = 0;
	session_request(s, &h, s->in + sizeof(h));
	return 1;
}

static void session_event(struct source *src, uint32_t events)
{
	struct session *s = (struct session *)src;
	struct relay *r = s->relay;
	int n = 0;

	if (events & EPOLLOUT)
		session_flush(s);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		while (s->inflight < RELAY_INFLIGHT && (n = session_read(s)) > 0)
			;
		if (n < 0 || (events & EPOLLERR)) {
			session_close(s);
			return;
		}
	}
	session_events(s);
	relay_pump(r);
}

void session_accept(struct source *listen, uint32_t events)
{
	struct relay *r = (struct relay *)((char *)listen - offsetof(struct relay, listen));
	int fd = accept4(listen->fd, NULL, NULL, SOCK_CLOEXEC);
	struct session *s;

	(void)events;
	if (fd < 0)
		return;
	s = calloc(1, sizeof(*s));
	if (!s) {
		close(fd);
		return;
	}
	s->src.fd = fd;
	s->src.fn = session_event;
	s->relay = r;
	s->next = r->sessions;
	r->sessions = s;
	if (source_add(&s->src, EPOLLIN))
		session_close(s);
}

static void transaction_started(struct session *s, const uint8_t *body, uint32_t len)
{
	struct transaction *t = calloc(1, sizeof(*t));
	char text[16] = "";

	if (!t)
		return;
	memcpy(text, body, len < sizeof(text) - 1 ? len : sizeof(text) - 1);
	t->id = (uint32_t)strtoul(text, NULL, 10);
	t->next = s->transactions;
	s->transactions = t;
}

static void transaction_ended(struct session *s, uint32_t id)
{
	struct transaction **p, *t;

	for (p = &s->transactions; (t = *p); p = &t->next) {
		if (t->id == id) {
			*p = t->next;
			free(t);
			return;
		}
	}
}

/* A reply came: to its session, if that still lives. */
void session_done(struct relay *r, struct request *q, const struct xsd_sockmsg *h,
		  const uint8_t *body)
{
	struct session *s = q->session;
	struct xsd_sockmsg out = *h;
	struct watch **p;

	if (!s) {
		if (q->type == XS_TRANSACTION_START && h->type == XS_TRANSACTION_START)
			transaction_abort(r, (uint32_t)strtoul((const char *)body, NULL, 10));
		return;
	}
	out.req_id = q->session_id;
	s->inflight--;
	if (h->type == XS_TRANSACTION_START)
		transaction_started(s, body, h->len);
	if (q->type == XS_TRANSACTION_END)
		transaction_ended(s, q->tx_id);
	if (q->type == XS_WATCH && h->type == XS_ERROR) {
		for (p = &s->watches; *p && (*p)->id != q->watch_id;)
			p = &(*p)->next;
		if (*p) {
			struct watch *w = *p;

			*p = w->next;
			watch_free(w);
		}
	}
	session_reply(s, &out, body);
}

void session_watch_event(struct relay *r, const struct xsd_sockmsg *h, const uint8_t *body)
{
	const char *path = (const char *)body, *token = memchr(body, 0, h->len);
	char out[XENSTORE_PAYLOAD_MAX];
	struct xsd_sockmsg m = *h;
	struct session *s;
	struct watch *w;
	uint32_t id, n;

	if (!token || ++token >= path + h->len || token[0] != 'r' || body[h->len - 1])
		return;
	id = (uint32_t)strtoul(token + 1, NULL, 10);
	n = (uint32_t)(token - path);
	for (s = r->sessions; s; s = s->next) {
		for (w = s->watches; w && w->id != id;)
			w = w->next;
		if (!w)
			continue;
		if (n + strlen(w->token) + 1 > sizeof(out))
			return;
		memcpy(out, path, n);
		strcpy(out + n, w->token);
		m.len = n + (uint32_t)strlen(w->token) + 1;
		session_reply(s, &m, out);
		return;
	}
}
