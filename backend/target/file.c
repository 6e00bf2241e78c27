/* SPDX-License-Identifier: MIT */
/*
 * file:PATH is a regular file or a block device, through the worker's io_uring; file,direct:PATH
 * goes past the page cache. FLUSH is fdatasync.
 *
 * The image is locked with flock on the very description that does the I/O: the lock goes away only
 * when the last request of a dead daemon has ended, so its successor cannot overtake it, and two
 * daemons cannot serve one image. (Readers share; NFS servers keep such locks themselves.)
 *
 * Direct I/O needs the pages behind an address. Those that a paravirtualized Dom0 has mapped from a
 * guest have no ordinary page table entries: the kernel finds each the slow way, for every request,
 * which costs more than copying the page. There data goes through the worker's registered buffers,
 * whose pages are known (`copy`, `nocopy`: whatever Dom0 is).
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "backend/target/aside.h"
#include "backend/target/image.h"
#include "backend/target/target.h"
#include "common/log.h"

struct file_target {
	struct xsp_target t;
	int fd;
	struct xsp_aside *discards; /* a block device's; else NULL */
	uint32_t discard_unit;      /* what its discard wants: whole logical blocks */
	bool copies;                /* direct I/O through registered buffers */
	uint32_t max_piece;         /* what its device takes at once, in whole pages; 0: not known */
	/*
	 * 0, or the first error of an fdatasync. The kernel reports a lost write-back once and then
	 * forgets it, so after one failure no flush of this description can be trusted again.
	 * Workers share a target: relaxed atomic.
	 */
	int flush_error;
};

/*
 * io->scratch while the request is here. [0] is how its data goes: FIXED + n is through registered
 * buffer n. Then it may go in several pieces: [1] of them are on their way, [2] is what those that
 * came back have done in all, or the error of one (int64_t).
 */
enum { IN_PLACE, FIXED };

/* Is this a paravirtualized domain? */
static bool is_pv(void)
{
	FILE *f = fopen("/sys/hypervisor/guest_type", "re");
	char type[8] = "";

	if (!f)
		return false;
	if (fscanf(f, "%7s", type) != 1)
		type[0] = 0;
	fclose(f);
	return !strcmp(type, "PV");
}

/* What O_DIRECT asks of offsets and lengths here: 512 .. 4096. */
static uint32_t direct_alignment(int fd)
{
	void *page;
	ssize_t n;

#ifdef STATX_DIOALIGN
	struct statx sx;

	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) && (sx.stx_mask & STATX_DIOALIGN) &&
	    sx.stx_dio_offset_align)
		return sx.stx_dio_offset_align < 512 ? 512 : sx.stx_dio_offset_align;
#endif
	page = aligned_alloc(4096, 4096);
	if (!page)
		return 4096;
	n = pread(fd, page, 512, 0);
	free(page);
	return n < 0 && errno == EINVAL ? 4096 : 512;
}

/* A number of a block device's directory in sysfs; of a partition's disk, where it has none itself. */
static uint32_t sysfs(dev_t dev, const char *name)
{
	static const char *const where[] = { "", "../" };
	unsigned int n = 0;

	for (unsigned int i = 0; i < 2; i++) {
		char path[96];
		FILE *f;
		bool found;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s%s", major(dev), minor(dev), where[i],
			 name);
		f = fopen(path, "re");
		if (!f)
			continue;
		found = fscanf(f, "%u", &n) == 1;
		fclose(f);
		if (found)
			break;
	}
	return n;
}

/* Where the device knows no discard, none is offered: it would only fail. */
static void discard_of(struct file_target *f, dev_t dev)
{
	f->t.discard_granularity = sysfs(dev, "queue/discard_granularity");
	f->t.discard_alignment = sysfs(dev, "discard_alignment");
	f->t.can_discard = f->t.can_discard && f->t.discard_granularity;
	if (f->t.discard_alignment % f->t.sector_size)
		f->t.discard_alignment = 0;
}

/*
 * A request that the block layer would have to split is refused while we can't wait, and goes to a
 * kernel thread that can: several times as dear as two requests.
 */
static uint32_t max_piece(const struct stat *st)
{
	dev_t dev = S_ISBLK(st->st_mode) ? st->st_rdev : st->st_dev;
	uint64_t most = (uint64_t)sysfs(dev, "queue/max_sectors_kb") << 10;
	uint64_t pages = sysfs(dev, "queue/max_segments");

	if (pages && pages * XSP_PAGE_SIZE < most)
		most = pages * XSP_PAGE_SIZE;
	most &= ~(uint64_t)(XSP_PAGE_SIZE - 1);
	return most < UINT32_MAX ? (uint32_t)most : 0;
}

