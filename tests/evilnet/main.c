/* SPDX-License-Identifier: MIT */
/* xsp-evilnet's command line: see net.h. */
#include "tests/evilnet/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void nothing(struct nic *g)
{
	(void)g;
}

static const struct {
	const char *name;
	void (*run)(struct nic *g);
	const char *what;
} attacks[] = {
	{ "indices", indices, "request indices that can't be" },
	{ "endless", endless, "packets, fragments and extras without end" },
	{ "malformed", malformed, "sizes and offsets that make no packet" },
	{ "empty", empty, "fragments of nothing" },
	{ "splits", splits, "headers in up to 18 pieces (nothing bad)" },
	{ "grants", bad_grants, "a bad grant in each place" },
	{ "rx-grants", rx_bad_grants, "bad pages to receive into" },
	{ "rx-starve", rx_starve, "no pages to receive into, 30 ms a percent" },
	{ "rx-stale", rx_stale, "the same for 13 s: what comes then is fresh" },
	{ "rx-stale-one", rx_stale_one, "... with one page, for packets that need two" },
	{ "offloads", offloads, "20 packets a percent with offloads that lie" },
	{ "double-fetch", double_fetch, "requests rewritten while they are taken" },
	{ "storm", storm, "events for nothing, 30 ms a percent" },
	{ "toggles", toggles, "connect and disconnect under traffic" },
	{ "nodes", nodes, "garbage in each node" },
	{ "control", control, "100 control requests a percent that make no sense" },
	{ "swap", swap, "an address rewritten while its packet is carried, 10 ms a percent" },
	{ "die", die, "SIGKILL with the rings full" },
	{ "recover", nothing, "only what follows each: connect anew, ping" },
};
#define N_ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

static int usage(int code)
{
	fprintf(code ? stderr : stdout,
		"usage: xsp-evilnet [--dose PERCENT] [--to MAC] DEVID ATTACK...\n"
		"A hostile guest with a network device, for tests; 10.8.0.1 must answer behind it.\n");
	for (unsigned int i = 0; i < N_ATTACKS; i++)
		fprintf(code ? stderr : stdout, "  %-14s %s\n", attacks[i].name, attacks[i].what);
	return code;
}

static int run(struct nic *g, const char *name)
{
	unsigned int i = 0;

	attack_begin(&g->end, name);
	while (i < N_ATTACKS && strcmp(attacks[i].name, name))
		i++;
	if (i == N_ATTACKS)
		return usage(2);
	attacks[i].run(g);
	g->split = g->control = false;
	expect(&g->end, nic_connect(g), "the device connects again (backend state %d)",
	       end_number(&g->end, g->end.be, "state"));
	expect(&g->end, g->tx_sring && end_number(&g->end, g->end.be, "state") == 4 && nic_works(g),
	       "the device works again");
	nic_close(g);
	attack_over(&g->end);
	return 0;
}

int main(int argc, char **argv)
{
	const char *dom = getenv("XENSPLIT_DOM");
	struct nic g = {.end.dose = 100, .to = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	int at = 1, rc = 0;

	if (argc > 1 && !strcmp(argv[1], "--help"))
		return usage(0);
	if (argc > 2 && !strcmp(argv[1], "--dose")) {
		g.end.dose = (unsigned int)atoi(argv[2]);
		at = 3;
	}
	if (argc > at + 1 && !strcmp(argv[at], "--to")) {
		sscanf(argv[at + 1], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &g.to[0], &g.to[1], &g.to[2], &g.to[3],
		       &g.to[4], &g.to[5]);
		at += 2;
	}
	if (argc < at + 2)
		return usage(2);
	rc = nic_open(&g, dom ? (uint32_t)atoi(dom) : 0, (uint32_t)atoi(argv[at]));
	if (rc) {
		fprintf(stderr, "xsp-evilnet: can't open the device: %s\n", strerror(-rc));
		return 2;
	}
	while (++at < argc && !rc)
		rc = run(&g, argv[at]);
	nic_free(&g);
	return rc ? rc : g.end.failed != 0;
}
