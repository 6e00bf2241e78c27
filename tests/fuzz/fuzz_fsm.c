/* SPDX-License-Identifier: MIT */
/*
 * Both state machines over one store, with a toolstack, a guest and crashes in between, in any
 * order. While nobody else moves, each side comes to rest within four steps, every verdict names a
 * state, and queues are started only where there are none.
 */
#include "common/xenbus/fsm.h"
#include "tests/fuzz/input.h"

static struct xsp_xenbus_back_in back;
static struct xsp_xenbus_front_in front;

static void mirror(void)
{
	back.peer = back.peer_gone ? XSP_XB_UNKNOWN : front.me;
	front.peer = front.peer_gone ? XSP_XB_UNKNOWN : back.me;
	front.online = back.online;
}

static void sound(const struct xsp_xenbus_verdict *v)
{
	HOLDS(v->why && *v->why);
	HOLDS(v->next >= XSP_XB_UNKNOWN && v->next <= XSP_XB_RECONFIGURED);
	HOLDS(strcmp(xsp_xenbus_act_name(v->act), "?"));
	HOLDS(strcmp(xsp_xenbus_state_name(v->next), "?"));
}

static void run_back(void)
{
	for (unsigned int i = 0; i < 5; i++) {
		struct xsp_xenbus_verdict v = xsp_xenbus_back(&back);

		sound(&v);
		if (v.act == XSP_XB_NONE || v.act == XSP_XB_REMOVE)
			return;
		HOLDS(i < 4); /* it must have come to rest */
		HOLDS(v.act != XSP_XB_CONNECT || !back.connected);
		HOLDS(v.act != XSP_XB_ADOPT || !back.connected);
		HOLDS(v.act != XSP_XB_PUBLISH);
		if (v.act == XSP_XB_CONNECT || v.act == XSP_XB_ADOPT)
			HOLDS(back.target_ready && back.hotplug_ready && !back.peer_gone);
		if (v.act == XSP_XB_CONNECT || v.act == XSP_XB_ADOPT)
			back.connected = true;
		if (v.act == XSP_XB_DISCONNECT)
			back.connected = false;
		if (v.act != XSP_XB_ADOPT && v.next != XSP_XB_UNKNOWN)
			back.me = v.next;
		mirror();
	}
}

static void run_front(void)
{
	for (unsigned int i = 0; i < 6; i++) {
		struct xsp_xenbus_verdict v = xsp_xenbus_front(&front);

		sound(&v);
		if (v.act == XSP_XB_NONE || v.act == XSP_XB_ERROR)
			return;
		HOLDS(i < 5);
		HOLDS(v.act != XSP_XB_PUBLISH || !front.connected);
		HOLDS(v.act != XSP_XB_ADOPT && v.act != XSP_XB_ADVERTISE && v.act != XSP_XB_REMOVE);
		if (v.act == XSP_XB_PUBLISH)
			front.connected = true;
		if (v.act == XSP_XB_DISCONNECT)
			front.connected = false;
		if (v.next != XSP_XB_UNKNOWN)
			front.me = v.next;
		mirror();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	back = (struct xsp_xenbus_back_in){ .me = 1, .online = true, .target_ready = true,
					    .hotplug_ready = true };
	front = (struct xsp_xenbus_front_in){ .me = 1, .want = true };
	mirror();
	while (in.left) {
		uint8_t op = eat8(&in), arg = op >> 4;

		switch (op & 15) {
		case 0: /* somebody writes any number by hand */
			back.me = (enum xsp_xenbus_state)(arg % 12);
			break;
		case 1:
			front.me = (enum xsp_xenbus_state)(arg % 12);
			break;
		case 2:
			back.online = arg & 1;
			break;
		case 3:
			back.target_ready = arg & 1;
			break;
		case 4:
			back.hotplug_ready = arg & 1;
			break;
		case 5:
			back.peer_gone = arg & 1;
			break;
		case 6:
			front.peer_gone = arg & 1;
			break;
		case 7:
			front.want = arg & 1;
			break;
		case 8: /* a crash: queues gone, store as it is */
			back.connected = false;
			break;
		case 9:
			front.connected = false;
			break;
		case 10:
		case 11:
		case 12:
			mirror();
			run_front();
			break;
		default:
			mirror();
			run_back();
		}
		mirror();
	}
	return 0;
}