static int geometry(struct file_target *f, const char *path, bool direct, char *why,
		    size_t why_len)
{
	unsigned int physical = 0;
	int logical = 0;
	struct stat st;

	f->t.sector_size = 512;
	f->t.physical_size = 512;
	if (fstat(f->fd, &st))
		return -errno;
	f->max_piece = max_piece(&st);
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(f->fd, BLKGETSIZE64, &f->t.size_bytes))
			return -errno;
		if (!ioctl(f->fd, BLKSSZGET, &logical) && direct)
			f->t.sector_size = (uint32_t)logical;
		if (!ioctl(f->fd, BLKPBSZGET, &physical))
			f->t.physical_size = physical;
		f->discard_unit = logical >= 512 ? (uint32_t)logical : 512;
		discard_of(f, st.st_rdev);
	} else if (S_ISREG(st.st_mode)) {
		f->t.size_bytes = (uint64_t)st.st_size;
		f->t.discard_granularity = (uint32_t)st.st_blksize; /* smaller holes are zeros written */
		f->t.physical_size = 4096;
		if (direct)
			f->t.sector_size = direct_alignment(f->fd);
	} else {
		snprintf(why, why_len, "%s is neither a file nor a block device", path);
		return -ENOTBLK;
	}
	if (f->t.discard_granularity < f->t.physical_size)
		f->t.discard_granularity = f->t.physical_size;
	if (f->t.physical_size < f->t.sector_size)
		f->t.physical_size = f->t.sector_size;
	if (f->t.size_bytes < f->t.sector_size) {
		snprintf(why, why_len, "%s is smaller than one sector: make it larger (truncate -s)",
			 path);
		return -EINVAL;
	}
	if (f->t.size_bytes % f->t.sector_size) {
		xsp_warn(NULL, "%s: its size is not a multiple of %u; the rest is not used", path,
			 f->t.sector_size);
		f->t.size_bytes -= f->t.size_bytes % f->t.sector_size;
	}
	return 0;
}

/*
 * BLKDISCARD and not a hole punched by io_uring, which on a block device means zeros and is refused by
 * those that can discard but don't promise zeros. On the thread beside the workers.
 */
static int discard_blocks(struct xsp_target *t, struct xsp_io *io)
{
	const struct file_target *f = (struct file_target *)t;
	uint64_t unit = f->discard_unit, begin = (io->offset + unit - 1) & ~(unit - 1);
	uint64_t range[2] = { begin, ((io->offset + io->len) & ~(unit - 1)) - begin };

	if (begin >= ((io->offset + io->len) & ~(unit - 1)))
		return 0; /* less than a block: a discard is a hint */
	return ioctl(f->fd, BLKDISCARD, range) ? -errno : 0;
}

