/* SPDX-License-Identifier: MIT */
/* Guests that come, go and die at the wrong moment. XSA-331, -350, -374. */
#include "tests/evil/evil.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void fill(struct guest *g)
{
	for (unsigned int k = 0; k < g->size; k++) {
		struct xsp_blk_req req = guest_request(g, k & 1, 88 * k, 11, k);

		guest_put(g, &req);
	}
	guest_push(g);
}

/* The guest's end of the event channel closed, and others opened, while requests are under way. */
void port_games(struct guest *g)
{
	for (unsigned int i = 0; i < g->end.dose / 4; i++) {
		struct xsp_blk_rsp rsp[32];

		if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
			return;
		fill(g);
		xenevtchn_unbind(g->end.xce, g->port);
		g->port = (evtchn_port_t)xenevtchn_bind_unbound_port(g->end.xce, 0);
		expect(&g->end, guest_take(g, rsp, 32, 5000) == 32,
		       "what was asked before the port was closed is answered");
		fill(g); /* nobody hears this */
		sleep_ms(1);
		xenevtchn_unbind(g->end.xce, g->port);
		g->port = 0;
	}
}

/* Connect and disconnect with requests under way, every time. */
void toggles(struct guest *g)
{
	unsigned int total = g->end.dose / 2;

	for (unsigned int i = 0; i < total; i++) {
		if (!expect(&g->end, guest_connect(g, i % 5, XSP_BLK_X86_64, "x86_64-abi"),
			    "connects, round %u", i))
			return;
		fill(g);
	}
	say("%u connects with requests under way", total);
}

/* Data pages, and then the ring's own page, no longer granted while the backend works on them. */
void pages_vanish(struct guest *g)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct xsp_blk_rsp rsp[32];
		uint32_t refs[XSP_BLK_SEGS];
		void *pages;

		if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
			return;
		pages = xengntshr_share_pages(g->end.xgs, 0, XSP_BLK_SEGS, refs, 1);
		for (unsigned int k = 0; k < g->size; k++) {
			struct xsp_blk_req req = guest_request(g, k & 1, 88 * k, 11, 0);

			for (unsigned int s = 0; s < XSP_BLK_SEGS; s++)
				req.seg[s].gref = refs[s];
			guest_put(g, &req);
		}
		guest_push(g);
		if (pages)
			xengntshr_unshare(g->end.xgs, pages, XSP_BLK_SEGS);
		expect(&g->end, guest_take(g, rsp, 32, 5000) == 32, "all requests are answered");
	}
	/* The ring goes too; the backend has it mapped and must not notice. */
	fill(g);
	xengntshr_unshare(g->end.xgs, g->ring, 1);
	g->ring = NULL;
	sleep_ms(20);
}

/* Killed with the ring full: no goodbye, no cleaning up. */
void die(struct guest *g)
{
	if (!expect(&g->end, guest_connect(g, g->next_id % 3, XSP_BLK_X86_64, "x86_64-abi"),
		    "connects"))
		return;
	fill(g);
	kill(getpid(), SIGKILL);
}

static void wake(int sig)
{
	(void)sig;
}

/* A good guest that does nothing until it is told to. */
void idle(struct guest *g)
{
	sigset_t usr1;

	signal(SIGUSR1, wake);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	if (!expect(&g->end, guest_connect(g, 1, XSP_BLK_X86_64, "x86_64-abi") && guest_works(g),
		    "connects"))
		return;
	say("idle");
	sigwait(&usr1, &(int){ 0 });
	for (unsigned int i = 0; i < 100; i++)
		if (!expect(&g->end, guest_works(g),
			    "works after the pause (round %u, backend state %d)", i,
			    end_number(&g->end, g->end.be, "state")))
			return;
	say("worked");
}

/* Requests under way and no move until somebody kills us. */
void hold(struct guest *g)
{
	if (!expect(&g->end, guest_connect(g, 0, XSP_BLK_X86_64, "x86_64-abi"), "connects"))
		return;
	fill(g);
	say("holding");
	pause();
}
