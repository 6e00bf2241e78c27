/* SPDX-License-Identifier: MIT */
/*
 * Fault injection below the product: the n-th call of a drop-in function fails.
 *
 *   XENSPLIT_FAULT=gnttab.copy:7          the 7th copy call of this process fails
 *   XENSPLIT_FAULT=any:123                the 123rd call of any function
 *   XENSPLIT_FAULT=gnttab.map:2=12,...    with this errno; several with commas
 *   XENSPLIT_FAULT_LOG=FILE               every call appends "PID ANY-COUNT NAME NAME-COUNT"
 */
#include "common/lab/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES 48

static const char *spec, *log_path;
static int log_fd = -1;
static struct {
	const char *name;
	uint64_t count;
} names[NAMES];
static uint64_t any_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void fault_init(void)
{
	spec = getenv("XENSPLIT_FAULT");
	log_path = getenv("XENSPLIT_FAULT_LOG");
	if (log_path)
		log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* The errno if `spec` says that call number n of name fails, else 0. */
static int matches(const char *name, uint64_t n, int usual)
{
	size_t len = strlen(name);
	const char *p;
	char *end;

	for (p = spec; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		if (strncmp(p, name, len) || p[len] != ':')
			continue;
		if (strtoull(p + len + 1, &end, 10) == n)
			return *end == '=' ? atoi(end + 1) : usual;
	}
	return 0;
}

int lab_fault(const char *name, int usual)
{
	uint64_t n = 0, any;
	int err, i;

	if (!spec && log_fd < 0)
		return 0;
	pthread_mutex_lock(&lock);
	any = ++any_count;
	for (i = 0; i < NAMES; i++) {
		if (!names[i].name)
			names[i].name = name;
		if (!strcmp(names[i].name, name)) {
			n = ++names[i].count;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
	err = matches(name, n, usual);
	if (!err)
		err = matches("any", any, usual);
	if (log_fd >= 0)
		dprintf(log_fd, "%d %llu %s %llu%s\n", (int)getpid(), (unsigned long long)any, name,
			(unsigned long long)n, err ? " FAILS" : "");
	if (err)
		dprintf(2, "xensplit-lab: fault injected: call %llu of %s fails with %s\n",
			(unsigned long long)n, name, strerrorname_np(err));
	return err;
}

int lab_unknown(const char *name)
{
	static const char *seen[NAMES];
	int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < NAMES && seen[i] && strcmp(seen[i], name); i++)
		;
	if (i < NAMES && !seen[i]) {
		seen[i] = name;
		dprintf(2, "xensplit-lab: %s is not modelled: ENOSYS\n", name);
	}
	pthread_mutex_unlock(&lock);
	errno = ENOSYS;
	return -1;
}
