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

/* online=0 and state=5; a backend that is closed already stays so. */
static int close_nodes(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	const struct device *d = arg;
	char path[2 * STORE_PATH];
	uint32_t state;
	int err;

	snprintf(path, sizeof(path), "%s/online", d->back);
	err = xsp_store_write(s, t, path, "0");
	if (err)
		return err;
	if (!xsp_store_read_u32(s, t, &state, "%s/state", d->back) && state >= XSP_XB_CLOSING)
		return 0;
	snprintf(path, sizeof(path), "%s/state", d->back);
	return xsp_store_write(s, t, path, "%d", XSP_XB_CLOSING);
}

static bool closed(struct store *s, const struct device *d, struct states now)
{
	return now.back == XSP_XB_CLOSED || !device_exists(s, d);
}

/* The guest's end vanishes: the backend sees a peer that is gone and closes by itself. */
static int pull_out(const struct call *call, struct store *s, struct device *d)
{
	int rc = xsp_store_transact(&s->base, close_nodes, d);

	if (!rc)
		rc = xsp_store_rm(&s->base, XBT_NULL, d->front);
	if (rc)
		return fail(call, rc == -EACCES ? EXIT_DENIED : EXIT_FAILED, "%s: XenStore: %s",
			    d->id, strerror(-rc));
	if (!device_wait(s, d, FORCE_SECONDS, closed))
		note(call, "%s: no backend closed it in %d s; its nodes are removed all the same",
		     d->id, FORCE_SECONDS);
	return EXIT_OK;
}

static int let_go(const struct call *call, struct store *s, struct device *d, double seconds)
{
	int rc = xsp_store_transact(&s->base, close_nodes, d);
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
