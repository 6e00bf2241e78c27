/* SPDX-License-Identifier: MIT */
/* Attacks on the ring's indices, events and layout. XSA-39, -86, -155, -216, -332. */
#include "tests/evil/evil.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The backend must give the device up, say why where people look, and stay usable. */
static void broken(struct guest *g, const char *what)
{
	char *why;

	expect(&g->end, end_wait(&g->end, 1u << 5, 2000) == 5, "%s: backend in Closing", what);
	why = end_read(&g->end, g->end.be, "xensplit-error");
	expect(&g->end, why && strstr(why, "out of bounds"), "%s: the store says why (has '%s')",
	       what, why ? why : "nothing");
	free(why);
}

static void index_attack(struct guest *g, const char *what, uint32_t delta, unsigned int before)
{
	struct xsp_blk_req req;

	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "%s: connects",
		    what))
		return;
	for (unsigned int i = 0; i < before; i++) {
		req = guest_request(g, XSP_BLK_READ, 8 * i, 1, 0);
		expect(&g->end, guest_do(g, &req) == XSP_BLK_OKAY, "%s: good request %u", what, i);
	}
	g->req_prod += delta;
	guest_push(g);
	broken(g, what);
}

void ring_overflow(struct guest *g)
{
	index_attack(g, "req_prod = cons + size + 1", 33, 0);
	index_attack(g, "the same after 40 requests", 33, 40);
}

void ring_far(struct guest *g)
{
	index_attack(g, "req_prod = cons + 2^31", 1u << 31, 0);
	index_attack(g, "req_prod = cons - 2^31 + 1", (1u << 31) + 1, 7);
}

void ring_back(struct guest *g)
{
	index_attack(g, "req_prod = cons - 1", ~0u, 5);
	index_attack(g, "req_prod = cons - size", -32u, 40);
}

/* --- flipping, from a second thread ------------------------------------------------------------ */

struct flipper {
	struct guest *g;
	bool indices; /* req_prod too: the ring breaks; else only what may be any value */
	int stop;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	struct xsp_sring *s = f->g->ring;
	uint32_t x = 12345;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		x = x * 1664525u + 1013904223u;
		xsp_store(&s->req_event, x);
		xsp_store(&s->rsp_event, x >> 3);
		xsp_store((uint32_t *)&s->pvt[x >> 28 & 0x8], x);
		if (f->indices)
			xsp_store(&s->req_prod, x >> 30 ? f->g->req_prod : x);
	}
	return NULL;
}

void ring_flip(struct guest *g)
{
	struct flipper f = { .g = g, .indices = true };
	pthread_t t;

	for (unsigned int i = 0; i < 10; i++) {
		uint64_t until;

		if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
			return;
		f.stop = 0;
		pthread_create(&t, NULL, flip, &f);
		for (until = now_ms() + 10000;
		     now_ms() < until && end_number(&g->end, g->end.be, "state") == 4;)
			xenevtchn_notify(g->end.xce, g->port);
		__atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
		pthread_join(t, NULL);
		broken(g, "indices flipped");
	}
}

/* Event indices and the private area may hold anything: I/O goes on, at worst without events. */
void event_indices(struct guest *g)
{
	struct flipper f = { .g = g };
	struct xsp_blk_req req;
	unsigned int good = 0;
	pthread_t t;

	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
		return;
	pthread_create(&t, NULL, flip, &f);
	for (unsigned int i = 0; i < 2000; i++) {
		req = guest_request(g, i & 1 ? XSP_BLK_WRITE : XSP_BLK_READ, 8 * i % 512, 1, i);
		good += guest_do(g, &req) == XSP_BLK_OKAY;
	}
	__atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	expect(&g->end, good == 2000, "2000 requests under flipping event indices, %u were good",
	       good);
	expect(&g->end, guest_works(g), "works after it");
}

/* --- what the backend writes ------------------------------------------------------------------- */

