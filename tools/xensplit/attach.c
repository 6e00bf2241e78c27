/* SPDX-License-Identifier: MIT */
/*
 * xensplit attach: write what a toolstack writes, and see it through.
 *
 * Source: libxl's device nodes (libxl_disk.c, libxl_device.c), blkif.h "Backend XenBus Nodes".
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/devname.h"
#include "common/xenbus/fsm.h"
#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

#define BACKEND_SECONDS 10 /* what every toolstack gives a backend to reach InitWait */

struct disk {
	struct device dev;
	const char *vdev;
	char *target; /* owned */
	bool readonly;
};

/* A file named relative to here means another file to the daemon: make it absolute. */
static char *absolute_target(const char *spec)
{
	const char *colon = strchr(spec, ':'), *path = spec;
	char *real, *out = NULL;

	while (colon && (!strncmp(path, "delay", 5) || !strncmp(path, "error", 5))) {
		path = colon + 1;
		colon = strchr(path, ':');
	}
	if (colon && !strncmp(path, "file", 4) && (path[4] == ':' || path[4] == ','))
		path = colon + 1;
	else if (colon)
		return strdup(spec); /* null: and what we do not know */
	if (*path == '/' || !*path)
		return strdup(spec);
	real = realpath(path, NULL);
	if (real && asprintf(&out, "%.*s%s", (int)(path - spec), spec, real) < 0)
		out = NULL;
	free(real);
	return out;
}

static int make_dir(struct xsp_store *s, xs_transaction_t t, const char *path, uint32_t owner,
		    uint32_t reader)
{
	struct xs_permissions p[2] = {{.id = owner, .perms = XS_PERM_NONE},
				      {.id = reader, .perms = XS_PERM_READ}};

	return xs_mkdir(s->xs, t, path) && xs_set_permissions(s->xs, t, path, p, 2) ? 0 : -errno;
}

struct creation {
	const struct disk *k;
	struct store *store;
};

/*
 * All nodes of both ends; what the directories' permissions are, new nodes inherit. The frontend
 * first: the backend's node appears when all that it refers to is there.
 */
static int create(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct creation *c = arg;
	const struct disk *k = c->k;
	const struct device *d = &k->dev;
	uint32_t backend = c->store->backend;
	char path[2 * STORE_PATH], *there = store_read(c->store, t, d->back, "frontend-id");
	int err;

	free(there);
	if (there)
		return -EEXIST;
#define PUT(dir, key, ...)                                                  \
	do {                                                                \
		snprintf(path, sizeof(path), "%s/" key, dir);               \
		err = err ? err : xsp_store_write(s, t, path, __VA_ARGS__); \
	} while (0)
	err = make_dir(s, t, d->front, d->domid, backend);
	PUT(d->front, "backend", "%s", d->back);
	PUT(d->front, "backend-id", "%u", backend);
	PUT(d->front, "virtual-device", "%u", d->devid);
	PUT(d->front, "device-type", "disk");
	PUT(d->front, "trusted", "1");
	PUT(d->front, "state", "%d", XSP_XB_INITIALISING);
	err = err ? err : make_dir(s, t, d->back, backend, d->domid);
	PUT(d->back, "frontend", "%s", d->front);
	PUT(d->back, "frontend-id", "%u", d->domid);
	PUT(d->back, "params", "%s", k->target);
	PUT(d->back, "type", "phy");
	PUT(d->back, "mode", "%s", k->readonly ? "r" : "w");
	PUT(d->back, "dev", "%s", k->vdev);
	PUT(d->back, "device-type", "disk");
	PUT(d->back, "removable", "0");
	PUT(d->back, "bootable", "1");
	PUT(d->back, "specification", "xen");
	PUT(d->back, "online", "1");
	PUT(d->back, "state", "%d", XSP_XB_INITIALISING);
#undef PUT
	return err;
}

static bool broken(struct store *s, const struct device *d)
{
	char *why = device_error(s, d);

	free(why);
	return why;
}

/* The target is open when there is a hotplug-status; InitWait alone comes before that. */
static bool backend_ready(struct store *s, const struct device *d, struct states now)
{
	char *status = store_read(s, XBT_NULL, d->back, "hotplug-status");
	bool done = now.back >= XSP_XB_INITWAIT && status && *status;

	free(status);
	return done || now.back >= XSP_XB_CLOSING || broken(s, d);
}

static bool both_connected(struct store *s, const struct device *d, struct states now)
{
	(void)s, (void)d;
	return (now.back == XSP_XB_CONNECTED && now.front == XSP_XB_CONNECTED) ||
	       now.back >= XSP_XB_CLOSING;
}

