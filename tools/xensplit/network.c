/* SPDX-License-Identifier: MIT */
/*
 * xensplit network-attach, -detach, -list, in xl's words, and what list, show and stat say of network
 * devices.
 *
 * Source: xl-network-configuration(5); libxl's device nodes (libxl_nic.c, libxl_device.c).
 */
#include "tools/xensplit/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xenbus/fsm.h"
#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"

#define BACKEND_SECONDS 10 /* what every toolstack gives a backend to reach InitWait */

/* --- list -------------------------------------------------------------------------------------- */

static void add_text(struct json_object *o, const char *key, char *value)
{
	json_object_object_add(o, key, json_text(value));
	free(value);
}

static void add_number(struct json_object *o, const char *key, long n)
{
	json_object_object_add(o, key, n < 0 ? NULL : json_object_new_int64(n));
}

static struct json_object *describe(struct store *s, const struct device *d)
{
	struct json_object *o = json_object_new_object();
	struct states now = device_states(s, d);
	long queues = store_number(s, XBT_NULL, d->front, "multi-queue-num-queues", 1);
	const char *dir = queues > 1 ? "queue-0/" : "";
	char key[64];

	json_object_object_add(o, "device", json_object_new_string(d->id));
	add_number(o, "domid", d->domid);
	add_text(o, "domain", store_domain_name(s, d->domid));
	add_number(o, "devid", d->devid);
	add_text(o, "mac", store_read(s, XBT_NULL, d->front, "mac"));
	add_number(o, "backend", s->backend);
	add_number(o, "state", now.back);
	add_number(o, "peer_state", now.front);
	add_number(o, "queues", queues);
	snprintf(key, sizeof(key), "%sevent-channel-tx", dir);
	add_number(o, "evtchn", store_number(s, XBT_NULL, d->front, key, -1));
	if (!get_member(o, "evtchn")) {
		snprintf(key, sizeof(key), "%sevent-channel", dir);
		add_number(o, "evtchn", store_number(s, XBT_NULL, d->front, key, -1));
	}
	snprintf(key, sizeof(key), "%stx-ring-ref", dir);
	add_number(o, "tx_ring_ref", store_number(s, XBT_NULL, d->front, key, -1));
	snprintf(key, sizeof(key), "%srx-ring-ref", dir);
	add_number(o, "rx_ring_ref", store_number(s, XBT_NULL, d->front, key, -1));
	add_text(o, "bridge", store_read(s, XBT_NULL, d->back, "bridge"));
	add_text(o, "port", store_read(s, XBT_NULL, d->back, "port"));
	json_object_object_add(o, "backend_path", json_object_new_string(d->back));
	add_text(o, "error", device_error(s, d));
	return o;
}

struct json_object *network_list(struct store *s, long domid)
{
	struct json_object *list = json_object_new_array();
	struct device *all = NULL;
	int n = device_all_of(s, "vif", &all);

	for (int i = 0; i < n; i++)
		if (domid < 0 || all[i].domid == (uint32_t)domid)
			json_object_array_add(list, describe(s, &all[i]));
	free(all);
	return list;
}

static void cell_or_dash(struct table *t, struct json_object *o, const char *key)
{
	if (get_member(o, key))
		table_cell(t, PLAIN, "%s", get_text(o, key));
	else
		table_cell(t, DIM, "-");
}

static const char *state_name(struct json_object *o, const char *key)
{
	return xsp_xenbus_state_name((enum xsp_xenbus_state)get_number(o, key));
}

void network_print(struct json_object *list)
{
	struct table t = table_start("llrlrlrrrll", "Device", "Domain", "Idx", "Mac Addr.", "BE",
				     "state", "queues", "evt-ch", "tx-/rx-ring-ref", "bridge", "why");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		int state = (int)get_number(o, "state"), peer = (int)get_number(o, "peer_state");
		enum colour c = state == XSP_XB_CONNECTED ? GREEN :
				state >= XSP_XB_CLOSING	  ? RED : YELLOW;

		table_cell(&t, PLAIN, "%s", get_text(o, "device"));
		table_cell(&t, PLAIN, "%s", get_text(o, "domain"));
		table_cell(&t, PLAIN, "%s", get_text(o, "devid"));
		cell_or_dash(&t, o, "mac");
		table_cell(&t, PLAIN, "%s", get_text(o, "backend"));
		if (state == peer)
			table_cell(&t, c, "%s", state_name(o, "state"));
		else
			table_cell(&t, c, "%s/%s", state_name(o, "state"), state_name(o, "peer_state"));
		cell_or_dash(&t, o, "queues");
		cell_or_dash(&t, o, "evtchn");
		table_cell(&t, PLAIN, "%s/%s",
			   get_member(o, "tx_ring_ref") ? get_text(o, "tx_ring_ref") : "-",
			   get_member(o, "rx_ring_ref") ? get_text(o, "rx_ring_ref") : "-");
		cell_or_dash(&t, o, get_member(o, "bridge") ? "bridge" : "port");
		table_cell(&t, YELLOW, "%s", get_text(o, "error"));
	}
	table_end(&t, 0);
}

