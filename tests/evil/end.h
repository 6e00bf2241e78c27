/* SPDX-License-Identifier: MIT */
/*
 * The guest's end of a device, by hand: store, grants, event channels, the states, and the account
 * of what did not go as it should. xsp-evil (disks) and xsp-evilnet (networks) put their rings and
 * attacks on top.
 */
#ifndef XSP_TESTS_END_H
#define XSP_TESTS_END_H

#include <stdbool.h>
#include <stdint.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

struct end {
	uint32_t domid, devid;
	char fe[128], be[128]; /* the directories */
	struct xs_handle *xs;
	xengntshr_handle *xgs;
	xenevtchn_handle *xce;
	unsigned int dose; /* how much of a storm, in percent */
	int failed;
};

/* class is "vbd" or "vif". -ENODEV: the toolstack has made no such device. */
int end_open(struct end *e, const char *class, uint32_t domid, uint32_t devid);
void end_free(struct end *e);

char *end_read(struct end *e, const char *dir, const char *key); /* to be freed; NULL */
int end_number(struct end *e, const char *dir, const char *key); /* -1: none there */
bool end_write(struct end *e, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool end_write_bytes(struct end *e, const char *key, const void *value, unsigned int len);
void end_rm(struct end *e, const char *key);

/* Wait until the backend's state is one of the bits (1 << state); returns it, or -1 after ms. */
int end_wait(struct end *e, unsigned int states, int ms);
/* How long what must come may take, on a machine however busy. */
#define PATIENCE_MS 30000
/* Say 5 and 6; works from any state. */
void end_close(struct end *e);
/* The keys go; then state 1 with a backend in 2. */
bool end_begin(struct end *e, const char *const *keys, unsigned int n);

/* Checks of the attack `name`: each prints what was expected when it did not come true, and is
 * counted. */
void attack_begin(struct end *e, const char *name);
bool expect(struct end *e, bool good, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Progress and facts for the log. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void attack_over(struct end *e); /* its line of the report */

uint64_t now_ms(void);
void sleep_ms(unsigned int ms);

#endif
