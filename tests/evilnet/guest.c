/* SPDX-License-Identifier: MIT */
/* A network frontend by hand: see net.h. */
#include "tests/evilnet/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- up and down ------------------------------------------------------------------------------- */

int nic_open(struct nic *g, uint32_t domid, uint32_t devid)
{
	static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0xee, 0xee, 0xee };
	int err = end_open(&g->end, "vif", domid, devid);

	if (err)
		return err;
	memcpy(g->mac, mac, 6);
	g->data = xengntshr_share_pages(g->end.xgs, 0, 2 * PAGES, g->ref, 1);
	return g->data ? 0 : -errno;
}

void nic_free(struct nic *g)
{
	xengntshr_unshare(g->end.xgs, g->data, 2 * PAGES);
	end_free(&g->end);
}

static void drop_rings(struct nic *g)
{
	if (g->tx_sring)
		xengntshr_unshare(g->end.xgs, g->tx_sring, 1);
	if (g->rx_sring)
		xengntshr_unshare(g->end.xgs, g->rx_sring, 1);
	if (g->ctrl_sring)
		xengntshr_unshare(g->end.xgs, g->ctrl_sring, 1);
	for (unsigned int i = 0; i < 3; i++)
		if (g->port[i])
			xenevtchn_unbind(g->end.xce, g->port[i]);
	g->tx_sring = g->rx_sring = g->ctrl_sring = NULL;
	memset(g->port, 0, sizeof(g->port));
}

void nic_close(struct nic *g)
{
	end_close(&g->end);
	drop_rings(g);
}

bool nic_begin(struct nic *g)
{
	static const char *const keys[] = { "tx-ring-ref", "rx-ring-ref", "event-channel",
					    "event-channel-tx", "event-channel-rx",
					    "multi-queue-num-queues", "request-rx-copy",
					    "ctrl-ring-ref", "event-channel-ctrl" };

	nic_close(g);
	return end_begin(&g->end, keys, sizeof(keys) / sizeof(keys[0]));
}

static struct xsp_sring *make_ring(struct nic *g, uint32_t *ref)
{
	struct xsp_sring *s = xengntshr_share_pages(g->end.xgs, 0, 1, ref, 1);

	if (!s) {
		perror("xsp-evilnet: no page for a ring");
		exit(2);
	}
	memset(s, 0, XSP_PAGE_SIZE);
	xsp_sring_init(s);
	return s;
}

void nic_make_rings(struct nic *g)
{
	drop_rings(g);
	g->tx_sring = make_ring(g, &g->tx_ref);
	g->rx_sring = make_ring(g, &g->rx_ref);
	xsp_ring_front_init(&g->tx, g->tx_sring, XSP_NET_TX_SLOTS);
	xsp_ring_front_init(&g->rx, g->rx_sring, XSP_NET_RX_SLOTS);
	for (unsigned int i = 0; i < 1u + g->split; i++)
		g->port[i] = (evtchn_port_t)xenevtchn_bind_unbound_port(g->end.xce, 0);
	if (!g->control)
		return;
	g->ctrl_sring = make_ring(g, &g->ctrl_ref);
	xsp_ring_front_init(&g->ctrl, g->ctrl_sring, XSP_NET_CTRL_SLOTS);
	g->port[2] = (evtchn_port_t)xenevtchn_bind_unbound_port(g->end.xce, 0);
}

void nic_keys(struct nic *g)
{
	end_write(&g->end, "tx-ring-ref", "%u", g->tx_ref);
	end_write(&g->end, "rx-ring-ref", "%u", g->rx_ref);
	if (g->split) {
		end_write(&g->end, "event-channel-tx", "%u", g->port[0]);
		end_write(&g->end, "event-channel-rx", "%u", g->port[1]);
	} else {
		end_write(&g->end, "event-channel", "%u", g->port[0]);
	}
	if (g->control) {
		end_write(&g->end, "ctrl-ring-ref", "%u", g->ctrl_ref);
		end_write(&g->end, "event-channel-ctrl", "%u", g->port[2]);
	}
	end_write(&g->end, "request-rx-copy", "1");
	end_write(&g->end, "feature-rx-notify", "1");
	end_write(&g->end, "feature-sg", "1");
	end_write(&g->end, "feature-gso-tcpv4", "1");
}

bool nic_connect(struct nic *g)
{
	if (!nic_begin(g))
		return false;
	nic_make_rings(g);
	nic_keys(g);
	end_write(&g->end, "state", "4");
	return end_wait(&g->end, 1u << 4 | 1u << 5 | 1u << 6, PATIENCE_MS) == 4;
}

