/* SPDX-License-Identifier: MIT */
/*
 * How threads of the daemon talk: each thread has a mailbox, a message is a function to run on the
 * receiving thread. Control path only; nothing of a request goes through here.
 */
#ifndef XSP_COMMON_MAILBOX_H
#define XSP_COMMON_MAILBOX_H

#include <pthread.h>

/* Embed it in what the message is about; the sender owns it again when fn has been called. */
struct xsp_mail {
	struct xsp_mail *next;
	void (*fn)(struct xsp_mail *mail, void *owner); /* owner: the receiving thread's object */
};

struct xsp_mailbox {
	pthread_mutex_t lock; /* guards head and tail */
	struct xsp_mail *head, *tail;
	int fd; /* eventfd: readable while mail may be waiting */
};

/** xsp_mailbox_init - returns 0 or -errno (no eventfd) */
int xsp_mailbox_init(struct xsp_mailbox *box);

/** xsp_mailbox_fini - closes the eventfd; mail still inside is the senders' matter */
void xsp_mailbox_fini(struct xsp_mailbox *box);

/** xsp_mailbox_post - hand a message over; any thread. The mail must not be in a box already. */
void xsp_mailbox_post(struct xsp_mailbox *box, struct xsp_mail *mail);

/** xsp_mailbox_run - run what has come, in order; the receiving thread. Returns the number run. */
unsigned int xsp_mailbox_run(struct xsp_mailbox *box, void *owner);

#endif
