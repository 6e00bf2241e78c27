/* SPDX-License-Identifier: MIT */
/*
 * rbd:POOL/IMAGE is a disk in a Ceph cluster, through librbd: see rbd_spec.h for specs.
 *
 * librbd has threads of its own, which is where its completions come; they travel to the request's
 * worker by mail. While OSDs or monitors are away, requests wait inside librbd and go on by
 * themselves: the guest sees a pause.
 *
 * Each target has a thread, its keeper, for what may wait for the cluster and is not a request: it
 * learns the size again when somebody resizes the image, and it closes the image.
 */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/target/rbd_api.h"
#include "backend/target/rbd_spec.h"
#include "backend/target/target.h"
#include "common/log.h"

#define CONNECT_S "8"         /* below the 10 s that a toolstack waits */
#define DISCARD   (1ull << 30) /* of one call */
#define UNIT      65536u      /* rbd_discard_granularity_bytes: librbd skips smaller ones */

/* --- the libraries -------------------------------------------------------------------------------- */

#define FIELD(name, result, params) result(*name) params;
static struct {
	XSP_RBD_API(FIELD)
} api;

static int load(char *why, size_t why_len)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static void *lib;
	const char *missing = NULL;

	pthread_mutex_lock(&lock);
	if (!lib) {
		void *l = dlopen("librbd.so.1", RTLD_NOW | RTLD_LOCAL); /* librados comes with it */

		if (!l)
			missing = "the library";
#define LOAD(name, result, params)                                                                  \
	if (l && !missing) {                                                                        \
		*(void **)&api.name = dlsym(l, #name);                                              \
		if (!api.name)                                                                      \
			missing = #name;                                                            \
	}
		XSP_RBD_API(LOAD)
		if (!missing)
			lib = l; /* for good */
	}
	pthread_mutex_unlock(&lock);
	if (!missing)
		return 0;
	snprintf(why, why_len, "rbd: librbd.so.1 can't be used, it lacks %s: install librbd1", missing);
	return -ELIBACC;
}

/* --- the target ----------------------------------------------------------------------------------- */

struct rbd_target {
	struct xsp_target t;
	char name[128];
	void *cluster, *ioctx, *image;
	uint64_t watch;
	bool watched;
	uint64_t now_bytes; /* atomic: its size, as last heard */
	sem_t wake;         /* the keeper has something to do */
	bool leave;         /* atomic */
};

static void let_go(struct rbd_target *r)
{
	if (r->watched)
		api.rbd_update_unwatch(r->image, r->watch);
	if (r->image)
		api.rbd_close(r->image);
	if (r->ioctx)
		api.rados_ioctx_destroy(r->ioctx);
	if (r->cluster)
		api.rados_shutdown(r->cluster);
	sem_destroy(&r->wake);
	free(r);
}

static void *keeper(void *arg)
{
	struct rbd_target *r = arg;
	uint64_t bytes;

	for (;;) {
		while (sem_wait(&r->wake))
			;
		if (__atomic_load_n(&r->leave, __ATOMIC_ACQUIRE)) /* release: rbd_target_close */
			break;
		if (!api.rbd_get_size(r->image, &bytes))
			__atomic_store_n(&r->now_bytes, bytes, __ATOMIC_RELAXED);
	}
	let_go(r);
	xsp_target_closed();
	return NULL;
}

/* librbd's thread: the image's header was changed. */
static void header_changed(void *arg)
{
	struct rbd_target *r = arg;

	sem_post(&r->wake);
}

static int start_keeper(struct rbd_target *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = -pthread_create(&thread, &attr, keeper, r);
	pthread_attr_destroy(&attr);
	return err;
}

/* --- requests ------------------------------------------------------------------------------------- */

static void ask(struct rbd_target *r, struct xsp_io *io);

static void arrived(struct xsp_mail *mail, void *owner)
{
	struct xsp_io *io = (struct xsp_io *)((char *)mail - offsetof(struct xsp_io, mail));
	int err = (int)(int64_t)io->scratch[0];

	(void)owner;
	if (!err && io->op == XSP_IO_DISCARD && io->scratch[1] < io->len)
		ask((struct rbd_target *)io->target, io);
	else
		xsp_io_done(io, err);
}

/* librbd's thread. */
static void completed(void *completion, void *arg)
{
	struct xsp_io *io = arg;
	ssize_t n = api.rbd_aio_get_return_value(completion);

	api.rbd_aio_release(completion);
	io->scratch[0] = (uint64_t)(int64_t)(n < 0 ? n : 0);
	io->mail.fn = arrived;
	xsp_mailbox_post(&io->worker->box, &io->mail);
}

static void ask(struct rbd_target *r, struct xsp_io *io)
{
	uint64_t bytes = io->len - io->scratch[1];
	void *completion;
	int err = api.rbd_aio_create_completion(io, completed, &completion);

	if (err < 0) {
		xsp_io_done(io, err);
		return;
	}
	switch (io->op) {
	case XSP_IO_READ:
		err = api.rbd_aio_readv(r->image, io->iov, io->niov, io->offset, completion);
		break;
	case XSP_IO_WRITE:
		err = api.rbd_aio_writev(r->image, io->iov, io->niov, io->offset, completion);
		break;
	case XSP_IO_DISCARD:
		bytes = bytes < DISCARD ? bytes : DISCARD;
		io->scratch[1] += bytes;
		err = api.rbd_aio_discard(r->image, io->offset + io->scratch[1] - bytes, bytes, completion);
		break;
	default:
		err = api.rbd_aio_flush(r->image, completion);
	}
	if (err < 0) { /* then no completion comes */
		api.rbd_aio_release(completion);
		xsp_io_done(io, err);
	}
}

