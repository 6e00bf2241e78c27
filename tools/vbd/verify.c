/* SPDX-License-Identifier: MIT */
/*
 * xensplit-vbd verify: load on a PV disk with every byte checked. Each block has a generation that
 * grows with every write; a read of a block that this run has written must bring back exactly that
 * generation. Buffers lie in granted memory, so the data is made and checked in place.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/hist.h"
#include "tools/vbd/vbd.h"

#define MAX_SHOWN 5 /* errors printed; the rest is counted */
#define FLUSH     UINT32_MAX

struct op {
	uint8_t *buf;
	uint64_t started_ns;
	uint32_t block; /* FLUSH: none */
	bool write;
};

struct tally {
	uint64_t reads, writes, flushes, verified_bytes;
	uint64_t errors, mismatches;
	uint64_t longest_ns; /* slowest request: how long a restart of the daemon took, seen from here */
};

struct run {
	struct xsp_disk *disk;
	const struct vbd_load *load;
	uint32_t blocks;
	uint32_t *generation; /* of each block; 0: not written by this run */
	uint8_t *busy;        /* blocks with a request under way */
	struct op *ops;       /* load->qd of them */
	unsigned int *idle;   /* stack of those not under way */
	unsigned int n_idle;
	uint64_t random;
	uint32_t next; /* block, of the sequential phases */
	unsigned int since_flush;
	bool can_flush;
	uint64_t end_ns; /* of the present phase */
	struct tally tally;
	struct xsp_hist latency;
	const char *phase;
	uint64_t began_ns, shown_ns, shown_ops;
};

static volatile sig_atomic_t interrupted; /* by SIGINT or SIGTERM: no more */
static volatile sig_atomic_t enough;      /* SIGUSR1: the load phase is over, what comes after it is not */

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		enough = 1;
	else
		interrupted = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t rnd(struct run *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return r->random * 2685821657736338717u;
}

static uint64_t offset_of(const struct run *r, uint32_t block)
{
	return r->load->offset + (uint64_t)block * r->load->bs;
}

/* --- errors ------------------------------------------------------------------------------------ */

static void complain(struct run *r, const char *what, uint32_t block, const char *why)
{
	if (r->tally.errors + r->tally.mismatches > MAX_SHOWN)
		return;
	if (block == FLUSH)
		fprintf(stderr, "xensplit-vbd: %s: %s: %s\n", r->load->dev, what, why);
	else
		fprintf(stderr, "xensplit-vbd: %s: %s of %u bytes at %" PRIu64 ": %s\n", r->load->dev, what,
			r->load->bs, offset_of(r, block), why);
}

/* --- one request ------------------------------------------------------------------------------- */

static void completed(struct run *r, const struct xsp_disk_done *done, uint64_t now)
{
	struct op *op = &r->ops[done->cookie];
	uint64_t took = now - op->started_ns;
	char what[VBD_WHAT_BYTES];

	xsp_hist_add(&r->latency, took);
	if (took > r->tally.longest_ns)
		r->tally.longest_ns = took;
	if (op->block == FLUSH)
		r->tally.flushes++;
	else if (op->write)
		r->tally.writes++;
	else
		r->tally.reads++;
	if (done->status) {
		r->tally.errors++;
		complain(r, op->block == FLUSH ? "flush" : op->write ? "write" : "read", op->block,
			 strerror(-done->status));
		if (op->write && op->block != FLUSH)
			r->generation[op->block] = 0; /* either content is right now */
	} else if (!op->write && r->generation[op->block]) {
		if (vbd_pattern_check(op->buf, r->load->bs, offset_of(r, op->block), r->load->seed,
				      r->generation[op->block], what)) {
			r->tally.verified_bytes += r->load->bs;
		} else {
			r->tally.mismatches++;
			complain(r, "wrong data, read", op->block, what);
		}
	}
	if (op->block != FLUSH)
		r->busy[op->block] = 0;
	r->idle[r->n_idle++] = (unsigned int)done->cookie;
}

