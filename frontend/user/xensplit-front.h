/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * libxensplit-front: a PV block frontend in a process. Opens a vbd of the domain it runs in, does
 * the handshake with the backend and reads and writes the disk, by completion or by plain calls.
 *
 *     struct xsp_disk *disk;
 *     char why[XSP_DISK_WHY_BYTES];
 *     if (xsp_disk_open("xvda", NULL, &disk, why))
 *             errx(1, "%s", why);
 *     xsp_disk_read(disk, buf, 4096, 0);
 *     xsp_disk_close(disk);
 *
 * Link with -lxensplit-front. Functions return 0 or a count, or a negative errno; none prints, none
 * exits. A handle belongs to one thread at a time, and not to a forked child.
 *
 * What is copied. A user process can grant only pages that the kernel hands out for it (xengntshr;
 * 1024 pages for a whole guest by default), not its own memory. The library takes some of them as a
 * pool. A request on a buffer of yours is copied once between your buffer and pool pages; a request
 * on a buffer from xsp_disk_buffer(), which lies in the pool, is not copied. The pages are granted
 * once, at open, and the backend may keep them mapped (feature-persistent).
 *
 * What the backend is trusted with. Nothing but the data: an answer that fits no request ends the
 * disk with -EPROTO; what it says about the disk is checked. It can see and change every page of the
 * pool at any time; data is copied out after its answer.
 *
 * With the option `untrusted`, or the key trusted=0 that a toolstack writes beside the device, the
 * backend gets nothing but the data of requests: all data is copied, once each way; a page of the pool
 * holds zeros but for the data of the request that has it (XSA-403).
 *
 * While the backend's daemon is restarted requests only take longer. When the backend closes the
 * device, requests under way are waited for, later ones fail with -ENODEV.
 */
#ifndef XENSPLIT_FRONT_H
#define XENSPLIT_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XSP_DISK_WHY_BYTES 256

struct xsp_disk;

enum xsp_disk_op {
	XSP_DISK_READ,
	XSP_DISK_WRITE,
	XSP_DISK_FLUSH,
	XSP_DISK_DISCARD, /* the range may lose its content: it reads as zeros, or as before */
	XSP_DISK_BARRIER, /* a write (or nothing) after all before it and before all behind it; durable */
};

struct xsp_disk_options {
	unsigned int ring_order; /* 0..4: 32 << order requests under way; fewer if the backend can't */
	unsigned int pool_pages; /* pages of 4 KiB for data; 0: eleven for each request, or what is left */
	unsigned int timeout_ms; /* for the backend in open and close; 0: 10000 */
	unsigned int queues;     /* 1..16, each a ring; fewer if the backend can't; 0: 1 */
	bool no_indirect;        /* only direct requests: max_bytes is 44 KiB */
	bool no_persistent;      /* don't let the backend keep the pages mapped: it copies instead */
	bool untrusted;          /* as if the toolstack said trusted=0 */
	const char *dialect;     /* how the backend counts sectors if they aren't of 512 bytes: "xen",
				    "freebsd", "qemu", "windows", "mini-os"; NULL: the key
				    xensplit-dialect, or qemu for a qdisk, else xen */
};

struct xsp_disk_info {
	uint64_t size_bytes;
	uint32_t sector_bytes;   /* offsets, lengths and addresses in the pool are multiples of it */
	uint32_t physical_bytes; /* what is efficient; a hint */
	uint32_t max_bytes;      /* of one xsp_disk_submit: 44 KiB, more with indirect requests, up to 1 MiB */
	uint32_t piece_bytes;    /* of one on your own memory, at most: several fit into the pool together */
	uint32_t discard_bytes;  /* what is discarded in units; 0: no discard */
	uint32_t slots;          /* requests under way at most, in all queues */
	uint32_t queues;
	uint32_t pool_pages;     /* got, out of those wanted */
	uint32_t devid;          /* 51712 */
	uint32_t backend_domid;
	bool read_only;
	bool can_flush;
	bool can_barrier; /* with one queue only: a barrier orders what is in its ring */
	bool can_discard;
	bool backend_persistent; /* it keeps the pages mapped */
	bool cdrom, removable;
	bool trusted;        /* false: see `untrusted` */
	uint32_t resized;    /* times size_bytes changed while it was open */
	const char *dialect; /* as above; static */
};

struct xsp_disk_done {
	uint64_t cookie; /* of the xsp_disk_submit that is done */
	int status;      /* 0 or -errno */
};

/**
 * xsp_disk_devid - device id of a name
 * @name: "xvda", "xvda1", "xvdaa", "sdb", "d0p1", or the id itself, "51712"
 *
 * Returns the id, or -EINVAL. Source: xen-vbd-interface(7).
 */
int64_t xsp_disk_devid(const char *name);

/**
 * xsp_disk_open - connect a vbd of this domain
 * @name:    as for xsp_disk_devid
 * @options: may be NULL
 * @ret:     the disk; untouched on failure. Close it with xsp_disk_close.
 * @why:     XSP_DISK_WHY_BYTES for a sentence when it fails; may be NULL
 *
 * Waits for the backend. Returns 0, or -EINVAL (name, options), -ENODEV (no such device, or being
 * removed), -EBUSY (another process of this domain has it open), -ENXIO (store, event channels or
 * grants can't be opened), -ETIMEDOUT (no backend answers), -ENOSPC (no page left to grant), -EPROTO
 * (the backend talks nonsense), -ENOMEM.
 */
