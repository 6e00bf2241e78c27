/* SPDX-License-Identifier: MIT */
/* The journal of a block ring: see journal.h. */
#include "backend/blk/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC   0x4a505358u /* XSPJ */
#define VERSION 1u

static size_t bytes_of(uint32_t n)
{
	return sizeof(struct xsp_journal_head) + n * sizeof(struct xsp_slot);
}

/* FNV-1a of what doesn't change: against half a file, not against who may write there. */
static uint32_t sum(const struct xsp_journal_head *h)
{
	const uint8_t *at = (const uint8_t *)h;
	uint32_t s = 2166136261u;

	for (size_t i = offsetof(struct xsp_journal_head, version);
	     i < offsetof(struct xsp_journal_head, check); i++)
		s = (s ^ at[i]) * 16777619u;
	return s;
}

/* --- the file ---------------------------------------------------------------------------------- */

/* Room is taken now: a full tmpfs is an error here, and a SIGBUS later. */
static int open_file(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), err;

	if (fd < 0)
		return -errno;
	/* Its last reference goes with the last thread of a process that dies. */
	err = flock(fd, LOCK_EX | LOCK_NB) ? -errno : 0;
	if (!err && ftruncate(fd, (off_t)bytes))
		err = -errno;
	if (!err)
		err = -posix_fallocate(fd, 0, (off_t)bytes);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static void *map(int fd, size_t bytes)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

int xsp_journal_open(struct xsp_journal *j, const char *path, uint32_t n)
{
	size_t bytes = bytes_of(n);
	int err;

	*j = (struct xsp_journal){ .n = n, .fd = -1 };
	if (path) {
		j->fd = open_file(path, bytes);
		if (j->fd < 0) {
			err = j->fd;
			j->fd = -1;
			return err;
		}
	}
	j->head = map(j->fd, bytes);
	if (!j->head) {
		err = -errno;
		xsp_journal_close(j);
		return err;
	}
	j->slots = (struct xsp_slot *)(j->head + 1);
	return 0;
}

void xsp_journal_close(struct xsp_journal *j)
{
	if (j->head)
		munmap(j->head, bytes_of(j->n));
	if (j->fd >= 0)
		close(j->fd);
	*j = (struct xsp_journal){ .fd = -1 };
}

/* --- which ring -------------------------------------------------------------------------------- */

bool xsp_journal_is_of(const struct xsp_journal *j, const struct xsp_journal_id *id)
{
	const struct xsp_journal_head *h = j->head;

	return h->magic == MAGIC && h->version == VERSION && h->slots == j->n &&
	       h->slot_bytes == sizeof(struct xsp_slot) && !memcmp(&h->id, id, sizeof(*id)) &&
	       h->check == sum(h);
}

void xsp_journal_begin(struct xsp_journal *j, const struct xsp_journal_id *id, uint32_t at)
{
	struct xsp_journal_head *h = j->head;

	__atomic_store_n(&h->magic, 0, __ATOMIC_RELEASE); /* from here to the end it is nobody's */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	h->version = VERSION;
	h->slots = j->n;
	h->slot_bytes = sizeof(struct xsp_slot);
	h->id = *id;
	h->req_cons = h->rsp_prod = at;
	for (uint32_t i = 0; i < j->n; i++)
		j->slots[i].stage = XSP_SLOT_FREE;
	h->check = sum(h);
	__atomic_store_n(&h->magic, MAGIC, __ATOMIC_RELEASE);
}

/* --- after a kill ------------------------------------------------------------------------------ */

struct found {
	const struct xsp_slot *slots;
	uint32_t from;
};

static int by_taken(const void *a, const void *b, void *arg)
{
	const struct found *f = arg;
	uint32_t x = f->slots[*(const uint16_t *)a].taken_at - f->from;
	uint32_t y = f->slots[*(const uint16_t *)b].taken_at - f->from;

	return (x > y) - (x < y);
}

/* Responses that were written but not published, in their order; those that were are to be freed. */
static bool sort_answered(const struct xsp_journal *j, struct xsp_recovery *r, uint16_t *free_,
			  uint32_t *n_free)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < j->n; i++) {
		uint32_t ahead;

		if (j->slots[i].stage != XSP_SLOT_ANSWERED)
			continue;
		ahead = j->slots[i].answered_at - r->rsp_prod;
		if (ahead >= j->n) { /* behind: the guest has it */
			free_[(*n_free)++] = (uint16_t)i;
			continue;
		}
		r->answered[ahead] = (uint16_t)i;
		n++;
	}
	for (uint32_t i = 0; i < n; i++) { /* without a gap */
		const struct xsp_slot *slot = &j->slots[r->answered[i]];

		if (r->answered[i] >= j->n || slot->stage != XSP_SLOT_ANSWERED ||
		    slot->answered_at - r->rsp_prod != i)
			return false;
	}
	r->n_answered = n;
	return true;
}

/* What was taken and has no answer, in the order in which it was taken; each request once. */
static bool sort_live(const struct xsp_journal *j, struct xsp_recovery *r)
{
	struct found f = { j->slots, j->head->req_cons - j->n };

	for (uint32_t i = 0; i < j->n; i++)
		if (j->slots[i].stage == XSP_SLOT_TAKEN)
			r->live[r->n_live++] = (uint16_t)i;
	qsort_r(r->live, r->n_live, sizeof(*r->live), by_taken, &f);
	for (uint32_t i = 1; i < r->n_live; i++)
		if (j->slots[r->live[i]].taken_at == j->slots[r->live[i - 1]].taken_at)
			return false;
	return true;
}

int xsp_journal_recover(struct xsp_journal *j, uint32_t rsp_prod, uint32_t req_prod, struct xsp_recovery *r,
			const char **why)
{
	uint16_t published[XSP_MAX_SLOTS];
	uint32_t n_published = 0, answered = 0;

	*why = "its journal contradicts itself";
	memset(r, 0xff, sizeof(*r));
	r->n_answered = r->n_live = 0;
	r->rsp_prod = rsp_prod;
	for (uint32_t i = 0; i < j->n; i++) {
		if (j->slots[i].stage > XSP_SLOT_ANSWERED)
			return -EPROTO;
		answered += j->slots[i].stage == XSP_SLOT_ANSWERED;
	}
	if (rsp_prod - j->head->rsp_prod > answered || req_prod - rsp_prod > j->n) {
		*why = "its ring's indices are not those of its journal";
		return -EPROTO;
	}
	if (!sort_answered(j, r, published, &n_published) || !sort_live(j, r))
		return -EPROTO;
	r->req_cons = rsp_prod + r->n_answered + r->n_live;
	/* The last that was taken may not have been counted any more. */
	if ((r->req_cons != j->head->req_cons && r->req_cons != j->head->req_cons + 1) ||
	    req_prod - r->req_cons > j->n) {
		*why = "its ring's indices are not those of its journal";
		return -EPROTO;
	}
	XSP_JOURNAL_STORE();
	__atomic_store_n(&j->head->req_cons, r->req_cons, __ATOMIC_RELEASE);
	xsp_journal_published(j, rsp_prod, published, n_published);
	return 0;
}
