/* SPDX-License-Identifier: MIT */
/* The protocol and the queue of a vhost-user front end: see vhost.h. */
#include "tools/bench/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xsp/env.h>

enum { /* requests of vhost-user */
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

#define VERSION           1u
#define F_EVENT_IDX       (1ull << 29)
#define F_PROTOCOL        (1ull << 30)
#define F_VERSION_1       (1ull << 32)
#define PAGE              4096u
#define DESCS             3u

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t regions, pad;
			uint64_t guest, bytes, user, offset;
		} memory;
	};
} __attribute__((packed));

#define HEADER 12u

/* --- protocol ---------------------------------------------------------------------------------- */

static int tell(struct vhost *h, struct message *m, int fd)
{
	struct iovec iov = { m, HEADER + m->size };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	m->flags = VERSION;
	if (fd >= 0) {
		msg.msg_control = &c;
		msg.msg_controllen = sizeof(c);
		c.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
	}
	return sendmsg(h->sock, &msg, MSG_NOSIGNAL) == (ssize_t)iov.iov_len ? 0 : -EIO;
}

static int tell_number(struct vhost *h, uint32_t request, uint64_t number, int fd)
{
	struct message m = { .request = request, .size = 8, .number = number };

	return tell(h, &m, fd);
}

static int tell_state(struct vhost *h, uint32_t request, uint32_t num)
{
	struct message m = { .request = request, .size = 8, .state = { 0, num } };

	return tell(h, &m, -1);
}

static int ask(struct vhost *h, uint32_t request, uint64_t *ret)
{
	struct message m = { .request = request };
	int err = tell(h, &m, -1);

	if (err)
		return err;
	if (recv(h->sock, &m, HEADER + 8, MSG_WAITALL) != HEADER + 8 || m.request != request)
		return -EPROTO;
	*ret = m.number;
	return 0;
}

static int agree(struct vhost *h)
{
	uint64_t have = 0, protocol;
	int err = ask(h, GET_FEATURES, &have);

	if (!err)
		err = tell(h, &(struct message){ .request = SET_OWNER }, -1);
	if (!err && (have & F_PROTOCOL))
		err = ask(h, GET_PROTOCOL_FEATURES, &protocol);
	if (!err && (have & F_PROTOCOL))
		err = tell_number(h, SET_PROTOCOL_FEATURES, 0, -1);
	if (!err && !(have & F_EVENT_IDX))
		return -EPROTO; /* all servers have it; without, each answer would be an event */
	return err ? err : tell_number(h, SET_FEATURES, have & (F_EVENT_IDX | F_PROTOCOL | F_VERSION_1), -1);
}

static int start_queue(struct vhost *h)
{
	struct message memory = { .request = SET_MEM_TABLE, .size = 40,
				  .memory = { 1, 0, 0, h->bytes, (uintptr_t)h->mem, 0 } };
	struct message addr = { .request = SET_VRING_ADDR, .size = 40,
				.addr = { 0, 0, (uintptr_t)h->v.desc, (uintptr_t)h->v.used, (uintptr_t)h->v.avail, 0 } };
	int err = tell(h, &memory, h->memfd);

	if (!err)
		err = tell_state(h, SET_VRING_NUM, h->size);
	if (!err)
		err = tell_state(h, SET_VRING_BASE, 0);
	if (!err)
		err = tell(h, &addr, -1);
	if (!err)
		err = tell_number(h, SET_VRING_CALL, 0, h->call);
	if (!err)
		err = tell_number(h, SET_VRING_KICK, 0, h->kick);
	return err ? err : tell_state(h, SET_VRING_ENABLE, 1);
}

/* The queue's parts on pages of their own; three descriptors of request i are always 3 i and on. */
static int make_memory(struct vhost *h, uint16_t depth, uint64_t buf_bytes)
{
	uint64_t desc = 0, avail = 16 * PAGE, used = 17 * PAGE, head = 20 * PAGE, state = 22 * PAGE,
		 buf = 23 * PAGE;

	for (h->size = 64; h->size < depth * DESCS; h->size *= 2)
		;
	h->bytes = buf + buf_bytes;
	h->memfd = memfd_create("vhost", MFD_CLOEXEC);
	if (h->memfd < 0 || ftruncate(h->memfd, (off_t)h->bytes))
		return -errno;
	h->mem = mmap(NULL, h->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, h->memfd, 0);
	if (h->mem == MAP_FAILED)
		return -errno;
	h->v.num = h->size;
	h->v.desc = (struct vring_desc *)(h->mem + desc);
	h->v.avail = (struct vring_avail *)(h->mem + avail);
	h->v.used = (struct vring_used *)(h->mem + used);
	h->head = (struct virtio_blk_outhdr *)(h->mem + head);
	h->state = h->mem + state;
	h->buf = h->mem + buf;
	for (uint16_t i = 0; i < depth; i++) {
		struct vring_desc *d = h->v.desc + i * DESCS;

		d[0] = (struct vring_desc){ head + i * sizeof(*h->head), sizeof(*h->head), VRING_DESC_F_NEXT,
					    (uint16_t)(i * DESCS + 1) };
		d[1] = (struct vring_desc){ 0, 0, VRING_DESC_F_NEXT, (uint16_t)(i * DESCS + 2) };
		d[2] = (struct vring_desc){ state + i, 1, VRING_DESC_F_WRITE, 0 };
	}
	return 0;
}

