/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A PV device's two directories in the store, whatever its class: what keys.c (disks) and nic_keys.c
 * have in common. `front` is relative to the domain's own directory, `back` is the backend's.
 *
 * The store calls block until it answers; errors are 0 or -errno.
 */
#ifndef XSP_USER_FRONT_H
#define XSP_USER_FRONT_H

#include <stdbool.h>

#include "common/store.h"
#include "common/xenbus/fsm.h"
#include "frontend/core/keytext.h"

/**
 * xsp_front_find - the directories of a device, and its backend's domain
 * @class: "vbd" or "vif"
 * @front: freed and set by this; the caller frees it, also after an error. So with @back.
 * @why: set when this fails: the rest of a sentence that begins with the device; errno is good for %m
 *
 * Returns 0, -ENODEV: there is no such device, -ENXIO: the store gives no answer, or -ENOMEM.
 */
int xsp_front_find(struct xsp_store *s, const char *class, uint32_t devid, char **front, char **back,
		   uint32_t *backend_domid, const char **why);

/** xsp_front_state - the state in a directory; UNKNOWN: none, or no number */
enum xsp_xenbus_state xsp_front_state(struct xsp_store *s, const char *dir);

/** xsp_front_put - write a key of our own directory */
int xsp_front_put(struct xsp_store *s, xs_transaction_t t, const char *front, const char *key,
		  const char *value);

/** xsp_front_set_state - our own state, alone or in a transaction */
int xsp_front_set_state(struct xsp_store *s, xs_transaction_t t, const char *front,
			enum xsp_xenbus_state state);

/**
 * xsp_front_look - what the backend's nodes say now
 *
 * gone: its directory is; a half-written one is as good as none to us. Returns false when the store
 * gave no answer, which says nothing about the device.
 */
bool xsp_front_look(struct xsp_store *s, const char *back, enum xsp_xenbus_state *peer, bool *online,
		    bool *gone);

/** xsp_front_get_keys - n nodes of a directory; the values are to be freed with xsp_front_free_keys */
void xsp_front_get_keys(struct xsp_store *s, const char *dir, const char *const *names, unsigned int n,
			struct xsp_key *keys, char **values);
void xsp_front_free_keys(char **values, unsigned int n);

/**
 * xsp_front_owner - has anybody else of this domain the device open?
 *
 * Taking it away from them would look to them like a device that was pulled. Returns 0: nobody, a
 * process id, or -EBUSY: a driver of this domain's kernel.
 */
long xsp_front_owner(struct xsp_store *s, const char *class, uint32_t devid, const char *front);

/** xsp_front_own - this process has it now; xsp_front_disown - not any more */
int xsp_front_own(struct xsp_store *s, xs_transaction_t t, const char *front);
void xsp_front_disown(struct xsp_store *s, const char *front);

/** xsp_front_watch_fired - takes all waiting watch events; true when there was one */
bool xsp_front_watch_fired(struct xsp_store *s);

#endif
