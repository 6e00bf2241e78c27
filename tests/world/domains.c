/* SPDX-License-Identifier: MIT */
/* world-domains: the domains as libxenctrl sees them, "DOMID alive" or "DOMID dying". */
#include <stdio.h>
#include <xenctrl.h>

int main(void)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	xc_dominfo_t info[64];
	int i, n = xc ? xc_domain_getinfo(xc, 0, 64, info) : -1;

	for (i = 0; i < n; i++)
		printf("%u %s\n", info[i].domid, info[i].dying ? "dying" : "alive");
	if (xc)
		xc_interface_close(xc);
	return n < 0;
}