/* Starts a request in a free op. Returns what xsp_disk_submit says. */
static int start(struct run *r, uint32_t block, bool write)
{
	unsigned int cookie = r->idle[r->n_idle - 1];
	struct op *op = &r->ops[cookie];
	enum xsp_disk_op what = write ? XSP_DISK_WRITE : XSP_DISK_READ;
	int error;

	op->block = block;
	op->write = write;
	op->started_ns = now_ns();
	if (block == FLUSH) {
		error = xsp_disk_submit(r->disk, r->load->barrier ? XSP_DISK_BARRIER : XSP_DISK_FLUSH, NULL,
					0, 0, cookie);
	} else {
		if (write)
			vbd_pattern_fill(op->buf, r->load->bs, offset_of(r, block), r->load->seed,
					 r->generation[block] + 1);
		error = xsp_disk_submit(r->disk, what, op->buf, r->load->bs, offset_of(r, block), cookie);
	}
	if (error)
		return error;
	r->n_idle--;
	if (block != FLUSH) {
		r->busy[block] = 1;
		if (write)
			r->generation[block]++;
	}
	return 0;
}

/* --- phases ------------------------------------------------------------------------------------ */

/* What to do next in a phase: false when it is over. */
typedef bool (*chooser)(struct run *r, uint32_t *block, bool *write);

static bool each_block(struct run *r, uint32_t *block)
{
	*block = r->next;
	return r->next < r->blocks;
}

static bool fill_all(struct run *r, uint32_t *block, bool *write)
{
	*write = true;
	return each_block(r, block);
}

static bool read_all(struct run *r, uint32_t *block, bool *write)
{
	*write = false;
	return each_block(r, block);
}

static bool around(struct run *r, uint32_t *block, bool *write)
{
	*write = r->load->mode == VBD_WRITE;
	if (r->next >= r->blocks)
		r->next = 0;
	*block = r->next;
	return !enough && now_ns() < r->end_ns;
}

static bool at_random(struct run *r, uint32_t *block, bool *write)
{
	unsigned int percent = r->load->mode == VBD_RANDREAD  ? 0 :
			       r->load->mode == VBD_RANDWRITE ? 100 :
								r->load->write_percent;

	*write = rnd(r) % 100 < percent;
	*block = (uint32_t)(rnd(r) % r->blocks);
	return !enough && now_ns() < r->end_ns;
}

