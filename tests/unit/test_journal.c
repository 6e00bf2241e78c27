/* SPDX-License-Identifier: MIT */
/*
 * A daemon that is killed between any two stores to its journal or its ring, again and again, while it
 * recovers too: its guest gets each answer once, and none is made up. The daemon is a model of blk/queue.c
 * around the real journal; what it stores in the ring, the guest sees at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void store_comes(void);
#define XSP_JOURNAL_STORE() store_comes()
#include "backend/blk/journal.c"
#include "tests/unit/random.h"

#define SIZE 8u /* of the ring */
#define RUNS 20000u
#define IDS  65536u

/* What the guest and the daemon share: a slot holds a request or a response, never both. */
static struct {
	uint32_t req_prod, rsp_prod;
	struct {
		bool is_response;
		uint64_t id;
		int16_t status;
	} slot[SIZE];
} ring;

static struct {
	uint64_t next_id;
	uint32_t rsp_cons;
	uint8_t answers[IDS]; /* by id */
	uint32_t outstanding;
} guest;

static struct xsp_journal journal;
static const struct xsp_journal_id id = { .life = 1, .domid = 2, .ring_ref = { 8 } };
static jmp_buf death;
static bool mortal;
static uint32_t kills, again;

static uint32_t dice(uint32_t sides)
{
	return rnd() % sides;
}

static int16_t status_of(uint64_t request)
{
	return request % 3 ? XSP_BLK_OKAY : XSP_BLK_ERROR;
}

/* --- the guest --------------------------------------------------------------------------------- */

static void guest_reads(void)
{
	while (guest.rsp_cons != ring.rsp_prod) {
		uint32_t i = guest.rsp_cons++ % SIZE;

		assert_true(ring.slot[i].is_response);
		assert_true(ring.slot[i].id < guest.next_id);
		assert_int_equal(guest.answers[ring.slot[i].id]++, 0);
		assert_int_equal(ring.slot[i].status, status_of(ring.slot[i].id));
		guest.outstanding--;
	}
}

static void guest_asks(void)
{
	while (guest.outstanding < SIZE && guest.next_id < IDS && dice(3)) {
		uint32_t i = ring.req_prod % SIZE;

		ring.slot[i].is_response = false;
		ring.slot[i].id = guest.next_id++;
		guest.outstanding++;
		ring.req_prod++;
	}
}

static void store_comes(void)
{
	if (!mortal)
		return;
	if (!dice(8))
		guest_reads();
	if (!dice(8))
		guest_asks();
	if (!dice(40)) {
		kills++;
		longjmp(death, 1);
	}
}

/* --- the daemon -------------------------------------------------------------------------------- */

static struct {
	uint32_t req_cons, rsp_pvt;
	uint16_t free_slots[SIZE], live[SIZE];
	uint32_t n_free, n_live;
} daemon_;

static void respond(struct xsp_slot *slot)
{
	uint32_t i = daemon_.rsp_pvt % SIZE;

	store_comes();
	ring.slot[i].is_response = true;
	ring.slot[i].id = slot->req.id;
	store_comes();
	ring.slot[i].status = slot->status;
	daemon_.rsp_pvt++;
}

static void publish(void)
{
	store_comes();
	ring.rsp_prod = daemon_.rsp_pvt;
}

static void come_back(void)
{
	struct xsp_recovery r;
	const char *why;
	bool taken[SIZE] = { false };

	assert_true(xsp_journal_is_of(&journal, &id));
	if (xsp_journal_recover(&journal, ring.rsp_prod, ring.req_prod, &r, &why))
		fail_msg("%s", why);
	daemon_.rsp_pvt = r.rsp_prod;
	daemon_.req_cons = r.req_cons;
	for (uint32_t i = 0; i < r.n_answered; i++)
		respond(&journal.slots[r.answered[i]]);
	publish();
	xsp_journal_published(&journal, daemon_.rsp_pvt, r.answered, r.n_answered);
	daemon_.n_live = r.n_live;
	memcpy(daemon_.live, r.live, r.n_live * sizeof(r.live[0]));
	for (uint32_t i = 0; i < r.n_live; i++)
		taken[r.live[i]] = true;
	again += r.n_live;
	daemon_.n_free = 0;
	for (uint16_t i = 0; i < SIZE; i++)
		if (!taken[i])
			daemon_.free_slots[daemon_.n_free++] = i;
}

static void take(void)
{
	while (daemon_.req_cons != ring.req_prod && dice(4)) {
		uint16_t number = daemon_.free_slots[--daemon_.n_free];
		uint32_t i = daemon_.req_cons % SIZE;

		assert_false(ring.slot[i].is_response);
		store_comes();
		journal.slots[number].req.id = ring.slot[i].id;
		xsp_journal_taken(&journal, &journal.slots[number], daemon_.req_cons++);
		daemon_.live[daemon_.n_live++] = number;
	}
}

