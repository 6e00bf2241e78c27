/* SPDX-License-Identifier: MIT */
/* XenStore for the commands: see store.h. */
#include "tools/xensplit/store.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/devname.h"
#include "common/suggest.h"
#include "tools/xensplit/out.h"

int store_open(struct call *call, struct store *s)
{
	int err = xsp_store_open(&s->base);

	if (err == -EACCES || err == -EPERM)
		return fail(call, EXIT_DENIED, "XenStore: %s: be root", strerror(-err));
	if (err)
		return fail(call, EXIT_UNREACHABLE,
			    "XenStore does not answer (%s): is this a Xen domain with xenstored "
			    "running? Without Xen, use the lab (xensplit help lab)",
			    strerror(-err));
	if (call->backend == ~0u)
		call->backend = (unsigned int)store_number(s, XBT_NULL, "", "domid", 0);
	s->backend = call->backend;
	return EXIT_OK;
}

void store_close(struct store *s)
{
	xsp_store_close(&s->base);
}

char *store_read(struct store *s, xs_transaction_t t, const char *dir, const char *node)
{
	char path[2 * STORE_PATH];
	unsigned int len;

	snprintf(path, sizeof(path), "%s%s%s", dir, *dir && *node ? "/" : "", node);
	return xs_read(s->base.xs, t, path, &len);
}

long store_number(struct store *s, xs_transaction_t t, const char *dir, const char *node,
		  long absent)
{
	char *text = store_read(s, t, dir, node), *end;
	long n = absent;

	if (text && *text) {
		n = strtol(text, &end, 10);
		if (*end)
			n = absent;
	}
	free(text);
	return n;
}

/* --- domains -----------------------------------------------------------------------------------
 */

