/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The XenBus state machine. One function for each side; inside, one case for each state of ours. */
#include "common/xenbus/fsm.h"

#define V(act_, next_, why_) ((struct xsp_xenbus_verdict){ XSP_XB_##act_, XSP_XB_##next_, (why_) })

static struct xsp_xenbus_verdict stay(enum xsp_xenbus_state me, const char *why)
{
	return (struct xsp_xenbus_verdict){ XSP_XB_NONE, me, why };
}

/* Leave for `next`: through a disconnect when queues run, else by the state alone. */
static struct xsp_xenbus_verdict leave(bool connected, enum xsp_xenbus_state next, const char *why)
{
	enum xsp_xenbus_act act = connected ? XSP_XB_DISCONNECT : XSP_XB_SET_STATE;

	return (struct xsp_xenbus_verdict){ act, next, why };
}

/* The frontend has published its rings. Some (Mini-OS, Mirage, every netfront) go 1 -> 4 at once. */
static bool published(enum xsp_xenbus_state peer)
{
	return peer == XSP_XB_INITIALISED || peer == XSP_XB_CONNECTED;
}

/* --- backend ----------------------------------------------------------------------------------- */

/* InitWait (or Initialised, which no backend of ours writes): features are out, rings awaited. */
static struct xsp_xenbus_verdict back_waiting(const struct xsp_xenbus_back_in *in)
{
	if (in->peer_gone)
		return leave(in->connected, XSP_XB_CLOSED, "the frontend is gone");
	if (!in->online)
		return V(SET_STATE, CLOSING, "the toolstack removes the device");
	if (in->connected) /* a connect that was cut short */
		return V(DISCONNECT, INITWAIT, "old queues first");
	if (in->peer == XSP_XB_CLOSING)
		return V(SET_STATE, CLOSING, "the frontend closes");
	if (in->peer == XSP_XB_CLOSED)
		return V(SET_STATE, CLOSED, "the frontend is closed");
	if (!published(in->peer))
		return stay(in->me, "waiting for the frontend's rings");
	if (!in->target_ready)
		return stay(in->me, "waiting for the target to open");
	if (!in->hotplug_ready)
		return stay(in->me, "waiting for the hotplug script");
	return V(CONNECT, CONNECTED, "the frontend has published its rings");
}

static struct xsp_xenbus_verdict back_connected(const struct xsp_xenbus_back_in *in)
{
	if (in->peer_gone || in->peer == XSP_XB_UNKNOWN)
		return leave(in->connected, XSP_XB_CLOSED, "the frontend is gone");
	if (in->peer == XSP_XB_CLOSING)
		return leave(in->connected, XSP_XB_CLOSING, "the frontend closes");
	if (in->peer == XSP_XB_CLOSED)
		return leave(in->connected, XSP_XB_CLOSED, "the frontend is closed");
	if (in->peer == XSP_XB_INITIALISING)
		return leave(in->connected, XSP_XB_CLOSED, "the frontend starts over");
	if (!in->online) /* the toolstack wrote 5 with it, and a write of ours took its place */
		return V(SET_STATE, CLOSING, "the toolstack removes the device");
	if (in->connected)
		return stay(in->me, "connected");
	if (!published(in->peer))
		return stay(in->me, "waiting for the frontend");
	if (!in->target_ready)
		return stay(in->me, "waiting for the target to open");
	if (!in->hotplug_ready)
		return stay(in->me, "waiting for the hotplug script");
	return V(ADOPT, CONNECTED, "the device was connected before we started");
}

/*
 * Closing. We followed the frontend, or the toolstack wrote it (with online=0), or we gave up after
 * an error. The queues run on until the frontend has nothing more to ask: it says 6, or is gone, or
 * never came up. A frontend still at 3 or 4 is waited for; connecting again from here would make an
 * endless loop of a connect that fails.
 */
