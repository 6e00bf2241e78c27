/* SPDX-License-Identifier: MIT */
/* The guest's end of a device: see end.h. */
#include "tests/evil/end.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

/* --- the store ---------------------------------------------------------------------------------
 */

char *end_read(struct end *e, const char *dir, const char *key)
{
	char path[256];
	unsigned int len;

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	return xs_read(e->xs, XBT_NULL, path, &len);
}

int end_number(struct end *e, const char *dir, const char *key)
{
	char *value = end_read(e, dir, key);
	int n = value ? atoi(value) : -1;

	free(value);
	return n;
}

bool end_write_bytes(struct end *e, const char *key, const void *value, unsigned int len)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", e->fe, key);
	return xs_write(e->xs, XBT_NULL, path, value, len);
}

bool end_write(struct end *e, const char *key, const char *fmt, ...)
{
	char value[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	return end_write_bytes(e, key, value, (unsigned int)n);
}

void end_rm(struct end *e, const char *key)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", e->fe, key);
	xs_rm(e->xs, XBT_NULL, path);
}

int end_wait(struct end *e, unsigned int states, int ms)
{
	uint64_t until = now_ms() + (uint64_t)ms;
	int state;

	do {
		state = end_number(e, e->be, "state");
		if (state >= 0 && states & 1u << state)
			return state;
		sleep_ms(1);
	} while (now_ms() < until);
	return -1;
}

/* --- up and down -------------------------------------------------------------------------------
 */

int end_open(struct end *e, const char *class, uint32_t domid, uint32_t devid)
{
	char *be;

	e->domid = domid;
	e->devid = devid;
	e->xs = xs_open(0);
	e->xgs = xengntshr_open(NULL, 0);
	e->xce = xenevtchn_open(NULL, 0);
	if (!e->xs || !e->xgs || !e->xce)
		return -errno;
	snprintf(e->fe, sizeof(e->fe), "/local/domain/%u/device/%s/%u", domid, class, devid);
	be = end_read(e, e->fe, "backend");
	if (!be)
		return -ENODEV;
	snprintf(e->be, sizeof(e->be), "%s", be);
	free(be);
	return 0;
}

void end_free(struct end *e)
{
	xengntshr_close(e->xgs);
	xenevtchn_close(e->xce);
	xs_close(e->xs);
}

void end_close(struct end *e)
{
	int state = end_number(e, e->be, "state");

	if (state < 2 || state > 5)
		return;
	end_write(e, "state", "5");
	end_wait(e, 1u << 5 | 1u << 6 | 1u << 1, 3000);
	end_write(e, "state", "6");
	end_wait(e, 1u << 6 | 1u << 1, PATIENCE_MS);
}

bool end_begin(struct end *e, const char *const *keys, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		end_rm(e, keys[i]);
	end_write(e, "state", "1");
	return end_wait(e, 1u << 2, PATIENCE_MS) == 2;
}

/* --- the account -------------------------------------------------------------------------------
 */

static const char *current = "";
static uint64_t began;
static int failed_before;

void attack_begin(struct end *e, const char *name)
{
	current = name;
	began = now_ms();
	failed_before = e->failed;
}

bool expect(struct end *e, bool good, const char *fmt, ...)
{
	va_list args;

	if (good)
		return true;
	if (++e->failed > 20)
		return false;
	printf("WRONG %s: expected ", current);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	puts("");
	return false;
}

void say(const char *fmt, ...)
{
	va_list args;

	printf("      %s: ", current);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	puts("");
	fflush(stdout);
}

void attack_over(struct end *e)
{
	printf("%-5s %s (%llu ms)\n", e->failed == failed_before ? "ok" : "FAIL", current,
	       (unsigned long long)(now_ms() - began));
	fflush(stdout);
}
