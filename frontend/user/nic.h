/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Inside of the network half of libxensplit-front. nic.c: open, handshake, close; nic_keys.c: the
 * store; nic_rings.c: pages, rings and ports; nic_data.c: packets; nic_ctrl.c: the control ring.
 */
#ifndef XSP_USER_NIC_H
#define XSP_USER_NIC_H

#include <xenevtchn.h>
#include <xengnttab.h>

#include "common/store.h"
#include "common/xenbus/fsm.h"
#include "frontend/core/netfront_ctrl.h"
#include "frontend/core/netfront_rx.h"
#include "frontend/core/netfront_tx.h"
#include "frontend/core/netkeys.h"
#include "frontend/user/front.h"
#include "frontend/user/xensplit-nic.h"

static_assert(XSP_NIC_MAX_QUEUES == XSP_NET_MAX_QUEUES, "");
static_assert(XSP_NIC_RX_PIECES == XSP_NET_MAX_SLOTS, "");
static_assert(XSP_NIC_RX_BUFS == XSP_NETFRONT_RX_BUFS, "");
static_assert(XSP_NIC_TX_PIECES <= XSP_NET_MIN_SLOTS, "");

#define XSP_NIC_MIN_PAGES 20u   /* of each direction: the largest packet and a bit */
#define XSP_NIC_NO_PAGE   0xffffu

/* Pages granted in one go. */
struct xsp_nic_pages {
	uint8_t *base;
	uint32_t n;
	uint32_t gref[XSP_NET_TX_SLOTS];
};

struct xsp_nic_port {
	evtchn_port_t port;
	bool have, event; /* event: taken and not yet unmasked */
	bool masked;      /* stays masked until the timer, after too many events that brought nothing */
	unsigned int spurious;
};

struct xsp_nic_queue {
	struct xsp_netfront_tx tx;
	struct xsp_netfront_rx rx;
	struct xsp_nic_pages tx_ring, rx_ring, tx_pages, rx_pages;
	struct xsp_nic_port port[2];        /* tx, rx; with one for both the first */
	uint16_t next[XSP_NET_TX_SLOTS];    /* of each tx page under way: the next of its packet */
	uint16_t free[XSP_NET_TX_SLOTS];    /* tx pages, a stack */
	uint16_t n_free;
	uint16_t reserved;                  /* pages lent by xsp_nic_reserve: the top of the free ones */
	bool want_room;                     /* reserve failed: wake when something was sent */
	bool moved;                         /* something came since the last look at the events */
	struct xsp_nic_stats stats;
};

struct xsp_nic {
	/* platform */
	struct xsp_store store;
	xenevtchn_handle *evtchn;
	xengntshr_handle *gntshr;
	int epoll, timer;
	/* device */
	uint32_t devid, backend_domid;
	char *front, *back; /* store directories; front is relative to the domain's own */
	struct xsp_nic_options want_opts;
	uint8_t mac[6];
	uint32_t mtu;
	bool untrusted;
	bool link; /* the backend's carrier key */
	/* handshake */
	enum xsp_xenbus_state me; /* as the state machine sees it: INITIALISED when 4 is written early */
	bool want, connected;     /* connected: rings are published */
	bool waiting;             /* no backend now, another may come */
	unsigned int timer_ms;
	int error;
	char why[XSP_NIC_WHY_BYTES];
	struct xsp_net_offer offer;
	uint32_t connects;
	/* rings */
	struct xsp_nic_queue *queue[XSP_NET_MAX_QUEUES];
	unsigned int n_queues;
	bool split;
	struct xsp_netfront_ctrl ctrl;
	struct xsp_nic_pages ctrl_ring, ctrl_data; /* data: one page that requests point to */
	struct xsp_nic_port ctrl_port;
	bool have_ctrl, have_hash;
	uint32_t static_pages;
	uint64_t ctrl_at_ms; /* when all this was asked for last */
};

#define for_each_nic_queue(u, nic)                                          \
	for (unsigned int u##_i = 0; u##_i < (nic)->n_queues; u##_i++)      \
		for (struct xsp_nic_queue *u = (nic)->queue[u##_i]; u; u = NULL)

/* nic.c */
int xsp_nic_fail(struct xsp_nic *nic, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void xsp_nic_advance(struct xsp_nic *nic);
void xsp_nic_set_timer(struct xsp_nic *nic, unsigned int ms);
static inline bool xsp_nic_up(const struct xsp_nic *nic)
{
	return nic->connected && nic->me == XSP_XB_CONNECTED && !nic->error;
}

/* nic_keys.c */
int xsp_nic_find(struct xsp_nic *nic);
bool xsp_nic_present(struct xsp_nic *nic);
int xsp_nic_read_offer(struct xsp_nic *nic);
void xsp_nic_read_link(struct xsp_nic *nic);
int xsp_nic_publish(struct xsp_nic *nic);
int xsp_nic_owner(struct xsp_nic *nic);
bool xsp_nic_watch(struct xsp_nic *nic, bool on);

/* nic_rings.c */
int xsp_nic_make_rings(struct xsp_nic *nic);
void xsp_nic_drop_rings(struct xsp_nic *nic);
void xsp_nic_post_all(struct xsp_nic *nic);

/* nic_data.c */
void xsp_nic_take_events(struct xsp_nic *nic);
void xsp_nic_timer(struct xsp_nic *nic);
static inline uint8_t *xsp_nic_page(const struct xsp_nic_pages *p, uint32_t page)
{
	return p->base + (size_t)page * XSP_PAGE_SIZE;
}

/* nic_ctrl.c */
void xsp_nic_ctrl_setup(struct xsp_nic *nic);
void xsp_nic_ctrl_event(struct xsp_nic *nic);

#endif
