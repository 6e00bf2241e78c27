/* SPDX-License-Identifier: MIT */
/* Ports without a worker: specs; a TAP in a network namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/port/writes.h"

static struct io_uring_sqe sqe;
static unsigned int sqes;

struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *w, struct xsp_cb *cb)
{
	(void)w;
	sqes++;
	io_uring_sqe_set_data(&sqe, cb);
	return &sqe;
}

static const struct xsp_netport_wish wish = { .domid = 1, .devid = 0, .ifname = "vif1.0", .up = true };
static unsigned int n_readable, n_stopped;

static void readable(struct xsp_netport_end *e)
{
	(void)e;
	n_readable++;
}

static void stopped(struct xsp_netport_end *e)
{
	(void)e;
	n_stopped++;
}

static struct xsp_netport_end end_of(struct xsp_netport *p, uint32_t index)
{
	return (struct xsp_netport_end){ .port = p, .index = index, .readable = readable,
				      .stopped = stopped };
}

static void specs(void **state)
{
	struct xsp_netport *p = NULL;
	char why[256] = "";

	(void)state;
	assert_int_equal(xsp_netport_open("nonsense:x", &wish, &p, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "known: tap:[NAME], null:, switch:NAME, pair:NAME, packet:IFNAME, "
				     "pcap[,in=FILE[,fast][,wait=S]]:[FILE]"));
	assert_int_equal(xsp_netport_open("nonsense", &wish, &p, why, sizeof(why)), -EINVAL);
	assert_int_equal(xsp_netport_open("null,x=1:", &wish, &p, why, sizeof(why)), -EINVAL);
	assert_int_equal(xsp_netport_open("tap:a-name-that-is-too-long", &wish, &p, why, sizeof(why)),
			 -EINVAL);
	assert_int_equal(xsp_netport_open("null:", &wish, &p, why, sizeof(why)), 0);
	xsp_netport_close(p, true);
	xsp_netport_close(NULL, true);
}

static void nothing(void **state)
{
	struct xsp_packet pkt = { .len = 60, .lost = true };
	struct xsp_netport *p = NULL;
	struct xsp_netport_end e;
	char why[256];

	(void)state;
	assert_int_equal(xsp_netport_open("null:", &wish, &p, why, sizeof(why)), 0);
	e = end_of(p, 0);
	assert_int_equal(xsp_netport_start(&e), 0);
	p->ops->send(&e, &pkt, 1);
	assert_false(pkt.lost);
	assert_int_equal(p->ops->recv(&e, &pkt, 1), 0);
	sqes = n_stopped = 0;
	xsp_netport_await(&e);
	assert_int_equal(sqes, 0);
	xsp_netport_stop(&e);
	assert_int_equal(n_stopped, 1);
	xsp_netport_close(p, true);
}

static int own_network(void **state)
{
	uid_t uid = getuid();
	char map[64];
	int fd;

	(void)state;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) || access("/dev/net/tun", R_OK | W_OK))
		return 0; /* the test will skip */
	fd = open("/proc/self/uid_map", O_WRONLY);
	snprintf(map, sizeof(map), "0 %u 1\n", uid);
	if (fd >= 0) {
		if (write(fd, map, strlen(map)) < 0)
			perror("uid_map");
		close(fd);
	}
	return 0;
}

static int raw_socket(const char *ifname)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(ifname) };
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (s >= 0 && bind(s, (struct sockaddr *)&to, sizeof(to))) {
		close(s);
		return -1;
	}
	return s;
}

/*
 * Sends the frame until it arrives, skipping what the kernel sends of its own accord: an interface drops
 * what comes before its kernel has taken note, a moment later, that it has a carrier.
 */
static unsigned int pass(int s, const uint8_t *frame, size_t len, struct xsp_netport_end *e,
			 struct xsp_packet *p)
{
	for (unsigned int i = 0; i < 50; i++) {
		struct pollfd pfd = { .fd = e->fd, .events = POLLIN };

		if (send(s, frame, len, 0) != (ssize_t)len)
			return 0;
		poll(&pfd, 1, 100);
		while (e->port->ops->recv(e, p, 1))
			if (p->data[12] == 0x88 && p->data[13] == 0xb5)
				return 1;
	}
	return 0;
}

