/* SPDX-License-Identifier: MIT */
/* Any line on the control socket: the answer is one line of JSON, or none. */
#include <string.h>
#include "backend/config.h"
#include "backend/inspect.h"
#include "backend/methods.h"
#include "backend/resize.h"
#include "backend/steer.h"
#include "tests/fuzz/input.h"

static void is_json(const char *line)
{
	size_t len = strlen(line);
	struct json_tokener *t = json_tokener_new();
	struct json_object *o;

	HOLDS(len > 1 && line[len - 1] == '\n' && !memchr(line, '\n', len - 1));
	o = json_tokener_parse_ex(t, line, (int)len);
	HOLDS(o && json_tokener_get_error(t) == json_tokener_success);
	json_object_put(o);
	json_tokener_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xsp_config config = { .socket_path = (char *)"/run/x.sock", .workers = 1 };
	struct xsp_methods methods = { .config = &config };
	char *line = malloc(size + 1), *answer;

	xsp_log_set_level(XSP_LOG_ERR);
	memcpy(line, data, size);
	line[size] = '\0';
	answer = xsp_rpc_answer(xsp_methods_table, &methods, line, size);
	if (answer)
		is_json(answer);
	free(answer);
	free(line);
	return 0;
}
