/* SPDX-License-Identifier: MIT */
#include "common/lab/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct lab_world *worlds;
static pthread_mutex_t worlds_lock = PTHREAD_MUTEX_INITIALIZER;

/* Copies of several threads overlap without end: who wants to add a view must get its turn. */
static void views_lock_init(struct lab_world *w)
{
	pthread_rwlockattr_t a;

	pthread_rwlockattr_init(&a);
	pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&w->lock, &a);
	pthread_rwlockattr_destroy(&a);
}

/* The child of a fork may open handles of its own; a lock another thread held must not stop it. */
static void after_fork(void)
{
	struct lab_world *w;

	pthread_mutex_init(&worlds_lock, NULL);
	for (w = worlds; w; w = w->next)
		views_lock_init(w);
}

__attribute__((constructor)) static void world_init(void)
{
	pthread_atfork(NULL, NULL, after_fork);
}

/* The world of the shared memory `fd`, which is used up. */
static struct lab_world *world_get(int fd)
{
	struct lab_world *w = NULL;
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		goto out;
	pthread_mutex_lock(&worlds_lock);
	for (w = worlds; w; w = w->next)
		if (w->dev == st.st_dev && w->ino == st.st_ino)
			break;
	if (!w) {
		p = mmap(NULL, sizeof(struct lab_shm), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		w = p == MAP_FAILED ? NULL : calloc(1, sizeof(*w));
		if (w) {
			w->shm = p;
			w->dev = st.st_dev;
			w->ino = st.st_ino;
			views_lock_init(w);
			w->next = worlds;
			worlds = w;
		}
	}
	pthread_mutex_unlock(&worlds_lock);
	if (w && w->shm->magic != LAB_MAGIC)
		w = NULL;
out:
	close(fd);
	return w;
}

static int receive(struct lab_link *l, struct lab_msg *m, void *out, size_t room, int *fds, int max)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int) * LAB_MAX_FDS)];
	} ctl;
	struct iovec iov[2] = {{m, sizeof(*m)}, {out, room}};
	struct msghdr h = {.msg_iov = iov,
			   .msg_iovlen = out ? 2 : 1,
			   .msg_control = ctl.buf,
			   .msg_controllen = sizeof(ctl.buf)};
	struct cmsghdr *c;
	ssize_t n;
	int i, got = 0;

	do {
		n = recvmsg(l->fd, &h, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(*m))
		return -ENODEV; /* the hub is gone, or this domain is */
	for (c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		int nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		for (i = 0; i < nfds; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + sizeof(int) * (size_t)i, sizeof(fd));
			if (got < max)
				fds[got++] = fd;
			else
				close(fd);
		}
	}
	return got;
}

