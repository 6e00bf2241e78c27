/* SPDX-License-Identifier: MIT */
/* What a hostile guest does with a network device: see net.h. */
#include "tests/evilnet/net.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NO_GREF 1000000u

static bool up(struct nic *g)
{
	return expect(&g->end, nic_connect(g), "the device connects") &&
	       expect(&g->end, nic_works(g), "a ping goes through");
}

/* The backend must have closed it. */
static void closed(struct nic *g, const char *what)
{
	expect(&g->end, end_wait(&g->end, 1u << 5 | 1u << 6, 3000) > 0, "%s closes the device",
	       what);
}

/* Request indices that can't be (XSA-39). */
void indices(struct nic *g)
{
	static const uint32_t jump[] = { 257, 1000, 1u << 31, ~0u - 5 };

	for (unsigned int i = 0; i < 8 && up(g); i++) {
		bool tx = i & 1;
		struct xsp_sring *s = tx ? g->tx_sring : g->rx_sring;
		uint32_t rsp = xsp_load(&s->rsp_prod);

		xsp_store(&s->req_prod, rsp + jump[i / 2]);
		xenevtchn_notify(g->end.xce, g->port[!tx && g->split]);
		closed(g, tx ? "a wild tx index" : "a wild rx index");
	}
}

static void put_extra(struct nic *g, uint8_t type, uint8_t flags)
{
	struct xsp_net_extra e = { .type = type, .flags = flags };

	xsp_net_front_put_extra(&g->tx, &e);
}

/* Chains without end. */
void endless(struct nic *g)
{
	if (up(g)) {
		nic_put(g, nic_piece(g, 0, 1000, XSP_NET_TX_MORE_DATA));
		nic_push(g, true);
		closed(g, "a packet without its end");
	}
	if (up(g)) {
		nic_put(g, nic_piece(g, 0, 3000, XSP_NET_TX_MORE_DATA));
		for (unsigned int i = 0; i < 100; i++)
			nic_put(g, nic_piece(g, 0, 20, XSP_NET_TX_MORE_DATA));
		nic_push(g, true);
		closed(g, "a packet of 101 fragments");
	}
	if (up(g)) {
		nic_put(g, nic_piece(g, 0, 1000, XSP_NET_TX_EXTRA_INFO));
		for (unsigned int i = 0; i < 200; i++)
			put_extra(g, XSP_NET_EXTRA_GSO, XSP_NET_EXTRA_MORE);
		nic_push(g, true);
		closed(g, "200 extras");
	}
}

/* Packets that make no sense cost themselves only: each is refused, and the next goes. */
void malformed(struct nic *g)
{
	static const struct {
		uint32_t at, size, at2, size2;
	} bad[] = {
		{ 0, 0, 0, 0 },	     { 0, 1, 0, 0 },	 { 0, 13, 0, 0 },     { 4095, 60, 0, 0 },
		{ 0, 4097, 0, 0 },   { 0, 65535, 0, 0 }, { 0, 100, 0, 100 },  { 0, 100, 0, 200 },
		{ 0, 65535, 0, 60 }, { 0, 60, 4090, 7 }, { 0, 8193, 0, 4096 }, { 0, 60, 0, 65535 },
	};

	if (!up(g))
		return;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool two = bad[i].size2 != 0;

		nic_put(g, nic_piece(g, bad[i].at, bad[i].size, two ? XSP_NET_TX_MORE_DATA : 0));
		if (two)
			nic_put(g, nic_piece(g, bad[i].at2, bad[i].size2, 0));
		nic_push(g, true);
		expect(&g->end, nic_answers(g, 1u + two) == XSP_NET_ERROR,
		       "malformed packet %u is refused", i);
	}
	for (unsigned int n = 19; n <= 20; n++) { /* one and two slots more than must be taken */
		nic_put(g, nic_piece(g, 0, n * 60, XSP_NET_TX_MORE_DATA));
		for (unsigned int i = 1; i < n; i++)
			nic_put(g, nic_piece(g, 0, 60, i + 1 < n ? XSP_NET_TX_MORE_DATA : 0));
		nic_push(g, true);
		expect(&g->end, nic_answers(g, n) == XSP_NET_ERROR, "%u fragments are refused", n);
	}
	nic_put(g, nic_piece(g, 0, 100, XSP_NET_TX_EXTRA_INFO));
	put_extra(g, 99, 0);
	nic_push(g, true);
	expect(&g->end, nic_answers(g, 2) == XSP_NET_ERROR, "an unknown extra is refused");
	expect(&g->end, nic_works(g), "the device works all the time");
}

