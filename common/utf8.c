/* SPDX-License-Identifier: MIT */
/* Valid UTF-8: see utf8.h. Source: RFC 3629. */
#include "common/utf8.h"

#include <stddef.h>

/* Length of the character at p (NUL-terminated), 0 when it is none. */
static size_t character(const unsigned char *p)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (p[0] > 0xf4 || (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

char *xsp_utf8_clean(char *text)
{
	size_t n;

	for (unsigned char *p = (unsigned char *)text; *p; p += n) {
		n = character(p);
		if (!n) {
			*p = '?';
			n = 1;
		}
	}
	return text;
}

char *xsp_terminal_clean(char *text)
{
	xsp_utf8_clean(text);
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (p[0] == 0xc2 && p[1] < 0xa0) /* U+0080..U+009F, CSI among them */
			p[0] = p[1] = '?';
	}
	return text;
}
