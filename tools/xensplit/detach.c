/* SPDX-License-Identifier: MIT */
/* xensplit detach: ask the guest, or do not ask; then remove what attach wrote. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xenbus/fsm.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

#define FORCE_SECONDS 5
#define TRIES         50

/* online=0 and state=5 in one transaction; a backend that is closed already stays so. */
static int ask(const struct store *s, const struct device *d)
{
	for (int i = 0; i < TRIES; i++) {
		xs_transaction_t t = xs_transaction_start(s->xs);
		char path[2 * STORE_PATH];
		bool ok;

		if (t == XBT_NULL)
			return -errno;
		snprintf(path, sizeof(path), "%s/online", d->back);
		ok = xs_write(s->xs, t, path, "0", 1);
		snprintf(path, sizeof(path), "%s/state", d->back);
		if (ok && store_number(s, t, d->back, "state", 0) < XSP_XB_CLOSING)
			ok = xs_write(s->xs, t, path, "5", 1);
		if (!ok) {
			int err = errno;

			xs_transaction_end(s->xs, t, true);
			return -err;
		}
		if (xs_transaction_end(s->xs, t, false))
			return 0;
		if (errno != EAGAIN)
			return -errno;
	}
	return -EAGAIN;
}

static bool closed(const struct store *s, const struct device *d, struct states now)
{
	return now.back == XSP_XB_CLOSED || !device_exists(s, d);
}

/* The guest's end vanishes: the backend sees a peer that is gone and closes by itself. */
static int pull_out(const struct call *call, const struct store *s, const struct device *d)
{
	int rc = ask(s, d);

	if (!rc && !xs_rm(s->xs, XBT_NULL, d->front) && errno != ENOENT)
		rc = -errno;
	if (rc)
		return fail(call, rc == -EACCES ? EXIT_DENIED : EXIT_FAILED, "%s: XenStore: %s",
			    d->id, strerror(-rc));
	if (!device_wait(s, d, FORCE_SECONDS, closed))
		note(call, "%s: no backend closed it in %d s; its nodes are removed all the same",
		     d->id, FORCE_SECONDS);
	return EXIT_OK;
}

static int let_go(const struct call *call, const struct store *s, const struct device *d,
		  double seconds)
{
	int rc = ask(s, d);
	struct states now;

	if (rc)
		return fail(call, rc == -EACCES ? EXIT_DENIED : EXIT_FAILED, "%s: XenStore: %s",
			    d->id, strerror(-rc));
	if (device_wait(s, d, seconds, closed))
		return EXIT_OK;
	now = device_states(s, d);
	return fail(
		call, EXIT_TIMEOUT,
		"%s was not let go in %g s (backend %s, guest %s): is it still mounted there, is "
		"xensplitd running? It goes when the guest closes it; now: xensplit detach --force "
		"%s",
		d->id, seconds, xsp_xenbus_state_name((enum xsp_xenbus_state)now.back),
		xsp_xenbus_state_name((enum xsp_xenbus_state)now.front), d->id);
}

static int report(const struct call *call, const struct device *d)
{
	struct json_object *o;

	if (!call->json) {
		printf("%s detached\n", d->id);
		return EXIT_OK;
	}
	o = json_object_new_object();
	json_object_object_add(o, "device", json_object_new_string(d->id));
	json_object_object_add(o, "detached", json_object_new_boolean(true));
	return print_json(o);
}

int cmd_detach(struct call *call)
{
	double seconds = option_seconds(call, "timeout", 10);
	struct store s = {0};
	struct device d;
	int rc, err;

	if (seconds < 0)
		return EXIT_USAGE;
	rc = store_open(call, &s);
	if (!rc)
		rc = device_parse(call, &s, call->args[0], &d);
	if (!rc && !device_exists(&s, &d))
		rc = fail(call, EXIT_NOT_FOUND,
			  "there is no %s; `xensplit list` shows what is there", d.id);
	if (!rc)
		rc = option(call, "force") ? pull_out(call, &s, &d) : let_go(call, &s, &d, seconds);
	if (!rc) {
		err = device_remove(&s, &d);
		rc = err ? fail(call, EXIT_FAILED, "%s: XenStore: %s", d.id, strerror(-err))
			 : report(call, &d);
	}
	store_close(&s);
	return rc;
}
