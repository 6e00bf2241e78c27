/* SPDX-License-Identifier: MIT */
/*
 * What the control socket asks the daemon for, answered without one: two disks, a vif, a ring, workers.
 * For the socket's unit test and its fuzzer; link tests/made_up.c instead of the daemon's own files.
 */
#ifndef XSP_TESTS_MADE_UP_H
#define XSP_TESTS_MADE_UP_H

#include <stdbool.h>

extern bool xsp_made_up_fails; /* asked for disks it has no memory */

#endif
