/* SPDX-License-Identifier: MIT */
/*
 * xsp-evil: a guest that speaks XenStore and the block ring by hand and misbehaves on command.
 * For tests only. end.c is any device's, guest.c what a disk's frontend needs
 * to get connected and to do I/O; the attacks are
 * in ring_, data_, store_ and life_attacks.c, main.c has the table of them.
 *
 * An attack checks what it can see from inside the guest; what it does to the daemon and to other
 * guests is the test script's to check (tests/lab/test-hostile.sh).
 */
#ifndef XSP_TESTS_EVIL_H
#define XSP_TESTS_EVIL_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/blkif.h"
#include "tests/evil/end.h"

#define PAGES 64u /* of data, granted to the backend */

struct guest {
	struct end end;
	uint32_t peer; /* a domain that is neither ours nor the backend's, 0: none */
	evtchn_port_t port;
	enum xsp_blk_abi abi;
	unsigned int order;
	uint32_t size; /* slots */
	struct xsp_sring *ring;
	uint32_t ring_ref[16];
	uint32_t req_prod, rsp_cons;
	uint8_t *data;
	uint32_t ref[PAGES];
	uint64_t sectors; /* of the disk, once connected */
	uint64_t next_id;
	bool persistent; /* say so, so that the backend keeps our pages mapped */
};

/* --- guest.c ----------------------------------------------------------------------------------- */

int guest_open(struct guest *g, uint32_t domid, uint32_t devid);
/* The steps of connecting: to state 1 with a backend in 2; ring and port made; the keys written. */
bool guest_begin(struct guest *g);
void guest_make_ring(struct guest *g, unsigned int order, enum xsp_blk_abi abi);
void guest_keys(struct guest *g);
/* All of that, then 3, and 4 when the backend is there. protocol NULL: no key. */
bool guest_connect(struct guest *g, unsigned int order, enum xsp_blk_abi abi, const char *protocol);
/* Say 5 and 6 and give up the ring; works from any state. */
void guest_close(struct guest *g);

/* A request on our data pages from `page` on, segments of whole pages. */
struct xsp_blk_req guest_request(struct guest *g, uint8_t op, uint64_t sector, unsigned int nr_segs,
				 unsigned int page);
void guest_put(struct guest *g, const struct xsp_blk_req *req);
void guest_push(struct guest *g); /* publish and kick */
void *guest_slot(struct guest *g, uint32_t index);
/* Take up to n responses within ms; returns how many came. */
unsigned int guest_take(struct guest *g, struct xsp_blk_rsp *rsp, unsigned int n, int ms);
/* One request, one response: its status; INT16_MIN when none came or it was another's. */
int16_t guest_do(struct guest *g, struct xsp_blk_req *req);
/* Write a pattern to the disk's first page and read it back into other pages. */
bool guest_works(struct guest *g);

/* --- the attacks ------------------------------------------------------------------------------- */

void ring_overflow(struct guest *g);
void ring_far(struct guest *g);
void ring_back(struct guest *g);
void ring_flip(struct guest *g);
void event_indices(struct guest *g);
void response_padding(struct guest *g);
void event_storm(struct guest *g);
void layouts(struct guest *g);
void stale_ring(struct guest *g);

void bad_segments(struct guest *g);
void bad_sectors(struct guest *g);
void bad_range(struct guest *g);
void bad_grants(struct guest *g);
void bad_operations(struct guest *g);
void bad_indirect(struct guest *g);
void bad_discard(struct guest *g);
void read_only(struct guest *g);
void double_fetch(struct guest *g);
void log_flood(struct guest *g);

void descriptor_race(struct guest *g);
void barrier_flood(struct guest *g);
void grants_cycle(struct guest *g);
void grants_flaky(struct guest *g);

void bad_nodes(struct guest *g);
void state_storm(struct guest *g);
void node_storm(struct guest *g);
void nodes_vanish(struct guest *g);
void bad_connects(struct guest *g);

void port_games(struct guest *g);
void toggles(struct guest *g);
void pages_vanish(struct guest *g);
void die(struct guest *g);
void hold(struct guest *g);
void hold_indirect(struct guest *g);

void reborn(struct guest *g);
void dialects(struct guest *g);
void change_storm(struct guest *g);

void idle(struct guest *g);
void count_errors(struct guest *g);
void read_far(struct guest *g);

#endif
