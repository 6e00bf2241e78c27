/* SPDX-License-Identifier: MIT */
/*
 * backend/target/sectors.c over a disk of large sectors that answers in any order: what is written to
 * parts of a block by many requests at once, of two workers, is all there at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/target/target.h"

#define BLOCK   4096u
#define BLOCKS  24u
#define BYTES   (BLOCK * BLOCKS)
#define SECTORS (BYTES / 512)
#define DEPTH   200u /* more than the wrapper has jobs */

/* --- the disk below ------------------------------------------------------------------------------ */

static uint8_t disk[BYTES];
static struct xsp_io *pending[1024];
static unsigned int n_pending, reads_below, writes_below;
static int fail_next;

static void disk_submit(struct xsp_target *t, struct xsp_io *io)
{
	assert_true(io->offset + io->len <= t->size_bytes);
	assert_int_equal((io->offset | io->len) % BLOCK, 0);
	for (unsigned int i = 0; i < io->niov && io->op <= XSP_IO_WRITE; i++)
		assert_int_equal(io->iov[i].iov_len % BLOCK, 0);
	pending[n_pending++] = io;
}

static void disk_close(struct xsp_target *t)
{
	(void)t;
	assert_int_equal(n_pending, 0);
}

static const struct xsp_target_ops disk_ops = { .name = "disk", .submit = disk_submit, .close = disk_close };
static struct xsp_target below;

/* In place of target.c's: whatever the spec, it is this disk. */
int xsp_target_open(const char *spec, const struct xsp_target_wish *wish, struct xsp_target **ret, char *why,
		    size_t why_len)
{
	(void)spec;
	(void)wish;
	(void)why;
	(void)why_len;
	below = (struct xsp_target){ .ops = &disk_ops, .size_bytes = BYTES, .sector_size = BLOCK,
				     .physical_size = BLOCK, .can_flush = true, .can_discard = true,
				     .discard_granularity = BLOCK };
	*ret = &below;
	return 0;
}

void xsp_target_close(struct xsp_target *t)
{
	t->ops->close(t);
}

bool xsp_target_opt(const char *opts, const char *name, char *buf, size_t len)
{
	if (strncmp(opts, name, strlen(name)))
		return false;
	snprintf(buf, len, "%s", opts + strlen(name) + 1);
	return true;
}

int xsp_target_check_opts(const char *scheme, const char *opts, const char *known, char *why, size_t why_len)
{
	(void)scheme;
	(void)opts;
	(void)known;
	(void)why;
	(void)why_len;
	return 0;
}

/* Does and answers one of what the disk has, at random. */
static void disk_step(void)
{
	unsigned int i = (unsigned int)rand() % n_pending;
	struct xsp_io *io = pending[i];
	uint64_t at = io->offset;
	int err = fail_next;

	pending[i] = pending[--n_pending];
	fail_next = 0;
	reads_below += io->op == XSP_IO_READ;
	writes_below += io->op == XSP_IO_WRITE;
	for (unsigned int k = 0; k < io->niov && !err && io->op <= XSP_IO_WRITE; k++) {
		if (io->op == XSP_IO_READ)
			memcpy(io->iov[k].iov_base, disk + at, io->iov[k].iov_len);
		else
			memcpy(disk + at, io->iov[k].iov_base, io->iov[k].iov_len);
		at += io->iov[k].iov_len;
	}
	xsp_io_done(io, err);
}

/* --- requests --------------------------------------------------------------------------------------- */

static struct xsp_worker workers[2];
static uint8_t model[BYTES];
static bool busy[SECTORS]; /* by a write that is under way: no other may touch it */

struct request {
	struct xsp_io io;
	struct iovec iov[8];
	uint8_t *data;
	uint64_t offset;
	uint32_t bytes;
	bool under_way;
};
static struct request requests[DEPTH];
static unsigned int under_way, failed;