static void padding(struct guest *g, enum xsp_blk_abi abi)
{
	size_t slot_bytes = xsp_blk_slot_bytes(abi), end = abi == XSP_BLK_X86_32 ? 12 : 16;
	const char *name = abi == XSP_BLK_X86_32 ? "x86_32" : "x86_64";
	uint8_t want[112];

	if (!expect(&g->end,
		    guest_connect(g, 0, abi, abi == XSP_BLK_X86_32 ? "x86_32-abi" : "x86_64-abi"),
		    "%s: connects", name))
		return;
	for (unsigned int i = 0; i < 200; i++) {
		struct xsp_blk_req req =
			guest_request(g, i % 3 == 2 ? 77 : XSP_BLK_READ, 8 * i % 512, 1 + i % 11, i);
		uint8_t *slot = guest_slot(g, g->req_prod);
		struct xsp_blk_rsp rsp = { .id = req.id, .op = req.op };
		struct xsp_blk_rsp got;

		for (unsigned int k = req.nr_segs; k < XSP_BLK_SEGS; k++)
			memset(&req.seg[k], 0xa5, sizeof(req.seg[k]));
		memset(slot, 0xa5, slot_bytes);
		guest_put(g, &req);
		memcpy(want, slot, slot_bytes);
		rsp.status = req.op == XSP_BLK_READ ? XSP_BLK_OKAY : XSP_BLK_EOPNOTSUPP;
		memcpy(want, &rsp, end);
		guest_push(g);
		if (!expect(&g->end, guest_take(g, &got, 1, 5000) == 1, "%s: response %u", name, i))
			return;
		if (!expect(&g->end, !memcmp(slot, want, slot_bytes),
			    "%s: response %u is %zu bytes with zero padding, the rest untouched",
			    name, i, end))
			return;
	}
}

void response_padding(struct guest *g)
{
	padding(g, XSP_BLK_X86_64);
	padding(g, XSP_BLK_X86_32);
}

/* --- events ------------------------------------------------------------------------------------ */

/* Kicks without requests for 3 s; the script looks at the daemon's processor time meanwhile. */
void event_storm(struct guest *g)
{
	uint64_t until, kicks = 0, start;
	struct xsp_blk_req req;

	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
		return;
	say("storm begins");
	until = now_ms() + 30 * g->end.dose;
	while (now_ms() < until)
		for (unsigned int i = 0; i < 1000; i++, kicks++)
			xenevtchn_notify(g->end.xce, g->port);
	say("storm ends: %llu kicks", (unsigned long long)kicks);
	start = now_ms();
	req = guest_request(g, XSP_BLK_READ, 0, 1, 0);
	expect(&g->end, guest_do(g, &req) == XSP_BLK_OKAY, "a request after the storm");
	expect(&g->end, now_ms() - start < 2500, "it took at most the back-off (took %llu ms)",
	       (unsigned long long)(now_ms() - start));
	start = now_ms();
	for (unsigned int i = 0; i < 50; i++)
		expect(&g->end, guest_works(g), "works after the storm");
	expect(&g->end, now_ms() - start < 1000, "the back-off is over (100 requests took %llu ms)",
	       (unsigned long long)(now_ms() - start));
}

/* --- layouts: not an attack, but what old and odd guests do ------------------------------------- */

void layouts(struct guest *g)
{
	static const struct {
		enum xsp_blk_abi abi;
		const char *protocol;
	} kinds[] = {
		{ XSP_BLK_X86_32, NULL },
		{ XSP_BLK_X86_32, "x86_32-abi" },
		{ XSP_BLK_X86_64, "x86_64-abi" },
	};

	for (unsigned int k = 0; k < 3; k++)
		for (unsigned int order = 0; order <= XSP_RING_MAX_ORDER; order++) {
			const char *name = kinds[k].protocol ? kinds[k].protocol : "no protocol key";
			unsigned int good = 0;

			if (!expect(&g->end,
				    guest_connect(g, order, kinds[k].abi, kinds[k].protocol),
				    "%s, order %u: connects", name, order))
				continue;
			for (unsigned int i = 0; i < g->size; i++)
				good += guest_works(g); /* the ring goes round twice */
			expect(&g->end, good == g->size, "%s, order %u: %u of %u writes read back",
			       name, order, good, g->size);
		}
}

/* --- a used ring -------------------------------------------------------------------------------- */

/* The requests in it were done once; done again they would undo what was written since. */
void stale_ring(struct guest *g)
{
	struct xsp_blk_req req;
	char *why;

	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
		return;
	for (unsigned int i = 0; i < 20; i++) {
		req = guest_request(g, XSP_BLK_WRITE, 8 * i, 1, i);
		expect(&g->end, guest_do(g, &req) == XSP_BLK_OKAY, "write %u", i);
	}
	end_write(&g->end, "state", "6");
	end_wait(&g->end, 1u << 6, 3000);
	end_write(&g->end, "state", "4"); /* as if nothing had been */
	expect(&g->end, end_wait(&g->end, 1u << 5, 3000) == 5,
	       "a used ring is refused (backend state %d)",
	       end_number(&g->end, g->end.be, "state"));
	why = end_read(&g->end, g->end.be, "xensplit-error");
	expect(&g->end, why && strstr(why, "not new"), "the store says why (it says '%s')",
	       why ? why : "");
	free(why);
}
