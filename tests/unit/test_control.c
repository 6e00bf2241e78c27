/* SPDX-License-Identifier: MIT */
/* What the control socket's methods answer; the daemon behind it is made up. Its clients: test_clients.c. */
#undef NDEBUG
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/inspect.h"
#include "backend/resize.h"
#include "backend/rpc.h"
#include "backend/steer.h"
#include "tests/made_up.h"
#include "tests/unit/control_client.h"

static void methods_answer(void **state)
{
	static const struct {
		const char *request, *pointer, *value;
	} cases[] = {
		{"'daemon.version','id':'x'", "/result/name", "xensplitd"},
		{"'daemon.version','id':'x'", "/id", "x"},
		{"'daemon.version','params':{},'id':7.5", "/id", "7.5"},
		{"'daemon.version','params':[],'id':null", "/id", "null"},
		{"'daemon.status','id':1", "/result/vbds", "2"},
		{"'daemon.status','id':1", "/result/counters/rd_req", "21"},
		{"'rpc.methods','id':1", "/result/0/name", "rpc.methods"},
		{"'vbd.list','id':1", "/result/0/device", "vbd/1/51712"},
		{"'vbd.list','id':1", "/result/0/target", "file:/tmp/?\"x\n.img"},
		{"'vbd.list','id':1", "/result/1/vdev", "xvda"},
		{"'vbd.list','id':1", "/result/1/state_name", "Connected"},
		{"'vbd.show','params':{'device':'vbd/2/51712'},'id':1", "/result/protocol",
		 "x86_64-abi"},
		{"'vbd.stat','id':1", "/result/vbds/1/counters/rd_req", "11"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/count", "100"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/p99_ns", "3328"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/p999_ns", "18432"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/mean_ns", "1000"},
		{"'vbd.stat','id':1", "/result/vbds/0/latency/read/buckets/1/1", "1"},
		{"'vbd.stat','params':{'buckets':false},'id':1",
		 "/result/vbds/0/latency/read/buckets", "(absent)"},
		{"'vbd.stat','params':{'device':'vbd/2/51712'},'id':1", "/result/vbds/0/domid",
		 "2"},
		{"'vbd.ring','params':{'device':'vbd/1/51712'},'id':1", "/result/req_prod", "7"},
		{"'vbd.ring','params':{'device':'vbd/1/51712'},'id':1", "/result/in_flight/0/id",
		 "18446744073709551615"},
		{"'vbd.ring','params':{'device':'vbd/1/51712'},'id':1",
		 "/result/in_flight/0/segments/10/gref", "0"},
		{"'vbd.ring','params':{'device':'vbd/1/51712'},'id':1",
		 "/result/in_flight/0/segments/11", "(absent)"},
		{"'log.set','params':{'level':'debug'},'id':1", "/result/was", "info"},
		{"'log.get','id':1", "/result/level", "debug"},
		{"'log.set','params':{'level':'info'},'id':1", "/result/level", "info"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char request[256] = "{'jsonrpc':'2.0','method':";
		struct json_object *o;

		strcat(strcat(request, cases[i].request), "}");
		for (char *p = request; *p; p++)
			if (*p == '\'')
				*p = '"';
		o = ask(request);
		if (strcmp(at(o, cases[i].pointer), cases[i].value))
			fail_msg("%s: %s is %s", request, cases[i].pointer,
				 at(o, cases[i].pointer));
		json_object_put(o);
	}
}

static void errors_say_what_is_wrong(void **state)
{
	static const struct {
		const char *request, *code, *text;
	} cases[] = {
		{"{", "-32700", "it ends too early"},
		{"{}}", "-32700", "no JSON"},
		{"nonsense", "-32700", "no JSON"},
		{"{\"a\":\"\xff\"}", "-32700", "no JSON"},
		{"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "-32700", "no JSON"},
		{"null", "-32600", "an object"},
		{"17", "-32600", "an object"},
		{"[]", "-32600", "a batch holds"},
		{"{}", "-32600", "'jsonrpc'"},
		{"{\"jsonrpc\":2.0,\"method\":\"log.get\",\"id\":1}", "-32600", "'jsonrpc'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":5,\"id\":1}", "-32600", "'method'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.get\",\"id\":{}}", "-32600", "'id'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.lst\",\"id\":1}", "-32601",
		 "did you mean vbd.list?"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"frobnicate\",\"id\":1}", "-32601",
		 "rpc.methods lists them"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.get\",\"params\":[1],\"id\":1}", "-32602",
		 "names and values"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.get\",\"params\":{\"x\":1},\"id\":1}",
		 "-32602", "log.get has no parameter 'x'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"id\":1}", "-32602",
		 "log.set needs 'level'"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"params\":{\"level\":3},\"id\":1}",
		 "-32602", "'level' is a string"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"params\":{\"level\":\"x\"},\"id\":"
		 "1}",
		 "-32602", "err, warn, info or debug"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.show\",\"params\":{\"device\":\"xvda\"},"
		 "\"id\":1}",
		 "-32602", "'xvda' is no device id"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.show\",\"params\":"
		 "{\"device\":\"vbd/9/51712\"},\"id\":1}",
		 "-32002", "does not serve vbd/9/51712"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.ring\",\"params\":"
		 "{\"device\":\"vbd/1/1\"},\"id\":1}",
		 "-32002", "does not serve vbd/1/1"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.ring\",\"params\":"
		 "{\"device\":\"vbd/2/51712\"},\"id\":1}",
		 "-32003", "not connected"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.ring\",\"params\":"
		 "{\"device\":\"vbd/3/51712\"},\"id\":1}",
		 "-32004", "did not answer"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.resize\",\"params\":"
		 "{\"device\":\"vbd/1/51712\",\"size_bytes\":777},\"id\":1}",
		 "-32602", "no multiple of its sectors"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.resize\",\"params\":"
		 "{\"device\":\"vbd/1/51712\",\"size_bytes\":-512},\"id\":1}",
		 "-32602", "negative"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vbd.resize\",\"params\":"
		 "{\"device\":\"vbd/9/51712\"},\"id\":1}",
		 "-32002", "does not serve vbd/9/51712"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.set\",\"params\":"
		 "{\"worker\":2,\"mode\":\"event\"},\"id\":1}",
		 "-32002", "there is no worker 2"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.set\",\"params\":"
		 "{\"worker\":1,\"mode\":\"never\"},\"id\":1}",
		 "-32602", "'never' is not a mode"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.set\",\"params\":"
		 "{\"worker\":1,\"polling-idle\":101},\"id\":1}",
		 "-32602", "101 is not from 0 to 100"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.set\",\"params\":"
		 "{\"worker\":1,\"cpus\":\"x\"},\"id\":1}",
		 "-32602", "cpus 'x' is no list"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.move\",\"params\":"
		 "{\"device\":\"vbd/2/51712\",\"worker\":0},\"id\":1}",
		 "-32002", "does not serve vbd/2/51712"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"worker.move\",\"params\":"
		 "{\"device\":\"vbd/1/51712\",\"worker\":5},\"id\":1}",
		 "-32002", "there is no worker 5"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *o = ask(cases[i].request);

		if (strcmp(at(o, "/error/code"), cases[i].code) ||
		    !strstr(at(o, "/error/message"), cases[i].text))
			fail_msg("%s: %s", cases[i].request, json_object_to_json_string(o));
		json_object_put(o);
	}
	xsp_made_up_fails = 1;
	struct json_object *o = ask("{\"jsonrpc\":\"2.0\",\"method\":\"vbd.list\",\"id\":1}");
	xsp_made_up_fails = 0;
	assert_string_equal(at(o, "/error/code"), "-32603");
	json_object_put(o);
}

#define NOTIFY   "{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"params\":{\"level\":\"warn\"}}"

static void batches_and_notifications(void **state)
{
	char many[16384] = "[";
	struct json_object *o;
	int fd = dial();

	(void)state;
	o = ask_on(fd, "[" VERSION1 "," NOTIFY ",3," VERSION1 "]");
	assert_int_equal(json_object_array_length(o), 3);
	assert_string_equal(at(o, "/0/result/name"), "xensplitd");
	assert_string_equal(at(o, "/1/error/code"), "-32600");
	assert_string_equal(at(o, "/2/id"), "1");
	json_object_put(o);
	/* Notifications, alone or all of a batch, get no answer: the next answer is the next
	 * call's. */
	tell(fd, NOTIFY "\n[" NOTIFY "," NOTIFY "]\n\n  \r\n");
	o = ask_on(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"log.get\",\"id\":5}");
	assert_string_equal(at(o, "/result/level"), "warn");
	assert_string_equal(at(o, "/id"), "5");
	json_object_put(o);
	o = ask_on(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"log.set\",\"id\":6,"
		       "\"params\":{\"level\":\"info\"}}");
	json_object_put(o);
	for (int i = 0; i < 65; i++)
		strcat(strcat(many, i ? "," : ""), VERSION1);
	strcat(many, "]");
	o = ask_on(fd, many);
	assert_string_equal(at(o, "/error/code"), "-32600");
	json_object_put(o);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(methods_answer, up, down),
		cmocka_unit_test_setup_teardown(errors_say_what_is_wrong, up, down),
		cmocka_unit_test_setup_teardown(batches_and_notifications, up, down),
	};

	return run_beside_socket(tests);
}
