/* SPDX-License-Identifier: MIT */
/*
 * A 32-bit block frontend: its ring is what Xen's own headers make of it under a 32-bit compiler, and
 * so is everything that it writes there. Compiled by tests/lab/test-guest32.sh with -m32 (the layout
 * of x86_32-abi) and with -m32 -malign-double (that of x86_64-abi); started by host.c, which does what
 * needs a hypercall.
 *
 * Many requests at once, of all kinds; every byte that is read is compared.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/guest32/setup.h"

#define __XEN_INTERFACE_VERSION__ 0x00040900
#define xen_mb()  __sync_synchronize()
#define xen_rmb() __sync_synchronize()
#define xen_wmb() __sync_synchronize()
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>

_Static_assert(sizeof(void *) == 4, "compile with -m32");

#define PAGE    4096u
#define SECTORS 1024u /* of the disk, that we use */
#define MAX_SEGS 32

static struct setup s;
static struct blkif_front_ring ring;
static uint8_t *data;                  /* DATA_PAGES pages */
static uint8_t disk[SECTORS * 512];    /* what must be on the disk */
static uint8_t busy[SECTORS];          /* 1: in a request that is under way */
static int page_free[DATA_PAGES], n_free;

static struct request {
	int used, op, pages, page[MAX_SEGS + 1]; /* the last: descriptors */
	unsigned int sector, sectors, first;     /* first: sector in the first page */
} requests[512];
static unsigned int in_flight, done[8];

static void die(const char *what)
{
	fprintf(stderr, "child: %s\n", what);
	exit(1);
}

