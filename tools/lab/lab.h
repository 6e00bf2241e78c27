/* SPDX-License-Identifier: MIT */
/*
 * `xensplit lab`: the lab from the outside. lab.c reads the command line, up.c makes the lab and
 * ends it, enter.c runs programs in it, table.c shows it, link.c talks to its hub.
 */
#ifndef TOOLS_LAB_LAB_H
#define TOOLS_LAB_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/lab/proto.h"

/* Exit codes; `run` gives its command's own, 128 + n when signal n ended it, 125..127 for ours. */
enum { LAB_EXIT_OK = 0, LAB_EXIT_FAIL = 1, LAB_EXIT_USAGE = 2, LAB_EXIT_RUN = 125 };

/* The sub-command; argv[0] is "lab". Returns the exit code. */
int xsp_lab_main(int argc, char **argv);

struct lab_options {
	char dir[96]; /* absolute; short enough for socket names in it */
	unsigned int guests;
	bool no_daemon, json, dom0_net;
	const char *name;
};

/* lab.c */
void lab_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* link.c: a connection to the hub; -errno when there is none. */
int lab_hub_open(const char *dir);
int lab_hub_call(int fd, struct lab_msg *m, const void *data, void *out, size_t room, int *fds);
pid_t lab_hub_pid(int fd);

/* up.c */
int lab_up(const struct lab_options *o);
int lab_down(const struct lab_options *o);

/* enter.c */
int lab_run(const struct lab_options *o, unsigned int dom, char **argv);

/* table.c */
int lab_status(const struct lab_options *o);

#endif
