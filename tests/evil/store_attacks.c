/* SPDX-License-Identifier: MIT */
/* Attacks through the frontend's XenStore nodes. XSA-57, -157, -175, -349, -350. */
#include "tests/evil/evil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct value {
	const char *bytes;
	unsigned int len;
};
#define VALUE(s) { s, sizeof(s) - 1 }

static const struct value garbage[] = {
	VALUE(""),
	VALUE("x"),
	VALUE("-1"),
	VALUE("4294967296"),
	VALUE("99999999999999999999999999"),
	VALUE(" 8"),
	VALUE("8 "),
	VALUE("0x8"),
	VALUE("1e3"),
	VALUE("\xff\xfe\0\1binary"),
	VALUE("\x1b[2J%s%n%n%n"),
	VALUE("4294967295"),
};
#define N_GARBAGE (sizeof(garbage) / sizeof(garbage[0]))

/* The keys with one of them wrong, then state 3: the backend must say no, and why. */
static void one_bad(struct guest *g, const char *key, const struct value *v, const char *name,
		    bool multi)
{
	char *why;
	int state;

	if (!expect(&g->end, guest_begin(g), "%s: the backend is ready (state %d)", key,
		    end_number(&g->end, g->end.be, "state")))
		return;
	guest_make_ring(g, multi ? 1 : 0, XSP_BLK_X86_64);
	guest_keys(g);
	end_write(&g->end, "protocol", "x86_64-abi");
	if (v)
		end_write_bytes(&g->end, key, v->bytes, v->len);
	else
		end_rm(&g->end, key);
	end_write(&g->end, "state", "3");
	state = end_wait(&g->end, 1u << 4 | 1u << 5 | 1u << 6, 7000);
	expect(&g->end, state == 5, "%s = '%s': the backend refuses (its state: %d)", key, name,
	       state);
	why = end_read(&g->end, g->end.be, "xensplit-error");
	expect(&g->end, why && *why, "%s = '%s': the store says why", key, name);
	expect(&g->end,
	       why && (v == NULL || strstr(why, key) || strstr(why, "ring") ||
		       strstr(why, "event")),
	       "%s = '%s': the reason names the node (it says '%s')", key, name, why ? why : "");
	free(why);
}

void bad_nodes(struct guest *g)
{
	static const char *const keys[] = { "ring-ref", "event-channel", "ring-page-order", "protocol",
					    "multi-queue-num-queues", "feature-persistent" };
	static const struct value huge = VALUE("111111111111111111111111111111111111111111111111111111"
					       "111111111111111111111111111111111111111111111111111111");
	char name[16];

	for (unsigned int k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		if (k < 2)
			one_bad(g, keys[k], NULL, "missing", false);
		for (unsigned int i = k == 3 ? 1 : 0; i < N_GARBAGE; i++) {
			snprintf(name, sizeof(name), "garbage %u", i);
			one_bad(g, keys[k], &garbage[i], name, false);
		}
		one_bad(g, keys[k], &huge, "108 digits", false);
	}
	one_bad(g, "ring-ref1", NULL, "missing", true);
	one_bad(g, "ring-ref1", &garbage[1], "x", true);
}

/* Numbers that parse, and mean nothing. */
void bad_connects(struct guest *g)
{
	static const struct value ref = VALUE("4242"), port = VALUE("1023"), zero = VALUE("0"),
				  order5 = VALUE("5"), order64 = VALUE("64"), queues = VALUE("65535"),
				  arm = VALUE("arm-abi");

	one_bad(g, "ring-ref", &ref, "a grant of nobody's", false);
	one_bad(g, "ring-ref1", &ref, "a grant of nobody's", true);
	one_bad(g, "event-channel", &port, "a port that is not there", false);
	one_bad(g, "event-channel", &zero, "port 0", false);
	one_bad(g, "ring-page-order", &order5, "5", false);
	one_bad(g, "ring-page-order", &order64, "64", false);
	one_bad(g, "multi-queue-num-queues", &queues, "65535", false);
	one_bad(g, "multi-queue-num-queues", &zero, "0", false);
	one_bad(g, "protocol", &arm, "arm-abi", false);
}

/* --- storms ------------------------------------------------------------------------------------ */

/* state rewritten as fast as the store takes it: any number, in any order, with a good ring behind. */
void state_storm(struct guest *g)
{
	unsigned int total = 100 * g->end.dose;
	uint32_t x = 77;

	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
		return;
	for (unsigned int i = 0; i < total; i++) {
		x = x * 1664525u + 1013904223u;
		if (x >> 24 == 0)
			end_write_bytes(&g->end, "state", "\0\xff", 2);
		else
			end_write(&g->end, "state", "%u", x >> 16 & 15 ? (x >> 20) % 9 : x);
	}
	say("state written %u times", total);
}

/* The ring's keys rewritten all the time, so that the backend's transaction never gets through. */
void node_storm(struct guest *g)
{
	uint64_t until;
	unsigned int n = 0;

	for (unsigned int round = 0; round < 3; round++) {
		if (!expect(&g->end, guest_begin(g), "the backend is ready"))
			return;
		guest_make_ring(g, 0, XSP_BLK_X86_64);
		guest_keys(g);
		end_write(&g->end, "protocol", "x86_64-abi");
		end_write(&g->end, "state", "3");
		for (until = now_ms() + 1000; now_ms() < until; n++)
			end_write(&g->end, "ring-ref", "%u", g->ring_ref[0]);
	}
	say("ring-ref written %u times while the backend read it", n);
}

/* Its own nodes, then its whole directory, taken away from under a connected device. */
void nodes_vanish(struct guest *g)
{
	static const char *const keys[] = { "ring-ref", "event-channel", "protocol", "state" };

	for (unsigned int k = 0; k < 4; k++) {
		if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
			return;
		end_rm(&g->end, keys[k]);
		if (k < 3)
			expect(&g->end, guest_works(g), "works without its node '%s'", keys[k]);
		else
			expect(&g->end, end_wait(&g->end, 1u << 6, 3000) == 6,
			       "a frontend without a state is taken as gone");
	}
}
