/* SPDX-License-Identifier: MIT */
/*
 * The store thread: finds devices by watching, steps those for which something changed, and keeps
 * the connection to XenStore alive. "The store is gone" never means "the device is gone": while it
 * can't be reached, everything goes on as it was.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backend/daemon.h"
#include "backend/domains.h"
#include "backend/vbd.h"
#include "backend/vbd_journal.h"
#include "backend/vif.h"

#define CLOSE_S      5u /* that the end waits for targets whose close takes time */
#define CHECK_NS     5000000000ull /* a dead store shows on no fd: a read this often finds out */
#define LOOK_NS  2000000000ull
#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 5000u

#define TOKEN_RELEASE "release"

/* --- finding devices --------------------------------------------------------------------------- */

/* What this daemon serves. */
static const struct xsp_device_class *const classes[] = { &xsp_vbd_class, &xsp_vif_class };
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

static void touch(struct xsp_daemon *d, const struct xsp_device_class *class, uint32_t domid,
		  uint32_t devid, const char *key)
{
	struct xsp_device *dev = xsp_device_find(d, class, domid, devid);
	char *frontend;

	if (!dev) {
		if (class->taken && class->taken())
			return;
		frontend = xsp_store_read(&d->store, XBT_NULL, "%s/%s/%u/%u/frontend",
					  d->backend_root, class->name, domid, devid);
		if (!frontend)
			return; /* removed, or not written yet: that will be another event */
		free(frontend);
		dev = xsp_device_new(d, class, domid, devid);
	}
	if (!dev)
		return;
	dev->dirty = true;
	if (class->changed)
		class->changed(dev, key);
}

static void scan_domain(struct xsp_daemon *d, const struct xsp_device_class *class, uint32_t domid)
{
	char path[XSP_STORE_PATH];
	unsigned int n;
	uint32_t devid;
	char **dir;

	snprintf(path, sizeof(path), "%s/%s/%u", d->backend_root, class->name, domid);
	dir = xs_directory(d->store.xs, XBT_NULL, path, &n);
	for (unsigned int i = 0; dir && i < n; i++)
		if (!xsp_parse_u32(dir[i], &devid))
			touch(d, class, domid, devid, "");
	free(dir);
}

static void scan_all(struct xsp_daemon *d, const struct xsp_device_class *class)
{
	char path[XSP_STORE_PATH];
	unsigned int n;
	uint32_t domid;
	char **dir;

	snprintf(path, sizeof(path), "%s/%s", d->backend_root, class->name);
	dir = xs_directory(d->store.xs, XBT_NULL, path, &n);
	for (unsigned int i = 0; dir && i < n; i++)
		if (!xsp_parse_u32(dir[i], &domid))
			scan_domain(d, class, domid);
	free(dir);
}

/* Something below <backend_root>/<class> changed: /, /D, /D/V or /D/V/key. */
static void backend_event(struct xsp_daemon *d, const struct xsp_device_class *class, const char *path)
{
	size_t root = strlen(d->backend_root), len = strlen(class->name);
	unsigned int domid, devid;
	char key[64] = "";

	if (strncmp(path, d->backend_root, root) || path[root] != '/' ||
	    strncmp(path + root + 1, class->name, len))
		return;
	path += root + 1 + len;
	if (*path && *path != '/')
		return;
	switch (sscanf(path, "/%u/%u/%63s", &domid, &devid, key)) {
	case 1:
		scan_domain(d, class, domid);
		break;
	case 2:
	case 3:
		touch(d, class, domid, devid, key);
		break;
	default:
		scan_all(d, class);
	}
}

/* The class that a watch's token names; NULL: none. */
static const struct xsp_device_class *class_of(const char *name, size_t len)
{
	for (unsigned int i = 0; i < N_CLASSES; i++)
		if (strlen(classes[i]->name) == len && !strncmp(classes[i]->name, name, len))
			return classes[i];
	return NULL;
}

/* A domain has died; the watch does not say which. */
static void release_event(struct xsp_daemon *d)
{
	uint32_t domids[64];
	bool dead[64];
	struct xsp_device *dev = TAILQ_FIRST(&d->devices), *first;

	while (dev) {
		unsigned int n = 0;

		for (first = dev; dev && n < 64; dev = TAILQ_NEXT(dev, link))
			domids[n++] = dev->domid;
		xsp_domains_dead(d->store.xs, domids, n, dead);
		for (unsigned int i = 0; i < n; i++, first = TAILQ_NEXT(first, link)) {
			if (dead[i] && !first->domain_dead) {
				xsp_info(first->name, "its domain is dead");
				first->domain_dead = true;
			}
			if (dead[i])
				first->dirty = true;
		}
	}
}