char *store_domain_name(struct store *s, uint32_t domid)
{
	char dir[STORE_PATH], *name;

	snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
	name = store_read(s, XBT_NULL, dir, "name");
	if (name && *name)
		return name;
	free(name);
	return asprintf(&name, "%u", domid) < 0 ? NULL : name;
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* The domain called @name, or -1; what may have been meant goes to *near (malloc'd or NULL). */
static long find_name(struct store *s, const char *name, char **near)
{
	struct xsp_suggest best = xsp_suggest_start(name);
	unsigned int n = 0;
	char **ids = xs_directory(s->base.xs, XBT_NULL, "/local/domain", &n), *names[1024];
	long found = -1;

	n = n > 1024 ? 1024 : n;
	for (unsigned int i = 0; ids && i < n; i++) {
		uint32_t domid = (uint32_t)strtoul(ids[i], NULL, 10);

		names[i] = store_domain_name(s, domid);
		if (names[i] && !strcmp(names[i], name))
			found = domid;
		else if (names[i])
			xsp_suggest_try(&best, names[i]);
	}
	*near = best.best ? strdup(best.best) : NULL;
	for (unsigned int i = 0; ids && i < n; i++)
		free(names[i]);
	free(ids);
	return found;
}

int store_domain(const struct call *call, struct store *s, const char *name, uint32_t *ret)
{
	char dir[STORE_PATH], *near, *there;
	long found;

	if (is_number(name) && strlen(name) <= 5) {
		snprintf(dir, sizeof(dir), "/local/domain/%s", name);
		there = store_read(s, XBT_NULL, dir, "");
		if (!there)
			return fail(call, EXIT_NOT_FOUND, "there is no domain %s", name);
		free(there);
		*ret = (uint32_t)atoi(name);
		return EXIT_OK;
	}
	found = find_name(s, name, &near);
	if (found < 0) {
		fail(call, EXIT_NOT_FOUND, "there is no domain '%s'%s%s%s", name,
		     near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
		free(near);
		return EXIT_NOT_FOUND;
	}
	free(near);
	*ret = (uint32_t)found;
	return EXIT_OK;
}

/* --- devices -----------------------------------------------------------------------------------
 */

void device_init_of(struct store *s, struct device *d, const char *class, uint32_t domid, uint32_t devid)
{
	d->domid = domid;
	d->devid = devid;
	snprintf(d->id, sizeof(d->id), "%s/%u/%u", class, domid, devid);
	snprintf(d->back, sizeof(d->back), "/local/domain/%u/backend/%s/%u/%u", s->backend, class,
		 domid, devid);
	snprintf(d->front, sizeof(d->front), "/local/domain/%u/device/%s/%u", domid, class, devid);
}

void device_init(struct store *s, struct device *d, uint32_t domid, uint32_t devid)
{
	device_init_of(s, d, "vbd", domid, devid);
}

/* "vif/1/0" */
static bool parse_vif(struct store *s, const char *text, struct device *ret)
{
	unsigned int domid, devid;
	char end;

	if (sscanf(text, "vif/%9u/%9u%c", &domid, &devid, &end) != 2)
		return false;
	device_init_of(s, ret, "vif", domid, devid);
	return true;
}

int device_parse(const struct call *call, struct store *s, const char *text, struct device *ret)
{
	const char *colon = strrchr(text, ':');
	uint32_t domid, devid;
	char name[128];
	int rc;

	if (!xsp_devid_parse(text, &domid, &devid)) {
		device_init(s, ret, domid, devid);
		return EXIT_OK;
	}
	if (parse_vif(s, text, ret))
		return EXIT_OK;
	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(name))
		return usage_error(call, "'%s' is no device: vbd/1/51712, vif/1/0, 1:xvda or GUESTNAME:xvda",
				   text);
	snprintf(name, sizeof(name), "%.*s", (int)(colon - text), text);
	if (xsp_vdev_parse(colon + 1, &devid))
		return usage_error(call, "'%s' is no device name: xvda, sdb, hda1 or a number",
				   colon + 1);
	/* A domain that is gone may have left its device behind: a number is taken as it is. */
	if (is_number(name) && strlen(name) <= 5)
		domid = (uint32_t)atoi(name);
	else if ((rc = store_domain(call, s, name, &domid)))
		return rc;
	device_init(s, ret, domid, devid);
	return EXIT_OK;
}

bool device_exists(struct store *s, const struct device *d)
{
	char *there = store_read(s, XBT_NULL, d->back, "frontend-id");

	free(there);
	return there;
}

static int by_id(const void *a, const void *b)
{
	const struct device *x = a, *y = b;

	if (x->domid != y->domid)
		return x->domid < y->domid ? -1 : 1;
	return x->devid < y->devid ? -1 : x->devid > y->devid;
}

int device_all(struct store *s, struct device **ret)
{
	return device_all_of(s, "vbd", ret);
}

int device_all_of(struct store *s, const char *class, struct device **ret)
{
	char dir[STORE_PATH];
	unsigned int n_doms = 0, n_devs = 0;
	char **doms;
	int n = 0;

	*ret = NULL;
	snprintf(dir, sizeof(dir), "/local/domain/%u/backend/%s", s->backend, class);
	doms = xs_directory(s->base.xs, XBT_NULL, dir, &n_doms);
	for (unsigned int i = 0; doms && i < n_doms; i++) {
		char **devs;

		snprintf(dir, sizeof(dir), "/local/domain/%u/backend/%.16s/%.16s", s->backend,
			 class, doms[i]);
		devs = xs_directory(s->base.xs, XBT_NULL, dir, &n_devs);
		for (unsigned int k = 0; devs && k < n_devs; k++) {
			struct device *more = realloc(*ret, (size_t)(n + 1) * sizeof(**ret));

			if (!more || !is_number(doms[i]) || !is_number(devs[k])) {
				*ret = more ? more : *ret;
				continue;
			}
			*ret = more;
			device_init_of(s, &more[n++], class, (uint32_t)strtoul(doms[i], NULL, 10),
				       (uint32_t)strtoul(devs[k], NULL, 10));
		}
		free(devs);
	}
	free(doms);
	if (n)
		qsort(*ret, (size_t)n, sizeof(**ret), by_id);
	return n;
}

char *device_error(struct store *s, const struct device *d)
{
	static const char *const nodes[] = {"xensplit-error", "hotplug-error"};
	char *text;

	/* Not /local/domain/0/error/...: that outlives the device it was about. */
	for (int i = 0; i < 2; i++) {
		text = store_read(s, XBT_NULL, d->back, nodes[i]);
		if (text && *text)
			return text;
		free(text);
	}
	return NULL;
}

struct states device_states(struct store *s, const struct device *d)
{
	return (struct states){
		.back = (int)store_number(s, XBT_NULL, d->back, "state", 0),
		.front = (int)store_number(s, XBT_NULL, d->front, "state", 0),
	};
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void drain_watches(struct store *s)
{
	char **event;

	while ((event = xs_check_watch(s->base.xs)))
		free(event);
}

bool device_wait(struct store *s, const struct device *d, double seconds,
		 bool (*done)(struct store *s, const struct device *d, struct states now))
{
	double end = now() + seconds;
	bool ok;

	xs_watch(s->base.xs, d->back, "back");
	xs_watch(s->base.xs, d->front, "front");
	while (!(ok = done(s, d, device_states(s, d))) && now() < end) {
		struct pollfd p = {.fd = xs_fileno(s->base.xs), .events = POLLIN};
		double left = end - now();

		/* At times without an event: a watch on a node that is not there yet may be
		 * refused. */
		poll(&p, 1, left > 0.25 ? 250 : left > 0 ? (int)(left * 1000) + 1 : 0);
		drain_watches(s);
	}
	xs_unwatch(s->base.xs, d->back, "back");
	xs_unwatch(s->base.xs, d->front, "front");
	drain_watches(s);
	return ok;
}

/* Remove @path, and the directory it was in when nothing else is there: 0 or -errno. */
static int remove_up(struct xsp_store *s, xs_transaction_t t, const char *path)
{
	char parent[STORE_PATH], **children;
	unsigned int n = 0;
	int err = xsp_store_rm(s, t, path);

	if (err)
		return err;
	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = 0;
	children = xs_directory(s->xs, t, parent, &n);
	free(children);
	return children && !n ? xsp_store_rm(s, t, parent) : 0;
}

struct removal {
	const struct device *d;
	char error[STORE_PATH];
};

static int remove_all(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	const struct removal *r = arg;
	int err = remove_up(s, t, r->d->front);

	if (!err)
		err = remove_up(s, t, r->d->back);
	return err ? err : remove_up(s, t, r->error);
}

int device_remove(struct store *s, const struct device *d)
{
	struct removal r = {.d = d};

	snprintf(r.error, sizeof(r.error), "/local/domain/%u/error/backend/%s", s->backend, d->id);
	return xsp_store_transact(&s->base, remove_all, &r);
}
