/* SPDX-License-Identifier: MIT */
/* `xensplit lab status`: a table, or the hub's JSON as it is. */
#include "tools/lab/lab.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static void table(struct json_object *o)
{
	const char *term = getenv("TERM");
	bool colour = isatty(1) && !getenv("NO_COLOR") && term && strcmp(term, "dumb");
	struct json_object *list = json_object_object_get(o, "domains");
	size_t i;

	printf("lab in %s (hub %s): xenstored %s, xensplitd %s; no hypervisor\n", text(o, "dir"),
	       text(o, "pid"),
	       json_object_get_boolean(json_object_object_get(o, "xenstored")) ? "up" : "DOWN",
	       json_object_get_boolean(json_object_object_get(o, "xensplitd")) ? "up"
									       : "not running");
	printf("%s%-6s %-20s %-8s %8s %8s %6s %8s %7s%s\n", colour ? "\033[1m" : "", "DOMID",
	       "NAME", "STATE", "SECONDS", "HANDLES", "PORTS", "GRANTED", "MAPPED",
	       colour ? "\033[0m" : "");
	for (i = 0; i < json_object_array_length(list); i++) {
		struct json_object *d = json_object_array_get_idx(list, i);

		printf("%-6s %-20s %-8s %8.1f %8s %6s %8s %7s\n", text(d, "domid"), text(d, "name"),
		       text(d, "state"),
		       json_object_get_double(json_object_object_get(d, "seconds")),
		       text(d, "handles"), text(d, "ports"), text(d, "pages_granted"),
		       text(d, "pages_mapped"));
	}
}

int lab_status(const struct lab_options *o)
{
	static char json[LAB_MAX_DATA + 1];
	struct lab_msg m = {.op = LAB_STATUS};
	int hub = lab_hub_open(o->dir), r;
	struct json_object *obj;

	if (hub < 0) {
		if (o->json)
			printf("{\"dir\":\"%s\",\"up\":false}\n", o->dir);
		else
			printf("no lab is up in %s; start one with: xensplit lab up\n", o->dir);
		return LAB_EXIT_FAIL;
	}
	r = lab_hub_call(hub, &m, NULL, json, LAB_MAX_DATA, NULL);
	close(hub);
	if (r < 0) {
		lab_error("the hub does not answer: %s", strerror(-r));
		return LAB_EXIT_FAIL;
	}
	json[m.len < LAB_MAX_DATA ? m.len : LAB_MAX_DATA] = '\0';
	if (o->json) {
		puts(json);
		return LAB_EXIT_OK;
	}
	obj = json_tokener_parse(json);
	if (!obj) {
		lab_error("the hub's answer cannot be read");
		return LAB_EXIT_FAIL;
	}
	table(obj);
	json_object_put(obj);
	return LAB_EXIT_OK;
}
