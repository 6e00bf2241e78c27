/* SPDX-License-Identifier: MIT */
/* What the backends for tests of frontends have alike: see side.h. */
#include "tests/lab/side.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *mode;
unsigned int domid, devid;
char be[128], fe[128];
struct xs_handle *xs;
xenevtchn_handle *evtchn;
xengnttab_handle *gnttab;

void side_open(int argc, char **argv, const char *class)
{
	if (argc != 4)
		errx(2, "usage: %s DOMID DEVID MODE", argv[0]);
	domid = (unsigned int)atoi(argv[1]);
	devid = (unsigned int)atoi(argv[2]);
	mode = argv[3];
	snprintf(be, sizeof(be), "/local/domain/0/backend/%s/%u/%u", class, domid, devid);
	snprintf(fe, sizeof(fe), "/local/domain/%u/device/%s/%u", domid, class, devid);
	xs = xs_open(0);
	evtchn = xenevtchn_open(NULL, 0);
	gnttab = xengnttab_open(NULL, 0);
	if (!xs || !evtchn || !gnttab)
		err(1, "open");
}

bool is(const char *name)
{
	return !strcmp(mode, name);
}

void put(const char *key, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", be, key);
	if (!xs_write(xs, XBT_NULL, path, value, (unsigned int)strlen(value)))
		err(1, "%s", path);
}

int get(const char *dir, const char *key, int missing)
{
	char path[256], *s;
	int v = missing;

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	s = xs_read(xs, XBT_NULL, path, NULL);
	if (s)
		v = (int)strtoul(s, NULL, 10);
	free(s);
	return v;
}

int side_wait(int a, int b, int seconds)
{
	for (int i = 0; i < seconds * 1000; i++) {
		int s = get(fe, "state", 0);

		if (s == a || s == b)
			return s;
		usleep(1000);
	}
	return -1;
}
