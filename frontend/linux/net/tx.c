/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Packets out of the guest. Headers, and whatever is in the linear part of an skb, are copied into
 * pages of the driver; the packet's further pages are lent to the backend until it has answered.
 * Everything is copied when the backend isn't trusted (it would see the rest of those pages), and
 * when a packet has more pieces than a backend must take.
 *
 * An skb is freed when the backend has answered, so that a socket's limits hold.
 */
#include <linux/highmem.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <xen/events.h>
#include <xen/page.h>

#include "frontend/linux/net/xnet.h"
#include "frontend/linux/net/trace.h"

#define BATCH 32u

static const char has_it_still[] = "an answer for a page that it still has mapped";

/* --- pieces ------------------------------------------------------------------------------------ */

int xnet_tx_make(struct xnet_queue *u)
{
	grant_ref_t head;
	int error;

	xsp_netfront_tx_init(&u->tx, u->tx_ring);
	u->piece = kvcalloc(XSP_NET_TX_SLOTS, sizeof(*u->piece), GFP_KERNEL);
	if (!u->piece)
		return -ENOMEM;
	for (unsigned int i = 0; i < XSP_NET_TX_SLOTS; i++) {
		u->piece[i].own_ref = u->piece[i].lend_ref = INVALID_GRANT_REF;
		u->piece[i].next = i + 1;
	}
	u->free = 0;
	u->n_free = XSP_NET_TX_SLOTS;
	error = gnttab_alloc_grant_references(XSP_NET_TX_SLOTS, &head);
	if (error)
		return error;
	for (unsigned int i = 0; i < XSP_NET_TX_SLOTS; i++)
		u->piece[i].lend_ref = gnttab_claim_grant_reference(&head);
	return 0;
}

/* A page of a packet comes back. False: the backend has it still, and gets no other meanwhile. */
static bool take_back(struct xnet_queue *u, struct xnet_piece *p)
{
	grant_ref_t ref = p->lend_ref;

	p->lent = NULL;
	if (gnttab_end_foreign_access_ref(ref))
		return true;
	gnttab_end_foreign_access(ref, NULL); /* keeps the page until the backend lets go */
	p->lend_ref = INVALID_GRANT_REF;
	return false;
}

/* All pieces, whoever has them; the backend gets no event any more. */
void xnet_tx_drop(struct xnet_queue *u)
{
	if (!u->piece)
		return;
	for (unsigned int i = 0; i < XSP_NET_TX_SLOTS; i++) {
		struct xnet_piece *p = &u->piece[i];

		if (p->lent)
			take_back(u, p);
		if (p->skb) {
			u->count.tx_dropped++;
			dev_kfree_skb_any(p->skb);
		}
		if (p->lend_ref != INVALID_GRANT_REF)
			gnttab_free_grant_reference(p->lend_ref);
		if (p->own)
			gnttab_end_foreign_access(p->own_ref, p->own);
	}
	kvfree(u->piece);
	u->piece = NULL;
}

/* Its own page, made when it is needed first. Zeroed: the backend sees what it is sent. */
static void *own_page(struct xnet_queue *u, struct xnet_piece *p, gfp_t gfp)
{
	struct page *page;
	int ref;

	if (p->own)
		return page_address(p->own);
	page = alloc_page(gfp | __GFP_ZERO | __GFP_NOWARN);
	if (!page)
		return NULL;
	ref = gnttab_grant_foreign_access(u->d->base.xb->otherend_id, xen_page_to_gfn(page), 1);
	if (ref < 0) {
		__free_page(page);
		return NULL;
	}
	p->own = page;
	p->own_ref = ref;
	return page_address(page);
}

