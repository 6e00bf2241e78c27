/* SPDX-License-Identifier: MIT */
/* What the backends for tests of frontends have alike: who they are, and their side of the store. */
#ifndef XSP_TESTS_LAB_SIDE_H
#define XSP_TESTS_LAB_SIDE_H

#include <stdbool.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

extern const char *mode; /* honest, or the lie */
extern unsigned int domid, devid;
extern char be[128], fe[128]; /* the directories */
extern struct xs_handle *xs;
extern xenevtchn_handle *evtchn;
extern xengnttab_handle *gnttab;

/* DOMID DEVID MODE, and the handles; ends the program when something is missing. */
void side_open(int argc, char **argv, const char *class);

bool is(const char *name);

/* A key of ours; a number of either side's. */
void put(const char *key, const char *value);
int get(const char *dir, const char *key, int missing);

/* Until the frontend is in one of two states: which; -1 after so many seconds. */
int side_wait(int a, int b, int seconds);

#endif