static void map(void)
{
	uint8_t *r = mmap(NULL, (s.ring_pages + DATA_PAGES) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (r == MAP_FAILED)
		die("no memory");
	data = r + s.ring_pages * PAGE;
	for (unsigned int i = 0; i < s.ring_pages + DATA_PAGES; i++) {
		uint32_t at = i < s.ring_pages ? s.ring_at[i] : s.data_at[i - s.ring_pages];

		if (mmap(r + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, FD_MEMORY,
			 (off_t)at * PAGE) == MAP_FAILED)
			die("can't map the guest's memory");
	}
	SHARED_RING_INIT((struct blkif_sring *)r);
	FRONT_RING_INIT(&ring, (struct blkif_sring *)r, s.ring_pages * PAGE);
	for (int i = 0; i < DATA_PAGES; i++)
		page_free[n_free++] = i;
}

static void fill(uint8_t *p, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		p[i] = (uint8_t)rand();
}

/* Where the k-th of the request's sectors lies in its pages. */
static uint8_t *sector_at(const struct request *r, unsigned int k)
{
	unsigned int at = r->first + k;

	return data + r->page[at / 8] * PAGE + at % 8 * 512;
}

static int range_is_free(unsigned int sector, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (busy[sector + i])
			return 0;
	return 1;
}

static void segment(const struct request *r, int i, struct blkif_request_segment *seg)
{
	unsigned int end = r->first + r->sectors - 8u * (unsigned int)i;

	memset(seg, 0, sizeof(*seg));
	seg->gref = s.gref[r->page[i]];
	seg->first_sect = (uint8_t)(i ? 0 : r->first);
	seg->last_sect = (uint8_t)((end > 8 ? 8 : end) - 1);
}

static void put(unsigned int id)
{
	struct request *r = &requests[id];
	blkif_request_t *q = RING_GET_REQUEST(&ring, ring.req_prod_pvt);

	ring.req_prod_pvt++;
	memset(q, 0xee, sizeof(*q)); /* what was in the slot before means nothing */
	if (r->op == BLKIF_OP_DISCARD) {
		struct blkif_request_discard *d = (struct blkif_request_discard *)q;

		*d = (struct blkif_request_discard){ .operation = BLKIF_OP_DISCARD, .id = id,
						     .sector_number = r->sector, .nr_sectors = r->sectors };
	} else if (r->pages > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
		struct blkif_request_indirect *d = (struct blkif_request_indirect *)q;
		int desc = page_free[--n_free];

		r->page[r->pages] = desc;
		for (int i = 0; i < r->pages; i++)
			segment(r, i, (struct blkif_request_segment *)(data + desc * PAGE) + i);
		*d = (struct blkif_request_indirect){ .operation = BLKIF_OP_INDIRECT,
						      .indirect_op = (uint8_t)r->op, .id = id,
						      .nr_segments = (uint16_t)r->pages,
						      .sector_number = r->sector };
		d->indirect_grefs[0] = s.gref[desc];
	} else {
		q->operation = (uint8_t)r->op;
		q->nr_segments = (uint8_t)r->pages;
		q->handle = 0;
		q->id = id;
		q->sector_number = r->sector;
		for (int i = 0; i < r->pages; i++)
			segment(r, i, &q->seg[i]);
	}
}

/* One more request; 0 when there is no room for the one that came to mind. */
static int submit(void)
{
	unsigned int id = 0, max = s.indirect ? MAX_SEGS : BLKIF_MAX_SEGMENTS_PER_REQUEST, kind = rand() % 16u;
	struct request r = { .used = 1, .op = kind < 8 ? BLKIF_OP_WRITE : BLKIF_OP_READ };

	while (requests[id].used)
		id++;
	r.first = (unsigned int)rand() % 8;
	r.sectors = 1 + (unsigned int)rand() % (8 * max - r.first);
	if (kind == 15 && s.discard) {
		r.op = BLKIF_OP_DISCARD;
		r.sectors = s.discard / 512 * (1 + (unsigned int)rand() % 4);
	} else if (kind == 14 && rand() % 8 == 0) {
		r.op = BLKIF_OP_FLUSH_DISKCACHE;
		r.sectors = 0;
	}
	r.sector = (unsigned int)rand() % (SECTORS - r.sectors + 1);
	if (r.op == BLKIF_OP_DISCARD)
		r.sector -= r.sector % (s.discard / 512);
	r.pages = r.op == BLKIF_OP_READ || r.op == BLKIF_OP_WRITE ? (int)(r.first + r.sectors + 7) / 8 : 0;
	if (r.pages + 1 > n_free || !range_is_free(r.sector, r.sectors))
		return 0;
	for (int i = 0; i < r.pages; i++)
		r.page[i] = page_free[--n_free];
	memset(busy + r.sector, 1, r.sectors);
	for (unsigned int k = 0; k < r.sectors && r.pages; k++)
		fill(sector_at(&r, k), 512);
	for (unsigned int k = 0; k < r.sectors && r.op == BLKIF_OP_WRITE; k++)
		memcpy(disk + (r.sector + k) * 512, sector_at(&r, k), 512);
	if (r.op == BLKIF_OP_DISCARD)
		memset(disk + r.sector * 512, 0, r.sectors * 512);
	requests[id] = r;
	in_flight++;
	put(id);
	return 1;
}

static void finish(const blkif_response_t *p)
{
	struct request *r;

	if (p->id >= 512 || !requests[p->id].used)
		die("a response to no request");
	r = &requests[p->id];
	if (p->status != BLKIF_RSP_OKAY)
		die("a request failed");
	if (p->operation != r->op)
		die("a response with another operation");
	for (unsigned int k = 0; k < r->sectors && r->op == BLKIF_OP_READ; k++)
		if (memcmp(disk + (r->sector + k) * 512, sector_at(r, k), 512))
			die("wrong data");
	memset(busy + r->sector, 0, r->sectors);
	for (int i = 0; i < r->pages; i++)
		page_free[n_free++] = r->page[i];
	if (r->pages > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		page_free[n_free++] = r->page[r->pages];
	r->used = 0;
	in_flight--;
	done[r->op & 7]++;
}

static void reap(void)
{
	RING_IDX i, rp = ring.sring->rsp_prod;

	xen_rmb();
	if (rp - ring.rsp_cons > RING_SIZE(&ring))
		die("more responses than requests");
	for (i = ring.rsp_cons; i != rp; i++) {
		blkif_response_t p;

		memcpy(&p, RING_GET_RESPONSE(&ring, i), sizeof(p));
		ring.rsp_cons = i + 1;
		finish(&p);
	}
}

static void wait_for_event(void)
{
	struct pollfd p = { .fd = FD_WAKE, .events = POLLIN };
	char bytes[64];

	if (poll(&p, 1, 10000) != 1)
		die("no event in ten seconds");
	if (read(FD_WAKE, bytes, sizeof(bytes)) <= 0)
		die("the host is gone");
}

int main(void)
{
	unsigned int submitted = 0;

	if (read(FD_SETUP, &s, sizeof(s)) != sizeof(s))
		die("no setup");
	srand(s.seed);
	map();
	while (submitted < s.requests || in_flight) {
		int notify, more;

		for (int tries = 0; tries < 64 && submitted < s.requests && !RING_FULL(&ring); tries++)
			submitted += (unsigned int)submit();
		RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
		if (notify && write(FD_KICK, "", 1) != 1)
			die("the host is gone");
		reap();
		RING_FINAL_CHECK_FOR_RESPONSES(&ring, more);
		if (!more && in_flight)
			wait_for_event();
	}
	printf("slot of %zu bytes, %u slots: %u reads, %u writes, %u flushes, %u discards\n",
	       sizeof(union blkif_sring_entry), RING_SIZE(&ring), done[BLKIF_OP_READ], done[BLKIF_OP_WRITE],
	       done[BLKIF_OP_FLUSH_DISKCACHE], done[BLKIF_OP_DISCARD]);
	return 0;
}
