/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Requests and completions. Nothing here allocates or talks to the store, but for a watch that fired. */
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "frontend/user/disk.h"

#define TICK_MS       1000
#define BUSY_CALLS    64  /* xsp_disk_process may skip its fds so often in a row */
#define MAX_SPURIOUS  64  /* events in a row that brought nothing, before the port is left masked */
#define SPURIOUS_MS   100 /* ... for so long */

int xsp_io_open(struct xsp_disk *d)
{
	uint32_t n = xsp_blk_ring_slots(d->order) * d->n_queues;

	d->ios = calloc(n, sizeof(*d->ios));
	if (!d->ios)
		return xsp_disk_fail(d, -ENOMEM, "no memory");
	for (uint32_t i = 0; i < n; i++)
		d->ios[i].next = i + 1;
	d->n_ios = n;
	d->free_io = 0;
	return 0;
}

/* --- submit ------------------------------------------------------------------------------------ */

static bool in_pool(const struct xsp_pool *p, const uint8_t *buf)
{
	return buf >= p->base && buf < p->base + (size_t)p->pages * XSP_PAGE_SIZE;
}

/* Segments straight over a buffer of xsp_disk_buffer. Returns how many, or -EINVAL. */
static int direct(const struct xsp_pool *p, const uint8_t *buf, uint32_t bytes, uint32_t unit,
		  struct xsp_blk_seg *seg, uint32_t max)
{
	size_t at = (size_t)(buf - p->base), end = at + bytes;
	int n = 0;

	if (at % unit || at < (size_t)p->lent * XSP_PAGE_SIZE ||
	    end > (size_t)p->pages * XSP_PAGE_SIZE)
		return -EINVAL;
	while (at < end) {
		size_t in_page = at % XSP_PAGE_SIZE, some = XSP_PAGE_SIZE - in_page;

		if (some > end - at)
			some = end - at;
		if (n == (int)max)
			return -EINVAL;
		seg[n++] = (struct xsp_blk_seg){
			.gref = p->gref[at / XSP_PAGE_SIZE],
			.first = (uint8_t)(in_page / unit),
			.last = (uint8_t)((in_page + some) / unit - 1),
		};
		at += some;
	}
	return n;
}

/* Segments over pages borrowed from the pool; a write is copied there. */
static int bounced(struct xsp_pool *p, struct xsp_io *io, uint32_t unit, struct xsp_blk_seg *seg)
{
	uint32_t pages = (io->bytes + XSP_PAGE_SIZE - 1) / XSP_PAGE_SIZE;
	uint32_t *link = &io->page;

	if (pages > p->n_free)
		return -EBUSY;
	for (uint32_t i = 0; i < pages; i++, link = &p->next[*link]) {
		uint32_t page = xsp_pool_borrow(p), some = io->bytes - i * XSP_PAGE_SIZE;

		*link = page;
		if (some > XSP_PAGE_SIZE)
			some = XSP_PAGE_SIZE;
		if (io->op != XSP_DISK_READ)
			memcpy(xsp_pool_page(p, page),
			       (const uint8_t *)io->buf + (size_t)i * XSP_PAGE_SIZE, some);
		seg[i] = (struct xsp_blk_seg){
			.gref = p->gref[page],
			.last = (uint8_t)(some / unit - 1),
		};
	}
	io->n_pages = (uint16_t)pages;
	return (int)pages;
}

static void return_pages(struct xsp_pool *p, struct xsp_io *io)
{
	uint32_t page = io->page, next;

	for (unsigned int i = 0; i < io->n_pages; i++, page = next) {
		next = p->next[page];
		xsp_pool_return(p, page);
	}
	io->n_pages = 0;
	if (io->indirect)
		xsp_pool_return(p, io->desc);
	io->indirect = false;
}

static void put_back(struct xsp_disk *d, struct xsp_io *io)
{
	return_pages(&d->pool, io);
	io->next = d->free_io;
	d->free_io = (uint32_t)(io - d->ios);
}

uint32_t xsp_io_max_segs(const struct xsp_disk *d)
{
	uint32_t segs = d->offer.max_indirect;

	if (segs > XSP_DISK_MAX_SEGS)
		segs = XSP_DISK_MAX_SEGS;
	if (segs > d->pool.pages - 1) /* and one for the descriptors */
		segs = d->pool.pages - 1;
	return d->no_indirect || segs < XSP_BLK_SEGS ? XSP_BLK_SEGS : segs;
}

