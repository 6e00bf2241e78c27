/* SPDX-License-Identifier: MIT */
/* Questions between the daemon's threads: see ask.h. */
#include "common/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Shared by the two threads; whoever comes last frees it. */
struct question {
	struct xsp_mail mail; /* first */
	int (*fn)(void *owner, void *arg);
	pthread_mutex_t lock; /* guards what follows; arg is the asked thread's until done */
	pthread_cond_t answered;
	int refs;
	bool done;
	int result;
	_Alignas(max_align_t) char arg[]; /* any plain data */
};

static void put(struct question *q)
{
	bool last;

	pthread_mutex_lock(&q->lock);
	last = --q->refs == 0;
	pthread_mutex_unlock(&q->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->answered);
	free(q);
}

static void run(struct xsp_mail *mail, void *owner)
{
	struct question *q = (struct question *)mail;
	int result = q->fn(owner, q->arg);

	pthread_mutex_lock(&q->lock);
	q->result = result;
	q->done = true;
	pthread_cond_signal(&q->answered);
	pthread_mutex_unlock(&q->lock);
	put(q);
}

static struct question *make(const void *arg, size_t len)
{
	struct question *q = calloc(1, sizeof(*q) + len);
	pthread_condattr_t attr;

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->answered, &attr);
	pthread_condattr_destroy(&attr);
	memcpy(q->arg, arg, len);
	return q;
}

int xsp_ask(struct xsp_mailbox *box, int (*fn)(void *owner, void *arg), void *arg, size_t len,
	    unsigned int ms)
{
	struct question *q = make(arg, len);
	struct timespec until;
	int result, err = 0;

	if (!q)
		return -ENOMEM;
	q->fn = fn;
	q->refs = 2;
	q->mail.fn = run;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	xsp_mailbox_post(box, &q->mail);
	pthread_mutex_lock(&q->lock);
	while (!q->done && !err)
		err = pthread_cond_timedwait(&q->answered, &q->lock, &until);
	result = q->done ? q->result : -ETIMEDOUT;
	if (q->done)
		memcpy(arg, q->arg, len);
	pthread_mutex_unlock(&q->lock);
	put(q);
	return result;
}