int cmd_network_list(struct call *call)
{
	struct store s = { 0 };
	struct json_object *list, *o;
	uint32_t domid = 0;
	int rc = store_open(call, &s);

	if (!rc && call->n_args)
		rc = store_domain(call, &s, call->args[0], &domid);
	if (rc) {
		store_close(&s);
		return rc;
	}
	list = network_list(&s, call->n_args ? (long)domid : -1);
	store_close(&s);
	if (call->json) {
		o = json_object_new_object();
		json_object_object_add(o, "devices", list);
		return print_json(o);
	}
	if (json_object_array_length(list))
		network_print(list);
	else
		note(call, "no network interfaces; `xensplit network-attach` makes one");
	json_object_put(list);
	return EXIT_OK;
}

/* --- show and stat ------------------------------------------------------------------------------ */

static void line(const char *key, const char *text)
{
	printf("  %s%-12s%s %s\n", paint(DIM), key, paint(PLAIN), text);
}

void network_show(struct json_object *o)
{
	char text[512];

	printf("%s%s%s  %s\n", paint(BOLD), get_text(o, "device"), paint(PLAIN), get_text(o, "mac"));
	snprintf(text, sizeof(text), "%s  %s%s%s", get_text(o, "port"), get_text(o, "ifname"),
		 *get_text(o, "bridge") ? " in " : "", get_text(o, "bridge"));
	line("port", text);
	snprintf(text, sizeof(text), "%s, guest %s%s", get_text(o, "state_name"),
		 get_text(o, "peer_state_name"),
		 json_object_get_boolean(get_member(o, "online")) ? "" : ", going offline");
	line("state", text);
	if (*get_text(o, "why"))
		line("why", get_text(o, "why"));
	if (get_number(o, "rate_bytes")) {
		snprintf(text, sizeof(text), "%s bytes in %s us", get_text(o, "rate_bytes"),
			 get_text(o, "rate_usecs"));
		line("rate", text);
	}
	if (json_object_get_boolean(get_member(o, "connected"))) {
		snprintf(text, sizeof(text), "for %s s, worker %s, taken over %s times",
			 get_text(o, "connected_seconds"), get_text(o, "worker"),
			 get_text(o, "adopted"));
		line("connected", text);
		snprintf(text, sizeof(text), "%s, grants %s and %s, guest's port %s",
			 get_text(o, "queues"), get_text(o, "tx_ring_ref"), get_text(o, "rx_ring_ref"),
			 get_text(o, "evtchn"));
		line("queues", text);
		line("takes", get_text(o, "features"));
	}
	json_object_object_foreach(get_member(o, "counters"), key, value)
	{
		if (json_object_get_uint64(value))
			line(key, json_object_get_string(value));
	}
}

static unsigned long long dropped(struct json_object *c)
{
	static const char *const keys[] = { "tx_malformed", "tx_short",	  "tx_length",	"tx_protocol",
					    "tx_fragment",  "tx_gso_bad", "tx_refused", "rx_too_big",
					    "rx_filtered",  "rx_stale" };
	unsigned long long n = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		n += get_number(c, keys[i]);
	return n;
}