/* A quarter of the pool at most: one request that waits for all of it would have nobody beside it. */
uint32_t xsp_io_piece_bytes(const struct xsp_disk *d)
{
	uint32_t segs = xsp_io_max_segs(d), share = d->pool.lent / 4;

	if (segs > share)
		segs = share;
	return (segs < XSP_BLK_SEGS ? XSP_BLK_SEGS : segs) * XSP_PAGE_SIZE;
}

static size_t max_bytes(const struct xsp_disk *d, enum xsp_disk_op op, const void *buf)
{
	if (op == XSP_DISK_BARRIER)
		return XSP_BLK_SEGS * XSP_PAGE_SIZE;
	return in_pool(&d->pool, buf) ? xsp_io_max_segs(d) * XSP_PAGE_SIZE : xsp_io_piece_bytes(d);
}

static int check(const struct xsp_disk *d, enum xsp_disk_op op, const void *buf, size_t bytes,
		 uint64_t offset)
{
	uint64_t size = d->disk.sectors * XSP_SECTOR_SIZE;

	if (d->error)
		return d->error;
	if (op == XSP_DISK_FLUSH)
		return bytes ? -EINVAL : d->disk.flush ? 0 : -EOPNOTSUPP;
	if (op > XSP_DISK_BARRIER)
		return -EINVAL;
	if (op != XSP_DISK_READ && d->disk.readonly)
		return -EROFS;
	if (op == XSP_DISK_BARRIER && (!d->disk.barrier || d->n_queues > 1))
		return -EOPNOTSUPP;
	if (op == XSP_DISK_DISCARD && !d->disk.discard)
		return -EOPNOTSUPP;
	if (op == XSP_DISK_BARRIER && !bytes)
		return 0;
	if (!bytes || (op != XSP_DISK_DISCARD && bytes > max_bytes(d, op, buf)))
		return -EINVAL;
	if ((bytes | offset) & (d->disk.sector_size - 1))
		return -EINVAL;
	return offset > size || bytes > size - offset ? -EINVAL : 0;
}

/* The segments of an I/O with data, where it lies or in borrowed pages. Returns how many, or -errno. */
static int segments(struct xsp_disk *d, struct xsp_io *io, struct xsp_blk_seg *seg)
{
	uint32_t max = io->op == XSP_DISK_BARRIER ? XSP_BLK_SEGS : xsp_io_max_segs(d);
	uint32_t unit = XSP_SECTOR_SIZE << d->shifts.segment;
	struct xsp_pool *p = &d->pool;
	int n = in_pool(p, io->buf) ? direct(p, io->buf, io->bytes, unit, seg, max) :
				      bounced(p, io, unit, seg);

	if (n <= (int)XSP_BLK_SEGS)
		return n;
	if (!p->n_free) {
		return_pages(p, io);
		return -EBUSY;
	}
	io->desc = xsp_pool_borrow(p);
	io->indirect = true;
	memcpy(xsp_pool_page(p, io->desc), seg, (size_t)n * sizeof(*seg));
	return n;
}

/* What is pushed together goes to one queue while it has room: one event. The next push, the next queue. */
static struct xsp_disk_queue *queue_with_room(struct xsp_disk *d)
{
	for (unsigned int i = 1; i < d->n_queues && !xsp_blkfront_room(&d->queue[d->next_queue].q); i++)
		d->next_queue = (d->next_queue + 1) % d->n_queues;
	return &d->queue[d->next_queue];
}

/* Into a ring. */
static int add(struct xsp_disk *d, struct xsp_io *io, uint64_t offset, uint64_t bytes,
	       const struct xsp_blk_seg *seg, unsigned int n)
{
	static const uint8_t wire_op[] = {
		[XSP_DISK_READ] = XSP_BLK_READ,	      [XSP_DISK_WRITE] = XSP_BLK_WRITE,
		[XSP_DISK_FLUSH] = XSP_BLK_FLUSH,     [XSP_DISK_DISCARD] = XSP_BLK_DISCARD,
		[XSP_DISK_BARRIER] = XSP_BLK_BARRIER,
	};
	uint64_t unit = XSP_SECTOR_SIZE << d->shifts.number;
	uint64_t cookie = (uint64_t)(io - d->ios), sector = offset / unit;
	struct xsp_blkfront *q = &queue_with_room(d)->q;
	uint8_t op = wire_op[io->op];

	if (op == XSP_BLK_DISCARD)
		return xsp_blkfront_add_discard(q, sector, bytes / unit, cookie);
	if (io->indirect)
		return xsp_blkfront_add_indirect(q, op, sector, &d->pool.gref[io->desc], n, cookie);
	return xsp_blkfront_add(q, op, n ? sector : 0, seg, n, cookie);
}

