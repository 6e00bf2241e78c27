/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into xenstored, and nothing else: its two opens of /proc/xen files, which tell it the
 * event channel and the ring page of its own domain's kernel, are answered from the lab's
 * directory.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int open(const char *path, int flags, ...)
{
	const char *dir = getenv("XENSPLIT_LAB");
	char buf[128];
	mode_t mode = 0;
	va_list ap;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (dir && (!strcmp(path, "/proc/xen/xsd_port") || !strcmp(path, "/proc/xen/xsd_kva"))) {
		snprintf(buf, sizeof(buf), "%s/%s", dir, strrchr(path, '/') + 1);
		path = buf;
	}
	return openat(AT_FDCWD, path, flags, mode);
}
