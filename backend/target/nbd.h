/* SPDX-License-Identifier: MIT */
/*
 * The parts of the nbd: target, and what nbd_spec.c, nbd_dial.c, nbd_conn.c and nbd.c know of each other.
 *
 *   nbd.c        open, close, submit: which worker a request goes to
 *   nbd_set.c    a worker's connections to one server, and the requests that wait for one of them
 *   nbd_conn.c   one connection on the worker's io_uring: send, receive, lose, come back
 *   nbd_dial.c   addresses, and the first connection, which open makes
 *   nbd_spec.c   what a spec means
 */
#ifndef XSP_BACKEND_TARGET_NBD_H
#define XSP_BACKEND_TARGET_NBD_H

#include <pthread.h>
#include <sys/socket.h>

#include "backend/target/nbd_api.h"
#include "backend/target/nbd_spec.h"
#include "backend/target/target.h"
#include "common/log.h"

#define XSP_NBD_INFLIGHT 64u   /* requests of one connection that are on their way */
#define XSP_NBD_WORKERS  64u
#define XSP_NBD_TRIES    20u   /* a request that lost its connection so often fails */
#define XSP_NBD_DISCARD  (1u << 30)
#define XSP_NBD_DURABLE  UINT64_MAX /* scratch[1] of a write that needs no flush */

struct xsp_nbd_set;
struct xsp_nbd_conn;
struct xsp_child;

struct xsp_nbd {
	struct xsp_target t;
	struct xsp_nbd_spec spec;
	struct {
		struct sockaddr_storage sa;
		socklen_t len;
	} addr[XSP_NBD_ADDRS];
	unsigned int n_addrs;
	uint32_t max_bytes; /* of one request */
	bool multi_conn;    /* else one connection carries all, whatever worker a request is of */
	bool can_fua;
	struct xsp_child *child; /* the server, when it is ours */

	pthread_mutex_t lock; /* guards what follows */
	unsigned int refs;    /* the target's, and one for each set */
	unsigned int n_sets;
	struct nbd_handle *first; /* the connection that open made, until a set takes it */
	unsigned int n_live;      /* connections that stand, all sets */
	uint64_t lost_ns;         /* when the last one went; 0: not lost */
	bool gave_up;             /* requests fail since then */
	bool closing;

	/* A worker's own slot: made by the first request, read by that worker's thread and by close. */
	struct xsp_nbd_set *sets[XSP_NBD_WORKERS];
	struct xsp_worker *owner; /* atomic, without multi_conn: whose connection it is */

	/* Writes, and those of them that a flush has covered: what a server of ours may lose. Atomic. */
	uint64_t written, flushed;
	bool failed; /* atomic: it did lose some */
};

/*
 * A request, or its next piece, on its way. Of its io: scratch[0] bytes done, [1] a flush's view of `written`, then
 * the outcome on its way to another worker, [2] connections lost.
 */
struct xsp_nbd_cmd {
	struct xsp_nbd_cmd *next; /* free or done list */
	struct xsp_nbd_conn *conn;
	struct xsp_io *io; /* NULL: free */
	uint32_t bytes;
	int err; /* > 0: an errno, as libnbd has it */
	bool done;
};

enum xsp_nbd_state { XSP_NBD_DOWN, XSP_NBD_CONNECTING, XSP_NBD_UP };

struct xsp_nbd_conn {
	struct xsp_nbd_set *set;
	struct nbd_handle *h; /* NULL: none */
	enum xsp_nbd_state state;
	bool settling;
	unsigned int next_addr;
	/* What the io_uring owes us: polls for one direction each, and a timer. A stale one is of an
	 * earlier socket. */
	struct xsp_cb in_cb, out_cb, timer_cb;
	bool in_armed, out_armed, timer_armed, in_stale, out_stale;
	uint64_t deadline_ns, timer_at_ns; /* 0: none */
	struct __kernel_timespec time;
	uint32_t back_off_ms;
	uint64_t heard_ns; /* of the last answer, or of the first request after none */
	unsigned int n_busy;
	struct xsp_nbd_cmd *free, *done;
	struct xsp_nbd_cmd cmd[XSP_NBD_INFLIGHT];
};