void network_totals(struct json_object *vifs)
{
	struct table t = table_start("lrrrrrrrr", "device", "tx pkts", "tx", "rx pkts", "rx", "gso",
				     "evt/pkt", "gnt/pkt", "dropped");

	for (size_t i = 0; i < json_object_array_length(vifs); i++) {
		struct json_object *o = json_object_array_get_idx(vifs, i);
		struct json_object *c = get_member(o, "counters");
		unsigned long long tx = get_number(c, "tx_packets"), rx = get_number(c, "rx_packets");
		double n = tx + rx ? (double)(tx + rx) : 1;
		char text[16];

		table_cell(&t, PLAIN, "%s", get_text(o, "device"));
		table_cell(&t, PLAIN, "%llu", tx);
		table_cell(&t, PLAIN, "%s", human_bytes(text, get_number(c, "tx_bytes")));
		table_cell(&t, PLAIN, "%llu", rx);
		table_cell(&t, PLAIN, "%s", human_bytes(text, get_number(c, "rx_bytes")));
		table_cell(&t, PLAIN, "%llu", get_number(c, "tx_gso") + get_number(c, "rx_gso"));
		table_cell(&t, PLAIN, "%.2f", (double)get_number(c, "evtchn_calls") / n);
		table_cell(&t, PLAIN, "%.2f", (double)get_number(c, "gnt_calls") / n);
		table_cell(&t, dropped(c) ? RED : DIM, "%llu", dropped(c));
	}
	table_end(&t, 0);
}

/* --- attach ------------------------------------------------------------------------------------ */

/* Keys as xl takes them; what the node is called, where it goes. */
static const char *const keys[] = { "mac",  "bridge", "script",	 "ip",	"rate",
				    "mtu",  "vifname", "port", "devid" };
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

struct nic {
	struct device dev;
	const char *value[N_KEYS];
	char mac[18], rate[48];
	struct store *store;
};

static const char **value_of(struct nic *k, const char *key)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (!strcmp(keys[i], key))
			return &k->value[i];
	return NULL;
}

/* xl's words: "mac=..,bridge=xenbr0" as one argument or several. */
static int read_words(const struct call *call, struct nic *k)
{
	for (int i = 1; i < call->n_args; i++) {
		const char **value = NULL;
		char *save = NULL;

		for (char *word = strtok_r(call->args[i], ",", &save); word;
		     word = strtok_r(NULL, ",", &save)) {
			char *eq = strchr(word, '=');
			bool of_port = value && value == value_of(k, "port");

			if (eq)
				*eq = '\0';
			value = eq ? value_of(k, word) : NULL;
			if (!value && of_port) { /* an option of the port's: "port=pcap,in=FILE:" */
				value = value_of(k, "port");
				word[-1] = ',';
				if (eq)
					*eq = '=';
				continue;
			}
			if (!value)
				return usage_error(call, "'%s' is none of mac=, bridge=, script=, ip=, "
						   "rate=, mtu=, vifname=, port=, devid=", word);
			*value = eq + 1;
		}
	}
	return EXIT_OK;
}

/* A MAC of Xen's own prefix when none is given: from the ids, so that it is the same next time. */
static int choose_mac(const struct call *call, struct nic *k)
{
	const char *mac = *value_of(k, "mac");
	unsigned int b[6], n = 0;

	if (mac && (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
			   &n) != 6 || mac[n]))
		return usage_error(call, "'%s' is no MAC address such as 00:16:3e:01:02:03", mac);
	if (mac)
		snprintf(k->mac, sizeof(k->mac), "%s", mac);
	else
		snprintf(k->mac, sizeof(k->mac), "00:16:3e:%02x:%02x:%02x", k->dev.domid >> 8 & 0x7f,
			 k->dev.domid & 0xff, k->dev.devid & 0xff);
	return EXIT_OK;
}

/* xl's "10Mb/s", "1MB/s@20ms" as libxl writes it: bytes of an interval, and the interval in us. */
static int parse_rate(const char *text, char *ret, size_t len)
{
	static const struct {
		const char *unit;
		double bytes;
	} units[] = { { "GB/s", 1e9 }, { "MB/s", 1e6 }, { "KB/s", 1e3 }, { "B/s", 1 },
		      { "Gb/s", 1.25e8 }, { "Mb/s", 1.25e5 }, { "Kb/s", 125 }, { "b/s", 0.125 } };
	double per_second = 0, usecs = 50000;
	char *end;
	double n = strtod(text, &end);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && !(per_second > 0); i++) {
		size_t u = strlen(units[i].unit);

		if (strncmp(end, units[i].unit, u))
			continue;
		per_second = n * units[i].bytes;
		end += u;
	}
	if (*end == '@') {
		usecs = strtod(end + 1, &end);
		if (!strcmp(end, "ms"))
			usecs *= 1e3;
		else if (!strcmp(end, "s"))
			usecs *= 1e6;
		else if (strcmp(end, "us"))
			return -EINVAL;
		end = strchr(end, '\0');
	}
	if (!(per_second > 0) || per_second > 1e12 || !(usecs >= 1 && usecs <= 6e7) || *end)
		return -EINVAL;
	snprintf(ret, len, "%.0f,%.0f", per_second * usecs / 1e6, usecs);
	return 0;
}

