/* SPDX-License-Identifier: MIT */
/*
 * world-hold guest PEER: grant four pages, make a port, say which, wait to be killed.
 * world-hold dom0 PEER PORT REF REF REF REF: bind, map two pages in two calls, wait to be killed.
 * world-hold list: world-domains by another name (which needs libxenctrl; a guest may not have it).
 */
#include <xenevtchn.h>
#include <xengnttab.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int hold_guest(uint32_t peer)
{
	xengntshr_handle *s = xengntshr_open(NULL, 0);
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	uint32_t refs[4];
	int port = x ? xenevtchn_bind_unbound_port(x, peer) : -1;

	if (!s || port < 0 || !xengntshr_share_pages(s, peer, 4, refs, 1))
		return 1;
	printf("holds %d %u %u %u %u\n", port, refs[0], refs[1], refs[2], refs[3]);
	fflush(stdout);
	return pause();
}

static int hold_dom0(uint32_t peer, char **arg)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int i;

	if (!g || !x || xenevtchn_bind_interdomain(x, peer, (uint32_t)atoi(arg[0])) < 0)
		return 1;
	for (i = 1; i < 3; i++)
		if (!xengnttab_map_grant_ref(g, peer, (uint32_t)atoi(arg[i]), PROT_READ))
			return 1;
	printf("holds\n");
	fflush(stdout);
	return pause();
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "guest"))
		return hold_guest((uint32_t)atoi(argv[2]));
	if (argc == 8 && !strcmp(argv[1], "dom0"))
		return hold_dom0((uint32_t)atoi(argv[2]), argv + 3);
	if (argc == 2 && !strcmp(argv[1], "list"))
		execlp("world-domains", "world-domains", (char *)NULL);
	fprintf(stderr, "usage: world-hold guest PEER | dom0 PEER PORT REF.. | list\n");
	return 2;
}
