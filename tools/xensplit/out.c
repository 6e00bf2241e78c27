/* SPDX-License-Identifier: MIT */
/* Tables, colour, errors and JSON: see out.h. */
#include "tools/xensplit/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/utf8.h"

static bool coloured;

static bool dumb(void)
{
	const char *term = getenv("TERM");

	return !term || !*term || !strcmp(term, "dumb");
}

int out_setup(const char *when)
{
	const char *no = getenv("NO_COLOR");

	if (!strcmp(when, "always"))
		coloured = true;
	else if (!strcmp(when, "never"))
		coloured = false;
	else if (!strcmp(when, "auto"))
		coloured = isatty(STDOUT_FILENO) && !(no && *no) && !dumb();
	else
		return -1;
	return 0;
}

bool out_is_tty(void)
{
	return isatty(STDOUT_FILENO) && !dumb();
}

const char *paint(enum colour c)
{
	static const char *const codes[] = {"\033[0m",  "\033[1m",  "\033[2m", "\033[31m",
					    "\033[32m", "\033[33m", "\033[36m"};

	return coloured ? codes[c] : "";
}

static const char *const code_names[] = {"ok",          "failed",  "usage", "not-found",
					 "unreachable", "timeout", "denied"};

int fail(const struct call *call, enum exit_code code, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (call->json) {
		struct json_object *o = json_object_new_object(), *e = json_object_new_object();

		json_object_object_add(e, "code", json_object_new_int(code));
		json_object_object_add(e, "name", json_object_new_string(code_names[code]));
		json_object_object_add(e, "message", json_text(text));
		json_object_object_add(o, "error", e);
		print_json(o);
	} else {
		fprintf(stderr, "xensplit: %s\n", text);
	}
	return code;
}

void note(const struct call *call, const char *fmt, ...)
{
	va_list args;

	if (call->json || call->quiet)
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

struct json_object *json_text(const char *bytes)
{
	char *copy = bytes ? strdup(bytes) : NULL;
	struct json_object *o = copy ? json_object_new_string(xsp_utf8_clean(copy)) : NULL;

	free(copy);
	return o;
}

int print_json(struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	/* "schema" comes first for people who look at it. */
	printf("{\"schema\":1%s%s\n", json_object_object_length(o) ? "," : "", text + 1);
	fflush(stdout);
	json_object_put(o);
	return EXIT_OK;
}

/* --- tables ------------------------------------------------------------------------------------
 */

static void add(struct table *t, enum colour c, char *text)
{
	int n = t->rows++; /* counts cells until table_end */

	t->cells = realloc(t->cells, (size_t)(n + 1) * sizeof(*t->cells));
	t->colours = realloc(t->colours, (size_t)(n + 1) * sizeof(*t->colours));
	if (!t->cells || !t->colours || !text) {
		fputs("xensplit: out of memory\n", stderr);
		exit(EXIT_FAILED);
	}
	/* A guest's or a file's name must not write to the terminal. */
	t->cells[n] = xsp_terminal_clean(text);
	t->colours[n] = c;
}

struct table table_start(const char *align, ...)
{
	struct table t = {.columns = (int)strlen(align), .right = align};
	va_list args;

	va_start(args, align);
	for (int i = 0; i < t.columns; i++)
		add(&t, BOLD, strdup(va_arg(args, const char *)));
	va_end(args);
	return t;
}

void table_cell(struct table *t, enum colour c, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	add(t, c, text);
}

/* Columns on the screen: UTF-8's continuation bytes take none. */
static int width_of(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_cell(const struct table *t, int cell, int width)
{
	int column = cell % t->columns, pad = width - width_of(t->cells[cell]);
	bool last = column == t->columns - 1;

	if (column)
		fputs("  ", stdout);
	if (t->right[column] == 'r')
		printf("%*s", pad, "");
	printf("%s%s%s", t->colours[cell] != PLAIN ? paint(t->colours[cell]) : "", t->cells[cell],
	       t->colours[cell] != PLAIN ? paint(PLAIN) : "");
	if (t->right[column] != 'r' && !last)
		printf("%*s", pad, "");
}

int table_end(struct table *t, int max_rows)
{
	int rows = t->rows / t->columns, width[32] = {0};

	if (max_rows > 0 && rows > max_rows)
		rows = max_rows;
	for (int i = 0; i < rows * t->columns; i++)
		if (width_of(t->cells[i]) > width[i % t->columns])
			width[i % t->columns] = width_of(t->cells[i]);
	for (int i = 0; i < rows * t->columns; i++) {
		print_cell(t, i, width[i % t->columns]);
		if (i % t->columns == t->columns - 1)
			fputs(out_is_tty() ? "\033[K\n" : "\n", stdout);
	}
	for (int i = 0; i < t->rows; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->colours);
	return rows;
}

char *human_bytes(char *buf, unsigned long long bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	int u = 0;

	for (; v >= 1024 && u < 6; u++)
		v /= 1024;
	snprintf(buf, 16, u && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
	return buf;
}

char *human_ns(char *buf, unsigned long long ns)
{
	if (!ns)
		strcpy(buf, "-");
	else if (ns < 1000000)
		snprintf(buf, 16, "%.3g us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, 16, "%.3g ms", (double)ns / 1e6);
	else
		snprintf(buf, 16, "%.3g s", (double)ns / 1e9);
	return buf;
}
