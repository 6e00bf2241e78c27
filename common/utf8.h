/* SPDX-License-Identifier: MIT */
/* Text of unknown origin (a guest's nodes, file names) made fit for JSON or a terminal. */
#ifndef XSP_COMMON_UTF8_H
#define XSP_COMMON_UTF8_H

/** xsp_utf8_clean - replace every byte that is no part of valid UTF-8 by '?', in place; returns
 * @text */
char *xsp_utf8_clean(char *text);

/** xsp_terminal_clean - the same, and no control characters either (C0, DEL, C1); returns @text */
char *xsp_terminal_clean(char *text);

#endif
