/* SPDX-License-Identifier: MIT */
#include "tools/lab/lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* One request and its reply. fds (LAB_MAX_FDS of them) get what came along, -1 for the rest. */
int lab_hub_call(int fd, struct lab_msg *m, const void *data, void *out, size_t room, int *fds)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int) * LAB_MAX_FDS)];
	} ctl;
	struct iovec to[2] = {{m, sizeof(*m)}, {(void *)(uintptr_t)data, m->len}};
	struct iovec from[2] = {{m, sizeof(*m)}, {out, room}};
	struct msghdr s = {.msg_iov = to, .msg_iovlen = m->len ? 2 : 1};
	struct msghdr r = {.msg_iov = from,
			   .msg_iovlen = out ? 2 : 1,
			   .msg_control = ctl.buf,
			   .msg_controllen = sizeof(ctl.buf)};
	struct cmsghdr *c;
	int i;

	for (i = 0; fds && i < LAB_MAX_FDS; i++)
		fds[i] = -1;
	if (sendmsg(fd, &s, MSG_NOSIGNAL) < 0)
		return -EPIPE;
	if (recvmsg(fd, &r, MSG_CMSG_CLOEXEC) < (ssize_t)sizeof(*m))
		return -EPIPE;
	c = CMSG_FIRSTHDR(&r);
	if (c) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (fds)
			memcpy(fds, CMSG_DATA(c), bytes);
	}
	return m->rc;
}

/* Say hello as a command line of Dom0; the shared memory that comes along is not needed. */
static int hello(int fd)
{
	struct lab_msg m = {.op = LAB_HELLO, .arg = {LAB_KIND_CTL, 0, LAB_PROTO_VERSION}};
	int fds[LAB_MAX_FDS], r = lab_hub_call(fd, &m, NULL, NULL, 0, fds);

	if (fds[0] >= 0)
		close(fds[0]);
	return r;
}

int lab_hub_open(const char *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd, r;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/hub.sock", dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : hello(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* The hub's pid as seen from here. */
pid_t lab_hub_pid(int fd)
{
	struct ucred c = {0};
	socklen_t n = sizeof(c);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0 ? 0 : c.pid;
}
