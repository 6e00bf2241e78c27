/* SPDX-License-Identifier: MIT */
/* The switch inside the daemon: who gets what, bounds, large packets cut for those who take none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/port/inbox.h"
#include "backend/port/port.h"
#include "common/net/segment.h"
#include "tests/unit/sum.h"

struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *w, struct xsp_cb *cb)
{
	(void)w;
	(void)cb;
	return NULL; /* nothing here waits */
}

static const struct xsp_netport_wish wish = { .ifname = "vif1.0" };
static uint8_t room[4][XSP_PACKET_BYTES];

static struct xsp_netport *port(const char *spec)
{
	struct xsp_netport_features f = { .queues = 1, .csum = true, .tso4 = true };
	struct xsp_netport *p = NULL;
	char why[128] = "";

	assert_int_equal(xsp_netport_open(spec, &wish, &p, why, sizeof(why)), 0);
	assert_int_equal(p->ops->connect(p, &f, why, sizeof(why)), 0);
	return p;
}

static struct xsp_netport_end end_of(struct xsp_netport *p)
{
	struct xsp_netport_end e = { .port = p };

	assert_int_equal(xsp_netport_start(&e), 0);
	return e;
}

static bool send_one(struct xsp_netport_end *e, uint8_t to, uint8_t from, uint32_t len)
{
	struct xsp_packet p = { .data = room[0], .len = len };

	memset(room[0], to == 255 ? 255 : 0, 6);
	if (to != 255)
		room[0][5] = to;
	memset(room[0] + 6, 0, 6);
	room[0][11] = from;
	e->port->ops->send(e, &p, 1);
	return !p.lost;
}

static unsigned int recv_all(struct xsp_netport_end *e, struct xsp_packet *p)
{
	for (unsigned int i = 0; i < 3; i++)
		p[i].data = room[i + 1];
	return e->port->ops->recv(e, p, 3);
}

static void learns(void **state)
{
	struct xsp_netport *a = port("switch:x"), *b = port("switch:x"), *c = port("switch:x");
	struct xsp_netport *other = port("switch:y");
	struct xsp_netport_end ea = end_of(a), eb = end_of(b), ec = end_of(c), eo = end_of(other);
	struct xsp_packet p[3];

	(void)state;
	assert_true(send_one(&ea, 2, 1, 60)); /* nobody knows 2 yet: to all */
	assert_int_equal(recv_all(&eb, p), 1);
	assert_int_equal(p[0].len, 60);
	assert_int_equal(recv_all(&ec, p), 1);
	assert_int_equal(recv_all(&ea, p), 0);
	assert_int_equal(recv_all(&eo, p), 0);
	assert_true(send_one(&eb, 1, 2, 60)); /* 1 is known: to a alone */
	assert_int_equal(recv_all(&ea, p), 1);
	assert_int_equal(recv_all(&ec, p), 0);
	assert_true(send_one(&ea, 2, 1, 60));
	assert_int_equal(recv_all(&eb, p), 1);
	assert_int_equal(recv_all(&ec, p), 0);
	assert_true(send_one(&ea, 255, 1, 60));
	assert_int_equal(recv_all(&eb, p), 1);
	assert_int_equal(recv_all(&ec, p), 1);
	b->ops->disconnect(b); /* gone: its address is forgotten */
	assert_true(send_one(&ea, 2, 1, 60));
	assert_int_equal(recv_all(&ec, p), 1);
	xsp_netport_close(a, true);
	xsp_netport_close(b, true);
	xsp_netport_close(c, true);
	xsp_netport_close(other, true);
}

static void pairs(void **state)
{
	struct xsp_netport *a = port("pair:p"), *b = port("pair:p"), *c = NULL;
	struct xsp_netport_end ea = end_of(a), eb = end_of(b);
	struct xsp_packet p[3];
	char why[128];

	(void)state;
	assert_int_equal(xsp_netport_open("pair:p", &wish, &c, why, sizeof(why)), -ENOSPC);
	assert_int_equal(xsp_netport_open("pair:", &wish, &c, why, sizeof(why)), -EINVAL);
	assert_true(send_one(&ea, 9, 1, 100));
	assert_int_equal(recv_all(&eb, p), 1);
	assert_int_equal(recv_all(&ea, p), 0);
	xsp_netport_close(b, true);
	send_one(&ea, 9, 1, 100); /* to nobody */
	xsp_netport_close(a, true);
}

static void is_bounded(void **state)
{
	struct xsp_netport *a = port("pair:q"), *b = port("pair:q");
	struct xsp_netport_end ea = end_of(a), eb = end_of(b);
	struct xsp_packet p[3];
	unsigned int sent = 0, got = 0, n;
	uint32_t len = 60;

	(void)state;
	while (send_one(&ea, 1, 2, len)) {
		len = len * 7 % 30011 + 60;
		assert_true(++sent < 10000);
	}
	assert_true(sent * 60 < XSP_INBOX_BYTES);
	while ((n = recv_all(&eb, p)))
		got += n;
	assert_int_equal(got, sent);
	for (unsigned int i = 0; i < 5000; i++) { /* round and round */
		len = len * 7 % 65011 + 60;
		assert_true(send_one(&ea, 1, 2, len));
		assert_int_equal(recv_all(&eb, p), 1);
		assert_int_equal(p[0].len, len);
	}
	xsp_netport_close(a, true);
	xsp_netport_close(b, true);
}

static void ended(struct xsp_netport_end *e)
{
	(void)e;
}

