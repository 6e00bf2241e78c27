/* SPDX-License-Identifier: MIT */
/*
 * sectors,size=N:SPEC offers another sector size than the target has, whatever that is. 512e:SPEC is
 * sectors,size=512:SPEC: over a target whose sectors are larger (4Kn), for guests that know no others:
 * they don't boot, or count such sectors in a way of their own (ring/dialect.h).
 *
 * Larger sectors than the target's are no work: requests come aligned to them. Smaller ones are.
 * Reads of parts of a block, and data whose pieces of memory aren't aligned, go through a buffer.
 * Writes of parts are made whole: read, modify, write. Two such writes to one block, or one beside any
 * other write to it, must not overlap in time, or the later would bring back what it read before the
 * earlier: each write holds its range of blocks, and one that finds it held waits in line.
 *
 * A target is shared by workers, so ranges are kept under a lock: this wrapper's data path has one.
 * Everything is allocated at open; a request that finds nothing free waits.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/target/target.h"

#define JOBS        128u /* requests that hold a range or a buffer */
#define BUFFERS     16u
#define CHUNK       65536u /* a buffer: longer requests go in pieces */

/* A request that needs more than to be passed on. */
struct job {
	struct xsp_io io; /* what the target below sees */
	struct sectors_target *e;
	struct xsp_io *parent;
	uint64_t begin, end; /* bytes, whole blocks */
	bool write;
	bool plain;   /* aligned: passed on as it is */
	bool reading; /* the chunk comes from below */
	uint8_t *buffer;
	uint64_t at;      /* where the chunk begins, a whole block */
	uint32_t chunk;   /* its bytes */
	struct iovec iov; /* over the buffer */
	/* how far the parent's memory is used */
	uint16_t piece;
	size_t piece_at;
	struct xsp_mail mail; /* to its worker: go on */
	TAILQ_ENTRY(job) link;
};
TAILQ_HEAD(job_list, job);

struct sectors_target {
	struct xsp_target t;
	struct xsp_target *next;
	uint32_t block; /* its sector size, or ours if that is larger */
	pthread_mutex_t lock; /* guards what follows */
	struct job_list free, held, waiting; /* waiting: in order of arrival */
	struct xsp_io *line, **line_end;     /* before them: no job was free */
	uint8_t *free_buffer;                /* linked by their first bytes */
	struct job jobs[JOBS];
	uint8_t *buffers;
};

static void go(struct job *j);

/* --- ranges and buffers; the lock is held -------------------------------------------------------- */

static bool overlap(const struct job *a, const struct job *b)
{
	return a->write && b->write && a->begin < b->end && b->begin < a->end;
}

/* May it go, as far as those before it in the list are concerned? `until` itself not counted. */
static bool clear_of(const struct job_list *list, const struct job *j, const struct job *until)
{
	const struct job *other;

	TAILQ_FOREACH(other, list, link) {
		if (other == until)
			return true;
		if (overlap(other, j))
			return false;
	}
	return true;
}

static uint8_t *get_buffer(struct sectors_target *e)
{
	uint8_t *b = e->free_buffer;

	if (b)
		memcpy(&e->free_buffer, b, sizeof(e->free_buffer));
	return b;
}

static void put_buffer(struct sectors_target *e, uint8_t *b)
{
	memcpy(b, &e->free_buffer, sizeof(e->free_buffer));
	e->free_buffer = b;
}

/* Holds its range and its buffer, or not. */
static bool hold(struct sectors_target *e, struct job *j)
{
	if (!clear_of(&e->held, j, NULL) || !clear_of(&e->waiting, j, j))
		return false;
	if (!j->plain) {
		j->buffer = get_buffer(e);
		if (!j->buffer)
			return false;
	}
	return true;
}

static void settle(struct job *j)
{
	struct sectors_target *e = j->e;
	uint64_t end = j->parent->offset + j->parent->len;

	j->begin = j->parent->offset & ~(uint64_t)(e->block - 1);
	j->end = (end + e->block - 1) & ~(uint64_t)(e->block - 1);
	j->write = j->parent->op == XSP_IO_WRITE;
	j->plain = j->begin == j->parent->offset && j->end == end;
	for (unsigned int i = 0; i < j->parent->niov; i++) /* O_DIRECT asks this of each piece */
		if ((j->parent->iov[i].iov_len | (uintptr_t)j->parent->iov[i].iov_base) & (e->block - 1))
			j->plain = false;
	j->buffer = NULL;
	j->at = j->begin;
	j->piece = 0;
	j->piece_at = 0;
}

static struct job *get_job(struct sectors_target *e, struct xsp_io *parent)
{
	struct job *j = TAILQ_FIRST(&e->free);

	if (!j)
		return NULL;
	TAILQ_REMOVE(&e->free, j, link);
	j->parent = parent;
	settle(j);
	return j;
}

static void go_by_mail(struct xsp_mail *mail, void *owner)
{
	struct job *j = (struct job *)((char *)mail - offsetof(struct job, mail));

	(void)owner;
	go(j);
}