int xsp_disk_open(const char *name, const struct xsp_disk_options *options, struct xsp_disk **ret,
		  char *why);

/**
 * xsp_disk_close - end the connection, in order
 *
 * Waits for requests under way (their completions are dropped), then for the backend; frees the disk
 * in any case. Does not flush: call xsp_disk_flush before. NULL is fine. Returns 0, or -ETIMEDOUT
 * when the backend did not answer in time.
 */
int xsp_disk_close(struct xsp_disk *disk);

/**
 * xsp_disk_get_info - what the disk is. Never fails.
 *
 * The backend may change the size while the disk is open: the fd becomes readable, xsp_disk_process
 * takes note, `resized` counts. Requests beyond a new end fail. A removable disk without a medium has
 * size 0.
 */
void xsp_disk_get_info(const struct xsp_disk *disk, struct xsp_disk_info *ret);

/**
 * xsp_disk_error - 0 while the disk works, else why it doesn't any more
 * @why: if not NULL, a short sentence owned by the library
 *
 * -ENODEV: the backend closed the device or is gone. -EPROTO: it broke the protocol.
 */
int xsp_disk_error(const struct xsp_disk *disk, const char **why);

/**
 * xsp_disk_eject - ask for the medium of a removable disk to be taken out
 *
 * Waits until the size is 0, as long as for the backend in open. Returns 0, -EINVAL (not removable),
 * -ETIMEDOUT (nobody did it: a toolstack may have to be asked), -EBUSY (requests are under way), or
 * xsp_disk_error(). Source: libxl_evenable_disk_eject: `eject` = "eject" in the frontend's directory.
 */
int xsp_disk_eject(struct xsp_disk *disk);

/* --- plain calls ------------------------------------------------------------------------------- */

/**
 * xsp_disk_read, xsp_disk_write - any length, split and kept under way together
 *
 * @bytes and @offset are multiples of the sector size. Returns 0 or the first error: -EINVAL (out of
 * range or unaligned), -EROFS, -EIO, -ENODEV, -EPROTO, -EBUSY (submitted requests are under way).
 */
int xsp_disk_read(struct xsp_disk *disk, void *buf, size_t bytes, uint64_t offset);
int xsp_disk_write(struct xsp_disk *disk, const void *buf, size_t bytes, uint64_t offset);

/** xsp_disk_flush - what was written is on the medium; -EOPNOTSUPP when the backend has no flush */
int xsp_disk_flush(struct xsp_disk *disk);

/**
 * xsp_disk_discard - this range is not needed any more: one request, then waits
 *
 * What it reads as afterwards is the backend's choice; this kit's reads zeros where whole units of
 * discard_bytes lie in the range. -EOPNOTSUPP when the backend has no discard, else as write.
 */
int xsp_disk_discard(struct xsp_disk *disk, uint64_t offset, uint64_t bytes);

/* --- by completion ----------------------------------------------------------------------------- */

/**
 * xsp_disk_buffer - memory that needs no copy
 * @bytes: rounded up to whole pages
 *
 * Page-aligned, in the pool; given back by xsp_disk_close only. NULL: the pool has no room left (at
 * least eleven pages stay for requests on other memory). With a backend that isn't trusted it is
 * memory of your own, which is copied.
 */
void *xsp_disk_buffer(struct xsp_disk *disk, size_t bytes);

/**
 * xsp_disk_submit - start one request; xsp_disk_push makes the backend look
 * @buf:    must stay until the completion, unless the request is a write on memory outside the pool
 *          (which is copied here). FLUSH, DISCARD: NULL
 * @bytes:  1..max_bytes, on memory outside the pool 1..piece_bytes, a multiple of the sector size;
 *          FLUSH: 0; BARRIER: 0..44 KiB; DISCARD: as much as the disk has
 * @cookie: comes back with the completion
 *
 * Returns 0, -EBUSY (everything is under way: process completions first), -EINVAL, -EROFS,
 * -EOPNOTSUPP (flush, barrier, discard), or xsp_disk_error().
 */
int xsp_disk_submit(struct xsp_disk *disk, enum xsp_disk_op op, void *buf, size_t bytes,
		    uint64_t offset, uint64_t cookie);

/** xsp_disk_push - hand everything submitted to the backend, with at most one event */
void xsp_disk_push(struct xsp_disk *disk);

/**
 * xsp_disk_fd - readable when xsp_disk_process has something to do; wait with poll or epoll
 *
 * Also fires once a second while requests are under way, in case an event was lost.
 */
int xsp_disk_fd(const struct xsp_disk *disk);

/**
 * xsp_disk_process - take completions; never waits for the disk
 * @done: room for @max
 *
 * Call it until it returns less than @max, then wait on the fd. Returns how many were taken; when
 * the disk fails, the requests under way come back with their error and later submits fail.
 */
unsigned int xsp_disk_process(struct xsp_disk *disk, struct xsp_disk_done *done, unsigned int max);

/**
 * xsp_disk_poll - take completions that are there; asks for no event, looks at nothing else
 * @done: room for @max
 *
 * For a caller that spins instead of waiting: the backend, not asked, then sends no events. Call
 * xsp_disk_process every few milliseconds all the same, and before waiting on the fd. Returns how many.
 */
unsigned int xsp_disk_poll(struct xsp_disk *disk, struct xsp_disk_done *done, unsigned int max);

/** xsp_disk_in_flight - requests submitted and not yet taken by xsp_disk_process */
unsigned int xsp_disk_in_flight(const struct xsp_disk *disk);

#ifdef __cplusplus
}
#endif

#endif
