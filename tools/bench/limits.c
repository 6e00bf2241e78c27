/* SPDX-License-Identifier: MIT */
/*
 * What two processors can do at best: the round trip of a cache line, which names the placement a
 * virtual machine has at the moment, the streaming of lines one way, the copying of pages that the other
 * one has just written, and waking one another by eventfd.
 */
#include <string.h>

#include "common/stream.h"
#include "tools/bench/pair.h"

#define LINE   64u
#define STREAM 64u /* lines between two publications */

struct line {
	uint64_t n;
	uint8_t pad[2 * LINE - 8]; /* two lines: the neighbour is fetched along */
};

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void put(uint64_t *p, uint64_t n)
{
	__atomic_store_n(p, n, __ATOMIC_RELEASE);
}

static void line_front(struct pair *p)
{
	struct line *l = p->pages;
	uint64_t n = 0;

	while (!pair_stopped(p)) {
		put(&l[0].n, ++n);
		while (get(&l[1].n) != n)
			;
	}
	p->ops = n;
}

static void line_back(struct pair *p)
{
	struct line *l = p->pages;

	while (!pair_over(p)) {
		uint64_t n = get(&l[0].n);

		if (get(&l[1].n) != n)
			put(&l[1].n, n);
	}
}

/* The first four lines are the two indices; the rest is a ring of lines. */
struct stream {
	struct line produced, consumed;
	uint64_t line[][LINE / 8];
};

static uint64_t stream_lines(const struct pair *p)
{
	uint64_t n = 1;

	while (n * 2 * LINE + sizeof(struct stream) <= (size_t)4096 << p->order)
		n *= 2;
	return n;
}

static void stream_front(struct pair *p)
{
	struct stream *s = p->pages;
	uint64_t size = stream_lines(p), n = 0, batch = size / 2 < STREAM ? size / 2 : STREAM;

	while (!pair_stopped(p)) {
		while (n + batch - get(&s->consumed.n) > size)
			;
		for (uint64_t i = 0; i < batch; i++, n++)
			memset(s->line[n & (size - 1)], (int)n, LINE);
		put(&s->produced.n, n);
	}
	p->ops = n;
}

static void stream_back(struct pair *p)
{
	struct stream *s = p->pages;
	uint64_t size = stream_lines(p), n = 0;
	uint64_t copy[LINE / 8];

	while (!pair_over(p)) {
		uint64_t end = get(&s->produced.n);

		for (; n != end; n++) {
			memcpy(copy, s->line[n & (size - 1)], LINE);
			__asm__ __volatile__("" ::"m"(copy));
			if ((uint8_t)copy[0] != (uint8_t)n)
				p->wrong++;
		}
		put(&s->consumed.n, n);
	}
}

#define PAGE    4096u
#define N_PAGES 8u /* of those that both see, behind one for the two indices */

static void copy_front(struct pair *p)
{
	struct stream *s = p->pages;
	uint8_t *page = (uint8_t *)p->pages + PAGE;
	uint64_t n = 0;

	while (!pair_stopped(p)) {
		while (n + 1 - get(&s->consumed.n) > N_PAGES)
			;
		memset(page + n % N_PAGES * PAGE, (int)n, PAGE);
		put(&s->produced.n, ++n);
	}
	p->ops = n;
}

static void copy_back(struct pair *p)
{
	struct stream *s = p->pages;
	const uint8_t *page = (const uint8_t *)p->pages + PAGE;
	uint8_t copy[PAGE];
	uint64_t n = 0;

	while (!pair_over(p)) {
		for (uint64_t end = get(&s->produced.n); n != end; put(&s->consumed.n, ++n)) {
			memcpy(copy, page + n % N_PAGES * PAGE, PAGE);
			__asm__ __volatile__("" ::"m"(copy));
			if (copy[PAGE - 1] != (uint8_t)n)
				p->wrong++;
		}
	}
}

static void wake_front(struct pair *p)
{
	uint64_t n = 0;

	for (; !pair_stopped(p); n++) {
		pair_notify(p, PAIR_FRONT);
		pair_wait(p, PAIR_FRONT);
	}
	p->ops = n;
}

static void wake_back(struct pair *p)
{
	for (;;) {
		pair_wait(p, PAIR_BACK);
		if (pair_over(p))
			return;
		pair_notify(p, PAIR_BACK);
	}
}

const struct contestant limit_line = {
	.name = "line-trip",
	.what = "limit: a cache line there and back",
	.front = line_front,
	.back = line_back,
	.poll_only = true,
	.limit = true,
};

const struct contestant limit_stream = {
	.name = "line-stream",
	.what = "limit: 64-byte lines one way",
	.front = stream_front,
	.back = stream_back,
	.poll_only = true,
	.limit = true,
};

/* Whole pages, as a backend hands them to a guest; a page of indices before them. */
struct page_stream {
	struct line produced, consumed;
	uint8_t pad[4096 - 2 * sizeof(struct line)];
	uint8_t page[][4096];
};

#define PAGES      32u /* under way: as many as a ring of one page has slots */
#define PAGE_BATCH 8u

static void pages_front(struct pair *p)
{
	struct page_stream *s = p->pages;
	uint64_t n = 0;

	while (!pair_stopped(p)) {
		while (n + PAGE_BATCH - get(&s->consumed.n) > PAGES)
			;
		for (unsigned int i = 0; i < PAGE_BATCH; i++, n++)
			xsp_stream_zero(s->page[n % PAGES], 4096);
		put(&s->produced.n, n);
	}
	p->ops = n;
}

static void pages_back(struct pair *p)
{
	struct page_stream *s = p->pages;
	uint64_t n = 0;

	while (!pair_over(p)) {
		uint64_t end = get(&s->produced.n), sum = 0;

		for (; n != end; n++)
			for (unsigned int i = 0; i < 512; i++)
				sum += ((const uint64_t *)s->page[n % PAGES])[i];
		PAIR_USE(sum);
		p->wrong += sum != 0;
		put(&s->consumed.n, n);
	}
}

const struct contestant limit_pages = {
	.name = "page-stream",
	.what = "limit: pages one way, written past the cache",
	.front = pages_front,
	.back = pages_back,
	.poll_only = true,
	.limit = true,
};

const struct contestant limit_copy = {
	.name = "copy-4k",
	.what = "limit: pages a second, copied after the other one wrote them",
	.front = copy_front,
	.back = copy_back,
	.poll_only = true,
	.limit = true,
};

const struct contestant limit_wake = {
	.name = "depth/wake",
	.what = "limit: depth / an eventfd there and back",
	.front = wake_front,
	.back = wake_back,
	.limit = true,
};
