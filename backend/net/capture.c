/* SPDX-License-Identifier: MIT */
/* Watching a device's packets: see capture.h. */
#include "backend/net/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct record { /* of a pcap file */
	uint32_t seconds, nanoseconds, kept, len;
};

void xsp_capture_init(struct xsp_capture *c)
{
	*c = (struct xsp_capture){ .fd = -1 };
	pthread_mutex_init(&c->lock, NULL);
}

/* With the lock held. */
static void end(struct xsp_capture *c)
{
	if (c->fd >= 0)
		close(c->fd);
	__atomic_store_n(&c->fd, -1, __ATOMIC_RELAXED);
	free(c->room);
	c->room = NULL;
}

void xsp_capture_fini(struct xsp_capture *c)
{
	end(c);
	pthread_mutex_destroy(&c->lock);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int xsp_capture_start(struct xsp_capture *c, const char *path, uint32_t snaplen)
{
	int fd, err = 0;

	pthread_mutex_lock(&c->lock);
	if (c->fd >= 0) { /* he may be gone, and nothing has passed since */
		char byte;

		if (recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN)
			err = -EBUSY;
		else
			end(c);
	}
	fd = err ? err : connect_to(path);
	if (fd >= 0) {
		c->room = malloc(sizeof(struct record) + XSP_CAPTURE_MAX);
		c->snaplen = snaplen && snaplen < XSP_CAPTURE_MAX ? snaplen : XSP_CAPTURE_MAX;
		c->dropped = 0;
		if (c->room)
			__atomic_store_n(&c->fd, fd, __ATOMIC_RELAXED);
		else
			close(fd);
		err = c->room ? 0 : -ENOMEM;
	} else {
		err = fd;
	}
	pthread_mutex_unlock(&c->lock);
	return err;
}

void xsp_capture_write(struct xsp_capture *c, const uint8_t *data, uint32_t len,
		       const struct xsp_vnet *v)
{
	struct xsp_vnet own = *v;
	struct record r = { .len = len };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	r.seconds = (uint32_t)now.tv_sec;
	r.nanoseconds = (uint32_t)now.tv_nsec;
	pthread_mutex_lock(&c->lock);
	if (c->fd >= 0) {
		uint32_t room = len < XSP_CAPTURE_MAX ? len : XSP_CAPTURE_MAX;

		r.kept = room < c->snaplen ? room : c->snaplen;
		memcpy(c->room, &r, sizeof(r));
		memcpy(c->room + sizeof(r), data, room);
		if (own.gso_type == XSP_VNET_GSO_NONE && room == len)
			xsp_net_fill_csum(c->room + sizeof(r), len, &own);
		if (send(c->fd, c->room, sizeof(r) + r.kept, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (errno == EAGAIN || errno == EMSGSIZE)
				c->dropped++;
			else
				end(c); /* he has seen enough */
		}
	}
	pthread_mutex_unlock(&c->lock);
}
