/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Plain calls: a long transfer as many requests under way together. */
#include "frontend/user/disk.h"

/* Takes completions until none is under way, or, with all = false, until one came. */
static int collect(struct xsp_disk *d, bool all)
{
	int error = 0;

	for (;;) {
		struct xsp_disk_done done[32];
		unsigned int n = xsp_disk_process(d, done, 32);

		for (unsigned int i = 0; i < n; i++)
			if (done[i].status && !error)
				error = done[i].status;
		if (!xsp_disk_in_flight(d) || (n && !all))
			return error;
		if (!n)
			xsp_disk_wait(d, -1);
	}
}

static int transfer(struct xsp_disk *d, enum xsp_disk_op op, uint8_t *buf, size_t bytes, uint64_t offset)
{
	int error = 0, late;

	if (xsp_disk_in_flight(d))
		return -EBUSY;
	for (size_t at = 0; !error && (at < bytes || (op == XSP_DISK_FLUSH && !at));) {
		size_t some = bytes - at, piece = xsp_io_piece_bytes(d);

		if (some > piece && op != XSP_DISK_DISCARD)
			some = piece;
		error = xsp_disk_submit(d, op, buf ? buf + at : NULL, some, offset + at, 0);
		if (!error) {
			at += op == XSP_DISK_FLUSH ? 1 : some;
		} else if (error == -EBUSY) {
			xsp_disk_push(d);
			if (!xsp_disk_in_flight(d)) /* the backend starts over: nothing to collect yet */
				xsp_disk_wait(d, 1000);
			error = collect(d, false);
		}
	}
	xsp_disk_push(d);
	late = collect(d, true);
	return error ? error : late;
}

int xsp_disk_read(struct xsp_disk *d, void *buf, size_t bytes, uint64_t offset)
{
	return transfer(d, XSP_DISK_READ, buf, bytes, offset);
}

int xsp_disk_write(struct xsp_disk *d, const void *buf, size_t bytes, uint64_t offset)
{
	/* the buffer of a write is only read; the type is that of xsp_disk_submit */
	return transfer(d, XSP_DISK_WRITE, (uint8_t *)(uintptr_t)buf, bytes, offset);
}

int xsp_disk_flush(struct xsp_disk *d)
{
	return transfer(d, XSP_DISK_FLUSH, NULL, 0, 0);
}

int xsp_disk_discard(struct xsp_disk *d, uint64_t offset, uint64_t bytes)
{
	return bytes ? transfer(d, XSP_DISK_DISCARD, NULL, bytes, offset) : 0;
}

int xsp_disk_eject(struct xsp_disk *d)
{
	uint64_t by = xsp_disk_now_ms() + d->timeout_ms, now;
	struct xsp_disk_done none;
	int error;

	if (!d->disk.removable && !d->disk.cdrom)
		return -EINVAL;
	if (xsp_disk_in_flight(d))
		return -EBUSY;
	error = xsp_keys_eject(d, true);
	while (!error && !d->error && d->disk.sectors && (now = xsp_disk_now_ms()) < by) {
		xsp_disk_wait(d, by - now < 1000 ? (int)(by - now) : 1000);
		xsp_disk_process(d, &none, 1);
	}
	xsp_keys_eject(d, false);
	if (error || d->error)
		return error ? error : d->error;
	return d->disk.sectors ? -ETIMEDOUT : 0;
}
