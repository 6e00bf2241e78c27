/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The granted pages that data travels through: shared once at open, given back at close. */
#include <sys/mman.h>

#include "frontend/user/disk.h"

/* The head of a private buffer, on the page before it. */
struct xsp_private {
	struct xsp_private *next;
	size_t bytes; /* with this page */
};

static void all_free(struct xsp_pool *p, uint32_t lent)
{
	p->lent = p->n_free = lent;
	p->free = 0;
	for (uint32_t i = 0; i < lent; i++)
		p->next[i] = i + 1;
}

uint32_t xsp_pool_borrow(struct xsp_pool *p)
{
	uint32_t page = p->free;

	p->free = p->next[page];
	p->n_free--;
	return page;
}

void xsp_pool_return(struct xsp_pool *p, uint32_t page)
{
	if (p->zero)
		memset(xsp_pool_page(p, page), 0, XSP_PAGE_SIZE);
	p->next[page] = p->free;
	p->free = page;
	p->n_free++;
}

/*
 * Takes `want` pages, or half as many until there are some: a guest has 1024 (gntalloc's limit) for
 * everything in it. Less than one whole request is no use.
 */
int xsp_pool_open(struct xsp_disk *d, uint32_t want)
{
	struct xsp_pool *p = &d->pool;

	p->gref = calloc(want, sizeof(*p->gref));
	p->next = calloc(want, sizeof(*p->next));
	if (!p->gref || !p->next)
		return xsp_disk_fail(d, -ENOMEM, "no memory");
	for (; want >= XSP_BLK_SEGS; want /= 2) {
		p->base = xengntshr_share_pages(d->gntshr, d->backend_domid, (int)want, p->gref, 1);
		if (p->base)
			break;
	}
	if (!p->base)
		return xsp_disk_fail(d, -ENOSPC, "vbd %u: no pages left to grant: %m", d->devid);
	p->pages = want;
	p->zero = d->untrusted;
	if (p->zero) /* as the kernel gives them; another platform may not */
		memset(p->base, 0, (size_t)want * XSP_PAGE_SIZE);
	all_free(p, want);
	return 0;
}

void xsp_pool_close(struct xsp_disk *d)
{
	struct xsp_pool *p = &d->pool;

	if (p->base)
		xengntshr_unshare(d->gntshr, p->base, p->pages);
	while (p->private) {
		struct xsp_private *b = p->private;

		p->private = b->next;
		munmap(b, b->bytes);
	}
	free(p->gref);
	free(p->next);
	*p = (struct xsp_pool){ .base = NULL };
}

/* Not granted: what a program keeps in its buffer beside the data of requests stays its own. */
static void *private_buffer(struct xsp_pool *p, size_t pages)
{
	size_t bytes = (pages + 1) * XSP_PAGE_SIZE;
	struct xsp_private *b = pages > SIZE_MAX / XSP_PAGE_SIZE - 1 ? MAP_FAILED :
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		return NULL;
	b->next = p->private;
	b->bytes = bytes;
	p->private = b;
	return (uint8_t *)b + XSP_PAGE_SIZE;
}

void *xsp_disk_buffer(struct xsp_disk *d, size_t bytes)
{
	struct xsp_pool *p = &d->pool;
	size_t pages = bytes / XSP_PAGE_SIZE + (bytes % XSP_PAGE_SIZE != 0);

	if (pages && p->zero)
		return private_buffer(p, pages);
	if (!pages || pages > p->lent - XSP_BLK_SEGS || p->n_free != p->lent)
		return NULL;
	all_free(p, p->lent - (uint32_t)pages);
	return p->base + (size_t)p->lent * XSP_PAGE_SIZE;
}
