/* SPDX-License-Identifier: MIT */
/*
 * "Did you mean ...?": the known word nearest to a mistyped one. For messages about command lines
 * and configuration files; not for anything a guest sends.
 */
#ifndef XSP_COMMON_SUGGEST_H
#define XSP_COMMON_SUGGEST_H

struct xsp_suggest {
	const char *word;
	const char *best; /* nearest candidate so far, or NULL when none is near */
	unsigned int distance;
};

/** xsp_suggest_start - look for what may have been meant by @word (kept, not copied) */
struct xsp_suggest xsp_suggest_start(const char *word);

/** xsp_suggest_try - offer one known word (kept, not copied); the nearest ends up in s->best */
void xsp_suggest_try(struct xsp_suggest *s, const char *known);

#endif