/* All of them, for the backend to keep mapped. 0 or -ENOMEM. May sleep. */
int xnet_tx_own_all(struct xnet_queue *u)
{
	for (unsigned int i = 0; i < XSP_NET_TX_SLOTS; i++)
		if (!own_page(u, &u->piece[i], GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

/* The packet's pieces as they are gathered: taken from the free list, linked. */
struct gather {
	struct xnet_queue *u;
	struct xsp_netfront_frag frag[XSP_NET_MIN_SLOTS];
	unsigned int n;
	u16 first, last;
};

static struct xnet_piece *next_piece(struct gather *g)
{
	struct xnet_queue *u = g->u;
	u16 i = u->free;

	u->free = u->piece[i].next;
	u->n_free--;
	if (g->n)
		u->piece[g->last].next = i;
	else
		g->first = i;
	g->last = i;
	g->n++;
	u->piece[i].next = XNET_NO_PIECE;
	return &u->piece[i];
}

/* Pieces of a packet back to the free list; true if all its pages came back. */
static bool give_back(struct xnet_queue *u, u16 first)
{
	bool good = true;

	while (first != XNET_NO_PIECE) {
		struct xnet_piece *p = &u->piece[first];
		u16 next = p->next;

		if (p->lent && !take_back(u, p))
			good = false;
		p->next = u->free;
		u->free = first;
		u->n_free++;
		first = next;
	}
	return good;
}

static bool copy_piece(struct gather *g, struct sk_buff *skb, unsigned int at, unsigned int bytes)
{
	struct xsp_netfront_frag *f = &g->frag[g->n];
	struct xnet_piece *p = next_piece(g);
	void *to = own_page(g->u, p, GFP_ATOMIC);

	if (!to || skb_copy_bits(skb, at, to, bytes))
		return false;
	*f = (struct xsp_netfront_frag){ .gref = p->own_ref, .bytes = bytes };
	return true;
}

/* False: a page that went this way before is mapped still; the queue is about to be made anew. */
static bool lend_piece(struct gather *g, struct page *page, unsigned int offset, unsigned int bytes)
{
	struct xsp_netfront_frag *f = &g->frag[g->n];
	struct xnet_piece *p = next_piece(g);

	if (p->lend_ref == INVALID_GRANT_REF)
		return false;
	gnttab_grant_foreign_access_ref(p->lend_ref, g->u->d->base.xb->otherend_id, xen_page_to_gfn(page), 1);
	p->lent = page;
	*f = (struct xsp_netfront_frag){ .gref = p->lend_ref, .offset = offset, .bytes = bytes };
	return true;
}

static bool gather_copied(struct gather *g, struct sk_buff *skb)
{
	for (unsigned int at = 0, n; at < skb->len; at += n) {
		n = min(skb->len - at, XSP_PAGE_SIZE);
		if (!copy_piece(g, skb, at, n))
			return false;
	}
	g->u->count.tx_copied++;
	return true;
}

static unsigned int pieces_of(const struct sk_buff *skb)
{
	unsigned int n = 1;

	if (skb_headlen(skb) > XSP_PAGE_SIZE || !skb_headlen(skb) || skb_has_frag_list(skb))
		return UINT_MAX; /* to be copied */
	for (int i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *f = &skb_shinfo(skb)->frags[i];

		n += DIV_ROUND_UP(offset_in_page(skb_frag_off(f)) + skb_frag_size(f), XSP_PAGE_SIZE);
	}
	return n;
}

static bool gather_lent(struct gather *g, struct sk_buff *skb)
{
	if (!copy_piece(g, skb, 0, skb_headlen(skb)))
		return false;
	for (int i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *f = &skb_shinfo(skb)->frags[i];
		struct page *page = skb_frag_page(f) + skb_frag_off(f) / PAGE_SIZE;
		unsigned int offset = offset_in_page(skb_frag_off(f)), left = skb_frag_size(f);

		for (unsigned int n; left; left -= n, offset = 0, page++) {
			n = min(left, XSP_PAGE_SIZE - offset);
			if (!lend_piece(g, page, offset, n))
				return false;
		}
	}
	if (skb_shinfo(skb)->nr_frags)
		g->u->count.tx_lent++;
	else
		g->u->count.tx_copied++;
	return true;
}

/* --- sending ----------------------------------------------------------------------------------- */

/* A packet of any size fits, with its extras. */
static bool have_room(const struct xnet_queue *u)
{
	return u->n_free >= XSP_NET_MIN_SLOTS && xsp_netfront_tx_room(&u->tx) >= XNET_TX_ROOM;
}

static struct xsp_net_meta meta_of(const struct sk_buff *skb)
{
	struct xsp_net_meta m = { .csum_blank = skb->ip_summed == CHECKSUM_PARTIAL };

	m.data_validated = skb->ip_summed == CHECKSUM_UNNECESSARY;
	if (skb_is_gso(skb)) {
		m.gso_type = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6 ? XSP_NET_GSO_TCPV6 : XSP_NET_GSO_TCPV4;
		m.gso_size = skb_shinfo(skb)->gso_size;
	}
	return m;
}

/* Into the ring, or an error. tx_lock held. */
static int add(struct xnet_queue *u, struct sk_buff *skb)
{
	unsigned int most = u->d->offer.sg ? XSP_NET_MIN_SLOTS : 1;
	struct xsp_net_meta m = meta_of(skb);
	struct gather g = { .u = u, .first = XNET_NO_PIECE };
	bool good;
	int error;

	if (skb->len > XSP_NET_MAX_BYTES || DIV_ROUND_UP(skb->len, XSP_PAGE_SIZE) > most ||
	    skb->len < ETH_HLEN)
		return -EMSGSIZE;
	if (u->keep || pieces_of(skb) > most)
		good = gather_copied(&g, skb);
	else
		good = gather_lent(&g, skb);
	error = good ? xsp_netfront_tx_add(&u->tx, &m, g.frag, g.n, g.first) : -ENOMEM;
	if (error) {
		if (!give_back(u, g.first))
			xnet_broken(u, has_it_still);
		return error;
	}
	u->piece[g.first].skb = skb;
	u->count.tx_packets++;
	u->count.tx_bytes += skb->len;
	u->count.tx_gso += m.gso_type != XSP_NET_GSO_NONE;
	u->count.tx_blank += m.csum_blank;
	trace_xnet_tx(u->d->base.devid, u->index, skb->len, g.n, m.gso_size, m.csum_blank);
	return 0;
}

netdev_tx_t xnet_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xnet *d = netdev_priv(dev);
	unsigned int index = skb_get_queue_mapping(skb);
	struct netdev_queue *txq = netdev_get_tx_queue(dev, index);
	struct xnet_queue *u = &d->queue[index];
	bool more = netdev_xmit_more(), notify = false;
	unsigned long flags;
	int error = -ENODEV;

	spin_lock_irqsave(&u->tx_lock, flags);
	if (u->live && !have_room(u)) { /* somebody sends past us: XDP */
		netif_tx_stop_queue(txq);
		spin_unlock_irqrestore(&u->tx_lock, flags);
		return NETDEV_TX_BUSY;
	}
	if (u->live) {
		skb_tx_timestamp(skb);
		error = add(u, skb);
	}
	if (u->live && !have_room(u)) {
		netif_tx_stop_queue(txq);
		u->count.tx_stops++;
	}
	if (u->live && (!more || netif_xmit_stopped(txq)))
		notify = xsp_netfront_tx_push(&u->tx);
	if (error)
		u->count.tx_dropped++;
	spin_unlock_irqrestore(&u->tx_lock, flags);
	if (error)
		dev_kfree_skb_any(skb);
	if (notify) {
		u->count.tx_notifies++;
		notify_remote_via_irq(u->irq[0]);
	}
	return NETDEV_TX_OK;
}

/* One packet of bytes, copied; xnet_tx_publish sends it. NAPI or BH off. 0 or -errno. */
int xnet_tx_raw(struct xnet_queue *u, const void *data, unsigned int bytes, bool blank)
{
	struct xsp_net_meta m = { .csum_blank = blank };
	struct gather g = { .u = u, .first = XNET_NO_PIECE };
	struct xnet_piece *p;
	unsigned long flags;
	int error = -EBUSY;
	void *to;

	if (!bytes || bytes > XSP_PAGE_SIZE)
		return -EMSGSIZE;
	spin_lock_irqsave(&u->tx_lock, flags);
	if (!u->live || !have_room(u))
		goto out;
	p = next_piece(&g);
	to = own_page(u, p, GFP_ATOMIC);
	error = -ENOMEM;
	if (to) {
		memcpy(to, data, bytes);
		g.frag[0] = (struct xsp_netfront_frag){ .gref = p->own_ref, .bytes = bytes };
		error = xsp_netfront_tx_add(&u->tx, &m, g.frag, 1, g.first);
	}
	if (error) {
		give_back(u, g.first);
	} else {
		u->count.tx_packets++;
		u->count.tx_bytes += bytes;
		u->count.tx_blank += blank;
		u->count.tx_copied++;
	}
out:
	spin_unlock_irqrestore(&u->tx_lock, flags);
	return error;
}

void xnet_tx_publish(struct xnet_queue *u)
{
	unsigned long flags;
	bool notify;

	spin_lock_irqsave(&u->tx_lock, flags);
	notify = u->live && xsp_netfront_tx_push(&u->tx);
	spin_unlock_irqrestore(&u->tx_lock, flags);
	if (!notify)
		return;
	u->count.tx_notifies++;
	notify_remote_via_irq(u->irq[0]);
}

/* --- answers ----------------------------------------------------------------------------------- */

/* Takes up to a batch of answers. tx_lock held. Returns how many, or -EPROTO. */
static int reap(struct xnet_queue *u, struct sk_buff **skb, unsigned int *ret_skbs)
{
	struct xsp_netfront_tx_done done[BATCH];
	int n = xsp_netfront_tx_reap(&u->tx, done, BATCH);

	*ret_skbs = 0;
	for (int i = 0; i < n; i++) {
		struct xnet_piece *first;

		if (done[i].cookie >= XSP_NET_TX_SLOTS) { /* had no packet */
			xnet_mcast_answered(u->d, done[i].status);
			continue;
		}
		u->count.tx_refused += done[i].status != 0;
		first = &u->piece[done[i].cookie];
		if (first->skb)
			skb[(*ret_skbs)++] = first->skb;
		first->skb = NULL;
		if (!give_back(u, done[i].cookie))
			xnet_broken(u, has_it_still);
	}
	if (n)
		u->moved[0] = true;
	if (u->tx.broken)
		xnet_broken(u, u->tx.broken);
	return n;
}

/* Frees what the backend has sent. NAPI only. */
void xnet_tx_clean(struct xnet_queue *u, int budget)
{
	struct netdev_queue *txq = netdev_get_tx_queue(u->d->dev, u->index);
	struct sk_buff *skb[BATCH];
	unsigned int n_skbs;
	unsigned long flags;
	int n;

	do {
		spin_lock_irqsave(&u->tx_lock, flags);
		n = reap(u, skb, &n_skbs);
		if (u->live && !u->broken && netif_tx_queue_stopped(txq) && have_room(u))
			netif_tx_wake_queue(txq);
		spin_unlock_irqrestore(&u->tx_lock, flags);
		for (unsigned int i = 0; i < n_skbs; i++)
			napi_consume_skb(skb[i], budget);
	} while (n == BATCH);
}

/* Asks for an event when some of what is under way was sent. True: some was already. */
bool xnet_tx_sleep(struct xnet_queue *u)
{
	unsigned long flags;
	int r;

	spin_lock_irqsave(&u->tx_lock, flags);
	r = xsp_netfront_tx_sleep(&u->tx, true);
	if (r < 0)
		xnet_broken(u, u->tx.broken);
	spin_unlock_irqrestore(&u->tx_lock, flags);
	return r > 0;
}
