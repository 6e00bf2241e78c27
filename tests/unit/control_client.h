/* SPDX-License-Identifier: MIT */
/* A control socket without a daemon behind it, and a client of it in the same thread; made_up.c answers. */
#ifndef XSP_TESTS_CONTROL_CLIENT_H
#define XSP_TESTS_CONTROL_CLIENT_H

#include <stddef.h>

#include <json-c/json.h>

#include "backend/config.h"
#include "backend/control.h"

extern char path[64]; /* of the socket */
extern struct xsp_config config;
extern struct xsp_control *ctl;

#define VERSION  "{\"jsonrpc\":\"2.0\",\"method\":\"daemon.version\",\"id\":%d}"
#define VERSION1 "{\"jsonrpc\":\"2.0\",\"method\":\"daemon.version\",\"id\":1}"

int dial(void);
void pump(int times); /* the socket's turn */
void say(int fd, const char *text, size_t len);
void tell(int fd, const char *text);
/* One line of answer, or NULL after a hang-up or a while of silence. */
char *hear(int fd);
struct json_object *ask_on(int fd, const char *request);
struct json_object *ask(const char *request);
/* The value at a JSON pointer, as text. */
const char *at(struct json_object *o, const char *pointer);

int up(void **state);
int down(void **state);
/* Tests in a directory of their own, which is where `path` is: what main returns. */
#define run_beside_socket(tests) (socket_begin() ? 1 : socket_end(cmocka_run_group_tests(tests, NULL, NULL)))
int socket_begin(void);
int socket_end(int rc);

#endif
