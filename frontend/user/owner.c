/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The owner node (owner.h). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/user/owner.h"

/* Start time of a process in clock ticks since boot; 0: there is no such process. */
static unsigned long long started(long pid)
{
	char path[64], text[1024], *p;
	unsigned long long ticks = 0;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		sscanf(p, " %llu", &ticks);
	return ticks;
}

void xsp_owner_text(char *text, size_t n)
{
	snprintf(text, n, "%ld %llu", (long)getpid(), started(getpid()));
}

long xsp_owner_alive(const char *text)
{
	unsigned long long ticks;
	long pid;

	if (!text || sscanf(text, "%ld %llu", &pid, &ticks) != 2 || pid <= 0)
		return 0;
	return started(pid) == ticks ? pid : 0;
}
