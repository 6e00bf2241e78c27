/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The only outside names that ring/ and frontend/core/ use, userspace edition. A world is one
 * directory under ring/env/, chosen by the include path; never by #ifdef in a function body.
 *
 * Need: u8..u64 as uint8_t.., bool, size_t, NULL, the -errno names used (EINVAL EIO EPROTO ENOSPC
 *       EOPNOTSUPP EBUSY ENOMEM ERANGE), memcpy, memset, static_assert;
 *       xsp_load/xsp_store    one plain access the compiler may not split, repeat or invent
 *       xsp_mb/rmb/wmb        full, read and write barrier between processors ("smp" in the kernel)
 *       xsp_prefetchw         a hint: this line will be written soon, get it
 *       xsp_zalloc/xsp_free   zeroed memory; only while a queue is set up or torn down
 */
#ifndef XSP_ENV_H
#define XSP_ENV_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * ThreadSanitizer knows no fences. Under it each access carries the order itself, so that it sees
 * what happens before what, and the fences are bare instructions.
 */
#ifdef __SANITIZE_THREAD__
#define xsp_load(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define xsp_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define xsp_mb()        __asm__ __volatile__("lock; orl $0, (%%rsp)" ::: "memory", "cc")
#define xsp_rmb()       __asm__ __volatile__("" ::: "memory")
#define xsp_wmb()       __asm__ __volatile__("" ::: "memory")
#else
#define xsp_load(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define xsp_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define xsp_mb()        __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xsp_rmb()       __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xsp_wmb()       __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* gcc makes a write prefetch one for reading unless it is told of the processor. */
#if defined(__x86_64__) || defined(__i386__)
#define xsp_prefetchw(p) __asm__ __volatile__("prefetchw %0" ::"m"(*(const char *)(p)))
#else
#define xsp_prefetchw(p) __builtin_prefetch(p, 1)
#endif

static inline void *xsp_zalloc(size_t bytes)
{
	return calloc(1, bytes);
}

static inline void xsp_free(void *p)
{
	free(p);
}

#endif
