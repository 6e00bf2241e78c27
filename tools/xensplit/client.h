/* SPDX-License-Identifier: MIT */
/* A client of the daemon's control socket: one call at a time, with a limit in time. */
#ifndef XSP_XENSPLIT_CLIENT_H
#define XSP_XENSPLIT_CLIENT_H

#include <json-c/json.h>

#include "tools/xensplit/cmd.h"

struct client {
	int fd; /* -1: not connected */
	unsigned int id;
};

/* Why a call gave nothing. */
struct client_error {
	enum exit_code code;
	char text[320];
};

/** client_open - connect to call->socket; 0, or -1 with *e filled */
int client_open(struct client *c, const char *socket, struct client_error *e);

/**
 * client_call - call a method
 * @params: handed over (released here); NULL for none
 *
 * Returns the result (the caller releases it) or NULL with *e filled. After EXIT_UNREACHABLE or
 * EXIT_TIMEOUT the connection is closed.
 */
struct json_object *client_call(struct client *c, const char *method, struct json_object *params,
				struct client_error *e);

/** client_close - hang up; a client that is not open is fine */
void client_close(struct client *c);

/** client_once - open, call, close; prints what went wrong (fail) and sets *code */
struct json_object *client_once(const struct call *call, const char *method,
				struct json_object *params, int *code);

/** device_params - {"device": id} for a call */
struct json_object *device_params(const char *id);

/* Members of an answer: the value, or 0, "" and NULL when it is absent. */
unsigned long long get_number(struct json_object *o, const char *key);
const char *get_text(struct json_object *o, const char *key);
struct json_object *get_member(struct json_object *o, const char *key);

#endif
