/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Inside of xensplit-net.ko, a NIC of the guest (a "vif" of XenBus) as a NAPI network device. The rings
 * are frontend/core's, the device's life frontend/linux/device's; here is what they need of Linux:
 *
 *   main.c     the module: parameters; making and freeing a device
 *   state.c    what a NIC does at each step of its life
 *   keys.c     the store
 *   queue.c    rings, event channels, NAPI
 *   tx.c       packets out of the guest: pages, grants, ring entries
 *   rx.c       pages into the ring, packets out of it
 *   ctrl.c     the control ring: static grants, hashing
 *   rss.c      the hash as ethtool sees it
 *   mcast.c    which multicast packets the backend lets through
 *   xdp.c      programs on received packets
 *   netdev.c   the net_device: features, sizes, statistics
 *   ethtool.c  what ethtool shows and changes
 *   debugfs.c  rings and counters to look at
 *
 * Who waits for what. `advance` (device.h) waits for answers on the control ring, a second at most.
 *
 * Locks: xdev.lock (a mutex) covers the state machine, the RTNL is taken inside it, so what the kernel
 * calls under the RTNL never takes xdev.lock. xnet_queue.tx_lock covers the transmit half of a queue;
 * the receive half belongs to its NAPI poll.
 */
#ifndef XSP_LINUX_XNET_H
#define XSP_LINUX_XNET_H

#include <linux/bpf.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <linux/wait.h>
#include <net/xdp.h>
#if __has_include(<net/page_pool/helpers.h>)
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif
#include <xen/grant_table.h>

#include "frontend/core/netfront_ctrl.h"
#include "frontend/core/netfront_rx.h"
#include "frontend/core/netfront_tx.h"
#include "frontend/core/netkeys.h"
#include "frontend/linux/device/device.h"

#define XNET_NAME       "xensplit-net"
#define XNET_COPY_BYTES 256u           /* packets up to this size are copied, headers, too */
#define XNET_NO_PIECE   0xffffu
/* with an XDP program a packet and what an skb needs behind it are in one page */
#define XNET_XDP_END    ((unsigned int)SKB_WITH_OVERHEAD(PAGE_SIZE))
#define XNET_XDP_MTU    (XNET_XDP_END - XDP_PACKET_HEADROOM - VLAN_ETH_HLEN)
#define XNET_HASH_KEY   40u
#define XNET_HASH_MAP   128u
#define XNET_MCASTS     64u /* addresses that a backend keeps, of all that are known */
#define XNET_TX_ROOM    (XSP_NET_MIN_SLOTS + 2) /* slots of the largest packet with its extras */

/*
 * A place for a piece of a packet that is sent. `own` is a page of the driver that stays granted as
 * long as the connection lasts; what is copied is copied there. A page of the packet itself is lent
 * with lend_ref until the backend has answered. Made once, so that no packet allocates a grant.
 */
struct xnet_piece {
	struct page *own; /* NULL: none yet */
	grant_ref_t own_ref, lend_ref;
	struct page *lent; /* NULL: not this time */
	struct sk_buff *skb; /* of a packet's first piece */
	u16 next; /* the next free one, or of the same packet */
};

/* A page that the backend may fill. */
struct xnet_buf {
	struct page *page; /* NULL: none now */
	grant_ref_t ref;
	bool granted;
};

struct xnet_count {
	u64 tx_packets, tx_bytes, tx_gso, tx_blank;
	u64 tx_copied, tx_lent;        /* packets all of which was copied; of which pages were granted */
	u64 tx_refused, tx_dropped;    /* by the backend; here */
	u64 tx_stops;                  /* times the ring was full */
	u64 rx_packets, rx_bytes, rx_gso, rx_blank;
	u64 rx_copied, rx_taken;       /* packets that were copied; whose pages were used */
	u64 rx_bad, rx_dropped;        /* made no sense; no memory, or the interface was down */
	u64 xdp_passed, xdp_dropped, xdp_sent, xdp_redirected; /* by a program */
	u64 events, spurious;          /* received; of these, brought nothing */
	u64 tx_notifies, rx_notifies;  /* sent */
};

