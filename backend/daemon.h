/* SPDX-License-Identifier: MIT */
/*
 * The daemon: what its threads have in common.
 *
 *   main thread    control socket, signals (main.c, control.c)
 *   store thread   XenStore: it finds devices and owns them (manager.c, device.c)
 *   openers        targets that are being opened: they come and go (opener.c)
 *   workers        data (worker.c, queue.c)
 */
#ifndef XSP_BACKEND_DAEMON_H
#define XSP_BACKEND_DAEMON_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "backend/config.h"
#include "backend/worker.h"
#include "common/mailbox.h"
#include "common/store.h"

struct xsp_device;
TAILQ_HEAD(xsp_device_list, xsp_device);

struct xsp_daemon {
	const struct xsp_config *config;
	uint64_t started_ns;
	struct xsp_worker *workers;
	unsigned int n_workers;

	/* the store thread's */
	pthread_t manager;
	struct xsp_mailbox box;
	struct xsp_store store;
	uint32_t domid; /* our own */
	char backend_root[64]; /* /local/domain/0/backend */
	bool draining; /* SIGTERM: nothing new, every queue stops */
	bool leaving;
	uint32_t retry_ms; /* pause before the next try to reach the store */
	uint64_t store_checked_ns;
	uint64_t looked_ns; /* at what the devices have behind them */
	unsigned int next_worker;
	bool store_up; /* atomic: shown by daemon.status */

	/*
	 * Guards the list of devices, and of each device what the snapshot shows. The store thread is
	 * its only writer and takes it just for that, never around a call that may block.
	 */
	pthread_mutex_t lock;
	struct xsp_device_list devices; /* of all classes */

	int drained_fd; /* eventfd: the store thread tells main that it has left */
};

/** xsp_manager_prepare - an empty list of devices, for the control socket to look at; 0 or -errno */
int xsp_manager_prepare(struct xsp_daemon *d);

/** xsp_manager_start - begin to look for devices; 0 or -errno */
int xsp_manager_start(struct xsp_daemon *d);

/**
 * xsp_manager_drain - stop every queue, leave a record for the next daemon, end the store thread
 *
 * Main thread. Does not wait: drained_fd becomes readable when it is done.
 */
void xsp_manager_drain(struct xsp_daemon *d);

/** xsp_manager_wait - join the store thread; after drained_fd was readable */
void xsp_manager_wait(struct xsp_daemon *d);

#endif
