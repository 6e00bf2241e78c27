/* SPDX-License-Identifier: MIT */
/* To look or to sleep: see polling.h. */
#include "backend/polling.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_NS 10000000ull /* idle time is measured over at least this long while looking pays ... */
#define ASLEEP_NS 1000000ull  /* ... and when it doesn't: who comes now should not wait for long */
#define WAKE_NS   25000ull    /* what a sleep and a wake take, with the guest's part; in a virtual machine */

static const char *const names[XSP_POLL_MODES] = { "auto", "event", "adaptive", "always" };

const char *xsp_polling_name(uint32_t mode)
{
	return mode < XSP_POLL_MODES ? names[mode] : "?";
}

int xsp_polling_parse(const char *name, uint32_t *ret_mode)
{
	for (uint32_t i = 0; i < XSP_POLL_MODES; i++) {
		if (strcmp(name, names[i]))
			continue;
		*ret_mode = i;
		return 0;
	}
	return -EINVAL;
}

/* A worker that looks takes its CPU from the guests, unless there is one more than workers and main. */
uint32_t xsp_polling_choose(unsigned int workers)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus > (long)workers + 1 ? XSP_POLL_ADAPTIVE : XSP_POLL_EVENT;
}

void xsp_poller_set(struct xsp_poller *p, const struct xsp_polling *set)
{
	__atomic_store_n(&p->set.mode, set->mode, __ATOMIC_RELAXED);
	__atomic_store_n(&p->set.duration_us, set->duration_us, __ATOMIC_RELAXED);
	__atomic_store_n(&p->set.idle_percent, set->idle_percent, __ATOMIC_RELAXED);
	p->pays = true; /* until it turns out otherwise */
}

struct xsp_polling xsp_poller_get(const struct xsp_poller *p)
{
	return (struct xsp_polling){
		.mode = __atomic_load_n(&p->set.mode, __ATOMIC_RELAXED),
		.duration_us = __atomic_load_n(&p->set.duration_us, __ATOMIC_RELAXED),
		.idle_percent = __atomic_load_n(&p->set.idle_percent, __ATOMIC_RELAXED),
	};
}

/*
 * Looking pays when enough of the time is work; and when the gaps between are shorter than what a sleep
 * and a wake cost, however little the work is.
 */
static bool pays(const struct xsp_poller *p, uint64_t length)
{
	uint64_t idle = length - (p->busy_ns < length ? p->busy_ns : length);

	return idle * 100 <= length * p->set.idle_percent || idle <= p->works * WAKE_NS;
}

static void measure(struct xsp_poller *p, uint64_t now)
{
	uint64_t length = now - p->window_ns;

	if (p->worked) {
		p->busy_ns += now - p->turn_ns;
		p->worked_ns = now;
		p->works++;
	}
	if (length < (p->pays ? WINDOW_NS : ASLEEP_NS))
		return;
	p->pays = pays(p, length);
	p->window_ns = now;
	p->works = 0;
	p->busy_ns = 0;
}

bool xsp_poller_spins(struct xsp_poller *p, uint64_t now)
{
	if (p->set.mode != XSP_POLL_ADAPTIVE)
		return p->set.mode == XSP_POLL_ALWAYS;
	measure(p, now);
	return p->pays && now - p->worked_ns < p->set.duration_us * 1000ull;
}
