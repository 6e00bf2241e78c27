/* SPDX-License-Identifier: MIT */
/*
 * The relay's types. A guest's processes talk to xenstored over one ring page, as through Linux's
 * /dev/xen/xenbus: relay.c is the ring and the messages in flight, session.c a process's socket.
 */
#ifndef COMMON_LAB_RELAY_H
#define COMMON_LAB_RELAY_H

#include <stdint.h>
#include <xen/io/xs_wire.h>

#include "common/lab/hub.h"

#define RELAY_MSG_MAX  (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define RELAY_INFLIGHT 16         /* requests of one session under way before it must wait */
#define RELAY_OUT_MAX  (4u << 20) /* bytes a session may leave unread before it is dropped */

struct session;

struct watch {
	struct watch *next;
	uint32_t id; /* on the ring the token is "r<id>" */
	char *path, *token;
};

struct transaction {
	struct transaction *next;
	uint32_t id;
};

/* A request on its way to xenstored (queued or in the ring), until its reply. */
struct request {
	struct request *next;
	struct session *session; /* NULL: the relay's own, or the session is gone */
	uint32_t id, session_id; /* on the ring; the session's own */
	uint32_t type, tx_id, watch_id;
	uint32_t len, sent; /* bytes of msg; how many of them are in the ring */
	uint8_t msg[];
};

struct session {
	struct source src;
	struct session *next;
	struct relay *relay;
	struct watch *watches;
	struct transaction *transactions;
	uint32_t inflight;
	uint32_t in_len;
	uint8_t in[RELAY_MSG_MAX];
	uint8_t *out;
	uint32_t out_len, out_cap;
};

struct relay {
	struct source listen, event;
	struct domain *domain;
	struct xenstore_domain_interface *ring;
	struct session *sessions;
	struct request *head, **tail; /* in order; the first `sent == len` ones wait for replies */
	uint32_t slot, gen, port;
	uint32_t next_id, next_watch;
	bool broken;
	uint32_t in_len;
	uint8_t in[RELAY_MSG_MAX + 1]; /* a 0 follows the last message */
};

/* relay.c */
int relay_send(struct relay *r, struct session *s, const struct xsd_sockmsg *h, const void *body,
	       uint32_t watch_id);
void relay_pump(struct relay *r);

/* session.c */
void session_accept(struct source *listen, uint32_t events);
void session_close(struct session *s);
void session_reply(struct session *s, const struct xsd_sockmsg *h, const void *body);
void session_done(struct relay *r, struct request *q, const struct xsd_sockmsg *h,
		  const uint8_t *body);
void session_watch_event(struct relay *r, const struct xsd_sockmsg *h, const uint8_t *body);

#endif
