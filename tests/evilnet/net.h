/* SPDX-License-Identifier: MIT */
/*
 * xsp-evilnet: a guest that drives a network device by hand and misbehaves on command; the network's
 * counterpart of xsp-evil. For tests only. guest.c connects and carries packets, the attacks are in
 * attacks.c, main.c has their table. What they do to the daemon is tests/lab/test-hostile-net.sh's to
 * check.
 *
 * Its peer is Dom0's end of the TAP or another guest, which must have the address 10.8.0.1: a ping to it
 * goes the whole way out and back in.
 */
#ifndef XSP_TESTS_EVILNET_H
#define XSP_TESTS_EVILNET_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/netif.h"
#include "tests/evil/end.h"

#define PAGES 64u /* for each direction */
#define FRAME_HEAD 42u /* Ethernet, IP, ICMP echo */

struct nic {
	struct end end;
	bool split, control;
	evtchn_port_t port[3]; /* of tx or both, of rx, of control */
	struct xsp_sring *tx_sring, *rx_sring, *ctrl_sring;
	struct xsp_ring_front tx, rx, ctrl;
	uint32_t tx_ref, rx_ref, ctrl_ref;
	uint8_t *data; /* 2 * PAGES: to send from, to receive into */
	uint32_t ref[2 * PAGES];
	uint16_t sequence;
	uint8_t mac[6],
		to[6]; /* to: of its pings; a broadcast, so that nobody has to know an address */
};

/* --- guest.c ------------------------------------------------------------------------------------- */

int nic_open(struct nic *g, uint32_t domid, uint32_t devid);
void nic_free(struct nic *g);

/* From any state to 1 with a backend in 2; then rings and ports; then the keys. */
bool nic_begin(struct nic *g);
void nic_make_rings(struct nic *g);
void nic_keys(struct nic *g);
bool nic_connect(struct nic *g); /* all of that, and 4 */
void nic_close(struct nic *g);

/* A request for a piece of our pages. */
struct xsp_net_tx_req nic_piece(struct nic *g, uint32_t at, uint32_t size, uint16_t flags);
void nic_put(struct nic *g, struct xsp_net_tx_req req);
void nic_push(struct nic *g, bool tx);
/* Post n receive pages. */
void nic_post(struct nic *g, unsigned int n);
/* Responses to n tx slots: the last status that was none of an extra's; INT16_MIN: they did not come. */
int16_t nic_answers(struct nic *g, unsigned int n);
/* A ping of len bytes in all, at the start of our pages. */
void nic_make_ping(struct nic *g, uint32_t len);
/* Does its answer come? Posts again what it takes. */
bool nic_pong(struct nic *g, int ms);
/* A ping in one piece, and its answer. */
bool nic_works(struct nic *g);

/* --- attacks.c ----------------------------------------------------------------------------------- */

void indices(struct nic *g);
void endless(struct nic *g);
void malformed(struct nic *g);
void empty(struct nic *g);
void splits(struct nic *g);
void bad_grants(struct nic *g);
void rx_bad_grants(struct nic *g);
void rx_starve(struct nic *g);
void rx_stale(struct nic *g);
void rx_stale_one(struct nic *g);
void offloads(struct nic *g);
void double_fetch(struct nic *g);
void storm(struct nic *g);
void toggles(struct nic *g);
void nodes(struct nic *g);
void control(struct nic *g);
void swap(struct nic *g);
void die(struct nic *g);

#endif
