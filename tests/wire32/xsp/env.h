/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* A world for tests/source/wire32.sh: just enough names for ring/ to compile without any libc. */
#ifndef XSP_ENV_H
#define XSP_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define static_assert _Static_assert

enum { ENOENT = 2, EIO = 5, ENOMEM = 12, EBUSY = 16, EINVAL = 22, ENOSPC = 28, ERANGE = 34, EPROTO = 71, EOPNOTSUPP = 95 };

#define xsp_load(p)	(*(const volatile __typeof__(*(p)) *)(p))
#define xsp_store(p, v) (*(volatile __typeof__(*(p)) *)(p) = (v))
#define xsp_mb()	__sync_synchronize()
#define xsp_rmb()	__asm__ __volatile__("" ::: "memory")
#define xsp_wmb()	__asm__ __volatile__("" ::: "memory")
#define xsp_prefetchw(p) __builtin_prefetch(p, 1)

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);

void *xsp_zalloc(size_t bytes);
void xsp_free(void *p);

#endif