static int make_dir(struct xsp_store *s, xs_transaction_t t, const char *path, uint32_t owner,
		    uint32_t reader)
{
	struct xs_permissions p[2] = { { .id = owner, .perms = XS_PERM_NONE },
				       { .id = reader, .perms = XS_PERM_READ } };

	return xs_mkdir(s->xs, t, path) && xs_set_permissions(s->xs, t, path, p, 2) ? 0 : -errno;
}

#define PUT(dir, key, ...)                                                  \
	do {                                                                \
		snprintf(path, sizeof(path), "%s/%s", dir, key);            \
		err = err ? err : xsp_store_write(s, t, path, __VA_ARGS__); \
	} while (0)

static int create(struct xsp_store *s, xs_transaction_t t, void *arg)
{
	struct nic *k = arg;
	const struct device *d = &k->dev;
	const char *script = *value_of(k, "script");
	uint32_t backend = k->store->backend;
	char path[2 * STORE_PATH], *there = store_read(k->store, t, d->back, "frontend-id");
	int err;

	free(there);
	if (there)
		return -EEXIST;
	err = make_dir(s, t, d->front, d->domid, backend);
	PUT(d->front, "backend", "%s", d->back);
	PUT(d->front, "backend-id", "%u", backend);
	PUT(d->front, "handle", "%u", d->devid);
	PUT(d->front, "mac", "%s", k->mac);
	if (*value_of(k, "mtu"))
		PUT(d->front, "mtu", "%s", *value_of(k, "mtu"));
	PUT(d->front, "trusted", "1");
	PUT(d->front, "state", "%d", XSP_XB_INITIALISING);
	err = err ? err : make_dir(s, t, d->back, backend, d->domid);
	PUT(d->back, "frontend", "%s", d->front);
	PUT(d->back, "frontend-id", "%u", d->domid);
	PUT(d->back, "handle", "%u", d->devid);
	PUT(d->back, "mac", "%s", k->mac);
	PUT(d->back, "type", "vif");
	for (size_t i = 1; i < N_KEYS - 1; i++)
		if (k->value[i])
			PUT(d->back, keys[i], "%s", strcmp(keys[i], "rate") ? k->value[i] : k->rate);
	if (script && *script)
		PUT(d->back, "hotplug-status", "%s", "");
	PUT(d->back, "online", "1");
	PUT(d->back, "state", "%d", XSP_XB_INITIALISING);
	return err;
}

static bool backend_ready(struct store *s, const struct device *d, struct states now)
{
	char *why = device_error(s, d);

	free(why);
	return why || now.back >= XSP_XB_INITWAIT;
}

static bool both_connected(struct store *s, const struct device *d, struct states now)
{
	(void)s, (void)d;
	return (now.back == XSP_XB_CONNECTED && now.front == XSP_XB_CONNECTED) ||
	       now.back >= XSP_XB_CLOSING;
}

static int report(const struct call *call, struct store *s, const struct nic *k)
{
	struct json_object *o = describe(s, &k->dev);

	if (call->json)
		return print_json(o);
	printf("%s attached: %s (%s)\n", k->dev.id, k->mac, state_name(o, "state"));
	json_object_put(o);
	return EXIT_OK;
}

/*
 * The toolstack's part of the bridge script: with script= xl would run it; here it is only said, since
 * without one the daemon brings the interface up and into its bridge itself.
 */
