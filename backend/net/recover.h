/* SPDX-License-Identifier: MIT */
/*
 * The rings of a daemon that was killed: what it took and had not answered, and what it was answering
 * when it died. An answer is written over its request and published later, so behind rsp_prod there may
 * be slots that are requests no more. They lie in front, in the order of taking, and they show:
 *
 * tx   an answer covers the grant with the request's own id and a status; id and flags stay. A slot whose
 *      grant reads so is not taken again: its packet is answered as dropped.
 * rx   an answer covers all of the request. Read as a request its grant would be flags below a length or a
 *      negative status, and what follows a first slot with extras may be an extra. Such slots are answered
 *      as errors, which gives the guest its buffer back.
 *
 * What can't be told: whether a second extra follows one that was answered, when the daemon died between the
 * two. Then it counts as what comes next; frontends that send two at once are rare.
 *
 * A good request that looks like an answer (a grant of the number of its id; a grant above 65535) costs one
 * packet. All others are as good as new: a packet sent twice, or a buffer written twice, is what
 * Ethernet permits anyway. Pure: the ring is its only outside.
 */
#ifndef XSP_BACKEND_NET_RECOVER_H
#define XSP_BACKEND_NET_RECOVER_H

#include "ring/netif.h"

/**
 * xsp_tx_recover - answer what may have been answered already
 * @r: initialised at the shared rsp_prod
 *
 * Returns how many slots; xsp_ring_back_push publishes. -EPROTO: the indices make no sense.
 */
int xsp_tx_recover(struct xsp_ring_back *r);

/** xsp_rx_recover - the same for posted pages */
int xsp_rx_recover(struct xsp_ring_back *r);

#endif