/* Print why it did not come up, from the best informed to the least. */
static int explain(const struct call *call, struct store *s, const struct device *d,
		   const char *then)
{
	struct states now = device_states(s, d);
	char *why = device_error(s, d);
	struct client_error e;
	struct json_object *o = NULL;
	struct client c;
	int rc;

	if (!client_open(&c, call->socket, &e)) {
		o = client_call(&c, "vbd.show", device_params(d->id), &e);
		client_close(&c);
	}
	if (why)
		rc = fail(call, EXIT_FAILED, "%s: %s%s", d->id, why, then);
	else if (o && *get_text(o, "why"))
		rc = fail(call, EXIT_TIMEOUT, "%s: backend is in state %s, guest in %s: %s%s",
			  d->id, xsp_xenbus_state_name((enum xsp_xenbus_state)now.back),
			  xsp_xenbus_state_name((enum xsp_xenbus_state)now.front),
			  get_text(o, "why"), then);
	else if (now.back == XSP_XB_INITIALISING)
		rc = fail(call, EXIT_TIMEOUT,
			  "%s: no backend took it: is xensplitd running in domain %u? (xensplit "
			  "doctor)%s",
			  d->id, s->backend, then);
	else
		rc = fail(call, EXIT_TIMEOUT,
			  "%s: backend is in state %s, the guest in %s: does it run a block "
			  "frontend?%s",
			  d->id, xsp_xenbus_state_name((enum xsp_xenbus_state)now.back),
			  xsp_xenbus_state_name((enum xsp_xenbus_state)now.front), then);
	json_object_put(o);
	free(why);
	return rc;
}

static int report(const struct call *call, struct store *s, const struct disk *k)
{
	struct states now = device_states(s, &k->dev);
	struct json_object *o;

	if (!call->json) {
		printf("%s attached: %s, %s, %s (%s)\n", k->dev.id, k->vdev, k->target,
		       k->readonly ? "read-only" : "read-write",
		       xsp_xenbus_state_name((enum xsp_xenbus_state)now.back));
		return EXIT_OK;
	}
	o = json_object_new_object();
	json_object_object_add(o, "device", json_object_new_string(k->dev.id));
	json_object_object_add(o, "vdev", json_object_new_string(k->vdev));
	json_object_object_add(o, "target", json_text(k->target));
	json_object_object_add(o, "readonly", json_object_new_boolean(k->readonly));
	json_object_object_add(o, "state", json_object_new_int(now.back));
	json_object_object_add(o, "peer_state", json_object_new_int(now.front));
	return print_json(o);
}

/* Wait as asked; a backend that refuses has the device taken away again, as libxl does. */
static int see_through(const struct call *call, struct store *s, const struct disk *k)
{
	const struct device *d = &k->dev;
	double seconds = option_seconds(call, "wait", 30);

	if (option(call, "no-wait"))
		return report(call, s, k);
	if (!device_wait(s, d, BACKEND_SECONDS, backend_ready) || broken(s, d) ||
	    device_states(s, d).back >= XSP_XB_CLOSING) {
		int rc = explain(call, s, d, "; the device was taken away again");

		device_remove(s, d);
		return rc;
	}
	if (!option(call, "wait"))
		return report(call, s, k);
	device_wait(s, d, seconds, both_connected);
	if (device_states(s, d).back != XSP_XB_CONNECTED)
		return explain(call, s, d, "; the device stays");
	return report(call, s, k);
}

static int read_arguments(struct call *call, struct store *s, struct disk *k)
{
	const char *mode = call->n_args > 3 ? call->args[3] : "rw";
	static char name[XSP_VDEV_LEN];
	uint32_t domid, devid;
	int rc;

	k->readonly = !strcmp(mode, "ro") || !strcmp(mode, "r");
	if (!k->readonly && strcmp(mode, "rw") && strcmp(mode, "w"))
		return usage_error(call, "'%s' is neither ro nor rw", mode);
	if (xsp_vdev_parse(call->args[2], &devid))
		return usage_error(call, "'%s' is no device name: xvda, sdb, hda1 or a number",
				   call->args[2]);
	k->vdev = xsp_vdev_format(name, devid);
	if (option_seconds(call, "wait", 0) < 0)
		return EXIT_USAGE;
	k->target = absolute_target(call->args[1]);
	if (!k->target)
		return fail(call, EXIT_NOT_FOUND, "%s: %s", call->args[1], strerror(errno));
	if (strlen(k->target) >= PATH_MAX)
		return usage_error(call, "the target is longer than %d bytes", PATH_MAX - 1);
	rc = store_open(call, s);
	if (!rc)
		rc = store_domain(call, s, call->args[0], &domid);
	if (!rc)
		device_init(s, &k->dev, domid, devid);
	return rc;
}

int cmd_attach(struct call *call)
{
	struct store s = {0};
	struct disk k = {0};
	int rc = read_arguments(call, &s, &k), err;

	if (!rc) {
		struct creation c = {.k = &k, .store = &s};

		err = xsp_store_transact(&s.base, create, &c);
		if (err == -EEXIST)
			rc = fail(call, EXIT_FAILED,
				  "%s is there already; `xensplit detach %s` takes it away",
				  k.dev.id, k.dev.id);
		else if (err)
			rc = fail(call, err == -EACCES ? EXIT_DENIED : EXIT_FAILED,
				  "%s: XenStore: %s", k.dev.id, strerror(-err));
		else
			rc = see_through(call, &s, &k);
	}
	store_close(&s);
	free(k.target);
	return rc;
}
