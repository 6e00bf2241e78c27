/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The transmit half of one network queue (netfront_tx.h). */
#include "frontend/core/netfront_tx.h"

void xsp_netfront_tx_init(struct xsp_netfront_tx *q, void *page)
{
	memset(q, 0, sizeof(*q));
	for (uint16_t i = 0; i < XSP_NET_TX_SLOTS; i++)
		q->slot[i].next = i + 1;
	q->n_free = XSP_NET_TX_SLOTS;
	xsp_sring_init(page);
	xsp_ring_front_init(&q->ring, page, XSP_NET_TX_SLOTS);
}

static int broken(struct xsp_netfront_tx *q, const char *why)
{
	if (!q->broken)
		q->broken = why;
	return -EPROTO;
}

/* --- adding ------------------------------------------------------------------------------------ */

/* There is one: xsp_netfront_tx_room was asked. */
static uint16_t take_slot(struct xsp_netfront_tx *q)
{
	uint16_t index = q->free;
	struct xsp_netfront_tx_slot *s = &q->slot[index];

	q->free = s->next;
	q->n_free--;
	s->busy = true;
	return index;
}

static void give_back(struct xsp_netfront_tx *q, struct xsp_netfront_tx_slot *s)
{
	s->next = q->free;
	q->free = (uint16_t)(s - q->slot);
	q->n_free++;
}

static void put_extra(struct xsp_netfront_tx *q, const struct xsp_net_extra *extra)
{
	xsp_net_front_put_extra(&q->ring, extra);
	q->extras++;
}

static void put_meta_extras(struct xsp_netfront_tx *q, const struct xsp_net_meta *m)
{
	struct xsp_net_extra e;

	if (m->gso_type != XSP_NET_GSO_NONE) {
		memset(&e, 0, sizeof(e));
		e.type = XSP_NET_EXTRA_GSO;
		e.flags = m->have_hash ? XSP_NET_EXTRA_MORE : 0;
		e.u.gso.size = m->gso_size;
		e.u.gso.type = m->gso_type;
		put_extra(q, &e);
	}
	if (m->have_hash) {
		memset(&e, 0, sizeof(e));
		e.type = XSP_NET_EXTRA_HASH;
		e.u.hash.type = m->hash_type;
		e.u.hash.algorithm = m->hash_algorithm;
		for (unsigned int i = 0; i < 4; i++)
			e.u.hash.value[i] = (uint8_t)(m->hash >> (8 * i));
		put_extra(q, &e);
	}
}

static int check(const struct xsp_net_meta *m, const struct xsp_netfront_frag *frags,
		 unsigned int nr_frags, uint32_t *ret_bytes)
{
	uint32_t bytes = 0;

	if (!nr_frags || nr_frags > XSP_NET_MIN_SLOTS || m->gso_type > XSP_NET_GSO_TCPV6 ||
	    (m->gso_type != XSP_NET_GSO_NONE && !m->gso_size))
		return -EINVAL;
	for (unsigned int i = 0; i < nr_frags; i++) {
		if (!frags[i].bytes || frags[i].bytes > XSP_PAGE_SIZE ||
		    frags[i].offset > XSP_PAGE_SIZE - frags[i].bytes)
			return -EINVAL;
		bytes += frags[i].bytes;
	}
	*ret_bytes = bytes;
	return bytes > XSP_NET_MAX_BYTES ? -EINVAL : 0;
}

static uint16_t first_flags(const struct xsp_net_meta *m)
{
	uint16_t flags = 0;

	if (m->csum_blank) /* what never was on a wire has not been spoilt there */
		flags |= XSP_NET_TX_CSUM_BLANK | XSP_NET_TX_DATA_VALIDATED;
	if (m->data_validated)
		flags |= XSP_NET_TX_DATA_VALIDATED;
	if (m->gso_type != XSP_NET_GSO_NONE || m->have_hash)
		flags |= XSP_NET_TX_EXTRA_INFO;
	return flags;
}

int xsp_netfront_tx_add(struct xsp_netfront_tx *q, const struct xsp_net_meta *m,
			const struct xsp_netfront_frag *frags, unsigned int nr_frags,
			uint32_t cookie)
{
	uint16_t head = 0;
	uint32_t bytes;

	if (q->broken)
		return -EPROTO;
	if (check(m, frags, nr_frags, &bytes))
		return -EINVAL;
	if (xsp_netfront_tx_slots(m, nr_frags) > xsp_netfront_tx_room(q))
		return -EBUSY;
	for (unsigned int i = 0; i < nr_frags; i++) {
		uint16_t id = take_slot(q);
		struct xsp_net_tx_req req = {
			.gref = frags[i].gref,
			.offset = frags[i].offset,
			.flags = i ? 0 : first_flags(m),
			.id = id,
			.size = (uint16_t)(i ? frags[i].bytes : bytes),
		};

		if (i + 1 < nr_frags)
			req.flags |= XSP_NET_TX_MORE_DATA;
		if (!i)
			head = id;
		q->slot[id].head = head;
		xsp_net_front_put_tx(&q->ring, &req);
		if (!i)
			put_meta_extras(q, m);
	}
	q->slot[head].cookie = cookie;
	q->slot[head].left = (uint8_t)nr_frags;
	q->slot[head].failed = false;
	q->in_flight++;
	return 0;
}

