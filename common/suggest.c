/* SPDX-License-Identifier: MIT */
/* Edit distance for "did you mean": see suggest.h. */
#include "common/suggest.h"

#include <string.h>

#define LONGEST 40

/* Optimal string alignment: insert, delete, replace and swap of neighbours cost one each. */
static unsigned int distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned int d[LONGEST + 1][LONGEST + 1];

	for (size_t i = 0; i <= na; i++)
		d[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= nb; j++)
		d[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			unsigned int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[na][nb];
}

struct xsp_suggest xsp_suggest_start(const char *word)
{
	return (struct xsp_suggest){.word = word, .distance = ~0u};
}

void xsp_suggest_try(struct xsp_suggest *s, const char *known)
{
	size_t nw = strlen(s->word), nk = strlen(known);
	unsigned int d, allowed = nk <= 3 ? 1 : nk <= 5 ? 2 : 3;

	if (!nw || nw > LONGEST || nk > LONGEST)
		return;
	d = distance(s->word, nw, known, nk);
	/* A beginning of the word counts as near: "att" for attach. */
	if (nw >= 2 && nw < nk && !strncmp(s->word, known, nw))
		d = 1;
	if (d > allowed || d >= s->distance)
		return;
	s->best = known;
	s->distance = d;
}