int xsp_disk_submit(struct xsp_disk *d, enum xsp_disk_op op, void *buf, size_t bytes, uint64_t offset,
		    uint64_t cookie)
{
	struct xsp_blk_seg seg[XSP_DISK_MAX_SEGS];
	struct xsp_io *io;
	int n = check(d, op, buf, bytes, offset);

	if (n)
		return n;
	if (!d->connected || d->free_io == d->n_ios)
		return -EBUSY;
	io = &d->ios[d->free_io];
	io->buf = buf;
	io->bytes = op == XSP_DISK_DISCARD ? 0 : (uint32_t)bytes;
	io->op = (uint8_t)op;
	io->n_pages = 0;
	io->cookie = cookie;
	if (io->bytes) {
		n = segments(d, io, seg);
		if (n < 0)
			return n;
	}
	d->free_io = io->next;
	n = add(d, io, offset, bytes, seg, (unsigned int)n);
	if (n) {
		put_back(d, io);
		return n;
	}
	if (!d->timer_on)
		xsp_disk_set_timer(d, TICK_MS);
	return 0;
}

void xsp_disk_push(struct xsp_disk *d)
{
	if (!d->connected)
		return;
	for_each_queue(u, d)
		if (xsp_blkfront_push(&u->q))
			xenevtchn_notify(d->evtchn, u->port);
	d->next_queue = (d->next_queue + 1) % d->n_queues;
}

unsigned int xsp_disk_in_flight(const struct xsp_disk *d)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < d->n_queues; i++)
		n += d->queue[i].q.in_flight;
	return n;
}

/* --- completions ------------------------------------------------------------------------------- */

static void finish(struct xsp_disk *d, const struct xsp_blkfront_done *from, struct xsp_disk_done *to)
{
	struct xsp_io *io = &d->ios[from->cookie];

	to->cookie = io->cookie;
	to->status = from->status;
	if (!to->status && io->op == XSP_DISK_READ)
		for (uint32_t i = 0, page = io->page; i < io->n_pages; i++, page = d->pool.next[page]) {
			uint32_t some = io->bytes - i * XSP_PAGE_SIZE;

			memcpy((uint8_t *)io->buf + (size_t)i * XSP_PAGE_SIZE,
			       xsp_pool_page(&d->pool, page), some < XSP_PAGE_SIZE ? some : XSP_PAGE_SIZE);
		}
	put_back(d, io);
}

/* Whatever a ring holds, up to max; of a dead disk, whatever is still under way. */
static unsigned int harvest_one(struct xsp_disk *d, struct xsp_disk_queue *u, struct xsp_disk_done *done,
				unsigned int max)
{
	unsigned int n = 0;

	while (n < max && u->q.in_flight) {
		struct xsp_blkfront_done some[32];
		unsigned int room = max - n < 32 ? max - n : 32;
		int got = 0;

		if (d->connected && !d->lost)
			got = xsp_blkfront_reap(&u->q, some, room);
		if (got == -EPROTO) {
			xsp_disk_fail(d, -EPROTO, "vbd %u: the backend in domain %u broke the protocol: %s",
				      d->devid, d->backend_domid, u->q.broken);
			d->lost = true;
		}
		if (d->lost)
			got = xsp_blkfront_abort(&u->q, some, room);
		if (got <= 0)
			break;
		for (int i = 0; i < got; i++) {
			if (d->lost)
				some[i].status = d->error ? d->error : -ENODEV;
			finish(d, &some[i], &done[n++]);
		}
		if (got < (int)room && !d->lost)
			break;
	}
	u->completed += n;
	return n;
}

/* All queues; each time another one first, so that none waits for the others to run dry. */
static unsigned int harvest(struct xsp_disk *d, struct xsp_disk_done *done, unsigned int max)
{
	unsigned int n = 0, first = d->next_harvest++;

	for (unsigned int i = 0; i < d->n_queues; i++)
		n += harvest_one(d, &d->queue[(first + i) % d->n_queues], done + n, max - n);
	return n;
}