/* Those in line get jobs, those that wait go on if they can: each on its own worker. */
static void let_others_go(struct sectors_target *e)
{
	struct job *j, *after;

	while (e->line && (j = get_job(e, e->line))) {
		e->line = e->line->next;
		if (!e->line)
			e->line_end = &e->line;
		TAILQ_INSERT_TAIL(&e->waiting, j, link);
	}
	for (j = TAILQ_FIRST(&e->waiting); j; j = after) {
		after = TAILQ_NEXT(j, link);
		if (!hold(e, j))
			continue;
		TAILQ_REMOVE(&e->waiting, j, link);
		TAILQ_INSERT_TAIL(&e->held, j, link);
		j->mail.fn = go_by_mail;
		xsp_mailbox_post(&j->parent->worker->box, &j->mail);
	}
}

/* --- one request, on its worker; no lock ----------------------------------------------------------- */

static void end(struct job *j, int err)
{
	struct sectors_target *e = j->e;
	struct xsp_io *parent = j->parent;

	pthread_mutex_lock(&e->lock);
	TAILQ_REMOVE(&e->held, j, link);
	if (j->buffer)
		put_buffer(e, j->buffer);
	TAILQ_INSERT_HEAD(&e->free, j, link);
	let_others_go(e);
	pthread_mutex_unlock(&e->lock);
	xsp_io_done(parent, err);
}

/* Between the chunk's part of the request and the parent's memory. */
static void copy(struct job *j, bool in)
{
	const struct xsp_io *p = j->parent;
	uint64_t from = j->at > p->offset ? j->at : p->offset, until = j->at + j->chunk;
	uint8_t *b = j->buffer + (from - j->at);
	size_t left;

	if (until > p->offset + p->len)
		until = p->offset + p->len;
	for (left = until - from; left;) {
		const struct iovec *v = &p->iov[j->piece];
		size_t n = v->iov_len - j->piece_at;
		uint8_t *m = (uint8_t *)v->iov_base + j->piece_at;

		if (n > left)
			n = left;
		if (in)
			memcpy(b, m, n);
		else
			memcpy(m, b, n);
		b += n;
		left -= n;
		j->piece_at += n;
		if (j->piece_at == v->iov_len) {
			j->piece++;
			j->piece_at = 0;
		}
	}
}

/* Does this chunk hold bytes that the request doesn't write? */
static bool partial(const struct job *j)
{
	return j->at < j->parent->offset || j->at + j->chunk > j->parent->offset + j->parent->len;
}

static void pass_chunk(struct job *j, enum xsp_io_op op)
{
	j->iov = (struct iovec){ j->buffer, j->chunk };
	j->io.iov = &j->iov;
	j->io.niov = 1;
	j->io.offset = j->at;
	j->io.len = j->chunk;
	j->io.op = (uint8_t)op;
	xsp_target_submit(j->e->next, &j->io);
}

static void chunk(struct job *j)
{
	uint64_t left = j->end - j->at;

	j->chunk = left < CHUNK ? (uint32_t)left : CHUNK;
	j->reading = !j->write || partial(j);
	if (j->reading) {
		pass_chunk(j, XSP_IO_READ);
	} else {
		copy(j, true);
		pass_chunk(j, XSP_IO_WRITE);
	}
}

static void passed(struct xsp_io *io, int err)
{
	struct job *j = io->queue;

	if (err || j->plain) {
		end(j, err);
		return;
	}
	if (j->reading && j->write) { /* modify */
		j->reading = false;
		copy(j, true);
		pass_chunk(j, XSP_IO_WRITE);
		return;
	}
	if (j->reading)
		copy(j, false);
	j->at += j->chunk;
	if (j->at == j->end)
		end(j, 0);
	else
		chunk(j);
}

static void go(struct job *j)
{
	const struct xsp_io *p = j->parent;

	j->io.worker = p->worker;
	j->io.queue = j;
	j->io.done = passed;
	if (!j->plain) {
		chunk(j);
		return;
	}
	j->io.iov = p->iov;
	j->io.niov = p->niov;
	j->io.bounce = p->bounce;
	j->io.offset = p->offset;
	j->io.len = p->len;
	j->io.op = p->op;
	xsp_target_submit(j->e->next, &j->io);
}

/* Whole blocks only: a discard is a hint. False when none is left. */
static bool shrink_discard(struct sectors_target *e, struct xsp_io *io)
{
	uint64_t begin = (io->offset + e->block - 1) & ~(uint64_t)(e->block - 1);
	uint64_t end = (io->offset + io->len) & ~(uint64_t)(e->block - 1);

	if (begin >= end)
		return false;
	io->offset = begin;
	io->len = end - begin;
	return true;
}

/* Where sectors are large, all that we are given is aligned to them, as a 4Kn disk with O_DIRECT asks. */
static void check_pieces(const struct sectors_target *e, const struct xsp_io *io)
{
	(void)e;
	assert(!((io->offset | io->len) & (e->block - 1)));
	for (unsigned int i = 0; i < io->niov && io->op != XSP_IO_FLUSH; i++)
		assert(!(io->iov[i].iov_len & (e->block - 1)));
}

