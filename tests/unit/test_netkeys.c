/* SPDX-License-Identifier: MIT */
/* frontend/core/netkeys.c: what a vif's keys mean, and which ones are written. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "frontend/core/netkeys.h"

static struct xsp_key keys[16];
static unsigned int n;

static void have(const char *key, const char *value)
{
	keys[n++] = (struct xsp_key){ key, value };
}

static int setup(void **state)
{
	(void)state;
	n = 0;
	have("feature-rx-copy", "1");
	return 0;
}

static void offer_of_the_simplest_backend(void **state)
{
	struct xsp_net_offer o;

	(void)state;
	assert_int_equal(xsp_net_offer_from_keys(keys, n, &o, NULL), 0);
	assert_true(o.rx_copy && o.csum4 && o.max_queues == 1);
	assert_false(o.sg || o.csum6 || o.gso4 || o.gso6 || o.split || o.ctrl || o.multicast);
}

static void offer_of_linux(void **state)
{
	struct xsp_net_offer o;

	(void)state;
	have("feature-sg", "1");
	have("feature-gso-tcpv4", "1");
	have("feature-gso-tcpv6", "1");
	have("feature-ipv6-csum-offload", "1");
	have("feature-multicast-control", "1");
	have("feature-dynamic-multicast-control", "1");
	have("feature-split-event-channels", "1");
	have("feature-ctrl-ring", "1");
	have("feature-xdp-headroom", "1");
	have("multi-queue-max-queues", "4");
	assert_int_equal(xsp_net_offer_from_keys(keys, n, &o, NULL), 0);
	assert_true(o.sg && o.csum4 && o.csum6 && o.gso4 && o.gso6 && o.split && o.ctrl &&
		    o.multicast && o.dynamic_multicast && o.xdp_headroom && o.max_queues == 4);
}

static void gso_needs_pieces_and_blank_checksums(void **state)
{
	struct xsp_net_offer o;

	(void)state;
	have("feature-gso-tcpv4", "1");
	have("feature-gso-tcpv6", "1");
	assert_int_equal(xsp_net_offer_from_keys(keys, n, &o, NULL), 0);
	assert_false(o.gso4 || o.gso6);
	have("feature-sg", "1");
	assert_int_equal(xsp_net_offer_from_keys(keys, n, &o, NULL), 0);
	assert_true(o.gso4 && !o.gso6);
	have("feature-no-csum-offload", "1");
	have("feature-ipv6-csum-offload", "1");
	assert_int_equal(xsp_net_offer_from_keys(keys, n, &o, NULL), 0);
	assert_true(!o.gso4 && o.gso6);
}

static void offers_refused(void **state)
{
	static const char *const queues[] = { "", "x", "-1", "4x", "99999999999999999999", "4294967296" };
	struct xsp_net_offer o;
	const char *bad = NULL;

	(void)state;
	for (unsigned int i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		setup(NULL);
		have("multi-queue-max-queues", queues[i]);
		assert_true(xsp_net_offer_from_keys(keys, n, &o, &bad) < 0);
		assert_string_equal(bad, "multi-queue-max-queues");
	}
	n = 0;
	have("feature-rx-copy", "0");
	assert_int_equal(xsp_net_offer_from_keys(keys, n, &o, &bad), -EOPNOTSUPP);
	assert_string_equal(bad, "feature-rx-copy");
	setup(NULL);
	have("multi-queue-max-queues", "0");
	assert_int_equal(xsp_net_offer_from_keys(keys, n, &o, NULL), 0);
	assert_int_equal(o.max_queues, 1);
	setup(NULL);
	have("multi-queue-max-queues", "4000000000");
	assert_int_equal(xsp_net_offer_from_keys(keys, n, &o, NULL), 0);
	assert_int_equal(o.max_queues, XSP_NET_MAX_QUEUES);
}

static const char *value(const struct xsp_key_out *out, int count, const char *key)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(out[i].key, key))
			return out[i].value;
	return "-";
}

static void written_by_one_queue(void **state)
{
	struct xsp_net_params p = { .sg = true, .csum4 = true, .gso4 = true, .queues = 1 };
	struct xsp_key_out out[XSP_NET_PARAM_KEYS];
	int count;

	(void)state;
	p.queue[0].tx_gref = 8;
	p.queue[0].rx_gref = 4294967295u;
	p.queue[0].port_tx = 21;
	count = xsp_net_keys_from_params(&p, out, XSP_NET_PARAM_KEYS);
	assert_int_equal(count, 8 + 3);
	assert_string_equal(value(out, count, "request-rx-copy"), "1");
	assert_string_equal(value(out, count, "feature-rx-notify"), "1");
	assert_string_equal(value(out, count, "feature-sg"), "1");
	assert_string_equal(value(out, count, "feature-no-csum-offload"), "0");
	assert_string_equal(value(out, count, "feature-gso-tcpv4"), "1");
	assert_string_equal(value(out, count, "feature-gso-tcpv6"), "0");
	assert_string_equal(value(out, count, "feature-ipv6-csum-offload"), "0");
	assert_string_equal(value(out, count, "tx-ring-ref"), "8");
	assert_string_equal(value(out, count, "rx-ring-ref"), "4294967295");
	assert_string_equal(value(out, count, "event-channel"), "21");
	assert_string_equal(value(out, count, "multi-queue-num-queues"), "-");
	assert_string_equal(value(out, count, "ctrl-ring-ref"), "-");
}

static void written_by_the_most_queues(void **state)
{
	struct xsp_net_params p = { .queues = XSP_NET_MAX_QUEUES, .split = true, .ctrl = true,
				    .ctrl_gref = 5, .ctrl_port = 6, .xdp_headroom = 256 };
	struct xsp_key_out out[XSP_NET_PARAM_KEYS];
	int count;

	(void)state;
	p.queue[15].rx_gref = 99;
	p.queue[15].port_rx = 77;
	count = xsp_net_keys_from_params(&p, out, XSP_NET_PARAM_KEYS);
	assert_int_equal(count, 8 + 1 + 2 + 1 + 16 * 4);
	assert_string_equal(value(out, count, "xdp-headroom"), "256");
	assert_string_equal(value(out, count, "multi-queue-num-queues"), "16");
	assert_string_equal(value(out, count, "queue-15/rx-ring-ref"), "99");
	assert_string_equal(value(out, count, "queue-15/event-channel-rx"), "77");
	assert_string_equal(value(out, count, "queue-0/event-channel-tx"), "0");
	assert_string_equal(value(out, count, "event-channel-ctrl"), "6");
	assert_string_equal(value(out, count, "feature-no-csum-offload"), "1");
	for (unsigned int max = 0; max < (unsigned int)count; max++)
		assert_int_equal(xsp_net_keys_from_params(&p, out, max), -ENOSPC);
	p.queues = 0;
	assert_int_equal(xsp_net_keys_from_params(&p, out, 75), -EINVAL);
	p.queues = 17;
	assert_int_equal(xsp_net_keys_from_params(&p, out, 75), -EINVAL);
}

static void mac_addresses(void **state)
{
	static const char *const bad[] = { "", "00:16:3e:01:02", "00:16:3e:01:02:0g", "0:16:3e:01:02:03",
					   "00:16:3e:01:02:03:", "00:16:3e:01:02:03 ", "01:16:3e:01:02:03",
					   "00-16-3e-01-02-03", "00:16:3e:01:02:0" };
	static const uint8_t want[6] = { 0, 0x16, 0x3e, 0xaB, 2, 0xff };
	uint8_t mac[6];

	(void)state;
	assert_int_equal(xsp_net_mac_parse("00:16:3e:aB:02:Ff", mac), 0);
	assert_memory_equal(mac, want, 6);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(xsp_net_mac_parse(bad[i], mac), -EINVAL);
	assert_memory_equal(mac, want, 6);
}

static void mtus(void **state)
{
	uint32_t mtu;

	(void)state;
	assert_true(!xsp_net_mtu_parse(NULL, &mtu) && mtu == 1500);
	assert_true(!xsp_net_mtu_parse("9000", &mtu) && mtu == 9000);
	assert_true(!xsp_net_mtu_parse("65521", &mtu) && mtu == 65521);
	assert_int_equal(xsp_net_mtu_parse("65522", &mtu), -EINVAL);
	assert_int_equal(xsp_net_mtu_parse("67", &mtu), -EINVAL);
	assert_int_equal(xsp_net_mtu_parse("1500\n", &mtu), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(offer_of_the_simplest_backend, setup),
		cmocka_unit_test_setup(offer_of_linux, setup),
		cmocka_unit_test_setup(gso_needs_pieces_and_blank_checksums, setup),
		cmocka_unit_test_setup(offers_refused, setup),
		cmocka_unit_test(written_by_one_queue),
		cmocka_unit_test(written_by_the_most_queues),
		cmocka_unit_test(mac_addresses),
		cmocka_unit_test(mtus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
