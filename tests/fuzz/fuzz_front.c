/* SPDX-License-Identifier: MIT */
/*
 * A hostile backend against the frontend's core: any bytes in the ring, any response index, any
 * XenStore values. Each request must be handed back at most once, whatever the backend answers.
 */
#include "frontend/core/blkfront.h"
#include "frontend/core/blkkeys.h"
#include "tests/fuzz/input.h"

#define MAX_COOKIES 4096u

static uint8_t out[MAX_COOKIES];
static unsigned int n_out, next_cookie;

static void handed_back(const struct xsp_blkfront_done *done, int n)
{
	for (int i = 0; i < n; i++) {
		HOLDS(done[i].cookie < next_cookie && out[done[i].cookie]);
		out[done[i].cookie] = 0;
		n_out--;
	}
}

static void add(struct xsp_blkfront *q, struct input *in, uint8_t arg)
{
	struct xsp_blk_seg seg[XSP_BLK_SEGS];

	if (next_cookie == MAX_COOKIES)
		return;
	eat(in, seg, sizeof(seg));
	if (xsp_blkfront_add(q, arg & 3, eat64(in), seg, arg >> 2, next_cookie))
		return;
	out[next_cookie++] = 1;
	n_out++;
	HOLDS(n_out <= q->ring.size);
}

/* A good answer to something in flight, so that the fuzzer need not guess 64-bit ids. */
static void answer(struct xsp_blkfront *q, struct xsp_sring *s, uint8_t arg)
{
	for (uint32_t i = 0; i < q->ring.size; i++) {
		struct xsp_blkfront_slot *slot = &q->slots[(i + arg) % q->ring.size];
		struct xsp_blk_rsp *rsp;

		if (!slot->busy)
			continue;
		rsp = xsp_blk_slot(s, XSP_BLK_NATIVE, s->rsp_prod & (q->ring.size - 1));
		*rsp = (struct xsp_blk_rsp){ .id = slot->req.id, .op = slot->req.op, .status = -(arg & 3) };
		s->rsp_prod++;
		return;
	}
}

static void ring(struct input *in)
{
	unsigned int order = eat8(in) % (XSP_RING_MAX_ORDER + 1);
	size_t bytes = (size_t)XSP_PAGE_SIZE << order;
	struct xsp_sring *s = aligned_alloc(XSP_PAGE_SIZE, bytes);
	struct xsp_blkfront_done done[64];
	struct xsp_blkfront q;
	int n;

	n_out = next_cookie = 0;
	HOLDS(!xsp_blkfront_init(&q, s, order, 51712));
	while (in->left) {
		uint8_t op = eat8(in), arg = op >> 3;

		switch (op & 7) {
		case 0:
		case 1:
			add(&q, in, eat8(in));
			break;
		case 2:
			xsp_blkfront_push(&q);
			break;
		case 3:
			xsp_store(&s->rsp_prod, eat32(in));
			break;
		case 4:
			eat(in, (uint8_t *)s + eat32(in) % (bytes - 64), 1u + arg);
			break;
		case 5:
			answer(&q, s, arg);
			break;
		case 6:
			n = xsp_blkfront_reap(&q, done, 1u + arg);
			HOLDS(n == -EPROTO || (n >= 0 && n <= arg + 1));
			HOLDS(n >= 0 || q.broken);
			handed_back(done, n);
			break;
		default:
			if (arg == 31 && !xsp_blkfront_restart(&q, s, order))
				break;
			xsp_blkfront_sleep(&q);
		}
	}
	while ((n = xsp_blkfront_abort(&q, done, 64)) > 0)
		handed_back(done, n);
	HOLDS(n_out == 0); /* every request came back, once */
	xsp_blkfront_fini(&q);
	free(s);
}

static void keys(struct input *in)
{
	struct xsp_key key[32];
	struct xsp_blk_offer offer;
	struct xsp_blk_disk disk;
	const char *bad = NULL;
	char value[32][32];
	unsigned int n = 0;

	while (in->left && n < 32) {
		uint8_t which = eat8(in), len = eat8(in);
		bool of_offer = which % (xsp_blk_offer_keys_count + xsp_blk_disk_keys_count) <
				xsp_blk_offer_keys_count;

		key[n].key = of_offer ? xsp_blk_offer_keys[which % xsp_blk_offer_keys_count] :
					xsp_blk_disk_keys[which % xsp_blk_disk_keys_count];
		memset(value[n], 0, sizeof(value[n]));
		eat(in, value[n], len % 31);
		key[n].value = len == 255 ? NULL : value[n];
		n++;
	}
	if (!xsp_blk_offer_from_keys(key, n, &offer, &bad))
		HOLDS(offer.max_order <= XSP_RING_MAX_ORDER && offer.max_queues >= 1 &&
		      offer.max_queues <= XSP_BLK_MAX_QUEUES);
	for (int units = 0; units < 2; units++)
		if (!xsp_blk_disk_from_keys(key, n, (enum xsp_blk_units)units, &disk, &bad))
			HOLDS(disk.sector_size >= 512 && disk.sector_size <= 4096 &&
			      !(disk.sector_size & (disk.sector_size - 1)) &&
			      disk.sectors <= UINT64_MAX / 512);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (eat8(&in) & 1)
		keys(&in);
	else
		ring(&in);
	return 0;
}
