/* SPDX-License-Identifier: MIT */
/*
 * The world in which event channels and grants are measured: the lab or a real Xen. Both ends are in this
 * process: in the lab one of guest 1 and one of Dom0, on Xen both of this very domain.
 */
#ifndef XSP_BENCH_WORLD_H
#define XSP_BENCH_WORLD_H

#include "tools/bench/bench.h"

enum world_end { WORLD_GUEST, WORLD_DOM0 };

/**
 * world_enter - find a world and name it in b->world
 *
 * Inside a lab or on Xen it returns 0. Elsewhere it makes a lab, runs this command again in it, takes the
 * lab down and returns that run's exit code + 1; or -1 when no lab can be made (said why), with b->world the
 * machine alone.
 */
int world_enter(struct bench *b);

/** world_as - handles opened from now on are of this end's domain */
void world_as(enum world_end end);

/** world_domid - the domain at this end, as the other end calls it */
uint32_t world_domid(enum world_end end);

#endif
