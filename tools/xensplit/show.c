/* SPDX-License-Identifier: MIT */
/* xensplit show, ring, status, log, version: what the daemon answers, told to people. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "tools/xensplit/client.h"
#include "tools/xensplit/network.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

/* The device of the first argument; ids work without the store, names need it. */
static int device_argument(struct call *call, struct device *d)
{
	struct store s = {.backend = call->backend};
	int rc = EXIT_OK;

	if (strncmp(call->args[0], "vbd/", 4) && strncmp(call->args[0], "vif/", 4))
		rc = store_open(call, &s);
	if (!rc)
		rc = device_parse(call, &s, call->args[0], d);
	store_close(&s);
	return rc;
}

/* --- show --------------------------------------------------------------------------------------
 */

static void line(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(const char *key, const char *fmt, ...)
{
	va_list args;

	printf("  %s%-12s%s ", paint(DIM), key, paint(PLAIN));
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

static void print_counters(struct json_object *counters)
{
	json_object_object_foreach(counters, key, value)
	{
		if (json_object_get_uint64(value))
			line(key, "%s", json_object_get_string(value));
	}
}

static void print_device(struct json_object *o)
{
	char size[16];

	printf("%s%s%s  %s\n", paint(BOLD), get_text(o, "device"), paint(PLAIN),
	       get_text(o, "vdev"));
	line("target", "%s%s", get_text(o, "target"),
	     json_object_get_boolean(get_member(o, "direct")) ? " (O_DIRECT)" : "");
	line("size", "%s, sectors of %s bytes, %s", human_bytes(size, get_number(o, "size_bytes")),
	     get_text(o, "sector_size"),
	     json_object_get_boolean(get_member(o, "readonly")) ? "read-only" : "read-write");
	line("state", "%s, guest %s%s", get_text(o, "state_name"), get_text(o, "peer_state_name"),
	     json_object_get_boolean(get_member(o, "online")) ? "" : ", going offline");
	if (*get_text(o, "why"))
		line("why", "%s%s%s", paint(YELLOW), get_text(o, "why"), paint(PLAIN));
	if (json_object_get_boolean(get_member(o, "connected"))) {
		line("connected", "for %s s, worker %s, taken over %s times",
		     get_text(o, "connected_seconds"), get_text(o, "worker"),
		     get_text(o, "adopted"));
		line("ring", "order %s, %s, grants %s, guest's port %s", get_text(o, "ring_order"),
		     get_text(o, "protocol"), get_text(o, "ring_refs"), get_text(o, "evtchn"));
	}
	print_counters(get_member(o, "counters"));
}

/* What XenStore says below one end's directory: {"state":"4",...}; NULL when it is not there. */
static struct json_object *nodes_of(struct store *s, const char *dir)
{
	struct json_object *o = NULL;
	unsigned int n = 0;
	char **names = s->base.xs ? xs_directory(s->base.xs, XBT_NULL, dir, &n) : NULL;

	if (names)
		o = json_object_new_object();
	for (unsigned int i = 0; names && i < n; i++) {
		char *value = store_read(s, XBT_NULL, dir, names[i]);

		json_object_object_add(o, names[i], json_text(value));
		free(value);
	}
	free(names);
	return o;
}

static void print_nodes(const char *dir, struct json_object *nodes)
{
	if (!nodes)
		return;
	printf("%s\n", dir);
	json_object_object_foreach(nodes, key, value)
	{
		char text[256];

		snprintf(text, sizeof(text), "%s", value ? json_object_get_string(value) : "");
		xsp_terminal_clean(text); /* a guest's words */
		printf("  %s%-28s%s %s\n", paint(DIM), key, paint(PLAIN), text);
	}
}

/* Both sources, so that a device the daemon does not know (yet, any more) can be looked at too. */
int cmd_show(struct call *call)
{
	struct json_object *o = NULL, *back, *front, *nodes;
	struct client_error e = {.code = EXIT_FAILED};
	struct store s = {0};
	struct device d;
	struct client c;
	bool is_vif;
	int rc = store_open(call, &s);

	if (!rc)
		rc = device_parse(call, &s, call->args[0], &d);
	if (rc) {
		store_close(&s);
		return rc;
	}
	is_vif = !strncmp(d.id, "vif/", 4);
	if (!client_open(&c, call->socket, &e))
		o = client_call(&c, is_vif ? "vif.show" : "vbd.show", device_params(d.id), &e);
	client_close(&c);
	back = nodes_of(&s, d.back);
	front = nodes_of(&s, d.front);
	store_close(&s);
	if (!o && !back && !front)
		return fail(call, e.code, "%s", e.text);
	if (call->json) {
		if (!o) {
			o = json_object_new_object();
			json_object_object_add(o, "device", json_object_new_string(d.id));
			json_object_object_add(o, "daemon_says", json_object_new_string(e.text));
		}
		nodes = json_object_new_object();
		json_object_object_add(nodes, "backend", back);
		json_object_object_add(nodes, "frontend", front);
		json_object_object_add(o, "store", nodes);
		return print_json(o);
	}
	if (o && is_vif)
		network_show(o);
	else if (o)
		print_device(o);
	else
		printf("%s%s%s  %s%s%s\n", paint(BOLD), d.id, paint(PLAIN), paint(YELLOW), e.text,
		       paint(PLAIN));
	print_nodes(d.back, back);
	print_nodes(d.front, front);
	json_object_put(o);
	json_object_put(back);
	json_object_put(front);
	return EXIT_OK;
}

/* --- ring --------------------------------------------------------------------------------------
 */

/*
 * The slots in order, 32 to a line: '>' requests the backend has not taken, '*' taken and in work,
 * '.' answered or never used. What the guest has not yet fetched of the answers, nobody but it
 * knows.
 */
static void draw_ring(struct json_object *o)
{
	uint32_t size = (uint32_t)get_number(o, "size"), prod = (uint32_t)get_number(o, "req_prod");
	uint32_t cons = (uint32_t)get_number(o, "req_cons"),
		 answered = (uint32_t)get_number(o, "rsp_prod_pvt");
	uint32_t waiting = prod - cons, working = cons - answered;

	if (!size || size & (size - 1) || size > 4096)
		return;
	for (uint32_t slot = 0; slot < size; slot++) {
		const char *c = ".";
		enum colour colour = DIM;

		if (((slot - answered) & (size - 1)) < working) {
			c = "*";
			colour = YELLOW;
		} else if (((slot - cons) & (size - 1)) < waiting) {
			c = ">";
			colour = GREEN;
		}
		if (!(slot % 32))
			printf("%s  %s%4u%s ", slot ? "\n" : "", paint(DIM), slot, paint(PLAIN));
		printf("%s%s%s", paint(colour), c, paint(PLAIN));
	}
	puts("   > to be taken  * in work  . answered or unused");
}

static void print_inflight(struct json_object *list)
{
	char age[16];

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *r = json_object_array_get_idx(list, i);
		struct json_object *segs = get_member(r, "segments");

		printf("  id %-6s %-8s sector %-10s", get_text(r, "id"), get_text(r, "op"),
		       get_text(r, "sector"));
		for (size_t k = 0; k < json_object_array_length(segs); k++) {
			struct json_object *s = json_object_array_get_idx(segs, k);

			printf(" %s[%s-%s]", get_text(s, "gref"), get_text(s, "first"),
			       get_text(s, "last"));
		}
		printf("  %s\n", get_number(r, "age_ns") ? human_ns(age, get_number(r, "age_ns"))
							 : "just taken");
	}
}

static void print_ring(struct json_object *o)
{
	uint32_t prod = (uint32_t)get_number(o, "req_prod"),
		 cons = (uint32_t)get_number(o, "req_cons");
	uint32_t rsp = (uint32_t)get_number(o, "rsp_prod"),
		 pvt = (uint32_t)get_number(o, "rsp_prod_pvt");
	uint32_t req_event = (uint32_t)get_number(o, "req_event"),
		 rsp_event = (uint32_t)get_number(o, "rsp_event");
	struct json_object *pages = get_member(o, "pages"), *list = get_member(o, "in_flight");

	printf("%s%s%s  %s slots, %s%s%s\n", paint(BOLD), get_text(o, "device"), paint(PLAIN),
	       get_text(o, "size"), get_text(o, "protocol"),
	       json_object_get_boolean(get_member(o, "broken")) ? ", broken: the guest spoiled it"
								: "",
	       json_object_get_boolean(get_member(o, "stopping")) ? ", stopping" : "");
	draw_ring(o);
	line("requests", "produced %u, taken %u: %u to be taken", prod, cons, prod - cons);
	line("answers", "written %u, published %u: %u in work", pvt, rsp, cons - pvt);
	line("events", "the guest's next request %s; our next answer %s",
	     req_event - prod == 1 ? "will wake us" : "will not wake us (we are looking)",
	     rsp_event - rsp == 1             ? "will wake it"
	     : (int32_t)(rsp_event - rsp) > 0 ? "will not wake it yet"
					      : "will not wake it (it is looking)");
	line("", "req_event %u, rsp_event %u", req_event, rsp_event);
	for (size_t i = 0; i < json_object_array_length(pages); i++) {
		struct json_object *p = json_object_array_get_idx(pages, i);
		unsigned long long frame = get_number(p, "frame");

		if (frame)
			line(i ? "" : "pages", "grant %s, frame 0x%llx", get_text(p, "gref"),
			     frame);
		else
			line(i ? "" : "pages", "grant %s", get_text(p, "gref"));
	}
	line("evtchn", "guest's port %s, ours %s", get_text(o, "evtchn_guest"),
	     get_text(o, "evtchn_own"));
	line("in flight", "%zu", json_object_array_length(list));
	print_inflight(list);
}

static struct json_object *ring_of(struct client *c, const char *id, uint64_t queue, struct client_error *e)
{
	struct json_object *params = device_params(id);

	json_object_object_add(params, "queue", json_object_new_uint64(queue));
	return client_call(c, "vbd.ring", params, e);
}

/* All queues of a device; those that end meanwhile are left out. */
static int all_rings(struct call *call, struct client *c, const char *id, struct client_error *e)
{
	struct json_object *o = client_call(c, "vbd.show", device_params(id), e);
	uint64_t n = o ? get_number(o, "queues") : 0;
	struct json_object *list = json_object_new_array();

	json_object_put(o);
	if (o && !n)
		snprintf(e->text, sizeof(e->text), "%s has no ring now: it is not connected", id);
	for (uint64_t i = 0; i < n; i++) {
		struct json_object *ring = ring_of(c, id, i, e);

		if (!ring)
			continue;
		json_object_object_add(ring, "queue", json_object_new_uint64(i));
		json_object_array_add(list, ring);
		if (call->json)
			continue;
		printf("%squeue %llu of %llu\n", i ? "\n" : "", (unsigned long long)i, (unsigned long long)n);
		print_ring(ring);
	}
	n = json_object_array_length(list);
	if (n && call->json) {
		o = json_object_new_object();
		json_object_object_add(o, "device", json_object_new_string(id));
		json_object_object_add(o, "rings", list);
		return print_json(o);
	}
	json_object_put(list);
	return n ? EXIT_OK : fail(call, e->code, "%s", e->text);
}

static int one_ring(struct call *call, struct client *c, const char *id, uint64_t queue, struct client_error *e)
{
	struct json_object *o = ring_of(c, id, queue, e);

	if (!o)
		return fail(call, e->code, "%s", e->text);
	if (call->json)
		return print_json(o);
	print_ring(o);
	json_object_put(o);
	return EXIT_OK;
}

int cmd_ring(struct call *call)
{
	const char *which = option(call, "queue");
	struct client_error e = {.code = EXIT_FAILED};
	struct client c = {.fd = -1};
	bool all = which && !strcmp(which, "all");
	char *end = NULL;
	unsigned long queue = which && !all ? strtoul(which, &end, 10) : 0;
	struct device d;
	int rc;

	if (end && (*end || end == which || queue > 15))
		return usage_error(call, "--queue: '%s' is neither a queue's number nor all", which);
	rc = device_argument(call, &d);
	if (rc)
		return rc;
	if (client_open(&c, call->socket, &e))
		rc = fail(call, e.code, "%s", e.text);
	else
		rc = all ? all_rings(call, &c, d.id, &e) : one_ring(call, &c, d.id, queue, &e);
	client_close(&c);
	return rc;
}

/* --- status, log, version
 * --------------------------------------------------------------------------------
 */

int cmd_status(struct call *call)
{
	struct json_object *o;
	int rc;

	o = client_once(call, "daemon.status", NULL, &rc);
	if (!o)
		return rc;
	if (call->json)
		return print_json(o);
	printf("%sxensplitd %s%s  process %s\n", paint(BOLD), get_text(o, "version"), paint(PLAIN),
	       get_text(o, "pid"));
	line("up", "%s s", get_text(o, "uptime_seconds"));
	line("disks", "%s, %s connected", get_text(o, "vbds"), get_text(o, "vbds_connected"));
	line("workers", "%s", get_text(o, "workers"));
	line("socket", "%s", get_text(o, "socket"));
	line("config", "%s", get_member(o, "config") ? get_text(o, "config") : "none");
	line("log", "%s", get_text(o, "log_level"));
	print_counters(get_member(o, "counters"));
	json_object_put(o);
	return EXIT_OK;
}

int cmd_log(struct call *call)
{
	struct json_object *params = NULL, *o;
	int rc;

	if (call->n_args) {
		params = json_object_new_object();
		json_object_object_add(params, "level", json_object_new_string(call->args[0]));
	}
	o = client_once(call, call->n_args ? "log.set" : "log.get", params, &rc);
	if (!o)
		return rc;
	if (call->json)
		return print_json(o);
	if (call->n_args)
		printf("%s (was %s)\n", get_text(o, "level"), get_text(o, "was"));
	else
		puts(get_text(o, "level"));
	json_object_put(o);
	return EXIT_OK;
}

int cmd_version(struct call *call)
{
	struct json_object *daemon = NULL, *o;
	struct client_error e;
	struct client c;

	if (!client_open(&c, call->socket, &e))
		daemon = client_call(&c, "daemon.version", NULL, &e);
	client_close(&c);
	if (call->json) {
		o = json_object_new_object();
		json_object_object_add(o, "xensplit", json_object_new_string(XSP_VERSION));
		json_object_object_add(o, "xensplitd",
				       daemon ? json_object_new_string(get_text(daemon, "version"))
					      : NULL);
		json_object_put(daemon);
		return print_json(o);
	}
	printf("xensplit  %s\nxensplitd %s\n", XSP_VERSION,
	       daemon ? get_text(daemon, "version") : e.text);
	json_object_put(daemon);
	return EXIT_OK;
}
