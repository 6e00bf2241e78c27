/* SPDX-License-Identifier: MIT */
/*
 * nbdkit-xensplit-plugin: a PV disk of this domain as an NBD export.
 *
 *     nbdkit -U - ./nbdkit-xensplit-plugin.so dev=xvda --run 'nbdcopy "$uri" disk.img'
 *
 * nbdkit calls from many threads at once. Each call splits its request into pieces of the ring's
 * size, submits them under one lock and sleeps; one event thread takes the completions and wakes
 * whoever has nothing left. Handles are opened after nbdkit has forked: they don't survive a fork.
 */
#define NBDKIT_API_VERSION 2
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <nbdkit-plugin.h>

#include "frontend/user/xensplit-front.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* One call of nbdkit; lives on its thread's stack until nothing of it is under way. */
struct call {
	pthread_cond_t done;
	unsigned int left; /* pieces under way */
	int error;         /* the first */
};

static struct {
	/* settings */
	const char *dev;
	struct xsp_disk_options options;
	/* constant once open */
	struct xsp_disk *disk;
	struct xsp_disk_info info;
	pthread_t thread;
	bool have_thread;
	int stop_fd;
	/* below the lock: every use of the disk but waiting on its fd */
	pthread_mutex_t lock;
	pthread_cond_t room; /* completions were taken: submit again */
	unsigned int waiting_for_room;
	uint32_t resized; /* changes of the size that were told */
	bool said_dead;
} x = { .lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER, .stop_fd = -1 };

/* --- completions ------------------------------------------------------------------------------- */

/*
 * NBD has no word for a size that changes: clients that connect from now on see it, those that are
 * connected go on with the old one and get errors beyond a new end.
 */
static void tell_size(void)
{
	struct xsp_disk_info info;

	xsp_disk_get_info(x.disk, &info);
	if (info.resized == x.resized)
		return;
	x.resized = info.resized;
	nbdkit_debug("%s: the backend changed the size to %llu bytes", x.dev,
		     (unsigned long long)info.size_bytes);
}

/* Takes what there is, lock held. False when there was nothing. */
static bool take_completions(void)
{
	struct xsp_disk_done done[64];
	unsigned int n = xsp_disk_process(x.disk, done, 64);

	for (unsigned int i = 0; i < n; i++) {
		struct call *c = (struct call *)(uintptr_t)done[i].cookie;

		if (done[i].status && !c->error)
			c->error = done[i].status;
		if (!--c->left)
			pthread_cond_signal(&c->done);
	}
	tell_size();
	if (x.waiting_for_room && (n || !xsp_disk_in_flight(x.disk)))
		pthread_cond_broadcast(&x.room);
	return n > 0;
}

static void *event_thread(void *arg)
{
	struct pollfd p[2] = { { .fd = xsp_disk_fd(x.disk), .events = POLLIN },
			       { .fd = x.stop_fd, .events = POLLIN } };

	(void)arg;
	for (;;) {
		bool more = true;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			break;
		while (more) {
			pthread_mutex_lock(&x.lock);
			more = take_completions();
			pthread_mutex_unlock(&x.lock);
		}
	}
	return NULL;
}

/* --- one call ---------------------------------------------------------------------------------- */

/* Submits one piece, waiting for room; lock held. */
static int submit(struct call *c, enum xsp_disk_op op, uint8_t *buf, uint32_t bytes, uint64_t offset)
{
	for (;;) {
		int error = xsp_disk_submit(x.disk, op, buf, bytes, offset, (uintptr_t)c);

		if (!error)
			c->left++;
		if (error != -EBUSY)
			return error;
		xsp_disk_push(x.disk);
		x.waiting_for_room++;
		pthread_cond_wait(&x.room, &x.lock);
		x.waiting_for_room--;
	}
}

