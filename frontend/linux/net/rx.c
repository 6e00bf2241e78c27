/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Pages into the receive ring, packets out of it. A page's grant is ended before anybody looks at what
 * is in it, because until then the backend may still change it: then the page itself becomes part of
 * the packet. Small packets are copied (once, before they are looked at), and their pages stay
 * granted; so does everything when the backend isn't trusted.
 */
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/page.h>

#include "frontend/linux/net/xnet.h"
#include "frontend/linux/net/trace.h"

#define AGAIN (HZ / 10) /* when there was no memory */

int xnet_rx_make(struct xnet_queue *u)
{
	struct page_pool_params pp = { .pool_size = XSP_NET_RX_SLOTS, .nid = NUMA_NO_NODE };
	grant_ref_t head;
	int error;

	xsp_netfront_rx_init(&u->rx, u->rx_ring);
	u->pages = page_pool_create(&pp);
	if (IS_ERR(u->pages)) {
		error = PTR_ERR(u->pages);
		u->pages = NULL;
		return error;
	}
	u->buf = kvcalloc(XSP_NET_RX_SLOTS, sizeof(*u->buf), GFP_KERNEL);
	u->idle = kvcalloc(XSP_NET_RX_SLOTS, sizeof(*u->idle), GFP_KERNEL);
	if (!u->buf || !u->idle)
		return -ENOMEM;
	for (unsigned int i = 0; i < XSP_NET_RX_SLOTS; i++)
		u->buf[i].ref = INVALID_GRANT_REF;
	error = xnet_xdp_make(u);
	if (error)
		return error;
	error = gnttab_alloc_grant_references(XSP_NET_RX_SLOTS, &head);
	if (error)
		return error;
	for (unsigned int i = 0; i < XSP_NET_RX_SLOTS; i++) {
		u->buf[i].ref = gnttab_claim_grant_reference(&head);
		u->idle[i] = i;
	}
	u->n_idle = XSP_NET_RX_SLOTS;
	return 0;
}

/* Ends the grant. False: the backend has it mapped; the kernel keeps both until it lets go. */
static bool take_back(struct xnet_queue *u, struct xnet_buf *b)
{
	b->granted = false;
	if (gnttab_end_foreign_access_ref(b->ref))
		return true;
	gnttab_end_foreign_access(b->ref, NULL);
	page_pool_put_full_page(u->pages, b->page, false); /* which sees that it has another user */
	b->ref = INVALID_GRANT_REF;
	b->page = NULL;
	return false;
}

void xnet_rx_drop(struct xnet_queue *u)
{
	for (unsigned int i = 0; u->buf && i < XSP_NET_RX_SLOTS; i++) {
		struct xnet_buf *b = &u->buf[i];

		if (b->granted)
			take_back(u, b);
		if (b->page)
			page_pool_put_full_page(u->pages, b->page, false);
		if (b->ref != INVALID_GRANT_REF)
			gnttab_free_grant_reference(b->ref);
	}
	kvfree(u->buf);
	kvfree(u->idle);
	u->buf = NULL;
	u->idle = NULL;
	u->n_idle = 0;
	xnet_xdp_drop(u);
	if (u->pages)
		page_pool_destroy(u->pages); /* goes when the last page of a packet has */
	u->pages = NULL;
}

/* --- posting ----------------------------------------------------------------------------------- */

static bool ready(struct xnet_queue *u, struct xnet_buf *b, gfp_t gfp)
{
	if (!b->page) {
		b->page = page_pool_alloc_pages(u->pages, gfp | __GFP_NOWARN | __GFP_ZERO);
		if (!b->page)
			return false;
	}
	if (!b->granted)
		gnttab_grant_foreign_access_ref(b->ref, u->d->base.xb->otherend_id,
						xen_page_to_gfn(b->page), 0);
	b->granted = true;
	return true;
}