static int exchange(struct lab_link *l, struct lab_msg *m, const void *data, void *out, size_t room,
		    int *fds, int max)
{
	struct iovec iov[2] = {{m, sizeof(*m)}, {(void *)(uintptr_t)data, m->len}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = m->len ? 2 : 1};
	ssize_t n;
	int r;

	pthread_mutex_lock(&l->lock);
	do {
		n = sendmsg(l->fd, &h, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	r = n < 0 ? -ENODEV : receive(l, m, out, room, fds, max);
	pthread_mutex_unlock(&l->lock);
	return r;
}

int lab_call(struct lab_link *l, struct lab_msg *m, const void *data, void *out, size_t room,
	     int *fd)
{
	int r;

	if (fd)
		*fd = -1;
	r = exchange(l, m, data, out, room, fd, fd ? 1 : 0);
	return r < 0 ? r : m->rc;
}

int lab_call3(struct lab_link *l, enum lab_op op, uint32_t a, uint32_t b, uint32_t c)
{
	struct lab_msg m = {.op = op, .arg = {a, b, c}};

	return lab_call(l, &m, NULL, NULL, 0, NULL);
}

static int link_connect(struct lab_link *l, bool cloexec)
{
	const char *dir = getenv("XENSPLIT_LAB"), *dom = getenv("XENSPLIT_DOM");
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (!dir || !*dir)
		return -ENOENT; /* as a machine without Xen: no /dev/xen */
	l->dom = (uint16_t)(dom ? strtoul(dom, NULL, 10) : 0);
	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s/hub.sock", dir) >= (int)sizeof(a.sun_path))
		return -ENAMETOOLONG;
	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | (cloexec ? SOCK_CLOEXEC : 0), 0);
	if (l->fd < 0)
		return -errno;
	if (connect(l->fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int err = -errno;

		close(l->fd);
		return err;
	}
	return 0;
}

int lab_link_open(struct lab_link *l, enum lab_kind kind, int *fd, bool cloexec)
{
	struct lab_msg m = {.op = LAB_HELLO};
	int fds[2] = {-1, -1}, r;

	memset(l, 0, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
	l->pid = getpid();
	r = link_connect(l, cloexec);
	if (r)
		return r;
	m.arg[0] = kind;
	m.arg[1] = l->dom;
	m.arg[2] = LAB_PROTO_VERSION;
	r = exchange(l, &m, NULL, NULL, 0, fds, 2);
	if (r >= 0)
		r = m.rc < 0 ? m.rc : fds[0] < 0 ? -EPROTO : 0;
	if (!r) {
		l->slot = m.arg[0];
		l->gen = m.arg[1];
		l->world = world_get(fds[0]);
		r = l->world ? 0 : -EPROTO;
		if (!r)
			l->dom_gen = l->world->shm->dom[l->dom].gen;
	}
	if (r) {
		if (fds[1] >= 0)
			close(fds[1]);
		close(l->fd);
		return r;
	}
	if (fd)
		*fd = fds[1];
	if (fd && fds[1] >= 0 && !cloexec)
		fcntl(fds[1], F_SETFD, 0);
	return 0;
}

bool lab_link_alive(const struct lab_link *l)
{
	const struct lab_dom *d = &l->world->shm->dom[l->dom];

	return __atomic_load_n(&d->state, __ATOMIC_ACQUIRE) == LAB_DOM_ALIVE &&
	       d->gen == l->dom_gen;
}

void lab_link_close(struct lab_link *l)
{
	if (l->pid == getpid())
		lab_call3(l, LAB_CLOSE, 0, 0, 0);
	close(l->fd);
	pthread_mutex_destroy(&l->lock);
}

static void view_drop(struct lab_view *v)
{
	if (!v->gen)
		return;
	munmap(v->base, (size_t)LAB_GREFS * LAB_PAGE);
	close(v->fd);
	memset(v, 0, sizeof(*v));
}

static int view_fetch(struct lab_link *l, uint32_t dom)
{
	struct lab_view *v = &l->world->view[dom];
	struct lab_msg m = {.op = LAB_GET_MEMORY, .arg = {dom}};
	int fd, r = lab_call(l, &m, NULL, NULL, 0, &fd);
	void *p;

	if (r < 0 || fd < 0)
		return -ESRCH;
	p = mmap(NULL, (size_t)LAB_GREFS * LAB_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	pthread_rwlock_wrlock(&l->world->lock);
	view_drop(v);
	v->fd = fd;
	v->base = p;
	v->gen = m.arg[0];
	pthread_rwlock_unlock(&l->world->lock);
	return 0;
}

struct lab_view *lab_view_get(struct lab_link *l, uint32_t dom)
{
	struct lab_world *w = l->world;
	struct lab_dom *d;
	int i;

	if (dom == 0x7ff0) /* DOMID_SELF */
		dom = l->dom;
	if (dom >= LAB_DOMS)
		return NULL;
	d = &w->shm->dom[dom];
	for (i = 0; i < 3; i++) {
		if (__atomic_load_n(&d->state, __ATOMIC_ACQUIRE) == LAB_DOM_FREE)
			return NULL;
		pthread_rwlock_rdlock(&w->lock);
		if (w->view[dom].gen &&
		    w->view[dom].gen == __atomic_load_n(&d->gen, __ATOMIC_ACQUIRE))
			return &w->view[dom];
		pthread_rwlock_unlock(&w->lock);
		if (view_fetch(l, dom) < 0)
			return NULL;
	}
	return NULL;
}

void lab_view_put(struct lab_link *l)
{
	pthread_rwlock_unlock(&l->world->lock);
}

void lab_views_sweep(struct lab_world *w)
{
	uint32_t now = __atomic_load_n(&w->shm->changes, __ATOMIC_ACQUIRE), i;

	if (__atomic_load_n(&w->changes_seen, __ATOMIC_RELAXED) == now)
		return;
	pthread_rwlock_wrlock(&w->lock);
	for (i = 0; i < LAB_DOMS; i++)
		if (w->view[i].gen &&
		    (w->shm->dom[i].state != LAB_DOM_ALIVE || w->shm->dom[i].gen != w->view[i].gen))
			view_drop(&w->view[i]);
	__atomic_store_n(&w->changes_seen, now, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&w->lock);
}