static int see_through(const struct call *call, struct store *s, const struct nic *k)
{
	const struct device *d = &k->dev;
	bool ready = device_wait(s, d, BACKEND_SECONDS, backend_ready);
	struct states now = device_states(s, d);
	char *why = device_error(s, d);
	int rc = why ? EXIT_FAILED : EXIT_TIMEOUT;

	if (!ready || now.back >= XSP_XB_CLOSING || why) {
		fail(call, (enum exit_code)rc, "%s: %s; the device was taken away again", d->id,
		     why ? why : "no backend took it: is xensplitd running there?");
		free(why);
		device_remove(s, d);
		return rc;
	}
	if (!option(call, "wait"))
		return report(call, s, k);
	device_wait(s, d, option_seconds(call, "wait", 30), both_connected);
	now = device_states(s, d);
	if (now.back != XSP_XB_CONNECTED)
		return fail(call, EXIT_TIMEOUT, "%s: backend is in state %s, the guest in %s; the device stays",
			    d->id, xsp_xenbus_state_name((enum xsp_xenbus_state)now.back),
			    xsp_xenbus_state_name((enum xsp_xenbus_state)now.front));
	return report(call, s, k);
}

/* The lowest number that is free, unless one is asked for. */
static uint32_t choose_devid(struct store *s, uint32_t domid, const char *asked)
{
	struct device d;
	uint32_t n = 0;

	if (asked)
		return (uint32_t)strtoul(asked, NULL, 10);
	do
		device_init_of(s, &d, "vif", domid, n++);
	while (device_exists(s, &d) && n < 1000);
	return n - 1;
}

int cmd_network_attach(struct call *call)
{
	struct store s = { 0 };
	struct nic k = { .store = &s };
	uint32_t domid = 0;
	int rc = read_words(call, &k), err;

	if (!rc && *value_of(&k, "rate") && parse_rate(*value_of(&k, "rate"), k.rate, sizeof(k.rate)))
		rc = usage_error(call, "'%s' is no rate such as 10Mb/s or 1MB/s@20ms",
				 *value_of(&k, "rate"));
	if (!rc)
		rc = store_open(call, &s);
	if (!rc)
		rc = store_domain(call, &s, call->args[0], &domid);
	if (!rc) {
		device_init_of(&s, &k.dev, "vif", domid,
			       choose_devid(&s, domid, *value_of(&k, "devid")));
		rc = choose_mac(call, &k);
	}
	if (!rc) {
		err = xsp_store_transact(&s.base, create, &k);
		if (err == -EEXIST)
			rc = fail(call, EXIT_FAILED, "%s is there already", k.dev.id);
		else if (err)
			rc = fail(call, err == -EACCES ? EXIT_DENIED : EXIT_FAILED, "%s: XenStore: %s",
				  k.dev.id, strerror(-err));
		else
			rc = see_through(call, &s, &k);
	}
	store_close(&s);
	return rc;
}

/* --- detach ------------------------------------------------------------------------------------ */

/* "DOMAIN 0" or "DOMAIN 00:16:3e:..", as xl has it, to "vif/D/N" in buf. */
static int name_device(const struct call *call, struct store *s, char *buf, size_t len)
{
	const char *which = call->n_args > 1 ? call->args[1] : "0";
	struct device *all = NULL;
	uint32_t domid = 0;
	int rc, n, found = -1;

	if (!strncmp(call->args[0], "vif/", 4)) {
		snprintf(buf, len, "%s", call->args[0]);
		return EXIT_OK;
	}
	rc = store_domain(call, s, call->args[0], &domid);
	if (rc)
		return rc;
	n = device_all_of(s, "vif", &all);
	for (int i = 0; i < n; i++) {
		char *mac = store_read(s, XBT_NULL, all[i].back, "mac"), number[16];

		snprintf(number, sizeof(number), "%u", all[i].devid);
		if (all[i].domid == domid && (!strcmp(which, number) || (mac && !strcasecmp(which, mac))))
			found = (int)all[i].devid;
		free(mac);
	}
	free(all);
	if (found < 0)
		return fail(call, EXIT_NOT_FOUND, "domain %u has no network interface %s", domid, which);
	snprintf(buf, len, "vif/%u/%d", domid, found);
	return EXIT_OK;
}

int cmd_network_detach(struct call *call)
{
	static char id[40];
	static char *args[1] = { id };
	struct store s = { 0 };
	int rc = store_open(call, &s);

	if (!rc)
		rc = name_device(call, &s, id, sizeof(id));
	store_close(&s);
	if (rc)
		return rc;
	call->args = args;
	call->n_args = 1;
	return cmd_detach(call);
}
