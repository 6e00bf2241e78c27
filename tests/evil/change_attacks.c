/* SPDX-License-Identifier: MIT */
/*
 * Guests that start over without a goodbye (kexec), that count in a way of their own, and that go on
 * asking while their disk changes its size or its medium.
 */
#include "tests/evil/evil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a guest asked before it started over; its ring stays where it was, and stays granted. */
struct past {
	struct xsp_sring *ring;
	unsigned int order;
	evtchn_port_t port;
};

static void fill(struct guest *g)
{
	for (unsigned int k = 0; k < g->size; k++) {
		struct xsp_blk_req req = guest_request(g, XSP_BLK_READ, 88 * k, 11, k);

		guest_put(g, &req);
	}
	guest_push(g);
}

/* The ways there are from a running guest to a new one at state 1. */
static bool start_over(struct guest *g, unsigned int way)
{
	switch (way % 4) {
	case 0: /* the new kernel is just there */
		break;
	case 1: /* Linux's xenbus_reset: 5, wait, 6, wait, 1 */
		end_write(&g->end, "state", "5");
		end_wait(&g->end, 1u << 5 | 1u << 6, 5000);
		end_write(&g->end, "state", "6");
		end_wait(&g->end, 1u << 6, 5000);
		break;
	case 2: /* the backend at 5, and nobody who ends that */
		end_write(&g->end, "state", "5");
		end_wait(&g->end, 1u << 5 | 1u << 6, 5000);
		break;
	default: /* it has seen 6, or not */
		end_write(&g->end, "state", "6");
		if (way & 4)
			end_wait(&g->end, 1u << 6, 5000);
	}
	end_write(&g->end, "state", "1");
	return end_wait(&g->end, 1u << 2, 6000) == 2;
}

static void forget(struct guest *g, struct past *past)
{
	*past = (struct past){ g->ring, g->order, g->port };
	g->ring = NULL;
	g->port = 0;
}

/* Once the backend waits for new rings, the old one is nobody's: this is the new kernel's memory. */
static void reuse(const struct past *past)
{
	memset(past->ring, 0xa5, (size_t)XSP_PAGE_SIZE << past->order);
}

static bool untouched(const struct past *past)
{
	const uint8_t *p = (const uint8_t *)past->ring;

	for (size_t i = 0; i < (size_t)XSP_PAGE_SIZE << past->order; i++)
		if (p[i] != 0xa5)
			return false;
	return true;
}

void reborn(struct guest *g)
{
	for (unsigned int way = 0; way < 16; way++) {
		bool wide = way & 1;
		unsigned int order = way % 3;
		struct past past;
		uint8_t *data = g->data;

		if (!expect(&g->end,
			    guest_connect(g, order, wide ? XSP_BLK_X86_64 : XSP_BLK_X86_32,
					  wide ? "x86_64-abi" : NULL) &&
				    guest_works(g),
			    "connects"))
			return;
		fill(g);
		forget(g, &past);
		if (!expect(&g->end, start_over(g, way),
			    "way %u: the backend waits for a new frontend (state %d)", way,
			    end_number(&g->end, g->end.be, "state")))
			return;
		reuse(&past);
		memset(data, 0x5a, PAGES * (size_t)XSP_PAGE_SIZE);
		sleep_ms(5);
		expect(&g->end,
		       data[0] == 0x5a &&
			       !memcmp(data, data + 1, PAGES * (size_t)XSP_PAGE_SIZE - 1),
		       "way %u: nothing is written into pages of old requests", way);
		end_rm(&g->end, "ring-page-order");
		for (unsigned int i = 0; i < 4; i++) {
			char key[16];

			snprintf(key, sizeof(key), i ? "ring-ref%u" : "ring-ref", i - 1);
			end_rm(&g->end, key);
		}
		end_rm(&g->end, "protocol");
		guest_make_ring(g, (way + 1) % 3, XSP_BLK_X86_64);
		guest_keys(g);
		end_write(&g->end, "protocol", "x86_64-abi");
		end_write(&g->end, "state", "3");
		if (!expect(&g->end, end_wait(&g->end, 1u << 4, 6000) == 4, "way %u: connects anew",
			    way))
			return;
		end_write(&g->end, "state", "4");
		expect(&g->end, guest_works(g), "way %u: the new frontend's disk works", way);
		expect(&g->end, untouched(&past), "way %u: the old ring is left alone", way);
		xengntshr_unshare(g->end.xgs, past.ring, 1u << past.order);
		xenevtchn_unbind(g->end.xce, past.port);
	}
	end_rm(&g->end, "protocol");
	say("16 new kernels, with a full ring each");
}

