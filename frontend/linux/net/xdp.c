/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * XDP programs on received packets. A program sees a packet in one page that the backend can't change
 * any more, with room before it: where the backend leaves that room ("xdp-headroom") the received page
 * itself, otherwise, or when pages stay granted, a copy. With a program the NIC connects anew without
 * segmentation offload, so that no packet is larger than a page.
 */
#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>

#include "frontend/linux/net/xnet.h"

int xnet_xdp_make(struct xnet_queue *u)
{
	int error = xdp_rxq_info_reg(&u->xdp_rxq, u->d->dev, u->index, u->napi.napi_id);

	if (!error)
		error = xdp_rxq_info_reg_mem_model(&u->xdp_rxq, MEM_TYPE_PAGE_POOL, u->pages);
	return error;
}

void xnet_xdp_drop(struct xnet_queue *u)
{
	if (xdp_rxq_info_is_reg(&u->xdp_rxq))
		xdp_rxq_info_unreg(&u->xdp_rxq);
}

/* The packet in a page of its own, with room before it. NULL: no memory. */
static struct page *copied(struct xnet_queue *u, const struct xsp_netfront_packet *p)
{
	struct page *page = page_pool_dev_alloc_pages(u->pages);
	u8 *to;

	if (!page)
		return NULL;
	to = (u8 *)page_address(page) + XDP_PACKET_HEADROOM;
	for (unsigned int i = 0; i < p->bufs; i++) {
		const struct xsp_netfront_buf *b = &p->buf[i];

		memcpy(to, page_address(u->buf[b->cookie].page) + b->offset, b->bytes);
		to += b->bytes;
	}
	xnet_rx_idle(u, p);
	u->count.rx_copied++;
	return page;
}

/* The page it came in, if there is room before it. NULL: not this one. */
static struct page *taken(struct xnet_queue *u, const struct xsp_netfront_packet *p,
			  unsigned int *offset)
{
	const struct xsp_netfront_buf *b = NULL;
	struct page *page;

	for (unsigned int i = 0; i < p->bufs; i++) {
		if (p->buf[i].bytes && b)
			return NULL;
		if (p->buf[i].bytes)
			b = &p->buf[i];
	}
	if (u->keep || !b || b->offset < XDP_PACKET_HEADROOM || b->offset + b->bytes > XNET_XDP_END)
		return NULL;
	*offset = b->offset;
	page = xnet_rx_take_page(u, b->cookie);
	xnet_rx_idle(u, p);
	if (page)
		u->count.rx_taken++;
	return page;
}

/* Does what the program said. The skb that goes on, or NULL. */
static struct sk_buff *obey(struct xnet_queue *u, struct bpf_prog *prog, u32 act,
			    struct xdp_buff *xdp, struct page *page, bool blank)
{
	struct net_device *dev = u->d->dev;
	struct sk_buff *skb;

	switch (act) {
	case XDP_PASS:
		skb = napi_build_skb(page_address(page), PAGE_SIZE);
		if (!skb)
			break;
		skb_mark_for_recycle(skb);
		skb_reserve(skb, xdp->data - xdp->data_hard_start);
		skb_put(skb, xdp->data_end - xdp->data);
		u->count.xdp_passed++;
		return skb;
	case XDP_TX:
		if (xnet_tx_raw(u, xdp->data, xdp->data_end - xdp->data, blank))
			break;
		u->count.xdp_sent++;
		u->xdp_sent = true;
		page_pool_recycle_direct(u->pages, page);
		return NULL;
	case XDP_REDIRECT:
		if (xdp_do_redirect(dev, xdp, prog))
			break;
		u->count.xdp_redirected++;
		u->xdp_redirected = true;
		return NULL;
	default:
		bpf_warn_invalid_xdp_action(dev, prog, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(dev, prog, act);
		fallthrough;
	case XDP_DROP:
		break;
	}
	u->count.xdp_dropped++;
	page_pool_recycle_direct(u->pages, page);
	return NULL;
}

/* Runs the program on a packet that makes sense; its pages are idle afterwards. The skb, or NULL. */
struct sk_buff *xnet_xdp_run(struct xnet_queue *u, struct bpf_prog *prog,
			     const struct xsp_netfront_packet *p)
{
	unsigned int offset = XDP_PACKET_HEADROOM;
	struct page *page = NULL;
	struct xdp_buff xdp;

	if (p->bytes >= ETH_HLEN && p->bytes <= XNET_XDP_END - XDP_PACKET_HEADROOM) {
		page = taken(u, p, &offset);
		if (!page && !u->broken) {
			offset = XDP_PACKET_HEADROOM;
			page = copied(u, p);
		}
	}
	if (!page) {
		if (!u->broken)
			xnet_rx_idle(u, p);
		u->count.rx_dropped++;
		return NULL;
	}
	xdp_init_buff(&xdp, PAGE_SIZE, &u->xdp_rxq);
	xdp_prepare_buff(&xdp, page_address(page), offset, p->bytes, false);
	return obey(u, prog, bpf_prog_run_xdp(prog, &xdp), &xdp, page, p->meta.csum_blank);
}

/* What programs have sent is published, once for all packets of a poll. */
void xnet_xdp_flush(struct xnet_queue *u)
{
	if (u->xdp_redirected)
		xdp_do_flush();
	if (u->xdp_sent)
		xnet_tx_publish(u);
	u->xdp_redirected = u->xdp_sent = false;
}

/* Packets that a program of another interface has redirected to us. Returns how many went. */
int xnet_xdp_xmit(struct net_device *dev, int n, struct xdp_frame **frames, u32 flags)
{
	struct xnet *d = netdev_priv(dev);
	struct xnet_queue *u;
	int sent = 0;

	if (flags & ~XDP_XMIT_FLAGS_MASK)
		return -EINVAL;
	if (!READ_ONCE(d->base.up))
		return -ENETDOWN;
	u = &d->queue[smp_processor_id() % max(READ_ONCE(d->n_queues), 1u)];
	for (; sent < n; sent++) {
		struct xdp_frame *f = frames[sent];

		/* of several buffers: kernels before 6.3 don't ask whether we take such */
		if (xdp_frame_has_frags(f) || xnet_tx_raw(u, f->data, f->len, false))
			break;
		xdp_return_frame_rx_napi(f);
	}
	if (flags & XDP_XMIT_FLUSH)
		xnet_tx_publish(u);
	return sent;
}

int xnet_xdp_set(struct net_device *dev, struct netdev_bpf *bpf)
{
	struct xnet *d = netdev_priv(dev);
	struct bpf_prog *old;

	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	if (bpf->prog && dev->mtu > XNET_XDP_MTU) {
		NL_SET_ERR_MSG_MOD(bpf->extack, "packets must fit a page: lower the MTU to 3502");
		return -EINVAL;
	}
	old = rtnl_dereference(d->prog);
	rcu_assign_pointer(d->prog, bpf->prog);
	if (old)
		bpf_prog_put(old);
	if (!old != !bpf->prog)
		xnet_reshape(d); /* without segmentation offload, or with it again */
	return 0;
}