static void done(struct xsp_io *io, int err)
{
	struct request *r = (struct request *)io;

	assert_true(r->under_way);
	r->under_way = false;
	under_way--;
	failed += err != 0;
	if (io->op == XSP_IO_READ && !err)
		for (uint32_t s = 0; s < r->bytes / 512; s++)
			if (!busy[r->offset / 512 + s]) /* nobody wrote it meanwhile, or the model has it */
				assert_true(!memcmp(r->data + s * 512, model + r->offset + s * 512, 512) ||
					    io->scratch[0]);
	if (io->op == XSP_IO_WRITE) {
		memset(busy + r->offset / 512, 0, r->bytes / 512);
		memcpy(model + r->offset, r->data, r->bytes);
	}
	free(r->data);
}

/* Memory in pieces of any number of sectors. */
static void make_iov(struct request *r)
{
	uint32_t at = 0;

	r->io.niov = 0;
	while (at < r->bytes) {
		uint32_t some = r->io.niov == 7 ? r->bytes - at : 512u * (1 + (uint32_t)rand() % 16);

		if (some > r->bytes - at)
			some = r->bytes - at;
		r->iov[r->io.niov++] = (struct iovec){ r->data + at, some };
		at += some;
	}
	r->io.iov = r->iov;
}

static bool submit(struct xsp_target *t, struct request *r, enum xsp_io_op op, uint64_t sector, uint32_t n)
{
	for (uint32_t s = 0; s < n && op == XSP_IO_WRITE; s++)
		if (busy[sector + s])
			return false;
	r->offset = sector * 512;
	r->bytes = n * 512;
	r->data = malloc(r->bytes);
	assert_non_null(r->data);
	memset(&r->io, 0, sizeof(r->io));
	for (uint32_t i = 0; i < r->bytes; i++)
		r->data[i] = (uint8_t)rand();
	/* a read that begins while one of its sectors is written may see either */
	for (uint32_t s = 0; s < n && op == XSP_IO_READ; s++)
		r->io.scratch[0] |= busy[sector + s];
	if (op == XSP_IO_WRITE)
		memset(busy + sector, 1, n);
	make_iov(r);
	r->io.op = (uint8_t)op;
	r->io.offset = r->offset;
	r->io.len = r->bytes;
	r->io.worker = &workers[rand() & 1];
	r->io.done = done;
	r->under_way = true;
	under_way++;
	xsp_target_submit(t, &r->io);
	return true;
}

static void run_mail(void)
{
	for (int i = 0; i < 2; i++)
		xsp_mailbox_run(&workers[i].box, &workers[i]);
}

static struct xsp_target *open_512e(void)
{
	struct xsp_target_wish wish = { 0 };
	struct xsp_target *t;
	char why[256] = "";

	assert_int_equal(xsp_target_e512.open("", "disk:", &wish, &t, why, sizeof(why)), 0);
	assert_int_equal(t->sector_size, 512);
	assert_int_equal(t->physical_size, BLOCK);
	reads_below = writes_below = 0;
	return t;
}

static void drain(void)
{
	while (under_way) {
		run_mail();
		if (n_pending)
			disk_step();
	}
	run_mail();
}

static void parts_of_blocks_at_once(void **state)
{
	struct xsp_target *t = open_512e();

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		struct request *r = &requests[(unsigned int)rand() % DEPTH];
		uint32_t n = 1 + (uint32_t)rand() % (rand() % 8 ? 12 : 150);
		uint64_t sector = (uint64_t)rand() % SECTORS;
		/* the readers' check is exact only when no write ends under them */
		enum xsp_io_op op = rand() % 4 ? XSP_IO_WRITE : XSP_IO_READ;

		if (n > SECTORS - sector)
			n = (uint32_t)(SECTORS - sector);
		if (op == XSP_IO_READ) /* alone: what it must see is known */
			drain();
		if (!r->under_way)
			submit(t, r, op, sector, n);
		if (op == XSP_IO_READ)
			drain();
		run_mail();
		while (n_pending && rand() % 3 == 0)
			disk_step();
	}
	drain();
	assert_memory_equal(disk, model, BYTES);
	assert_int_equal(failed, 0);
	xsp_target_close(t);
}