/* More than fit into one call, one of them such that the kernel refuses it. */
static void send_many(struct xsp_netport_end *e, int s)
{
	uint8_t frame[60] = "\xff\xff\xff\xff\xff\xff\x00\x16\x3e\x01\x02\x03\x88\xb5", data[40][60], got[2048];
	struct xsp_packet p[40] = { 0 };
	struct xsp_worker w = { 0 };

	for (unsigned int i = 0; i < 40; i++) {
		memcpy(data[i], frame, sizeof(frame));
		data[i][14] = (uint8_t)i;
		p[i].data = data[i];
		p[i].len = sizeof(frame);
	}
	p[7].vnet.flags = XSP_VNET_NEEDS_CSUM;
	p[7].vnet.csum_start = 5000;
	e->worker = &w;
	e->port->ops->send(e, p, 40);
	for (unsigned int i = 0; i < 40; i++)
		assert_int_equal(p[i].lost, i == 7);
	for (unsigned int i = 0; i < 40; i += i == 6 ? 2 : 1) {
		do
			assert_true(recv(s, got, sizeof(got), 0) >= 0);
		while (memcmp(got, frame, 14) != 0);
		assert_int_equal(got[14], i);
	}
	assert_non_null(w.writes);
	xsp_writes_free(w.writes);
	e->worker = NULL;
}

static void tap(void **state)
{
	struct xsp_netport_features f = { .queues = 2, .csum = true, .tso4 = true };
	uint8_t frame[100] = "\xff\xff\xff\xff\xff\xff\x00\x16\x3e\x01\x02\x03\x88\xb5hello", got[2048];
	struct xsp_packet pkt = { .data = malloc(XSP_PACKET_BYTES) };
	struct xsp_netport *p = NULL;
	struct xsp_netport_end e[2];
	char why[256] = "";
	ssize_t n = -1;
	int s;

	(void)state;
	if (xsp_netport_open("", &wish, &p, why, sizeof(why))) {
		print_message("%s\n", why);
		free(pkt.data);
		skip();
	}
	assert_string_equal(p->ifname, "vif1.0");
	assert_int_equal(p->ops->connect(p, &f, why, sizeof(why)), 0);
	for (unsigned int i = 0; i < 2; i++) {
		e[i] = end_of(p, i);
		assert_int_equal(xsp_netport_start(&e[i]), 0);
	}
	assert_true(e[0].fd != e[1].fd);
	p->ops->carrier(p, true);
	s = raw_socket("vif1.0");
	assert_true(s >= 0);

	memcpy(pkt.data, frame, sizeof(frame));
	pkt.len = sizeof(frame);
	p->ops->send(&e[1], &pkt, 1);
	assert_false(pkt.lost);
	for (unsigned int i = 0; i < 50 && n != (ssize_t)sizeof(frame); i++)
		n = recv(s, got, sizeof(got), 0);
	assert_int_equal(n, sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	pkt.vnet.flags = XSP_VNET_NEEDS_CSUM; /* beyond its end: a kernel refuses that */
	pkt.vnet.csum_start = 5000;
	p->ops->send(&e[0], &pkt, 1);
	assert_true(pkt.lost);
	send_many(&e[1], s);

	f.queues = 1; /* so that what is sent comes to e[0] */
	p->ops->disconnect(p);
	assert_int_equal(p->ops->connect(p, &f, why, sizeof(why)), 0);
	assert_int_equal(pass(s, frame, sizeof(frame), &e[0], &pkt), 1);
	assert_int_equal(pkt.len, sizeof(frame));
	assert_memory_equal(pkt.data, frame, sizeof(frame));
	close(s);
	xsp_netport_close(p, false); /* a restart: it stays, and is found again */
	assert_true(if_nametoindex("vif1.0") > 0);
	assert_int_equal(xsp_netport_open("tap:vif1.0", &wish, &p, why, sizeof(why)), 0);
	xsp_netport_close(p, true);
	assert_int_equal(if_nametoindex("vif1.0"), 0);
	free(pkt.data);
}

/* A poll is cancelled first, and the end is free when its completion has come. */
static void stopping(void **state)
{
	struct xsp_netport_ops ops = *(&xsp_netport_null);
	struct xsp_netport p = { .ops = &ops };
	struct xsp_netport_end e = end_of(&p, 0);

	(void)state;
	assert_int_equal(xsp_netport_start(&e), 0);
	e.fd = 0;
	sqes = n_stopped = n_readable = 0;
	xsp_netport_await(&e);
	xsp_netport_await(&e);
	assert_int_equal(sqes, 1);
	xsp_netport_stop(&e);
	assert_int_equal(sqes, 2);
	assert_int_equal(n_stopped, 0);
	e.poll_cb.fn(&e.poll_cb, -ECANCELED);
	assert_int_equal(n_stopped, 1);
	assert_int_equal(n_readable, 0);
	xsp_netport_await(&e);
	assert_int_equal(sqes, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(specs),
		cmocka_unit_test(nothing),
		cmocka_unit_test(stopping),
		cmocka_unit_test_setup(tap, own_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
