/* SPDX-License-Identifier: MIT */
/* Who is alive: see domains.h. */
#include <xenctrl.h>

#include <errno.h>
#include <stdio.h>

#include "backend/domains.h"

static bool is_dead(xc_interface *xc, uint32_t domid)
{
	xc_dominfo_t info;
	int n = xc_domain_getinfo(xc, domid, 1, &info);

	/* It answers with the first domain at or above domid. A question that failed says nothing. */
	if (n != 1)
		return n == 0 || errno == ESRCH;
	return info.domid != domid || info.dying;
}

static bool is_gone(struct xs_handle *xs, uint32_t domid)
{
	errno = 0;
	return !xs_is_domain_introduced(xs, domid) && !errno;
}

void xsp_domains_dead(struct xs_handle *xs, const uint32_t *domid, unsigned int n, bool *dead)
{
	xentoollog_logger *quiet =
		(xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
	xc_interface *xc = xc_interface_open(quiet, quiet, 0);

	for (unsigned int i = 0; i < n; i++)
		dead[i] = xc ? is_dead(xc, domid[i]) : is_gone(xs, domid[i]);
	if (xc)
		xc_interface_close(xc);
	if (quiet)
		xtl_logger_destroy(quiet);
}