static void whole_blocks_cost_nothing(void **state)
{
	struct xsp_target *t = open_512e();

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		struct request *r = &requests[i];

		r->offset = i * BLOCK;
		r->bytes = BLOCK;
		r->data = aligned_alloc(BLOCK, BLOCK);
		memset(r->data, (int)i, BLOCK);
		r->iov[0] = (struct iovec){ r->data, BLOCK };
		r->io = (struct xsp_io){ .op = XSP_IO_WRITE, .offset = r->offset, .len = BLOCK, .iov = r->iov,
					 .niov = 1, .worker = &workers[0], .done = done };
		r->under_way = true;
		under_way++;
		xsp_target_submit(t, &r->io);
	}
	assert_int_equal(n_pending, 8); /* all at once */
	drain();
	assert_int_equal(reads_below, 0);
	assert_int_equal(writes_below, 8);
	xsp_target_close(t);
}

/* A block that can't be read can't be written in part: the request fails, its neighbours go on. */
static void errors(void **state)
{
	struct xsp_target *t = open_512e();

	(void)state;
	failed = 0;
	assert_true(submit(t, &requests[0], XSP_IO_WRITE, 3, 1));
	assert_true(submit(t, &requests[1], XSP_IO_WRITE, 5, 1)); /* the same block: waits */
	assert_int_equal(n_pending, 1);
	fail_next = -EIO;
	disk_step();
	assert_int_equal(failed, 1);
	memcpy(model, disk, BYTES); /* the first is not there */
	drain();
	assert_int_equal(failed, 1);
	assert_memory_equal(disk, model, BYTES);
	failed = 0;
	xsp_target_close(t);
}

static void discards_of_parts(void **state)
{
	struct xsp_target *t = open_512e();
	struct xsp_io io = { .op = XSP_IO_DISCARD, .offset = 512, .len = BLOCK, .done = done };

	(void)state;
	requests[0].io = io;
	requests[0].data = NULL;
	requests[0].under_way = true;
	under_way++;
	xsp_target_submit(t, &requests[0].io); /* no whole block in it */
	assert_int_equal(n_pending, 0);
	assert_int_equal(under_way, 0);
	io.len = 3 * BLOCK;
	requests[0].io = io;
	requests[0].under_way = true;
	under_way++;
	xsp_target_submit(t, &requests[0].io);
	assert_int_equal(n_pending, 1);
	assert_int_equal(pending[0]->offset, BLOCK);
	assert_int_equal(pending[0]->len, 2 * BLOCK);
	drain();
	xsp_target_close(t);
}

static void larger_ones(void **state)
{
	struct xsp_target_wish wish = { 0 };
	struct xsp_target *t;
	char why[256] = "";

	(void)state;
	assert_int_equal(xsp_target_sectors.open("size=4096", "disk:", &wish, &t, why, sizeof(why)), 0);
	assert_int_equal(t->sector_size, 4096);
	assert_int_equal(t->size_bytes, BYTES);
	xsp_target_close(t);
	assert_int_equal(xsp_target_sectors.open("size=777", "disk:", &wish, &t, why, sizeof(why)), -EINVAL);
	assert_int_equal(xsp_target_sectors.open("size=8192", "disk:", &wish, &t, why, sizeof(why)), -EINVAL);
	assert_int_equal(xsp_target_sectors.open("", "disk:", &wish, &t, why, sizeof(why)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_blocks_at_once), cmocka_unit_test(whole_blocks_cost_nothing),
		cmocka_unit_test(errors),		   cmocka_unit_test(discards_of_parts),
		cmocka_unit_test(larger_ones),
	};

	for (int i = 0; i < 2; i++)
		if (xsp_mailbox_init(&workers[i].box))
			return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
