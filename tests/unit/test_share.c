/* SPDX-License-Identifier: MIT */
/*
 * Who gets how much of a worker, on a made-up clock: queues whose guests always ask for more, and a
 * device behind them that takes 2 ms for anything, all at once. backend/queue.c and blk/share.c are
 * the real ones; the worker's loop around them is the one of worker.c in small.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "backend/blk/queue.h"

#define MS	  1000000ull
#define SERVICE	  (2 * MS)
#define QUEUES	  8
#define SLOTS	  512
#define IN_FLIGHT 8192

struct guest {
	struct xsp_blkq q;
	struct xsp_slot slots[SLOTS];
	struct xsp_blk_stats stats;
	uint32_t qd, segs, waiting; /* requests: it always has qd of them; in the ring */
	uint16_t next_slot;
	uint64_t cost, reqs;
	uint64_t think_ns; /* before it asks anew */
	uint64_t asked_ns[SLOTS]; /* of those in the ring, first come first */
	uint32_t first_asked, last_asked;
};

#define SAMPLES 200000
static uint64_t latency[SAMPLES]; /* of guest 1's requests, from asking to the answer */
static unsigned int n_latency;

static struct guest guest[QUEUES];
static struct xsp_worker w;
static struct {
	uint64_t at;
	uint16_t guest, slot;
	bool asked; /* answered; now the guest asks again */
} flight[IN_FLIGHT];
static unsigned int n_flight;

/* --- what queue.c needs of the rest ---------------------------------------------------------------- */

struct io_uring_sqe *xsp_worker_sqe(struct xsp_worker *worker, struct xsp_cb *cb)
{
	(void)worker;
	(void)cb;
	abort();
}

int xsp_worker_set_port(struct xsp_worker *worker, uint32_t local, struct xsp_port *p)
{
	(void)worker;
	(void)local;
	(void)p;
	return 0;
}

void xsp_worker_wake_at(struct xsp_worker *worker, uint64_t ns)
{
	if (!worker->wake_ns || ns < worker->wake_ns)
		worker->wake_ns = ns;
}

/* --- the worker in small --------------------------------------------------------------------------- */

static void visit(struct guest *g)
{
	struct xsp_allowance may;
	uint32_t pending = g->waiting, n = 0;
	bool more = true;

	if (!pending || !xsp_share_begin(&g->q, &may))
		return;
	while (more && n < pending && n < XSP_VISIT_REQS) {
		uint16_t number = g->next_slot++ % SLOTS;

		g->slots[number].req.op = XSP_BLK_INDIRECT;
		g->slots[number].req.handle = (uint16_t)g->segs;
		g->slots[number].taken_ns = g->asked_ns[g->first_asked++ % SLOTS];
		more = xsp_share_take(&g->q, number, &may);
		assert_true(n_flight < IN_FLIGHT);
		flight[n_flight].at = w.now_ns + SERVICE;
		flight[n_flight].guest = (uint16_t)(g - guest);
		flight[n_flight].asked = false;
		flight[n_flight++].slot = number;
		g->waiting--;
		n++;
	}
	xsp_share_end(&g->q, n, n == pending, false);
	for (uint32_t i = 0; i < n; i++)
		xsp_share_bytes(&g->q, g->segs * XSP_PAGE_SIZE);
	if (g->waiting)
		xsp_queue_set_ready(&g->q.base);
}

static void wake(void)
{
	struct xsp_queue *q, *next;

	w.wake_ns = 0;
	xsp_queue_feed(&w);
	for (q = TAILQ_FIRST(&w.waiting); q; q = next) {
		next = TAILQ_NEXT(q, waiting_link);
		if (q->wake_ns > w.now_ns) {
			xsp_worker_wake_at(&w, q->wake_ns);
			continue;
		}
		TAILQ_REMOVE(&w.waiting, q, waiting_link);
		q->is_waiting = false;
		xsp_queue_set_ready(q);
	}
}

/* What is over by now. */
static void complete(void)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < n_flight; i++) {
		struct guest *g = &guest[flight[i].guest];

		if (flight[i].at > w.now_ns) {
			flight[left++] = flight[i];
			continue;
		}
		if (!flight[i].asked) {
			xsp_share_answered(&g->q, flight[i].slot);
			g->reqs++;
			if (g == &guest[1] && n_latency < SAMPLES)
				latency[n_latency++] = w.now_ns - g->slots[flight[i].slot].taken_ns;
			g->cost += g->slots[flight[i].slot].cost;
			xsp_queue_feed(&w);
		}
		if (!flight[i].asked && g->think_ns) {
			flight[left] = flight[i];
			flight[left].asked = true;
			flight[left++].at = w.now_ns + g->think_ns;
			continue;
		}
		g->waiting++;
		g->asked_ns[g->last_asked++ % SLOTS] = w.now_ns;
		xsp_queue_set_ready(&g->q.base);
	}
	n_flight = left;
}

