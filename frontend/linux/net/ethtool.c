/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What ethtool shows (-i, -S, -l, -g) and changes (-L; -X is in rss.c). Called under the RTNL. */
#include <linux/ethtool.h>

#include "frontend/linux/net/xnet.h"

static const struct {
	char name[20];
	size_t at;
} counters[] = {
#define C(field) { #field, offsetof(struct xnet_count, field) }
	C(tx_packets), C(tx_bytes), C(tx_gso), C(tx_blank), C(tx_copied), C(tx_lent), C(tx_refused),
	C(tx_dropped), C(tx_stops), C(rx_packets), C(rx_bytes), C(rx_gso), C(rx_blank), C(rx_copied),
	C(rx_taken), C(rx_bad), C(rx_dropped),
	C(xdp_passed), C(xdp_dropped), C(xdp_sent), C(xdp_redirected), C(events), C(spurious), C(tx_notifies), C(rx_notifies),
#undef C
};

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct xnet *d = netdev_priv(dev);

	strscpy(info->driver, XNET_NAME, sizeof(info->driver));
	strscpy(info->version, XSP_VERSION, sizeof(info->version));
	strscpy(info->bus_info, dev_name(&d->base.xb->dev), sizeof(info->bus_info));
}

/* As many as there have been at once: ethtool asks twice, and the numbers must agree. */
static int get_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? dev->real_num_tx_queues * ARRAY_SIZE(counters) : -EOPNOTSUPP;
}

static void get_strings(struct net_device *dev, u32 set, u8 *to)
{
	for (unsigned int q = 0; set == ETH_SS_STATS && q < dev->real_num_tx_queues; q++)
		for (unsigned int i = 0; i < ARRAY_SIZE(counters); i++)
			ethtool_sprintf(&to, "queue%u_%s", q, counters[i].name);
}

static void get_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *to)
{
	struct xnet *d = netdev_priv(dev);

	for (unsigned int q = 0; q < dev->real_num_tx_queues; q++)
		for (unsigned int i = 0; i < ARRAY_SIZE(counters); i++)
			*to++ = *(const u64 *)((const u8 *)&d->queue[q].count + counters[i].at);
}

static void get_channels(struct net_device *dev, struct ethtool_channels *c)
{
	struct xnet *d = netdev_priv(dev);

	c->max_combined = d->offer.max_queues ?: 1;
	c->combined_count = dev->real_num_tx_queues;
}

/* The backend learns of it by a new connection, which takes a moment. */
static int set_channels(struct net_device *dev, struct ethtool_channels *c)
{
	struct xnet *d = netdev_priv(dev);

	if (!c->combined_count || c->rx_count || c->tx_count || c->other_count)
		return -EINVAL;
	WRITE_ONCE(d->want_queues, c->combined_count);
	if (c->combined_count != dev->real_num_tx_queues)
		xnet_reshape(d);
	return 0;
}

static void get_ringparam(struct net_device *dev, struct ethtool_ringparam *r,
			  struct kernel_ethtool_ringparam *kernel, struct netlink_ext_ack *ack)
{
	r->rx_max_pending = r->rx_pending = XSP_NET_RX_SLOTS;
	r->tx_max_pending = r->tx_pending = XSP_NET_TX_SLOTS;
}

static int get_rxnfc(struct net_device *dev, struct ethtool_rxnfc *c, u32 *locations)
{
	struct xnet *d = netdev_priv(dev);

	switch (c->cmd) {
	case ETHTOOL_GRXRINGS:
		c->data = dev->real_num_rx_queues;
		return 0;
	case ETHTOOL_GRXFH:
		c->data = !d->hashed ? 0 : RXH_IP_SRC | RXH_IP_DST;
		if (d->hashed && (c->flow_type == TCP_V4_FLOW || c->flow_type == TCP_V6_FLOW))
			c->data |= RXH_L4_B_0_1 | RXH_L4_B_2_3;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

const struct ethtool_ops xnet_ethtool_ops = {
	.get_drvinfo = get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_sset_count = get_sset_count,
	.get_strings = get_strings,
	.get_ethtool_stats = get_stats,
	.get_channels = get_channels,
	.set_channels = set_channels,
	.get_ringparam = get_ringparam,
	.get_rxnfc = get_rxnfc,
	.get_rxfh_key_size = xnet_rss_key_size,
	.get_rxfh_indir_size = xnet_rss_map_size,
	.get_rxfh = xnet_rss_get,
	.set_rxfh = xnet_rss_set,
};