/* Of one packet. */
static struct xsp_netport_end *way(struct xsp_netport *p, struct xsp_netport_end *e, const struct xsp_packet *packet)
{
	struct xsp_netport_end *to;

	return p->ops->direct(e, packet, 1, &to) ? to : NULL;
}

/* Who may be reached without the inbox: one known guest of the same worker, nothing waiting before. */
static void direct(void **state)
{
	struct xsp_worker *here = (struct xsp_worker *)room[0], *there = (struct xsp_worker *)room[1];
	struct xsp_netport *a = port("switch:d"), *b = port("switch:d"), *c = port("pair:d"), *d = port("pair:d");
	struct xsp_netport_end ea = { .port = a, .stopped = ended }, eb = { .port = b, .stopped = ended };
	struct xsp_netport_end ec = { .port = c, .stopped = ended }, ed = { .port = d, .stopped = ended };
	struct xsp_packet p = { .data = room[3], .len = 60 }, got[3];
	uint8_t unknown[60] = { 2, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 1 };
	struct xsp_packet several[3] = { p, p, { .data = unknown, .len = 60 } };
	struct xsp_netport_end *to[3];

	(void)state;
	xsp_netport_start(&ea);
	xsp_netport_start(&eb);
	xsp_netport_start(&ec);
	xsp_netport_start(&ed);
	assert_ptr_equal(a->home, b->home);
	assert_ptr_equal(c->home, d->home);
	assert_ptr_not_equal(a->home, c->home);
	memset(room[3], 0, 60);
	room[3][5] = 2;
	room[3][11] = 1;
	ea.worker = eb.worker = here;
	assert_null(way(a, &ea, &p)); /* nobody knows 2 */
	assert_true(send_one(&eb, 255, 2, 60));
	assert_int_equal(recv_all(&ea, got), 1);
	memset(room[3], 0, 60);
	room[3][5] = 2;
	room[3][11] = 1;
	assert_ptr_equal(way(a, &ea, &p), &eb);
	assert_int_equal(a->ops->direct(&ea, several, 3, to), 2); /* the third is for somebody unknown */
	assert_true(to[0] == &eb && to[1] == &eb);
	several[1].vnet.gso_type = XSP_VNET_GSO_TCPV6; /* b takes only those of version 4 */
	assert_int_equal(a->ops->direct(&ea, several, 3, to), 1);
	assert_true(send_one(&ea, 2, 1, 60)); /* that waits: none may overtake it */
	assert_null(way(a, &ea, &p));
	assert_int_equal(recv_all(&eb, got), 1);
	memset(room[3], 0, 60);
	room[3][5] = 2;
	room[3][11] = 1;
	assert_ptr_equal(way(a, &ea, &p), &eb);
	p.vnet.gso_type = XSP_VNET_GSO_TCPV6; /* b takes only those of version 4 */
	assert_null(way(a, &ea, &p));
	p.vnet.gso_type = XSP_VNET_GSO_TCPV4;
	assert_ptr_equal(way(a, &ea, &p), &eb);
	eb.worker = there;
	assert_null(way(a, &ea, &p));
	eb.worker = here;
	room[3][5] = 1; /* to itself */
	assert_null(way(a, &ea, &p));
	room[3][5] = 2;
	xsp_netport_stop(&eb);
	assert_null(way(a, &ea, &p));
	room[3][0] = 0xff; /* over a cable all goes to the other */
	assert_ptr_equal(way(c, &ec, &p), &ed);
	xsp_netport_close(a, true);
	xsp_netport_close(b, true);
	xsp_netport_close(c, true);
	xsp_netport_close(d, true);
}

/* --- cutting ------------------------------------------------------------------------------------ */

static void cuts(void **state)
{
	static uint8_t big[20054] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 20040 >> 8, 20040 & 255, 0, 7, 0x40, 0, 64, 6,
		0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3, 4, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x50, 0x99,
	};
	struct xsp_vnet v = { .flags = XSP_VNET_NEEDS_CSUM, .gso_type = XSP_VNET_GSO_TCPV4,
			      .hdr_len = 54, .gso_size = 1460, .csum_start = 34, .csum_offset = 16 }, sv;
	uint32_t at = 0, len, sum = 0, n = 0;
	uint8_t out[1600];

	(void)state;
	for (uint32_t i = 54; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	while ((len = xsp_net_segment(big, sizeof(big), &v, &at, out, &sv))) {
		uint32_t seq = 0xffff + sum;

		assert_memory_equal(out + 54, big + 54 + sum, len - 54);
		assert_int_equal(slow_sum(out + 14, 20, 0), 0xffff);
		assert_int_equal(out[16] << 8 | out[17], len - 14);
		assert_int_equal(out[19], 7 + n);
		assert_int_equal(out[38] << 24 | out[39] << 16 | out[40] << 8 | out[41], seq);
		sum += len - 54;
		assert_int_equal(out[47], (sum < 20000 ? 0x10 : 0x19) | (n ? 0 : 0x80));
		assert_int_equal(xsp_net_fill_csum(out, len, &sv), XSP_DROP_NONE);
		assert_int_equal(slow_sum(out + 34, len - 34, slow_sum(out + 26, 8, 6 + len - 34)), 0xffff);
		n++;
	}
	assert_int_equal(sum, 20000);
	assert_int_equal(n, 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(learns),
		cmocka_unit_test(pairs),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(direct),
		cmocka_unit_test(cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
