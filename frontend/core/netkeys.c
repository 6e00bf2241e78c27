/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The store keys of a vif (netkeys.h). */
#include "frontend/core/netkeys.h"

const char *const xsp_net_offer_keys[] = {
	"feature-rx-copy",
	"feature-sg",
	"feature-no-csum-offload",
	"feature-ipv6-csum-offload",
	"feature-gso-tcpv4",
	"feature-gso-tcpv6",
	"feature-multicast-control",
	"feature-dynamic-multicast-control",
	"feature-split-event-channels",
	"feature-ctrl-ring",
	"feature-xdp-headroom",
	"multi-queue-max-queues",
};
const unsigned int xsp_net_offer_keys_count =
	sizeof(xsp_net_offer_keys) / sizeof(xsp_net_offer_keys[0]);

int xsp_net_offer_from_keys(const struct xsp_key *keys, unsigned int n, struct xsp_net_offer *ret,
			    const char **ret_bad)
{
	struct xsp_key_reader r = { .keys = keys, .n = n };
	uint64_t queues = xsp_key_number(&r, "multi-queue-max-queues", 1, 0, UINT32_MAX);
	struct xsp_net_offer o = {
		.rx_copy = xsp_key_flag(&r, "feature-rx-copy"),
		.sg = xsp_key_flag(&r, "feature-sg"),
		.csum4 = !xsp_key_flag(&r, "feature-no-csum-offload"),
		.csum6 = xsp_key_flag(&r, "feature-ipv6-csum-offload"),
		.gso4 = xsp_key_flag(&r, "feature-gso-tcpv4"),
		.gso6 = xsp_key_flag(&r, "feature-gso-tcpv6"),
		.multicast = xsp_key_flag(&r, "feature-multicast-control"),
		.dynamic_multicast = xsp_key_flag(&r, "feature-dynamic-multicast-control"),
		.split = xsp_key_flag(&r, "feature-split-event-channels"),
		.ctrl = xsp_key_flag(&r, "feature-ctrl-ring"),
		.xdp_headroom = xsp_key_flag(&r, "feature-xdp-headroom"),
	};

	if (!o.rx_copy)
		xsp_key_fail(&r, "feature-rx-copy", -EOPNOTSUPP);
	if (r.error)
		return xsp_key_result(&r, ret_bad);
	/* a packet to be segmented is in several pieces, and its checksum is blank */
	o.gso4 = o.gso4 && o.sg && o.csum4;
	o.gso6 = o.gso6 && o.sg && o.csum6;
	o.dynamic_multicast = o.dynamic_multicast && o.multicast;
	if (!queues) /* some say 0 for "I don't do this" */
		queues = 1;
	o.max_queues = queues < XSP_NET_MAX_QUEUES ? (uint32_t)queues : XSP_NET_MAX_QUEUES;
	*ret = o;
	return 0;
}

static int put_features(const struct xsp_net_params *p, struct xsp_key_writer *w)
{
	const struct {
		const char *key;
		bool value;
	} feature[] = {
		{ "request-rx-copy", true },
		{ "feature-rx-notify", true }, /* the backend may wait for us to post buffers */
		{ "feature-sg", p->sg },
		{ "feature-no-csum-offload", !p->csum4 },
		{ "feature-ipv6-csum-offload", p->csum6 },
		{ "feature-gso-tcpv4", p->gso4 },
		{ "feature-gso-tcpv6", p->gso6 },
		{ "request-multicast-control", p->multicast },
	};
	int error = 0;

	for (unsigned int i = 0; i < sizeof(feature) / sizeof(feature[0]) && !error; i++)
		error = xsp_key_put_number(w, -1, feature[i].key, -1, feature[i].value);
	return error;
}

static int put_queue(const struct xsp_net_params *p, struct xsp_key_writer *w, unsigned int q)
{
	int prefix = p->queues > 1 ? (int)q : -1;
	int error = xsp_key_put_number(w, prefix, "tx-ring-ref", -1, p->queue[q].tx_gref);

	if (!error)
		error = xsp_key_put_number(w, prefix, "rx-ring-ref", -1, p->queue[q].rx_gref);
	if (!error)
		error = xsp_key_put_number(w, prefix, p->split ? "event-channel-tx" : "event-channel", -1,
					   p->queue[q].port_tx);
	if (!error && p->split)
		error = xsp_key_put_number(w, prefix, "event-channel-rx", -1, p->queue[q].port_rx);
	return error;
}

int xsp_net_keys_from_params(const struct xsp_net_params *p, struct xsp_key_out *out,
			     unsigned int max)
{
	struct xsp_key_writer w = { .out = out, .max = max };
	int error;

	if (!p->queues || p->queues > XSP_NET_MAX_QUEUES)
		return -EINVAL;
	error = put_features(p, &w);
	if (!error && p->xdp_headroom)
		error = xsp_key_put_number(&w, -1, "xdp-headroom", -1, p->xdp_headroom);
	if (!error && p->ctrl)
		error = xsp_key_put_number(&w, -1, "ctrl-ring-ref", -1, p->ctrl_gref);
	if (!error && p->ctrl)
		error = xsp_key_put_number(&w, -1, "event-channel-ctrl", -1, p->ctrl_port);
	if (!error && p->queues > 1)
		error = xsp_key_put_number(&w, -1, "multi-queue-num-queues", -1, p->queues);
	for (unsigned int q = 0; q < p->queues && !error; q++)
		error = put_queue(p, &w, q);
	return error ? error : (int)w.n;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int xsp_net_mac_parse(const char *text, uint8_t mac[6])
{
	uint8_t m[6];

	for (unsigned int i = 0; i < 6; i++) {
		int high = hex(text[0]), low = high < 0 ? -1 : hex(text[1]);

		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		m[i] = (uint8_t)(high << 4 | low);
		text += 3;
	}
	if (m[0] & 1)
		return -EINVAL;
	memcpy(mac, m, sizeof(m));
	return 0;
}

int xsp_net_mtu_parse(const char *text, uint32_t *ret)
{
	struct xsp_key key = { .key = "mtu", .value = text };
	struct xsp_key_reader r = { .keys = &key, .n = 1 };
	uint64_t mtu = xsp_key_number(&r, "mtu", XSP_NET_MTU, 68, XSP_NET_MAX_BYTES - 14);

	if (r.error)
		return -EINVAL;
	*ret = (uint32_t)mtu;
	return 0;
}
