/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The only outside names that ring/ and frontend/core/ use, Linux kernel edition (what is needed and
 * why is said in the userspace edition). Barriers are the "virt" ones: the other end of a ring is on
 * another processor even when this kernel has only one.
 */
#ifndef XSP_ENV_H
#define XSP_ENV_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/prefetch.h>
#include <asm/barrier.h>

#ifndef UINT32_MAX
#define UINT32_MAX U32_MAX
#endif
#ifndef UINT64_MAX
#define UINT64_MAX U64_MAX
#endif
#ifndef INT64_MAX
#define INT64_MAX S64_MAX
#endif

#define xsp_load(p)     READ_ONCE(*(p))
#define xsp_store(p, v) WRITE_ONCE(*(p), (v))
#define xsp_mb()        virt_mb()
#define xsp_rmb()       virt_rmb()
#define xsp_wmb()       virt_wmb()
#define xsp_prefetchw(p) prefetchw(p)

/* A queue is set up while its disk can't answer: nothing here may wait for I/O. */
static inline void *xsp_zalloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_NOIO);
}

static inline void xsp_free(void *p)
{
	kvfree(p);
}

#endif