/* --- packets ----------------------------------------------------------------------------------- */

struct xsp_net_tx_req nic_piece(struct nic *g, uint32_t at, uint32_t size, uint16_t flags)
{
	return (struct xsp_net_tx_req){
		.gref = g->ref[at / XSP_PAGE_SIZE],
		.offset = (uint16_t)(at % XSP_PAGE_SIZE),
		.flags = flags,
		.size = (uint16_t)size,
	};
}

void nic_put(struct nic *g, struct xsp_net_tx_req req)
{
	req.id = (uint16_t)g->tx.req_prod_pvt;
	xsp_net_front_put_tx(&g->tx, &req);
}

void nic_push(struct nic *g, bool tx)
{
	if (xsp_ring_front_push(tx ? &g->tx : &g->rx))
		xenevtchn_notify(g->end.xce, g->port[!tx && g->split]);
}

void nic_post(struct nic *g, unsigned int n)
{
	while (n-- && xsp_ring_front_free(&g->rx)) {
		uint32_t page = g->rx.req_prod_pvt % PAGES;
		struct xsp_net_rx_req req = { .id = (uint16_t)page, .gref = g->ref[PAGES + page] };

		xsp_net_front_put_rx(&g->rx, &req);
	}
	nic_push(g, false);
}

int16_t nic_answers(struct nic *g, unsigned int n)
{
	uint64_t until = now_ms() + 5000;
	struct xsp_net_tx_rsp rsp;
	int16_t status = INT16_MIN;

	while (n) {
		int got = xsp_ring_front_pending(&g->tx);

		if (got < 0 || now_ms() > until)
			return INT16_MIN;
		if (!got)
			nanosleep(&(struct timespec){ 0, 50000 }, NULL);
		for (; got > 0 && n; got--, n--) {
			xsp_net_front_take_tx(&g->tx, &rsp);
			if (rsp.status != XSP_NET_NULL)
				status = rsp.status;
		}
	}
	return status;
}

static uint16_t checksum(const uint8_t *p, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void nic_make_ping(struct nic *g, uint32_t len)
{
	static const uint8_t ip[20] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 1, 0, 0, 10, 8, 0, 2, 10, 8, 0, 1 };
	uint8_t *p = g->data;

	memcpy(p, g->to, 6);
	memcpy(p + 6, g->mac, 6);
	put16(p + 12, 0x0800);
	memcpy(p + 14, ip, 20);
	put16(p + 16, len - 14);
	put16(p + 24, checksum(p + 14, 20));
	memset(p + 34, 0, 8);
	p[34] = 8;
	put16(p + 38, 0xe1e1);
	put16(p + 40, ++g->sequence);
	for (uint32_t i = FRAME_HEAD; i < len; i++)
		p[i] = (uint8_t)(i + g->sequence);
	put16(p + 36, checksum(p + 34, len - 34));
}

static bool is_pong(struct nic *g, const struct xsp_net_rx_rsp *rsp)
{
	const uint8_t *p = g->data + (PAGES + rsp->id % PAGES) * XSP_PAGE_SIZE;

	return rsp->status >= (int)FRAME_HEAD && p[12] == 8 && !p[13] && p[23] == 1 && !p[34] &&
	       p[40] == g->sequence >> 8 && p[41] == (uint8_t)g->sequence;
}

bool nic_pong(struct nic *g, int ms)
{
	uint64_t until = now_ms() + (uint64_t)ms;
	union xsp_net_rx_slot slot;
	bool found = false;

	while (!found && now_ms() < until) {
		int n = xsp_ring_front_pending(&g->rx), took = n;

		if (n < 0)
			return false;
		if (!n)
			nanosleep(&(struct timespec){ 0, 50000 }, NULL);
		while (n-- > 0) {
			xsp_net_front_take_rx(&g->rx, &slot);
			found |= is_pong(g, &slot.rsp);
		}
		if (took)
			nic_post(g, (unsigned int)took);
	}
	return found;
}

/* The host asks who 10.8.0.2 is before it answers; the test told it (ip neigh). */
bool nic_works(struct nic *g)
{
	int16_t status;

	if (xsp_ring_front_free(&g->rx) == XSP_NET_RX_SLOTS)
		nic_post(g, PAGES);
	for (unsigned int i = 0; i < 20; i++) {
		nic_make_ping(g, 98);
		nic_put(g, nic_piece(g, 0, 98, 0));
		nic_push(g, true);
		status = nic_answers(g, 1);
		if (status != XSP_NET_OKAY && status != XSP_NET_DROPPED) /* who is at the other end may be busy */
			return false;
		if (nic_pong(g, 500))
			return true;
	}
	return false;
}
