/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The network device: what it can, how large a packet may be, what was counted. */
#include <linux/rtnetlink.h>
#include <net/tcp.h>

#include "frontend/linux/net/xnet.h"

#define CSUM     (NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM)
#define FEATURES (NETIF_F_SG | CSUM | NETIF_F_TSO | NETIF_F_TSO6)
#define MAX_MTU  (XSP_NET_MAX_BYTES - VLAN_ETH_HLEN)

static int open(struct net_device *dev)
{
	struct xnet *d = netdev_priv(dev);

	netif_tx_start_all_queues(dev);
	if (!READ_ONCE(d->base.up))
		return 0;
	/* pages are posted by the poll */
	for (unsigned int i = 0; i < d->n_queues; i++)
		xnet_queue_kick(&d->queue[i]);
	return 0;
}

static int stop(struct net_device *dev)
{
	netif_tx_stop_all_queues(dev);
	return 0;
}

static void get_stats(struct net_device *dev, struct rtnl_link_stats64 *to)
{
	struct xnet *d = netdev_priv(dev);

	for (unsigned int i = 0; i < XSP_NET_MAX_QUEUES; i++) {
		const struct xnet_count *c = &d->queue[i].count;

		to->tx_packets += c->tx_packets;
		to->tx_bytes += c->tx_bytes;
		to->tx_errors += c->tx_refused;
		to->tx_dropped += c->tx_dropped;
		to->rx_packets += c->rx_packets;
		to->rx_bytes += c->rx_bytes;
		to->rx_errors += c->rx_bad;
		to->rx_dropped += c->rx_dropped;
	}
}

/* What the backend can't take we don't offer to the stack. */
static netdev_features_t fix_features(struct net_device *dev, netdev_features_t f)
{
	const struct xsp_net_offer *o = &((struct xnet *)netdev_priv(dev))->offer;

	if (!o->sg)
		f &= ~NETIF_F_SG;
	if (!o->csum4)
		f &= ~NETIF_F_IP_CSUM;
	if (!o->csum6)
		f &= ~NETIF_F_IPV6_CSUM;
	if (!o->gso4)
		f &= ~NETIF_F_TSO;
	if (!o->gso6)
		f &= ~NETIF_F_TSO6;
	return f;
}

static int change_mtu(struct net_device *dev, int mtu)
{
	struct xnet *d = netdev_priv(dev);

	if (rtnl_dereference(d->prog) && mtu > XNET_XDP_MTU)
		return -EINVAL; /* the XDP program wants packets of one page */
	WRITE_ONCE(dev->mtu, mtu);
	return 0;
}

static const struct net_device_ops ops = {
	.ndo_open = open,
	.ndo_stop = stop,
	.ndo_start_xmit = xnet_xmit,
	.ndo_get_stats64 = get_stats,
	.ndo_change_mtu = change_mtu,
	.ndo_set_rx_mode = xnet_mcast_changed,
	.ndo_bpf = xnet_xdp_set,
	.ndo_xdp_xmit = xnet_xdp_xmit,
	.ndo_fix_features = fix_features,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

struct net_device *xnet_netdev_new(void)
{
	struct net_device *dev = alloc_etherdev_mq(sizeof(struct xnet), XSP_NET_MAX_QUEUES);

	if (!dev)
		return NULL;
	dev->netdev_ops = &ops;
	dev->ethtool_ops = &xnet_ethtool_ops;
	dev->hw_features = FEATURES | NETIF_F_RXHASH;
	dev->features = FEATURES | NETIF_F_RXHASH | NETIF_F_RXCSUM;
	dev->vlan_features = FEATURES;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = MAX_MTU;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0) /* kernels before don't ask */
	dev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT | NETDEV_XDP_ACT_NDO_XMIT;
#endif
	netif_set_tso_max_size(dev, XSP_NET_MAX_BYTES - MAX_TCP_HEADER);
	return dev;
}

/* A backend has come, perhaps another than before. RTNL held. */
void xnet_netdev_agreed(struct xnet *d)
{
	d->dev->max_mtu = d->offer.sg ? MAX_MTU : XSP_PAGE_SIZE - VLAN_ETH_HLEN;
	if (d->dev->mtu > d->dev->max_mtu) {
		dev_warn(&d->base.xb->dev, "%s: the backend takes packets of one page only: mtu %u\n",
			 netdev_name(d->dev), d->dev->max_mtu);
		dev_set_mtu(d->dev, d->dev->max_mtu);
	}
	netdev_update_features(d->dev);
}