static void finish(void)
{
	uint16_t done[SIZE];
	uint32_t n = 0;

	while (daemon_.n_live && dice(3)) {
		uint32_t i = dice(daemon_.n_live);
		struct xsp_slot *slot = &journal.slots[daemon_.live[i]];

		done[n++] = daemon_.live[i];
		daemon_.live[i] = daemon_.live[--daemon_.n_live];
		store_comes();
		slot->status = status_of(slot->req.id);
		xsp_journal_answered(slot, daemon_.rsp_pvt);
		respond(slot);
		if (!dice(4))
			publish(); /* for a guest that polls */
	}
	publish();
	xsp_journal_published(&journal, daemon_.rsp_pvt, done, n);
	memcpy(daemon_.free_slots + daemon_.n_free, done, n * sizeof(done[0]));
	daemon_.n_free += n;
}

static void begin(uint32_t at)
{
	memset(&guest, 0, sizeof(guest));
	memset(&daemon_, 0, sizeof(daemon_));
	ring.req_prod = ring.rsp_prod = guest.rsp_cons = at;
	xsp_journal_begin(&journal, &id, at);
	mortal = true;
}

static void work(volatile uint32_t turns)
{
	if (setjmp(death))
		turns -= turns > 0;
	come_back();
	for (; turns; turns--) {
		guest_asks();
		take();
		finish();
		guest_reads();
	}
}

static void all_answered(void)
{
	mortal = false;
	while (guest.outstanding) {
		take();
		finish();
		guest_reads();
	}
	for (uint64_t i = 0; i < guest.next_id; i++)
		assert_int_equal(guest.answers[i], 1);
}

static void killed_anywhere(void **state)
{
	static const uint32_t starts[] = { 0, 5, 0x7ffffffau, 0xfffffff9u };

	(void)state;
	assert_int_equal(xsp_journal_open(&journal, NULL, SIZE), 0);
	for (uint32_t run = 0; run < RUNS; run++) {
		begin(starts[run % 4]);
		work(60);
		all_answered();
	}
	print_message("%u kills, %u requests done again\n", kills, again);
	assert_true(kills > RUNS && again > RUNS);
	xsp_journal_close(&journal);
}

/* --- files -------------------------------------------------------------------------------------- */

static char path[] = "/tmp/journal.XXXXXX";

static void outlives_a_process(void **state)
{
	struct xsp_journal a, b;
	struct xsp_journal_id other = id;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(xsp_journal_open(&a, path, 32), 0);
	assert_false(xsp_journal_is_of(&a, &id));
	xsp_journal_begin(&a, &id, 7);
	assert_int_equal(xsp_journal_open(&b, path, 32), -EAGAIN); /* another daemon lives */
	a.slots[3].req.id = 99;
	xsp_journal_taken(&a, &a.slots[3], 7);
	xsp_journal_close(&a);
	assert_int_equal(xsp_journal_open(&b, path, 32), 0);
	assert_true(xsp_journal_is_of(&b, &id));
	other.evtchn++;
	assert_false(xsp_journal_is_of(&b, &other));
	other = id;
	other.life++; /* another guest with that domid */
	assert_false(xsp_journal_is_of(&b, &other));
	assert_int_equal(b.slots[3].req.id, 99);
	xsp_journal_close(&b);
	assert_int_equal(xsp_journal_open(&b, path, 64), 0); /* another ring's size */
	assert_false(xsp_journal_is_of(&b, &id));
	xsp_journal_close(&b);
	unlink(path);
	assert_int_equal(xsp_journal_open(&b, "/nonexistent/j", 32), -ENOENT);
}

/* Whatever lies there, what comes out can be used: numbers in range, none twice. */
static void rubbish_is_refused(void **state)
{
	struct xsp_recovery r;
	const char *why;
	uint32_t good = 0;

	(void)state;
	assert_int_equal(xsp_journal_open(&journal, NULL, SIZE), 0);
	for (uint32_t run = 0; run < 100000; run++) {
		bool seen[SIZE] = { false };

		begin(run % 2 ? 0 : 0xfffffff0u);
		work(2);
		mortal = false;
		for (uint32_t i = 0; i < 1 + run % 3; i++)
			((uint8_t *)journal.head)[dice((uint32_t)bytes_of(SIZE))] ^= (uint8_t)(1u << dice(8));
		if (run % 5 == 0)
			ring.rsp_prod += dice(16) - 8;
		if (run % 7 == 0)
			ring.req_prod += dice(16) - 8;
		if (!xsp_journal_is_of(&journal, &id) ||
		    xsp_journal_recover(&journal, ring.rsp_prod, ring.req_prod, &r, &why))
			continue;
		good++;
		assert_true(r.n_answered + r.n_live <= SIZE);
		for (uint32_t i = 0; i < r.n_answered + r.n_live; i++) {
			uint16_t number = i < r.n_answered ? r.answered[i] : r.live[i - r.n_answered];

			assert_true(number < SIZE);
			assert_false(seen[number]);
			seen[number] = true;
		}
	}
	assert_true(good > 1000 && good < 99000);
	xsp_journal_close(&journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_anywhere),
		cmocka_unit_test(outlives_a_process),
		cmocka_unit_test(rubbish_is_refused),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