static struct xsp_xenbus_verdict back_closing(const struct xsp_xenbus_back_in *in)
{
	if (in->peer_gone)
		return leave(in->connected, XSP_XB_CLOSED, "the frontend is gone");
	if (in->peer == XSP_XB_CLOSED)
		return leave(in->connected, XSP_XB_CLOSED, "the frontend is closed");
	if (in->peer < XSP_XB_INITWAIT || in->peer > XSP_XB_CLOSING)
		return leave(in->connected, XSP_XB_CLOSED, "the frontend is not up");
	return stay(in->me, "waiting for the frontend to close");
}

static struct xsp_xenbus_verdict back_closed(const struct xsp_xenbus_back_in *in)
{
	if (in->connected)
		return V(DISCONNECT, CLOSED, "closed with queues running");
	if (in->peer_gone)
		return V(REMOVE, CLOSED, "the frontend is gone");
	if (!in->online)
		return V(REMOVE, CLOSED, "closed for good");
	if (in->peer == XSP_XB_INITIALISING || published(in->peer))
		return V(ADVERTISE, INITWAIT, "the frontend comes back");
	return stay(in->me, "waiting for the frontend to come back");
}

struct xsp_xenbus_verdict xsp_xenbus_back(const struct xsp_xenbus_back_in *in)
{
	switch (in->me) {
	case XSP_XB_UNKNOWN: /* our node is half written, or its directory is gone */
		if (in->connected)
			return V(DISCONNECT, UNKNOWN, "our own node vanished");
		if (in->peer_gone || !in->online)
			return V(REMOVE, UNKNOWN, "our own node is not there");
		return stay(in->me, "waiting for the toolstack to write our state");
	case XSP_XB_INITIALISING:
		if (in->connected) /* the toolstack made the device anew under us */
			return V(DISCONNECT, INITIALISING, "old queues first");
		if (!in->online || in->peer_gone) /* half-written nodes look like this */
			return stay(in->me, "waiting for the toolstack to write both nodes");
		return V(ADVERTISE, INITWAIT, "a new device");
	case XSP_XB_INITWAIT:
	case XSP_XB_INITIALISED:
		return back_waiting(in);
	case XSP_XB_CONNECTED:
	case XSP_XB_RECONFIGURING:
	case XSP_XB_RECONFIGURED:
		return back_connected(in);
	case XSP_XB_CLOSING:
		return back_closing(in);
	case XSP_XB_CLOSED:
		return back_closed(in);
	}
	return V(ERROR, CLOSING, "our state node holds no state");
}

/* --- frontend ---------------------------------------------------------------------------------- */

/* Initialising (or InitWait, which no frontend writes): our rings are not out yet. */
static struct xsp_xenbus_verdict front_initialising(const struct xsp_xenbus_front_in *in)
{
	if (in->connected)
		return V(DISCONNECT, INITIALISING, "old rings first");
	if (!in->want)
		return stay(in->me, "not in use");
	if (in->peer == XSP_XB_INITWAIT)
		return V(PUBLISH, INITIALISED, "the backend waits for our rings");
	if (in->peer_gone)
		return V(ERROR, UNKNOWN, "the backend is gone");
	if (!in->online && in->peer >= XSP_XB_CLOSING)
		return V(ERROR, UNKNOWN, "the device is being removed");
	if (in->peer == XSP_XB_CONNECTED || in->peer == XSP_XB_RECONFIGURED)
		return V(SET_STATE, CLOSING, "the backend still serves an earlier frontend");
	return stay(in->me, "waiting for the backend to be ready");
}

/* Initialised or Connected: rings are out, unless the frontend before us died and left them. */
static struct xsp_xenbus_verdict front_up(const struct xsp_xenbus_front_in *in)
{
	if (!in->connected || !in->want)
		return V(SET_STATE, CLOSING, in->want ? "an earlier frontend died" : "closing");
	if (in->peer_gone || in->peer == XSP_XB_UNKNOWN)
		return V(DISCONNECT, CLOSED, "the backend is gone");
	switch (in->peer) {
	case XSP_XB_CLOSING:
		return V(DISCONNECT, CLOSED, "the backend closes");
	case XSP_XB_CLOSED:
		return V(DISCONNECT, CLOSED, "the backend is closed");
	case XSP_XB_INITIALISING:
		return V(DISCONNECT, INITIALISING, "the backend starts over");
	case XSP_XB_INITWAIT: /* at our 3 it has not looked yet; at our 4 it forgot the rings */
		if (in->me == XSP_XB_CONNECTED)
			return V(DISCONNECT, INITIALISING, "the backend starts over");
		return stay(in->me, "waiting for the backend to connect");
	case XSP_XB_CONNECTED:
		if (in->me == XSP_XB_INITIALISED)
			return V(CONNECT, CONNECTED, "the backend is connected");
		return stay(in->me, "connected");
	default:
		return stay(in->me, in->me == XSP_XB_CONNECTED ? "connected" : "waiting for the backend");
	}
}

