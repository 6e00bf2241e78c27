/* SPDX-License-Identifier: MIT */
/*
 * The command's view of XenStore: domains, the block devices of one backend domain, and waiting for
 * their states. Paths are made here and nowhere else, always from our own backend directory: what a
 * guest writes into its directory never decides which node is removed.
 */
#ifndef XSP_XENSPLIT_STORE_H
#define XSP_XENSPLIT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/store.h"
#include "tools/xensplit/cmd.h"

#define STORE_PATH 128

struct store {
	struct xsp_store base; /* base.xs NULL: not open */
	uint32_t backend;      /* domain id */
};

/* One device and the directories of its two ends. */
struct device {
	uint32_t domid, devid;
	char id[40];
	char back[STORE_PATH], front[STORE_PATH];
};

/** store_open - returns EXIT_OK, or prints what is wrong; call->backend is settled here */
int store_open(struct call *call, struct store *s);
void store_close(struct store *s);

/** store_read - a node below a directory (may be ""); malloc'd, NULL when absent */
char *store_read(struct store *s, xs_transaction_t t, const char *dir, const char *node);

/** store_number - a node as a number; @absent when it is missing or none */
long store_number(struct store *s, xs_transaction_t t, const char *dir, const char *node,
		  long absent);

/** store_domain - "3" or a name to a domain id; EXIT_OK, or prints what is wrong */
int store_domain(const struct call *call, struct store *s, const char *name, uint32_t *ret);

/** store_domain_name - name of a domain, or its number when it has none; malloc'd */
char *store_domain_name(struct store *s, uint32_t domid);

/** device_init - fill in id and paths */
void device_init(struct store *s, struct device *d, uint32_t domid, uint32_t devid);

/** device_init_of - the same for a device of another class: "vif" */
void device_init_of(struct store *s, struct device *d, const char *class, uint32_t domid, uint32_t devid);

/**
 * device_parse - "vbd/1/51712", "vif/1/0", "1:xvda", "name:xvda" to a device (it need not exist)
 *
 * EXIT_OK, or prints what is wrong.
 */
int device_parse(const struct call *call, struct store *s, const char *text, struct device *ret);

/** device_exists - our backend directory of it is there */
bool device_exists(struct store *s, const struct device *d);

/** device_all - every device of the backend domain, sorted; *ret malloc'd; their number */
int device_all(struct store *s, struct device **ret);

/** device_all_of - the same for devices of another class */
int device_all_of(struct store *s, const char *class, struct device **ret);

/** device_error - why it is broken, as backend or hotplug script wrote it; malloc'd or NULL */
char *device_error(struct store *s, const struct device *d);

/* States of both ends now, 0 when a node is missing. */
struct states {
	int back, front;
};

struct states device_states(struct store *s, const struct device *d);

/**
 * device_wait - wait until done() says so or @seconds are over; false: they are over
 */
bool device_wait(struct store *s, const struct device *d, double seconds,
		 bool (*done)(struct store *s, const struct device *d, struct states now));

/** device_remove - remove both directories, and the parents that are empty then; 0 or -errno */
int device_remove(struct store *s, const struct device *d);

#endif