static int perform(enum xsp_disk_op op, const char *what, void *buf, uint32_t bytes, uint64_t offset)
{
	uint32_t piece = op == XSP_DISK_DISCARD ? UINT32_MAX : x.info.piece_bytes;
	struct call c = { .done = PTHREAD_COND_INITIALIZER };
	uint32_t at = 0;
	const char *why = NULL;
	int error = 0, dead;
	bool first;

	pthread_mutex_lock(&x.lock);
	do {
		uint32_t some = bytes - at < piece ? bytes - at : piece;

		error = submit(&c, op, buf ? (uint8_t *)buf + at : NULL, some, offset + at);
		at += some;
	} while (!error && at < bytes);
	xsp_disk_push(x.disk);
	while (c.left)
		pthread_cond_wait(&c.done, &x.lock);
	dead = xsp_disk_error(x.disk, &why);
	first = dead && !x.said_dead;
	x.said_dead |= first;
	pthread_mutex_unlock(&x.lock);
	pthread_cond_destroy(&c.done);
	if (!error)
		error = c.error;
	if (!error)
		return 0;
	if (!dead)
		nbdkit_error("%s: %s of %u bytes at %llu: %s", x.dev, what, bytes,
			     (unsigned long long)offset, strerror(-error));
	else if (first) /* once: every request to come will fail */
		nbdkit_error("%s: %s", x.dev, why);
	nbdkit_set_error(error == -ENODEV || error == -EPROTO ? ESHUTDOWN : -error);
	return -1;
}

static int xensplit_pread(void *handle, void *buf, uint32_t bytes, uint64_t offset, uint32_t flags)
{
	(void)handle;
	(void)flags;
	return perform(XSP_DISK_READ, "read", buf, bytes, offset);
}

static int xensplit_pwrite(void *handle, const void *buf, uint32_t bytes, uint64_t offset, uint32_t flags)
{
	(void)handle;
	(void)flags; /* FUA is emulated by nbdkit with a flush */
	return perform(XSP_DISK_WRITE, "write", (void *)(uintptr_t)buf, bytes, offset);
}

static int xensplit_flush(void *handle, uint32_t flags)
{
	(void)handle;
	(void)flags;
	return perform(XSP_DISK_FLUSH, "flush", NULL, 0, 0);
}

/* A hint to NBD clients as to PV guests: what is discarded may also read as before. */
static int xensplit_trim(void *handle, uint32_t bytes, uint64_t offset, uint32_t flags)
{
	(void)handle;
	(void)flags;
	return perform(XSP_DISK_DISCARD, "trim", NULL, bytes, offset);
}

/* --- what the export is ------------------------------------------------------------------------ */

static void *xensplit_open(int readonly)
{
	(void)readonly;
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t xensplit_get_size(void *handle)
{
	struct xsp_disk_info info;

	(void)handle;
	pthread_mutex_lock(&x.lock);
	xsp_disk_get_info(x.disk, &info); /* it may have grown */
	pthread_mutex_unlock(&x.lock);
	return (int64_t)info.size_bytes;
}

static int xensplit_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	(void)handle;
	*minimum = x.info.sector_bytes;
	*preferred = x.info.physical_bytes > 4096 && x.info.physical_bytes <= 1 << 20 ? x.info.physical_bytes :
											4096;
	*maximum = 32u << 20;
	return 0;
}

static int xensplit_can_write(void *handle)
{
	(void)handle;
	return !x.info.read_only;
}

static int xensplit_can_flush(void *handle)
{
	(void)handle;
	return x.info.can_flush;
}

static int xensplit_can_trim(void *handle)
{
	(void)handle;
	return x.info.can_discard;
}

static int xensplit_can_fua(void *handle)
{
	(void)handle;
	return x.info.can_flush ? NBDKIT_FUA_EMULATE : NBDKIT_FUA_NONE;
}

static int xensplit_can_multi_conn(void *handle)
{
	(void)handle;
	return 1; /* all connections share the disk; a flush covers what any of them has written */
}

/* --- life -------------------------------------------------------------------------------------- */

