/* SPDX-License-Identifier: MIT */
/*
 * A block device of the daemon (device.c, vbd.c and their keys) over a store that answers anything: any bytes as any
 * value, any failure of any call, in any order with a worker that starts, fails, breaks and stops
 * queues when it likes. The device never starts a second queue, and leaves nothing behind.
 */
#include <errno.h>
#include <stdio.h>

#include "backend/domains.h"
#include "backend/vbd.h"
#include "tests/fuzz/input.h"

static struct input in;
static struct xsp_daemon daemon_;
static struct xsp_worker worker[3];
static struct {
	struct xsp_queue *q; /* given to a worker, not yet back */
	enum { STARTING, RUNS, STOPPING } at;
} queue[XSP_MAX_QUEUES];
static unsigned int transactions;
static uint64_t now_ns;

/* --- a made-up libxenstore --------------------------------------------------------------------- */

static bool fails(uint8_t what)
{
	static const int errors[] = { ENOENT, EACCES, EINVAL, EAGAIN, ENOSPC, EIO, ENOMEM, E2BIG };

	if (what < 0xc0)
		return false;
	errno = errors[what & 7];
	return true;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	static const char *const likely[] = {
		"1", "2", "3", "4", "5", "6", "0", "8", "9", "10", "w", "r", "x86_64-abi", "x86_32-abi",
		"connected", "", "null:1M", "4294967295", "-1", "/local/domain/1/device/vbd/51712",
		"/bin/script", "100 8 9", "7", "16", "cdrom", "eject", "freebsd", "4096", "2048",
	};
	uint8_t what = eat8(&in);
	char *value;

	HOLDS(h); /* libxenstore crashes without */
	(void)t;
	HOLDS(strlen(path) < XSP_STORE_PATH);
	if (fails(what))
		return NULL;
	if (what < 0x80) {
		value = strdup(likely[what % (sizeof(likely) / sizeof(likely[0]))]);
		*len = (unsigned int)strlen(value);
		return value;
	}
	*len = what & 0x20 ? eat8(&in) * 16u : what & 0x1f;
	value = malloc(*len + 1); /* as libxenstore: a 0 byte behind what may hold some */
	eat(&in, value, *len);
	value[*len] = '\0';
	return value;
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	      unsigned int len)
{
	HOLDS(h); /* libxenstore crashes without */
	(void)t;
	HOLDS(strlen(path) < XSP_STORE_PATH && len < 4096 && !memchr(data, 0, len));
	return !fails(eat8(&in));
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	HOLDS(h); /* libxenstore crashes without */
	(void)t;
	(void)path;
	return !fails(eat8(&in));
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	HOLDS(h); /* libxenstore crashes without */
	if (fails(eat8(&in)))
		return XBT_NULL;
	transactions++;
	return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort_)
{
	HOLDS(h); /* libxenstore crashes without */
	(void)abort_;
	HOLDS(t == 1 && transactions == 1); /* one at a time, and none is forgotten */
	transactions--;
	return !fails(eat8(&in));
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	HOLDS(h); /* libxenstore crashes without */
	(void)path;
	(void)token;
	return !fails(eat8(&in));
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	return xs_watch(h, path, token);
}

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	return NULL;
}

void xs_close(struct xs_handle *h)
{
	(void)h;
}

int fuzz_nanosleep(const struct timespec *t, struct timespec *left);
int fuzz_nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	now_ns += (uint64_t)t->tv_nsec;
	return 0;
}

/* --- a made-up worker and target --------------------------------------------------------------- */

uint64_t xsp_now_ns(void)
{
	return now_ns;
}

static unsigned int find(const struct xsp_queue *q)
{
	unsigned int i = 0;

	while (i < XSP_MAX_QUEUES && queue[i].q != q)
		i++;
	return i;
}

void xsp_queue_start(struct xsp_queue *q, struct xsp_worker *w)
{
	unsigned int i = find(NULL);

	HOLDS(i < XSP_MAX_QUEUES && find(q) == XSP_MAX_QUEUES);
	HOLDS(xsp_blkq_of(q)->c.order <= XSP_RING_MAX_ORDER && xsp_blkq_of(q)->c.target && q->stats);
	HOLDS(q->n_ports == 1 && q->name && q->owner);
	q->worker = w;
	queue[i].q = q;
	queue[i].at = STARTING;
}

