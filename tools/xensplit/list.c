/* SPDX-License-Identifier: MIT */
/* xensplit list: the disks as XenStore has them, with what the daemon adds when it answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/devname.h"
#include "common/xenbus/fsm.h"
#include "tools/xensplit/client.h"
#include "tools/xensplit/network.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

/* What the daemon says about all devices; NULL when it does not answer, which is no error here. */
static struct json_object *ask_daemon(const struct call *call)
{
	struct json_object *o = NULL;
	struct client_error e;
	struct client c;

	if (!client_open(&c, call->socket, &e))
		o = client_call(&c, "vbd.list", NULL, &e);
	client_close(&c);
	return o;
}

static struct json_object *known_to_daemon(struct json_object *all, const char *id)
{
	for (size_t i = 0; all && i < json_object_array_length(all); i++) {
		struct json_object *o = json_object_array_get_idx(all, i);

		if (!strcmp(get_text(o, "device"), id))
			return o;
	}
	return NULL;
}

static void add_text(struct json_object *o, const char *key, char *value)
{
	json_object_object_add(o, key, json_text(value));
	free(value);
}

static void add_number(struct json_object *o, const char *key, long n)
{
	json_object_object_add(o, key, n < 0 ? NULL : json_object_new_int64(n));
}

/* One device as JSON; the table is made from the same object. */
static struct json_object *describe(struct store *s, const struct device *d,
				    struct json_object *daemon)
{
	struct json_object *o = json_object_new_object(), *more = known_to_daemon(daemon, d->id);
	struct states now = device_states(s, d);
	char *vdev = store_read(s, XBT_NULL, d->back, "dev"), name[XSP_VDEV_LEN];
	char *mode = store_read(s, XBT_NULL, d->back, "mode");
	long ref = store_number(s, XBT_NULL, d->front, "ring-ref", -1);

	if (ref < 0)
		ref = store_number(s, XBT_NULL, d->front, "ring-ref0", -1);
	json_object_object_add(o, "device", json_object_new_string(d->id));
	add_number(o, "domid", d->domid);
	add_text(o, "domain", store_domain_name(s, d->domid));
	add_number(o, "devid", d->devid);
	add_text(o, "vdev", vdev ? vdev : strdup(xsp_vdev_format(name, d->devid)));
	add_number(o, "backend", s->backend);
	add_number(o, "state", now.back);
	add_number(o, "peer_state", now.front);
	add_number(o, "evtchn", store_number(s, XBT_NULL, d->front, "event-channel", -1));
	add_number(o, "ring_ref", ref);
	json_object_object_add(o, "readonly", json_object_new_boolean(mode && !strcmp(mode, "r")));
	add_text(o, "target", store_read(s, XBT_NULL, d->back, "params"));
	json_object_object_add(o, "backend_path", json_object_new_string(d->back));
	add_text(o, "error", device_error(s, d));
	json_object_object_add(o, "served", daemon ? json_object_new_boolean(more != NULL) : NULL);
	if (more) {
		json_object_object_add(o, "size_bytes",
				       json_object_get(get_member(more, "size_bytes")));
		json_object_object_add(o, "why", json_object_get(get_member(more, "why")));
	}
	free(mode);
	return o;
}

static const char *why_of(struct json_object *o)
{
	if (get_member(o, "error"))
		return get_text(o, "error");
	if (*get_text(o, "why"))
		return get_text(o, "why");
	if (get_member(o, "served") && !json_object_get_boolean(get_member(o, "served")))
		return "this daemon does not serve it";
	return "";
}

static enum colour colour_of(int state)
{
	return state == XSP_XB_CONNECTED ? GREEN : state >= XSP_XB_CLOSING ? RED : YELLOW;
}

static void cell_or_dash(struct table *t, struct json_object *o, const char *key)
{
	if (get_member(o, key))
		table_cell(t, PLAIN, "%s", get_text(o, key));
	else
		table_cell(t, DIM, "-");
}

static void print_table(struct json_object *list)
{
	struct table t = table_start("llrrlrrlrll", "Device", "Domain", "Vdev", "BE", "state",
				     "evt-ch", "ring-ref", "mode", "size", "target", "why");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		int state = (int)get_number(o, "state"), peer = (int)get_number(o, "peer_state");
		char size[16];

		table_cell(&t, PLAIN, "%s", get_text(o, "device"));
		table_cell(&t, PLAIN, "%s", get_text(o, "domain"));
		table_cell(&t, PLAIN, "%s", get_text(o, "vdev"));
		table_cell(&t, PLAIN, "%s", get_text(o, "backend"));
		if (state == peer)
			table_cell(&t, colour_of(state), "%s",
				   xsp_xenbus_state_name((enum xsp_xenbus_state)state));
		else
			table_cell(&t, colour_of(state), "%s/%s",
				   xsp_xenbus_state_name((enum xsp_xenbus_state)state),
				   xsp_xenbus_state_name((enum xsp_xenbus_state)peer));
		cell_or_dash(&t, o, "evtchn");
		cell_or_dash(&t, o, "ring_ref");
		table_cell(&t, PLAIN,
			   json_object_get_boolean(get_member(o, "readonly")) ? "ro" : "rw");
		table_cell(&t, PLAIN, "%s",
			   get_number(o, "size_bytes")
				   ? human_bytes(size, get_number(o, "size_bytes"))
				   : "-");
		cell_or_dash(&t, o, "target");
		table_cell(&t, YELLOW, "%s", why_of(o));
	}
	table_end(&t, 0);
}

int cmd_list(struct call *call)
{
	struct store s = {0};
	struct device *all = NULL;
	struct json_object *list, *nics, *daemon, *o;
	uint32_t domid = 0;
	int n, rc;

	rc = store_open(call, &s);
	if (!rc && call->n_args)
		rc = store_domain(call, &s, call->args[0], &domid);
	if (rc) {
		store_close(&s);
		return rc;
	}
	daemon = ask_daemon(call);
	n = device_all(&s, &all);
	list = json_object_new_array();
	for (int i = 0; i < n; i++)
		if (!call->n_args || all[i].domid == domid)
			json_object_array_add(list, describe(&s, &all[i], daemon));
	nics = network_list(&s, call->n_args ? (long)domid : -1);
	if (call->json) {
		o = json_object_new_object();
		json_object_object_add(o, "daemon", json_object_new_boolean(daemon != NULL));
		json_object_object_add(o, "devices", list);
		json_object_object_add(o, "networks", nics);
		print_json(o);
	} else {
		if (json_object_array_length(list))
			print_table(list);
		else
			note(call, "no disks; `xensplit attach` makes one");
		if (json_object_array_length(nics))
			network_print(nics);
		json_object_put(nics);
		if (!daemon)
			note(call, "(no daemon answers at %s)", call->socket);
		json_object_put(list);
	}
	json_object_put(daemon);
	free(all);
	store_close(&s);
	return EXIT_OK;
}
