/* SPDX-License-Identifier: MIT */
/*
 * Finding an NBD server and shaking hands with it for the first time, when a target is opened: the
 * one part of nbd: that waits. Names are looked up here and never again, because a look-up blocks;
 * a connection that comes back later tries the addresses that were found.
 */
#include "backend/target/nbd.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/target/child.h"

#define DIAL_NS (8 * 1000000000ull) /* less than the 10 s that a toolstack waits for a device */
#define LOOK_MS 50                  /* how often to see whether the server that we started still lives */

int xsp_nbd_resolve(struct xsp_nbd *n, char *why, size_t why_len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int err;

	if (*n->spec.path) {
		struct sockaddr_un *un = (struct sockaddr_un *)&n->addr[0].sa;

		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, n->spec.path, strlen(n->spec.path) + 1);
		n->addr[0].len = sizeof(*un);
		n->n_addrs = 1;
		return 0;
	}
	err = getaddrinfo(n->spec.host, n->spec.port, &hints, &list);
	if (err) {
		snprintf(why, why_len, "nbd: can't find the host %.80s: %s", n->spec.host,
			 gai_strerror(err));
		return -ENOENT;
	}
	for (struct addrinfo *a = list; a && n->n_addrs < XSP_NBD_ADDRS; a = a->ai_next) {
		if (a->ai_addrlen > sizeof(n->addr[0].sa))
			continue;
		memcpy(&n->addr[n->n_addrs].sa, a->ai_addr, a->ai_addrlen);
		n->addr[n->n_addrs++].len = a->ai_addrlen;
	}
	freeaddrinfo(list);
	return n->n_addrs ? 0 : -ENOENT;
}

struct nbd_handle *xsp_nbd_handle(struct xsp_nbd *n, unsigned int i)
{
	struct nbd_handle *h = nbd_create();

	if (!h) {
		errno = ENOMEM;
		return NULL;
	}
	/* No URI comes from the server's side and nothing else asks for these: keep libnbd to NBD. */
	if (nbd_set_export_name(h, n->spec.export) == -1 || nbd_set_full_info(h, true) == -1 ||
	    nbd_aio_connect(h, (struct sockaddr *)&n->addr[i].sa, n->addr[i].len) == -1) {
		int err = nbd_get_errno();

		nbd_close(h);
		errno = err ? err : EIO;
		return NULL;
	}
	return h;
}