static void frontend_event(struct xsp_daemon *d, const char *token)
{
	size_t len = strcspn(token, "/");
	const struct xsp_device_class *class = class_of(token, len);
	unsigned int domid, devid;
	struct xsp_device *dev;

	/*
	 * Only a change of the backend's directory makes a device. A new watch fires at once: if its
	 * event made the device, one that is closed for good would come and go for ever.
	 */
	if (!class || sscanf(token + len, "/%u/%u", &domid, &devid) != 2)
		return;
	dev = xsp_device_find(d, class, domid, devid);
	if (dev)
		dev->dirty = true;
}

/*
 * Take all events before anything is stepped: a guest that writes its state 10^5 times makes us
 * step its device once a round (XSA-349).
 */
static void take_events(struct xsp_daemon *d)
{
	bool release = false;
	char **event;

	while ((event = xs_check_watch(d->store.xs))) {
		const char *path = event[XS_WATCH_PATH], *token = event[XS_WATCH_TOKEN];
		const struct xsp_device_class *class = class_of(token, strlen(token));

		if (class)
			backend_event(d, class, path);
		else if (!strcmp(token, TOKEN_RELEASE))
			release = true;
		else
			frontend_event(d, token);
		free(event);
	}
	if (release)
		release_event(d);
}

static void step_all(struct xsp_daemon *d)
{
	uint64_t now = xsp_now_ns();
	struct xsp_device *dev, *next;

	for (dev = TAILQ_FIRST(&d->devices); dev && !d->store.broken; dev = next) {
		next = TAILQ_NEXT(dev, link);
		if (dev->retry_at_ns && dev->retry_at_ns <= now) {
			dev->retry_at_ns = 0;
			dev->dirty = true;
		}
		if (dev->dirty && !xsp_device_busy(dev))
			xsp_device_step(dev);
	}
}

/* --- the store's connection -------------------------------------------------------------------- */

static int find_self(struct xsp_daemon *d)
{
	int err = xsp_store_read_u32(&d->store, XBT_NULL, &d->domid, "domid");

	if (err && d->store.broken)
		return err;
	if (err)
		d->domid = 0; /* Dom0 need not have the node */
	snprintf(d->backend_root, sizeof(d->backend_root), "/local/domain/%u/backend", d->domid);
	return 0;
}

static int connect_store(struct xsp_daemon *d)
{
	char path[XSP_STORE_PATH];
	struct xsp_device *dev;
	int err = xsp_store_open(&d->store);

	if (!err)
		err = find_self(d);
	if (err)
		return err;
	for (unsigned int i = 0; i < N_CLASSES; i++) {
		snprintf(path, sizeof(path), "%s/%s", d->backend_root, classes[i]->name);
		if (!xs_watch(d->store.xs, path, classes[i]->name))
			return -errno;
	}
	/* Not every domain may watch this one; then a vanished frontend directory has to do. */
	xs_watch(d->store.xs, "@releaseDomain", TOKEN_RELEASE);
	TAILQ_FOREACH(dev, &d->devices, link) {
		xsp_device_rewatch(dev);
		dev->dirty = true;
	}
	return 0;
}

static void keep_store(struct xsp_daemon *d)
{
	bool was_up = d->store.xs != NULL;
	int err;

	if (d->store.xs && !d->store.broken)
		return;
	xsp_store_close(&d->store);
	if (was_up)
		xsp_warn(NULL, "XenStore does not answer; disks go on, changes wait");
	__atomic_store_n(&d->store_up, false, __ATOMIC_RELAXED);
	err = connect_store(d);
	if (err) {
		xsp_store_close(&d->store);
		if (d->retry_ms == RETRY_MIN_MS && !was_up)
			xsp_warn(NULL, "can't reach XenStore: %s (is xenstored running?); trying on",
				 strerror(-err));
		d->retry_ms = d->retry_ms * 2 < RETRY_MAX_MS ? d->retry_ms * 2 : RETRY_MAX_MS;
		return;
	}
	d->retry_ms = RETRY_MIN_MS;
	d->store_checked_ns = xsp_now_ns();
	__atomic_store_n(&d->store_up, true, __ATOMIC_RELAXED);
	if (TAILQ_EMPTY(&d->devices)) /* it has just started */
		xsp_vbd_journal_sweep(d);
	xsp_info(NULL, "serving %s", d->backend_root);
}

