/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The hash that spreads received packets over the queues, as ethtool -x shows and -X sets it. The
 * backend is told over the control ring, a moment later (ctrl.c). What differs between kernels: since
 * 6.8 the values come as a struct.
 */
#include <linux/ethtool.h>
#include <linux/version.h>

#include "frontend/linux/net/xnet.h"

void xnet_rss_init(struct xnet *d)
{
	netdev_rss_key_fill(d->rss.key, XNET_HASH_KEY);
}

/* The queue of an entry of the table; while nobody has set it, all queues in turn. */
u32 xnet_rss_queue(const struct xnet *d, unsigned int i)
{
	unsigned int n = max(d->n_queues, 1u);

	return READ_ONCE(d->rss.mapped) ? READ_ONCE(d->rss.map[i]) % n : i % n;
}

u32 xnet_rss_key_size(struct net_device *dev)
{
	return ((struct xnet *)netdev_priv(dev))->hashed ? XNET_HASH_KEY : 0;
}

u32 xnet_rss_map_size(struct net_device *dev)
{
	return ((struct xnet *)netdev_priv(dev))->hashed ? XNET_HASH_MAP : 0;
}

static void get(struct xnet *d, u32 *map, u8 *key, u8 *func)
{
	for (unsigned int i = 0; map && i < XNET_HASH_MAP; i++)
		map[i] = xnet_rss_queue(d, i);
	if (key)
		memcpy(key, d->rss.key, XNET_HASH_KEY);
	if (func)
		*func = ETH_RSS_HASH_TOP;
}

static int set(struct xnet *d, const u32 *map, const u8 *key, u8 func)
{
	bool in_turn = true;

	if (!d->hashed)
		return -EOPNOTSUPP; /* the backend has no control ring, or refuses */
	if (func != ETH_RSS_HASH_NO_CHANGE && func != ETH_RSS_HASH_TOP)
		return -EOPNOTSUPP;
	for (unsigned int i = 0; map && i < XNET_HASH_MAP; i++) {
		in_turn = in_turn && map[i] == i % d->n_queues;
		WRITE_ONCE(d->rss.map[i], map[i]);
	}
	if (map) /* what `ethtool -X default` asks for holds for any number of queues */
		WRITE_ONCE(d->rss.mapped, !in_turn);
	if (key)
		memcpy(d->rss.key, key, XNET_HASH_KEY);
	WRITE_ONCE(d->tell, true);
	queue_work(xdev_wq, &d->base.advance);
	return 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)

int xnet_rss_get(struct net_device *dev, struct ethtool_rxfh_param *p)
{
	get(netdev_priv(dev), p->indir, p->key, &p->hfunc);
	return 0;
}

int xnet_rss_set(struct net_device *dev, struct ethtool_rxfh_param *p, struct netlink_ext_ack *ack)
{
	return set(netdev_priv(dev), p->indir, p->key, p->hfunc);
}

#else

int xnet_rss_get(struct net_device *dev, u32 *map, u8 *key, u8 *func)
{
	get(netdev_priv(dev), map, key, func);
	return 0;
}

int xnet_rss_set(struct net_device *dev, const u32 *map, const u8 *key, const u8 func)
{
	return set(netdev_priv(dev), map, key, func);
}

#endif