void xsp_nbd_tune(int fd)
{
	int on = 1, idle_s = 10, every_s = 5, probes = 4, unsent_ms = 30000;

	/* A Unix socket refuses all of these, and needs none. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unsent_ms, sizeof(unsent_ms));
}

/* Let the handshake go on until it is done, has failed, or it is too late. 0 or -errno. */
static int shake_hands(struct xsp_nbd *n, struct nbd_handle *h, uint64_t until, char *why,
		       size_t why_len)
{
	while (!nbd_aio_is_ready(h)) {
		unsigned int dir = nbd_aio_get_direction(h);
		struct pollfd p = {
			.fd = nbd_aio_get_fd(h),
			.events = (short)((dir & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
					  (dir & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0)),
		};
		int r = 0;

		if (n->child && xsp_child_ended(n->child, why, why_len))
			return -EIO;
		if (xsp_now_ns() >= until) {
			snprintf(why, why_len,
				 "nbd: %s took the connection and says nothing (waited %u s)",
				 n->spec.name, (unsigned int)(DIAL_NS / 1000000000));
			return -ETIMEDOUT;
		}
		if (poll(&p, 1, LOOK_MS) <= 0)
			continue;
		if (dir & LIBNBD_AIO_DIRECTION_READ && p.revents & (POLLIN | POLLHUP | POLLERR))
			r = nbd_aio_notify_read(h);
		else if (dir & LIBNBD_AIO_DIRECTION_WRITE)
			r = nbd_aio_notify_write(h);
		if (r == -1 || nbd_aio_is_dead(h) || nbd_aio_is_closed(h)) {
			int err = nbd_get_errno();

			snprintf(why, why_len, "nbd: %s: %s", n->spec.name,
				 nbd_get_error() ? nbd_get_error() : "the server hung up");
			return err ? -err : -EIO;
		}
	}
	return 0;
}

int xsp_nbd_dial(struct xsp_nbd *n, char *why, size_t why_len)
{
	uint64_t until = xsp_now_ns() + DIAL_NS;
	int err = -ENOENT;

	for (unsigned int i = 0; i < n->n_addrs; i++) {
		struct nbd_handle *h = xsp_nbd_handle(n, i);

		if (!h) {
			err = -errno;
			snprintf(why, why_len, "nbd: can't connect to %s: %s (is the server running?)",
				 n->spec.name, strerror(-err));
			continue;
		}
		err = shake_hands(n, h, until, why, why_len);
		if (!err) {
			n->first = h;
			return 0;
		}
		nbd_close(h);
		if (err == -ETIMEDOUT || err == -ENOMEM)
			break;
	}
	if (err == -EAGAIN) /* means: a former daemon still has it; here it would only be a full backlog */
		err = -EBUSY;
	return err;
}

static uint32_t block_size(struct nbd_handle *h, int which, uint32_t otherwise)
{
	int64_t n = nbd_get_block_size(h, which);

	return n > 0 && n <= 1 << 30 ? (uint32_t)n : otherwise;
}

int xsp_nbd_learn(struct xsp_nbd *n, struct nbd_handle *h, const struct xsp_target_wish *wish,
		  char *why, size_t why_len)
{
	int64_t size = nbd_get_size(h);
	uint32_t least = block_size(h, LIBNBD_SIZE_MINIMUM, 1);
	struct xsp_target *t = &n->t;

	if (!wish->readonly && nbd_is_read_only(h) != 0) {
		snprintf(why, why_len, "nbd: %s is read-only: attach it read-only", n->spec.name);
		return -EROFS;
	}
	t->sector_size = least > 512 ? least : 512;
	t->physical_size = block_size(h, LIBNBD_SIZE_PREFERRED, 4096);
	if (t->sector_size > 4096 || t->sector_size & (t->sector_size - 1)) {
		snprintf(why, why_len, "nbd: %s wants blocks of %u bytes, which no guest can do",
			 n->spec.name, t->sector_size);
		return -EINVAL;
	}
	if (t->physical_size < t->sector_size || t->physical_size & (t->physical_size - 1) ||
	    t->physical_size > 1 << 20)
		t->physical_size = t->sector_size > 4096 ? t->sector_size : 4096;
	if (size < (int64_t)t->sector_size) {
		snprintf(why, why_len, "nbd: the export at %s is smaller than one sector", n->spec.name);
		return -EINVAL;
	}
	t->size_bytes = (uint64_t)size & ~(uint64_t)(t->sector_size - 1);
	n->max_bytes = block_size(h, LIBNBD_SIZE_MAXIMUM, XSP_AREA_BYTES);
	n->max_bytes &= ~(t->sector_size - 1);
	if (n->max_bytes < t->sector_size)
		n->max_bytes = t->sector_size;
	if (n->max_bytes > XSP_AREA_BYTES)
		n->max_bytes = XSP_AREA_BYTES;
	t->readonly = wish->readonly;
	t->can_flush = nbd_can_flush(h) == 1;
	t->can_discard = !wish->readonly && nbd_can_trim(h) == 1;
	t->discard_granularity = t->physical_size;
	n->can_fua = nbd_can_fua(h) == 1;
	n->multi_conn = nbd_can_multi_conn(h) == 1;
	if (n->spec.fua && !wish->readonly && !n->can_fua) {
		snprintf(why, why_len, "nbd: %s can't do what fua asks for", n->spec.name);
		return -EOPNOTSUPP;
	}
	return 0;
}

int xsp_nbd_same(const struct xsp_nbd *n, struct nbd_handle *h, char *why, size_t why_len)
{
	int64_t size = nbd_get_size(h);

	if (size < 0 || (uint64_t)size < n->t.size_bytes)
		snprintf(why, why_len, "its size is %lld, it was %llu", (long long)size,
			 (unsigned long long)n->t.size_bytes);
	else if (!n->t.readonly && nbd_is_read_only(h) != 0)
		snprintf(why, why_len, "it is read-only now");
	else if ((n->t.can_flush && nbd_can_flush(h) != 1) || (n->can_fua && nbd_can_fua(h) != 1) ||
		 (n->t.can_discard && nbd_can_trim(h) != 1))
		snprintf(why, why_len, "it can't flush, write through or trim any more");
	else if (block_size(h, LIBNBD_SIZE_MINIMUM, 1) > n->t.sector_size)
		snprintf(why, why_len, "its blocks are larger now");
	else
		return 0;
	return -ESTALE;
}
