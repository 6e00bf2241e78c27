/* SPDX-License-Identifier: MIT */
/* Two threads, each on its processor: see pair.h. */
#include "tools/bench/pair.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/bench.h"

struct half {
	struct pair *pair;
	const struct contestant *c;
	int me;
	pthread_barrier_t *start;
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void pair_notify(struct pair *p, int me)
{
	uint64_t one = 1;

	p->half[me].notifies++;
	if (write(p->wake[!me], &one, sizeof(one)) != sizeof(one))
		p->wrong++;
}

void pair_wait(struct pair *p, int me)
{
	uint64_t n;

	p->half[me].wakes++;
	if (read(p->wake[me], &n, sizeof(n)) != sizeof(n) && errno != EINTR)
		p->wrong++;
}

static void *run(void *arg)
{
	struct half *h = arg;
	struct pair *p = h->pair;
	struct sched_param fifo = { .sched_priority = 1 };
	uint64_t cpu, wall;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(p->cpu[h->me], &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (p->fifo)
		pthread_setschedparam(pthread_self(), SCHED_FIFO, &fifo);
	pthread_barrier_wait(h->start);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	wall = now(CLOCK_MONOTONIC);
	if (h->me == PAIR_FRONT) {
		(p->queues > 1 ? h->c->front_many : h->c->front)(p);
		p->ns = now(CLOCK_MONOTONIC) - wall;
		__atomic_store_n(&p->done, 1, __ATOMIC_RELEASE);
		pair_notify(p, PAIR_FRONT); /* the back may sleep */
		p->half[PAIR_FRONT].notifies--;
	} else {
		(p->queues > 1 ? h->c->back_many : h->c->back)(p);
	}
	p->half[h->me].cpu_ns = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

/*
 * Waits for both halves. One whose processor another real-time program holds can't end, and the other may
 * hold the processor that program waits for: after a while both are ordinary threads again.
 */
static void join(const pthread_t *thread, bool fifo)
{
	struct sched_param other = { 0 };
	struct timespec until;
	bool ended[2] = { false };

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2;
	for (int i = 0; i < 2 && fifo; i++)
		ended[i] = !pthread_timedjoin_np(thread[i], NULL, &until);
	for (int i = 0; i < 2 && fifo; i++)
		if (!ended[i])
			pthread_setschedparam(thread[i], SCHED_OTHER, &other);
	for (int i = 0; i < 2; i++)
		if (!ended[i])
			pthread_join(thread[i], NULL);
}

static void reset(struct pair *p, const struct contestant *c)
{
	uint32_t times = c->pages > p->queues ? c->pages : p->queues;

	memset(p->pages, 0, ((size_t)4096 << p->order) * (times ? times : 1));
	if (c->prepare)
		c->prepare(p);
	p->ops = p->ns = p->wrong = 0;
	p->stop = p->done = 0;
	for (int i = 0; i < 2; i++)
		p->half[i] = (struct pair_counts){ 0 };
}

int pair_run(struct pair *p, const struct contestant *c, double seconds)
{
	struct timespec t = { .tv_sec = (time_t)seconds };
	struct sched_param above = { .sched_priority = 2 }, other = { 0 };
	struct half half[2];
	pthread_barrier_t start;
	pthread_t thread[2];
	int err = 0, made = 0;

	reset(p, c);
	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	for (int i = 0; i < 2; i++) {
		p->wake[i] = eventfd(0, EFD_CLOEXEC);
		half[i] = (struct half){ .pair = p, .c = c, .me = i, .start = &start };
	}
	pthread_barrier_init(&start, NULL, 3);
	bench_turn(p->fifo);
	if (p->fifo) /* above the halves, or it would never get to say stop */
		pthread_setschedparam(pthread_self(), SCHED_FIFO, &above);
	for (; made < 2 && !err; made += !err)
		err = -pthread_create(&thread[made], NULL, run, &half[made]);
	if (!err) {
		pthread_barrier_wait(&start);
		nanosleep(&t, NULL);
		__atomic_store_n(&p->stop, 1, __ATOMIC_RELAXED);
		join(thread, p->fifo);
	}
	if (p->fifo)
		pthread_setschedparam(pthread_self(), SCHED_OTHER, &other);
	bench_turn_over(p->fifo);
	pthread_barrier_destroy(&start);
	for (int i = 0; i < 2; i++)
		close(p->wake[i]);
	return err;
}