/* Each subset of five fragments empty (XSA-448). */
void empty(struct nic *g)
{
	if (!up(g))
		return;
	for (unsigned int set = 1; set < 32; set++) {
		uint32_t total = 0;

		for (unsigned int i = 0; i < 5; i++)
			total += set & 1u << i ? 0 : 50;
		nic_put(g, nic_piece(g, 0, total, XSP_NET_TX_MORE_DATA));
		for (unsigned int i = 1; i < 5; i++)
			nic_put(g, nic_piece(g, 0, set & 1u << i ? 0 : 50, i < 4 ? XSP_NET_TX_MORE_DATA : 0));
		nic_push(g, true);
		expect(&g->end, nic_answers(g, 5) == XSP_NET_ERROR,
		       "empty fragments (set %u) are refused", set);
	}
	expect(&g->end, nic_works(g), "the device works all the time");
}

/* Headers in pieces: frames of 66..128 bytes in 1..18 slots, first pieces of a byte (XSA-423, -432). */
void splits(struct nic *g)
{
	unsigned int answered = 0, sent = 0;

	if (!up(g))
		return;
	for (uint32_t len = 66; len <= 128; len += 31) {
		for (unsigned int n = 1; n <= XSP_NET_MIN_SLOTS; n++) {
			uint32_t piece = 1 + (n > 9), at = len - (n - 1) * piece;

			if (n & 1 && n > 1) /* the first is the smallest: the rest is in the last but one */
				at = 1;
			nic_make_ping(g, len);
			nic_put(g, nic_piece(g, 0, len, n > 1 ? XSP_NET_TX_MORE_DATA : 0));
			for (unsigned int i = 1; i < n; i++) {
				uint32_t left = n - 1 - i;
				uint32_t size = at == len - (left + 1) * piece || i > 1 ? piece :
						len - at - left * piece;

				nic_put(g, nic_piece(g, at, size, left ? XSP_NET_TX_MORE_DATA : 0));
				at += size;
			}
			nic_push(g, true);
			expect(&g->end, nic_answers(g, n) == XSP_NET_OKAY,
			       "%u bytes in %u pieces go", len, n);
			sent++;
			answered += nic_pong(g, 1000);
		}
	}
	expect(&g->end, answered == sent, "all of %u pings in pieces come back, not %u", sent,
	       answered);
}

/* A bad grant in each place. */
void bad_grants(struct nic *g)
{
	if (!up(g))
		return;
	for (unsigned int n = 1; n <= XSP_NET_MIN_SLOTS; n++) {
		for (unsigned int bad = 0; bad < n; bad++) {
			for (unsigned int i = 0; i < n; i++) {
				struct xsp_net_tx_req req =
					nic_piece(g, 0, i ? 60 : n * 60, i + 1 < n ? XSP_NET_TX_MORE_DATA : 0);

				if (i == bad)
					req.gref = n & 1 ? NO_GREF : ~0u;
				nic_put(g, req);
			}
			nic_push(g, true);
			expect(&g->end, nic_answers(g, n) == XSP_NET_ERROR,
			       "a bad grant at %u of %u", bad, n);
		}
	}
	expect(&g->end, nic_works(g), "the device works all the time");
}

/* Bad pages to receive into: what comes is lost, and the guest told. */
void rx_bad_grants(struct nic *g)
{
	union xsp_net_rx_slot slot;
	unsigned int errors = 0;

	if (!expect(&g->end, nic_connect(g), "the device connects"))
		return;
	for (unsigned int i = 0; i < 32; i++) {
		struct xsp_net_rx_req req = { .id = (uint16_t)i, .gref = i & 1 ? NO_GREF + i : ~0u - i };

		xsp_net_front_put_rx(&g->rx, &req);
	}
	nic_push(g, false);
	for (unsigned int i = 0; i < 64; i++) {
		nic_make_ping(g, 98);
		nic_put(g, nic_piece(g, 0, 98, 0));
	}
	nic_push(g, true);
	expect(&g->end, nic_answers(g, 64) == XSP_NET_OKAY, "its packets go");
	for (uint64_t until = now_ms() + 3000; errors < 32 && now_ms() < until; sleep_ms(1))
		for (int n = xsp_ring_front_pending(&g->rx); n > 0; n--) {
			xsp_net_front_take_rx(&g->rx, &slot);
			errors += slot.rsp.status < 0;
		}
	expect(&g->end, errors == 32, "each bad page is told of, not %u of 32", errors);
	nic_post(g, PAGES);
	expect(&g->end, nic_works(g), "good pages work");
}

