/* SPDX-License-Identifier: MIT */
/* xensplit throttle: limits and weight of a disk, or limits of all disks of a guest; in XenStore. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pace.h"
#include "tools/xensplit/client.h"
#include "tools/xensplit/out.h"
#include "tools/xensplit/store.h"

#define MAX_WEIGHT 10000

enum { IOPS, BYTES, WEIGHT, KEYS };

static const char *const names[KEYS] = {"iops", "bytes", "weight"};

/* Whose: a device, or a guest; and what is to be written. */
struct subject {
	char id[64], dir[STORE_PATH];
	bool is_guest;
	bool is_vif; /* it has xl's own node, `rate`, and no other limit */
	const char *value[KEYS]; /* NULL: as it is; "none": no node */
};

static int parse_subject(struct call *call, struct store *s, struct subject *t)
{
	const char *arg = call->args[0];
	struct device d;
	uint32_t domid;
	int rc;

	t->is_guest = !strncmp(arg, "guest/", 6);
	if (!t->is_guest) {
		rc = device_parse(call, s, arg, &d);
		if (!rc && !device_exists(s, &d))
			rc = fail(call, EXIT_NOT_FOUND,
				  "there is no %s; `xensplit list` shows what is there", d.id);
		if (!rc) {
			snprintf(t->id, sizeof(t->id), "%s", d.id);
			snprintf(t->dir, sizeof(t->dir), "%s", d.back);
			t->is_vif = !strncmp(d.id, "vif/", 4);
		}
		return rc;
	}
	rc = store_domain(call, s, arg + 6, &domid);
	if (rc)
		return rc;
	snprintf(t->id, sizeof(t->id), "guest/%u", domid);
	device_init(s, &d, domid, 0);
	*strrchr(d.back, '/') = '\0'; /* the directory of its devices */
	snprintf(t->dir, sizeof(t->dir), "%s", d.back);
	return EXIT_OK;
}

static int check_weight(const struct call *call, const char *value)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (!strcmp(value, "none") || (*value >= '0' && *value <= '9' && !*end && n >= 1 && n <= MAX_WEIGHT))
		return EXIT_OK;
	return usage_error(call, "weight: '%s' is not a number from 1 to %d", value, MAX_WEIGHT);
}

static int parse_setting(const struct call *call, struct subject *t, const char *arg)
{
	size_t len = strcspn(arg, "=");
	struct xsp_pace pace;

	for (int i = 0; arg[len] && i < KEYS; i++) {
		const char *value = arg + len + 1;

		if (strlen(names[i]) != len || strncmp(names[i], arg, len))
			continue;
		if (i != BYTES && t->is_vif)
			return usage_error(call, "a network interface has a limit of bytes= only");
		if (i == WEIGHT && t->is_guest)
			return usage_error(call, "a guest has no weight, its disks do");
		if (i == WEIGHT && check_weight(call, value))
			return EXIT_USAGE;
		if (i != WEIGHT && (!*value || strlen(value) > 31 || xsp_pace_parse(value, &pace)))
			return usage_error(call, "%s: '%s' is not like 1000/s, 10MB/s@100ms or none",
					   names[i], value);
		t->value[i] = value;
		return EXIT_OK;
	}
	return usage_error(call, "'%s' is none of iops=, bytes=, weight=", arg);
}

/* As libxl writes it: bytes of an interval, and the interval in microseconds. */
static int write_rate(struct xsp_store *s, xs_transaction_t x, const struct subject *t)
{
	char path[2 * STORE_PATH];
	struct xsp_pace pace;

	snprintf(path, sizeof(path), "%s/rate", t->dir);
	if (xsp_pace_parse(t->value[BYTES], &pace) || !pace.per_second)
		return xsp_store_write(s, x, path, "%s", ""); /* no node would be no change to see */
	return xsp_store_write(s, x, path, "%llu,%llu", (unsigned long long)pace.burst,
			       (unsigned long long)((double)pace.burst * 1e6 / (double)pace.per_second));
}

static int show_rate(const struct call *call, struct store *s, const struct subject *t)
{
	char *rate = store_read(s, XBT_NULL, t->dir, "rate"), *comma = rate ? strchr(rate, ',') : NULL;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "subject", json_text(t->id));
	json_object_object_add(o, "rate", comma ? json_text(rate) : NULL);
	if (comma)
		*comma++ = '\0';
	if (!call->json && comma)
		printf("%s: %s bytes in %s us\n", t->id, rate, comma);
	else if (!call->json)
		printf("%s: no limit\n", t->id);
	free(rate);
	if (call->json)
		return print_json(o);
	json_object_put(o);
	return EXIT_OK;
}

/* One transaction: who reads limits sees all of them or none. */
static int write_nodes(struct xsp_store *s, xs_transaction_t x, void *arg)
{
	const struct subject *t = arg;
	int rc = 0;

	if (t->is_vif)
		return write_rate(s, x, t);
	for (int i = 0; !rc && i < KEYS; i++) {
		char path[2 * STORE_PATH];

		if (!t->value[i])
			continue;
		snprintf(path, sizeof(path), "%s/xensplit-%s", t->dir, names[i]);
		rc = strcmp(t->value[i], "none") ? xsp_store_write(s, x, path, "%s", t->value[i]) :
						   xsp_store_rm(s, x, path);
	}
	return rc;
}

static int show(const struct call *call, struct store *s, const struct subject *t)
{
	struct json_object *o = json_object_new_object();
	char key[32];

	json_object_object_add(o, "subject", json_text(t->id));
	for (int i = 0; i < KEYS; i++) {
		char *value;

		if (i == WEIGHT && t->is_guest)
			continue;
		snprintf(key, sizeof(key), "xensplit-%s", names[i]);
		value = store_read(s, XBT_NULL, t->dir, key);
		if (call->json)
			json_object_object_add(o, names[i], json_text(value));
		else
			printf("%s%s %s", i ? ", " : t->id, i ? names[i] : ": iops",
			       value ? value : i == WEIGHT ? "100" : "none");
		free(value);
	}
	if (call->json)
		return print_json(o);
	putchar('\n');
	json_object_put(o);
	return EXIT_OK;
}

int cmd_throttle(struct call *call)
{
	struct subject t = {.is_guest = false};
	struct store s = {0};
	int rc = store_open(call, &s), err;

	if (!rc)
		rc = parse_subject(call, &s, &t);
	for (int i = 1; !rc && i < call->n_args; i++)
		rc = parse_setting(call, &t, call->args[i]);
	if (!rc && call->n_args > 1) {
		err = xsp_store_transact(&s.base, write_nodes, &t);
		if (err)
			rc = fail(call, err == -EACCES ? EXIT_DENIED : EXIT_FAILED, "%s: XenStore: %s",
				  t.id, strerror(-err));
	}
	if (!rc)
		rc = t.is_vif ? show_rate(call, &s, &t) : show(call, &s, &t);
	store_close(&s);
	return rc;
}
