/* SPDX-License-Identifier: MIT */
/* A guest's multicast addresses: see mcast.h. */
#include "backend/net/mcast.h"

#include <stdio.h>
#include <string.h>

void xsp_mcast_init(struct xsp_mcast *m)
{
	pthread_mutex_init(&m->lock, NULL);
}

void xsp_mcast_fini(struct xsp_mcast *m)
{
	pthread_mutex_destroy(&m->lock);
}

void xsp_mcast_set(struct xsp_mcast *m, bool on)
{
	__atomic_store_n(&m->on, on, __ATOMIC_RELAXED);
}

void xsp_mcast_clear(struct xsp_mcast *m, bool on)
{
	pthread_mutex_lock(&m->lock);
	m->n = 0;
	pthread_mutex_unlock(&m->lock);
	xsp_mcast_set(m, on);
}

/* With the lock held: where it is, or n. */
static uint32_t find(const struct xsp_mcast *m, const uint8_t *addr)
{
	uint32_t i = 0;

	while (i < m->n && memcmp(m->addr[i], addr, 6))
		i++;
	return i;
}

bool xsp_mcast_add(struct xsp_mcast *m, const uint8_t *addr)
{
	bool ok = true;

	pthread_mutex_lock(&m->lock);
	if (find(m, addr) == m->n) {
		ok = m->n < XSP_MCASTS;
		if (ok) {
			memcpy(m->addr[m->n++], addr, 6);
			__atomic_store_n(&m->changed, true, __ATOMIC_RELAXED);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return ok;
}

void xsp_mcast_del(struct xsp_mcast *m, const uint8_t *addr)
{
	uint32_t i;

	pthread_mutex_lock(&m->lock);
	i = find(m, addr);
	if (i < m->n) {
		memmove(m->addr[i], m->addr[--m->n], 6);
		__atomic_store_n(&m->changed, true, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&m->lock);
}

uint32_t xsp_mcast_count(struct xsp_mcast *m)
{
	uint32_t n;

	pthread_mutex_lock(&m->lock);
	n = m->n;
	pthread_mutex_unlock(&m->lock);
	return n;
}

bool xsp_mcast_changed(struct xsp_mcast *m, bool seen)
{
	return seen ? __atomic_exchange_n(&m->changed, false, __ATOMIC_RELAXED) :
		      __atomic_load_n(&m->changed, __ATOMIC_RELAXED);
}

void xsp_mcast_text(struct xsp_mcast *m, char *text, size_t len)
{
	size_t at = 0;

	*text = '\0';
	pthread_mutex_lock(&m->lock);
	for (uint32_t i = 0; i < m->n && at + 14 <= len; i++) {
		const uint8_t *a = m->addr[i];

		at += (size_t)snprintf(text + at, len - at, "%s%02x%02x%02x%02x%02x%02x", i ? " " : "", a[0],
				       a[1], a[2], a[3], a[4], a[5]);
	}
	pthread_mutex_unlock(&m->lock);
}

void xsp_mcast_parse(struct xsp_mcast *m, const char *text)
{
	uint8_t a[6];
	int n;

	for (; sscanf(text, " %2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%n", &a[0], &a[1], &a[2], &a[3], &a[4], &a[5],
		      &n) == 6; text += n)
		if (!xsp_mcast_add(m, a))
			break;
}

bool xsp_mcast_passes(struct xsp_mcast *m, const uint8_t *to)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	bool passes;

	if (!(to[0] & 1) || !__atomic_load_n(&m->on, __ATOMIC_RELAXED) || !memcmp(to, broadcast, 6))
		return true;
	pthread_mutex_lock(&m->lock);
	passes = find(m, to) < m->n;
	pthread_mutex_unlock(&m->lock);
	return passes;
}