struct xnet_queue {
	struct xnet *d;
	unsigned int index;
	struct napi_struct napi;
	bool live;   /* its rings may be used; under tx_lock, and with NAPI off */
	int resumes; /* xdev_resumes when the rings were made */
	bool keep;   /* all data is copied, pages stay granted */
	bool listed; /* they are all made and can be static grants */
	evtchn_port_t port[2]; /* tx, rx; with one for both the first */
	int irq[2];
	unsigned long eoi;     /* bits: this event is not acknowledged yet */
	bool moved[2];         /* answers were taken since the last event */
	/* transmit, under tx_lock */
	spinlock_t tx_lock;
	struct xsp_netfront_tx tx;
	void *tx_ring;
	grant_ref_t tx_ring_ref;
	struct xnet_piece *piece; /* XSP_NET_TX_SLOTS */
	u16 free, n_free;
	/* receive, its NAPI poll's */
	struct xsp_netfront_rx rx;
	void *rx_ring;
	grant_ref_t rx_ring_ref;
	struct xnet_buf *buf; /* XSP_NET_RX_SLOTS */
	u16 *idle;            /* numbers of bufs that are not posted */
	unsigned int n_idle;
	struct page_pool *pages;
	struct xdp_rxq_info xdp_rxq;
	bool xdp_sent, xdp_redirected; /* since the last flush */
	struct timer_list refill; /* there was no memory for pages */

	const char *broken; /* what the core doesn't know of */
	struct xnet_count count;
	char irq_name[2][28];
};

struct xnet_ctrl {
	struct xnet *d;
	struct xsp_netfront_ctrl q;
	void *ring, *data; /* data: a page that requests point to */
	grant_ref_t ring_ref, data_ref;
	evtchn_port_t port;
	int irq; /* 0: there is none */
	bool asking; /* somebody waits */
	bool event;  /* not acknowledged yet */
	wait_queue_head_t answered;
	char irq_name[20];
};

struct xnet {
	struct xdev base;
	struct net_device *dev;
	struct delayed_work ctrl_again;
	bool reshape; /* other rings are wanted: ethtool, XDP */
	/* what was agreed */
	struct xsp_net_offer offer;
	struct xsp_net_params params;
	bool link; /* the backend's carrier key */
	bool split;
	unsigned int n_queues;
	unsigned int want_queues; /* changed by ethtool -L */
	struct bpf_prog __rcu *prog; /* XDP */
	struct xnet_queue *queue; /* XSP_NET_MAX_QUEUES of them */
	struct xenbus_watch link_watch;
	struct xnet_ctrl ctrl;
	u32 statics;  /* pages that the backend keeps mapped */
	bool hashed;  /* it spreads packets as rss says */
	bool tell;    /* it is to be told all that again */
	struct {
		u8 key[XNET_HASH_KEY];
		u32 map[XNET_HASH_MAP];
		bool mapped; /* somebody has set it */
	} rss; /* changed under the RTNL, which then says `tell` */
	struct {
		bool changed; /* the stack listens to other addresses; any context */
		bool refused; /* the backend has no room for one of them; any context */
		bool on;      /* it is asked to filter */
		unsigned int n;
		u8 addr[XNET_MCASTS][ETH_ALEN]; /* what it was told to let through */
	} mcast;
};

static inline struct xnet *xnet_of(struct xdev *base)
{
	return container_of(base, struct xnet, base);
}

/* main.c: devices; parameters as they are now, within range */
struct xdev *xnet_probe(struct xenbus_device *xb);
void xnet_remove(struct xdev *base);
unsigned int xnet_want_queues(void);
bool xnet_want_trust(void);
bool xnet_want_statics(void);

/* state.c */
extern const struct xdev_class xnet_class;
void xnet_ctrl_work(struct work_struct *w);
void xnet_broken(struct xnet_queue *u, const char *how);
void xnet_reshape(struct xnet *d);