/* All of them, for the backend to keep mapped. 0 or -ENOMEM. May sleep; NAPI is off. */
int xnet_rx_own_all(struct xnet_queue *u)
{
	for (unsigned int i = 0; i < XSP_NET_RX_SLOTS; i++)
		if (!ready(u, &u->buf[i], GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

/* Posts all pages that there are. NAPI only. */
void xnet_rx_fill(struct xnet_queue *u)
{
	while (u->n_idle && xsp_netfront_rx_room(&u->rx)) {
		u16 i = u->idle[u->n_idle - 1];
		struct xnet_buf *b = &u->buf[i];

		if (b->ref == INVALID_GRANT_REF || !ready(u, b, GFP_ATOMIC)) {
			mod_timer(&u->refill, jiffies + AGAIN);
			break;
		}
		u->n_idle--;
		xsp_netfront_rx_post(&u->rx, b->ref, i);
	}
	if (xsp_netfront_rx_push(&u->rx)) {
		u->count.rx_notifies++;
		notify_remote_via_irq(u->irq[u->d->split]);
	}
}

/* --- packets ----------------------------------------------------------------------------------- */

/* The page of a packet, out of the backend's hands; NULL: it has it still, and the queue is broken. */
struct page *xnet_rx_take_page(struct xnet_queue *u, u32 index)
{
	struct xnet_buf *b = &u->buf[index];
	struct page *page = b->page;

	if (!take_back(u, b)) {
		xnet_broken(u, "an answer for a page that it still has mapped");
		return NULL;
	}
	b->page = NULL;
	return page;
}

/* All the packet used up can be posted again. */
void xnet_rx_idle(struct xnet_queue *u, const struct xsp_netfront_packet *p)
{
	for (unsigned int i = 0; i < p->bufs; i++)
		u->idle[u->n_idle++] = p->buf[i].cookie;
}

/* The packet in memory of its own; the pages stay what they are. */
static struct sk_buff *copied(struct xnet_queue *u, const struct xsp_netfront_packet *p)
{
	unsigned int head = min(p->bytes, XNET_COPY_BYTES), at = 0;
	struct sk_buff *skb;
	int error;

	skb = alloc_skb_with_frags(head, p->bytes - head, 0, &error, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_put(skb, head);
	skb->data_len = p->bytes - head;
	skb->len += skb->data_len;
	for (unsigned int i = 0; i < p->bufs; i++) {
		const struct xsp_netfront_buf *b = &p->buf[i];

		if (b->bytes)
			skb_store_bits(skb, at, page_address(u->buf[b->cookie].page) + b->offset, b->bytes);
		at += b->bytes;
	}
	xnet_rx_idle(u, p);
	u->count.rx_copied++;
	return skb;
}

/* A page of the packet becomes part of the skb. 0, -ENOMEM, or -EPROTO: the backend has it still. */
static int take_page(struct xnet_queue *u, struct sk_buff *skb, const struct xsp_netfront_buf *from)
{
	struct page *page = xnet_rx_take_page(u, from->cookie);
	int n = skb_shinfo(skb)->nr_frags;

	if (!page)
		return -EPROTO;
	if (n == MAX_SKB_FRAGS) {
		/* one piece more than an skb has places for: the first goes to the linear part */
		if (!__pskb_pull_tail(skb, skb_frag_size(&skb_shinfo(skb)->frags[0])))
			goto no_memory;
		n = skb_shinfo(skb)->nr_frags;
	}
	skb_add_rx_frag(skb, n, page, from->offset, from->bytes, PAGE_SIZE);
	return 0;
no_memory:
	page_pool_put_full_page(u->pages, page, true);
	return -ENOMEM;
}

/* The packet is made of its pages. NULL: the rest of them is idle. */
static struct sk_buff *taken(struct xnet_queue *u, const struct xsp_netfront_packet *p)
{
	struct sk_buff *skb = napi_alloc_skb(&u->napi, XNET_COPY_BYTES);
	int error = skb ? 0 : -ENOMEM;

	if (skb)
		skb_mark_for_recycle(skb);
	for (unsigned int i = 0; i < p->bufs; i++) {
		if (!error && p->buf[i].bytes)
			error = take_page(u, skb, &p->buf[i]);
		u->idle[u->n_idle++] = p->buf[i].cookie;
	}
	/* headers to where they are expected; a packet of very many pieces has more there already */
	if (!error && !pskb_may_pull(skb, min(p->bytes, XNET_COPY_BYTES)))
		error = -ENOMEM;
	if (!error) {
		u->count.rx_taken++;
		return skb;
	}
	kfree_skb(skb);
	return NULL;
}

/* What the backend says about the packet. False: it can't be. */
static bool describe(struct sk_buff *skb, struct net_device *dev, const struct xsp_net_meta *m)
{
	bool recalculate = false;

	if (skb->len < ETH_HLEN)
		return false;
	skb->protocol = eth_type_trans(skb, dev);
	skb_reset_network_header(skb);
	if (m->gso_type != XSP_NET_GSO_NONE) {
		skb_shinfo(skb)->gso_size = m->gso_size;
		/* its headers are to be looked at, and its segments counted */
		skb_shinfo(skb)->gso_type = SKB_GSO_DODGY |
			(m->gso_type == XSP_NET_GSO_TCPV4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6);
		recalculate = !m->csum_blank; /* the stack takes only blank ones apart */
	}
	if (m->have_hash && dev->features & NETIF_F_RXHASH)
		skb_set_hash(skb, m->hash, m->hash_type & 1 ? PKT_HASH_TYPE_L4 : PKT_HASH_TYPE_L3);
	if (m->csum_blank || recalculate) {
		skb->ip_summed = CHECKSUM_PARTIAL;
		return !skb_checksum_setup(skb, recalculate);
	}
	skb->ip_summed = m->data_validated ? CHECKSUM_UNNECESSARY : CHECKSUM_NONE;
	return true;
}

static void deliver(struct xnet_queue *u, const struct xsp_netfront_packet *p)
{
	struct net_device *dev = u->d->dev;
	struct bpf_prog *prog;
	struct sk_buff *skb;

	if (p->status || !netif_running(dev)) {
		u->count.rx_bad += p->status != 0;
		u->count.rx_dropped += p->status == 0;
		xnet_rx_idle(u, p);
		return;
	}
	prog = rcu_dereference_bh(u->d->prog);
	if (prog) {
		skb = xnet_xdp_run(u, prog, p);
		if (!skb)
			return;
	} else if (u->keep || p->bytes <= XNET_COPY_BYTES) {
		skb = copied(u, p);
		if (!skb)
			xnet_rx_idle(u, p);
	} else {
		skb = taken(u, p);
	}
	if (!skb) {
		u->count.rx_dropped++;
		return;
	}
	trace_xnet_rx(u->d->base.devid, u->index, p->bytes, p->bufs, p->meta.gso_size, p->meta.csum_blank);
	if (!describe(skb, dev, &p->meta)) {
		u->count.rx_bad++;
		kfree_skb(skb);
		return;
	}
	u->count.rx_packets++;
	u->count.rx_bytes += p->bytes;
	u->count.rx_gso += p->meta.gso_type != XSP_NET_GSO_NONE;
	u->count.rx_blank += p->meta.csum_blank;
	skb_record_rx_queue(skb, u->index);
	napi_gro_receive(&u->napi, skb);
}

/*
 * Takes packets, as many as the budget allows; pages are posted again only afterwards, so that a
 * backend can't keep this going. Returns how many. NAPI only.
 */
int xnet_rx_take(struct xnet_queue *u, int budget)
{
	const struct xsp_netfront_packet *p;
	int n = 0, r = 0;

	while (n < budget && !u->broken && (r = xsp_netfront_rx_reap(&u->rx, &p)) == 1) {
		deliver(u, p);
		n++;
	}
	xnet_xdp_flush(u);
	if (n)
		u->moved[1] = true;
	if (r < 0)
		xnet_broken(u, u->rx.broken);
	else if (netif_running(u->d->dev) && !u->broken)
		xnet_rx_fill(u);
	return n;
}
