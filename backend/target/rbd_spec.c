/* SPDX-License-Identifier: MIT */
/* Specs of Ceph images, from text to struct: see rbd_spec.h. */
#include "backend/target/rbd_spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/target/target.h"

static int refuse(char *why, size_t why_len, const char *text)
{
	snprintf(why, why_len, "rbd: %s; it goes rbd[,conf=PATH][,id=NAME]:pool/image[@snapshot]", text);
	return -EINVAL;
}

/*
 * The word at *p, up to one of the characters in stops or the end; *ret_stop is that character, or 0. The
 * word is unescaped and ended in place; *p goes behind the stop.
 */
static char *word(char **p, const char *stops, char *ret_stop)
{
	char *begin = *p, *to = begin, *from = begin;

	while (*from && !strchr(stops, *from)) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from++;
	}
	*ret_stop = *from;
	*p = *from ? from + 1 : from;
	*to = '\0';
	return begin;
}

static int settings(char *p, struct xsp_rbd_spec *s, char *why, size_t why_len)
{
	while (*p) {
		char stop, *name = word(&p, "=:", &stop), *value;

		if (stop != '=')
			return refuse(why, why_len, "an option after the image has no '='");
		value = word(&p, ":", &stop);
		if (!strcmp(name, "id")) {
			s->id = value;
		} else if (!strcmp(name, "conf")) {
			s->conf = value;
		} else if (s->n_options == XSP_RBD_OPTIONS) {
			return refuse(why, why_len, "too many options after the image");
		} else {
			s->option[s->n_options].name = name;
			s->option[s->n_options++].value = value;
		}
	}
	return 0;
}

int xsp_rbd_parse(const char *opts, const char *rest, struct xsp_rbd_spec *ret, char *why,
		  size_t why_len)
{
	char stop, *p = ret->text;
	int err = xsp_target_check_opts("rbd", opts, "conf,id", why, why_len);

	if (err)
		return err;
	memset(ret, 0, sizeof(*ret));
	if (strlen(rest) >= sizeof(ret->text))
		return refuse(why, why_len, "this is too long");
	memcpy(ret->text, rest, strlen(rest) + 1);
	if (xsp_target_opt(opts, "conf", ret->conf_option, sizeof(ret->conf_option)))
		ret->conf = ret->conf_option;
	if (xsp_target_opt(opts, "id", ret->id_option, sizeof(ret->id_option)))
		ret->id = ret->id_option;
	ret->nspace = ret->snap = "";
	ret->pool = word(&p, "/@:", &stop);
	if (stop != '/')
		return refuse(why, why_len, "pool or image is missing");
	ret->image = word(&p, "/@:", &stop);
	if (stop == '/') {
		ret->nspace = ret->image;
		ret->image = word(&p, "/@:", &stop);
	}
	if (stop == '@')
		ret->snap = word(&p, "/@:", &stop);
	if (!*ret->pool || !*ret->image || (stop && stop != ':'))
		return refuse(why, why_len, "pool or image is missing");
	return settings(p, ret, why, why_len);
}
