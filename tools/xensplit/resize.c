/* SPDX-License-Identifier: MIT */
/* xensplit resize: a disk is offered with the size that its target has now, or is given. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

#define AGAIN_NS 20000000 /* between looks at whether it is done */

/* "16G", "+1G", "-512M" of a size that is known, or bytes; false when it is none of these. */
static bool parse_size(const char *text, unsigned long long now, unsigned long long *ret)
{
	static const char units[] = "kmgt";
	const char *unit;
	char *end, sign = *text == '+' || *text == '-' ? *text++ : '\0';
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || *text < '0' || *text > '9' || errno)
		return false;
	if (*end) {
		unit = strchr(units, *end | 0x20);
		if (!unit || end[1] || n >> (54 - 10 * (unit - units)))
			return false;
		n <<= 10 * (unit - units + 1);
	}
	if (sign == '-' && n > now)
		return false;
	*ret = sign == '+' ? now + n : sign == '-' ? now - n : n;
	return true;
}

static struct json_object *show(struct client *c, const char *id, struct client_error *e)
{
	return client_call(c, "vbd.show", device_params(id), e);
}

/* Until the daemon shows it with that size, or time is up. */
static bool wait_done(struct client *c, const char *id, unsigned long long size, double seconds,
		      struct client_error *e)
{
	for (double waited = 0; waited < seconds; waited += AGAIN_NS / 1e9) {
		struct json_object *o = show(c, id, e);
		bool done = o && get_number(o, "size_bytes") == size;

		if (!o)
			return false;
		json_object_put(o);
		if (done)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = AGAIN_NS }, NULL);
	}
	e->code = EXIT_TIMEOUT;
	snprintf(e->text, sizeof(e->text), "%s has not stopped yet for its new size: a request is still "
		 "under way (xensplit ring %s); it follows when that is answered", id, id);
	return false;
}

/* While the daemon is busy with the device we ask again. */
static struct json_object *ask(struct client *c, const char *id, const unsigned long long *size,
			       double seconds, struct client_error *e)
{
	for (double waited = 0;; waited += AGAIN_NS / 1e9) {
		struct json_object *params = device_params(id), *o;

		if (size)
			json_object_object_add(params, "size_bytes", json_object_new_int64((int64_t)*size));
		o = client_call(c, "vbd.resize", params, e);
		if (o || e->code != EXIT_TIMEOUT || c->fd < 0 || waited >= seconds)
			return o;
		nanosleep(&(struct timespec){ .tv_nsec = AGAIN_NS }, NULL);
	}
}

static struct json_object *resize(struct call *call, struct client *c, const char *id, double seconds,
				  struct client_error *e)
{
	struct json_object *o;
	unsigned long long size;

	if (call->n_args > 1) {
		o = show(c, id, e);
		if (!o || !parse_size(call->args[1], get_number(o, "size_bytes"), &size)) {
			if (o) {
				e->code = EXIT_USAGE;
				snprintf(e->text, sizeof(e->text), "'%.40s' is no size (16G, +1G, -512M)",
					 call->args[1]);
			}
			json_object_put(o);
			return NULL;
		}
		json_object_put(o);
	}
	o = ask(c, id, call->n_args > 1 ? &size : NULL, seconds, e);
	if (o && json_object_get_boolean(get_member(o, "begun")) &&
	    !wait_done(c, id, get_number(o, "size_bytes"), seconds, e)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

int cmd_resize(struct call *call)
{
	double seconds = option_seconds(call, "timeout", 10);
	struct client_error e = { .code = EXIT_FAILED };
	struct client c = { .fd = -1 };
	struct json_object *o = NULL;
	struct store s = { .backend = call->backend };
	struct device d;
	int rc;

	if (seconds < 0)
		return EXIT_USAGE;
	rc = store_open(call, &s);
	if (!rc)
		rc = device_parse(call, &s, call->args[0], &d);
	store_close(&s);
	if (rc)
		return rc;
	if (!client_open(&c, call->socket, &e))
		o = resize(call, &c, d.id, seconds, &e);
	client_close(&c);
	if (!o)
		return fail(call, e.code, "%s", e.text);
	if (call->json)
		return print_json(o);
	if (get_number(o, "size_bytes") == get_number(o, "was_bytes"))
		printf("%s: %s bytes, as before\n", d.id, get_text(o, "size_bytes"));
	else
		printf("%s: %s bytes, %s before\n", d.id, get_text(o, "size_bytes"), get_text(o, "was_bytes"));
	json_object_put(o);
	return EXIT_OK;
}
