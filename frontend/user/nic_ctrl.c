/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a NIC asks for over its control ring when a backend has connected: static grants for all
 * packet pages, so that no packet costs either side a grant call, and hashing. The backend may refuse
 * any of it; the NIC works without.
 *
 * Source: xen/include/public/io/netif.h "Control messages".
 */
#include <poll.h>
#include <sys/random.h>
#include <time.h>

#include "frontend/user/nic.h"

#define ANSWER_MS 1000 /* a backend that doesn't answer at all costs this once */
#define AGAIN_MS  1000
#define KEY_BYTES 40u
#define MAX_MAP   128u

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Asks and waits. Returns the backend's status, or -errno: the ring is of no more use then. */
static int ask(struct xsp_nic *nic, uint16_t type, uint32_t a, uint32_t b, uint32_t c, uint32_t *ret)
{
	const uint32_t data[3] = { a, b, c };
	uint64_t by = now_ms() + ANSWER_MS, now;
	struct xsp_net_ctrl_rsp rsp = { 0 };
	int r = xsp_netfront_ctrl_ask(&nic->ctrl, type, data);

	if (r < 0)
		return r;
	if (r)
		xenevtchn_notify(nic->evtchn, nic->ctrl_port.port);
	while (!(r = xsp_netfront_ctrl_answer(&nic->ctrl, &rsp))) {
		struct pollfd p = { .fd = xenevtchn_fd(nic->evtchn), .events = POLLIN };

		now = now_ms();
		if (now >= by) {
			nic->ctrl.broken = "a control request was not answered";
			return -ETIMEDOUT;
		}
		poll(&p, 1, (int)(by - now));
		xsp_nic_take_events(nic);
		if (nic->ctrl_port.event)
			xenevtchn_unmask(nic->evtchn, nic->ctrl_port.port);
		nic->ctrl_port.event = false;
	}
	if (r < 0)
		return r;
	if (ret)
		*ret = rsp.data;
	return rsp.status <= XSP_NET_CTRL_BUFFER_OVERFLOW ? (int)rsp.status : -EPROTO;
}

/* --- static grants ----------------------------------------------------------------------------- */

static uint32_t list(struct xsp_nic *nic, const struct xsp_nic_pages *p, uint16_t flags, uint32_t n,
		     uint32_t max)
{
	struct xsp_net_gref *to = (struct xsp_net_gref *)(void *)nic->ctrl_data.base;

	for (uint32_t i = 0; i < p->n && n < max; i++, n++)
		to[n] = (struct xsp_net_gref){ .ref = p->gref[i], .flags = flags };
	return n;
}

/* Of one queue: as many as the backend keeps, what is sent first. */
static int add_grants(struct xsp_nic *nic, uint32_t queue)
{
	struct xsp_nic_queue *u = nic->queue[queue];
	uint32_t max, n;
	int r = ask(nic, XSP_NET_CTRL_GET_GREF_MAPPING_SIZE, queue, 0, 0, &max);

	if (r)
		return r;
	if (max > XSP_NET_GREFS_PER_PAGE)
		max = XSP_NET_GREFS_PER_PAGE;
	n = list(nic, &u->tx_pages, XSP_NET_GREF_READONLY, 0, max);
	n = list(nic, &u->rx_pages, 0, n, max);
	if (!n)
		return 0;
	r = ask(nic, XSP_NET_CTRL_ADD_GREF_MAPPING, queue, nic->ctrl_data.gref[0], n, NULL);
	if (!r)
		nic->static_pages += n;
	return r;
}

/* --- hashing ----------------------------------------------------------------------------------- */

/* Entry i of the table: which queue such a hash goes to. */
static uint32_t queue_of_hash(const struct xsp_nic *nic, uint32_t i)
{
	const struct xsp_nic_options *o = &nic->want_opts;

	return (o->n_hash_map ? o->hash_map[i % o->n_hash_map] : i) % nic->n_queues;
}

static int map_queues(struct xsp_nic *nic)
{
	uint32_t *map = (uint32_t *)(void *)nic->ctrl_data.base, size;
	int r = ask(nic, XSP_NET_CTRL_GET_HASH_MAPPING_SIZE, 0, 0, 0, &size);

	if (r)
		return r;
	if (!size) /* no table: by modulo, which is all queues in turn */
		return nic->want_opts.n_hash_map ? XSP_NET_CTRL_NOT_SUPPORTED : 0;
	if (size > MAX_MAP)
		size = MAX_MAP;
	for (uint32_t i = 0; i < size; i++)
		map[i] = queue_of_hash(nic, i);
	r = ask(nic, XSP_NET_CTRL_SET_HASH_MAPPING_SIZE, size, 0, 0, NULL);
	return r ? r : ask(nic, XSP_NET_CTRL_SET_HASH_MAPPING, nic->ctrl_data.gref[0], size, 0, NULL);
}

static int set_hash(struct xsp_nic *nic)
{
	uint32_t types;
	int r = ask(nic, XSP_NET_CTRL_SET_HASH_ALGORITHM, XSP_NET_HASH_TOEPLITZ, 0, 0, NULL);

	if (!r)
		r = ask(nic, XSP_NET_CTRL_GET_HASH_FLAGS, 0, 0, 0, &types);
	if (r)
		return r;
	types &= XSP_NET_HASH_IPV4 | XSP_NET_HASH_IPV4_TCP | XSP_NET_HASH_IPV6 | XSP_NET_HASH_IPV6_TCP;
	if (getrandom(nic->ctrl_data.base, KEY_BYTES, 0) != KEY_BYTES)
		return -EIO;
	r = ask(nic, XSP_NET_CTRL_SET_HASH_KEY, nic->ctrl_data.gref[0], KEY_BYTES, 0, NULL);
	if (!r)
		r = map_queues(nic);
	return r ? r : ask(nic, XSP_NET_CTRL_SET_HASH_FLAGS, types, 0, 0, NULL);
}

void xsp_nic_ctrl_setup(struct xsp_nic *nic)
{
	uint32_t before = nic->static_pages;
	int r = 0;

	if (!nic->have_ctrl)
		return;
	nic->ctrl_at_ms = now_ms();
	nic->static_pages = 0;
	for (uint32_t q = 0; q < nic->n_queues && !r && !nic->want_opts.no_static; q++)
		r = add_grants(nic, q);
	if (r == XSP_NET_CTRL_INVALID_PARAMETER && !nic->static_pages)
		nic->static_pages = before; /* it has them still */
	if (nic->want_opts.hash && !nic->ctrl.broken)
		nic->have_hash = !set_hash(nic);
	if (nic->ctrl.broken && strcmp(nic->ctrl.broken, "a control request was not answered"))
		xsp_nic_fail(nic, -EPROTO, "vif %u: the backend in domain %u broke the protocol: %s",
			     nic->devid, nic->backend_domid, nic->ctrl.broken);
}

/*
 * An event that no request of ours has called for: the backend's daemon was restarted and looks around.
 * It may have forgotten what it was told; it is told again, once a second at most.
 */
void xsp_nic_ctrl_event(struct xsp_nic *nic)
{
	nic->ctrl_port.event = false;
	xenevtchn_unmask(nic->evtchn, nic->ctrl_port.port);
	if (!nic->ctrl.broken && now_ms() - nic->ctrl_at_ms >= AGAIN_MS)
		xsp_nic_ctrl_setup(nic);
}
