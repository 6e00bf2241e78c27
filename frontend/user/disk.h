/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Inside of libxensplit-front. keys.c: the store; pool.c: granted pages;
 * disk.c: open, handshake, close; io.c: requests and completions; sync.c: plain calls on top.
 */
#ifndef XSP_USER_DISK_H
#define XSP_USER_DISK_H

#include <xenevtchn.h>
#include <xengnttab.h>

#include "common/store.h"
#include "common/xenbus/fsm.h"
#include "frontend/core/blkfront.h"
#include "frontend/core/blkkeys.h"
#include "ring/dialect.h"
#include "frontend/user/front.h"
#include "frontend/user/xensplit-front.h"

/*
 * Granted data pages: one area; pages of the first part are lent one by one, buffers grow from the end.
 * With a backend that isn't trusted all pages are of the first part, and hold zeros whenever no request
 * has them.
 */
struct xsp_pool {
	uint8_t *base;
	uint32_t *gref; /* of each page */
	uint32_t pages;
	uint32_t *next; /* of each page below `lent`: the next free one, or of the same request */
	uint32_t free;  /* the first free one, if n_free */
	uint32_t n_free;
	uint32_t lent; /* pages from this one on belong to xsp_disk_buffer */
	bool zero;     /* see above */
	struct xsp_private *private; /* what xsp_disk_buffer gives instead: memory of our own */
};

#define XSP_DISK_MAX_SEGS 256u /* of an indirect request: 1 MiB, and one page of descriptors */
static_assert(XSP_DISK_MAX_SEGS <= XSP_BLK_SEGS_PER_PAGE, "one descriptor page a request");

/* A request under way. */
struct xsp_io {
	void *buf;
	uint32_t bytes;
	uint8_t op;       /* enum xsp_disk_op */
	bool indirect;    /* desc is borrowed too */
	uint16_t n_pages; /* borrowed from the pool; 0: buf lies in the pool, or there is no data */
	uint32_t page;    /* the first of them, linked by the pool's `next` */
	uint32_t desc;    /* page with the segments */
	uint64_t cookie; /* the user's */
	uint32_t next;   /* next free */
};

/* A ring with its event channel. */
struct xsp_disk_queue {
	struct xsp_blkfront q;
	void *ring;
	uint32_t ring_gref[1u << XSP_RING_MAX_ORDER];
	evtchn_port_t port;
	bool have_port;
	bool event;  /* taken and not yet unmasked */
	bool masked; /* the port stays masked until the timer, after too many of these: */
	unsigned int spurious; /* events in a row that brought nothing */
	uint64_t completed;    /* for the timer and for these: has anything moved? */
	uint64_t completed_at_tick;
	uint64_t completed_at_event;
};

struct xsp_disk {
	/* platform */
	struct xsp_store store;
	xenevtchn_handle *evtchn;
	xengntshr_handle *gntshr;
	int epoll, timer;
	/* device */
	uint32_t devid;
	uint32_t backend_domid;
	char *front, *back; /* store directories; front is relative to the domain's own */
	unsigned int timeout_ms;
	unsigned int want_order, want_queues;
	bool no_indirect, no_persistent;
	bool untrusted; /* the backend sees nothing but the data of requests */
	bool have_dialect; /* it was said, by option or key; else it is guessed */
	enum xsp_blk_dialect dialect;
	/* handshake */
	enum xsp_xenbus_state me;
	bool want;      /* false: closing */
	bool connected; /* rings are published */
	bool watching;
	bool closing; /* the backend closes; waiting for what is under way */
	bool lost;    /* what is under way will never be answered */
	uint64_t closing_by_ms;
	int error; /* 0, or why nothing more can be submitted */
	char why[XSP_DISK_WHY_BYTES];
	struct xsp_blk_offer offer;
	struct xsp_blk_disk disk;
	struct xsp_blk_shifts shifts; /* of the backend's units */
	unsigned int resized;         /* times `sectors` changed while connected */
	/* rings */
	struct xsp_disk_queue queue[XSP_BLK_MAX_QUEUES];
	unsigned int n_queues; /* 0 until the first handshake, then for good */
	unsigned int order;
	unsigned int next_queue;    /* requests go there, until the next push */
	unsigned int next_harvest;  /* completions are looked for there first */
	/* requests */
	struct xsp_pool pool;
	struct xsp_io *ios; /* n_ios of them: as many as all rings have slots */
	uint32_t n_ios;
	uint32_t free_io; /* first free, or n_ios */
	bool timer_on;
	unsigned int busy_calls; /* xsp_disk_process calls in a row that didn't look at the fds */
};

#define for_each_queue(u, d) \
	for (struct xsp_disk_queue *u = (d)->queue; u < (d)->queue + (d)->n_queues; u++)

/* keys.c */
int xsp_keys_find(struct xsp_disk *d);
int xsp_keys_offer(struct xsp_disk *d);
int xsp_keys_disk(struct xsp_disk *d);
int xsp_keys_resize(struct xsp_disk *d);
int xsp_keys_eject(struct xsp_disk *d, bool push);
int xsp_keys_publish(struct xsp_disk *d);
int xsp_keys_owner(struct xsp_disk *d);

/* pool.c */
int xsp_pool_open(struct xsp_disk *d, uint32_t want);
void xsp_pool_close(struct xsp_disk *d);
uint32_t xsp_pool_borrow(struct xsp_pool *p); /* n_free > 0 */
void xsp_pool_return(struct xsp_pool *p, uint32_t page);
static inline uint8_t *xsp_pool_page(const struct xsp_pool *p, uint32_t page)
{
	return p->base + (size_t)page * XSP_PAGE_SIZE;
}

/* disk.c */
int xsp_disk_fail(struct xsp_disk *d, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void xsp_disk_advance(struct xsp_disk *d);
void xsp_disk_set_timer(struct xsp_disk *d, unsigned int ms);
uint64_t xsp_disk_now_ms(void);

/* io.c */
int xsp_io_open(struct xsp_disk *d);
uint32_t xsp_io_max_segs(const struct xsp_disk *d);
uint32_t xsp_io_piece_bytes(const struct xsp_disk *d);
int xsp_disk_wait(struct xsp_disk *d, int timeout_ms);

#endif
