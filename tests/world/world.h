/* SPDX-License-Identifier: MIT */
/*
 * One program, two processes, two worlds: what the kit relies on about event channels and grants,
 * asked of real Xen and of the lab alike, through the public libraries only. The two sides go
 * through the same list of cases and tell each other numbers through the guest's data/ node.
 */
#ifndef TESTS_WORLD_WORLD_H
#define TESTS_WORLD_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#define PAGE 4096u

struct world {
	bool guest; /* else Dom0 */
	uint32_t peer;
	const char *session;
	struct xs_handle *xs;
	const char *name; /* of the case that runs */
	int failed, passed;
	bool case_failed;
};

struct world_case {
	const char *name;
	void (*dom0)(struct world *w);
	void (*guest)(struct world *w);
};

/* Tell the other side a number; hear one (ends the program after 20 s of silence). */
void say(struct world *w, const char *key, long value);
long hear(struct world *w, const char *key);

/* A claim of the case; false fails it, with what was seen. */
bool claim(struct world *w, bool ok, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Whether the fd becomes readable within ms. */
bool readable(int fd, int ms);

/* The next port of a handle within five seconds, unmasked again; -1 if none comes. */
int next_event(xenevtchn_handle *x);

/* No event within 150 ms. */
bool silent(xenevtchn_handle *x);

extern const struct world_case evtchn_cases[], uring_cases[], grant_cases[], copy_cases[];

#endif