/* No page to receive into, then exactly one, while packets come (XSA-392). */
void rx_starve(struct nic *g)
{
	if (!expect(&g->end, nic_connect(g), "the device connects"))
		return;
	for (unsigned int phase = 0; phase < 2; phase++) {
		uint64_t until = now_ms() + 15 * g->end.dose;

		while (now_ms() < until) {
			for (unsigned int i = 0; i < 128; i++) {
				nic_make_ping(g, 1400);
				nic_put(g, nic_piece(g, 0, 1400, 0));
			}
			nic_push(g, true);
			if (!expect(&g->end, nic_answers(g, 128) != INT16_MIN,
				    "it may send all the time"))
				return;
		}
		if (!phase)
			nic_post(g, 1);
	}
	nic_post(g, PAGES);
	expect(&g->end, nic_works(g), "with pages again it works");
}

#define STALE_MS 12500u /* the daemon's ten seconds, its look each second, a busy machine */
#define FRESH_MS 5000u

/* The age, when we posted, of the oldest pong that comes now; -1: none does. */
static int oldest_pong(struct nic *g, const uint64_t *sent, uint64_t posted)
{
	int age, oldest = -1;
	union xsp_net_rx_slot slot;
	bool more = false;

	for (uint64_t until = now_ms() + 1000; now_ms() < until; sleep_ms(1)) {
		for (int n = xsp_ring_front_pending(&g->rx); n > 0; n--) {
			const uint8_t *p;

			xsp_net_front_take_rx(&g->rx, &slot);
			p = g->data + (PAGES + slot.rsp.id % PAGES) * XSP_PAGE_SIZE;
			if (!more && slot.rsp.status >= (int)FRAME_HEAD && p[12] == 8 && !p[13] && p[23] == 1 &&
			    !p[34]) {
				age = (int)(posted - sent[(p[40] << 8 | p[41]) % 1024]);
				oldest = age > oldest ? age : oldest;
			}
			more = slot.rsp.flags & XSP_NET_RX_MORE_DATA;
		}
	}
	return oldest;
}

/* No room for what comes for longer than the daemon keeps packets (XSA-392): only fresh ones are left. */
static void stale(struct nic *g, unsigned int posted_pages, uint32_t len)
{
	uint64_t sent[1024] = { 0 }, end, posted;
	int oldest;

	if (!expect(&g->end, nic_connect(g), "the device connects"))
		return;
	nic_post(g, posted_pages);
	for (end = now_ms() + STALE_MS; now_ms() < end; sleep_ms(50)) {
		nic_make_ping(g, len);
		sent[g->sequence % 1024] = now_ms();
		nic_put(g, nic_piece(g, 0, len, len > XSP_PAGE_SIZE ? XSP_NET_TX_MORE_DATA : 0));
		if (len > XSP_PAGE_SIZE)
			nic_put(g, nic_piece(g, XSP_PAGE_SIZE, len - XSP_PAGE_SIZE, 0));
		nic_push(g, true);
		if (!expect(&g->end, nic_answers(g, len > XSP_PAGE_SIZE ? 2 : 1) != INT16_MIN,
			    "it may send all the time"))
			return;
	}
	posted = now_ms();
	nic_post(g, PAGES - posted_pages);
	oldest = oldest_pong(g, sent, posted);
	printf("      the oldest packet that came was %d ms old\n", oldest);
	expect(&g->end, oldest >= 0, "fresh packets come");
	expect(&g->end, oldest < (int)FRESH_MS,
	       "none of those that waited for more than ten seconds comes");
}

void rx_stale(struct nic *g)
{
	stale(g, 0, 98);
}

void rx_stale_one(struct nic *g)
{
	stale(g, 1, 5000);
}

