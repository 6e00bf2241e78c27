/* SPDX-License-Identifier: MIT */
/* The threads that open targets: as many as there is work, up to a limit; see opener.h. */
#include "backend/opener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 64u /* so many hung servers, and the next disk waits */

static struct {
	pthread_mutex_t lock; /* guards all of it */
	struct xsp_opening *line;
	unsigned int threads;
} opener = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void destroy(struct xsp_opening *o)
{
	xsp_target_close(o->target);
	free(o->spec);
	free(o);
}

static void opened(struct xsp_mail *mail, void *owner)
{
	struct xsp_opening *o =
		(struct xsp_opening *)((char *)mail - offsetof(struct xsp_opening, mail));

	(void)owner;
	o->finished = true;
	if (o->abandoned)
		destroy(o);
	else
		o->done(o);
}

static struct xsp_opening *take(void)
{
	struct xsp_opening *o;

	pthread_mutex_lock(&opener.lock);
	o = opener.line;
	if (o)
		opener.line = o->next;
	else
		opener.threads--;
	pthread_mutex_unlock(&opener.lock);
	return o;
}

/* The target, with sectors of another size if that is wished. */
static int open_target(struct xsp_opening *o)
{
	size_t len = strlen(o->spec) + 32;
	int err = xsp_target_open(o->spec, &o->wish, &o->target, o->why, sizeof(o->why));
	char *spec;

	if (err || !o->sector_size || o->sector_size == o->target->sector_size)
		return err;
	xsp_target_close(o->target); /* its lock is taken again */
	o->target = NULL;
	spec = malloc(len);
	if (!spec)
		return -ENOMEM;
	snprintf(spec, len, "sectors,size=%u:%s", o->sector_size, o->spec);
	err = xsp_target_open(spec, &o->wish, &o->target, o->why, sizeof(o->why));
	free(spec);
	return err;
}

static void *opener_main(void *arg)
{
	struct xsp_opening *o;

	(void)arg;
	while ((o = take())) {
		o->err = open_target(o);
		o->mail.fn = opened;
		xsp_mailbox_post(o->box, &o->mail);
	}
	return NULL;
}

static int more_threads(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 1 << 20);
	err = -pthread_create(&thread, &attr, opener_main, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

int xsp_opener_start(struct xsp_opening *o)
{
	struct xsp_opening **at;
	int err = 0;

	o->next = NULL;
	pthread_mutex_lock(&opener.lock);
	for (at = &opener.line; *at; at = &(*at)->next)
		;
	*at = o;
	if (opener.threads < THREADS) {
		err = more_threads();
		opener.threads += !err;
	}
	if (err && opener.threads)
		err = 0; /* one of the others will do it */
	if (err)
		*at = NULL;
	pthread_mutex_unlock(&opener.lock);
	return err;
}

void xsp_opener_now(struct xsp_opening *o)
{
	o->why[0] = '\0';
	o->err = open_target(o);
	o->finished = true;
}

void xsp_opener_free(struct xsp_opening *o)
{
	if (!o)
		return;
	if (o->finished)
		destroy(o);
	else
		o->abandoned = true;
}
