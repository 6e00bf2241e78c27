/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The granted pages that data travels through: shared once at open, given back at close. */
#include "frontend/user/disk.h"

/*
 * Takes `want` pages, or half as many until there are some: a guest has 1024 (gntalloc's limit) for
 * everything in it. Less than one whole request is no use.
 */
int xsp_pool_open(struct xsp_disk *d, uint32_t want)
{
	struct xsp_pool *p = &d->pool;

	p->gref = calloc(want, sizeof(*p->gref));
	p->free = calloc(want, sizeof(*p->free));
	if (!p->gref || !p->free)
		return xsp_disk_fail(d, -ENOMEM, "no memory");
	for (; want >= XSP_BLK_SEGS; want /= 2) {
		p->base = xengntshr_share_pages(d->gntshr, d->backend_domid, (int)want, p->gref, 1);
		if (p->base)
			break;
	}
	if (!p->base)
		return xsp_disk_fail(d, -ENOSPC, "vbd %u: no pages left to grant: %m", d->devid);
	p->pages = p->lent = p->n_free = want;
	for (uint32_t i = 0; i < want; i++)
		p->free[i] = want - 1 - i;
	return 0;
}

void xsp_pool_close(struct xsp_disk *d)
{
	struct xsp_pool *p = &d->pool;

	if (p->base)
		xengntshr_unshare(d->gntshr, p->base, p->pages);
	free(p->gref);
	free(p->free);
	*p = (struct xsp_pool){ .base = NULL };
}

void *xsp_disk_buffer(struct xsp_disk *d, size_t bytes)
{
	struct xsp_pool *p = &d->pool;
	size_t pages = (bytes + XSP_PAGE_SIZE - 1) / XSP_PAGE_SIZE;

	if (!pages || pages > p->lent - XSP_BLK_SEGS || p->n_free != p->lent)
		return NULL;
	p->lent -= (uint32_t)pages;
	p->n_free = p->lent;
	for (uint32_t i = 0; i < p->lent; i++)
		p->free[i] = p->lent - 1 - i;
	return p->base + (size_t)p->lent * XSP_PAGE_SIZE;
}
