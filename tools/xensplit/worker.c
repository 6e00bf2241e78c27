/* SPDX-License-Identifier: MIT */
/* xensplit worker: the daemon's data threads; what runs on which, how they wait for requests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

#define AGAIN_NS 20000000 /* between looks at whether a move is done */

/* --- list ---------------------------------------------------------------------------------------- */

static void print_queues(struct table *t, struct json_object *queues)
{
	size_t n = json_object_array_length(queues), len = 1;
	char *text;

	for (size_t i = 0; i < n; i++)
		len += strlen(get_text(json_object_array_get_idx(queues, i), "device")) + 16;
	text = calloc(1, len);
	for (size_t i = 0; text && i < n; i++) {
		struct json_object *q = json_object_array_get_idx(queues, i);

		snprintf(text + strlen(text), len - strlen(text), "%s%s:%llu", i ? " " : "",
			 get_text(q, "device"), get_number(q, "queue"));
	}
	table_cell(t, n ? PLAIN : DIM, "%s", n && text ? text : "-");
	free(text);
}

static void print_workers(struct json_object *workers)
{
	struct table t = table_start("rrrlll", "WORKER", "TID", "CPU", "CPUS", "MODE", "QUEUES");

	for (size_t i = 0; i < json_object_array_length(workers); i++) {
		struct json_object *w = json_object_array_get_idx(workers, i);
		bool adaptive = !strcmp(get_text(w, "mode"), "adaptive");

		table_cell(&t, BOLD, "%s", get_text(w, "worker"));
		table_cell(&t, PLAIN, "%s", get_text(w, "tid"));
		table_cell(&t, PLAIN, "%.2f s", (double)get_number(w, "cpu_ns") / 1e9);
		table_cell(&t, PLAIN, "%s", get_text(w, "cpus"));
		if (adaptive)
			table_cell(&t, PLAIN, "adaptive, %s us, idle %s %%",
				   get_text(w, "polling_duration_us"),
				   get_text(w, "polling_idle_percent"));
		else
			table_cell(&t, !strcmp(get_text(w, "mode"), "always") ? YELLOW : PLAIN, "%s",
				   get_text(w, "mode"));
		print_queues(&t, get_member(w, "queues"));
	}
	table_end(&t, 0);
}

/* Print an answer of worker.list or worker.set and release it. */
static int show(const struct call *call, struct json_object *o)
{
	if (call->json)
		return print_json(o);
	print_workers(get_member(o, "workers"));
	json_object_put(o);
	return EXIT_OK;
}

static int list(struct call *call)
{
	int rc;
	struct json_object *o = client_once(call, "worker.list", NULL, &rc);

	return o ? show(call, o) : rc;
}

/* --- set ----------------------------------------------------------------------------------------- */

/* A number without anything else; < 0: none. */
static long number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n > UINT32_MAX ? -1 : n;
}

static int add_setting(const struct call *call, struct json_object *params, const char *arg)
{
	static const struct {
		const char *name;
		bool is_number;
	} keys[] = {
		{"mode", false}, {"polling-duration", true}, {"polling-idle", true}, {"cpus", false},
	};
	size_t len = strcspn(arg, "=");

	for (size_t i = 0; arg[len] && i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = arg + len + 1;

		if (strlen(keys[i].name) != len || strncmp(keys[i].name, arg, len))
			continue;
		if (keys[i].is_number && number(value) < 0)
			return usage_error(call, "%s: '%s' is not a number", keys[i].name, value);
		json_object_object_add(params, keys[i].name,
				       keys[i].is_number ? json_object_new_int64(number(value))
							 : json_text(value));
		return EXIT_OK;
	}
	return usage_error(call, "'%s' is none of mode=, polling-duration=, polling-idle=, cpus=", arg);
}

static int set(struct call *call)
{
	struct json_object *params = json_object_new_object(), *o;
	int rc = EXIT_OK;

	if (call->n_args < 3 || number(call->args[1]) < 0)
		rc = usage_error(call, "worker set wants a worker's number and what to set");
	else
		json_object_object_add(params, "worker", json_object_new_int64(number(call->args[1])));
	for (int i = 2; !rc && i < call->n_args; i++)
		rc = add_setting(call, params, call->args[i]);
	if (rc) {
		json_object_put(params);
		return rc;
	}
	o = client_once(call, "worker.set", params, &rc);
	return o ? show(call, o) : rc;
}

/* --- move ---------------------------------------------------------------------------------------- */

struct move {
	char device[40];
	int queue; /* < 0: all */
	long worker;
	struct timespec until;
};

