/* SPDX-License-Identifier: MIT */
/* Network devices, an interval at a time: see netwatch.h. */
#include "tools/xensplit/netwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xensplit/out.h"

/* Counters of dropped packets and what people call the reason. */
static const struct {
	const char *counter, *reason;
} drops[] = {
	{ "tx_malformed", "malformed" }, { "tx_short", "short" },      { "tx_length", "length" },
	{ "tx_protocol", "protocol" },	 { "tx_fragment", "fragment" }, { "tx_gso_bad", "gso" },
	{ "tx_refused", "refused" },	 { "rx_too_big", "too big" },   { "rx_filtered", "filtered" },
	{ "rx_stale", "stale" },	 { "rx_no_room", "no room" },
};

/* One device's interval as people read it. */
struct figures {
	double tx, rx, tx_gbits, rx_gbits, events, grants, copies; /* copies: of each byte that passed */
	bool idle;
	char dropped[160]; /* "12 refused, 3 stale" */
};

static struct json_object *find(struct json_object *list, const char *device)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!strcmp(get_text(o, "device"), device))
			return get_member(o, "counters");
	}
	return NULL;
}

struct json_object *netwatch_since(struct json_object *last, struct json_object *now)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; now && i < json_object_array_length(now); i++) {
		struct json_object *o = json_object_array_get_idx(now, i), *to = json_object_new_object();
		struct json_object *c = json_object_new_object();
		struct json_object *before = find(last, get_text(o, "device"));

		json_object_object_add(to, "device", json_object_new_string(get_text(o, "device")));
		json_object_object_add(to, "domid", json_object_new_uint64(get_number(o, "domid")));
		json_object_object_foreach(get_member(o, "counters"), key, value)
		{
			uint64_t n = json_object_get_uint64(value), b = before ? get_number(before, key) : 0;

			json_object_object_add(c, key, json_object_new_uint64(n < b ? n : n - b));
		}
		json_object_object_add(to, "counters", c);
		json_object_array_add(list, to);
	}
	return list;
}

static void compute(struct figures *f, struct json_object *c, double seconds)
{
	double tx = (double)get_number(c, "tx_packets"), rx = (double)get_number(c, "rx_packets");
	double bytes = (double)get_number(c, "tx_bytes") + (double)get_number(c, "rx_bytes");
	double n = tx + rx > 0 ? tx + rx : 1;
	size_t at = 0;

	*f = (struct figures){
		.tx = tx / seconds,
		.rx = rx / seconds,
		.tx_gbits = (double)get_number(c, "tx_bytes") * 8e-9 / seconds,
		.rx_gbits = (double)get_number(c, "rx_bytes") * 8e-9 / seconds,
		.events = (double)get_number(c, "evtchn_calls") / n,
		.grants = (double)get_number(c, "gnt_calls") / n,
		.copies = (double)get_number(c, "copied") / (bytes > 0 ? bytes : 1),
		.idle = tx + rx <= 0,
		.dropped = "",
	};
	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
		unsigned long long lost = get_number(c, drops[i].counter);

		if (lost && at < sizeof(f->dropped))
			at += (size_t)snprintf(f->dropped + at, sizeof(f->dropped) - at, "%s%llu %s",
					       at ? ", " : "", lost, drops[i].reason);
	}
}

int netwatch_draw(struct json_object *since, double seconds, char *(*name_of)(void *, uint32_t), void *arg,
		  int max_rows)
{
	struct table t = table_start("llrrrrrrrl", "network", "guest", "tx pps", "rx pps", "tx Gb/s",
				     "rx Gb/s", "evt/pkt", "gnt/pkt", "copies", "dropped");

	for (size_t i = 0; i < json_object_array_length(since); i++) {
		struct json_object *o = json_object_array_get_idx(since, i);
		char *name = name_of(arg, (uint32_t)get_number(o, "domid"));
		struct figures f;

		compute(&f, get_member(o, "counters"), seconds);
		table_cell(&t, PLAIN, "%s", get_text(o, "device"));
		table_cell(&t, CYAN, "%s", name ? name : "?");
		table_cell(&t, PLAIN, "%7.0f", f.tx);
		table_cell(&t, PLAIN, "%7.0f", f.rx);
		table_cell(&t, PLAIN, "%7.2f", f.tx_gbits);
		table_cell(&t, PLAIN, "%7.2f", f.rx_gbits);
		table_cell(&t, f.idle ? DIM : PLAIN, f.idle ? "-" : "%.2f", f.events);
		table_cell(&t, f.idle ? DIM : PLAIN, f.idle ? "-" : "%.2f", f.grants);
		table_cell(&t, f.idle ? DIM : PLAIN, f.idle ? "-" : "%.1f", f.copies);
		table_cell(&t, *f.dropped ? RED : DIM, "%s", *f.dropped ? f.dropped : "0");
		free(name);
	}
	return table_end(&t, max_rows);
}

void netwatch_lines(struct json_object *since, double seconds, const char *clock,
		    char *(*name_of)(void *, uint32_t), void *arg)
{
	for (size_t i = 0; i < json_object_array_length(since); i++) {
		struct json_object *o = json_object_array_get_idx(since, i);
		char *name = name_of(arg, (uint32_t)get_number(o, "domid"));
		struct figures f;

		compute(&f, get_member(o, "counters"), seconds);
		printf("%s  %s  %-8s  %6.0f tx pps  %6.0f rx pps  %7.2f tx Gb/s  %7.2f rx Gb/s  "
		       "%.2f evt/pkt  %.2f gnt/pkt  %.1f copies  dropped %s\n",
		       clock, get_text(o, "device"), name ? name : "?", f.tx, f.rx, f.tx_gbits, f.rx_gbits,
		       f.events, f.grants, f.copies, *f.dropped ? f.dropped : "0");
		free(name);
	}
}
