/* SPDX-License-Identifier: MIT */
/* Loading libpcap: see pcap_api.h. */
#include "backend/port/pcap_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

struct xsp_pcap_api xsp_pcap_api;

int xsp_pcap_load(char *why, size_t why_len)
{
	static void *lib;
	const char *missing = NULL;
	void **field = (void **)&xsp_pcap_api, *l;

	if (lib)
		return 0;
	l = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL);
	if (!l)
		missing = "the library";
/* The table's order is the struct's; #name is not expanded, so it is libpcap's. */
#define LOAD(name)                                                                                  \
	if (l && !missing && !(*field++ = dlsym(l, #name)))                                         \
		missing = #name;
	XSP_PCAP_API(LOAD)
	if (!missing) {
		lib = l; /* for good */
		return 0;
	}
	snprintf(why, why_len, "pcap: libpcap.so.0.8 can't be used, it lacks %s: install libpcap0.8",
		 missing);
	return -ELIBACC;
}