int vhost_open(struct vhost *h, const char *path, uint16_t depth, uint64_t buf_bytes)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int err;

	*h = (struct vhost){ .sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	h->kick = eventfd(0, EFD_CLOEXEC);
	h->call = eventfd(0, EFD_CLOEXEC);
	if (strlen(path) >= sizeof(a.sun_path) || depth < 1 || depth > 256)
		return -EINVAL;
	strcpy(a.sun_path, path);
	if (h->sock < 0 || h->kick < 0 || h->call < 0 || connect(h->sock, (struct sockaddr *)&a, sizeof(a)))
		return -errno;
	err = make_memory(h, depth, buf_bytes);
	if (!err)
		err = agree(h);
	return err ? err : start_queue(h);
}

/* --- queue ------------------------------------------------------------------------------------- */

void vhost_put(struct vhost *h, uint16_t i, bool write, uint64_t offset, uint64_t at, uint32_t bytes)
{
	struct vring_desc *d = h->v.desc + i * DESCS + 1;
	uint16_t next = (uint16_t)(h->v.avail->idx + h->put++);

	h->head[i] = (struct virtio_blk_outhdr){ .type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
						 .sector = offset / 512 };
	h->state[i] = 0xff;
	d->addr = (uint64_t)(h->buf - h->mem) + at;
	d->len = bytes;
	d->flags = (uint16_t)(VRING_DESC_F_NEXT | (write ? 0 : VRING_DESC_F_WRITE));
	h->v.avail->ring[next & (h->size - 1)] = (uint16_t)(i * DESCS);
}

void vhost_push(struct vhost *h)
{
	uint16_t old = h->v.avail->idx, new = (uint16_t)(old + h->put);
	uint64_t one = 1;
	uint16_t event;

	if (!h->put)
		return;
	h->put = 0;
	__atomic_store_n(&h->v.avail->idx, new, __ATOMIC_RELEASE); /* the server's load of idx */
	xsp_mb(); /* pairs with the server's, between avail_event and its last look at idx */
	event = __atomic_load_n((__virtio16 *)&h->v.used->ring[h->size], __ATOMIC_RELAXED);
	if (vring_need_event(event, new, old) && write(h->kick, &one, sizeof(one)) < 0)
		return; /* its counter is full: it is awake */
}

unsigned int vhost_get(struct vhost *h, uint16_t *ret, unsigned int max)
{
	uint16_t end = __atomic_load_n(&h->v.used->idx, __ATOMIC_ACQUIRE); /* the server's store of idx */
	unsigned int n = 0;

	for (; h->seen != end && n < max; h->seen++)
		ret[n++] = (uint16_t)(h->v.used->ring[h->seen & (h->size - 1)].id / DESCS);
	return n;
}

static void call_at(struct vhost *h, uint16_t event)
{
	__atomic_store_n(&h->v.avail->ring[h->size], event, __ATOMIC_RELAXED);
}

void vhost_quiet(struct vhost *h)
{
	call_at(h, (uint16_t)(h->seen - 1)); /* half of the numbers away, and behind us */
}

/*
 * A server may make the eventfd that it was given non-blocking (QEMU does), and that holds for both ends:
 * a reader who sleeps would spin instead.
 */
static void read_call(struct vhost *h)
{
	uint64_t n;

	if (read(h->call, &n, sizeof(n)) < 0 && errno == EAGAIN &&
	    !fcntl(h->call, F_SETFL, fcntl(h->call, F_GETFL) & ~O_NONBLOCK) && read(h->call, &n, sizeof(n)) < 0)
		return;
}

void vhost_sleep(struct vhost *h)
{
	call_at(h, h->seen);
	xsp_mb(); /* pairs with the server's, between its store of idx and used_event */
	if (__atomic_load_n(&h->v.used->idx, __ATOMIC_ACQUIRE) == h->seen)
		read_call(h);
}