static int lock(int fd, const char *path, bool readonly, char *why, size_t why_len)
{
	int err;

	if (!flock(fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return 0;
	err = -errno;
	snprintf(why, why_len, "%s is in use by another disk or daemon (flock)%s", path,
		 readonly ? "" : "; to share it, attach it read-only everywhere");
	return err == -EWOULDBLOCK ? -EAGAIN : err;
}

static int file_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		     struct xsp_target **ret, char *why, size_t why_len)
{
	struct file_target *f;
	char v[8], format[16];
	bool direct;
	int err;

	err = xsp_target_check_opts("file", opts, "direct,buffered,copy,nocopy,format,writethrough",
				    why, why_len);
	if (err)
		return err;
	if (xsp_target_opt(opts, "format", format, sizeof(format)) && strcmp(format, "raw"))
		return xsp_image_open(format, opts, rest, wish, ret, why, why_len);
	direct = wish->direct;
	if (xsp_target_opt(opts, "direct", v, sizeof(v)))
		direct = true;
	if (xsp_target_opt(opts, "buffered", v, sizeof(v)))
		direct = false;
	if (rest[0] != '/') {
		snprintf(why, why_len, "file:%.200s: give an absolute path", rest);
		return -EINVAL;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->t.ops = &xsp_target_file;
	f->t.readonly = wish->readonly;
	f->t.can_flush = true;
	f->t.can_discard = !wish->readonly;
	f->copies = direct && !xsp_target_opt(opts, "nocopy", v, sizeof(v)) &&
		    (xsp_target_opt(opts, "copy", v, sizeof(v)) || is_pv());
	f->t.copied_reads = !direct || f->copies;
	f->t.at_once = direct ? 0 : 8; /* mostly: what the page cache has; each time, a system call */
	f->fd = open(rest, (wish->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC |
			   (direct ? O_DIRECT : 0));
	if (f->fd < 0) {
		err = -errno;
		snprintf(why, why_len, "can't open %s: %s%s", rest, strerror(-err),
			 err == -EINVAL && direct ?
				 " (its file system has no O_DIRECT: use file,buffered:)" : "");
		goto fail;
	}
	/* The time of the last access is looked at for every read: a tenth of what one costs. Owners only. */
	fcntl(f->fd, F_SETFL, O_NOATIME | (direct ? O_DIRECT : 0));
	err = lock(f->fd, rest, wish->readonly, why, why_len);
	if (err)
		goto fail;
	err = geometry(f, rest, direct, why, why_len);
	if (err) {
		if (!*why)
			snprintf(why, why_len, "can't size %s: %s", rest, strerror(-err));
		goto fail;
	}
	if (f->discard_unit && f->t.can_discard) {
		err = xsp_aside_new(&f->t, discard_blocks, &f->discards);
		if (err)
			goto fail;
	}
	*ret = &f->t;
	return 0;
fail:
	if (f->fd >= 0)
		close(f->fd);
	free(f);
	return err;
}

static void file_close(struct xsp_target *t)
{
	struct file_target *f = (struct file_target *)t;

	xsp_aside_free(f->discards);
	close(f->fd);
	free(f);
}

static uint64_t file_size(struct xsp_target *t)
{
	const struct file_target *f = (struct file_target *)t;
	uint64_t bytes = 0;
	struct stat st;

	if (fstat(f->fd, &st))
		return t->size_bytes;
	if (S_ISREG(st.st_mode))
		return (uint64_t)st.st_size;
	return ioctl(f->fd, BLKGETSIZE64, &bytes) ? t->size_bytes : bytes;
}

static int file_truncate(struct xsp_target *t, uint64_t bytes)
{
	const struct file_target *f = (struct file_target *)t;

	if (t->readonly)
		return -EROFS;
	return ftruncate(f->fd, (off_t)bytes) ? -errno : 0; /* EINVAL: a block device */
}

static void file_queue(struct file_target *f, struct xsp_io *io);

/* Move the io past what was done. */
static void advance(struct xsp_io *io, uint32_t bytes)
{
	io->offset += bytes;
	io->len -= bytes;
	while (bytes) {
		uint32_t n = bytes < io->iov->iov_len ? bytes : (uint32_t)io->iov->iov_len;

		io->iov->iov_base = (uint8_t *)io->iov->iov_base + n;
		io->iov->iov_len -= n;
		bytes -= n;
		if (!io->iov->iov_len && bytes) {
			io->iov++;
			io->niov--;
		}
	}
}

/* The file ended inside a range that was valid when the request was checked: it was truncated. */
static void zero_rest(struct xsp_io *io)
{
	for (unsigned int i = 0; i < io->niov; i++)
		memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
	io->len = 0;
}

/* Pages mostly: the processor's own way is the best for them, and here the same everywhere. */
static void copy(void *to, const void *from, size_t n)
{
#ifdef __x86_64__
	size_t words = n / 8;

	__asm__ __volatile__("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	n %= 8;
#endif
	memcpy(to, from, n);
}

/*
 * Between the request's buffer and where its data belongs. What was not mapped lies in the buffer
 * already, and where it has to.
 */
static void copy_out(const struct xsp_io *io, uint32_t bytes)
{
	const uint8_t *at = io->bounce;

	for (unsigned int i = 0; bytes; i++) {
		uint32_t n = bytes < io->iov[i].iov_len ? bytes : (uint32_t)io->iov[i].iov_len;

		if (io->iov[i].iov_base != at)
			copy(io->iov[i].iov_base, at, n);
		at += n;
		bytes -= n;
	}
}

static void copy_in(const struct xsp_io *io)
{
	uint8_t *at = io->bounce;

	for (unsigned int i = 0; i < io->niov; at += io->iov[i++].iov_len)
		if (io->iov[i].iov_base != at)
			copy(at, io->iov[i].iov_base, io->iov[i].iov_len);
}

/* One of the pieces has come back: true for the last, with the result of all. */
static bool all_back(struct xsp_io *io, int *res)
{
	int64_t sum = (int64_t)io->scratch[2];

	sum = sum < 0 ? sum : *res < 0 ? *res : sum + *res;
	io->scratch[2] = (uint64_t)sum;
	*res = (int)sum;
	return --io->scratch[1] == 0;
}

static void file_completed(struct xsp_cb *cb, int res)
{
	struct xsp_io *io = (struct xsp_io *)cb;
	struct file_target *f = (struct file_target *)io->target;
	bool pieces = io->scratch[0] != IN_PLACE && f->max_piece && io->len > f->max_piece;

	if (io->scratch[0] != IN_PLACE && !all_back(io, &res))
		return;
	if (pieces && res >= 0 && (uint64_t)res < io->len) {
		io->scratch[0] = IN_PLACE; /* no telling which was short: again, as one */
		file_queue(f, io);
		return;
	}
	if (res == -EINTR || res == -EAGAIN) {
		file_queue(f, io);
		return;
	}
	if (io->op == XSP_IO_FLUSH) {
		if (res < 0)
			__atomic_store_n(&f->flush_error, res, __ATOMIC_RELAXED);
		xsp_io_done(io, res);
		return;
	}
	if (res < 0 || io->op == XSP_IO_DISCARD) {
		xsp_io_done(io, res);
		return;
	}
	if (io->scratch[0] != IN_PLACE && io->op == XSP_IO_READ && res > 0)
		copy_out(io, (uint32_t)res);
	io->scratch[0] = IN_PLACE; /* the rest, if there is one */
	if (res == 0 && io->op == XSP_IO_READ)
		zero_rest(io);
	else if (res == 0)
		res = -ENOSPC;
	else
		advance(io, (uint32_t)res);
	if (res >= 0 && io->len)
		file_queue(f, io);
	else
		xsp_io_done(io, res < 0 ? res : 0);
}

static void queue_fixed(struct file_target *f, struct xsp_io *io)
{
	int fixed = (int)io->scratch[0] - FIXED;
	uint64_t n = f->max_piece ? (io->len + f->max_piece - 1) / f->max_piece : 1;
	/* all alike, in whole pages */
	uint64_t piece = n == 1 ? io->len : ((io->len + n - 1) / n + XSP_PAGE_SIZE - 1) & -XSP_PAGE_SIZE;

	io->scratch[1] = io->scratch[2] = 0;
	for (uint64_t at = 0; at < io->len; at += piece) {
		struct io_uring_sqe *sqe = xsp_worker_sqe(io->worker, &io->cb);
		uint64_t left = io->len - at;
		unsigned int len = (unsigned int)(left < piece ? left : piece);

		if (io->op == XSP_IO_READ)
			io_uring_prep_read_fixed(sqe, f->fd, io->bounce + at, len, io->offset + at, fixed);
		else
			io_uring_prep_write_fixed(sqe, f->fd, io->bounce + at, len, io->offset + at, fixed);
		io->scratch[1]++;
	}
}

static void file_queue(struct file_target *f, struct xsp_io *io)
{
	struct io_uring_sqe *sqe;

	if (io->scratch[0] != IN_PLACE) {
		queue_fixed(f, io);
		return;
	}
	sqe = xsp_worker_sqe(io->worker, &io->cb);
	switch (io->op) {
	case XSP_IO_READ:
		if (io->niov == 1)
			io_uring_prep_read(sqe, f->fd, io->iov->iov_base, (unsigned int)io->len,
					   io->offset);
		else
			io_uring_prep_readv(sqe, f->fd, io->iov, io->niov, io->offset);
		break;
	case XSP_IO_WRITE:
		if (io->niov == 1)
			io_uring_prep_write(sqe, f->fd, io->iov->iov_base, (unsigned int)io->len,
					    io->offset);
		else
			io_uring_prep_writev(sqe, f->fd, io->iov, io->niov, io->offset);
		break;
	case XSP_IO_DISCARD: /* a file's: its blocks go back to the file system */
		io_uring_prep_fallocate(sqe, f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)io->offset, (off_t)io->len);
		break;
	default:
		io_uring_prep_fsync(sqe, f->fd, IORING_FSYNC_DATASYNC);
	}
}

/* How the data of a read or write goes; a write's is brought to where it goes from. */
static uint64_t way(const struct file_target *f, const struct xsp_io *io)
{
	int fixed;

	if (!f->copies || (io->op != XSP_IO_READ && io->op != XSP_IO_WRITE))
		return IN_PLACE;
	fixed = xsp_worker_fixed(io->worker, io);
	if (fixed < 0)
		return IN_PLACE;
	if (io->op == XSP_IO_WRITE)
		copy_in(io);
	return FIXED + (uint64_t)fixed;
}

static void file_submit(struct xsp_target *t, struct xsp_io *io)
{
	struct file_target *f = (struct file_target *)t;
	int err = __atomic_load_n(&f->flush_error, __ATOMIC_RELAXED);

	assert(io->op == XSP_IO_FLUSH || io->offset + io->len <= t->size_bytes);
	assert((io->op != XSP_IO_WRITE && io->op != XSP_IO_DISCARD) || !t->readonly);
	io->target = t;
	io->cb.fn = file_completed;
	io->scratch[0] = way(f, io);
	if (io->op == XSP_IO_FLUSH && err)
		xsp_io_done(io, err);
	else if (io->op == XSP_IO_DISCARD && f->discards)
		xsp_aside_do(f->discards, io);
	else
		file_queue(f, io);
}

const struct xsp_target_ops xsp_target_file = {
	.name = "file",
	.usage = "file[,direct|,buffered][,format=raw|qcow2|...]:PATH",
	.open = file_open,
	.close = file_close,
	.submit = file_submit,
	.size = file_size,
	.truncate = file_truncate,
};
