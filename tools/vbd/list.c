/* SPDX-License-Identifier: MIT */
/* xensplit-vbd list: the disks of this domain, as the store has them; opens none. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/devname.h"
#include "common/store.h"
#include "common/xenbus/fsm.h"
#include "tools/vbd/vbd.h"

static enum xsp_xenbus_state state_of(struct xsp_store *s, const char *dir)
{
	uint32_t v;

	if (xsp_store_read_u32(s, XBT_NULL, &v, "%s/state", dir) || v > XSP_XB_RECONFIGURED)
		return XSP_XB_UNKNOWN;
	return (enum xsp_xenbus_state)v;
}

static void line(struct xsp_store *s, const char *name, bool json, bool first)
{
	char front[XSP_STORE_PATH], vdev[XSP_VDEV_LEN], *back;
	uint32_t devid, backend_domid = 0, sector_bytes = 512;
	unsigned long long sectors = 0;
	const char *me, *peer;
	char *text;

	if (xsp_parse_u32(name, &devid))
		return;
	snprintf(front, sizeof(front), "device/vbd/%s", name);
	back = xsp_store_read(s, XBT_NULL, "%s/backend", front);
	xsp_store_read_u32(s, XBT_NULL, &backend_domid, "%s/backend-id", front);
	me = xsp_xenbus_state_name(state_of(s, front));
	peer = xsp_xenbus_state_name(back ? state_of(s, back) : XSP_XB_UNKNOWN);
	text = back ? xsp_store_read(s, XBT_NULL, "%s/sectors", back) : NULL;
	if (text)
		sectors = strtoull(text, NULL, 10);
	if (back)
		xsp_store_read_u32(s, XBT_NULL, &sector_bytes, "%s/sector-size", back);
	xsp_vdev_format(vdev, devid);
	if (json)
		printf("%s{\"device\":\"%s\",\"devid\":%u,\"backend_domid\":%u,\"frontend_state\":\"%s\","
		       "\"backend_state\":\"%s\",\"sectors\":%llu,\"sector_bytes\":%u}",
		       first ? "" : ",", vdev, devid, backend_domid, me, peer, sectors, sector_bytes);
	else if (text)
		printf("%-8s %9u %7u  %-12s %-12s %8.0f MiB\n", vdev, devid, backend_domid, me, peer,
		       (double)sectors / 2048);
	else
		printf("%-8s %9u %7u  %-12s %-12s %12s\n", vdev, devid, backend_domid, me, peer, "-");
	free(text);
	free(back);
}

int vbd_list(bool json)
{
	struct xsp_store s;
	unsigned int n = 0;
	char **names;

	if (xsp_store_open(&s)) {
		fprintf(stderr, "xensplit-vbd: can't reach the store: %s\n", strerror(errno));
		return VBD_UNREACHABLE;
	}
	names = xs_directory(s.xs, XBT_NULL, "device/vbd", &n);
	if (json)
		printf("[");
	else if (n)
		printf("%-8s %9s %7s  %-12s %-12s %12s\n", "DEVICE", "VBD", "BACKEND", "FRONTEND", "BACKEND",
		       "SIZE");
	for (unsigned int i = 0; i < n; i++)
		line(&s, names[i], json, i == 0);
	if (json)
		printf("]\n");
	else if (!n)
		fprintf(stderr, "xensplit-vbd: this domain has no PV disk\n");
	free(names);
	xsp_store_close(&s);
	return VBD_OK;
}
