/* SPDX-License-Identifier: MIT */
/*
 * What the hub and the drop-in libraries share: one memfd that every handle maps, holding each
 * domain's grant table and event channel ports and each event channel handle's queue. Here because
 * notify, pending, unmask, map and copy must not cost a trip to the hub. It is no security
 * boundary: every process of the lab can write all of it.
 *
 * Locks: lab_dom.grant_lock guards that domain's grefs and map counts together with the map records
 * (struct lab_rec) of them; lab_evh.lock guards that handle's queue and the pending/masked bits of
 * the ports it owns. Both are robust: a holder may be killed. Never hold two.
 */
#ifndef COMMON_LAB_SHM_H
#define COMMON_LAB_SHM_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define LAB_MAGIC         0x6c616231u
#define LAB_PAGE          4096u
#define LAB_DOMS          256    /* domids 0..255 */
#define LAB_PORTS         4096   /* of a domain, as the 2-level ABI of a 64-bit guest has */
#define LAB_GREFS         2048   /* entries of a grant table; reference r grants page r */
#define LAB_GREF_RESERVED 8      /* 0 console, 1 store: GNTTAB_RESERVED_* */
#define LAB_GNTALLOC      1024   /* pages gntshr gives in a domain: Linux's xen_gntalloc.limit */
#define LAB_EVHS          1024   /* open event channel handles */
#define LAB_RING          8192   /* queue of one handle; a port is in it once */
#define LAB_ARENA         131072 /* pages one process can have mapped */
#define LAB_MAX_PINS      127    /* maps of one reference, as Xen's eight bits allow */

#define LAB_GTF_PERMIT   0x01u
#define LAB_GTF_READONLY 0x04u
#define LAB_GTF_READING  0x08u
#define LAB_GTF_WRITING  0x10u

enum lab_dom_state { LAB_DOM_FREE, LAB_DOM_ALIVE, LAB_DOM_DYING };
enum lab_port_state { LAB_PORT_FREE, LAB_PORT_UNBOUND, LAB_PORT_INTERDOMAIN, LAB_PORT_VIRQ };

/* bind: state | remote domid << 8 | remote port (or virq) << 32. Written by the hub only. */
#define LAB_BIND(st, dom, port) \
	((uint64_t)(st) | (uint64_t)(uint16_t)(dom) << 8 | (uint64_t)(port) << 32)
#define LAB_BIND_STATE(b) ((unsigned int)((b)&0xff))
#define LAB_BIND_DOM(b)   ((uint16_t)((b) >> 8))
#define LAB_BIND_PORT(b)  ((uint32_t)((b) >> 32))

/* owner: the handle a port is bound in: slot + 1 | generation << 32; 0 = nobody. */
#define LAB_OWNER(slot, gen) ((uint64_t)((slot) + 1) | (uint64_t)(gen) << 32)
#define LAB_OWNER_SLOT(o)    ((uint32_t)(o)-1)

struct lab_port {
	uint64_t bind;   /* hub writes, everybody reads */
	uint64_t owner;  /* hub writes, everybody reads */
	uint8_t pending; /* an event came while masked; under the owner's lock */
	uint8_t masked;  /* queued or read, not yet written back; under the owner's lock */
};

/* entry: a grant_entry_v1: flags | domid << 16 | frame << 32. */
#define LAB_ENTRY(flags, dom, frame) \
	((uint64_t)(flags) | (uint64_t)(uint16_t)(dom) << 16 | (uint64_t)(frame) << 32)
#define LAB_ENTRY_FLAGS(e) ((uint16_t)(e))
#define LAB_ENTRY_DOM(e)   ((uint16_t)((e) >> 16))
#define LAB_ENTRY_FRAME(e) ((uint32_t)((e) >> 32))

struct lab_gref {
	uint64_t entry;
	uint16_t ro, rw; /* maps for reading, for writing too */
};

struct lab_dom {
	uint32_t state;
	uint32_t gen;        /* of the domid: raised at create */
	uint32_t maps;       /* of its pages, by anybody; the domain stays dying until 0 */
	uint32_t recount;    /* a holder of grant_lock was killed: the hub counts again */
	uint64_t created_ns; /* CLOCK_MONOTONIC */
	uint8_t uuid[16];
	char name[48];
	pthread_mutex_t grant_lock;
	struct lab_gref gref[LAB_GREFS];
	struct lab_port port[LAB_PORTS];
};

/* One open event channel handle: Linux's per-open state of /dev/xen/evtchn. */
struct lab_evh {
	pthread_mutex_t lock;
	uint32_t gen;
	uint32_t overflow;
	uint32_t prod, cons;
	bool drained; /* the last event taken was the last one, and its eventfd was read */
	uint16_t ring[LAB_RING];
};

struct lab_shm {
	uint32_t magic;
	uint32_t changes; /* raised when a domain is made or dies: clients drop what is stale */
	char free_text[56];
	struct lab_dom dom[LAB_DOMS];
	struct lab_evh evh[LAB_EVHS];
};

/*
 * What one gnttab handle has mapped, by page of its process's arena; a memfd shared with the hub,
 * which undoes it when the handle's connection hangs up. Written under the granter's grant_lock.
 */
struct lab_rec {
	uint32_t gen; /* of the granter */
	uint16_t dom;
	uint8_t used;   /* 0, or 1 = read-only, 2 = writable */
	uint8_t notify; /* 1 clear the byte, 2 send the event */
	uint32_t ref;
	uint32_t frame;
	uint32_t notify_offset;
	uint32_t notify_port;
};

struct lab_recs {
	uint32_t lo, hi; /* records in use are within lo..hi-1; the client only widens it */
	struct lab_rec rec[LAB_ARENA];
};

static inline void lab_mutex_init(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(m, &a);
	pthread_mutexattr_destroy(&a);
}

/* Returns true when the lock's last holder died in it: the caller says what that means. */
static inline bool lab_lock(pthread_mutex_t *m)
{
	if (pthread_mutex_lock(m) != EOWNERDEAD)
		return false;
	pthread_mutex_consistent(m);
	return true;
}

/*
 * The hub's way: a holder that was stopped (SIGSTOP) must not stop the hub, so after a second it
 * goes on without the lock. False: not locked. *died: the last holder was killed.
 */
static inline bool lab_lock_or_go_on(pthread_mutex_t *m, bool *died)
{
	struct timespec t;
	int r = pthread_mutex_trylock(m);

	if (r == EBUSY) {
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec++;
		r = pthread_mutex_timedlock(m, &t);
	}
	*died = r == EOWNERDEAD;
	if (*died)
		pthread_mutex_consistent(m);
	return r == 0 || *died;
}

static inline void lab_unlock(pthread_mutex_t *m)
{
	pthread_mutex_unlock(m);
}

static inline uint64_t lab_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
