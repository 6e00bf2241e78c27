/* SPDX-License-Identifier: MIT */
/*
 * log,file=PATH:SPEC writes a line for each request that goes through it: when it came, what it was,
 * how long the target took and with what result.
 *
 * Requests of all workers leave a record in a ring without a lock; a thread of the log's own makes
 * lines of them and writes. When the disk that the log is on can't keep up, the ring is full and
 * records are dropped: the guest never waits for its log. A line says how many were dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/target/target.h"
#include "common/log.h"

#define RECORDS 8192u /* power of two */
#define LEAVE   (1ull << 32) /* in the eventfd: more than wakes can add up to */

/*
 * A cell of the ring. turn says whose it is: at its index (plus a multiple of RECORDS) a worker may
 * fill it, one beyond that the thread may read it.
 */
struct record {
	uint64_t turn; /* atomic */
	uint64_t begun_ns, offset, bytes;
	uint32_t took_ns_8; /* latency in units of 8 ns, 34 s at most */
	int16_t err;
	uint8_t op;
};

struct log_target {
	struct xsp_target t;
	struct xsp_target *next;
	char path[256];
	FILE *f;
	int64_t to_wall_ns; /* from CLOCK_MONOTONIC to the calendar */
	int fd;             /* eventfd: wakes the thread */
	/* atomic */
	uint64_t put, dropped;
	bool sleeps;
	/* the thread's */
	uint64_t taken, told_dropped;
	bool write_failed;
	struct record ring[RECORDS];
};

/* --- workers -------------------------------------------------------------------------------------- */

static void wake(struct log_target *l)
{
	uint64_t one = 1;
	ssize_t n;

	/*
	 * In one order with put's store of turn before it, and with log_main's store of `sleeps` and look at
	 * turn after that: one of the two sees the other's.
	 */
	if (!__atomic_load_n(&l->sleeps, __ATOMIC_SEQ_CST) ||
	    !__atomic_exchange_n(&l->sleeps, false, __ATOMIC_SEQ_CST))
		return;
	n = write(l->fd, &one, sizeof(one));
	(void)n;
}

static void put(struct log_target *l, const struct record *r)
{
	uint64_t at = __atomic_load_n(&l->put, __ATOMIC_RELAXED);
	struct record *cell;

	for (;;) {
		uint64_t turn;

		cell = &l->ring[at % RECORDS];
		turn = __atomic_load_n(&cell->turn, __ATOMIC_ACQUIRE); /* release: take */
		if (turn == at) {
			if (__atomic_compare_exchange_n(&l->put, &at, at + 1, true, __ATOMIC_RELAXED,
							__ATOMIC_RELAXED))
				break;
		} else if (turn < at) { /* full */
			__atomic_add_fetch(&l->dropped, 1, __ATOMIC_RELAXED);
			return;
		} else {
			at = __atomic_load_n(&l->put, __ATOMIC_RELAXED);
		}
	}
	cell->begun_ns = r->begun_ns;
	cell->offset = r->offset;
	cell->bytes = r->bytes;
	cell->took_ns_8 = r->took_ns_8;
	cell->err = r->err;
	cell->op = r->op;
	__atomic_store_n(&cell->turn, at + 1, __ATOMIC_SEQ_CST); /* acquire: take; and see wake */
	wake(l);
}

static void logged(struct xsp_io *io, int err)
{
	struct log_target *l = io->log.by;
	uint64_t took = (xsp_now_ns() - io->log.begun_ns) / 8;
	struct record r = {
		.begun_ns = io->log.begun_ns,
		.offset = io->log.offset,
		.bytes = io->log.bytes,
		.took_ns_8 = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX,
		.err = (int16_t)-err,
		.op = io->log.op,
	};

	put(l, &r);
	io->done = io->log.done;
	xsp_io_done(io, err);
}

static void log_submit(struct xsp_target *t, struct xsp_io *io)
{
	struct log_target *l = (struct log_target *)t;

	io->log.by = l;
	io->log.done = io->done;
	io->log.begun_ns = xsp_now_ns();
	io->log.offset = io->offset;
	io->log.bytes = io->len;
	io->log.op = io->op;
	io->done = logged;
	xsp_target_submit(l->next, io);
}

/* --- the thread ----------------------------------------------------------------------------------- */

static void line(struct log_target *l, const struct record *r)
{
	static const char *const ops[] = { "read", "write", "flush", "discard" };
	uint64_t wall = r->begun_ns + (uint64_t)l->to_wall_ns;
	time_t s = (time_t)(wall / 1000000000);
	struct tm tm;
	char when[32];

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));
	fprintf(l->f, "%s.%06uZ %s %llu %llu %.1f %s\n", when, (unsigned int)(wall % 1000000000 / 1000),
		r->op < 4 ? ops[r->op] : "?", (unsigned long long)r->offset,
		(unsigned long long)r->bytes, (double)r->took_ns_8 * 8 / 1000,
		r->err ? strerrorname_np(r->err) ? strerrorname_np(r->err) : "error" : "ok");
}