static void sectors_submit(struct xsp_target *t, struct xsp_io *io)
{
	struct sectors_target *e = (struct sectors_target *)t;
	struct job *j;
	bool held = false;

	if (t->sector_size == e->block) {
		check_pieces(e, io);
		xsp_target_submit(e->next, io);
		return;
	}
	if (io->op == XSP_IO_DISCARD && !shrink_discard(e, io)) {
		xsp_io_done(io, 0);
		return;
	}
	if (io->op == XSP_IO_DISCARD || io->op == XSP_IO_FLUSH) {
		xsp_target_submit(e->next, io);
		return;
	}
	pthread_mutex_lock(&e->lock);
	j = e->line ? NULL : get_job(e, io);
	if (!j) {
		io->next = NULL;
		*e->line_end = io;
		e->line_end = &io->next;
	} else {
		held = hold(e, j);
		TAILQ_INSERT_TAIL(held ? &e->held : &e->waiting, j, link);
	}
	pthread_mutex_unlock(&e->lock);
	if (held)
		go(j);
}

/* --- open and close -------------------------------------------------------------------------------- */

static int make_room(struct sectors_target *e)
{
	size_t bytes = (size_t)BUFFERS * CHUNK;
	void *buffers;

	TAILQ_INIT(&e->free);
	TAILQ_INIT(&e->held);
	TAILQ_INIT(&e->waiting);
	e->line_end = &e->line;
	for (unsigned int i = 0; i < JOBS; i++) {
		e->jobs[i].e = e;
		TAILQ_INSERT_TAIL(&e->free, &e->jobs[i], link);
	}
	pthread_mutex_init(&e->lock, NULL);
	if (e->t.sector_size == e->block) /* nothing to emulate */
		return 0;
	buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffers == MAP_FAILED)
		return -ENOMEM;
	e->buffers = buffers;
	for (unsigned int i = 0; i < BUFFERS; i++)
		put_buffer(e, e->buffers + (size_t)i * CHUNK);
	return 0;
}

static void sectors_close(struct xsp_target *t)
{
	struct sectors_target *e = (struct sectors_target *)t;

	assert(TAILQ_EMPTY(&e->held) && TAILQ_EMPTY(&e->waiting) && !e->line);
	xsp_target_close(e->next);
	if (e->buffers)
		munmap(e->buffers, (size_t)BUFFERS * CHUNK);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static void offer(struct sectors_target *e, uint32_t size)
{
	e->t = *e->next;
	e->t.ops = &xsp_target_sectors;
	e->t.inner = e->next;
	e->block = size > e->t.sector_size ? size : e->t.sector_size;
	e->t.sector_size = size;
	if (e->t.physical_size < e->block)
		e->t.physical_size = e->block;
	if (e->t.discard_granularity < e->block)
		e->t.discard_granularity = e->block;
	e->t.size_bytes -= e->t.size_bytes % size;
}

static int open_with(uint32_t size, const char *rest, const struct xsp_target_wish *wish,
		     struct xsp_target **ret, char *why, size_t why_len)
{
	struct sectors_target *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	err = xsp_target_open(rest, wish, &e->next, why, why_len);
	if (err) {
		free(e);
		return err;
	}
	offer(e, size);
	err = make_room(e);
	if (!err && e->t.size_bytes < size) {
		snprintf(why, why_len, "%.80s is smaller than one sector of %u", rest, size);
		err = -EINVAL;
	}
	if (err) {
		sectors_close(&e->t);
		return err;
	}
	*ret = &e->t;
	return 0;
}

static int sectors_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
			struct xsp_target **ret, char *why, size_t why_len)
{
	unsigned long size;
	char v[32] = "", *tail;
	int err = xsp_target_check_opts("sectors", opts, "size", why, why_len);

	if (err)
		return err;
	xsp_target_opt(opts, "size", v, sizeof(v));
	size = strtoul(v, &tail, 10);
	if (*tail || size < XSP_SECTOR_SIZE || size > XSP_PAGE_SIZE || (size & (size - 1))) {
		snprintf(why, why_len, "sectors: give size=512, 1024, 2048 or 4096, as in "
			 "sectors,size=4096:file:/a.img");
		return -EINVAL;
	}
	return open_with((uint32_t)size, rest, wish, ret, why, why_len);
}

static int e512_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		     struct xsp_target **ret, char *why, size_t why_len)
{
	int err = xsp_target_check_opts("512e", opts, "", why, why_len);

	return err ? err : open_with(XSP_SECTOR_SIZE, rest, wish, ret, why, why_len);
}

const struct xsp_target_ops xsp_target_sectors = {
	.name = "sectors",
	.usage = "sectors,size=512|4096:TARGET",
	.open = sectors_open,
	.close = sectors_close,
	.submit = sectors_submit,
};

const struct xsp_target_ops xsp_target_e512 = {
	.name = "512e",
	.usage = "512e:TARGET",
	.open = e512_open,
	.close = sectors_close,
	.submit = sectors_submit,
};
