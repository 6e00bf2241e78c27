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

#define CHECK_NS     5000000000ull /* a dead store shows on no fd: a read this often finds out */
#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 5000u

#define TOKEN_BACKEND "backend"
#define TOKEN_RELEASE "release"

/* --- finding devices --------------------------------------------------------------------------- */

static void touch(struct xsp_daemon *d, uint32_t domid, uint32_t devid, const char *key)
{
	struct xsp_vbd *v = xsp_vbd_find(d, domid, devid);
	char *frontend;

	if (!v) {
		frontend = xsp_store_read(&d->store, XBT_NULL, "%s/%u/%u/frontend", d->backend_path,
					  domid, devid);
		if (!frontend)
			return; /* removed, or not written yet: that will be another event */
		free(frontend);
		v = xsp_vbd_new(d, domid, devid);
	}
	if (!v)
		return;
	v->dirty = true;
	if (!strcmp(key, "params") && !v->target)
		v->target_err = 0; /* it may open now */
}

static void scan_domain(struct xsp_daemon *d, uint32_t domid)
{
	char path[XSP_STORE_PATH];
	unsigned int n;
	uint32_t devid;
	char **dir;

	snprintf(path, sizeof(path), "%s/%u", d->backend_path, domid);
	dir = xs_directory(d->store.xs, XBT_NULL, path, &n);
	for (unsigned int i = 0; dir && i < n; i++)
		if (!xsp_parse_u32(dir[i], &devid))
			touch(d, domid, devid, "");
	free(dir);
}

static void scan_all(struct xsp_daemon *d)
{
	unsigned int n;
	uint32_t domid;
	char **dir = xs_directory(d->store.xs, XBT_NULL, d->backend_path, &n);

	for (unsigned int i = 0; dir && i < n; i++)
		if (!xsp_parse_u32(dir[i], &domid))
			scan_domain(d, domid);
	free(dir);
}

/* Something below <backend_path> changed: /, /D, /D/V or /D/V/key. */
static void backend_event(struct xsp_daemon *d, const char *path)
{
	size_t len = strlen(d->backend_path);
	unsigned int domid, devid;
	char key[64] = "";

	if (strncmp(path, d->backend_path, len) || (path[len] && path[len] != '/'))
		return;
	path += len;
	switch (sscanf(path, "/%u/%u/%63s", &domid, &devid, key)) {
	case 1:
		scan_domain(d, domid);
		break;
	case 2:
	case 3:
		touch(d, domid, devid, key);
		break;
	default:
		scan_all(d);
	}
}

/* A domain has died; the watch does not say which. */
static void release_event(struct xsp_daemon *d)
{
	uint32_t domids[64];
	bool dead[64];
	struct xsp_vbd *v = TAILQ_FIRST(&d->vbds), *first;

	while (v) {
		unsigned int n = 0;

		for (first = v; v && n < 64; v = TAILQ_NEXT(v, link))
			domids[n++] = v->domid;
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
	unsigned int domid, devid;
	struct xsp_vbd *v;

	/*
	 * Only a change of the backend's directory makes a device. A new watch fires at once: if its
	 * event made the device, one that is closed for good would come and go for ever.
	 */
	if (sscanf(token, "vbd/%u/%u", &domid, &devid) != 2)
		return;
	v = xsp_vbd_find(d, domid, devid);
	if (v)
		v->dirty = true;
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

		if (!strcmp(token, TOKEN_BACKEND))
			backend_event(d, path);
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
	struct xsp_vbd *v, *next;

	for (v = TAILQ_FIRST(&d->vbds); v && !d->store.broken; v = next) {
		next = TAILQ_NEXT(v, link);
		if (v->retry_at_ns && v->retry_at_ns <= now) {
			v->retry_at_ns = 0;
			v->dirty = true;
		}
		if (v->dirty && !xsp_vbd_busy(v))
			xsp_vbd_step(v);
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
	snprintf(d->backend_path, sizeof(d->backend_path), "/local/domain/%u/backend/vbd", d->domid);
	return 0;
}

static int connect_store(struct xsp_daemon *d)
{
	struct xsp_vbd *v;
	int err = xsp_store_open(&d->store);

	if (!err)
		err = find_self(d);
	if (err)
		return err;
	if (!xs_watch(d->store.xs, d->backend_path, TOKEN_BACKEND))
		return -errno;
	/* Not every domain may watch this one; then a vanished frontend directory has to do. */
	xs_watch(d->store.xs, "@releaseDomain", TOKEN_RELEASE);
	TAILQ_FOREACH(v, &d->vbds, link) {
		xsp_vbd_rewatch(v);
		v->dirty = true;
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
	xsp_info(NULL, "serving %s", d->backend_path);
}

static void check_store(struct xsp_daemon *d)
{
	uint64_t now = xsp_now_ns();
	char *value;

	if (!d->store.xs || now - d->store_checked_ns < CHECK_NS)
		return;
	d->store_checked_ns = now;
	value = xsp_store_read(&d->store, XBT_NULL, "%s", d->backend_path);
	free(value);
}

/* --- the loop ---------------------------------------------------------------------------------- */

static int next_timeout_ms(struct xsp_daemon *d)
{
	uint64_t now = xsp_now_ns(), at = now + CHECK_NS;
	struct xsp_vbd *v;

	if (!d->store.xs || d->store.broken)
		return (int)d->retry_ms;
	TAILQ_FOREACH(v, &d->vbds, link) {
		if (v->retry_at_ns && v->retry_at_ns < at)
			at = v->retry_at_ns;
		if (v->dirty && !xsp_vbd_busy(v))
			at = now;
	}
	return at <= now ? 0 : (int)((at - now) / 1000000 + 1);
}

static bool all_stopped(const struct xsp_daemon *d)
{
	struct xsp_vbd *v;

	TAILQ_FOREACH(v, &d->vbds, link)
		if (v->n_queues)
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
		step_all(d);
	}
	while (!TAILQ_EMPTY(&d->vbds))
		xsp_vbd_discard(TAILQ_FIRST(&d->vbds));
	xsp_store_close(&d->store);
	n = write(d->drained_fd, &one, sizeof(one));
	(void)n;
	return NULL;
}

static void drain(struct xsp_mail *mail, void *owner)
{
	struct xsp_daemon *d = owner;
	struct xsp_vbd *v;

	free(mail);
	d->draining = true;
	TAILQ_FOREACH(v, &d->vbds, link)
		xsp_vbd_drain(v);
}

int xsp_manager_prepare(struct xsp_daemon *d)
{
	d->retry_ms = RETRY_MIN_MS;
	TAILQ_INIT(&d->vbds);
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
}
