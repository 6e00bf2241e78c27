/* SPDX-License-Identifier: MIT */
/* Loading libnbd: see nbd_api.h. */
#include "backend/target/nbd_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

struct xsp_nbd_api xsp_nbd_api;

int xsp_nbd_load(char *why, size_t why_len)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static void *lib;
	const char *missing = NULL;

	pthread_mutex_lock(&lock);
	if (!lib) {
		void *l = dlopen("libnbd.so.0", RTLD_NOW | RTLD_LOCAL), **field = (void **)&xsp_nbd_api;

		if (!l)
			missing = "the library";
/* The table's order is the struct's; #name is not expanded, so it is libnbd's. */
#define LOAD(name)                                                                                  \
	if (l && !missing && !(*field++ = dlsym(l, #name)))                                         \
		missing = #name;
		XSP_NBD_API(LOAD)
		if (!missing)
			lib = l; /* for good */
	}
	pthread_mutex_unlock(&lock);
	if (!missing)
		return 0;
	snprintf(why, why_len, "nbd: libnbd.so.0 can't be used, it lacks %s: install libnbd0", missing);
	return -ELIBACC;
}