/* Offloads of what isn't so: random bytes, sizes, types. */
void offloads(struct nic *g)
{
	unsigned int seed = 1;

	if (!up(g))
		return;
	for (unsigned int round = 0; round < 20 * g->end.dose; round++) {
		uint32_t len = 14 + (uint32_t)rand_r(&seed) % 300;
		bool extra = rand_r(&seed) & 1;
		struct xsp_net_extra e = { .type = XSP_NET_EXTRA_GSO };

		nic_make_ping(g, 400);
		memset(g->data, 0, 6); /* to nobody */
		g->data[23] = rand_r(&seed) & 1 ? 6 : 17;
		for (unsigned int i = 0; i < 6; i++)
			g->data[12 + (unsigned int)rand_r(&seed) % 60] = (uint8_t)rand_r(&seed);
		e.u.gso.size = (uint16_t)rand_r(&seed);
		e.u.gso.type = (uint8_t)(rand_r(&seed) % 4);
		nic_put(g, nic_piece(g, 0, len,
				     (uint16_t)(XSP_NET_TX_CSUM_BLANK * (rand_r(&seed) & 1u) |
						(extra ? XSP_NET_TX_EXTRA_INFO : 0))));
		if (extra)
			xsp_net_front_put_extra(&g->tx, &e);
		nic_push(g, true);
		if (!expect(&g->end, nic_answers(g, 1u + extra) != INT16_MIN,
			    "each packet is answered"))
			return;
	}
	expect(&g->end, nic_works(g), "the device works all the time");
}

struct racer {
	struct nic *g;
	volatile bool stop;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	unsigned int seed = 2;

	while (!r->stop) {
		uint32_t *slot = xsp_net_tx_slot(r->g->tx_sring, (uint32_t)rand_r(&seed));

		for (unsigned int i = 0; i < 3; i++) /* offset and flags, id and size: all but the grant */
			xsp_store(slot + i, i ? (uint32_t)rand_r(&seed) & 0x0fff000f : *slot);
	}
	return NULL;
}

/* Requests rewritten while they are taken (XSA-155): anything may come of it but a dead daemon. */
void double_fetch(struct nic *g)
{
	uint64_t until = now_ms() + 20 * g->end.dose;

	while (now_ms() < until && up(g)) {
		struct racer r = { .g = g };
		pthread_t thread;

		pthread_create(&thread, NULL, race, &r);
		for (unsigned int i = 0; i < 200; i++) {
			for (unsigned int k = 0; k < 100; k++)
				nic_put(g, nic_piece(g, 0, 60, 0));
			nic_push(g, true);
			if (nic_answers(g, 100) == INT16_MIN)
				break;
			if (end_number(&g->end, g->end.be, "state") != 4)
				break;
		}
		r.stop = true;
		pthread_join(thread, NULL);
	}
}

void storm(struct nic *g)
{
	uint64_t until = now_ms() + 30 * g->end.dose;

	if (!up(g))
		return;
	while (now_ms() < until)
		for (unsigned int i = 0; i < 100; i++)
			xenevtchn_notify(g->end.xce, g->port[i & g->split]);
	expect(&g->end, nic_works(g), "it works after a storm of events");
}

void toggles(struct nic *g)
{
	for (unsigned int i = 0; i < 10 + g->end.dose / 4; i++) {
		g->split = i & 1;
		if (!expect(&g->end, nic_connect(g), "it connects, round %u", i))
			return;
		nic_post(g, i % PAGES);
		for (unsigned int k = 0; k < 100; k++)
			nic_put(g, nic_piece(g, 0, 60, 0));
		nic_push(g, true); /* and goes without waiting */
		nic_close(g);
	}
}

/* Nodes that mean nothing. */
void nodes(struct nic *g)
{
	static const char *const values[] = { "", "x", "-1", "4294967296", "1e9", "0x10",
					      "99999999999999999999", "\xff\xfe" };
	static const char *const keys[] = { "tx-ring-ref", "rx-ring-ref", "event-channel",
					    "multi-queue-num-queues", "request-rx-copy", "feature-sg" };

	for (unsigned int k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			if (!expect(&g->end, nic_begin(g), "the backend is ready for another try"))
				return;
			nic_make_rings(g);
			nic_keys(g);
			end_write(&g->end, keys[k], "%s", values[i]);
			end_write(&g->end, "state", "4");
			expect(&g->end, end_wait(&g->end, 1u << 5 | 1u << 6, 3000) > 0,
			       "%s = '%s' is refused", keys[k], values[i]);
			end_rm(&g->end, keys[k]);
		}
	}
}

