/* SPDX-License-Identifier: MIT */
/* A guest's multicast addresses: see mcast.h. */
#include "backend/net/mcast.h"

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
		if (ok)
			memcpy(m->addr[m->n++], addr, 6);
	}
	pthread_mutex_unlock(&m->lock);
	return ok;
}

void xsp_mcast_del(struct xsp_mcast *m, const uint8_t *addr)
{
	uint32_t i;

	pthread_mutex_lock(&m->lock);
	i = find(m, addr);
	if (i < m->n)
		memmove(m->addr[i], m->addr[--m->n], 6);
	pthread_mutex_unlock(&m->lock);
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
