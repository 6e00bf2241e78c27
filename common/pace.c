/* SPDX-License-Identifier: MIT */
/* "N/s@T": see pace.h. */
#include "common/pace.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_US 50000u
#define MAX_US     3600000000ull

/* Digits at *at, no more than max. */
static int number(const char **at, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (**at < '0' || **at > '9')
		return -EINVAL;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		n = n * 10 + (uint64_t)(**at - '0');
		if (n > max)
			return -EINVAL;
	}
	*ret = n;
	return 0;
}

static int scale(const char **at, uint64_t *n)
{
	static const char letters[] = "kMGT";
	const char *letter = **at == 'K' ? letters : **at ? strchr(letters, **at) : NULL;
	uint64_t factor = 1000;

	if (letter) {
		++*at;
		if (**at == 'i') {
			++*at;
			factor = 1024;
		}
		for (long i = 0; i <= letter - letters; i++) {
			*n *= factor;
			if (*n > XSP_PACE_MAX)
				return -EINVAL;
		}
	}
	if (**at == 'B')
		++*at;
	return 0;
}

static int interval(const char *at, uint64_t *us)
{
	if (number(&at, MAX_US, us))
		return -EINVAL;
	if (!strcmp(at, "s"))
		*us *= 1000000;
	else if (!strcmp(at, "ms"))
		*us *= 1000;
	else if (strcmp(at, "us"))
		return -EINVAL;
	return *us && *us <= MAX_US ? 0 : -EINVAL;
}

int xsp_pace_parse(const char *text, struct xsp_pace *ret)
{
	uint64_t n, us = DEFAULT_US;

	if (!*text || !strcmp(text, "none")) {
		*ret = (struct xsp_pace){ 0 };
		return 0;
	}
	if (number(&text, XSP_PACE_MAX, &n) || scale(&text, &n) || !n || strncmp(text, "/s", 2))
		return -EINVAL;
	text += 2;
	if (*text && (*text != '@' || interval(text + 1, &us)))
		return -EINVAL;
	ret->per_second = n;
	ret->burst = (uint64_t)(((unsigned __int128)n * us + 999999) / 1000000);
	return 0;
}
