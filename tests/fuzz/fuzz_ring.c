/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest against the back half: any bytes in the ring's pages, any request index, any
 * answers' order; each layout, each order. What is taken is judged as the daemon judges it, and what
 * is judged good must be inside the disk and fit into the worker's buffer.
 */
#include "backend/blk/request.h"
#include "backend/worker.h"
#include "ring/blkif.h"
#include "tests/fuzz/input.h"

#define MAX_SLOTS 512u

static struct xsp_blk_req slot[MAX_SLOTS];
static uint32_t in_flight;

static struct xsp_blk_seg area[XSP_AREA_SEGS]; /* what an indirect request fetches */

static void judge_data(const struct xsp_blk_req *req, const struct xsp_blk_seg *segs,
		       const struct xsp_blk_limits *l, const struct xsp_blk_plan *plan)
{
	bool indirect = req->op == XSP_BLK_INDIRECT;
	uint32_t n = indirect ? req->handle : req->nr_segs;
	uint64_t bytes = 0;

	HOLDS(n >= 1 && n <= (indirect ? l->indirect : XSP_BLK_SEGS));
	HOLDS(!indirect || xsp_blk_indirect_segs(req, l) == n);
	for (unsigned int i = 0; i < n; i++) {
		HOLDS(segs[i].first <= segs[i].last && segs[i].last < 8);
		bytes += (segs[i].last - segs[i].first + 1u) * XSP_SECTOR_SIZE;
	}
	HOLDS(plan->len == bytes && plan->len <= (indirect ? XSP_AREA_BYTES : XSP_BOUNCE_BYTES));
}

/* An indirect request's descriptors are as hostile as the rest: bytes of the ring stand in for them. */
static struct xsp_blk_seg descriptors[XSP_AREA_SEGS];

static void judge(struct xsp_blk_req *req, const struct xsp_blk_limits *l)
{
	bool indirect = req->op == XSP_BLK_INDIRECT;
	struct xsp_blk_seg *segs = indirect ? descriptors : req->seg;
	uint32_t n = indirect ? req->handle : req->nr_segs;
	struct xsp_blk_plan plan = { 0 };
	const char *why = NULL;
	int16_t status;
	uint64_t size = l->sectors * XSP_SECTOR_SIZE, bytes = 0;

	HOLDS(xsp_blk_indirect_segs(req, l) <= XSP_AREA_SEGS);
	xsp_blk_to_512(req, l->shifts);
	if (indirect && l->shifts.segment)
		xsp_blk_segs_to_512(segs, xsp_blk_indirect_segs(req, l), l->shifts);
	status = xsp_blk_check(req, segs, l, &plan, &why);
	if (status != XSP_BLK_OKAY) {
		HOLDS(status == XSP_BLK_ERROR || status == XSP_BLK_EOPNOTSUPP);
		HOLDS(why && *why);
		return;
	}
	if (plan.op == XSP_IO_FLUSH) {
		HOLDS(!plan.len && l->can_flush);
		return;
	}
	HOLDS(plan.op == XSP_IO_READ || !l->readonly);
	HOLDS(plan.offset < size && plan.len <= size - plan.offset);
	HOLDS(plan.offset % l->sector_size == 0 && plan.len % l->sector_size == 0);
	if (plan.op == XSP_IO_DISCARD) {
		HOLDS(l->can_discard && plan.len);
		return;
	}
	HOLDS(n >= 1 && n <= (indirect ? l->indirect : XSP_BLK_SEGS));
	for (unsigned int i = 0; i < n; i++) {
		HOLDS(segs[i].first <= segs[i].last && segs[i].last < 8);
		bytes += (segs[i].last - segs[i].first + 1u) * XSP_SECTOR_SIZE;
	}
	HOLDS(plan.len == bytes && bytes <= n * XSP_PAGE_SIZE);
}

static void take(struct xsp_blk_back *b, unsigned int max, const struct xsp_blk_limits *l)
{
	int n = xsp_ring_back_pending(&b->ring);

	HOLDS(n == -EPROTO || (n >= 0 && n <= (int)b->ring.size));
	while (n-- > 0 && max--) {
		HOLDS(in_flight < b->ring.size); /* else the daemon's slot array would overflow */
		memset(&slot[in_flight], 0xa5, sizeof(slot[0]));
		xsp_blk_back_take(b, &slot[in_flight]);
		judge(&slot[in_flight++], l);
	}
}

static void respond(struct xsp_blk_back *b, unsigned int which)
{
	if (!in_flight)
		return;
	which %= in_flight;
	xsp_blk_back_respond(b, slot[which].id, slot[which].op, XSP_BLK_OKAY);
	slot[which] = slot[--in_flight];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t head = eat8(&in), kind = eat8(&in);
	unsigned int order = (head >> 1) % (XSP_RING_MAX_ORDER + 1);
	size_t bytes = (size_t)XSP_PAGE_SIZE << order;
	struct xsp_sring *s = aligned_alloc(XSP_PAGE_SIZE, bytes); /* so that ASan guards its end */
	struct xsp_blk_back b = { .abi = head & 1 ? XSP_BLK_X86_32 : XSP_BLK_X86_64 };
	struct xsp_blk_limits limits = {
		.sectors = kind & 8 ? eat64(&in) >> 12 : 2048,
		.sector_size = 512u << (kind & 3),
		.readonly = kind & 16,
		.can_flush = !(kind & 32),
		.can_discard = kind & 128,
		.indirect = kind & 4 ? XSP_AREA_SEGS : 0,
	};

	limits.shifts = xsp_blk_dialect_shifts((enum xsp_blk_dialect)((head >> 4) % XSP_DIALECTS),
					       limits.sector_size);
	memset(s, 0, bytes);
	in_flight = 0;
	xsp_ring_back_init(&b.ring, s, xsp_blk_ring_slots(order), kind & 64 ? eat32(&in) : 0);
	xsp_store(&s->req_prod, b.ring.req_cons);
	while (in.left) {
		uint8_t op = eat8(&in), arg = op >> 3;

		switch (op & 7) {
		case 0:
			xsp_store(&s->req_prod, eat32(&in));
			break;
		case 1:
			xsp_store(&s->req_prod, s->req_prod + arg);
			break;
		case 2: /* a request of the guest's, where the next one is expected, or near */
			eat(&in, xsp_blk_slot(s, b.abi, (b.ring.req_cons + arg % 4) & (b.ring.size - 1)),
			    xsp_blk_slot_bytes(b.abi));
			break;
		case 3:
			eat(&in, (uint8_t *)descriptors + arg * 8, 8);
			eat(&in, (uint8_t *)s + eat32(&in) % (bytes - 64), 1u + arg);
			break;
		case 4:
			take(&b, arg + 1u, &limits);
			break;
		case 5:
			respond(&b, arg);
			break;
		case 6:
			eat(&in, area, sizeof(area[0]) * arg);
			xsp_ring_back_push(&b.ring);
			break;
		default:
			HOLDS(xsp_ring_back_sleep(&b.ring) <= (int)b.ring.size);
		}
	}
	free(s);
	return 0;
}