static void progress(struct run *r, uint64_t now)
{
	uint64_t ops = r->tally.reads + r->tally.writes;
	double s = (double)(now - r->shown_ns) / 1e9;

	if (now - r->shown_ns < 500000000u || r->load->quiet || r->load->json || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%-10s %8.0f IOPS  %8.1f MB/s  %" PRIu64 " MiB verified\033[K", r->phase,
		(double)(ops - r->shown_ops) / s, (double)(ops - r->shown_ops) * r->load->bs / s / 1e6,
		r->tally.verified_bytes >> 20);
	r->shown_ns = now;
	r->shown_ops = ops;
}

/* Fills the queue. Returns 0, or the error that makes going on pointless. */
static int submit_some(struct run *r, chooser choose, bool *over)
{
	while (r->n_idle && !*over) {
		uint32_t block;
		bool write;
		int error;

		if (interrupted || !choose(r, &block, &write)) {
			*over = true;
			break;
		}
		if (r->busy[block]) { /* one request a block at a time: its content must be known */
			r->next++;
			break;
		}
		if (write && r->load->flush_every && r->can_flush &&
		    r->since_flush >= r->load->flush_every) {
			error = start(r, FLUSH, true);
			r->since_flush = 0;
		} else {
			error = start(r, block, write);
			if (!error) {
				r->next++;
				r->since_flush += write;
			}
		}
		if (error == -EBUSY)
			break;
		if (error)
			return error;
	}
	xsp_disk_push(r->disk);
	return 0;
}

static int phase(struct run *r, const char *name, chooser choose, double seconds)
{
	bool over = false;
	int error = 0;

	r->phase = name;
	r->next = 0;
	r->end_ns = now_ns() + (uint64_t)(seconds * 1e9);
	while (!error && (!over || xsp_disk_in_flight(r->disk))) {
		struct xsp_disk_done done[64];
		unsigned int n;
		uint64_t now;

		error = submit_some(r, choose, &over);
		n = xsp_disk_process(r->disk, done, 64);
		now = now_ns();
		for (unsigned int i = 0; i < n; i++)
			completed(r, &done[i], now);
		progress(r, now);
		if (!n && (xsp_disk_in_flight(r->disk) || !r->n_idle)) {
			struct pollfd p = { .fd = xsp_disk_fd(r->disk), .events = POLLIN };

			poll(&p, 1, 500);
		}
	}
	return error;
}

static int flush(struct run *r)
{
	int error = r->can_flush ? xsp_disk_flush(r->disk) : 0;

	if (error) {
		r->tally.errors++;
		complain(r, "flush", FLUSH, strerror(-error));
	} else {
		r->tally.flushes += r->can_flush;
	}
	return error;
}

static int all_phases(struct run *r)
{
	int error;

	switch (r->load->mode) {
	case VBD_VERIFY:
		error = phase(r, "fill", fill_all, 0);
		if (!error && !interrupted)
			error = phase(r, "mixed", at_random, r->load->seconds);
		if (!error)
			flush(r);
		if (!error && !interrupted)
			error = phase(r, "read back", read_all, 0);
		return error;
	case VBD_READ:
	case VBD_WRITE:
		error = phase(r, "sequential", around, r->load->seconds);
		break;
	default:
		error = phase(r, "random", at_random, r->load->seconds);
	}
	if (!error && r->tally.writes)
		flush(r);
	return error;
}

/* --- set-up and report ------------------------------------------------------------------------- */

static const char *const mode_names[] = { "verify", "read", "write", "randread", "randwrite", "randrw" };

static void report(const struct run *r, double s)
{
	const struct tally *t = &r->tally;
	const struct vbd_load *l = r->load;
	uint64_t ops = t->reads + t->writes, p50 = xsp_hist_quantile(&r->latency, 0.5),
		 p99 = xsp_hist_quantile(&r->latency, 0.99);

	if (l->json) {
		printf("{\"device\":\"%s\",\"mode\":\"%s\",\"bs\":%u,\"qd\":%u,\"region_bytes\":%" PRIu64
		       ",\"seconds\":%.3f,\"reads\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"flushes\":%" PRIu64
		       ",\"verified_bytes\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"mismatches\":%" PRIu64
		       ",\"iops\":%.1f,\"mb_per_s\":%.2f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"longest_ms\":%.1f"
		       ",\"interrupted\":%s}\n",
		       l->dev, mode_names[l->mode], l->bs, l->qd, (uint64_t)r->blocks * l->bs, s, t->reads,
		       t->writes, t->flushes, t->verified_bytes, t->errors, t->mismatches, (double)ops / s,
		       (double)ops * l->bs / s / 1e6, (double)p50 / 1e3, (double)p99 / 1e3,
		       (double)t->longest_ns / 1e6, interrupted ? "true" : "false");
		return;
	}
	printf("%s: %s, %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64 " flushes of %u bytes at depth %u "
	       "in %.1f s\n"
	       "%s: %.0f IOPS, %.1f MB/s; latency p50 %.0f us, p99 %.0f us, longest %.1f ms\n"
	       "%s: %.1f MiB read back and verified, %" PRIu64 " errors, %" PRIu64 " wrong%s\n",
	       l->dev, mode_names[l->mode], t->reads, t->writes, t->flushes, l->bs, l->qd, s, l->dev,
	       (double)ops / s, (double)ops * l->bs / s / 1e6, (double)p50 / 1e3, (double)p99 / 1e3,
	       (double)t->longest_ns / 1e6, l->dev, (double)t->verified_bytes / (1 << 20), t->errors,
	       t->mismatches, interrupted ? " (interrupted)" : "");
}

static int prepare(struct run *r)
{
	const struct vbd_load *l = r->load;
	struct xsp_disk_info info;
	uint64_t size;
	uint8_t *mem;

	xsp_disk_get_info(r->disk, &info);
	size = l->size ? l->size : l->offset < info.size_bytes ? info.size_bytes - l->offset : 0;
	if (l->offset > info.size_bytes || size > info.size_bytes - l->offset || size < l->bs ||
	    size / l->bs >= FLUSH) {
		fprintf(stderr, "xensplit-vbd: %s has %" PRIu64 " bytes; the region doesn't fit\n", l->dev,
			info.size_bytes);
		return VBD_USAGE;
	}
	if ((l->bs | l->offset) % info.sector_bytes || l->bs > info.max_bytes) {
		fprintf(stderr, "xensplit-vbd: --bs and --offset must be multiples of %u, --bs at most %u\n",
			info.sector_bytes, info.max_bytes);
		return VBD_USAGE;
	}
	if (info.read_only && l->mode != VBD_READ && l->mode != VBD_RANDREAD) {
		fprintf(stderr, "xensplit-vbd: %s is read-only; only --rw read and randread work\n", l->dev);
		return VBD_FAILED;
	}
	if (l->barrier && !info.can_barrier) {
		fprintf(stderr, "xensplit-vbd: %s has no barriers\n", l->dev);
		return VBD_FAILED;
	}
	r->can_flush = info.can_flush;
	r->blocks = (uint32_t)(size / l->bs);
	r->generation = calloc(r->blocks, sizeof(*r->generation));
	r->busy = calloc(r->blocks, 1);
	r->ops = calloc(l->qd, sizeof(*r->ops));
	r->idle = calloc(l->qd, sizeof(*r->idle));
	mem = xsp_disk_buffer(r->disk, (size_t)l->qd * l->bs);
	if (!r->generation || !r->busy || !r->ops || !r->idle || !mem) {
		fprintf(stderr, "xensplit-vbd: no memory for %u requests of %u bytes (a guest can grant 1024 "
				"pages)\n",
			l->qd, l->bs);
		return VBD_FAILED;
	}
	for (unsigned int i = 0; i < l->qd; i++) {
		r->ops[i].buf = mem + (size_t)i * l->bs;
		r->idle[r->n_idle++] = l->qd - 1 - i;
	}
	return VBD_OK;
}

int vbd_verify(struct xsp_disk *disk, const struct vbd_load *load)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct run *r = calloc(1, sizeof(*r));
	int code, error = 0;
	double seconds;

	if (!r)
		return VBD_FAILED;
	r->disk = disk;
	r->load = load;
	r->random = load->seed * 2 + 1;
	code = prepare(r);
	if (!code) {
		sigaction(SIGINT, &act, NULL);
		sigaction(SIGTERM, &act, NULL);
		sigaction(SIGUSR1, &act, NULL);
		r->began_ns = r->shown_ns = now_ns();
		error = all_phases(r);
		seconds = (double)(now_ns() - r->began_ns) / 1e9;
		if (isatty(STDERR_FILENO) && !load->json && !load->quiet)
			fprintf(stderr, "\r\033[K");
		report(r, seconds);
		if (error) {
			const char *why;

			fprintf(stderr, "xensplit-vbd: %s\n",
				xsp_disk_error(disk, &why) ? why : strerror(-error));
			code = vbd_exit_code(error);
		} else if (r->tally.errors || r->tally.mismatches || interrupted) {
			code = VBD_FAILED;
		}
	}
	free(r->generation);
	free(r->busy);
	free(r->ops);
	free(r->idle);
	free(r);
	return code;
}