static void run(uint64_t ns)
{
	uint64_t end = w.now_ns + ns;

	while (w.now_ns < end) {
		struct xsp_queue *last = TAILQ_LAST(&w.ready, xsp_queue_list), *q;
		uint64_t next = end;

		if (w.wake_ns && w.wake_ns <= w.now_ns) {
			wake();
			last = TAILQ_LAST(&w.ready, xsp_queue_list);
		}
		while ((q = TAILQ_FIRST(&w.ready))) {
			TAILQ_REMOVE(&w.ready, q, ready_link);
			q->is_ready = false;
			visit((struct guest *)xsp_blkq_of(q));
			if (q == last)
				break;
		}
		if (!TAILQ_EMPTY(&w.ready))
			continue;
		for (unsigned int i = 0; i < n_flight; i++)
			next = flight[i].at < next ? flight[i].at : next;
		if (w.wake_ns && w.wake_ns < next)
			next = w.wake_ns;
		w.now_ns = next;
		complete();
	}
}

/* --- the cases ------------------------------------------------------------------------------------- */

static void begin(uint32_t window_kib)
{
	memset(&w, 0, sizeof(w));
	memset(guest, 0, sizeof(guest));
	n_flight = n_latency = 0;
	w.now_ns = 1000 * MS;
	w.window.size = (uint64_t)window_kib << 10;
	TAILQ_INIT(&w.ready);
	TAILQ_INIT(&w.starved);
	TAILQ_INIT(&w.waiting);
}

static void add(unsigned int i, uint32_t weight, uint32_t qd, uint32_t segs)
{
	struct guest *g = &guest[i];

	g->q.base.worker = &w;
	g->q.base.stats = &g->stats.queue;
	g->q.slots = g->slots;
	g->q.c.stats = &g->stats;
	g->q.shares.weight = weight;
	g->qd = g->waiting = qd;
	g->segs = segs;
	for (uint32_t k = 0; k < qd; k++)
		g->asked_ns[g->last_asked++ % SLOTS] = w.now_ns;
	xsp_share_join(&g->q);
	xsp_queue_set_ready(&g->q.base);
}

static double jain(unsigned int n)
{
	double sum = 0, squares = 0;

	for (unsigned int i = 0; i < n; i++) {
		double x = (double)guest[i].cost / guest[i].q.shares.weight;

		sum += x;
		squares += x * x;
	}
	return sum * sum / (n * squares);
}

static void show(const char *what, unsigned int n)
{
	printf("  %s:", what);
	for (unsigned int i = 0; i < n; i++)
		printf(" %.1f", (double)guest[i].cost / 1e6);
	printf(" MB, Jain %.4f\n", jain(n));
}

static void test_alike(void **state)
{
	static const uint32_t windows[] = { 8, 36, 100, 1000, 16384 };

	(void)state;
	for (size_t k = 0; k < sizeof(windows) / sizeof(windows[0]); k++) {
		begin(windows[k]);
		for (unsigned int i = 0; i < QUEUES; i++)
			add(i, 100, 16, 1);
		run(2000 * MS);
		show("alike", QUEUES);
		assert_true(jain(QUEUES) > 0.999);
	}
}

