/* SPDX-License-Identifier: MIT */
/* xensplit-vif list: the vifs of this domain, as the store has them; opens none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/store.h"
#include "common/xenbus/fsm.h"
#include "tools/vif/vif.h"

static enum xsp_xenbus_state state_of(struct xsp_store *s, const char *dir)
{
	uint32_t v;

	if (!dir || xsp_store_read_u32(s, XBT_NULL, &v, "%s/state", dir) || v > XSP_XB_RECONFIGURED)
		return XSP_XB_UNKNOWN;
	return (enum xsp_xenbus_state)v;
}

static void line(struct xsp_store *s, uint32_t devid, bool json, bool first)
{
	char front[XSP_STORE_PATH], *back, *mac;
	uint32_t backend_domid = 0;
	const char *me, *peer;

	snprintf(front, sizeof(front), "device/vif/%u", devid);
	back = xsp_store_read(s, XBT_NULL, "%s/backend", front);
	mac = xsp_store_read(s, XBT_NULL, "%s/mac", front);
	xsp_store_read_u32(s, XBT_NULL, &backend_domid, "%s/backend-id", front);
	me = xsp_xenbus_state_name(state_of(s, front));
	peer = xsp_xenbus_state_name(state_of(s, back));
	if (mac && strspn(mac, "0123456789abcdefABCDEF:") != strlen(mac))
		*mac = '\0';
	if (json)
		printf("%s{\"vif\":%u,\"mac\":\"%s\",\"backend_domid\":%u,\"frontend_state\":\"%s\","
		       "\"backend_state\":\"%s\"}",
		       first ? "" : ",", devid, mac ? mac : "", backend_domid, me, peer);
	else
		printf("%-4u %-17.17s %7u  %-12s %-12s\n", devid, mac ? mac : "-", backend_domid, me, peer);
	free(mac);
	free(back);
}

int vif_list(bool json)
{
	struct xsp_store s;
	unsigned int n = 0, shown = 0;
	uint32_t devid;
	char **names;

	if (xsp_store_open(&s)) {
		fprintf(stderr, "xensplit-vif: can't reach the store: %s\n", strerror(errno));
		return VIF_UNREACHABLE;
	}
	names = xs_directory(s.xs, XBT_NULL, "device/vif", &n);
	if (json)
		printf("[");
	else if (n)
		printf("%-4s %-17s %7s  %-12s %-12s\n", "VIF", "MAC", "BACKEND", "FRONTEND", "BACKEND");
	for (unsigned int i = 0; i < n; i++)
		if (!xsp_parse_u32(names[i], &devid))
			line(&s, devid, json, shown++ == 0);
	if (json)
		printf("]\n");
	else if (!n)
		fprintf(stderr, "xensplit-vif: this domain has no PV network card\n");
	free(names);
	xsp_store_close(&s);
	return VIF_OK;
}