int xsp_netfront_tx_mcast(struct xsp_netfront_tx *q, bool add, const uint8_t addr[6],
			  uint32_t cookie)
{
	struct xsp_net_tx_req req = { .flags = XSP_NET_TX_EXTRA_INFO };
	struct xsp_net_extra e;

	if (q->broken)
		return -EPROTO;
	if (xsp_netfront_tx_room(q) < 2)
		return -EBUSY;
	req.id = take_slot(q);
	q->slot[req.id].head = req.id;
	q->slot[req.id].cookie = cookie;
	q->slot[req.id].left = 1;
	q->slot[req.id].failed = false;
	q->in_flight++;
	xsp_net_front_put_tx(&q->ring, &req);
	memset(&e, 0, sizeof(e));
	e.type = add ? XSP_NET_EXTRA_MCAST_ADD : XSP_NET_EXTRA_MCAST_DEL;
	memcpy(e.u.mcast.addr, addr, sizeof(e.u.mcast.addr));
	put_extra(q, &e);
	return 0;
}

/* --- completions ------------------------------------------------------------------------------- */

/* One fragment is answered. True when its packet is done, with *done filled in. */
static bool answered(struct xsp_netfront_tx *q, uint16_t id, int16_t status,
		     struct xsp_netfront_tx_done *done)
{
	struct xsp_netfront_tx_slot *s = &q->slot[id], *head = &q->slot[s->head];

	if (status != XSP_NET_OKAY)
		head->failed = true;
	s->busy = false;
	/*
	 * The head's slot stays out of the free list until the packet is done: what is known about the
	 * packet is kept there.
	 */
	if (s != head)
		give_back(q, s);
	if (--head->left)
		return false;
	done->cookie = head->cookie;
	done->status = head->failed ? -EIO : 0;
	give_back(q, head);
	q->in_flight--;
	return true;
}

int xsp_netfront_tx_reap(struct xsp_netfront_tx *q, struct xsp_netfront_tx_done *done,
			 unsigned int max)
{
	unsigned int n = 0;
	int pending;

	if (q->broken)
		return -EPROTO;
	pending = xsp_ring_front_pending(&q->ring);
	if (pending < 0)
		return broken(q, "more transmit responses than requests");
	for (; n < max && pending > 0; pending--) {
		struct xsp_net_tx_rsp rsp;

		xsp_net_front_take_tx(&q->ring, &rsp);
		if (rsp.status == XSP_NET_NULL) {
			if (!q->extras) {
				broken(q, "an empty transmit response to no extra");
				break;
			}
			q->extras--;
			continue;
		}
		if (rsp.id >= XSP_NET_TX_SLOTS || !q->slot[rsp.id].busy) {
			broken(q, "a transmit response to no fragment in flight");
			break;
		}
		if (answered(q, rsp.id, rsp.status, &done[n]))
			n++;
	}
	return n || !q->broken ? (int)n : -EPROTO;
}

int xsp_netfront_tx_sleep(struct xsp_netfront_tx *q, bool lazy)
{
	uint32_t outstanding = q->ring.req_prod_pub - q->ring.rsp_cons;
	int pending;

	if (q->broken)
		return -EPROTO;
	pending = xsp_ring_front_sleep_after(&q->ring, lazy && outstanding > 1 ? outstanding / 2 : 1);
	return pending < 0 ? broken(q, "more transmit responses than requests") : pending;
}

int xsp_netfront_tx_abort(struct xsp_netfront_tx *q, struct xsp_netfront_tx_done *done,
			  unsigned int max)
{
	unsigned int n = 0;

	for (uint16_t i = 0; i < XSP_NET_TX_SLOTS && n < max && q->in_flight; i++) {
		struct xsp_netfront_tx_slot *s = &q->slot[i];

		if (s->head != i || !s->left)
			continue;
		s->left = 0;
		done[n].cookie = s->cookie;
		done[n++].status = -EIO;
		q->in_flight--;
	}
	broken(q, "aborted");
	return (int)n;
}
