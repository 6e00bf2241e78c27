/* SPDX-License-Identifier: MIT */
/*
 * A target is what stands behind a disk. One kind = one file + one line in the table of target.c.
 * Requests were validated before (backend/blk/request.c): inside the device, aligned to its sector
 * size, writes only when writable. A target asserts that; it does not check again.
 *
 * Wrappers (delay, error) have the same shape and pass requests on to the target they wrap; they
 * are how tests inject faults.
 */
#ifndef XSP_BACKEND_TARGET_H
#define XSP_BACKEND_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "backend/worker.h"
#include "common/stream.h"

enum xsp_io_op { XSP_IO_READ, XSP_IO_WRITE, XSP_IO_FLUSH, XSP_IO_DISCARD };

/* One request on its way through a target: from its worker's pool, never allocated on the way. */
struct xsp_io {
	struct xsp_cb cb;         /* the target's: completion of what it queued on the io_uring */
	struct xsp_worker *worker;
	struct xsp_target *target; /* the target's: set by submit where cb needs it */
	struct iovec *iov;        /* data; a target may advance it while it works */
	uint64_t offset;          /* bytes */
	uint64_t len;             /* bytes left; 0 for FLUSH; at most 1 MiB but for DISCARD */
	uint16_t niov;            /* 0 for FLUSH and DISCARD */
	uint8_t op;               /* enum xsp_io_op */
	/* the requester's */
	void (*done)(struct xsp_io *io, int err); /* through xsp_io_done only */
	void *queue;
	uint16_t slot;
	bool past_cache;          /* its data goes into a guest's pages, and better into memory than our cache */
	bool copied_out;          /* what was read goes from the buffer to pages of the guest */
	bool sync_before, sync_after; /* flushes around this write, still to do: a target that makes a
				       * write durable by itself clears sync_after */
	uint8_t *bounce;          /* its buffer, its iovecs and, for mapped pages, their extents and places: */
	struct iovec *iovs;       /* its own for a direct request, its area's for an indirect one */
	uint16_t *extents;
	uint8_t **pages;          /* only of those that are copied to */
	struct xsp_area *area;
	struct iovec own_iovs[XSP_BLK_SEGS];
	uint16_t own_extents[XSP_BLK_SEGS];
	uint8_t *own_pages[XSP_BLK_SEGS];
	struct xsp_io *next;      /* free list, or a wrapper's own list while it holds the request */
	uint64_t scratch[3];      /* the wrapper's or target's, for the time it holds the request */
	struct xsp_mail mail;     /* likewise: the way from thread to thread */
	struct {
		void *by;
		void (*done)(struct xsp_io *io, int err);
		uint64_t begun_ns, offset, bytes;
		uint8_t op;
	} log;                    /* log.c's, while what it wraps holds the request */
};

/**
 * xsp_io_done - a target answers a request; its worker's thread
 * @err: 0, or -errno of the target
 *
 * May be called inside submit. The io must not be touched afterwards.
 */
static inline void xsp_io_done(struct xsp_io *io, int err)
{
	io->done(io, err);
}

/**
 * xsp_io_flat - one piece of memory as large as the data, for targets that know no iovecs
 *
 * The data itself when it lies in one piece, else the request's own buffer: xsp_io_gather puts a
 * write's data there, xsp_io_scatter brings a read's data to where it belongs. Only before the
 * target advances iov.
 */
static inline uint8_t *xsp_io_flat(const struct xsp_io *io)
{
	return io->niov == 1 ? io->iov->iov_base : io->bounce;
}

static inline uint8_t *xsp_io_gather(const struct xsp_io *io)
{
	uint8_t *at = xsp_io_flat(io);

	/* What was not mapped lies in the buffer already, and where it has to. */
	for (unsigned int i = 0; i < io->niov; at += io->iov[i++].iov_len)
		if (io->iov[i].iov_base != at)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
	return xsp_io_flat(io);
}

static inline void xsp_io_scatter(const struct xsp_io *io)
{
	const uint8_t *at = xsp_io_flat(io);

	for (unsigned int i = 0; i < io->niov; at += io->iov[i++].iov_len)
		if (io->iov[i].iov_base != at)
			xsp_stream_copy(io->iov[i].iov_base, at, io->iov[i].iov_len);
}

/** xsp_io_zero - a read of zeros; xsp_io_fill - of what lies in this process's memory */
static inline void xsp_io_zero(const struct xsp_io *io)
{
	for (unsigned int i = 0; i < io->niov; i++)
		if (io->past_cache)
			xsp_stream_zero(io->iov[i].iov_base, io->iov[i].iov_len);
		else
			memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
}

static inline void xsp_io_fill(const struct xsp_io *io, const uint8_t *from)
{
	for (unsigned int i = 0; i < io->niov; from += io->iov[i++].iov_len)
		if (io->past_cache)
			xsp_stream_copy(io->iov[i].iov_base, from, io->iov[i].iov_len);
		else
			memcpy(io->iov[i].iov_base, from, io->iov[i].iov_len);
}

/* What the opener wants; a target that can't have it fails to open and says why. */
struct xsp_target_wish {
	bool readonly;
	bool direct; /* past the page cache, where a target knows that */
};

