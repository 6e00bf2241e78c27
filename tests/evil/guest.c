/* SPDX-License-Identifier: MIT */
/* A block frontend by hand: see evil.h. */
#include "tests/evil/evil.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 }, NULL);
}

/* --- the store --------------------------------------------------------------------------------- */

char *guest_read(struct guest *g, const char *dir, const char *key)
{
	char path[256];
	unsigned int len;

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	return xs_read(g->xs, XBT_NULL, path, &len);
}

int guest_number(struct guest *g, const char *dir, const char *key)
{
	char *value = guest_read(g, dir, key);
	int n = value ? atoi(value) : -1;

	free(value);
	return n;
}

bool guest_write_bytes(struct guest *g, const char *key, const void *value, unsigned int len)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", g->fe, key);
	return xs_write(g->xs, XBT_NULL, path, value, len);
}

bool guest_write(struct guest *g, const char *key, const char *fmt, ...)
{
	char value[128];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	return guest_write_bytes(g, key, value, (unsigned int)n);
}

void guest_rm(struct guest *g, const char *key)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", g->fe, key);
	xs_rm(g->xs, XBT_NULL, path);
}

int guest_wait(struct guest *g, unsigned int states, int ms)
{
	uint64_t until = now_ms() + (uint64_t)ms;
	int state;

	do {
		state = guest_number(g, g->be, "state");
		if (state >= 0 && states & 1u << state)
			return state;
		sleep_ms(1);
	} while (now_ms() < until);
	return -1;
}

/* --- up and down ------------------------------------------------------------------------------- */

int guest_open(struct guest *g, uint32_t domid, uint32_t devid)
{
	char *be;

	g->domid = domid;
	g->devid = devid;
	g->xs = xs_open(0);
	g->xgs = xengntshr_open(NULL, 0);
	g->xce = xenevtchn_open(NULL, 0);
	if (!g->xs || !g->xgs || !g->xce)
		return -errno;
	snprintf(g->fe, sizeof(g->fe), "/local/domain/%u/device/vbd/%u", domid, devid);
	be = guest_read(g, g->fe, "backend");
	if (!be)
		return -ENODEV;
	snprintf(g->be, sizeof(g->be), "%s", be);
	free(be);
	g->data = xengntshr_share_pages(g->xgs, 0, PAGES, g->ref, 1);
	return g->data ? 0 : -errno;
}

void guest_free(struct guest *g)
{
	xengntshr_close(g->xgs);
	xenevtchn_close(g->xce);
	xs_close(g->xs);
}

static void drop_ring(struct guest *g)
{
	if (g->ring)
		xengntshr_unshare(g->xgs, g->ring, 1u << g->order);
	if (g->port)
		xenevtchn_unbind(g->xce, g->port);
	g->ring = NULL;
	g->port = 0;
}

void guest_close(struct guest *g)
{
	int state = guest_number(g, g->be, "state");

	if (state >= 2 && state <= 5) {
		guest_write(g, "state", "5");
		guest_wait(g, 1u << 5 | 1u << 6 | 1u << 1, 3000);
		guest_write(g, "state", "6");
		guest_wait(g, 1u << 6 | 1u << 1, 6000);
	}
	drop_ring(g);
}