static bool take(struct log_target *l)
{
	struct record *cell = &l->ring[l->taken % RECORDS];

	if (__atomic_load_n(&cell->turn, __ATOMIC_ACQUIRE) != l->taken + 1) /* release: put */
		return false;
	line(l, cell);
	__atomic_store_n(&cell->turn, l->taken + RECORDS, __ATOMIC_RELEASE); /* acquire: put */
	l->taken++;
	return true;
}

/* Everything that is there goes to the file. */
static void drain(struct log_target *l)
{
	uint64_t dropped;

	while (take(l))
		;
	dropped = __atomic_load_n(&l->dropped, __ATOMIC_RELAXED);
	if (dropped != l->told_dropped)
		fprintf(l->f, "# %llu requests are not in this log: it could not be written in time\n",
			(unsigned long long)(dropped - l->told_dropped));
	l->told_dropped = dropped;
	if (fflush(l->f) && !l->write_failed)
		xsp_warn(NULL, "log: can't write %s: %s", l->path, strerror(errno));
	l->write_failed = ferror(l->f) != 0;
	clearerr(l->f);
}

static void *log_main(void *arg)
{
	struct log_target *l = arg;
	uint64_t count = 0;

	while (count < LEAVE) {
		drain(l);
		__atomic_store_n(&l->sleeps, true, __ATOMIC_SEQ_CST); /* see wake */
		if (__atomic_load_n(&l->ring[l->taken % RECORDS].turn, __ATOMIC_SEQ_CST) == l->taken + 1)
			continue;
		if (read(l->fd, &count, sizeof(count)) != sizeof(count))
			count = 0;
	}
	drain(l);
	close(l->fd);
	fclose(l->f);
	free(l);
	xsp_target_closed();
	return NULL;
}

/* --- open and close ------------------------------------------------------------------------------- */

static int begin(struct log_target *l, char *why, size_t why_len)
{
	struct timespec wall;
	pthread_attr_t attr;
	pthread_t thread;
	int fd, err;

	fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	l->f = fd < 0 ? NULL : fdopen(fd, "ae");
	if (!l->f) {
		err = -errno;
		snprintf(why, why_len, "log: can't write %s: %s", l->path, strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	fprintf(l->f, "# time operation offset bytes microseconds result\n");
	clock_gettime(CLOCK_REALTIME, &wall);
	l->to_wall_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec - (int64_t)xsp_now_ns();
	for (uint64_t i = 0; i < RECORDS; i++)
		l->ring[i].turn = i;
	l->fd = eventfd(0, EFD_CLOEXEC);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = l->fd < 0 ? -errno : -pthread_create(&thread, &attr, log_main, l);
	pthread_attr_destroy(&attr);
	if (err) {
		snprintf(why, why_len, "log: can't start its thread: %s", strerror(-err));
		if (l->fd >= 0)
			close(l->fd);
		fclose(l->f);
	}
	return err;
}

static int log_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
		    struct xsp_target **ret, char *why, size_t why_len)
{
	struct log_target *l;
	int err;

	err = xsp_target_check_opts("log", opts, "file", why, why_len);
	if (err)
		return err;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	if (!xsp_target_opt(opts, "file", l->path, sizeof(l->path)) || *l->path != '/') {
		snprintf(why, why_len,
			 "log: say where to, with an absolute path: log,file=/var/log/a.log:file:/a.img");
		free(l);
		return -EINVAL;
	}
	err = xsp_target_open(rest, wish, &l->next, why, why_len);
	if (!err && l->next->logged) {
		snprintf(why, why_len, "log: its target is logged already");
		err = -EINVAL;
	}
	if (!err)
		err = begin(l, why, why_len);
	if (err) {
		xsp_target_close(l->next);
		free(l);
		return err;
	}
	l->t = *l->next;
	l->t.ops = &xsp_target_log;
	l->t.inner = l->next;
	l->t.logged = true;
	*ret = &l->t;
	return 0;
}

static void log_close(struct xsp_target *t)
{
	struct log_target *l = (struct log_target *)t;
	uint64_t leave = LEAVE;
	ssize_t n;

	xsp_target_close(l->next);
	xsp_target_closing(); /* the thread writes what is left and goes: a disk that hangs holds up nobody */
	n = write(l->fd, &leave, sizeof(leave)); /* the last that we touch of it */
	(void)n;
}

const struct xsp_target_ops xsp_target_log = {
	.name = "log",
	.usage = "log,file=PATH:TARGET",
	.open = log_open,
	.close = log_close,
	.submit = log_submit,
};
