/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Inside of xensplit-blk.ko, a disk of the guest (a "vbd" of XenBus) as a blk-mq device. The ring
 * protocol is frontend/core's, the device's life frontend/linux/device's; here is what they need of
 * Linux:
 *
 *   main.c     the module: parameters; making and freeing a device
 *   state.c    what a disk does at each step of its life
 *   keys.c     the store
 *   queue.c    rings, event channels, completions, polling
 *   request.c  requests: pages, grants, ring entries
 *   pool.c     pages that are granted as long as the device is connected
 *   disk.c     the gendisk: name, limits, adding and removing it
 *   limits.c   what the block layer may ask of it; differs between kernels
 *   debugfs.c  rings and counters to look at
 *
 * Who waits for what. `advance` (device.h) never waits for I/O. Adding and removing the gendisk do
 * (partition table, dirty pages), so they are a work of their own, which stops while the guest is
 * being saved, too.
 *
 * Locks: xdev.lock (a mutex) covers the state machine; xblk_queue.lock covers ring, slots and the
 * parts of requests in it; xblk_pool.lock a queue's free pages. They nest in this order.
 */
#ifndef XSP_LINUX_XBLK_H
#define XSP_LINUX_XBLK_H

#include <linux/blk-mq.h>
#include <linux/kref.h>
#include <linux/spinlock.h>
#include <xen/grant_table.h>

#include "frontend/core/blkfront.h"
#include "frontend/core/blkkeys.h"
#include "frontend/linux/device/device.h"
#include "ring/dialect.h"

#define XBLK_MAX_SEGS 256u     /* pages of one request: 1 MiB */
#define XBLK_TIMEOUT  (5 * HZ) /* then a ring is looked at without an event */

static_assert(XBLK_MAX_SEGS <= XSP_BLK_SEGS_PER_PAGE, "a request's segments fit one page");

/*
 * Pages of ours that the backend may access. Linked by page->lru, the grant is in page->private and
 * the life they were granted in (xblk_pool.life) in page->index.
 */
struct xblk_pool {
	spinlock_t lock;
	struct list_head free;
	unsigned int n_free, n_all;
	unsigned int max; /* n_all stays below; requests wait then */
	unsigned long life; /* pages of an earlier one are not used again */
	domid_t domid;
	bool open;
};

struct xblk_count {
	u64 requests, bytes_read, bytes_written, flushes, discards, errors;
	u64 ring_requests;      /* a request too large for the backend takes several */
	u64 bounced, direct;    /* requests copied through the pool; granted as they are */
	u64 indirect;
	u64 events, spurious;   /* received; of these, brought nothing */
	u64 notifies;           /* sent */
	u64 polled, poll_found; /* calls; completions found by them */
	u64 late;               /* completions found by a time-out, not by an event */
	u64 busy;               /* no slot, page or grant: tried again */
};

struct xblk_queue {
	struct xblk *d;
	unsigned int index;
	bool poll_only;
	spinlock_t lock;
	bool live; /* requests may be added; changes under lock */
	struct xsp_blkfront q;
	void *ring;
	grant_ref_t ring_ref[1u << XSP_RING_MAX_ORDER];
	evtchn_port_t port;
	int irq;
	int resumes; /* xdev_resumes when the ring was made */
	struct xblk_pool pool;
	struct xblk_count count;
	char irq_name[24];
};

enum xblk_gendisk {
	XBLK_NO_DISK,
	XBLK_DISK_ADDED,
};