struct xsp_target {
	const struct xsp_target_ops *ops;
	struct xsp_target *inner; /* a wrapper's: what it wraps; for xsp_target_size */
	uint64_t size_bytes;     /* multiple of sector_size */
	uint32_t sector_size;    /* smallest unit and alignment of a request: 512.. power of two */
	uint32_t physical_size;  /* a hint for the guest */
	bool readonly;
	bool logged;             /* log.c is in the chain, for which a request has room once */
	bool forgets;            /* what it holds is gone with the daemon */
	bool copied_reads;       /* a processor brings what is read (a page cache, a socket): see blk/data.c */
	uint8_t at_once;         /* reads are done when submitted, or soon: so many make a part (blk/queue.c); or 0 */
	bool can_flush;          /* FLUSH means something */
	bool can_discard;        /* DISCARD gives space back; the range then reads anything or zeros */
	uint32_t discard_granularity; /* bytes */
	uint32_t discard_alignment;   /* bytes: the first whole unit begins there */
};

struct xsp_target_ops {
	const char *name;  /* the scheme: "file" */
	const char *usage; /* one line for the list of known schemes */
	/*
	 * open: any thread, may block; several at a time. opts is what stands between the name and the colon
	 * ("ms=20"; "" when absent), rest what follows. Returns 0 and *ret, or -errno and a sentence in
	 * why that names what to do.
	 */
	int (*open)(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		    struct xsp_target **ret, char *why, size_t why_len);
	/* close: store thread; nothing is in flight any more. */
	void (*close)(struct xsp_target *t);
	/*
	 * submit: the io's worker's thread; never blocks. The target calls xsp_io_done once, now or
	 * later, on that thread.
	 */
	void (*submit)(struct xsp_target *t, struct xsp_io *io);
	/*
	 * size: how many bytes are there now; size_bytes is how many there were at open, or resize.
	 * Store thread, while requests are on their way. NULL: that never changes.
	 */
	uint64_t (*size)(struct xsp_target *t);
	/* truncate: make it so many bytes; store thread, nothing in flight. NULL: it can't be. */
	int (*truncate)(struct xsp_target *t, uint64_t bytes);
};

/**
 * xsp_target_open - open what a spec names: "file:/srv/a.img", "file,direct:/dev/vg/a", "null:1G",
 * "delay,ms=20:file:/srv/a.img"; a bare absolute path is a file
 * @why: on failure a sentence for the log, the store and the person at xl
 *
 * Any thread; may block. Returns 0 or -errno.
 */
int xsp_target_open(const char *spec, const struct xsp_target_wish *wish, struct xsp_target **ret,
		    char *why, size_t why_len);

/** xsp_target_close - NULL is fine; nothing may be in flight */
void xsp_target_close(struct xsp_target *t);

/*
 * A target whose close goes on beside the closer (a cluster has to be told, a log to be written) says when that
 * begins and ends; the daemon waits for it a little before it leaves.
 */
void xsp_target_closing(void);
void xsp_target_closed(void);

/** xsp_target_await_closed - until nothing is closing any more, or so many seconds have passed */
void xsp_target_await_closed(unsigned int seconds);

/** xsp_target_size - how large it is now, in whole sectors; store thread, also while it is in use */
uint64_t xsp_target_size(struct xsp_target *t);

/** xsp_target_can_truncate, xsp_target_truncate - make the thing itself smaller or larger; 0 or -errno */
bool xsp_target_can_truncate(const struct xsp_target *t);
int xsp_target_truncate(struct xsp_target *t, uint64_t bytes);

/** xsp_target_resize - go on with the size that it has now; nothing may be in flight */
void xsp_target_resize(struct xsp_target *t);

/** xsp_target_empty - a drive without a medium, in memory of the caller's (empty.c) */
void xsp_target_empty(struct xsp_target *t, uint32_t sector_size, bool readonly);

static inline void xsp_target_submit(struct xsp_target *t, struct xsp_io *io)
{
	t->ops->submit(t, io);
}

/**
 * xsp_target_opt - value of name in "a=1,b,c=2": a copy in buf; "" for a bare word
 *
 * Returns true when it is there (a value longer than buf is cut: callers give room to spare).
 */
bool xsp_target_opt(const char *opts, const char *name, char *buf, size_t len);

/**
 * xsp_target_check_opts - refuse words that are not in known (comma separated)
 *
 * Returns 0, or -EINVAL with a sentence in why.
 */
int xsp_target_check_opts(const char *scheme, const char *opts, const char *known, char *why,
			  size_t why_len);

/**
 * xsp_target_number - the number that option name gives, in least .. most; *ret stays without it
 *
 * Returns 0, or -EINVAL with a sentence in why.
 */
int xsp_target_number(const char *scheme, const char *opts, const char *name, unsigned long least,
		      unsigned long most, unsigned long *ret, char *why, size_t why_len);

/** xsp_parse_size - "4096", "64K", "10M", "1G", "2T" to bytes; 0 or -EINVAL, -ERANGE */
int xsp_parse_size(const char *text, uint64_t *ret_bytes);

extern const struct xsp_target_ops xsp_target_file, xsp_target_null, xsp_target_delay,
	xsp_target_error, xsp_target_nbd, xsp_target_nbd_unix, xsp_target_qcow2, xsp_target_vmdk,
	xsp_target_vhdx, xsp_target_vpc, xsp_target_qed;
extern const struct xsp_target_ops xsp_target_sectors, xsp_target_e512, xsp_target_mem, xsp_target_log,
	xsp_target_rbd;

#endif
