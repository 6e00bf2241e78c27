/* SPDX-License-Identifier: MIT */
/* The table of targets and the reading of target specs. */
#include "backend/target/target.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/suggest.h"

static const struct xsp_target_ops *const targets[] = {
	&xsp_target_file,
	&xsp_target_null,
	&xsp_target_mem,
	&xsp_target_rbd,
	&xsp_target_delay,
	&xsp_target_error,
	&xsp_target_log,
	&xsp_target_sectors,
	&xsp_target_e512,
	&xsp_target_nbd,
	&xsp_target_nbd_unix,
	&xsp_target_qcow2,
	&xsp_target_vmdk,
	&xsp_target_vhdx,
	&xsp_target_vpc,
	&xsp_target_qed,
};
#define N_TARGETS (sizeof(targets) / sizeof(targets[0]))

static int unknown_scheme(const char *spec, int len, char *why, size_t why_len)
{
	struct xsp_suggest near;
	char word[41];
	int n;

	snprintf(word, sizeof(word), "%.*s", len, spec);
	near = xsp_suggest_start(word);
	for (size_t i = 0; i < N_TARGETS; i++)
		xsp_suggest_try(&near, targets[i]->name);
	n = snprintf(why, why_len, "unknown target '%s'%s%s%s; known:", word,
		     near.best ? ", did you mean '" : "", near.best ? near.best : "",
		     near.best ? "'?" : "");
	for (size_t i = 0; i < N_TARGETS && n > 0 && (size_t)n < why_len; i++) {
		/* what doesn't fit is not begun: docs/targets.md has them all */
		bool fits = (size_t)n + strlen(targets[i]->usage) + sizeof(", , ...") <= why_len;

		n += snprintf(why + n, why_len - (size_t)n, "%s %s", i ? "," : "",
			      fits ? targets[i]->usage : "...");
		if (!fits)
			break;
	}
	return -EINVAL;
}

int xsp_target_open(const char *spec, const struct xsp_target_wish *wish, struct xsp_target **ret,
		    char *why, size_t why_len)
{
	size_t name_len = strcspn(spec, ",:");
	const char *colon = strchr(spec, ':');
	char opts[256] = "";

	if (spec[0] == '/')
		return xsp_target_file.open("", spec, wish, ret, why, why_len);
	if (!colon)
		return unknown_scheme(spec, (int)strnlen(spec, 40), why, why_len);
	if (spec[name_len] == ',') {
		size_t n = (size_t)(colon - spec) - name_len - 1;

		if (n >= sizeof(opts)) {
			snprintf(why, why_len, "the options of target '%.20s' are too long", spec);
			return -EINVAL;
		}
		memcpy(opts, spec + name_len + 1, n);
		opts[n] = '\0';
	}
	for (size_t i = 0; i < N_TARGETS; i++) {
		int err;

		if (strlen(targets[i]->name) != name_len ||
		    strncmp(targets[i]->name, spec, name_len))
			continue;
		err = targets[i]->open(opts, colon + 1, wish, ret, why, why_len);
		if (!err)
			assert((*ret)->size_bytes % (*ret)->sector_size == 0);
		return err;
	}
	return unknown_scheme(spec, (int)name_len, why, why_len);
}

void xsp_target_close(struct xsp_target *t)
{
	if (t)
		t->ops->close(t);
}

uint64_t xsp_target_size(struct xsp_target *t)
{
	uint64_t size = t->ops->size ? t->ops->size(t) : t->inner ? xsp_target_size(t->inner) :
								    t->size_bytes;

	return size - size % t->sector_size;
}

bool xsp_target_can_truncate(const struct xsp_target *t)
{
	while (!t->ops->truncate && t->inner)
		t = t->inner;
	return t->ops->truncate;
}

int xsp_target_truncate(struct xsp_target *t, uint64_t bytes)
{
	while (!t->ops->truncate && t->inner)
		t = t->inner;
	return t->ops->truncate ? t->ops->truncate(t, bytes) : -EOPNOTSUPP;
}

