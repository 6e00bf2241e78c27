/* SPDX-License-Identifier: MIT */
/* What list, show and stat say of network devices: network.c. */
#ifndef XSP_XENSPLIT_NETWORK_H
#define XSP_XENSPLIT_NETWORK_H

#include <json-c/json.h>

#include "tools/xensplit/store.h"

/** network_list - every network device of the backend domain as JSON; domid < 0: of all guests */
struct json_object *network_list(struct store *s, long domid);

/** network_print - the same as a table, with xl's columns */
void network_print(struct json_object *list);

/** network_show - the answer of vif.show, for people */
void network_show(struct json_object *o);

/** network_totals - the devices in an answer of vif.stat, as a table */
void network_totals(struct json_object *vifs);

#endif
