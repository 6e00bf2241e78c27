/* SPDX-License-Identifier: MIT */
/*
 * Packets from one guest's pages straight into another's: one copy, made by Xen from grant to grant
 * (or by us where both pages are static grants), instead of one in, two through an inbox and one out.
 *
 * What was judged is what is delivered: a packet's first XSP_NET_HEAD bytes come out of our private
 * copy, and nothing behind them is ever looked at, so a guest that changes its page meanwhile changes
 * only its own payload. What can't go this way goes the other, in order: the first packet of a batch
 * that is sent to the port ends the direct part of the batch, and as long as packets wait at the
 * receiver's port none overtakes them (xsp_netport_ops.direct).
 *
 * When any piece can't be copied the receiver's requests are put back, untouched, and all packets
 * of the run go through the port: there each failure is the fault of one side alone, and counted so.
 */
#ifndef XSP_BACKEND_NET_DIRECT_H
#define XSP_BACKEND_NET_DIRECT_H

#include "backend/net/queue.h"

/** xsp_direct_may - is it worth asking for this batch? Nobody captures, and the port has such a way */
bool xsp_direct_may(const struct xsp_netq *q);

/**
 * xsp_direct_send - deliver the first packets of the scratch, as far as they can go directly
 * @n:    judged packets there
 * @have: so many bytes of each (or all) are in its room
 *
 * Returns how many went, from the first on. The others are to be sent.
 */
uint32_t xsp_direct_send(struct xsp_netq *q, uint32_t n, uint32_t have);

/**
 * xsp_direct_judge - whose pages made the last run fail? The rest of its packets was copied in since
 * @sender: some of that failed
 *
 * That guest's packets take the long way for a second. Nothing when no run failed.
 */
void xsp_direct_judge(struct xsp_netq *q, bool sender);

#endif