/* One bully in any window: small requests but many, or large ones. */
static void test_bully(void **state)
{
	static const uint32_t windows[] = { 8, 36, 100, 400 };
	static const uint32_t sizes[] = { 1, 2, 11, 16, 17, 64, 256 };

	(void)state;
	for (size_t k = 0; k < sizeof(windows) / sizeof(windows[0]); k++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			char what[64];

			begin(windows[k]);
			add(0, 100, 256, sizes[s]);
			for (unsigned int i = 1; i < QUEUES; i++)
				add(i, 100, 32, 1);
			run(10000 * MS);
			snprintf(what, sizeof(what), "window %u, bully's size %u", windows[k], sizes[s]);
			show(what, QUEUES);
			assert_true(jain(QUEUES) >= 0.99);
		}
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t p99(void)
{
	qsort(latency, n_latency, sizeof(latency[0]), ascending);
	return latency[n_latency - 1 - n_latency / 100];
}

/* What a neighbour's requests wait: beside seven like it, and with a bully for one of them. */
static void test_neighbours_p99(void **state)
{
	uint64_t alike, deep, large;

	(void)state;
	begin(36);
	for (unsigned int i = 0; i < QUEUES; i++)
		add(i, 100, 16, 1);
	run(20000 * MS);
	alike = p99();
	begin(36);
	add(0, 100, 512, 1);
	for (unsigned int i = 1; i < QUEUES; i++)
		add(i, 100, 16, 1);
	run(20000 * MS);
	deep = p99();
	begin(36);
	add(0, 100, 128, 16);
	for (unsigned int i = 1; i < QUEUES; i++)
		add(i, 100, 16, 1);
	run(20000 * MS);
	large = p99();
	printf("  p99 beside 7 alike %.1f ms, a deep queue %.1f ms, large requests %.1f ms\n",
	       (double)alike / 1e6, (double)deep / 1e6, (double)large / 1e6);
	assert_true(deep <= alike * 120 / 100);
	assert_true(large <= alike * 120 / 100);
}

static void test_weights(void **state)
{
	static const uint32_t weights[QUEUES] = { 100, 50, 200, 25, 400, 100, 33, 77 };

	(void)state;
	begin(36);
	for (unsigned int i = 0; i < QUEUES; i++)
		add(i, weights[i], 128, i % 2 ? 1 : 5);
	run(10000 * MS);
	show("weights", QUEUES);
	assert_true(jain(QUEUES) >= 0.99);
	/* changed while it runs */
	for (unsigned int i = 0; i < QUEUES; i++) {
		struct xsp_shares s = { .weight = weights[QUEUES - 1 - i] };

		xsp_share_replace(&guest[i].q, &s);
		guest[i].cost = 0;
	}
	run(10000 * MS);
	show("weights changed", QUEUES);
	assert_true(jain(QUEUES) >= 0.99);
	for (unsigned int i = 0; i < QUEUES; i++)
		xsp_share_leave(&guest[i].q);
	assert_int_equal(w.window.weights, 0);
}

/* Who asks for little gets it, whatever the others do, and they get the rest. */
static void test_work_is_conserved(void **state)
{
	uint64_t alone;

	(void)state;
	begin(36);
	add(0, 1, 256, 1);
	run(2000 * MS);
	alone = guest[0].reqs;
	assert_true(alone > 4000); /* four or five at a time */
	begin(36);
	add(0, 1, 256, 1);
	add(1, 10000, 1, 1);
	guest[1].think_ns = 20 * MS;
	run(2000 * MS);
	show("an idler of great weight", 2);
	assert_true(guest[1].reqs >= 2000 / 24);
	assert_true(guest[0].reqs + guest[1].reqs >= alone * 95 / 100);
}

/* A disk that never answers may keep what it has; the window opens again. */
static void test_hung(void **state)
{
	(void)state;
	begin(36);
	add(0, 100, 32, 1);
	add(1, 100, 32, 1);
	run(100 * MS);
	for (unsigned int i = 0; i < n_flight; i++)
		if (!flight[i].guest)
			flight[i].at = UINT64_MAX;
	guest[1].reqs = guest[0].reqs = 0;
	guest[0].waiting = 0; /* its buffers are all in use */
	run(2000 * MS);
	printf("  beside a hung disk: %llu requests\n", (unsigned long long)guest[1].reqs);
	assert_true(guest[1].reqs > 3000);
}

static void test_limits(void **state)
{
	struct xsp_pace pace = { 500, 50 }, bytes = { 8 << 20, 1 << 20 };

	(void)state;
	begin(16384);
	add(0, 100, 256, 1);
	add(1, 100, 256, 4);
	add(2, 100, 256, 1);
	guest[0].q.shares.reqs[XSP_LIMIT_DISK] = xsp_bucket_new(&pace, w.now_ns);
	guest[1].q.shares.bytes[XSP_LIMIT_GUEST] = xsp_bucket_new(&bytes, w.now_ns);
	run(10000 * MS);
	printf("  limits: %llu of 5000 requests, %llu of %u with 16384 bytes, %llu without\n",
	       (unsigned long long)guest[0].reqs, (unsigned long long)guest[1].reqs,
	       10 * (8 << 20) / 16384, (unsigned long long)guest[2].reqs);
	assert_in_range(guest[0].reqs, 5000, 5051);
	assert_in_range(guest[1].reqs, 10 * 512, 10 * 512 + 65);
	assert_true(guest[2].reqs > 1000000);
	/* a limit that is taken away is gone at once */
	pace.per_second = 1;
	xsp_share_replace(&guest[0].q, &(struct xsp_shares){ .weight = 100,
		.bytes = { xsp_bucket_new(&pace, w.now_ns) } });
	run(100 * MS);
	guest[0].reqs = 0;
	xsp_share_replace(&guest[0].q, &(struct xsp_shares){ .weight = 100 });
	run(100 * MS);
	assert_true(guest[0].reqs > 1000);
	for (int i = 0; i < 3; i++)
		xsp_shares_put(&guest[i].q.shares);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alike),	cmocka_unit_test(test_bully),
		cmocka_unit_test(test_neighbours_p99),
		cmocka_unit_test(test_weights), cmocka_unit_test(test_work_is_conserved),
		cmocka_unit_test(test_hung),	cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
