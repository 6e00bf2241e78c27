/* SPDX-License-Identifier: MIT */
/* JSON-RPC 2.0, text to text: see rpc.h. */
#include "backend/rpc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/suggest.h"
#include "common/utf8.h"

int xsp_rpc_fail(struct xsp_rpc_error *e, enum xsp_rpc_code code, const char *fmt, ...)
{
	va_list args;

	e->code = code;
	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	return -1;
}

struct json_object *xsp_rpc_text(const char *bytes)
{
	char *copy = strdup(bytes);
	struct json_object *o;

	if (!copy)
		return NULL;
	o = json_object_new_string(xsp_utf8_clean(copy));
	free(copy);
	return o;
}

/* --- answers --------------------------------------------------------------------------------- */

static struct json_object *envelope(struct json_object *id)
{
	struct json_object *a = json_object_new_object();

	json_object_object_add(a, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(a, "id", json_object_get(id));
	return a;
}

static struct json_object *error_answer(struct json_object *id, const struct xsp_rpc_error *e)
{
	struct json_object *a = envelope(id), *o = json_object_new_object();

	json_object_object_add(o, "code", json_object_new_int(e->code));
	json_object_object_add(o, "message", xsp_rpc_text(e->text));
	json_object_object_add(a, "error", o);
	return a;
}

static char *to_line(struct json_object *answer)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
		answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	char *line;

	if (!text)
		return NULL;
	if (len + 1 > XSP_RPC_MAX_ANSWER)
		return xsp_rpc_error_line(XSP_RPC_TOO_LARGE,
					  "the answer would be too long; ask for single devices");
	line = malloc(len + 2);
	if (!line)
		return NULL;
	memcpy(line, text, len);
	memcpy(line + len, "\n", 2);
	return line;
}

char *xsp_rpc_error_line(enum xsp_rpc_code code, const char *text)
{
	struct xsp_rpc_error e;
	struct json_object *a;
	char *line;

	xsp_rpc_fail(&e, code, "%s", text);
	a = error_answer(NULL, &e);
	line = to_line(a);
	json_object_put(a);
	return line;
}

/* --- one request ----------------------------------------------------------------------------- */

static const struct xsp_rpc_method *find(const struct xsp_rpc_method *table, const char *name,
					 struct xsp_rpc_error *e)
{
	struct xsp_suggest near = xsp_suggest_start(name);

	for (const struct xsp_rpc_method *m = table; m->name; m++) {
		if (!strcmp(m->name, name))
			return m;
		xsp_suggest_try(&near, m->name);
	}
	if (near.best)
		xsp_rpc_fail(e, XSP_RPC_NO_METHOD, "no method '%.64s' (did you mean %s?)", name,
			     near.best);
	else
		xsp_rpc_fail(e, XSP_RPC_NO_METHOD, "no method '%.64s'; rpc.methods lists them",
			     name);
	return NULL;
}

