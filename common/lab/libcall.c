/* SPDX-License-Identifier: MIT */
/* libxencall.so.1 of the lab: the real libxenctrl's way to the hypercalls of hypercall.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xencall.h>

#include "common/lab/hypercall.h"

struct xencall_handle {
	struct lab_link link;
};

xencall_handle *xencall_open(struct xentoollog_logger *logger, unsigned int flags)
{
	xencall_handle *h;
	int r = -lab_fault("call.open", ENOENT);

	(void)logger;
	(void)flags;
	h = r ? NULL : calloc(1, sizeof(*h));
	if (!r)
		r = h ? lab_link_open(&h->link, LAB_KIND_CALL, NULL, true) : -ENOMEM;
	if (r) {
		free(h);
		errno = -r;
		return NULL;
	}
	return h;
}

int xencall_close(xencall_handle *h)
{
	if (h)
		lab_link_close(&h->link);
	free(h);
	return 0;
}

int xencall_fd(xencall_handle *h)
{
	return h->link.fd;
}

static long call(xencall_handle *h, unsigned int op, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		 uint64_t e)
{
	const uint64_t arg[5] = {a, b, c, d, e};
	char name[32];
	long r = -lab_fault("call.hypercall", EFAULT);

	if (!r)
		r = lab_hypercall(&h->link, op, arg);
	if (r >= 0)
		return r;
	if (r == -ENOSYS) {
		static bool said[64];

		snprintf(name, sizeof(name), "hypercall %u", op);
		if (op < 64 && !__atomic_exchange_n(&said[op], true, __ATOMIC_RELAXED))
			fprintf(stderr, "xensplit-lab: %s (%llu) is not modelled: ENOSYS\n", name,
				(unsigned long long)a);
	}
	errno = (int)-r;
	return -1;
}

int xencall0(xencall_handle *h, unsigned int op)
{
	return (int)call(h, op, 0, 0, 0, 0, 0);
}

int xencall1(xencall_handle *h, unsigned int op, uint64_t a)
{
	return (int)call(h, op, a, 0, 0, 0, 0);
}

int xencall2(xencall_handle *h, unsigned int op, uint64_t a, uint64_t b)
{
	return (int)call(h, op, a, b, 0, 0, 0);
}

int xencall3(xencall_handle *h, unsigned int op, uint64_t a, uint64_t b, uint64_t c)
{
	return (int)call(h, op, a, b, c, 0, 0);
}

int xencall4(xencall_handle *h, unsigned int op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return (int)call(h, op, a, b, c, d, 0);
}

int xencall5(xencall_handle *h, unsigned int op, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
	     uint64_t e)
{
	return (int)call(h, op, a, b, c, d, e);
}

long xencall2L(xencall_handle *h, unsigned int op, uint64_t a, uint64_t b)
{
	return call(h, op, a, b, 0, 0, 0);
}

void *xencall_alloc_buffer_pages(xencall_handle *h, size_t nr_pages)
{
	void *p;

	(void)h;
	p = aligned_alloc(LAB_PAGE, nr_pages * LAB_PAGE);
	if (p)
		memset(p, 0, nr_pages * LAB_PAGE);
	return p;
}

void xencall_free_buffer_pages(xencall_handle *h, void *p, size_t nr_pages)
{
	(void)h;
	(void)nr_pages;
	free(p);
}

void *xencall_alloc_buffer(xencall_handle *h, size_t size)
{
	return xencall_alloc_buffer_pages(h, (size + LAB_PAGE - 1) / LAB_PAGE);
}

void xencall_free_buffer(xencall_handle *h, void *p)
{
	(void)h;
	free(p);
}

int xencall_buffers_never_fault(xencall_handle *h)
{
	(void)h;
	return 1;
}
