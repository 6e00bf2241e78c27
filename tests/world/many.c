/* SPDX-License-Identifier: MIT */
/*
 * world-many N (lab only): one process that is N guests and Dom0, by setting XENSPLIT_DOM before
 * each open. Each guest grants a page and makes a port; Dom0 reads every page and rings every port;
 * each guest hears its own, on a thread of its own.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define MAX    64
#define ROUNDS 200

struct guest {
	xengntshr_handle *s;
	xenevtchn_handle *x;
	uint32_t id, ref;
	int port, heard, dom0_port;
	uint32_t *page;
};

static struct guest guests[MAX];

static void be(uint32_t dom)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", dom);
	setenv("XENSPLIT_DOM", text, 1);
}

static int open_guest(struct guest *g, uint32_t id)
{
	be(id);
	g->id = id;
	g->s = xengntshr_open(NULL, 0);
	g->x = xenevtchn_open(NULL, 0);
	if (!g->s || !g->x)
		return -1;
	g->page = xengntshr_share_pages(g->s, 0, 1, &g->ref, 1);
	g->port = xenevtchn_bind_unbound_port(g->x, 0);
	if (!g->page || g->port < 0)
		return -1;
	g->page[0] = id;
	return 0;
}

/* Answers each of Dom0's events with one of its own. */
static void *listen(void *arg)
{
	struct guest *g = arg;

	while (g->heard < ROUNDS) {
		int port = xenevtchn_pending(g->x);

		if (port != g->port)
			return NULL;
		g->heard++;
		xenevtchn_unmask(g->x, (evtchn_port_t)port);
		xenevtchn_notify(g->x, (evtchn_port_t)port);
	}
	return NULL;
}

static int round_trips(xenevtchn_handle *x, int n)
{
	int r, i, port, bad = 0;

	for (r = 0; r < ROUNDS; r++) {
		for (i = 0; i < n; i++)
			xenevtchn_notify(x, (evtchn_port_t)guests[i].dom0_port);
		for (i = 0; i < n; i++) {
			port = xenevtchn_pending(x);
			bad += port < 0;
			xenevtchn_unmask(x, (evtchn_port_t)port);
		}
	}
	return bad;
}

int main(int argc, char **argv)
{
	int n = argc == 2 ? atoi(argv[1]) : 0, i, bad = 0;
	xengnttab_handle *g;
	xenevtchn_handle *x;
	pthread_t thread[MAX];

	if (n < 1 || n > MAX)
		return 2;
	for (i = 0; i < n; i++)
		if (open_guest(&guests[i], (uint32_t)i + 1))
			return 1;
	be(0);
	g = xengnttab_open(NULL, 0);
	x = xenevtchn_open(NULL, 0);
	if (!g || !x)
		return 1;
	for (i = 0; i < n; i++) {
		struct guest *o = &guests[i];
		uint32_t *p = xengnttab_map_grant_ref(g, o->id, o->ref, PROT_READ);

		bad += !p || *p != o->id;
		bad += xengnttab_map_grant_ref(g, o->id % (uint32_t)n + 1, o->ref + 1000,
					       PROT_READ) != NULL;
		o->dom0_port = xenevtchn_bind_interdomain(x, o->id, (evtchn_port_t)o->port);
		bad += o->dom0_port < 0;
	}
	for (i = 0; i < n; i++) /* each bind made its own port pending */
		xenevtchn_unmask(x, (evtchn_port_t)xenevtchn_pending(x));
	for (i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, listen, &guests[i]);
	bad += round_trips(x, n);
	for (i = 0; i < n; i++) {
		pthread_join(thread[i], NULL);
		bad += guests[i].heard != ROUNDS;
	}
	for (i = 0; i < n; i++) {
		xenevtchn_close(guests[i].x);
		xengntshr_close(guests[i].s);
	}
	xengnttab_close(g);
	xenevtchn_close(x);
	printf("%d guests, %d wrong\n", n, bad);
	return bad != 0;
}
