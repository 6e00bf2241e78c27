/* SPDX-License-Identifier: MIT */
/*
 * Event delivery over the shared memory, as Linux's /dev/xen/evtchn does it: a handle has a FIFO of
 * ports; a port is masked when it is queued and until it is written back; an event in between is
 * kept pending. Inline because the hub (which sends for the dead and for VIRQs) and the drop-in
 * library run the same code.
 *
 * The handle's fd is an eventfd that is readable exactly while the FIFO holds something: who makes
 * it non-empty writes it after the unlock (a woken reader must not find the lock taken), who
 * empties it reads it under the lock. So there is one wake for each change from empty to non-empty,
 * and a multishot poll stays silent until the FIFO was drained.
 */
#ifndef COMMON_LAB_EVENT_H
#define COMMON_LAB_EVENT_H

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/lab/shm.h"

/* Who takes the lock: a program waits for it, the hub for a second (lab_lock_or_go_on). */
enum lab_who { LAB_PROGRAM, LAB_HUB };

static inline bool lab_event_lock(struct lab_evh *h, enum lab_who who)
{
	bool died;

	if (who == LAB_HUB)
		return lab_lock_or_go_on(&h->lock, &died);
	lab_lock(&h->lock);
	return true;
}

static inline void lab_event_unlock(struct lab_evh *h, bool locked)
{
	if (locked)
		lab_unlock(&h->lock);
}

/*
 * Under h->lock. True: the caller must write the handle's eventfd after the unlock. The ring is
 * written before the mask bit: a process killed in between costs a spurious event, never a lost
 * one.
 */
static inline bool lab_event_push(struct lab_evh *h, struct lab_port *p, uint32_t port)
{
	bool was_empty = h->prod == h->cons;

	if (p->masked) {
		p->pending = 1;
		return false;
	}
	if (h->prod - h->cons == LAB_RING) {
		h->overflow = 1;
		return false;
	}
	h->ring[h->prod % LAB_RING] = (uint16_t)port;
	__atomic_store_n(&h->prod, h->prod + 1, __ATOMIC_RELEASE);
	p->masked = 1;
	return was_empty;
}

/*
 * Raise an event on port `port` (`p`) of some domain. `bind` != 0: only while the port is still
 * bound so. *owner names the handle to wake when true is returned.
 */
static inline bool lab_event_raise(struct lab_shm *s, struct lab_port *p, uint32_t port,
				   uint64_t bind, enum lab_who who, uint64_t *owner)
{
	for (;;) {
		uint64_t o = __atomic_load_n(&p->owner, __ATOMIC_ACQUIRE);
		struct lab_evh *h;
		bool wake, locked;

		if (!o)
			return false;
		h = &s->evh[LAB_OWNER_SLOT(o)];
		locked = lab_event_lock(h, who);
		if (__atomic_load_n(&p->owner, __ATOMIC_ACQUIRE) != o) {
			lab_event_unlock(h, locked);
			continue;
		}
		if (bind && __atomic_load_n(&p->bind, __ATOMIC_ACQUIRE) != bind) {
			lab_event_unlock(h, locked);
			return false;
		}
		wake = lab_event_push(h, p, port);
		lab_event_unlock(h, locked);
		*owner = o;
		return wake;
	}
}

static inline void lab_event_wake(int evfd)
{
	uint64_t one = 1;

	while (write(evfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/*
 * Make the eventfd unreadable; false: it was. Only under the handle's lock. Whoever owns the handle
 * says by O_NONBLOCK whether *it* wants to wait; we never do.
 */
static inline bool lab_event_drain(int evfd)
{
	struct pollfd pfd = {.fd = evfd, .events = POLLIN};
	uint64_t n;
	struct iovec iov = {&n, sizeof(n)};
	ssize_t r = preadv2(evfd, &iov, 1, -1, RWF_NOWAIT);

	if (r < 0 && errno == EOPNOTSUPP && poll(&pfd, 1, 0) == 1) /* an older kernel */
		r = read(evfd, &n, sizeof(n));
	return r == sizeof(n);
}

/*
 * The next port, or -EAGAIN when there is none, -EFBIG after an overflow, -ENODEV when the queue is
 * no longer handle `gen`'s (its domain died). An fd found readable
 * though the FIFO is empty is a token whose writer was slower than we were: drained here. Not when the
 * last event's was read a moment ago: who reads until EAGAIN would pay for it each time.
 */
static inline int lab_event_pop(struct lab_evh *h, uint32_t gen, int evfd, enum lab_who who)
{
	bool locked = lab_event_lock(h, who);
	int r;

	if (h->gen != gen) {
		r = -ENODEV;
	} else if (h->overflow) {
		r = -EFBIG;
	} else if (h->prod == h->cons) {
		if (!h->drained)
			lab_event_drain(evfd);
		h->drained = false;
		r = -EAGAIN;
	} else {
		r = h->ring[h->cons % LAB_RING];
		h->cons++;
		h->drained = h->cons == h->prod && lab_event_drain(evfd);
	}
	lab_event_unlock(h, locked);
	return r;
}

/* Write a port back; true: wake the handle's own fd (an event was kept pending). */
static inline bool lab_event_unmask(struct lab_evh *h, struct lab_port *p, uint32_t port,
				    enum lab_who who)
{
	bool wake = false, locked = lab_event_lock(h, who);

	if (p->masked) {
		p->masked = 0;
		if (p->pending) {
			p->pending = 0;
			wake = lab_event_push(h, p, port);
		}
	}
	lab_event_unlock(h, locked);
	return wake;
}

#endif