/* --- counting ------------------------------------------------------------------------------------- */

/* Everything that a segment and a sector may hold, on a ring that is counted in larger units. */
void dialects(struct guest *g)
{
	static const char *const names[] = { "windows", "qemu", "freebsd", "mini-os", "xen" };
	static const uint64_t sectors[] = { 0,	       1,	    255,	 256,	      257,
					    1ull << 52, 1ull << 54, 1ull << 61, (1ull << 61) + 1, UINT64_MAX };

	for (unsigned int d = 0; d < 5; d++) {
		unsigned int good = 0;

		end_write(&g->end, "xensplit-dialect", "%s", names[d]);
		if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"),
			    "%s: connects", names[d]))
			break;
		for (unsigned int i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++)
			for (unsigned int first = 0; first < 256; first += first < 9 ? 1 : 41)
				for (unsigned int last = 0; last < 256; last += last < 9 ? 1 : 41) {
					struct xsp_blk_req req =
						guest_request(g, XSP_BLK_WRITE, sectors[i], 1, 0);
					int16_t status;

					req.seg[0].first = (uint8_t)first;
					req.seg[0].last = (uint8_t)last;
					status = guest_do(g, &req);
					expect(&g->end, status != INT16_MIN, "%s: an answer",
					       names[d]);
					expect(&g->end,
					       status != XSP_BLK_OKAY ||
						       (first <= last && last < 8),
					       "%s: sectors %u..%u refused", names[d], first, last);
					good += status == XSP_BLK_OKAY;
				}
		for (unsigned int i = 5; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
			struct xsp_blk_req req = { .op = XSP_BLK_DISCARD, .id = ++g->next_id,
						   .discard.nr_sectors = sectors[i] };

			expect(&g->end, guest_do(g, &req) != XSP_BLK_OKAY,
			       "%s: a discard of 2^%u sectors is refused", names[d], 52 + i);
		}
		expect(&g->end, good > 0, "%s: some are good", names[d]);
		guest_close(g);
	}
	end_write(&g->end, "xensplit-dialect", "klingon");
	expect(&g->end, !guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"),
	       "an unknown dialect is refused");
	end_rm(&g->end, "xensplit-dialect");
	end_write(&g->end, "feature-large-sector-size", "7");
	expect(&g->end, !guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"),
	       "feature-large-sector-size 7 is refused");
	end_rm(&g->end, "feature-large-sector-size");
}

/* --- changes ---------------------------------------------------------------------------------------- */

/*
 * A full ring all the time, with requests anywhere, the button pushed, its ring's keys rewritten for
 * moments: while somebody else changes the medium or the size. For --dose / 10 seconds.
 */
void change_storm(struct guest *g)
{
	uint64_t until = now_ms() + g->end.dose * 20ull;
	unsigned int asked = 0, answered = 0, n = 0;
	struct xsp_blk_rsp rsp[32];

	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
		return;
	say("ready");
	while (now_ms() < until) {
		unsigned int got = guest_take(g, rsp, asked - answered < 32 ? asked - answered : 32, 2);

		answered += got;
		for (unsigned int i = 0; asked - answered < g->size && i < 32; i++, asked++) {
			uint64_t sector = (uint64_t)rand() * (uint64_t)rand() % 40000;
			struct xsp_blk_req req =
				guest_request(g, rand() & 1, sector, 1 + (unsigned int)rand() % 11,
					      (unsigned int)rand() % PAGES);

			guest_put(g, &req);
		}
		guest_push(g);
		switch (n++ % 16) {
		case 3:
			end_write(&g->end, "eject", "eject");
			break;
		case 7:
			end_write(&g->end, "eject", "x");
			break;
		case 11: /* for a moment, as if it were on its way somewhere */
			end_write(&g->end, "state", "4");
			break;
		}
	}
	while (answered < asked) {
		unsigned int got = guest_take(g, rsp, asked - answered < 32 ? asked - answered : 32, 5000);

		if (!expect(&g->end, got > 0,
			    "an answer to each of %u requests, not to %u (state %d)", asked,
			    answered, end_number(&g->end, g->end.be, "state")))
			break;
		answered += got;
	}
	expect(&g->end, asked > 100, "more than %u requests", asked);
	end_rm(&g->end, "eject");
	say("%u requests, each answered once", answered);
}
