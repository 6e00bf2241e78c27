/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Pages of ours that stay granted to the backend as long as it is connected, so that it can keep them
 * mapped (feature-persistent), and so that a backend we don't trust sees no other page of this guest.
 * Last in, first out: a queue that has little to do touches few pages, and the backend maps few.
 *
 * Pages are zeroed when they join, and hold only what this disk's backend has been given or gave us.
 */
#include <linux/gfp.h>
#include <xen/page.h>

#include "frontend/linux/blk/xblk.h"

void xblk_pool_init(struct xblk_pool *p)
{
	spin_lock_init(&p->lock);
	INIT_LIST_HEAD(&p->free);
}

static struct page *new_page(struct xblk_pool *p, gfp_t gfp)
{
	struct page *page = alloc_page(gfp | __GFP_ZERO | __GFP_NOWARN);
	int ref;

	if (!page)
		return NULL;
	ref = gnttab_grant_foreign_access(p->domid, xen_page_to_gfn(page), 0);
	if (ref < 0) {
		__free_page(page);
		return NULL;
	}
	set_page_private(page, ref);
	page->index = p->life;
	p->n_all++;
	return page;
}

/*
 * The page goes back to the kernel; if the backend still has it mapped, the kernel keeps it until it
 * lets go.
 */
static void drop_page(struct page *page)
{
	grant_ref_t ref = page_private(page);

	set_page_private(page, 0);
	gnttab_end_foreign_access(ref, page);
}

static void drop_pages(struct list_head *pages)
{
	while (!list_empty(pages)) {
		struct page *page = list_first_entry(pages, struct page, lru);

		list_del(&page->lru);
		drop_page(page);
	}
}

/*
 * Readies the pool for a backend. `reserve` pages are allocated at once, so that the largest request
 * can always be made, if need be one at a time. May sleep. 0 or -ENOMEM.
 */
int xblk_pool_open(struct xblk_pool *p, domid_t domid, unsigned long life, unsigned int reserve)
{
	LIST_HEAD(pages);

	p->domid = domid;
	p->life = life;
	p->n_all = p->n_free = 0;
	while (p->n_free < reserve) {
		struct page *page = new_page(p, GFP_NOIO);

		if (!page) {
			drop_pages(&pages);
			return -ENOMEM;
		}
		list_add(&page->lru, &pages);
		p->n_free++;
	}
	spin_lock_irq(&p->lock);
	list_splice(&pages, &p->free);
	p->open = true;
	spin_unlock_irq(&p->lock);
	return 0;
}

/* Ends all grants of free pages; those in use end when they are given back. */
void xblk_pool_close(struct xblk_pool *p)
{
	LIST_HEAD(pages);

	spin_lock_irq(&p->lock);
	list_splice_init(&p->free, &pages);
	p->n_free = 0;
	p->open = false;
	spin_unlock_irq(&p->lock);
	drop_pages(&pages);
}

/* Moves n pages to a list, or none: false then. Any context. */
bool xblk_pool_take(struct xblk_pool *p, struct list_head *to, unsigned int n)
{
	unsigned long flags;
	bool good = true;

	spin_lock_irqsave(&p->lock, flags);
	while (p->open && p->n_free < n && p->n_all < p->max) {
		struct page *page = new_page(p, GFP_NOWAIT);

		if (!page)
			break;
		list_add(&page->lru, &p->free);
		p->n_free++;
	}
	if (p->n_free < n || !p->open)
		good = false;
	for (; good && n; n--) {
		list_move_tail(p->free.next, to);
		p->n_free--;
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return good;
}

/* Takes all pages of the list back. Any context. */
void xblk_pool_give(struct xblk_pool *p, struct list_head *from)
{
	LIST_HEAD(old);
	struct page *page, *next;
	unsigned long flags;

	if (list_empty(from))
		return;
	spin_lock_irqsave(&p->lock, flags);
	list_for_each_entry_safe(page, next, from, lru) {
		if (p->open && page->index == p->life) {
			list_move(&page->lru, &p->free);
			p->n_free++;
		} else {
			list_move(&page->lru, &old);
		}
	}
	spin_unlock_irqrestore(&p->lock, flags);
	drop_pages(&old);
}
