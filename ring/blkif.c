/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Block requests and responses of x86_32 guests, whose 64-bit fields are aligned to 4. The other
 * layout's way through the ring is inline: blkif.h. */
#include "ring/blkif.h"

#define HEAD32 20u

void xsp_blk_back_take32(const void *slot, struct xsp_blk_req *req)
{
	struct xsp_blk_req32 head;

	xsp_load32s(&head, slot, HEAD32);
	req->op = head.op;
	req->nr_segs = head.nr_segs;
	req->handle = head.handle;
	req->pad = 0;
	req->id = head.id;
	req->sector = head.sector;
	xsp_load32s(req->seg, (const uint8_t *)slot + HEAD32, xsp_blk_rest_bytes(req->op, req->nr_segs));
}

void xsp_blk_back_respond32(void *slot, uint64_t id, uint8_t op, int16_t status)
{
	uint32_t *to = slot;

	xsp_store(&to[0], (uint32_t)id);
	xsp_store(&to[1], (uint32_t)(id >> 32));
	xsp_store(&to[2], (uint32_t)op | (uint32_t)(uint16_t)status << 16);
}
