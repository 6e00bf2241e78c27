/* SPDX-License-Identifier: MIT */
/*
 * Static grants of a network queue: pages that its guest asked to be kept mapped, so that packets in
 * them cost no grant call. Mapped a request at a time, because a map call is undone only as a whole:
 * when a part is to be unmapped, the rest is mapped anew. Worker's thread.
 *
 * Source: xen/include/public/io/netif.h "Static Grants".
 */
#ifndef XSP_BACKEND_NET_STATICS_H
#define XSP_BACKEND_NET_STATICS_H

#include <xengnttab.h>

#include "ring/netif.h"

#define XSP_STATICS 512u /* of one queue */

struct xsp_statics;

/** xsp_statics_new - none yet; NULL: no memory */
struct xsp_statics *xsp_statics_new(xengnttab_handle *xgt, uint32_t domid);

/** xsp_statics_free - unmap all; NULL is fine */
void xsp_statics_free(struct xsp_statics *s);

/** xsp_statics_add - map n more, all or none; 0, or -ENOSPC, -EEXIST, -EINVAL (a bad grant) */
int xsp_statics_add(struct xsp_statics *s, const struct xsp_net_gref *list, uint32_t n);

/**
 * xsp_statics_del - unmap those of the list that are there, and set the status of each
 *
 * Returns how many.
 */
uint32_t xsp_statics_del(struct xsp_statics *s, struct xsp_net_gref *list, uint32_t n);

/** xsp_statics_find - its page, or NULL; for_write: only when it may be written */
uint8_t *xsp_statics_find(const struct xsp_statics *s, uint32_t gref, bool for_write);

/** xsp_statics_list - those that are mapped; list has room for XSP_STATICS. How many; NULL: none */
uint32_t xsp_statics_list(const struct xsp_statics *s, struct xsp_net_gref *list);

/** xsp_statics_count - how many are mapped; NULL: none */
uint32_t xsp_statics_count(const struct xsp_statics *s);

#endif
