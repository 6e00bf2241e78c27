/* SPDX-License-Identifier: MIT */
/* Specs of NBD servers, from text to struct: see nbd_spec.h. */
#include "backend/target/nbd_spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/target/target.h"

static int refuse(char *why, size_t why_len, const char *scheme, const char *text)
{
	snprintf(why, why_len,
		 "%s: %s; it goes nbd:unix:/path[:export], nbd://host[:port][/export] or "
		 "nbd+unix:///[export]?socket=/path", scheme, text);
	return -EINVAL;
}

/* Copy n bytes of a URI, %41 decoded; false when they don't fit or decode to a NUL. */
static bool decode(char *to, size_t len, const char *from, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		char hex[3] = "", *end, c = from[i];

		if (c == '%') {
			if (n - i < 3)
				return false;
			memcpy(hex, from + i + 1, 2);
			c = (char)strtoul(hex, &end, 16);
			if (*end || !isxdigit((unsigned char)hex[0]) || !c)
				return false;
			i += 2;
		}
		if (used + 1 >= len)
			return false;
		to[used++] = c;
	}
	to[used] = '\0';
	return true;
}

static bool copy(char *to, size_t len, const char *from, size_t n)
{
	if (n >= len)
		return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

/* host, host:port, [::1], [::1]:port */
static bool authority(struct xsp_nbd_spec *s, const char *p, size_t n)
{
	const char *end = p + n, *colon;

	snprintf(s->port, sizeof(s->port), "10809");
	if (n && *p == '[') {
		const char *close = memchr(p, ']', n);

		if (!close || !copy(s->host, sizeof(s->host), p + 1, (size_t)(close - p - 1)))
			return false;
		colon = close + 1;
		if (colon == end)
			return *s->host;
		if (*colon != ':')
			return false;
	} else {
		colon = memchr(p, ':', n);
		if (!copy(s->host, sizeof(s->host), p, colon ? (size_t)(colon - p) : n))
			return false;
	}
	if (colon && !copy(s->port, sizeof(s->port), colon + 1, (size_t)(end - colon - 1)))
		return false;
	return *s->host && *s->port && s->port[strspn(s->port, "0123456789")] == '\0';
}

/* What follows "nbd:" or "nbd+unix:" of a URI. */
static int uri(const char *scheme, bool is_unix, const char *p, struct xsp_nbd_spec *s, char *why,
	       size_t why_len)
{
	size_t n, path;
	const char *query;

	p += 2;
	n = strcspn(p, "/?");
	if (is_unix ? n != 0 : !authority(s, p, n))
		return refuse(why, why_len, scheme, is_unix ? "a Unix socket has no host" :
							      "host or port make no sense");
	p += n;
	path = strcspn(p, "?");
	if (!decode(s->export, sizeof(s->export), p + (*p == '/'), path - (path && *p == '/')))
		return refuse(why, why_len, scheme, "the export's name is too long or badly encoded");
	query = p[path] == '?' ? p + path + 1 : "";
	if (!is_unix)
		return *query ? refuse(why, why_len, scheme, "a host takes no '?'") : 0;
	if (strncmp(query, "socket=/", 8) || strchr(query, '&'))
		return refuse(why, why_len, scheme, "the path of the socket is missing");
	if (!decode(s->path, sizeof(s->path), query + 7, strlen(query + 7)))
		return refuse(why, why_len, scheme, "the socket's path is longer than 107 bytes");
	return 0;
}

/* /path, /path:export, /path:exportname=export (as QEMU writes it) */
static int unix_path(const char *p, struct xsp_nbd_spec *s, char *why, size_t why_len)
{
	size_t n = strcspn(p, ":");
	const char *export = p[n] ? p + n + 1 : "";

	if (*p != '/')
		return refuse(why, why_len, "nbd", "give the socket's absolute path");
	if (!copy(s->path, sizeof(s->path), p, n))
		return refuse(why, why_len, "nbd", "the socket's path is longer than 107 bytes");
	if (!strncmp(export, "exportname=", 11))
		export += 11;
	if (!copy(s->export, sizeof(s->export), export, strlen(export)))
		return refuse(why, why_len, "nbd", "the export's name is too long");
	return 0;
}

static int options(const char *scheme, const char *opts, struct xsp_nbd_spec *s, char *why,
		   size_t why_len)
{
	unsigned long conns = 1, timeout = 0, give_up = 0;
	char v[8];
	int err = xsp_target_check_opts(scheme, opts, "conns,timeout,give-up,fua", why, why_len);

	if (!err)
		err = xsp_target_number(scheme, opts, "conns", 1, XSP_NBD_CONNS, &conns, why, why_len);
	if (!err)
		err = xsp_target_number(scheme, opts, "timeout", 0, 86400, &timeout, why, why_len);
	if (!err)
		err = xsp_target_number(scheme, opts, "give-up", 0, 86400, &give_up, why, why_len);
	s->conns = (unsigned int)conns;
	s->timeout_s = (uint32_t)timeout;
	s->give_up_s = (uint32_t)give_up;
	s->fua = xsp_target_opt(opts, "fua", v, sizeof(v));
	return err;
}

int xsp_nbd_parse(const char *scheme, const char *opts, const char *rest, struct xsp_nbd_spec *ret,
		  char *why, size_t why_len)
{
	bool is_unix = !strcmp(scheme, "nbd+unix");
	int err;

	memset(ret, 0, sizeof(*ret));
	err = options(scheme, opts, ret, why, why_len);
	if (err)
		return err;
	if (!strncmp(rest, "nbd+unix:", 9)) {
		is_unix = true;
		rest += 9;
	} else if (!strncmp(rest, "nbd:", 4)) {
		rest += 4;
	} else if (!strncmp(rest, "nbds", 4)) {
		return refuse(why, why_len, scheme, "TLS is not supported, use a tunnel");
	}
	if (!strncmp(rest, "//", 2))
		err = uri(scheme, is_unix, rest, ret, why, why_len);
	else if (!is_unix && !strncmp(rest, "unix:", 5))
		err = unix_path(rest + 5, ret, why, why_len);
	else
		err = refuse(why, why_len, scheme, "where is the server?");
	if (err)
		return err;
	if (*ret->path)
		snprintf(ret->name, sizeof(ret->name), "unix:%s%s%.40s", ret->path,
			 *ret->export ? ":" : "", ret->export);
	else
		snprintf(ret->name, sizeof(ret->name), "%.80s:%s%s%.40s", ret->host, ret->port,
			 *ret->export ? "/" : "", ret->export);
	return 0;
}
