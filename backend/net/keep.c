/* SPDX-License-Identifier: MIT */
/* What outlives a daemon of a guest's settings: see keep.h. */
#include "backend/net/keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/statics.h"

#define MAX_GREF (1u << 30)

void xsp_keep_init(struct xsp_netkeep *k)
{
	pthread_mutex_init(&k->lock, NULL);
}

void xsp_keep_fini(struct xsp_netkeep *k)
{
	for (uint32_t i = 0; i < XSP_KEEP_QUEUES; i++)
		free(k->statics[i]);
	pthread_mutex_destroy(&k->lock);
}

static void mark(struct xsp_netkeep *k)
{
	__atomic_store_n(&k->changed, true, __ATOMIC_RELAXED);
}

void xsp_keep_clear(struct xsp_netkeep *k)
{
	pthread_mutex_lock(&k->lock);
	memset(&k->hash, 0, sizeof(k->hash));
	memset(k->n_statics, 0, sizeof(k->n_statics));
	__atomic_store_n(&k->changed, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&k->lock);
}

void xsp_keep_hash(struct xsp_netkeep *k, const struct xsp_net_hash *h)
{
	pthread_mutex_lock(&k->lock);
	k->hash = *h;
	mark(k);
	pthread_mutex_unlock(&k->lock);
}

void xsp_keep_statics(struct xsp_netkeep *k, uint32_t queue, const struct xsp_net_gref *list, uint32_t n)
{
	if (queue >= XSP_KEEP_QUEUES)
		return;
	pthread_mutex_lock(&k->lock);
	if (!k->statics[queue])
		k->statics[queue] = malloc(XSP_STATICS * sizeof(*list));
	k->n_statics[queue] = k->statics[queue] ? n : 0; /* what isn't kept is copied after a restart */
	if (k->n_statics[queue])
		memcpy(k->statics[queue], list, n * sizeof(*list));
	mark(k);
	pthread_mutex_unlock(&k->lock);
}

uint32_t xsp_keep_statics_get(struct xsp_netkeep *k, uint32_t queue, struct xsp_net_gref *list)
{
	uint32_t n;

	pthread_mutex_lock(&k->lock);
	n = k->n_statics[queue];
	if (n)
		memcpy(list, k->statics[queue], n * sizeof(*list));
	pthread_mutex_unlock(&k->lock);
	return n;
}

/* --- text -------------------------------------------------------------------------------------- */

void xsp_keep_hash_text(const struct xsp_net_hash *h, char text[XSP_KEEP_TEXT])
{
	char *at = text + sprintf(text, "%u %u ", h->algorithm, h->types);

	for (uint32_t i = 0; i < XSP_HASH_KEY; i++)
		at += sprintf(at, "%02x", h->key[i]);
	at += sprintf(at, " %u ", h->map_size);
	for (uint32_t i = 0; i < h->map_size && i < XSP_HASH_MAP; i++)
		at += sprintf(at, "%x", h->map[i] & 15u);
}
static_assert(2 * 11 + 2 * XSP_HASH_KEY + 12 + XSP_HASH_MAP + 4 < XSP_KEEP_TEXT, "the text fits");
static_assert(XSP_KEEP_QUEUES == 16, "a queue is one digit");

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int xsp_keep_hash_parse(const char *text, uint32_t n_queues, struct xsp_net_hash *h)
{
	struct xsp_net_hash read = { 0 };
	char key[2 * XSP_HASH_KEY + 1];
	int end = 0;

	if (sscanf(text, "%u %u %80s %u %n", &read.algorithm, &read.types, key, &read.map_size, &end) != 4 ||
	    strlen(key) != 2 * XSP_HASH_KEY || read.map_size > XSP_HASH_MAP ||
	    strlen(text + end) != read.map_size || read.algorithm > XSP_NET_HASH_TOEPLITZ ||
	    read.types & ~(uint32_t)XSP_HASH_TYPES)
		return -EINVAL;
	for (uint32_t i = 0; i < XSP_HASH_KEY; i++) {
		int high = digit(key[2 * i]), low = digit(key[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		read.key[i] = (uint8_t)(high << 4 | low);
	}
	for (uint32_t i = 0; i < read.map_size; i++) {
		int queue = digit(text[end + (int)i]);

		if (queue < 0 || (uint32_t)queue >= n_queues)
			return -EINVAL;
		read.map[i] = (uint32_t)queue;
	}
	*h = read;
	return 0;
}

uint32_t xsp_keep_statics_text(const struct xsp_net_gref *list, uint32_t n, char *text, size_t len)
{
	uint32_t i = 0;
	size_t at = 0;

	*text = '\0';
	for (; i < n && at + 12 < len; i++)
		at += (size_t)snprintf(text + at, len - at, "%s%x%s", i ? " " : "", list[i].ref,
				       list[i].flags & XSP_NET_GREF_READONLY ? "r" : "");
	return i;
}

int xsp_keep_statics_parse(const char *text, struct xsp_net_gref *list, uint32_t max)
{
	uint32_t n = 0;

	while (*text) {
		char *end;
		unsigned long ref = strtoul(text, &end, 16);

		if (end == text || ref >= MAX_GREF || n == max)
			return -EINVAL;
		list[n] = (struct xsp_net_gref){ .ref = (uint32_t)ref };
		if (*end == 'r')
			list[n].flags = (uint16_t)(end++, XSP_NET_GREF_READONLY);
		n++;
		if (*end && *end != ' ')
			return -EINVAL;
		text = end + (*end == ' ');
	}
	return (int)n;
}