bool guest_begin(struct guest *g)
{
	static const char *const keys[] = { "ring-ref", "ring-ref0", "ring-ref1", "ring-ref2",
					    "ring-ref3", "ring-page-order", "event-channel", "protocol",
					    "multi-queue-num-queues" };

	guest_close(g);
	for (unsigned int i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		guest_rm(g, keys[i]);
	guest_write(g, "state", "1");
	return guest_wait(g, 1u << 2, 6000) == 2;
}

void guest_make_ring(struct guest *g, unsigned int order, enum xsp_blk_abi abi)
{
	drop_ring(g);
	g->order = order;
	g->abi = abi;
	g->size = xsp_blk_ring_slots(order);
	g->req_prod = g->rsp_cons = 0;
	g->ring = xengntshr_share_pages(g->xgs, 0, 1 << order, g->ring_ref, 1);
	if (!g->ring) {
		perror("xsp-evil: no pages for a ring");
		exit(2);
	}
	memset(g->ring, 0, (size_t)XSP_PAGE_SIZE << order);
	xsp_sring_init(g->ring);
	g->port = (evtchn_port_t)xenevtchn_bind_unbound_port(g->xce, 0);
}

void guest_keys(struct guest *g)
{
	char key[24];

	if (g->order)
		guest_write(g, "ring-page-order", "%u", g->order);
	for (unsigned int i = 0; i < 1u << g->order; i++) {
		snprintf(key, sizeof(key), "ring-ref%u", i);
		guest_write(g, g->order ? key : "ring-ref", "%u", g->ring_ref[i]);
	}
	guest_write(g, "event-channel", "%u", g->port);
	guest_write(g, "feature-persistent", "%d", g->persistent);
}

bool guest_connect(struct guest *g, unsigned int order, enum xsp_blk_abi abi, const char *protocol)
{
	char *sectors;

	if (!guest_begin(g))
		return false;
	guest_make_ring(g, order, abi);
	guest_keys(g);
	if (protocol)
		guest_write(g, "protocol", "%s", protocol);
	guest_write(g, "state", "3");
	if (guest_wait(g, 1u << 4 | 1u << 5 | 1u << 6, 6000) != 4)
		return false;
	sectors = guest_read(g, g->be, "sectors");
	g->sectors = sectors ? strtoull(sectors, NULL, 10) : 0;
	free(sectors);
	guest_write(g, "state", "4");
	return g->sectors > 0;
}

/* --- I/O --------------------------------------------------------------------------------------- */

void *guest_slot(struct guest *g, uint32_t index)
{
	return xsp_blk_slot(g->ring, g->abi, index & (g->size - 1));
}

struct xsp_blk_req guest_request(struct guest *g, uint8_t op, uint64_t sector, unsigned int nr_segs,
				 unsigned int page)
{
	struct xsp_blk_req req = { .op = op, .nr_segs = (uint8_t)nr_segs, .id = ++g->next_id,
				   .sector = sector };

	for (unsigned int i = 0; i < XSP_BLK_SEGS; i++)
		req.seg[i] = (struct xsp_blk_seg){ .gref = g->ref[(page + i) % PAGES], .last = 7 };
	return req;
}

void guest_put(struct guest *g, const struct xsp_blk_req *req)
{
	void *slot = guest_slot(g, g->req_prod++);

	if (g->abi == XSP_BLK_X86_32) {
		struct xsp_blk_req32 r = { .op = req->op, .nr_segs = req->nr_segs,
					   .handle = req->handle, .id = req->id,
					   .sector = req->sector };

		memcpy(r.rest, req->seg, sizeof(r.rest));
		memcpy(slot, &r, sizeof(r));
	} else {
		memcpy(slot, req, sizeof(*req));
	}
}

void guest_push(struct guest *g)
{
	xsp_wmb(); /* slots before req_prod; pairs with xsp_rmb in xsp_ring_back_pending */
	xsp_store(&g->ring->req_prod, g->req_prod);
	xenevtchn_notify(g->xce, g->port);
}

unsigned int guest_take(struct guest *g, struct xsp_blk_rsp *rsp, unsigned int n, int ms)
{
	uint64_t until = now_ms() + (uint64_t)ms;
	unsigned int got = 0;

	while (got < n) {
		if (xsp_load(&g->ring->rsp_prod) == g->rsp_cons) {
			/* Polled: a misbehaving guest's events prove nothing. */
			if (now_ms() >= until)
				break;
			nanosleep(&(struct timespec){ 0, 50000 }, NULL);
			continue;
		}
		xsp_rmb(); /* rsp_prod before the slot; pairs with xsp_wmb in xsp_ring_back_push */
		memset(&rsp[got], 0, sizeof(rsp[got]));
		memcpy(&rsp[got++], guest_slot(g, g->rsp_cons++),
		       g->abi == XSP_BLK_X86_32 ? XSP_BLK_RSP32_SIZE : sizeof(rsp[0]));
	}
	return got;
}

int16_t guest_do(struct guest *g, struct xsp_blk_req *req)
{
	struct xsp_blk_rsp rsp;

	guest_put(g, req);
	guest_push(g);
	if (guest_take(g, &rsp, 1, 5000) != 1 || rsp.id != req->id)
		return INT16_MIN;
	/* An indirect request may be answered with the operation inside it. */
	if (rsp.op != req->op && (req->op != XSP_BLK_INDIRECT || rsp.op != req->nr_segs))
		return INT16_MIN;
	return rsp.status;
}

bool guest_works(struct guest *g)
{
	struct xsp_blk_req w = guest_request(g, XSP_BLK_WRITE, 0, 2, 0);
	struct xsp_blk_req r = guest_request(g, XSP_BLK_READ, 0, 2, 2);

	for (unsigned int i = 0; i < 2 * XSP_PAGE_SIZE; i++) {
		g->data[i] = (uint8_t)(i * 7 + g->next_id);
		g->data[2 * XSP_PAGE_SIZE + i] = 0;
	}
	return guest_do(g, &w) == XSP_BLK_OKAY && guest_do(g, &r) == XSP_BLK_OKAY &&
	       !memcmp(g->data, g->data + 2 * XSP_PAGE_SIZE, 2 * XSP_PAGE_SIZE);
}