void xsp_queue_stop(struct xsp_queue *q)
{
	unsigned int i = find(q);

	HOLDS(i < XSP_MAX_QUEUES && queue[i].at == RUNS);
	queue[i].at = STOPPING;
}

void xsp_share_replace(struct xsp_blkq *q, const struct xsp_shares *s)
{
	HOLDS(find(&q->base) < XSP_MAX_QUEUES);
	xsp_shares_put(&q->shares);
	q->shares = *s;
}

static void worker_acts(unsigned int i, uint8_t how)
{
	struct xsp_queue *q = queue[i % XSP_MAX_QUEUES].q;

	i %= XSP_MAX_QUEUES;
	for (unsigned int k = 0; k < 3; k++)
		xsp_mailbox_run(&worker[k].box, &worker[k]);
	if (!q)
		return;
	if (queue[i].at == STARTING) {
		q->err = how & 3 ? 0 : how & 4 ? -EINVAL : -EBUSY;
		snprintf(q->why, sizeof(q->why), "a reason");
		queue[i].at = RUNS;
		if (q->err) {
			queue[i].q = NULL;
			xsp_shares_put(&xsp_blkq_of(q)->shares);
		}
		q->started(q);
	} else if (queue[i].at == STOPPING) {
		queue[i].q = NULL;
		xsp_shares_put(&xsp_blkq_of(q)->shares);
		q->sync_failed = how & 1;
		snprintf(q->record, sizeof(q->record), "%u 8 9", how);
		q->stopped(q);
	} else if ((how & 7) == 7 && !q->broken) {
		q->broken = true;
		q->broke(q);
	}
}

void xsp_domains_dead(struct xs_handle *xs, const uint32_t *domid, unsigned int n, bool *dead)
{
	(void)xs;
	(void)domid;
	while (n--)
		dead[n] = eat8(&in) & 1;
}

int xsp_target_open(const char *spec, const struct xsp_target_wish *wish, struct xsp_target **ret,
		    char *why, size_t why_len)
{
	uint8_t how = eat8(&in);

	(void)spec;
	(void)wish;
	if (how >= 0xc0) {
		snprintf(why, why_len, "it does not open");
		return how & 1 ? -EAGAIN : -ENOENT;
	}
	*ret = calloc(1, sizeof(**ret));
	(*ret)->size_bytes = 1 << 20;
	(*ret)->sector_size = 512;
	return 0;
}

void xsp_target_close(struct xsp_target *t)
{
	for (unsigned int i = 0; t && i < XSP_MAX_QUEUES; i++)
		HOLDS(!queue[i].q || xsp_blkq_of(queue[i].q)->c.target != t); /* not under a queue's feet */
	if (t && !t->ops) /* the empty drive's are in the device */
		free(t);
}

uint64_t xsp_target_size(struct xsp_target *t)
{
	uint8_t how = eat8(&in);

	return how < 0xf0 ? t->size_bytes : (uint64_t)(how & 7) << 12;
}

int xsp_target_truncate(struct xsp_target *t, uint64_t bytes)
{
	(void)t, (void)bytes;
	return eat8(&in) & 1 ? -EIO : 0;
}

void xsp_target_resize(struct xsp_target *t)
{
	HOLDS(!queue[0].q);
	t->size_bytes = (uint64_t)eat8(&in) << 12;
}

/* The opener's thread: some it does at once, some when it is their turn. */
static struct xsp_opening *pending;

int xsp_opener_start(struct xsp_opening *o)
{
	uint8_t how = eat8(&in);

	HOLDS(o->spec && o->owner && o->done && o->box && !o->finished);
	if (how == 0xff)
		return -EAGAIN;
	if (how & 1) {
		o->err = xsp_target_open(o->spec, &o->wish, &o->target, o->why, sizeof(o->why));
		o->finished = true;
		return 0;
	}
	o->next = pending;
	pending = o;
	return 0;
}

static void opener_acts(void)
{
	struct xsp_opening *o = pending;

	if (!o)
		return;
	pending = o->next;
	o->err = xsp_target_open(o->spec, &o->wish, &o->target, o->why, sizeof(o->why));
	o->finished = true;
	if (o->abandoned)
		xsp_opener_free(o);
	else
		o->done(o);
}

