/* SPDX-License-Identifier: MIT */
/* Network devices in `xensplit stat --watch`: what grew between two answers of vif.stat. */
#ifndef XSP_TOOLS_XENSPLIT_NETWATCH_H
#define XSP_TOOLS_XENSPLIT_NETWATCH_H

#include "tools/xensplit/client.h"

/**
 * netwatch_since - the devices of `now`, their counters less those in `last`
 * @last, @now: arrays as in an answer of vif.stat; last may be NULL
 *
 * A counter smaller than before (the daemon was restarted) counts as it is. The caller puts the array.
 */
struct json_object *netwatch_since(struct json_object *last, struct json_object *now);

/** netwatch_draw - such an array as a table of at most so many rows; rows printed */
int netwatch_draw(struct json_object *since, double seconds, char *(*name_of)(void *, uint32_t), void *arg,
		  int max_rows);

/** netwatch_lines - the same, a line for each device */
void netwatch_lines(struct json_object *since, double seconds, const char *clock,
		    char *(*name_of)(void *, uint32_t), void *arg);

#endif