/* Closing, because we close or because we clear up after an earlier frontend. */
static struct xsp_xenbus_verdict front_closing(const struct xsp_xenbus_front_in *in)
{
	if (!in->peer_gone && in->peer >= XSP_XB_INITWAIT && in->peer != XSP_XB_CLOSING &&
	    in->peer != XSP_XB_CLOSED)
		return stay(in->me, "waiting for the backend to close");
	return leave(in->connected, XSP_XB_CLOSED, "closed");
}

static struct xsp_xenbus_verdict front_closed(const struct xsp_xenbus_front_in *in)
{
	if (in->connected)
		return V(DISCONNECT, CLOSED, "closed with rings still out");
	if (!in->want)
		return stay(in->me, "closed");
	if (in->peer_gone)
		return V(ERROR, UNKNOWN, "the backend is gone");
	if (!in->online && in->peer >= XSP_XB_CLOSING)
		return V(ERROR, UNKNOWN, "the device is being removed");
	if (in->peer == XSP_XB_CONNECTED || in->peer == XSP_XB_CLOSING)
		return stay(in->me, "waiting for the backend to close");
	return V(SET_STATE, INITIALISING, "open again");
}

struct xsp_xenbus_verdict xsp_xenbus_front(const struct xsp_xenbus_front_in *in)
{
	switch (in->me) {
	case XSP_XB_UNKNOWN:
		if (in->connected)
			return V(DISCONNECT, UNKNOWN, "our own node vanished");
		return in->want ? V(ERROR, UNKNOWN, "no such device") : stay(in->me, "not there");
	case XSP_XB_INITIALISING:
	case XSP_XB_INITWAIT:
		return front_initialising(in);
	case XSP_XB_INITIALISED:
	case XSP_XB_CONNECTED:
	case XSP_XB_RECONFIGURING:
	case XSP_XB_RECONFIGURED:
		return front_up(in);
	case XSP_XB_CLOSING:
		return front_closing(in);
	case XSP_XB_CLOSED:
		return front_closed(in);
	}
	return V(ERROR, CLOSING, "our state node holds no state");
}

/* --- names ------------------------------------------------------------------------------------- */

const char *xsp_xenbus_state_name(enum xsp_xenbus_state state)
{
	static const char *const names[] = {
		[XSP_XB_UNKNOWN] = "Unknown",
		[XSP_XB_INITIALISING] = "Initialising",
		[XSP_XB_INITWAIT] = "InitWait",
		[XSP_XB_INITIALISED] = "Initialised",
		[XSP_XB_CONNECTED] = "Connected",
		[XSP_XB_CLOSING] = "Closing",
		[XSP_XB_CLOSED] = "Closed",
		[XSP_XB_RECONFIGURING] = "Reconfiguring",
		[XSP_XB_RECONFIGURED] = "Reconfigured",
	};

	return (unsigned int)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

const char *xsp_xenbus_act_name(enum xsp_xenbus_act act)
{
	static const char *const names[] = {
		[XSP_XB_NONE] = "none",
		[XSP_XB_ADVERTISE] = "advertise",
		[XSP_XB_PUBLISH] = "publish",
		[XSP_XB_CONNECT] = "connect",
		[XSP_XB_ADOPT] = "adopt",
		[XSP_XB_DISCONNECT] = "disconnect",
		[XSP_XB_SET_STATE] = "set-state",
		[XSP_XB_REMOVE] = "remove",
		[XSP_XB_ERROR] = "error",
	};

	return (unsigned int)act < sizeof(names) / sizeof(names[0]) ? names[act] : "?";
}