void xsp_opener_now(struct xsp_opening *o)
{
	HOLDS(o->finished && !o->target);
	o->err = xsp_target_open(o->spec, &o->wish, &o->target, o->why, sizeof(o->why));
}

void xsp_opener_free(struct xsp_opening *o)
{
	if (!o)
		return;
	if (!o->finished) {
		HOLDS(!o->abandoned);
		o->abandoned = true;
		return;
	}
	xsp_target_close(o->target);
	free(o->spec);
	free(o);
}

/* Never called: the queues run in nobody's hands. */
const struct xsp_queue_ops xsp_blkq_ops;

/* --- the run ----------------------------------------------------------------------------------- */

/* Between the stop and the start of a pause no queue is left. */
static void then(struct xsp_device *dev)
{
	for (unsigned int i = 0; i < XSP_MAX_QUEUES; i++)
		HOLDS(!queue[i].q);
	HOLDS(!dev->n_queues && !dev->awaited && !dev->connected);
	dev->republish = eat8(&in) & 1;
	dev->worker[0] = eat8(&in) % 3;
}

/* SIGTERM: every queue comes back. */
static void settle(struct xsp_daemon *d)
{
	struct xsp_device *v;

	d->draining = true;
	TAILQ_FOREACH(v, &d->devices, link)
		xsp_device_drain(v);
	for (unsigned int i = 0; i < 4 * XSP_MAX_QUEUES; i++)
		worker_acts(i, 1);
	for (unsigned int i = 0; i < XSP_MAX_QUEUES; i++)
		HOLDS(!queue[i].q);
	TAILQ_FOREACH(v, &d->devices, link)
		HOLDS(!v->n_queues && !v->awaited && !v->connected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xsp_daemon *d = &daemon_;
	static char nowhere[] = "/nonexistent/x.sock";
	static const struct xsp_config config = { .socket_path = nowhere };

	in = (struct input){ data, size };
	for (unsigned int i = 0; i < 3 && !worker[i].box.fd; i++)
		HOLDS(!xsp_mailbox_init(&worker[i].box));
	*d = (struct xsp_daemon){ .config = &config, .workers = worker, .n_workers = 3 };
	d->store.xs = (struct xs_handle *)worker; /* never looked into */
	snprintf(d->backend_root, sizeof(d->backend_root), "/local/domain/0/backend");
	pthread_mutex_init(&d->lock, NULL);
	TAILQ_INIT(&d->devices);
	xsp_log_set_level(XSP_LOG_ERR);
	memset(queue, 0, sizeof(queue));
	transactions = 0;
	now_ns = 1;
	while (in.left) {
		uint8_t op = eat8(&in);
		struct xsp_device *v = xsp_device_find(d, &xsp_vbd_class, 1, 51712);

		d->store.broken = false;
		if (!v)
			v = xsp_device_new(d, &xsp_vbd_class, 1, 51712);
		HOLDS(v);
		switch (op & 7) {
		case 0:
			v->domain_dead = op & 8;
			break;
		case 4:
			xsp_device_pause(v, op & 8 ? then : NULL);
			break;
		case 5:
			if (op & 8)
				v->class->changed(v, op & 16 ? "params" : "mode");
			if (op & 32)
				v->class->rewatch(v);
			if (v->connected && v->class->look(v))
				v->dirty = true;
			break;
		case 1:
			now_ns += 1000000ull << (op >> 3);
			break;
		case 2:
		case 3:
			/* The store may be lost when a worker answers. */
			d->store.xs = op >= 0xc0 ? NULL : (struct xs_handle *)worker;
			if ((op & 0x38) == 0x38)
				opener_acts();
			else
				worker_acts(op >> 6, op >> 3);
			d->store.xs = (struct xs_handle *)worker;
			break;
		default:
			if (!xsp_device_busy(v))
				xsp_device_step(v);
		}
		HOLDS(!transactions);
	}
	settle(d);
	while (!TAILQ_EMPTY(&d->devices))
		xsp_device_free(TAILQ_FIRST(&d->devices));
	while (pending)
		opener_acts();
	return 0;
}
