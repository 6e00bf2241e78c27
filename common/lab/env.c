/* SPDX-License-Identifier: MIT */
#include "common/lab/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XEN_BIN "/usr/lib/xen-4.17/bin"

static void prepend(const char *name, const char *a, const char *b)
{
	const char *old = getenv(name);
	char *text;

	if (old && !strncmp(old, a, strlen(a)) && strchr(":", old[strlen(a)]))
		return;
	if (asprintf(&text, "%s%s%s%s%s", a, b ? ":" : "", b ? b : "", old && *old ? ":" : "",
		     old ? old : "") < 0)
		return;
	setenv(name, text, 1);
	free(text);
}

void lab_env_set(const char *dir, const char *labdir, const char *bindir, unsigned int dom)
{
	char text[256];

	setenv("XENSPLIT_LAB", dir, 1);
	snprintf(text, sizeof(text), "%u", dom);
	setenv("XENSPLIT_DOM", text, 1);
	snprintf(text, sizeof(text), "%s/%u.xs", dir, dom);
	setenv("XENSTORED_PATH", text, 1);
	prepend("LD_LIBRARY_PATH", labdir, NULL);
	prepend("PATH", bindir, XEN_BIN);
}

int lab_env_dirs(char *labdir, char *bindir, size_t n)
{
	char exe[4096];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (len < 0)
		return -errno;
	exe[len] = '\0';
	slash = strrchr(exe, '/');
	*slash = '\0';
	if (snprintf(bindir, n, "%s", exe) >= (int)n)
		return -ENAMETOOLONG;
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	if (snprintf(labdir, n, "%s/lab", exe) >= (int)n)
		return -ENAMETOOLONG;
	if (access(labdir, X_OK) == 0)
		return 0;
	/* installed: PREFIX/bin and PREFIX/lib/xensplit/lab */
	if (snprintf(labdir, n, "%s/lib/xensplit/lab", exe) >= (int)n)
		return -ENAMETOOLONG;
	return access(labdir, X_OK) == 0 ? 0 : -ENOENT;
}
