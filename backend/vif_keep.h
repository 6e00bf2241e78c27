/* SPDX-License-Identifier: MIT */
/*
 * A guest's settings in its backend directory, below xensplit-kept, for the next daemon: written within
 * two seconds of a change and at SIGTERM, read when rings are taken over, gone with the connection.
 * All on the store thread.
 */
#ifndef XSP_BACKEND_VIF_KEEP_H
#define XSP_BACKEND_VIF_KEEP_H

#include "backend/vif.h"

/** xsp_vif_keep_wanted - has something changed since? In no time */
bool xsp_vif_keep_wanted(struct xsp_vif *v);

/** xsp_vif_keep_write - if so, write it; a store that fails is tried again later */
void xsp_vif_keep_write(struct xsp_vif *v);

/** xsp_vif_keep_read - what a former daemon left; n_queues: that the guest has */
void xsp_vif_keep_read(struct xsp_vif *v, uint32_t n_queues);

/** xsp_vif_keep_forget - a new connection: nothing is set */
void xsp_vif_keep_forget(struct xsp_vif *v);

#endif