static void ask(struct nic *g, const struct xsp_net_ctrl_req *req)
{
	struct xsp_net_ctrl_rsp rsp;
	uint64_t until = now_ms() + 5000;

	xsp_net_front_put_ctrl(&g->ctrl, req);
	if (xsp_ring_front_push(&g->ctrl))
		xenevtchn_notify(g->end.xce, g->port[2]);
	while (!xsp_ring_front_pending(&g->ctrl) && now_ms() < until)
		nanosleep(&(struct timespec){ 0, 20000 }, NULL);
	if (!expect(&g->end, xsp_ring_front_pending(&g->ctrl) == 1,
		    "control request type %u is answered", req->type))
		return;
	xsp_net_front_take_ctrl(&g->ctrl, &rsp);
	expect(&g->end,
	       rsp.id == req->id && rsp.type == req->type &&
		       rsp.status <= XSP_NET_CTRL_BUFFER_OVERFLOW,
	       "type %u is answered as such", req->type);
}

/* Control requests of all types with all kinds of numbers; lists whose grants are bad (XSA-270). */
void control(struct nic *g)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 40, 41, 127, 128, 129, 512, 513, 4096, 65535,
					    1u << 30, 1u << 31, ~0u - 3, ~0u };
	unsigned int seed = 3;
	struct xsp_net_gref *list = (struct xsp_net_gref *)(void *)(g->data + (PAGES - 1) * XSP_PAGE_SIZE);

	g->control = true;
	if (!up(g))
		return;
	for (unsigned int i = 0; i < 100 * g->end.dose; i++) {
		struct xsp_net_ctrl_req req = { .id = (uint16_t)i, .type = (uint16_t)(rand_r(&seed) % 13) };

		for (unsigned int k = 0; k < 3; k++)
			req.data[k] = numbers[(unsigned int)rand_r(&seed) % 17];
		if (rand_r(&seed) & 1) /* a page that is there */
			req.data[req.type < 8 ? 0 : 1] = g->ref[PAGES - 1];
		for (unsigned int k = 0; k < XSP_NET_GREFS_PER_PAGE; k++)
			list[k] = (struct xsp_net_gref){
				.ref = rand_r(&seed) % 50 ? g->ref[(unsigned int)rand_r(&seed) % (2 * PAGES)] : NO_GREF,
				.flags = (uint16_t)rand_r(&seed),
			};
		ask(g, &req);
		if (g->end.failed)
			return;
	}
	expect(&g->end, nic_works(g), "the device works all the time");
	xsp_store(&g->ctrl_sring->req_prod, 5000);
	xenevtchn_notify(g->end.xce, g->port[2]);
	closed(g, "a wild control index");
	g->control = false;
}

/* Killed with the rings full. */
void die(struct nic *g)
{
	if (!nic_connect(g))
		return;
	nic_post(g, PAGES);
	for (unsigned int i = 0; i < 256; i++)
		nic_put(g, nic_piece(g, 0, 60, 0));
	nic_push(g, true);
	kill(getpid(), SIGKILL);
}

struct swapper {
	struct nic *g;
	volatile bool stop;
};

static void *rewrite(void *arg)
{
	struct swapper *s = arg;
	volatile uint8_t *last = s->g->data + 5, *payload = s->g->data + 600;

	while (!s->stop) {
		*last ^= 1;
		(*payload)++;
	}
	return NULL;
}

/*
 * Frames whose address changes between two guests' (that end in an even number and the next) while they
 * are looked at and carried. Who gets what is for them to check: each frame is the one that was judged.
 */
void swap(struct nic *g)
{
	uint64_t until = now_ms() + 10 * g->end.dose;
	struct swapper s = { .g = g };
	pthread_t thread;

	if (!up(g))
		return;
	nic_make_ping(g, 1400);
	g->data[12] = 0x88; /* of a protocol for experiments: no kernel answers */
	g->data[13] = 0xb5;
	pthread_create(&thread, NULL, rewrite, &s);
	while (now_ms() < until) {
		for (unsigned int i = 0; i < 64; i++)
			nic_put(g, nic_piece(g, 0, 1400, 0));
		nic_push(g, true);
		if (!expect(&g->end, nic_answers(g, 64) != INT16_MIN, "it may send all the time"))
			break;
	}
	s.stop = true;
	pthread_join(thread, NULL);
}