void xsp_target_resize(struct xsp_target *t)
{
	uint64_t size = xsp_target_size(t);

	if (t->inner)
		xsp_target_resize(t->inner);
	t->size_bytes = size;
}

/* --- closing ----------------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t fewer;
	unsigned int n;
} closing = { .lock = PTHREAD_MUTEX_INITIALIZER, .fewer = PTHREAD_COND_INITIALIZER };

void xsp_target_closing(void)
{
	pthread_mutex_lock(&closing.lock);
	closing.n++;
	pthread_mutex_unlock(&closing.lock);
}

void xsp_target_closed(void)
{
	pthread_mutex_lock(&closing.lock);
	closing.n--;
	pthread_cond_broadcast(&closing.fewer);
	pthread_mutex_unlock(&closing.lock);
}

void xsp_target_await_closed(unsigned int seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&closing.lock);
	while (closing.n && !pthread_cond_timedwait(&closing.fewer, &closing.lock, &until))
		;
	pthread_mutex_unlock(&closing.lock);
}

/* --- specs ------------------------------------------------------------------------------------- */

bool xsp_target_opt(const char *opts, const char *name, char *buf, size_t len)
{
	size_t name_len = strlen(name);

	for (const char *p = opts; *p;) {
		size_t word = strcspn(p, ",");

		if (word >= name_len && !strncmp(p, name, name_len) &&
		    (word == name_len || p[name_len] == '=')) {
			const char *value = word == name_len ? p + word : p + name_len + 1;

			snprintf(buf, len, "%.*s", (int)(p + word - value), value);
			return true;
		}
		p += word + (p[word] == ',');
	}
	return false;
}

/* The word of a comma separated list that was meant by a mistyped one: in buf; "" when none is near. */
static void nearest(const char *word, const char *known, char *buf, size_t len)
{
	struct xsp_suggest near = xsp_suggest_start(word);
	char words[16][32];
	unsigned int n = 0;

	for (const char *p = known; *p && n < 16; n++) {
		size_t w = strcspn(p, ",");

		snprintf(words[n], sizeof(words[n]), "%.*s", (int)w, p);
		xsp_suggest_try(&near, words[n]);
		p += w + (p[w] == ',');
	}
	snprintf(buf, len, "%s", near.best ? near.best : "");
}

int xsp_target_check_opts(const char *scheme, const char *opts, const char *known, char *why,
			  size_t why_len)
{
	char word[64], ignored[64], meant[32];

	for (const char *p = opts; *p;) {
		size_t len = strcspn(p, ",");

		snprintf(word, sizeof(word), "%.*s", (int)strcspn(p, ",="), p);
		if (!xsp_target_opt(known, word, ignored, sizeof(ignored))) {
			nearest(word, known, meant, sizeof(meant));
			snprintf(why, why_len, "target '%s' has no option '%s'%s%s%s; it has: %s",
				 scheme, word, *meant ? ", did you mean '" : "", meant,
				 *meant ? "'?" : "", *known ? known : "none");
			return -EINVAL;
		}
		p += len + (p[len] == ',');
	}
	return 0;
}

int xsp_target_number(const char *scheme, const char *opts, const char *name, unsigned long least,
		      unsigned long most, unsigned long *ret, char *why, size_t why_len)
{
	unsigned long n;
	char v[32], *end;

	if (!xsp_target_opt(opts, name, v, sizeof(v)))
		return 0;
	n = strtoul(v, &end, 10);
	if (*v < '0' || *v > '9' || *end || n < least || n > most) {
		snprintf(why, why_len, "%s: %s is a number from %lu to %lu, not '%s'", scheme, name,
			 least, most, v);
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

int xsp_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGTP";
	unsigned long long n;
	unsigned int shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		const char *unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end);

		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (n > (unsigned long long)INT64_MAX >> shift)
		return -ERANGE;
	*ret_bytes = (uint64_t)n << shift;
	return 0;
}
