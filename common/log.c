/* SPDX-License-Identifier: MIT */
/* One line a message: see log.h. */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int log_level = XSP_LOG_INFO;
static bool log_timestamps = true;
static const char *const level_names[] = { "err", "warn", "info", "debug" };

void xsp_log_set_level(enum xsp_log_level level)
{
	__atomic_store_n(&log_level, (int)level, __ATOMIC_RELAXED);
}

enum xsp_log_level xsp_log_get_level(void)
{
	return (enum xsp_log_level)__atomic_load_n(&log_level, __ATOMIC_RELAXED);
}

int xsp_log_parse_level(const char *name, enum xsp_log_level *ret)
{
	for (unsigned int i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(name, level_names[i]))
			continue;
		*ret = (enum xsp_log_level)i;
		return 0;
	}
	return -EINVAL;
}

void xsp_log_set_timestamps(bool on)
{
	log_timestamps = on;
}

void xsp_log(enum xsp_log_level level, const char *device, const char *fmt, ...)
{
	int saved = errno, n = 0;
	char line[1024];
	struct timespec now;
	struct tm tm;
	va_list args;
	ssize_t wrote;

	if (level > xsp_log_get_level())
		return;
	if (log_timestamps) {
		clock_gettime(CLOCK_REALTIME, &now);
		localtime_r(&now.tv_sec, &tm);
		n = (int)strftime(line, sizeof(line), "%F %T", &tm);
		n += snprintf(line + n, sizeof(line) - (size_t)n, ".%03ld ", now.tv_nsec / 1000000);
	}
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%-5s %s%s", level_names[level],
		      device ? device : "", device ? ": " : "");
	va_start(args, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	/* Guests' strings reach messages: nothing but printable text goes out (terminal escapes). */
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	wrote = write(STDERR_FILENO, line, (size_t)n); /* one write: lines of threads do not mix */
	(void)wrote;
	errno = saved;
}

bool xsp_log_allowed(struct xsp_log_limit *limit)
{
	const uint32_t burst = 10;
	struct timespec now;
	uint64_t s;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	s = (uint64_t)now.tv_sec;
	if (limit->used && s > limit->refilled_s) {
		uint64_t refill = s - limit->refilled_s;

		limit->used -= refill < limit->used ? (uint32_t)refill : limit->used;
	}
	limit->refilled_s = s;
	if (limit->used >= burst) {
		limit->dropped++;
		return false;
	}
	limit->used++;
	return true;
}

void xsp_log_limited(struct xsp_log_limit *limit, enum xsp_log_level level, const char *device,
		     const char *text)
{
	if (limit->dropped)
		xsp_log(level, device, "%s (%u lines like this were left out before)", text,
			limit->dropped);
	else
		xsp_log(level, device, "%s", text);
	limit->dropped = 0;
}
