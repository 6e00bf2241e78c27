/* SPDX-License-Identifier: MIT */
/*
 * Two threads that exchange something through shared memory, each on its processor: the frame in
 * which our ring, Xen's macros and the machine's own limits are measured alike.
 */
#ifndef XSP_BENCH_PAIR_H
#define XSP_BENCH_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAIR_FRONT 0
#define PAIR_BACK  1

/*
 * One run. What changes while the halves run lies on lines of its own; wrong is on a line that both
 * read all the time, so it is written only when something is wrong.
 */
struct pair {
	void *pages;       /* 2^order pages, zeroed before each run */
	unsigned int order;
	uint32_t batch;    /* requests between two pushes; responses likewise */
	uint32_t depth;    /* requests under way at most */
	uint32_t queues;   /* rings, one behind the other in pages; 0: one */
	bool event;        /* sleep when there is nothing to do; else spin */
	int cpu[2];        /* where each half runs */
	bool fifo;         /* SCHED_FIFO, so that the rest of a busy machine stays away */
	int wake[2];       /* eventfd of each half; the other one writes it */
	uint64_t ops, ns;  /* by the front half: requests answered, and how long that took */
	uint64_t wrong;    /* answers that were not those expected */
	void *ctx;         /* of the contestant */
	struct pair_counts {
		uint64_t cpu_ns, notifies, wakes;
	} __attribute__((aligned(128))) half[2]; /* of each half */
	uint32_t stop __attribute__((aligned(128))); /* set when the time is over: the front drains */
	uint32_t done __attribute__((aligned(128))); /* set by the front: the back may go */
};

struct contestant {
	const char *name;
	const char *what; /* a line for people */
	void (*prepare)(struct pair *p); /* NULL: zeroed pages will do */
	void (*front)(struct pair *p);
	void (*back)(struct pair *p);
	void (*front_many)(struct pair *p), (*back_many)(struct pair *p); /* several queues; NULL: can't */
	bool poll_only; /* has no way to sleep */
	uint32_t pages; /* it needs that many times the ring's; 0: as many */
	bool limit;     /* not a ring: what the machine can do at best */
};

extern const struct contestant ring_rte, ring_rte_packed, ring_xsp, ring_xsp_flow, ring_xsp_plain,
	ring_xen, ring_xen_check, limit_line, limit_stream, limit_pages, limit_copy, limit_wake;

/**
 * pair_run - run both halves for @seconds
 *
 * Returns 0, or -errno when no thread could be made where it should run.
 */
int pair_run(struct pair *p, const struct contestant *c, double seconds);

static inline bool pair_stopped(const struct pair *p)
{
	return __atomic_load_n(&p->stop, __ATOMIC_RELAXED);
}

static inline bool pair_over(const struct pair *p)
{
	return __atomic_load_n(&p->done, __ATOMIC_ACQUIRE);
}

/** pair_notify - one event for the other half; @me: who sends it */
void pair_notify(struct pair *p, int me);

/** pair_wait - sleep until the other half sends an event */
void pair_wait(struct pair *p, int me);

#define PAIR_MAX_QUEUES 8u

/** pair_ring - where queue number @i lies */
static inline void *pair_ring(const struct pair *p, uint32_t i)
{
	return (char *)p->pages + ((size_t)4096 << p->order) * i;
}

/* A private copy that is used as a whole: the compiler must make it. */
#define PAIR_USE(copy) __asm__ __volatile__("" ::"m"(copy) : "memory")

/** pair_relax - in a loop that spins */
static inline void pair_relax(void)
{
	__builtin_ia32_pause();
}

#endif
