/* SPDX-License-Identifier: MIT */
/*
 * JSON-RPC 2.0 without a socket: a line of text in, a line of text out. The table of methods says
 * what may be called with which parameters, so that a wrong call is refused here, in one place,
 * with a text that helps. Bounded: depth, batch and answer have limits.
 *
 * Source: https://www.jsonrpc.org/specification
 */
#ifndef XSP_BACKEND_RPC_H
#define XSP_BACKEND_RPC_H

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#define XSP_RPC_MAX_DEPTH  16
#define XSP_RPC_MAX_BATCH  64
#define XSP_RPC_MAX_ANSWER (8u << 20) /* bytes of one line */

/* The specification's codes, then ours. tools/xensplit maps them to exit codes. */
enum xsp_rpc_code {
	XSP_RPC_PARSE = -32700,
	XSP_RPC_INVALID = -32600,
	XSP_RPC_NO_METHOD = -32601,
	XSP_RPC_PARAMS = -32602,
	XSP_RPC_INTERNAL = -32603,
	XSP_RPC_DENIED = -32001,
	XSP_RPC_NOT_FOUND = -32002,     /* no such device */
	XSP_RPC_NOT_CONNECTED = -32003, /* the device has no ring now */
	XSP_RPC_TIMEOUT = -32004,
	XSP_RPC_TOO_LARGE = -32005, /* request or answer */
	XSP_RPC_BUSY = -32006,      /* too many clients */
	XSP_RPC_AGAIN = -32007,     /* the device does something else just now */
};

struct xsp_rpc_error {
	enum xsp_rpc_code code;
	char text[256];
};

/** xsp_rpc_fail - fill an error; returns -1 so that a method can return it */
int xsp_rpc_fail(struct xsp_rpc_error *e, enum xsp_rpc_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct xsp_rpc_param {
	const char *name; /* NULL ends the list */
	enum json_type type;
	bool required;
	const char *help;
};

struct xsp_rpc_method {
	const char *name; /* noun.verb; NULL ends the table */
	const char *summary;
	struct xsp_rpc_param params[8];
	/*
	 * @params: an object that holds only known parameters of the right types; the caller's
	 * Returns 0 and a new reference in *ret, or -1 with *e filled.
	 */
	int (*call)(void *ctx, struct json_object *params, struct json_object **ret,
		    struct xsp_rpc_error *e);
};

/**
 * xsp_rpc_answer - run one line: a request, a notification or a batch
 * @line: @len bytes followed by a 0 byte; anything at all may be in it
 *
 * Returns the answer, a line with its newline (the caller frees), or NULL when there is none to
 * give: only notifications, or no memory. Never blocks beyond what the methods do.
 */
char *xsp_rpc_answer(const struct xsp_rpc_method *table, void *ctx, const char *line, size_t len);

/** xsp_rpc_error_line - an answer to nobody's request (id null); malloc'd, the caller frees */
char *xsp_rpc_error_line(enum xsp_rpc_code code, const char *text);

/** xsp_rpc_describe - what `rpc.methods` answers: every method, its summary and parameters */
struct json_object *xsp_rpc_describe(const struct xsp_rpc_method *table);

/** xsp_rpc_text - a JSON string of any bytes; what is no UTF-8 becomes '?' */
struct json_object *xsp_rpc_text(const char *bytes);

#endif