struct xblk {
	struct xdev base;
	struct kref ref; /* the XenBus device, and the gendisk until its last user closed it */
	struct work_struct disk_work;
	char name[24]; /* of the gendisk */
	bool quiesced; /* we have stopped blk-mq's queues */
	bool leaving;  /* unbound from the driver: no disk any more */
	bool dead;     /* requests fail at once; changes before the queues are set going */
	/* what was agreed */
	struct xsp_blk_offer offer;
	struct xsp_blk_disk disk_keys;
	enum xsp_blk_dialect dialect;
	struct xsp_blk_shifts shifts; /* of the backend's units */
	bool bounce;       /* data goes through the pool */
	unsigned int max_segs;  /* of a ring request */
	unsigned int order;
	unsigned int n_queues;
	struct xblk_queue *queue; /* XSP_BLK_MAX_QUEUES of them */
	/* the disk */
	enum xblk_gendisk disk_state; /* changed by disk_work only */
	bool disk_wanted;
	unsigned int n_poll;      /* of hctxs: the last ones */
	unsigned int n_hctx;
	int minor;                /* reserved, or -1 */
	struct blk_mq_tag_set tags;
	struct gendisk *disk;
};

static inline struct xblk *xblk_of(struct xdev *base)
{
	return container_of(base, struct xblk, base);
}

/* What a request has while it is in a ring. */
struct xblk_pdu {
	struct list_head pages; /* of the pool, with data */
	struct list_head desc;  /* of the pool, with descriptors */
	u16 left;               /* ring requests not answered yet; xblk_queue.lock */
	u16 n_segs;
	bool direct;            /* seg[].gref are grants of the request's own pages */
	blk_status_t status;
	struct xblk_queue *queue;
	struct xsp_blk_seg seg[];
};

/* main.c: devices; parameters as they are now, within range */
extern int xblk_major;
unsigned int xblk_want_order(void);
unsigned int xblk_want_queues(void);
unsigned int xblk_want_polled(void);
unsigned int xblk_want_segs(void);
unsigned int xblk_want_pool(void);
bool xblk_want_persistent(void);
bool xblk_want_trust(void);
struct xdev *xblk_probe(struct xenbus_device *xb);
void xblk_remove(struct xdev *base);
void xblk_get(struct xblk *d);
void xblk_put(struct xblk *d);

/* state.c */
extern const struct xdev_class xblk_class;
void xblk_close(struct xblk *d);

/* keys.c */
int xblk_keys_offer(struct xblk *d);
int xblk_keys_disk(struct xblk *d, struct xsp_blk_disk *ret);
int xblk_keys_publish(struct xblk *d);
int xblk_keys_dialect(struct xblk *d);

/* queue.c */
void xblk_queue_init(struct xblk *d, unsigned int index);
int xblk_queue_make(struct xblk_queue *u);
void xblk_queue_drop(struct xblk_queue *u);
void xblk_queue_start(struct xblk_queue *u);
void xblk_queue_stop(struct xblk_queue *u);
unsigned int xblk_queue_reap(struct xblk_queue *u);
void xblk_queue_notify(struct xblk_queue *u);
int xblk_queue_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob);

/* request.c */
extern const struct blk_mq_ops xblk_mq_ops;
bool xblk_request_done(struct request *rq, int status);
void xblk_request_abandon(struct xblk *d, struct request *rq);
size_t xblk_pdu_bytes(void);

/* pool.c */
void xblk_pool_init(struct xblk_pool *p);
int xblk_pool_open(struct xblk_pool *p, domid_t domid, unsigned long life, unsigned int reserve);
void xblk_pool_close(struct xblk_pool *p);
bool xblk_pool_take(struct xblk_pool *p, struct list_head *to, unsigned int n);
void xblk_pool_give(struct xblk_pool *p, struct list_head *from);

/* disk.c */
int xblk_disk_name(struct xblk *d);
void xblk_disk_free_name(struct xblk *d);
void xblk_disk_work(struct work_struct *w);
void xblk_disk_resize(struct xblk *d);

/* limits.c */
struct gendisk *xblk_limits_new_disk(struct xblk *d);
void xblk_limits_apply(struct xblk *d);
void xblk_limits_no_discard(struct request_queue *q);
void xblk_limits_no_erase(struct request_queue *q);
void xblk_limits_no_flush(struct request_queue *q);

/* debugfs.c: with xdev.lock held */
void xblk_show_device(struct seq_file *s, struct xdev *base);
void xblk_show_rings(struct seq_file *s, struct xdev *base);
void xblk_show_counters(struct seq_file *s, struct xdev *base);

#endif
