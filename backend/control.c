/* SPDX-License-Identifier: MIT */
/* The control socket: see control.h. */
#include "backend/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/config.h"
#include "backend/methods.h"

#define LINES_A_VISIT 32             /* then the other clients and the daemon have their turn */
#define IDLE_NS       10000000000ull /* a client silent for so long gives way when all are taken */

struct client {
	int fd; /* -1: free */
	uint64_t last_ns;
	bool at_end;    /* it will send no more; what it asked is still answered */
	bool skipping;  /* the rest of a line that was too long */
	uint32_t armed; /* epoll events asked for */
	size_t in_len, out_len, out_done;
	char *out; /* one answer, not yet sent; malloc'd */
	char in[XSP_CONTROL_MAX_LINE + 1];
};

struct xsp_control {
	struct xsp_methods methods;
	int listener, epoll;
	int spare; /* given up for a moment when descriptors run out, to turn a newcomer away */
	dev_t dev; /* of the socket file, so that close removes only our own */
	ino_t ino;
	struct client *clients; /* XSP_CONTROL_CLIENTS of them */
};

/* --- who may --------------------------------------------------------------------------------- */

static bool in_group(int fd, gid_t gid, gid_t primary)
{
	gid_t groups[256];
	socklen_t len = sizeof(groups);

	if (gid == (gid_t)-1)
		return false;
	if (primary == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static bool allowed(const struct xsp_control *ctl, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	return !peer.uid || peer.uid == geteuid() ||
	       in_group(fd, ctl->methods.config->socket_gid, peer.gid);
}

/* Say why and hang up; one short line fits the socket's buffer or is not sent at all. */
static void turn_away(struct xsp_control *ctl, int fd, enum xsp_rpc_code code, const char *why)
{
	char *line = xsp_rpc_error_line(code, why);

	ctl->methods.refused++;
	if (line && send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		xsp_debug(NULL, "control: %s", strerror(errno));
	free(line);
	close(fd);
}

/* --- clients --------------------------------------------------------------------------------- */

static void drop(struct xsp_control *ctl, struct client *c)
{
	close(c->fd); /* leaves the epoll set by itself */
	free(c->out);
	c->fd = -1;
	c->out = NULL;
	ctl->methods.clients--;
}

static void arm(struct xsp_control *ctl, struct client *c, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (c->armed == events)
		return;
	epoll_ctl(ctl->epoll, EPOLL_CTL_MOD, c->fd, &ev);
	c->armed = events;
}

/* A free place; when there is none, that of the client that has been silent longest. */
static struct client *find_place(struct xsp_control *ctl)
{
	struct client *oldest = NULL;

	for (int i = 0; i < XSP_CONTROL_CLIENTS; i++) {
		struct client *c = &ctl->clients[i];

		if (c->fd < 0)
			return c;
		if (!oldest || c->last_ns < oldest->last_ns)
			oldest = c;
	}
	if (xsp_monotonic_ns() - oldest->last_ns < IDLE_NS)
		return NULL;
	drop(ctl, oldest);
	return oldest;
}

static void accept_one(struct xsp_control *ctl)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fd = accept4(ctl->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && ctl->spare >= 0) {
		close(ctl->spare);
		fd = accept4(ctl->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			turn_away(ctl, fd, XSP_RPC_BUSY, "the daemon has no file descriptor left");
		ctl->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return;
	}
	if (fd < 0)
		return;
	if (!allowed(ctl, fd)) {
		turn_away(ctl, fd, XSP_RPC_DENIED,
			  "denied: only root and members of the daemon's group may use it "
			  "(xensplitd --group)");
		return;
	}
	c = find_place(ctl);
	if (!c) {
		turn_away(ctl, fd, XSP_RPC_BUSY, "16 clients are connected already");
		return;
	}
	c->fd = fd;
	c->last_ns = xsp_monotonic_ns();
	c->at_end = c->skipping = false;
	c->in_len = 0;
	c->armed = ev.events;
	ev.data.ptr = c;
	ctl->methods.clients++;
	if (epoll_ctl(ctl->epoll, EPOLL_CTL_ADD, fd, &ev))
		drop(ctl, c);
}

/* --- one client's lines ---------------------------------------------------------------------- */

/* Returns 0 (perhaps with something left in c->out) or -errno: drop the client. */
static int flush_out(struct client *c)
{
	while (c->out) {
		ssize_t n = send(c->fd, c->out + c->out_done, c->out_len - c->out_done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->out_done += (size_t)n;
		c->last_ns = xsp_monotonic_ns();
		if (c->out_done < c->out_len)
			continue;
		free(c->out);
		c->out = NULL;
	}
	return 0;
}

static void queue_out(struct client *c, char *line)
{
	c->out = line;
	c->out_done = 0;
	c->out_len = line ? strlen(line) : 0;
}

static bool blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

/* Take one line out of the buffer and answer it; false when there is no whole one. */
static bool serve_line(struct xsp_control *ctl, struct client *c)
{
	char *end = memchr(c->in, '\n', c->in_len);
	size_t len;

	if (!end && c->at_end && c->in_len && !c->skipping) {
		end = c->in + c->in_len; /* a last line without its newline */
		c->in_len++;
	}
	if (!end) {
		if (c->in_len < XSP_CONTROL_MAX_LINE)
			return false;
		c->in_len = 0; /* read on, to its end, without keeping it */
		if (!c->skipping)
			queue_out(c, xsp_rpc_error_line(XSP_RPC_TOO_LARGE,
							"a request has at most 65536 bytes"));
		c->skipping = true;
		return true;
	}
	len = (size_t)(end - c->in);
	*end = 0;
	if (!c->skipping && !blank(c->in, len)) {
		ctl->methods.lines++;
		queue_out(c, xsp_rpc_answer(xsp_methods_table, &ctl->methods, c->in, len));
	}
	c->skipping = false;
	c->in_len -= len + 1;
	memmove(c->in, end + 1, c->in_len);
	return true;
}

static int fill_in(struct client *c)
{
	ssize_t n;

	if (c->at_end || c->in_len >= XSP_CONTROL_MAX_LINE)
		return 0;
	n = recv(c->fd, c->in + c->in_len, XSP_CONTROL_MAX_LINE - c->in_len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		c->at_end = true;
	else
		c->last_ns = xsp_monotonic_ns();
	c->in_len += (size_t)n;
	return 0;
}

/*
 * While an answer waits to be sent no further request of that client is read or run: that bounds
 * its memory. With work left over it asks for "writable", which is at once, so its turn comes
 * again.
 */
static void serve_client(struct xsp_control *ctl, struct client *c, uint32_t events)
{
	bool more = true;

	if (flush_out(c) || (!c->out && fill_in(c)) || events & EPOLLERR) {
		drop(ctl, c);
		return;
	}
	for (int i = 0; i < LINES_A_VISIT && !c->out && more; i++) {
		more = serve_line(ctl, c);
		if (flush_out(c)) {
			drop(ctl, c);
			return;
		}
	}
	if (!c->out && !more && c->at_end)
		drop(ctl, c);
	else
		arm(ctl, c, c->out || more ? EPOLLOUT : EPOLLIN);
}

/* --- the socket ------------------------------------------------------------------------------ */

static int in_use(const char *path, const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, rc;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		xsp_err(NULL,
			"control: %s exists and is no socket; remove it or name another (--socket)",
			path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? -errno : 0;
	close(fd);
	if (!rc || rc == -EAGAIN) { /* EAGAIN: it is there, its backlog is full */
		xsp_err(NULL,
			"control: another daemon answers at %s; stop it first or name another "
			"(--socket)",
			path);
		return -EADDRINUSE;
	}
	if (rc != -ECONNREFUSED)
		return rc;
	xsp_info(NULL, "control: replacing %s, left by a daemon that is gone", path);
	return unlink(path) ? -errno : 0;
}

static void make_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];

	if (!slash || slash == path)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	mkdir(dir, 0755); /* when that fails, bind says so */
}

/* Nobody can connect before listen, so mode and owner are right from the first moment. */
static int listen_at(struct xsp_control *ctl, const char *path, gid_t gid)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	make_directory(path);
	rc = in_use(path, &addr);
	if (rc)
		return rc;
	ctl->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ctl->listener < 0 || bind(ctl->listener, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	if (lstat(path, &st))
		return -errno;
	ctl->dev = st.st_dev;
	ctl->ino = st.st_ino;
	if (chmod(path, gid == (gid_t)-1 ? 0600 : 0660))
		return -errno;
	if (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid))
		xsp_warn(NULL, "control: %s keeps its group: %s", path, strerror(errno));
	return listen(ctl->listener, XSP_CONTROL_CLIENTS) ? -errno : 0;
}

static void remove_file(const struct xsp_control *ctl)
{
	const char *path = ctl->methods.config->socket_path;
	struct stat st;

	if (ctl->ino && !lstat(path, &st) && st.st_ino == ctl->ino && st.st_dev == ctl->dev)
		unlink(path);
}

int xsp_control_open(struct xsp_daemon *d, const struct xsp_config *c, struct xsp_control **ret)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct xsp_control *ctl = calloc(1, sizeof(*ctl));
	int rc = -ENOMEM;

	if (!ctl)
		return -ENOMEM;
	ctl->listener = ctl->epoll = -1;
	ctl->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ctl->methods = (struct xsp_methods){
		.daemon = d,
		.config = c,
		.started_ns = xsp_monotonic_ns(),
	};
	ctl->clients = calloc(XSP_CONTROL_CLIENTS, sizeof(*ctl->clients));
	if (!ctl->clients)
		goto fail;
	for (int i = 0; i < XSP_CONTROL_CLIENTS; i++)
		ctl->clients[i].fd = -1;
	rc = listen_at(ctl, c->socket_path, c->socket_gid);
	if (rc && rc != -EADDRINUSE && rc != -EEXIST)
		xsp_err(NULL, "control: %s: %s", c->socket_path, strerror(-rc));
	if (rc)
		goto fail;
	ctl->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ctl->epoll < 0 || epoll_ctl(ctl->epoll, EPOLL_CTL_ADD, ctl->listener, &ev)) {
		rc = -errno;
		goto fail;
	}
	*ret = ctl;
	return 0;
fail:
	xsp_control_close(ctl);
	return rc;
}

int xsp_control_fd(const struct xsp_control *ctl)
{
	return ctl->epoll;
}

void xsp_control_run(struct xsp_control *ctl)
{
	struct epoll_event ev[XSP_CONTROL_CLIENTS + 1];
	int n = epoll_wait(ctl->epoll, ev, XSP_CONTROL_CLIENTS + 1, 0);
	bool newcomer = false;

	for (int i = 0; i < n; i++) {
		struct client *c = ev[i].data.ptr;

		if (!c)
			newcomer = true;
		else if (c->fd >= 0)
			serve_client(ctl, c, ev[i].events);
	}
	if (newcomer) /* last: it may take an idle client's place, whose event is dealt with by now
		       */
		accept_one(ctl);
}

void xsp_control_close(struct xsp_control *ctl)
{
	if (!ctl)
		return;
	for (int i = 0; ctl->clients && i < XSP_CONTROL_CLIENTS; i++)
		if (ctl->clients[i].fd >= 0)
			drop(ctl, &ctl->clients[i]);
	if (ctl->epoll >= 0)
		close(ctl->epoll);
	if (ctl->spare >= 0)
		close(ctl->spare);
	if (ctl->listener >= 0) {
		remove_file(ctl);
		close(ctl->listener);
	}
	free(ctl->clients);
	free(ctl);
}