static int xensplit_config(const char *key, const char *value)
{
	unsigned int v;

	if (!strcmp(key, "dev")) {
		if (xsp_disk_devid(value) < 0) {
			nbdkit_error("dev=%s: not a device (xvda, xvdb1, 51712)", value);
			return -1;
		}
		x.dev = value;
	} else if (!strcmp(key, "ring-order")) {
		if (nbdkit_parse_unsigned(key, value, &v) || v > 4) {
			nbdkit_error("ring-order=%s: 0..4", value);
			return -1;
		}
		x.options.ring_order = v;
	} else if (!strcmp(key, "queues")) {
		if (nbdkit_parse_unsigned(key, value, &v) || !v || v > 16) {
			nbdkit_error("queues=%s: 1..16", value);
			return -1;
		}
		x.options.queues = v;
	} else if (!strcmp(key, "timeout")) {
		if (nbdkit_parse_unsigned(key, value, &v) || !v || v > 86400) {
			nbdkit_error("timeout=%s: 1..86400 seconds", value);
			return -1;
		}
		x.options.timeout_ms = v * 1000;
	} else if (!strcmp(key, "untrusted")) {
		int yes = nbdkit_parse_bool(value);

		if (yes < 0)
			return -1;
		x.options.untrusted = yes;
	} else if (!strcmp(key, "dialect")) {
		x.options.dialect = value; /* xsp_disk_open knows which there are */
	} else {
		nbdkit_error("unknown parameter '%s'", key);
		return -1;
	}
	return 0;
}

static int xensplit_config_complete(void)
{
	if (x.dev)
		return 0;
	nbdkit_error("dev=DEVICE is missing (xvda, 51712)");
	return -1;
}

static int xensplit_after_fork(void)
{
	char why[XSP_DISK_WHY_BYTES];
	int error = xsp_disk_open(x.dev, &x.options, &x.disk, why);

	if (error) {
		nbdkit_error("%s", why);
		return -1;
	}
	xsp_disk_get_info(x.disk, &x.info);
	x.stop_fd = eventfd(0, EFD_CLOEXEC);
	error = x.stop_fd < 0 ? errno : pthread_create(&x.thread, NULL, event_thread, NULL);
	if (error) {
		nbdkit_error("%s: can't start the event thread: %s", x.dev, strerror(error));
		return -1;
	}
	x.have_thread = true;
	return 0;
}

/* After the last request. */
static void xensplit_cleanup(void)
{
	uint64_t one = 1;

	if (x.have_thread && write(x.stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(x.thread, NULL);
	if (x.stop_fd >= 0)
		close(x.stop_fd);
	if (xsp_disk_close(x.disk))
		nbdkit_error("%s: the backend did not close the device in time", x.dev);
	x.disk = NULL;
}

static struct nbdkit_plugin plugin = {
	.name = "xensplit",
	.longname = "Xen PV disk",
	.version = XSP_VERSION,
	.description = "A PV disk (vbd) of this Xen domain, over libxensplit-front",
	.magic_config_key = "dev",
	.config = xensplit_config,
	.config_complete = xensplit_config_complete,
	.config_help = "dev=<DEVICE>       (required) the PV disk: xvda, xvdb1, 51712\n"
		       "ring-order=<0..4>  a ring of 32 << N requests, if the backend can (0)\n"
		       "queues=<1..16>     each with a ring of its own, if the backend can (1)\n"
		       "timeout=<SECONDS>  for the backend to connect (10)\n"
		       "untrusted=<BOOL>   the backend sees nothing but the data of requests\n"
		       "dialect=<NAME>     how the backend counts sectors: xen, freebsd, qemu, windows, mini-os",
	.after_fork = xensplit_after_fork,
	.cleanup = xensplit_cleanup,
	.open = xensplit_open,
	.get_size = xensplit_get_size,
	.block_size = xensplit_block_size,
	.can_write = xensplit_can_write,
	.can_flush = xensplit_can_flush,
	.can_fua = xensplit_can_fua,
	.can_multi_conn = xensplit_can_multi_conn,
	.pread = xensplit_pread,
	.pwrite = xensplit_pwrite,
	.flush = xensplit_flush,
	.trim = xensplit_trim,
	.can_trim = xensplit_can_trim,
	.errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN(plugin)