static void check_store(struct xsp_daemon *d)
{
	uint64_t now = xsp_now_ns();
	char *value;

	if (!d->store.xs || now - d->store_checked_ns < CHECK_NS)
		return;
	d->store_checked_ns = now;
	value = xsp_store_read(&d->store, XBT_NULL, "%s", d->backend_root);
	free(value);
}

/* What shows in no store and on no fd: has a disk's size changed? */
static void look_all(struct xsp_daemon *d)
{
	uint64_t now = xsp_now_ns();
	struct xsp_device *dev;

	if (now - d->looked_ns < LOOK_NS)
		return;
	d->looked_ns = now;
	TAILQ_FOREACH(dev, &d->devices, link)
		if (dev->connected && dev->class->look && dev->class->look(dev))
			dev->dirty = true;
}

/* --- the loop ---------------------------------------------------------------------------------- */

static int next_timeout_ms(struct xsp_daemon *d)
{
	uint64_t now = xsp_now_ns(), at = now + (TAILQ_EMPTY(&d->devices) ? CHECK_NS : LOOK_NS);
	struct xsp_device *dev;

	if (!d->store.xs || d->store.broken)
		return (int)d->retry_ms;
	TAILQ_FOREACH(dev, &d->devices, link) {
		if (dev->retry_at_ns && dev->retry_at_ns < at)
			at = dev->retry_at_ns;
		if (dev->dirty && !xsp_device_busy(dev))
			at = now;
	}
	return at <= now ? 0 : (int)((at - now) / 1000000 + 1);
}

static bool all_stopped(const struct xsp_daemon *d)
{
	struct xsp_device *dev;

	TAILQ_FOREACH(dev, &d->devices, link)
		if (dev->n_queues)
			return false;
	return true;
}

static void *manager_main(void *arg)
{
	struct xsp_daemon *d = arg;
	uint64_t one = 1;
	ssize_t n;

	while (!d->draining || !all_stopped(d)) {
		struct pollfd fds[2] = { { .fd = d->box.fd, .events = POLLIN }, { .fd = -1 } };

		if (!d->draining)
			keep_store(d);
		if (d->store.xs && !d->draining)
			fds[1] = (struct pollfd){ .fd = xs_fileno(d->store.xs), .events = POLLIN };
		poll(fds, 2, d->draining ? -1 : next_timeout_ms(d));
		xsp_mailbox_run(&d->box, d);
		if (d->draining || !d->store.xs)
			continue;
		check_store(d);
		take_events(d);
		look_all(d);
		step_all(d);
	}
	while (!TAILQ_EMPTY(&d->devices))
		xsp_device_free(TAILQ_FIRST(&d->devices));
	xsp_target_await_closed(CLOSE_S);
	xsp_store_close(&d->store);
	n = write(d->drained_fd, &one, sizeof(one));
	(void)n;
	return NULL;
}

static void drain(struct xsp_mail *mail, void *owner)
{
	struct xsp_daemon *d = owner;
	struct xsp_device *dev;

	free(mail);
	d->draining = true;
	TAILQ_FOREACH(dev, &d->devices, link)
		xsp_device_drain(dev);
}

int xsp_manager_prepare(struct xsp_daemon *d)
{
	d->retry_ms = RETRY_MIN_MS;
	TAILQ_INIT(&d->devices);
	pthread_mutex_init(&d->lock, NULL);
	d->drained_fd = eventfd(0, EFD_CLOEXEC);
	return d->drained_fd < 0 ? -errno : xsp_mailbox_init(&d->box);
}

int xsp_manager_start(struct xsp_daemon *d)
{
	return -pthread_create(&d->manager, NULL, manager_main, d);
}

void xsp_manager_drain(struct xsp_daemon *d)
{
	struct xsp_mail *mail = calloc(1, sizeof(*mail));

	if (!mail)
		return;
	mail->fn = drain;
	xsp_mailbox_post(&d->box, mail);
}

void xsp_manager_wait(struct xsp_daemon *d)
{
	pthread_join(d->manager, NULL);
	xsp_mailbox_run(&d->box, d); /* questions that came too late: there are no devices any more */
}