/* Once a second while requests are under way: an event may have been lost, in either direction. */
static void tick(struct xsp_disk *d)
{
	uint64_t expirations;

	if (read(d->timer, &expirations, sizeof(expirations)) < 0)
		return;
	for_each_queue(u, d)
		if (u->masked) {
			u->masked = false;
			u->spurious = 0;
			xenevtchn_unmask(d->evtchn, u->port);
			xsp_disk_set_timer(d, TICK_MS);
		}
	if (!xsp_disk_in_flight(d) && !d->closing) {
		xsp_disk_set_timer(d, 0);
		return;
	}
	for_each_queue(u, d) {
		if (d->connected && u->q.in_flight && u->completed == u->completed_at_tick)
			xenevtchn_notify(d->evtchn, u->port);
		u->completed_at_tick = u->completed;
	}
	if (d->closing)
		xsp_disk_advance(d);
}

static void store_changed(struct xsp_disk *d)
{
	if (!xsp_front_watch_fired(&d->store))
		return;
	xsp_disk_advance(d);
	if (d->me == XSP_XB_CONNECTED && d->connected)
		xsp_keys_resize(d); /* a backend that was resized writes its state anew */
}

static void look_at_fds(struct xsp_disk *d)
{
	struct epoll_event e[3];
	int n = epoll_wait(d->epoll, e, 3, 0), xs = xs_fileno(d->store.xs);

	for (int i = 0; i < n; i++) {
		if (e[i].data.fd == d->timer)
			tick(d);
		else if (e[i].data.fd == xs)
			store_changed(d);
	}
}

/* Takes the waiting events, if any. */
static void take_events(struct xsp_disk *d)
{
	/* ours can't come twice before they are unmasked; any other is an old port's */
	for (unsigned int i = 0, ours = 0; i < d->n_queues + 3 && ours < d->n_queues; i++) {
		int port = xenevtchn_pending(d->evtchn);

		if (port < 0)
			break;
		for_each_queue(u, d)
			if (u->have_port && (evtchn_port_t)port == u->port) {
				u->event = true;
				ours++;
			}
	}
}

/* Unmasks the port; one whose events keep bringing nothing rests for a while (XSA-332). */
static void event_done(struct xsp_disk *d, struct xsp_disk_queue *u)
{
	u->event = false;
	u->spurious = u->completed != u->completed_at_event ? 0 : u->spurious + 1;
	u->completed_at_event = u->completed;
	if (u->spurious < MAX_SPURIOUS && !xenevtchn_unmask(d->evtchn, u->port))
		return;
	u->masked = true;
	xsp_disk_set_timer(d, SPURIOUS_MS);
}

/* Asks every ring for an event at its next answer. Returns how many answers are there already, or -errno. */
static int sleep_all(struct xsp_disk *d)
{
	int more = 0;

	for_each_queue(u, d) {
		int n = xsp_blkfront_sleep(&u->q);

		if (n < 0)
			return n;
		more += n;
	}
	return more;
}

unsigned int xsp_disk_process(struct xsp_disk *d, struct xsp_disk_done *done, unsigned int max)
{
	unsigned int n = harvest(d, done, max);

	/*
	 * While completions come in, the event stays unread and the port masked: the fd stays
	 * readable, so the next call is sure to come, and the backend sends no more of them.
	 */
	if (n == max || (n && xsp_disk_in_flight(d) && ++d->busy_calls < BUSY_CALLS))
		return n;
	if (!n || d->busy_calls >= BUSY_CALLS) {
		d->busy_calls = 0;
		look_at_fds(d);
		if (d->lost)
			return n + harvest(d, done + n, max - n);
	}
	take_events(d);
	while (d->connected) {
		int more = sleep_all(d);

		if (!more)
			break;
		n += harvest(d, done + n, max - n); /* says so when the ring is broken */
		if (n == max || more < 0)
			break;
	}
	for_each_queue(u, d)
		if (u->event && d->connected)
			event_done(d, u);
	if (d->closing && !xsp_disk_in_flight(d))
		xsp_disk_advance(d);
	return n;
}

unsigned int xsp_disk_poll(struct xsp_disk *d, struct xsp_disk_done *done, unsigned int max)
{
	return harvest(d, done, max);
}

int xsp_disk_fd(const struct xsp_disk *d)
{
	return d->epoll;
}

int xsp_disk_wait(struct xsp_disk *d, int timeout_ms)
{
	struct pollfd p = { .fd = d->epoll, .events = POLLIN };

	return poll(&p, 1, timeout_ms);
}