/* DEVICE[:QUEUE], where DEVICE may itself be NAME:xvda. */
static int parse_what(struct call *call, struct move *m)
{
	char *text = strdup(call->args[1]), *colon = text ? strrchr(text, ':') : NULL;
	struct store s = {.backend = call->backend};
	struct device d;
	int rc = EXIT_OK;

	m->queue = -1;
	if (colon && number(colon + 1) >= 0 &&
	    (strchr(text, '/') || memchr(text, ':', (size_t)(colon - text)))) {
		m->queue = (int)number(colon + 1);
		*colon = '\0';
	}
	if (text && strchr(text, '/')) { /* an id, of any class */
		snprintf(m->device, sizeof(m->device), "%s", text);
	} else if (text) {
		rc = store_open(call, &s);
		if (!rc)
			rc = device_parse(call, &s, text, &d);
		store_close(&s);
		if (!rc)
			snprintf(m->device, sizeof(m->device), "%s", d.id);
	}
	free(text);
	return rc;
}

static bool is_over(const struct timespec *until)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > until->tv_sec ||
	       (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
}

static void pause_a_little(void)
{
	nanosleep(&(struct timespec){.tv_nsec = AGAIN_NS}, NULL);
}

static struct json_object *params_of(const struct move *m)
{
	struct json_object *o = device_params(m->device);

	if (m->queue >= 0)
		json_object_object_add(o, "queue", json_object_new_int64(m->queue));
	json_object_object_add(o, "worker", json_object_new_int64(m->worker));
	return o;
}

/* The daemon's word that it moves; while it is busy with the device we ask again. */
static struct json_object *begin(const struct move *m, struct client *c, struct client_error *e)
{
	for (;;) {
		struct json_object *o = client_call(c, "worker.move", params_of(m), e);

		if (o || e->code != EXIT_TIMEOUT || c->fd < 0 || is_over(&m->until))
			return o;
		pause_a_little();
	}
}

/* How many of the queues that were to move run where they should; *others: those that don't. */
static size_t arrived(struct json_object *workers, const struct move *m, size_t *others)
{
	size_t there = 0;

	*others = 0;
	for (size_t i = 0; i < json_object_array_length(workers); i++) {
		struct json_object *w = json_object_array_get_idx(workers, i);
		struct json_object *queues = get_member(w, "queues");

		for (size_t k = 0; k < json_object_array_length(queues); k++) {
			struct json_object *q = json_object_array_get_idx(queues, k);

			if (strcmp(get_text(q, "device"), m->device) ||
			    (m->queue >= 0 && get_number(q, "queue") != (unsigned)m->queue))
				continue;
			if ((long)get_number(w, "worker") == m->worker)
				there++;
			else
				++*others;
		}
	}
	return there;
}

static bool wait_arrived(const struct move *m, struct client *c, struct client_error *e)
{
	for (;;) {
		struct json_object *o = client_call(c, "worker.list", NULL, e);
		size_t there, others;

		if (!o)
			return false;
		there = arrived(get_member(o, "workers"), m, &others);
		json_object_put(o);
		if (there && !others)
			return true;
		if (is_over(&m->until))
			break;
		pause_a_little();
	}
	e->code = EXIT_TIMEOUT;
	snprintf(e->text, sizeof(e->text),
		 "%s has not stopped yet for its move: a request is still under way (xensplit ring %s); "
		 "it moves when that is answered", m->device, m->device);
	return false;
}

static int move(struct call *call)
{
	double seconds = option_seconds(call, "timeout", 10);
	struct client_error e = {.code = EXIT_FAILED};
	struct json_object *o = NULL;
	struct client c = {.fd = -1};
	struct move m;
	int rc;

	if (seconds < 0)
		return EXIT_USAGE;
	if (call->n_args != 3 || number(call->args[2]) < 0)
		return usage_error(call, "worker move wants DEVICE[:QUEUE] and a worker's number");
	rc = parse_what(call, &m);
	if (rc)
		return rc;
	m.worker = number(call->args[2]);
	clock_gettime(CLOCK_MONOTONIC, &m.until);
	m.until.tv_sec += (time_t)seconds;
	if (!client_open(&c, call->socket, &e))
		o = begin(&m, &c, &e);
	if (o && json_object_get_boolean(get_member(o, "begun")) && !wait_arrived(&m, &c, &e)) {
		json_object_put(o);
		o = NULL;
	}
	client_close(&c);
	if (!o)
		return fail(call, e.code, "%s", e.text);
	if (call->json)
		return print_json(o);
	if (get_number(o, "queues"))
		printf("%s: %s queue%s moved to worker %ld\n", m.device, get_text(o, "queues"),
		       get_number(o, "queues") > 1 ? "s" : "", m.worker);
	else
		printf("%s: runs on worker %ld already, or will when it connects\n", m.device, m.worker);
	json_object_put(o);
	return EXIT_OK;
}

int cmd_worker(struct call *call)
{
	const char *verb = call->n_args ? call->args[0] : "list";

	if (!strcmp(verb, "list") && call->n_args <= 1)
		return list(call);
	if (!strcmp(verb, "set"))
		return set(call);
	if (!strcmp(verb, "move"))
		return move(call);
	return usage_error(call, "worker list, worker set or worker move, not '%s'", verb);
}
