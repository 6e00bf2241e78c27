/* SPDX-License-Identifier: MIT */
/*
 * A hostile backend against the network frontend's core: any bytes in the rings, any response index,
 * any store values. Every packet sent is handed back once, every page posted comes back once at most,
 * and no piece of a received packet leaves its page.
 */
#include "frontend/core/netfront_rx.h"
#include "frontend/core/netfront_tx.h"
#include "frontend/core/netkeys.h"
#include "tests/fuzz/input.h"

#define MAX_COOKIES 4096u

static uint8_t out[MAX_COOKIES];
static unsigned int n_out, next_cookie;

static void back_again(uint32_t cookie)
{
	HOLDS(cookie < next_cookie && out[cookie]);
	out[cookie] = 0;
	n_out--;
}

static bool gone_out(void)
{
	if (next_cookie == MAX_COOKIES)
		return false;
	out[next_cookie++] = 1;
	n_out++;
	return true;
}

/* --- transmit ---------------------------------------------------------------------------------- */

static void tx_add(struct xsp_netfront_tx *q, struct input *in)
{
	struct xsp_netfront_frag f[20];
	struct xsp_net_meta m = { .gso_type = eat8(in) & 3, .gso_size = 1448, .have_hash = eat8(in) & 1 };
	unsigned int n = eat8(in) % 20;
	uint8_t addr[6] = { 1 };

	for (unsigned int i = 0; i < 20; i++)
		f[i] = (struct xsp_netfront_frag){ i, 0, 100 };
	eat(in, f, eat8(in) & 3 ? 0 : sizeof(f));
	if (next_cookie == MAX_COOKIES)
		return;
	if (n == 19 ? xsp_netfront_tx_mcast(q, true, addr, next_cookie) :
		      xsp_netfront_tx_add(q, &m, f, n, next_cookie))
		return;
	gone_out();
	HOLDS(n_out <= XSP_NET_TX_SLOTS);
}

static void tx_reap(struct xsp_netfront_tx *q, unsigned int max)
{
	struct xsp_netfront_tx_done done[32];
	int n = xsp_netfront_tx_reap(q, done, max);

	HOLDS(n == -EPROTO || (n >= 0 && n <= (int)max));
	HOLDS(n >= 0 || q->broken);
	for (int i = 0; i < n; i++)
		back_again(done[i].cookie);
}

/* A good answer to some fragment in flight, or to an extra. */
static void tx_answer(struct xsp_netfront_tx *q, struct xsp_sring *s, uint8_t arg)
{
	for (uint32_t i = 0; i < XSP_NET_TX_SLOTS; i++) {
		uint16_t id = (uint16_t)((i + arg) % XSP_NET_TX_SLOTS);
		struct xsp_net_tx_rsp r = { .id = id, .status = (int16_t)(arg & 1 ? 0 : -(arg & 2)) };

		if (!q->slot[id].busy && !(q->extras && arg & 4))
			continue;
		if (q->extras && arg & 4)
			r.status = XSP_NET_NULL;
		memcpy(xsp_net_tx_slot(s, s->rsp_prod++), &r, sizeof(r));
		return;
	}
}

static void tx(struct input *in, struct xsp_sring *s)
{
	static struct xsp_netfront_tx q;
	struct xsp_netfront_tx_done done[32];
	int n;

	xsp_netfront_tx_init(&q, s);
	while (in->left) {
		uint8_t op = eat8(in), arg = op >> 3;

		switch (op & 7) {
		case 0:
		case 1:
			tx_add(&q, in);
			break;
		case 2:
			xsp_netfront_tx_push(&q);
			break;
		case 3:
			if (arg & 1)
				s->rsp_prod += arg >> 1;
			else
				xsp_store(&s->rsp_prod, eat32(in));
			break;
		case 4:
			eat(in, (uint8_t *)s + eat32(in) % (XSP_PAGE_SIZE - 32), 1u + arg);
			break;
		case 5:
			tx_answer(&q, s, arg);
			break;
		case 6:
			tx_reap(&q, 1u + arg);
			break;
		default:
			xsp_netfront_tx_sleep(&q, arg & 1);
		}
	}
	while ((n = xsp_netfront_tx_abort(&q, done, 32)) > 0)
		for (int i = 0; i < n; i++)
			back_again(done[i].cookie);
	HOLDS(n_out == 0);
}

/* --- receive ----------------------------------------------------------------------------------- */