/* keys.c */
int xnet_keys_nature(struct xnet *d, u8 mac[ETH_ALEN], u32 *mtu);
int xnet_keys_offer(struct xnet *d);
int xnet_keys_publish(struct xnet *d);
bool xnet_keys_link(struct xnet *d);
void xnet_keys_watch_link(struct xnet *d);
void xnet_keys_unwatch_link(struct xnet *d);

/* queue.c */
void xnet_queue_init(struct xnet *d, unsigned int index);
int xnet_queue_make(struct xnet_queue *u);
void xnet_queue_drop(struct xnet_queue *u);
void xnet_queue_start(struct xnet_queue *u);
void xnet_queue_stop(struct xnet_queue *u);
void xnet_queue_kick(struct xnet_queue *u);
bool xnet_queue_usable(const struct xnet_queue *u);

/* tx.c */
int xnet_tx_make(struct xnet_queue *u);
void xnet_tx_drop(struct xnet_queue *u);
int xnet_tx_own_all(struct xnet_queue *u);
netdev_tx_t xnet_xmit(struct sk_buff *skb, struct net_device *dev);
void xnet_tx_clean(struct xnet_queue *u, int budget);
bool xnet_tx_sleep(struct xnet_queue *u);
int xnet_tx_raw(struct xnet_queue *u, const void *data, unsigned int bytes, bool blank);
void xnet_tx_publish(struct xnet_queue *u);

/* rx.c */
int xnet_rx_make(struct xnet_queue *u);
void xnet_rx_drop(struct xnet_queue *u);
int xnet_rx_own_all(struct xnet_queue *u);
void xnet_rx_fill(struct xnet_queue *u);
int xnet_rx_take(struct xnet_queue *u, int budget);
struct page *xnet_rx_take_page(struct xnet_queue *u, u32 index);
void xnet_rx_idle(struct xnet_queue *u, const struct xsp_netfront_packet *p);

/* xdp.c */
int xnet_xdp_make(struct xnet_queue *u);
void xnet_xdp_drop(struct xnet_queue *u);
struct sk_buff *xnet_xdp_run(struct xnet_queue *u, struct bpf_prog *prog,
			     const struct xsp_netfront_packet *p);
void xnet_xdp_flush(struct xnet_queue *u);
int xnet_xdp_xmit(struct net_device *dev, int n, struct xdp_frame **frames, u32 flags);
int xnet_xdp_set(struct net_device *dev, struct netdev_bpf *bpf);

/* ctrl.c */
int xnet_ctrl_make(struct xnet *d);
void xnet_ctrl_drop(struct xnet *d);
void xnet_ctrl_setup(struct xnet *d);

/* rss.c */
void xnet_rss_init(struct xnet *d);
u32 xnet_rss_queue(const struct xnet *d, unsigned int i);
u32 xnet_rss_key_size(struct net_device *dev);
u32 xnet_rss_map_size(struct net_device *dev);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
int xnet_rss_get(struct net_device *dev, struct ethtool_rxfh_param *p);
int xnet_rss_set(struct net_device *dev, struct ethtool_rxfh_param *p, struct netlink_ext_ack *ack);
#else
int xnet_rss_get(struct net_device *dev, u32 *map, u8 *key, u8 *func);
int xnet_rss_set(struct net_device *dev, const u32 *map, const u8 *key, const u8 func);
#endif

/* mcast.c */
void xnet_mcast_changed(struct net_device *dev);
void xnet_mcast_reset(struct xnet *d);
void xnet_mcast_tell(struct xnet *d);
void xnet_mcast_answered(struct xnet *d, int status);

/* netdev.c */
struct net_device *xnet_netdev_new(void);
void xnet_netdev_agreed(struct xnet *d);

/* ethtool.c */
extern const struct ethtool_ops xnet_ethtool_ops;

/* debugfs.c: with xdev.lock held */
void xnet_show_device(struct seq_file *s, struct xdev *base);
void xnet_show_rings(struct seq_file *s, struct xdev *base);
void xnet_show_counters(struct seq_file *s, struct xdev *base);

#endif
