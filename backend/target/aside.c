/* SPDX-License-Identifier: MIT */
/* The thread beside the workers: see aside.h. */
#include "backend/target/aside.h"

#include <errno.h>
#include <stdlib.h>

struct xsp_aside {
	struct xsp_target *t;
	int (*call)(struct xsp_target *t, struct xsp_io *io);
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;
	struct xsp_io *line, *last;
	bool leave;
};

static void answer(struct xsp_mail *mail, void *owner)
{
	struct xsp_io *io = (struct xsp_io *)((char *)mail - offsetof(struct xsp_io, mail));

	(void)owner;
	xsp_io_done(io, (int)(int64_t)io->scratch[0]);
}

static void *aside_main(void *arg)
{
	struct xsp_aside *a = arg;

	pthread_mutex_lock(&a->lock);
	while (!a->leave) {
		struct xsp_io *io = a->line;

		if (!io) {
			pthread_cond_wait(&a->more, &a->lock);
			continue;
		}
		a->line = io->next;
		pthread_mutex_unlock(&a->lock);
		io->scratch[0] = (uint64_t)(int64_t)a->call(a->t, io);
		io->mail.fn = answer;
		xsp_mailbox_post(&io->worker->box, &io->mail);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

int xsp_aside_new(struct xsp_target *t, int (*call)(struct xsp_target *t, struct xsp_io *io),
		  struct xsp_aside **ret)
{
	struct xsp_aside *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->t = t;
	a->call = call;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->more, NULL);
	err = -pthread_create(&a->thread, NULL, aside_main, a);
	if (err)
		free(a);
	else
		*ret = a;
	return err;
}

void xsp_aside_do(struct xsp_aside *a, struct xsp_io *io)
{
	io->next = NULL;
	pthread_mutex_lock(&a->lock);
	if (a->line)
		a->last->next = io;
	else
		a->line = io;
	a->last = io;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
}

void xsp_aside_free(struct xsp_aside *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->leave = true;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->more);
	free(a);
}
