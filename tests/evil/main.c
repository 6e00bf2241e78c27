/* SPDX-License-Identifier: MIT */
/* xsp-evil's command line: see evil.h. */
#include "tests/evil/evil.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct attack {
	const char *name;
	void (*run)(struct guest *g);
	const char *what;
} attacks[] = {
	{ "ring-overflow", ring_overflow, "more requests than the ring has slots" },
	{ "ring-far", ring_far, "a request index far ahead" },
	{ "ring-back", ring_back, "a request index behind what was taken" },
	{ "ring-flip", ring_flip, "all indices rewritten by another thread" },
	{ "event-indices", event_indices, "event indices rewritten by another thread" },
	{ "padding", response_padding, "no memory of the daemon in responses' padding" },
	{ "layouts", layouts, "32-bit and 64-bit rings of order 0..4 (nothing bad)" },
	{ "stale-ring", stale_ring, "a ring that was used before, published as a new one" },
	{ "segments", bad_segments, "0, 12 .. 255 segments" },
	{ "sectors", bad_sectors, "first > last, last > 7" },
	{ "range", bad_range, "beyond the end, around 2^64" },
	{ "grants", bad_grants, "a bad grant at each segment of 1..11" },
	{ "operations", bad_operations, "operations that were not offered" },
	{ "indirect", bad_indirect, "descriptors of all kinds of wrongness" },
	{ "discard", bad_discard, "discards beyond the end, around 2^64, secure ones" },
	{ "read-only", read_only, "writes of all kinds, to a disk attached read-only" },
	{ "double-fetch", double_fetch, "requests rewritten while they are taken" },
	{ "descriptors", descriptor_race, "indirect requests whose descriptors are rewritten meanwhile" },
	{ "barriers", barrier_flood, "rings full of write barriers" },
	{ "grants-cycle", grants_cycle, "more pages than may be kept, ended while they are mapped" },
	{ "grants-flaky", grants_flaky, "a grant that is bad from time to time" },
	{ "log-flood", log_flood, "1000 bad requests a percent of --dose" },
	{ "nodes", bad_nodes, "garbage in each node" },
	{ "connects", bad_connects, "numbers that mean nothing" },
	{ "state-storm", state_storm, "state rewritten 100 times a percent" },
	{ "node-storm", node_storm, "ring-ref rewritten all the time" },
	{ "nodes-vanish", nodes_vanish, "its own nodes removed" },
	{ "port", port_games, "the event channel closed during I/O" },
	{ "toggles", toggles, "connect and disconnect during I/O" },
	{ "pages-vanish", pages_vanish, "grants ended during I/O" },
	{ "reborn", reborn, "a new kernel after kexec, at each state, in each way, with a full ring" },
	{ "dialects", dialects, "sectors counted in every way there is (on sectors of 4096 bytes, or 512)" },
	{ "change-storm", change_storm, "a full ring while the disk's medium or size changes; 20 ms a percent" },
	{ "event-storm", event_storm, "events without requests, 30 ms a percent" },
	{ "die", die, "SIGKILL with the ring full (run it again to recover)" },
	{ "count", count_errors, "nothing bad: 100 each of read, write, flush; counts errors" },
	{ "read-far", read_far, "nothing bad: the disk's last page, which the image may have lost" },
	{ "idle", idle, "nothing bad: connected and idle until SIGUSR1, then works" },
	{ "hold-indirect", hold_indirect, "a full ring of indirect requests, then nothing" },
	{ "hold", hold, "a full ring, then nothing" },
};
#define N_ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

static int usage(int code)
{
	FILE *f = code ? stderr : stdout;

	fprintf(f, "usage: xsp-evil [--dose PERCENT] [--peer DOMID] DEVID ATTACK...\n"
		   "A hostile guest, for tests. Run it as a guest's process (xensplit lab run 1 -- ...).\n"
		   "  --dose PERCENT  how much of what comes in numbers (100)\n"
		   "  --peer DOMID    another domain of the lab, whose grants are tried\n"
		   "  --persistent    say feature-persistent: the backend keeps our pages mapped\n"
		   "attacks:\n");
	for (unsigned int i = 0; i < N_ATTACKS; i++)
		fprintf(f, "  %-14s %s\n", attacks[i].name, attacks[i].what);
	fprintf(f, "  recover        only what follows each attack: connect anew, write, read back\n"
		   "example:\n  xsp-evil --peer 2 51712 segments grants\n"
		   "Exit: 0 the backend did all as it should, 1 it did not, 2 not tried.\n");
	return code;
}

/* What every attack must leave possible. */
static void recover(struct guest *g)
{
	expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"),
	       "the device connects again (backend state %d)",
	       end_number(&g->end, g->end.be, "state"));
	if (g->ring && end_number(&g->end, g->end.be, "state") == 4)
		expect(&g->end, guest_works(g), "the device works again");
	guest_close(g);
}

static int run(struct guest *g, const char *name)
{
	unsigned int i = 0;

	attack_begin(&g->end, name);
	while (i < N_ATTACKS && strcmp(attacks[i].name, name))
		i++;
	if (i == N_ATTACKS && strcmp(name, "recover")) {
		fprintf(stderr, "xsp-evil: no attack '%s'\n", name);
		return usage(2);
	}
	if (i < N_ATTACKS)
		attacks[i].run(g);
	if (i == N_ATTACKS || (attacks[i].run != count_errors && attacks[i].run != read_far &&
			       attacks[i].run != read_only && attacks[i].run != change_storm))
		recover(g);
	guest_close(g);
	attack_over(&g->end);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "dose", 1, NULL, 'd' }, { "peer", 1, NULL, 'p' },
						 { "persistent", 0, NULL, 'P' },
						 { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	const char *domid = getenv("XENSPLIT_DOM");
	struct guest g = {.end.dose = 100};
	int c, err;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'd')
			g.end.dose = (unsigned int)atoi(optarg);
		else if (c == 'p')
			g.peer = (uint32_t)atoi(optarg);
		else if (c == 'P')
			g.persistent = true;
		else
			return usage(c == 'h' ? 0 : 2);
	}
	if (argc - optind < 2 || !domid)
		return usage(2);
	err = guest_open(&g, (uint32_t)atoi(domid), (uint32_t)atoi(argv[optind]));
	if (err) {
		fprintf(stderr, "xsp-evil: can't open vbd %s of domain %s: %s\n", argv[optind], domid,
			strerror(-err));
		return 2;
	}
	for (int i = optind + 1; i < argc; i++)
		if (run(&g, argv[i]))
			return 2;
	end_free(&g.end);
	return g.end.failed != 0;
}
