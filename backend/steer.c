/* SPDX-License-Identifier: MIT */
/* Workers as an operator sees them: see steer.h. */
#include "backend/steer.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/device.h"
#include "common/ask.h"

/* --- CPU lists ----------------------------------------------------------------------------------- */

static void format_cpus(const cpu_set_t *set, char *buf, size_t len)
{
	size_t at = 0;

	buf[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE && at < len - 12; first++) {
		int last = first;

		if (!CPU_ISSET(first, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		at += (size_t)snprintf(buf + at, len - at, last > first ? "%s%d-%d" : "%s%d",
				       at ? "," : "", first, last);
		first = last;
	}
}

static int parse_cpu(const char **at, int *ret)
{
	char *end;
	long n = strtol(*at, &end, 10);

	if (**at < '0' || **at > '9' || n >= CPU_SETSIZE)
		return -EINVAL;
	*at = end;
	*ret = (int)n;
	return 0;
}

static int parse_cpus(const char *text, cpu_set_t *set)
{
	CPU_ZERO(set);
	for (;;) {
		int first, last;

		if (parse_cpu(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-' && (text++, parse_cpu(&text, &last)))
			return -EINVAL;
		if (last < first)
			return -EINVAL;
		for (; first <= last; first++)
			CPU_SET(first, set);
		if (!*text)
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

/* --- list ---------------------------------------------------------------------------------------- */

static void snap_worker(const struct xsp_worker *w, struct xsp_worker_snap *s)
{
	struct timespec t;
	clockid_t clock;
	cpu_set_t cpus;

	s->index = w->index;
	s->tid = w->tid;
	s->enters = xsp_counted(&w->enters);
	s->polling = xsp_poller_get(&w->poller);
	if (!pthread_getcpuclockid(w->thread, &clock) && !clock_gettime(clock, &t))
		s->cpu_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (!pthread_getaffinity_np(w->thread, sizeof(cpus), &cpus))
		format_cpus(&cpus, s->cpus, sizeof(s->cpus));
}

static void snap_queues(struct xsp_daemon *d, struct xsp_workers_snap *s)
{
	struct xsp_device *dev;

	TAILQ_FOREACH(dev, &d->devices, link)
		for (uint32_t i = 0; i < dev->snap.n_queues; i++) {
			struct xsp_worker_queue *q = &s->queue[s->n_queues++];

			q->worker = dev->queue[i]->worker->index;
			q->index = i;
			memcpy(q->device, dev->name, sizeof(dev->name));
		}
}

static int by_worker(const void *a, const void *b)
{
	const struct xsp_worker_queue *x = a, *y = b;
	int names = strcmp(x->device, y->device);

	if (x->worker != y->worker)
		return x->worker < y->worker ? -1 : 1;
	return names ? names : (int)x->index - (int)y->index;
}

int xsp_steer_list(struct xsp_daemon *d, struct xsp_workers_snap *s)
{
	struct xsp_device *dev;
	size_t n = 1; /* none would be no error */

	*s = (struct xsp_workers_snap){ .n_workers = d->n_workers };
	s->worker = calloc(d->n_workers, sizeof(*s->worker));
	pthread_mutex_lock(&d->lock);
	TAILQ_FOREACH(dev, &d->devices, link)
		n += dev->snap.n_queues;
	s->queue = calloc(n, sizeof(*s->queue));
	if (s->queue)
		snap_queues(d, s);
	pthread_mutex_unlock(&d->lock);
	if (!s->worker || !s->queue) {
		xsp_steer_free(s);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < d->n_workers; i++)
		snap_worker(&d->workers[i], &s->worker[i]);
	qsort(s->queue, s->n_queues, sizeof(*s->queue), by_worker);
	return 0;
}

void xsp_steer_free(struct xsp_workers_snap *s)
{
	free(s->worker);
	free(s->queue);
	*s = (struct xsp_workers_snap){ 0 };
}

/* --- move ---------------------------------------------------------------------------------------- */

/* On the store thread. The wish stays with the device: it also holds for later connections. */
static int move(void *owner, void *arg)
{
	struct xsp_daemon *d = owner;
	struct xsp_move *m = arg;
	struct xsp_device *dev;
	int err = 0;

	TAILQ_FOREACH(dev, &d->devices, link)
		if (!strcmp(dev->name, m->device))
			break;
	if (!dev)
		return -ENOENT;
	if (xsp_device_busy(dev) || d->draining)
		return -EBUSY;
	if (m->queue >= (int)(dev->n_queues ? dev->n_queues : XSP_MAX_QUEUES))
		return -ERANGE;
	m->n = 0;
	for (int i = 0; i < (int)XSP_MAX_QUEUES; i++) {
		if (m->queue >= 0 && i != m->queue)
			continue;
		m->n += i < (int)dev->n_queues && dev->queue[i]->worker->index != m->worker;
		dev->worker[i] = (int)m->worker;
	}
	if (m->n)
		err = xsp_device_pause(dev, NULL);
	m->begun = m->n && !err;
	return err == -ENOTCONN ? 0 : err;
}

int xsp_steer_move(struct xsp_daemon *d, struct xsp_move *m)
{
	if (m->worker >= d->n_workers)
		return -ERANGE;
	return xsp_ask(&d->box, move, m, sizeof(*m), XSP_ASK_MS);
}

/* --- set ----------------------------------------------------------------------------------------- */

static int set(void *owner, void *arg)
{
	struct xsp_worker *w = owner;

	xsp_poller_set(&w->poller, arg);
	return 0;
}

int xsp_steer_set(struct xsp_daemon *d, uint32_t worker, const struct xsp_worker_wish *wish)
{
	struct xsp_polling polling;
	struct xsp_worker *w;
	cpu_set_t cpus;
	int err;

	if (worker >= d->n_workers)
		return -ERANGE;
	w = &d->workers[worker];
	if (wish->cpus && parse_cpus(wish->cpus, &cpus))
		return -EINVAL;
	if (wish->cpus) {
		err = -pthread_setaffinity_np(w->thread, sizeof(cpus), &cpus);
		if (err)
			return err;
	}
	polling = xsp_poller_get(&w->poller);
	if (wish->mode)
		polling.mode = *wish->mode == XSP_POLL_AUTO ? xsp_polling_choose(d->n_workers) :
							      *wish->mode;
	if (wish->duration_us)
		polling.duration_us = *wish->duration_us;
	if (wish->idle_percent)
		polling.idle_percent = *wish->idle_percent;
	return xsp_ask(&w->box, set, &polling, sizeof(polling), XSP_ASK_MS);
}
