/* SPDX-License-Identifier: MIT */
/*
 * Processes to be killed at any moment, and those that must not notice.
 * world-storm echo PEER N: N ports on one handle, says them, answers every event for ever.
 * world-storm ping PEER PORT ROUNDS: an event and its answer, ROUNDS times; 1 if one is lost.
 * world-storm flood PEER PORT: notifies without pause.
 * world-storm maps PEER REF..: maps and unmaps without pause.
 * world-storm serve PEER N: N ports on one handle, says them; waits for events and for bytes from stdin, which
 *   it gives back, as xenstored waits for guests and sockets; says how often it was woken for no event.
 * world-storm knock PEER PORT: an event for each byte from stdin.
 * world-storm churn PEER REF: copies and maps whatever the answer; says how often it went well.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>

static int echo(uint32_t peer, int n)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int i, port;

	for (i = 0; i < n; i++)
		printf("%d ", xenevtchn_bind_unbound_port(x, peer));
	printf("ready\n");
	fflush(stdout);
	while ((port = xenevtchn_pending(x)) >= 0) {
		xenevtchn_unmask(x, (evtchn_port_t)port);
		xenevtchn_notify(x, (evtchn_port_t)port);
	}
	return 1;
}

static int ping(uint32_t peer, uint32_t rport, int rounds)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int port = xenevtchn_bind_interdomain(x, peer, rport), i, got;
	struct pollfd p = {.fd = xenevtchn_fd(x), .events = POLLIN};

	xenevtchn_unmask(x, (evtchn_port_t)xenevtchn_pending(x));
	for (i = 0; i < rounds; i++) {
		xenevtchn_notify(x, (evtchn_port_t)port);
		if (poll(&p, 1, 5000) != 1) {
			printf("event %d was lost\n", i);
			return 1;
		}
		got = xenevtchn_pending(x);
		if (got != port) {
			printf("event %d is of port %d\n", i, got);
			return 1;
		}
		xenevtchn_unmask(x, (evtchn_port_t)got);
	}
	xenevtchn_close(x);
	return 0;
}

static int flood(uint32_t peer, uint32_t rport)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int port = xenevtchn_bind_interdomain(x, peer, rport);

	while (xenevtchn_notify(x, (evtchn_port_t)port) == 0)
		;
	return 1;
}

static int serve(uint32_t peer, int n)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	struct pollfd p[] = { { .fd = xenevtchn_fd(x), .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	long in_vain = 0;
	int port;
	char c;

	fcntl(p[0].fd, F_SETFL, O_NONBLOCK); /* else what is counted here would be waited for */
	for (int i = 0; i < n; i++)
		printf("%d ", xenevtchn_bind_unbound_port(x, peer));
	printf("ready\n");
	fflush(stdout);
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents) {
			port = xenevtchn_pending(x);
			if (port >= 0)
				xenevtchn_unmask(x, (evtchn_port_t)port);
			else
				in_vain++;
		}
		if (p[1].revents && (read(0, &c, 1) != 1 || write(1, &c, 1) != 1))
			break;
	}
	printf("%ld\n", in_vain);
	return xenevtchn_close(x);
}

static int knock(uint32_t peer, uint32_t rport)
{
	xenevtchn_handle *x = xenevtchn_open(NULL, 0);
	int port = xenevtchn_bind_interdomain(x, peer, rport);
	char c;

	while (read(0, &c, 1) == 1)
		if (xenevtchn_notify(x, (evtchn_port_t)port))
			return 1;
	return xenevtchn_close(x);
}

static int maps(uint32_t peer, int n, char **arg)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	uint32_t refs[16];
	int i;
	void *p;

	for (i = 0; i < n && i < 16; i++)
		refs[i] = (uint32_t)atoi(arg[i]);
	for (i = 0;; i++) {
		p = xengnttab_map_domain_grant_refs(g, (uint32_t)(1 + i % n), peer, refs,
						    i & 1 ? PROT_READ : PROT_READ | PROT_WRITE);
		if (!p || xengnttab_unmap(g, p, (uint32_t)(1 + i % n)))
			return 1;
	}
}

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

/* The peer dies and comes back under it, again and again. */
static int churn(uint32_t peer, uint32_t ref)
{
	xengnttab_handle *g = xengnttab_open(NULL, 0);
	xengnttab_grant_copy_segment_t s = {.flags = GNTCOPY_source_gref, .len = 4096};
	static char buf[4096];
	long copied = 0, mapped = 0, refused = 0;
	void *p;

	signal(SIGTERM, on_term);
	while (!stop) {
		s.source.foreign.domid = (uint16_t)peer;
		s.source.foreign.ref = ref;
		s.dest.virt = buf;
		if (xengnttab_grant_copy(g, 1, &s) == 0 && s.status == GNTST_okay)
			copied++;
		else
			refused++;
		p = xengnttab_map_grant_ref(g, peer, ref, PROT_READ);
		if (!p)
			continue;
		mapped++;
		buf[0] = *(volatile char *)p;
		if (xengnttab_unmap(g, p, 1))
			return 1;
	}
	printf("%ld %ld %ld\n", copied, mapped, refused);
	return xengnttab_close(g);
}

int main(int argc, char **argv)
{
	uint32_t peer = argc > 2 ? (uint32_t)atoi(argv[2]) : 0;

	if (argc == 4 && !strcmp(argv[1], "echo"))
		return echo(peer, atoi(argv[3]));
	if (argc == 5 && !strcmp(argv[1], "ping"))
		return ping(peer, (uint32_t)atoi(argv[3]), atoi(argv[4]));
	if (argc == 4 && !strcmp(argv[1], "flood"))
		return flood(peer, (uint32_t)atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(peer, atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "knock"))
		return knock(peer, (uint32_t)atoi(argv[3]));
	if (argc > 3 && !strcmp(argv[1], "maps"))
		return maps(peer, argc - 3, argv + 3);
	if (argc == 4 && !strcmp(argv[1], "churn"))
		return churn(peer, (uint32_t)atoi(argv[3]));
	fprintf(stderr, "usage: world-storm echo|ping|flood|serve|knock|maps|churn PEER ...\n");
	return 2;
}
