/* SPDX-License-Identifier: MIT */
/*
 * What people and programs see: tables, colour on terminals only, one shape of JSON, one shape of
 * error. Every command prints through this file.
 */
#ifndef XSP_XENSPLIT_OUT_H
#define XSP_XENSPLIT_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include "tools/xensplit/cmd.h"

enum colour { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, CYAN };

/** out_setup - decide on colour: @when is auto, always or never; 0, or -1: no such word */
int out_setup(const char *when);

/** paint - escape sequence of a colour, "" when there is none to be; paint(PLAIN) ends it */
const char *paint(enum colour c);

/** out_is_tty - stdout is a terminal that understands cursor movements */
bool out_is_tty(void);

/** fail - say what went wrong: a line on stderr, or with --json an object on stdout; returns @code
 */
int fail(const struct call *call, enum exit_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** note - a line for people only: on stderr, not with --json or --quiet */
void note(const struct call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** json_text - a JSON string of any bytes (NULL gives NULL); what is no UTF-8 becomes '?' */
struct json_object *json_text(const char *bytes);

/** print_json - print {"schema":1, ...@o} as one line and release @o; returns EXIT_OK */
int print_json(struct json_object *o);

/* A table whose columns are as wide as they need to be. */
struct table {
	int columns, rows;
	char **cells; /* rows * columns, row 0 is the heading; owned */
	enum colour *colours;
	const char *right; /* one character a column: 'r' right, 'l' left */
};

/** table_start - @align: "llrr", one letter a column; headings follow, one for each */
struct table table_start(const char *align, ...);

/** table_cell - append a cell; row after row, from left to right */
void table_cell(struct table *t, enum colour c, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** table_end - print it (@max_rows > 0: at most so many rows) and release it; rows printed */
int table_end(struct table *t, int max_rows);

/** human_bytes - "1.0 GiB" into buf of 16 bytes; returns it */
char *human_bytes(char *buf, unsigned long long bytes);

/** human_ns - "85 us", "1.2 ms" into buf of 16 bytes, "-" for 0; returns it */
char *human_ns(char *buf, unsigned long long ns);

#endif
