/* SPDX-License-Identifier: MIT */
/*
 * A process's side of the lab, under the drop-in libraries (libxensplit-lab.so.0): connections to
 * the hub, the shared memory, views of other domains' memory, the arena that grants are mapped in,
 * and fault injection. One library of its own because all drop-ins of a process share this state.
 */
#ifndef COMMON_LAB_WORLD_H
#define COMMON_LAB_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/lab/proto.h"
#include "common/lab/shm.h"

/* All of one domain's memory, mapped once per process for copies; fd for strict maps. */
struct lab_view {
	uint32_t gen; /* 0: none */
	int fd;
	uint8_t *base;
};

struct lab_world {
	struct lab_world *next;
	uint64_t dev, ino; /* of the shared memory: one world per lab */
	struct lab_shm *shm;
	uint32_t changes_seen;
	pthread_rwlock_t lock; /* guards view; held for reading while a view is used */
	struct lab_view view[LAB_DOMS];
};

/* A handle's connection. */
struct lab_link {
	int fd;
	pid_t pid; /* who opened it: after a fork only close is allowed */
	uint16_t dom;
	uint32_t dom_gen;
	uint32_t slot, gen;
	pthread_mutex_t lock; /* one request at a time */
	struct lab_world *world;
};

/*
 * Connect as the domain that the environment names now (XENSPLIT_LAB, XENSPLIT_DOM). *fd gets what
 * came along (eventfd, map records) or -1. cloexec: as the handle was asked to be. 0 or -errno.
 */
int lab_link_open(struct lab_link *l, enum lab_kind kind, int *fd, bool cloexec);

/* Whether the domain that the handle was opened in still lives. */
bool lab_link_alive(const struct lab_link *l);

/* Let go of all the handle held, wait until the hub has done so, disconnect. */
void lab_link_close(struct lab_link *l);

/*
 * One request. m->len bytes of `data` go along; up to `room` bytes of the reply's data go to `out`;
 * a reply's fd to *fd. Returns the reply's rc or -errno. Any thread.
 */
int lab_call(struct lab_link *l, struct lab_msg *m, const void *data, void *out, size_t room,
	     int *fd);

/* The request with no data and up to three arguments. */
int lab_call3(struct lab_link *l, enum lab_op op, uint32_t a, uint32_t b, uint32_t c);

/*
 * The view of a domain's memory, fetched when needed. Takes world->lock for reading and holds it
 * when it returns a view (NULL: not, the domain does not exist); end with lab_view_put.
 */
struct lab_view *lab_view_get(struct lab_link *l, uint32_t dom);
void lab_view_put(struct lab_link *l);

/* Forget the memory of domains that died, so that this process doesn't keep it. */
void lab_views_sweep(struct lab_world *w);

/* Pages of address space that grants are mapped in. page: index of the first. 0 or -ENOMEM. */
int lab_arena_get(uint32_t pages, uint32_t *page);
void lab_arena_put(uint32_t page, uint32_t pages);
uint8_t *lab_arena_addr(uint32_t page);

/* Whether [p, p + n) touches mapped grants; *page is p's page of the arena if p is inside it. */
bool lab_arena_has(const void *p, size_t n, uint32_t *page);

/*
 * Fault injection: counts a call of `name` ("gnttab.copy") and returns 0, or the errno it shall
 * fail with (usual, unless the specification names another). See docs/lab.md.
 */
int lab_fault(const char *name, int usual);

/* -1 with errno ENOSYS; the first call of each name logs a line. */
int lab_unknown(const char *name);

#endif
