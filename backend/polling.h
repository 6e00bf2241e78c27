/* SPDX-License-Identifier: MIT */
/*
 * How a worker waits for requests. `event`: it asks its guests for events and sleeps. `always`: it
 * asks for none and looks at its rings for ever: ports stay masked, req_event stays behind, so a good
 * frontend sends no event at all. `adaptive`: it looks on for a while after the last work, then asks
 * and sleeps; when looking has not been worth it, it sleeps at once. It is worth it while enough of the
 * time is work, or while requests come sooner than a sleep and a wake would take.
 *
 * This file decides; the loop (worker.c) does.
 */
#ifndef XSP_BACKEND_POLLING_H
#define XSP_BACKEND_POLLING_H

#include <stdbool.h>
#include <stdint.h>

enum xsp_poll_mode {
	XSP_POLL_AUTO, /* in the configuration only: adaptive where a CPU is to spare, else event */
	XSP_POLL_EVENT,
	XSP_POLL_ADAPTIVE,
	XSP_POLL_ALWAYS,
	XSP_POLL_MODES
};

#define XSP_POLL_MAX_US 1000000u

/* What an operator may set. */
struct xsp_polling {
	uint32_t mode;         /* enum xsp_poll_mode; AUTO only in a wish */
	uint32_t duration_us;  /* adaptive: look on for so long after the last work; 1..XSP_POLL_MAX_US */
	uint32_t idle_percent; /* adaptive: sleep at once when more of the time was idle, in gaps of 25 us and more; 0..100 */
};

/* A worker's own: its settings, and whether looking is worth it. */
struct xsp_poller {
	struct xsp_polling set; /* written by its thread alone, atomically: others look at it */
	uint64_t turn_ns;       /* this turn began, or its wait ended */
	uint64_t worked_ns;     /* the last work ended */
	uint64_t window_ns;     /* start of the present window ... */
	uint64_t busy_ns;       /* ... how much of it was work */
	uint64_t works;         /* ... in how many turns */
	bool pays;              /* enough of the last window was work, or the gaps were short */
	bool worked;            /* in this turn */
};

/** xsp_polling_name - "auto", "event", "adaptive", "always" */
const char *xsp_polling_name(uint32_t mode);

/** xsp_polling_parse - the reverse; 0 or -EINVAL */
int xsp_polling_parse(const char *name, uint32_t *ret_mode);

/** xsp_polling_choose - what AUTO comes to for so many workers on this machine */
uint32_t xsp_polling_choose(unsigned int workers);

/** xsp_poller_set - new settings (mode not AUTO); the worker's thread, or before it runs */
void xsp_poller_set(struct xsp_poller *p, const struct xsp_polling *set);

/** xsp_poller_get - the settings in force; any thread */
struct xsp_polling xsp_poller_get(const struct xsp_poller *p);

/** xsp_poller_turn - a turn begins, or its wait has ended */
static inline void xsp_poller_turn(struct xsp_poller *p, uint64_t now_ns)
{
	p->turn_ns = now_ns;
	p->worked = false;
}

/**
 * xsp_poller_spins - the turn's work is done: shall the worker look on (true) or ask for events?
 * @now_ns: CLOCK_MONOTONIC now; p->worked: this turn had work to do
 */
bool xsp_poller_spins(struct xsp_poller *p, uint64_t now_ns);

#endif