static void rx_reap(struct xsp_netfront_rx *q)
{
	const struct xsp_netfront_packet *p;
	uint32_t bytes = 0;
	int n = xsp_netfront_rx_reap(q, &p);

	HOLDS(n == 0 || n == 1 || (n == -EPROTO && q->broken));
	if (n != 1)
		return;
	HOLDS(p->bufs >= 1 && p->bufs <= XSP_NETFRONT_RX_BUFS);
	for (unsigned int i = 0; i < p->bufs; i++) {
		HOLDS(!p->buf[i].bytes || p->buf[i].offset + p->buf[i].bytes <= XSP_PAGE_SIZE);
		bytes += p->buf[i].bytes;
		back_again(p->buf[i].cookie);
	}
	HOLDS(bytes == p->bytes);
	if (p->status)
		return;
	HOLDS(bytes && p->meta.gso_type <= XSP_NET_GSO_TCPV6);
	HOLDS(!p->meta.gso_type || p->meta.gso_size);
}

/* An answer in the right slot, so that the fuzzer need not guess where one is. */
static void rx_answer(struct xsp_sring *s, struct input *in, uint8_t arg)
{
	uint32_t at = s->rsp_prod++;
	struct xsp_net_rx_rsp r = { .id = (uint16_t)(at & (XSP_NET_RX_SLOTS - 1)), .status = 100,
				    .flags = arg };
	struct xsp_net_extra e = { .type = arg & 7, .flags = arg >> 3 };

	if (arg & 16) {
		e.u.gso.size = 1;
		e.u.gso.type = eat8(in) & 3;
		memcpy(xsp_net_rx_slot(s, at), &e, sizeof(e));
		return;
	}
	if (arg == 15)
		eat(in, &r.offset, 6);
	memcpy(xsp_net_rx_slot(s, at), &r, sizeof(r));
}

static void rx(struct input *in, struct xsp_sring *s)
{
	static struct xsp_netfront_rx q;

	xsp_netfront_rx_init(&q, s);
	while (in->left) {
		uint8_t op = eat8(in), arg = op >> 3;

		switch (op & 7) {
		case 0:
			for (unsigned int i = 0; i < arg && xsp_netfront_rx_room(&q) && gone_out(); i++)
				xsp_netfront_rx_post(&q, i, next_cookie - 1);
			HOLDS(n_out <= XSP_NET_RX_SLOTS + XSP_NETFRONT_RX_BUFS);
			xsp_netfront_rx_push(&q);
			break;
		case 1:
			if (arg & 1)
				s->rsp_prod += arg >> 1;
			else
				xsp_store(&s->rsp_prod, eat32(in));
			break;
		case 2:
			eat(in, (uint8_t *)s + eat32(in) % (XSP_PAGE_SIZE - 32), 1u + arg);
			break;
		case 3:
		case 4:
			rx_answer(s, in, arg);
			break;
		case 5:
		case 6:
			rx_reap(&q);
			break;
		default:
			xsp_netfront_rx_sleep(&q);
		}
	}
}

/* --- keys -------------------------------------------------------------------------------------- */

static void keys(struct input *in)
{
	struct xsp_key key[16];
	struct xsp_net_offer offer;
	const char *bad = NULL;
	char value[16][32];
	unsigned int n = 0;
	uint8_t mac[6];
	uint32_t mtu;

	while (in->left && n < 16) {
		uint8_t which = eat8(in), len = eat8(in);

		key[n].key = xsp_net_offer_keys[which % xsp_net_offer_keys_count];
		memset(value[n], 0, sizeof(value[n]));
		eat(in, value[n], len % 31);
		key[n].value = len == 255 ? NULL : value[n];
		if (!xsp_net_mac_parse(value[n], mac))
			HOLDS(!(mac[0] & 1));
		if (!xsp_net_mtu_parse(key[n].value, &mtu))
			HOLDS(mtu >= 68 && mtu <= 65521);
		n++;
	}
	if (!xsp_net_offer_from_keys(key, n, &offer, &bad))
		HOLDS(offer.rx_copy && offer.max_queues >= 1 && offer.max_queues <= XSP_NET_MAX_QUEUES &&
		      (!offer.gso4 || (offer.sg && offer.csum4)));
	else
		HOLDS(bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static union {
		uint64_t align;
		uint8_t bytes[XSP_PAGE_SIZE];
	} page;
	struct input in = { data, size };

	n_out = next_cookie = 0;
	switch (eat8(&in) % 3) {
	case 0:
		tx(&in, (struct xsp_sring *)(void *)page.bytes);
		break;
	case 1:
		rx(&in, (struct xsp_sring *)(void *)page.bytes);
		break;
	default:
		keys(&in);
	}
	return 0;
}