static const struct xsp_rpc_param *find_param(const struct xsp_rpc_method *m, const char *name)
{
	for (const struct xsp_rpc_param *p = m->params; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

static int check_params(const struct xsp_rpc_method *m, struct json_object *params,
			struct xsp_rpc_error *e)
{
	struct json_object *value;

	json_object_object_foreach(params, key, given)
	{
		const struct xsp_rpc_param *p = find_param(m, key);

		if (!p)
			return xsp_rpc_fail(e, XSP_RPC_PARAMS, "%s has no parameter '%.64s'",
					    m->name, key);
		if (!json_object_is_type(given, p->type))
			return xsp_rpc_fail(e, XSP_RPC_PARAMS, "%s: '%s' is a %s", m->name, p->name,
					    json_type_to_name(p->type));
	}
	for (const struct xsp_rpc_param *p = m->params; p->name; p++)
		if (p->required && !json_object_object_get_ex(params, p->name, &value))
			return xsp_rpc_fail(e, XSP_RPC_PARAMS, "%s needs '%s' (%s)", m->name,
					    p->name, p->help);
	return 0;
}

/* Is it a request at all? *id is borrowed from @request. */
static int check_request(struct json_object *request, struct json_object **id, bool *notification,
			 struct xsp_rpc_error *e)
{
	struct json_object *o;

	*id = NULL;
	*notification = false;
	if (!json_object_is_type(request, json_type_object))
		return xsp_rpc_fail(e, XSP_RPC_INVALID, "a request is an object");
	if (json_object_object_get_ex(request, "id", &o)) {
		if (o && !json_object_is_type(o, json_type_string) &&
		    !json_object_is_type(o, json_type_int) &&
		    !json_object_is_type(o, json_type_double))
			return xsp_rpc_fail(e, XSP_RPC_INVALID, "'id' is a string or a number");
		*id = o;
	}
	if (!json_object_object_get_ex(request, "jsonrpc", &o) ||
	    !json_object_is_type(o, json_type_string) || strcmp(json_object_get_string(o), "2.0"))
		return xsp_rpc_fail(e, XSP_RPC_INVALID, "'jsonrpc' must be \"2.0\"");
	if (!json_object_object_get_ex(request, "method", &o) ||
	    !json_object_is_type(o, json_type_string))
		return xsp_rpc_fail(e, XSP_RPC_INVALID, "'method' must be a string");
	*notification = !json_object_object_get_ex(request, "id", &o);
	return 0;
}

static int run(const struct xsp_rpc_method *table, void *ctx, struct json_object *request,
	       struct json_object **ret, struct xsp_rpc_error *e)
{
	struct json_object *params, *name;
	const struct xsp_rpc_method *m;
	int rc;

	json_object_object_get_ex(request, "method", &name);
	m = find(table, json_object_get_string(name), e);
	if (!m)
		return -1;
	if (!json_object_object_get_ex(request, "params", &params))
		params = NULL;
	else if (!json_object_is_type(params, json_type_object) &&
		 !(json_object_is_type(params, json_type_array) &&
		   !json_object_array_length(params)))
		return xsp_rpc_fail(e, XSP_RPC_PARAMS, "'params' is an object: names and values");
	params = json_object_is_type(params, json_type_object) ? json_object_get(params)
							       : json_object_new_object();
	rc = check_params(m, params, e);
	if (!rc)
		rc = m->call(ctx, params, ret, e);
	json_object_put(params);
	return rc;
}

/* Returns the answer, or NULL for a notification. */
static struct json_object *answer_one(const struct xsp_rpc_method *table, void *ctx,
				      struct json_object *request)
{
	struct json_object *id, *result = NULL, *a;
	struct xsp_rpc_error e = {.code = XSP_RPC_INTERNAL};
	bool notification;
	int rc;

	if (check_request(request, &id, &notification, &e))
		return error_answer(id, &e);
	rc = run(table, ctx, request, &result, &e);
	if (notification) {
		json_object_put(result);
		return NULL;
	}
	if (rc)
		return error_answer(id, &e);
	a = envelope(id);
	json_object_object_add(a, "result", result);
	return a;
}

/* --- one line -------------------------------------------------------------------------------- */

static struct json_object *parse(const char *line, size_t len, struct xsp_rpc_error *e)
{
	struct json_tokener *t = json_tokener_new_ex(XSP_RPC_MAX_DEPTH);
	struct json_object *o;
	enum json_tokener_error why;

	if (!t) {
		xsp_rpc_fail(e, XSP_RPC_INTERNAL, "out of memory");
		return NULL;
	}
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With its 0 byte, or a number at the end would not be known to be whole. */
	o = json_tokener_parse_ex(t, line, (int)len + 1);
	why = json_tokener_get_error(t);
	if (why == json_tokener_success && json_tokener_get_parse_end(t) < len) {
		why = json_tokener_error_parse_unexpected;
		json_object_put(o);
		o = NULL;
	}
	if (why == json_tokener_continue || why == json_tokener_error_parse_eof)
		xsp_rpc_fail(e, XSP_RPC_PARSE, "no JSON: it ends too early");
	else if (why != json_tokener_success)
		xsp_rpc_fail(e, XSP_RPC_PARSE, "no JSON: %s", json_tokener_error_desc(why));
	else
		e->code = 0;
	json_tokener_free(t);
	return o;
}

static struct json_object *answer_batch(const struct xsp_rpc_method *table, void *ctx,
					struct json_object *batch)
{
	size_t n = json_object_array_length(batch);
	struct xsp_rpc_error e;
	struct json_object *all;

	if (!n || n > XSP_RPC_MAX_BATCH) {
		xsp_rpc_fail(&e, XSP_RPC_INVALID, "a batch holds 1 to %d requests",
			     XSP_RPC_MAX_BATCH);
		return error_answer(NULL, &e);
	}
	all = json_object_new_array_ext((int)n);
	for (size_t i = 0; i < n; i++) {
		struct json_object *a = answer_one(table, ctx, json_object_array_get_idx(batch, i));

		if (a)
			json_object_array_add(all, a);
	}
	if (json_object_array_length(all))
		return all;
	json_object_put(all);
	return NULL;
}

char *xsp_rpc_answer(const struct xsp_rpc_method *table, void *ctx, const char *line, size_t len)
{
	struct json_object *request, *answer;
	struct xsp_rpc_error e;
	char *text = NULL;

	request = parse(line, len, &e);
	if (e.code)
		answer = error_answer(NULL, &e);
	else if (json_object_is_type(request, json_type_array))
		answer = answer_batch(table, ctx, request);
	else
		answer = answer_one(table, ctx, request);
	if (answer)
		text = to_line(answer);
	json_object_put(answer);
	json_object_put(request);
	return text;
}

struct json_object *xsp_rpc_describe(const struct xsp_rpc_method *table)
{
	struct json_object *all = json_object_new_array();

	for (const struct xsp_rpc_method *m = table; m->name; m++) {
		struct json_object *o = json_object_new_object(), *ps = json_object_new_array();

		for (const struct xsp_rpc_param *p = m->params; p->name; p++) {
			struct json_object *q = json_object_new_object();

			json_object_object_add(q, "name", json_object_new_string(p->name));
			json_object_object_add(q, "type",
					       json_object_new_string(json_type_to_name(p->type)));
			json_object_object_add(q, "required", json_object_new_boolean(p->required));
			json_object_object_add(q, "help", json_object_new_string(p->help));
			json_object_array_add(ps, q);
		}
		json_object_object_add(o, "name", json_object_new_string(m->name));
		json_object_object_add(o, "summary", json_object_new_string(m->summary));
		json_object_object_add(o, "params", ps);
		json_object_array_add(all, o);
	}
	return all;
}
