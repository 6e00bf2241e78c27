/* SPDX-License-Identifier: MIT */
/*
 * The granting half of libxengnttab.so.1: pages of the domain's own memory, handed out by the hub.
 * Source: xengnttab.h "Grant Sharing Interface"; Linux drivers/xen/gntalloc.c for the limits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xengnttab.h>

#include "common/lab/gnttab.h"
#include "common/lab/world.h"

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	return lab_gnt_open(LAB_KIND_GNTSHR, "gntshr.open");
}

static struct share *share_take(struct xengntdev_handle *h, void *addr)
{
	struct share **p, *s;

	for (p = &h->shares; (s = *p); p = &s->next) {
		if (s->addr == addr) {
			*p = s->next;
			return s;
		}
	}
	return NULL;
}

static void share_free(struct share *s)
{
	munmap(s->addr, (size_t)s->count * LAB_PAGE);
	free(s);
}

int xengntshr_close(xengntshr_handle *h)
{
	struct share *s;

	if (!h)
		return 0;
	lab_link_close(&h->link);
	while ((s = h->shares)) {
		h->shares = s->next;
		share_free(s);
	}
	pthread_mutex_destroy(&h->lock);
	free(h);
	return 0;
}

int xengntshr_fd(xengntshr_handle *h)
{
	return h->link.fd;
}

/* One mmap for each run of neighbours. */
static int share_map(struct xengntdev_handle *h, struct share *s)
{
	struct lab_view *v = lab_view_get(&h->link, h->link.dom);
	uint32_t i, n;
	int r = 0;

	if (!v)
		return -ENODEV;
	s->addr = mmap(NULL, (size_t)s->count * LAB_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (s->addr == MAP_FAILED)
		r = -ENOMEM;
	for (i = 0; !r && i < s->count; i += n) {
		for (n = 1; i + n < s->count && s->refs[i + n] == s->refs[i] + n; n++)
			;
		if (mmap((char *)s->addr + (size_t)i * LAB_PAGE, (size_t)n * LAB_PAGE,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, v->fd,
			 (off_t)s->refs[i] * LAB_PAGE) == MAP_FAILED)
			r = -ENOMEM;
	}
	lab_view_put(&h->link);
	return r;
}

static void *share(xengntshr_handle *h, const char *name, uint32_t domid, uint32_t count,
		   uint32_t *refs, int writable, uint32_t notify, uint32_t offset, uint32_t port)
{
	struct lab_msg m = {.op = LAB_SHARE,
			    .arg = {domid, count, !!writable, notify, offset, port}};
	struct share *s = NULL;
	int r = -lab_fault(name, ENOSPC);

	if (!r && (count == 0 || count > LAB_GNTALLOC))
		r = count ? -ENOSPC : -EINVAL;
	if (!r) {
		s = calloc(1, sizeof(*s) + count * sizeof(uint32_t));
		r = s ? lab_call(&h->link, &m, NULL, s->refs, count * sizeof(uint32_t), NULL)
		      : -ENOMEM;
	}
	if (r < 0)
		goto fail;
	s->count = count;
	r = share_map(h, s);
	if (r)
		goto fail;
	memcpy(refs, s->refs, count * sizeof(uint32_t));
	pthread_mutex_lock(&h->lock);
	s->next = h->shares;
	h->shares = s;
	pthread_mutex_unlock(&h->lock);
	return s->addr;
fail:
	free(s);
	errno = -r;
	return NULL;
}

void *xengntshr_share_pages(xengntshr_handle *h, uint32_t domid, int count, uint32_t *refs,
			    int writable)
{
	return share(h, "gntshr.share", domid, (uint32_t)count, refs, writable, 0, 0, 0);
}

void *xengntshr_share_page_notify(xengntshr_handle *h, uint32_t domid, uint32_t *ref, int writable,
				  uint32_t notify_offset, evtchn_port_t notify_port)
{
	uint32_t notify =
		(notify_offset < LAB_PAGE ? 1u : 0) | (notify_port != (uint32_t)-1 ? 2u : 0);

	return share(h, "gntshr.share", domid, 1, ref, writable, notify,
		     notify & 1 ? notify_offset : 0, notify_port);
}

int xengntshr_unshare(xengntshr_handle *h, void *start, uint32_t count)
{
	struct lab_msg m = {.op = LAB_UNSHARE, .len = count * (uint32_t)sizeof(uint32_t)};
	struct share *s;
	int r = lab_fault("gntshr.unshare", EINVAL);

	if (r) {
		errno = r;
		return -1;
	}
	pthread_mutex_lock(&h->lock);
	s = share_take(h, start);
	if (s && s->count != count) {
		s->next = h->shares;
		h->shares = s;
		s = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	if (!s) {
		errno = EINVAL;
		return -1;
	}
	r = lab_call(&h->link, &m, s->refs, NULL, 0, NULL);
	share_free(s);
	errno = r < 0 ? -r : 0;
	return r < 0 ? -1 : 0;
}