/* The connections of one worker. Its thread only. */
struct xsp_nbd_set {
	struct xsp_nbd *nbd;
	struct xsp_worker *worker;
	struct xsp_io *waiting, *last_waiting;
	bool closing;
	struct xsp_mail mail;
	unsigned int n_conns;
	struct xsp_nbd_conn conn[];
};

/* --- nbd.c: any thread ---------------------------------------------------------------------------- */

/** xsp_nbd_answer - the request is done: on its own worker's thread */
void xsp_nbd_answer(struct xsp_nbd_set *s, struct xsp_io *io, int err);

/** xsp_nbd_open - a target for spec; child: the server if it is ours (taken over), or NULL */
int xsp_nbd_open(const struct xsp_nbd_spec *spec, struct xsp_child *child,
		 const struct xsp_target_wish *wish, struct xsp_target **ret, char *why,
		 size_t why_len);

/** xsp_nbd_put - give a reference back; the last one frees the target */
void xsp_nbd_put(struct xsp_nbd *n);

/** xsp_nbd_came, xsp_nbd_went - a connection stands or not any more; the log says the first and last */
void xsp_nbd_came(struct xsp_nbd *n);
void xsp_nbd_went(struct xsp_nbd *n, const char *why);

/* --- nbd_set.c ------------------------------------------------------------------------------------ */

/** xsp_nbd_set_new - its connections, which begin to connect; NULL: no memory. Worker's thread. */
struct xsp_nbd_set *xsp_nbd_set_new(struct xsp_nbd *n, struct xsp_worker *w);

/** xsp_nbd_set_submit - send it, or let it wait for a connection */
void xsp_nbd_set_submit(struct xsp_nbd_set *s, struct xsp_io *io);

/** xsp_nbd_set_wait - it waits again, before all others: its connection is lost or it has more pieces */
void xsp_nbd_set_wait(struct xsp_nbd_set *s, struct xsp_io *io);

/** xsp_nbd_set_kick - send what waits, as far as connections have room */
void xsp_nbd_set_kick(struct xsp_nbd_set *s);

/** xsp_nbd_set_fail - what waits fails, now */
void xsp_nbd_set_fail(struct xsp_nbd_set *s, int err);

/** xsp_nbd_set_close - mail for the worker: close all; the set is freed when the io_uring owes nothing */
void xsp_nbd_set_close(struct xsp_mail *mail, void *owner);

/** xsp_nbd_set_may_go - free a closing set if that can be */
void xsp_nbd_set_may_go(struct xsp_nbd_set *s);

/* --- nbd_conn.c: the set's worker's thread --------------------------------------------------------- */

/** xsp_nbd_conn_init - h: a connection that stands already, or NULL */
void xsp_nbd_conn_init(struct xsp_nbd_conn *c, struct xsp_nbd_set *s, struct nbd_handle *h);

/** xsp_nbd_conn_send - send a request's next piece; c is up and has room */
void xsp_nbd_conn_send(struct xsp_nbd_conn *c, struct xsp_io *io);

/** xsp_nbd_conn_close - for good; nothing is in flight */
void xsp_nbd_conn_close(struct xsp_nbd_conn *c);

/* --- nbd_dial.c ----------------------------------------------------------------------------------- */

/** xsp_nbd_resolve - the server's addresses; may take long. 0, or -errno and why */
int xsp_nbd_resolve(struct xsp_nbd *n, char *why, size_t why_len);

/** xsp_nbd_handle - a handle that begins to connect to address i; NULL: errno says why not */
struct nbd_handle *xsp_nbd_handle(struct xsp_nbd *n, unsigned int i);

/** xsp_nbd_dial - n->first: connect and shake hands, 8 s at most; 0, or -errno and why */
int xsp_nbd_dial(struct xsp_nbd *n, char *why, size_t why_len);

/** xsp_nbd_learn - what the export is, into the target; 0, or -errno and why */
int xsp_nbd_learn(struct xsp_nbd *n, struct nbd_handle *h, const struct xsp_target_wish *wish,
		  char *why, size_t why_len);

/** xsp_nbd_same - is it still the export that was opened? 0, or -errno and why */
int xsp_nbd_same(const struct xsp_nbd *n, struct nbd_handle *h, char *why, size_t why_len);

/** xsp_nbd_tune - of a connected TCP socket: notice a peer that is gone without a word */
void xsp_nbd_tune(int fd);

#endif
