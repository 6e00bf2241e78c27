/* SPDX-License-Identifier: MIT */
/*
 * The address space in which a process's grants are mapped: reserved once, so that "is this pointer
 * a foreign page" is one comparison (a grant copy into one must fail, as on Xen), and an unmapped
 * page faults.
 */
#include "common/lab/world.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static uint8_t *base;
static uint8_t used[LAB_ARENA];
static uint32_t hint;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
}

static int reserve(void)
{
	void *p = mmap(NULL, (size_t)LAB_ARENA * LAB_PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	pthread_atfork(NULL, NULL, after_fork);
	__atomic_store_n(&base, (uint8_t *)p, __ATOMIC_RELEASE);
	return 0;
}

static bool find(uint32_t pages, uint32_t from, uint32_t to, uint32_t *page)
{
	uint32_t i, run = 0;

	for (i = from; i < to; i++) {
		run = used[i] ? 0 : run + 1;
		if (run == pages) {
			*page = i + 1 - pages;
			return true;
		}
	}
	return false;
}

int lab_arena_get(uint32_t pages, uint32_t *page)
{
	int r = 0;

	if (pages == 0 || pages > LAB_ARENA)
		return -ENOMEM;
	pthread_mutex_lock(&lock);
	if (!base)
		r = reserve();
	if (!r && !find(pages, hint, LAB_ARENA, page) && !find(pages, 0, LAB_ARENA, page))
		r = -ENOMEM;
	if (!r) {
		memset(used + *page, 1, pages);
		hint = *page + pages;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

void lab_arena_put(uint32_t page, uint32_t pages)
{
	pthread_mutex_lock(&lock);
	memset(used + page, 0, pages);
	if (page < hint)
		hint = page;
	pthread_mutex_unlock(&lock);
}

uint8_t *lab_arena_addr(uint32_t page)
{
	return base + (size_t)page * LAB_PAGE;
}

bool lab_arena_has(const void *p, size_t n, uint32_t *page)
{
	uintptr_t b = (uintptr_t)__atomic_load_n(&base, __ATOMIC_ACQUIRE), a = (uintptr_t)p;
	size_t size = (size_t)LAB_ARENA * LAB_PAGE;

	if (!b || a + n <= b || a >= b + size)
		return false;
	if (page && a >= b)
		*page = (uint32_t)((a - b) / LAB_PAGE);
	return true;
}
