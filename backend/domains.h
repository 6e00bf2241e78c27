/* SPDX-License-Identifier: MIT */
/* Which guests are alive. Its own file because libxenctrl's header goes with no other of Xen's. */
#ifndef XSP_BACKEND_DOMAINS_H
#define XSP_BACKEND_DOMAINS_H

#include <stdbool.h>
#include <stdint.h>

#include <xenstore.h>

/**
 * xsp_domains_dead - which of n domains no longer run (unknown to Xen, or dying)
 * @xs:   asked instead (is the domain introduced?) where libxenctrl can't be opened: a driver domain
 * @dead: n answers
 *
 * The @releaseDomain watch does not say who died, so this is asked after it. An open libxenctrl holds
 * four privcmd descriptors: it is opened for this one question only. Store thread; may block.
 */
void xsp_domains_dead(struct xs_handle *xs, const uint32_t *domid, unsigned int n, bool *dead);

#endif
