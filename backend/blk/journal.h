/* SPDX-License-Identifier: MIT */
/*
 * The journal of a block ring: what was taken from it and not yet answered, for a daemon that comes
 * after one that was killed.
 *
 * A response is written where an older request lay, so of a request that was taken the ring may hold
 * nothing any more. A queue's slots hold all of it, in the private copy that is checked and used; so
 * the journal is these slots themselves, in a file on a tmpfs that is mapped shared. What the process
 * has stored there stays when it dies, in the order in which it was stored. Three words in each slot
 * and two in the head make it a journal:
 *
 *   take     the copy; TAKEN; head.req_cons           before the next request is taken
 *   answer   number of the response; ANSWERED         before it is published
 *   push     the ring's rsp_prod; head.rsp_prod; FREE
 *
 * and from what lies there between any two of these stores, xsp_journal_recover finds what was
 * published, what is answered and only has to be published, and what has to be done again. Nothing is
 * answered twice and nothing never; a request may be executed twice, which those of a disk may. (What
 * the killed daemon had handed to the kernel is over by then: see target/file.c, lock.)
 *
 * What this is not: a log of data. It costs no system call, and a machine that stops loses it together
 * with its guests.
 */
#ifndef XSP_BACKEND_BLK_JOURNAL_H
#define XSP_BACKEND_BLK_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/blkif.h"

#ifndef XSP_JOURNAL_STORE
#define XSP_JOURNAL_STORE() ((void)0) /* before each store: where unit/test_journal kills */
#endif

#define XSP_JOURNAL_PATH 160u /* longest name of a file */
#define XSP_MAX_SLOTS (32u << XSP_RING_MAX_ORDER)

enum xsp_stage { XSP_SLOT_FREE, XSP_SLOT_TAKEN, XSP_SLOT_ANSWERED };

/*
 * One request between take and respond: everything that is needed to do it again. No pointers, since
 * a later process finds it at another address.
 */
struct xsp_slot {
	struct xsp_blk_req req; /* the private copy, in 512 bytes */
	uint64_t taken_ns;
	uint32_t io;     /* number of the worker's io, XSP_NO_IO without one */
	int16_t status;
	uint16_t n_segs; /* of data: direct or indirect */
	uint64_t bytes;  /* of data, once the request is checked */
	uint8_t op;      /* enum xsp_io_op, once the request is checked */
	bool drain;      /* a barrier: alone in flight */
	uint8_t stage;   /* enum xsp_stage; this and the next two are the journal's */
	uint8_t pad;
	uint32_t taken_at;    /* index of the request */
	uint32_t answered_at; /* of the response */
	uint32_t cost, period; /* in the worker's window */
	uint32_t pad2;
};
static_assert(sizeof(struct xsp_slot) <= 192, "a slot stays small: 512 of them at ring order 4");

/* The ring that it is of. A journal is believed only when all of this is the same. */
struct xsp_journal_id {
	uint64_t life; /* of the guest: another one may get its domid */
	uint32_t domid, devid, queue;
	uint32_t evtchn, abi, order;
	uint32_t ring_ref[1u << XSP_RING_MAX_ORDER];
	uint32_t shifts; /* of the frontend's units: requests are kept in ours */
	uint32_t pad;
};

struct xsp_journal_head {
	uint32_t magic, version; /* magic 0: being made */
	uint32_t slots, slot_bytes;
	struct xsp_journal_id id;
	uint32_t check; /* sum of version to id */
	uint32_t req_cons; /* requests taken */
	uint32_t rsp_prod; /* responses published, as far as we noted it */
	uint32_t pad;
} __attribute__((aligned(64)));

struct xsp_journal {
	struct xsp_journal_head *head;
	struct xsp_slot *slots;
	uint32_t n;
	int fd; /* -1: plain memory, of no use to a successor */
};

/* What is to be done after a kill, in this order; numbers of slots. */
struct xsp_recovery {
	uint16_t answered[XSP_MAX_SLOTS]; /* write their responses again and publish */
	uint16_t live[XSP_MAX_SLOTS];     /* do them again */
	uint32_t n_answered, n_live;
	uint32_t rsp_prod; /* responses that the guest has */
	uint32_t req_cons; /* go on taking here */
};

/**
 * xsp_journal_open - map a ring's journal
 * @path: of the file, made with mode 0600 when missing; NULL: plain memory
 * @n:    slots, at most XSP_MAX_SLOTS
 *
 * Returns 0; -EAGAIN: another process has it, perhaps one that is dying; or -errno. Then *j is as
 * after xsp_journal_close. What is in it means nothing before xsp_journal_is_of or _begin.
 */
int xsp_journal_open(struct xsp_journal *j, const char *path, uint32_t n);

/** xsp_journal_close - unmap it; the file stays */
void xsp_journal_close(struct xsp_journal *j);

/** xsp_journal_is_of - was it kept for this ring? */
bool xsp_journal_is_of(const struct xsp_journal *j, const struct xsp_journal_id *id);

/** xsp_journal_begin - a new one, of a ring whose requests up to index at are all answered */
void xsp_journal_begin(struct xsp_journal *j, const struct xsp_journal_id *id, uint32_t at);

/**
 * xsp_journal_recover - judge what a killed process left
 * @rsp_prod, @req_prod: the ring's own, read once; the guest may have written anything there
 *
 * Slots whose response the guest has are free afterwards. It may be killed itself, and be done again.
 * Returns 0, or -EPROTO: ring and journal contradict each other; @why says how, and nothing is changed.
 * The algorithm follows the crash model in unit/test_journal.
 */
int xsp_journal_recover(struct xsp_journal *j, uint32_t rsp_prod, uint32_t req_prod,
			struct xsp_recovery *ret, const char **why);

/*
 * The three steps. A process that is killed leaves what it stored in the order of its program, so only
 * the compiler has to keep it: release stores, and a signal fence before what comes after them. The
 * partner of all of them is xsp_journal_recover in the next process.
 */

/** xsp_journal_taken - the copy in a free slot is complete: it was request number index */
static inline void xsp_journal_taken(struct xsp_journal *j, struct xsp_slot *slot, uint32_t index)
{
	XSP_JOURNAL_STORE();
	slot->taken_at = index;
	XSP_JOURNAL_STORE();
	__atomic_store_n(&slot->stage, XSP_SLOT_TAKEN, __ATOMIC_RELEASE);
	XSP_JOURNAL_STORE();
	__atomic_store_n(&j->head->req_cons, index + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/** xsp_journal_answered - slot->status goes out as response number index, which is not published yet */
static inline void xsp_journal_answered(struct xsp_slot *slot, uint32_t index)
{
	XSP_JOURNAL_STORE();
	slot->answered_at = index;
	XSP_JOURNAL_STORE();
	__atomic_store_n(&slot->stage, XSP_SLOT_ANSWERED, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/** xsp_journal_published - the guest has all responses before rsp_prod, those of these n slots the last */
static inline void xsp_journal_published(struct xsp_journal *j, uint32_t rsp_prod, const uint16_t *slots,
					 uint32_t n)
{
	XSP_JOURNAL_STORE();
	__atomic_store_n(&j->head->rsp_prod, rsp_prod, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < n; i++) {
		XSP_JOURNAL_STORE();
		__atomic_store_n(&j->slots[slots[i]].stage, XSP_SLOT_FREE, __ATOMIC_RELEASE);
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
