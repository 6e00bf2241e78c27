/* SPDX-License-Identifier: MIT */
/*
 * The daemon's settings: defaults, then the configuration file, then the command line. One table in
 * config.c names every setting once; the long option and the key in the file are the same word.
 */
#ifndef XSP_BACKEND_CONFIG_H
#define XSP_BACKEND_CONFIG_H

#include <stdbool.h>
#include <sys/types.h>

#include "backend/polling.h"
#include "common/log.h"

#define XSP_DEFAULT_CONFIG "/etc/xen/xensplitd.conf"
#define XSP_DEFAULT_SOCKET "/run/xensplit/xensplitd.sock"

struct xsp_config {
	char *config_path;          /* the file that was read; NULL when there was none */
	char *socket_path;          /* control socket; its directory is made when missing */
	char *pid_file;             /* NULL: none */
	char *metrics_file;         /* counters as text, written every 10 s; NULL: none */
	char *group;                /* name of the group below, NULL: root only */
	gid_t socket_gid;           /* whose members may use the socket; (gid_t)-1: root only */
	unsigned int workers;       /* 1..64 data threads */
	unsigned int max_indirect;  /* 0..256 segments; 0: indirect requests are not offered */
	unsigned int bounce_mib;    /* 1..4096: bounce memory of one worker, MiB */
	unsigned int window_kib;    /* 8..4194303: of a worker's requests in flight, KiB */
	unsigned int drain_seconds; /* 0..3600: how long SIGTERM waits for requests in flight */
	struct xsp_polling polling; /* how workers wait for requests; AUTO possible */
	enum xsp_log_level log_level;
	bool timestamps; /* local time in front of each log line */
	bool persistent; /* keep pages mapped for guests that reuse their grants */
	bool direct;     /* file: targets use O_DIRECT unless their spec says otherwise */
};

/**
 * xsp_config_parse - fill @c from defaults, file and command line
 *
 * Prints --help and --version to stdout, what is wrong to stderr (one line, with file and line).
 * Returns -1: go on; else the exit code: 0 after --help, --version or --check, 2 for a mistake.
 * The strings belong to @c until xsp_config_free, also when it failed. Main thread, at start.
 */
int xsp_config_parse(struct xsp_config *c, int argc, char **argv);

/** xsp_config_free - free the strings; @c may have been parsed or be zeroed */
void xsp_config_free(struct xsp_config *c);

#endif