static void rbd_submit(struct xsp_target *t, struct xsp_io *io)
{
	assert(io->op == XSP_IO_FLUSH || io->offset + io->len <= t->size_bytes);
	io->target = t;
	io->scratch[1] = 0;
	ask((struct rbd_target *)t, io);
}

/* --- open and close ------------------------------------------------------------------------------- */

static int failed(const struct rbd_target *r, int err, const char *what, char *why, size_t why_len)
{
	snprintf(why, why_len, "rbd: %s: %s: %s", r->name, what, strerror(-err));
	/* Another daemon, a little slow to let go? No: librbd waits for that itself. */
	return err == -EAGAIN ? -EBUSY : err;
}

static int connect_cluster(struct rbd_target *r, const struct xsp_rbd_spec *s, char *why, size_t why_len)
{
	int err = api.rados_create(&r->cluster, s->id);

	if (err < 0) {
		r->cluster = NULL;
		return failed(r, err, "can't make a client", why, why_len);
	}
	err = api.rados_conf_read_file(r->cluster, s->conf);
	if (err < 0 && (s->conf || err != -ENOENT)) /* without a file the options may say it all */
		return failed(r, err, s->conf ? s->conf : "can't read ceph.conf", why, why_len);
	api.rados_conf_set(r->cluster, "client_mount_timeout", CONNECT_S);
	for (unsigned int i = 0; i < s->n_options; i++)
		if (api.rados_conf_set(r->cluster, s->option[i].name, s->option[i].value) < 0) {
			snprintf(why, why_len, "rbd: %s: Ceph knows no option '%.60s', or not this value",
				 r->name, s->option[i].name);
			return -EINVAL;
		}
	err = api.rados_connect(r->cluster);
	if (err < 0) {
		failed(r, err, "can't reach the cluster (monitors up? ceph.conf and keyring right?)", why,
		       why_len);
		api.rados_shutdown(r->cluster);
		r->cluster = NULL;
		return err == -EAGAIN ? -EBUSY : err;
	}
	return 0;
}

static int open_image(struct rbd_target *r, const struct xsp_rbd_spec *s, bool readonly, char *why,
		      size_t why_len)
{
	const char *snap = *s->snap ? s->snap : NULL;
	int err = api.rados_ioctx_create(r->cluster, s->pool, &r->ioctx);

	if (err < 0) {
		r->ioctx = NULL;
		return failed(r, err, "no such pool, or no right to it", why, why_len);
	}
	if (*s->nspace)
		api.rados_ioctx_set_namespace(r->ioctx, s->nspace);
	if (snap && !readonly) {
		snprintf(why, why_len, "rbd: %s is a snapshot: attach it read-only", r->name);
		return -EROFS;
	}
	err = readonly ? api.rbd_open_read_only(r->ioctx, s->image, &r->image, snap) :
			 api.rbd_open(r->ioctx, s->image, &r->image, snap);
	if (err < 0) {
		r->image = NULL;
		return failed(r, err, "can't open the image", why, why_len);
	}
	err = api.rbd_get_size(r->image, &r->now_bytes);
	if (err < 0)
		return failed(r, err, "can't ask its size", why, why_len);
	if (r->now_bytes < 512) {
		snprintf(why, why_len, "rbd: %s is smaller than one sector", r->name);
		return -EINVAL;
	}
	r->watched = !readonly && api.rbd_update_watch(r->image, &r->watch, header_changed, r) >= 0;
	return 0;
}

static int rbd_target_open(const char *opts, const char *rest, const struct xsp_target_wish *wish,
			   struct xsp_target **ret, char *why, size_t why_len)
{
	struct xsp_rbd_spec s;
	struct rbd_target *r;
	int err = xsp_rbd_parse(opts, rest, &s, why, why_len);

	if (!err)
		err = load(why, why_len);
	if (err)
		return err;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	sem_init(&r->wake, 0, 0);
	snprintf(r->name, sizeof(r->name), "%.40s/%.60s%s%.20s", s.pool, s.image, *s.snap ? "@" : "", s.snap);
	err = connect_cluster(r, &s, why, why_len);
	if (!err)
		err = open_image(r, &s, wish->readonly, why, why_len);
	if (!err)
		err = start_keeper(r);
	if (err) {
		let_go(r);
		return err;
	}
	r->t = (struct xsp_target){
		.ops = &xsp_target_rbd,
		.size_bytes = r->now_bytes & ~511ull,
		.sector_size = 512,
		.physical_size = 4096,
		.readonly = wish->readonly,
		.can_flush = true,
		.can_discard = !wish->readonly,
		.discard_granularity = UNIT,
	};
	*ret = &r->t;
	return 0;
}

/* The cluster may take its time to hear of it: the keeper's business. */
static void rbd_target_close(struct xsp_target *t)
{
	struct rbd_target *r = (struct rbd_target *)t;

	xsp_target_closing();
	__atomic_store_n(&r->leave, true, __ATOMIC_RELEASE); /* acquire: keeper */
	sem_post(&r->wake);
}

static uint64_t rbd_size(struct xsp_target *t)
{
	return __atomic_load_n(&((struct rbd_target *)t)->now_bytes, __ATOMIC_RELAXED);
}

const struct xsp_target_ops xsp_target_rbd = {
	.name = "rbd",
	.usage = "rbd[,conf=PATH][,id=NAME]:POOL/IMAGE[@SNAPSHOT]",
	.open = rbd_target_open,
	.close = rbd_target_close,
	.submit = rbd_submit,
	.size = rbd_size,
};
