/* SPDX-License-Identifier: MIT */
/*
 * The XenBus state machine: the whole 7x7 of both sides against a table, no input without a defined
 * and finite answer, and both sides playing the scenes of a device's life against each other.
 * `test_fsm print` shows the tables.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/xenbus/fsm.h"

/*
 * One cell a pair of letter and digit: the act (. none, A advertise, P publish, C connect, O adopt,
 * D disconnect, S set-state, R remove, E error) and the state after it. Rows: our state 0..6;
 * columns: the peer's.
 */
typedef const char *table[7];

static const char letters[] = { '.', 'A', 'P', 'C', 'O', 'D', 'S', 'R', 'E' };

static const table back_idle_online = {
	/* peer 0  1  2  3  4  5  6 */
	".0 .0 .0 .0 .0 .0 .0", /* 0 Unknown */
	"A2 A2 A2 A2 A2 A2 A2", /* 1 Initialising */
	".2 .2 .2 C4 C4 S5 S6", /* 2 InitWait */
	".3 .3 .3 C4 C4 S5 S6", /* 3 Initialised */
	"S6 S6 .4 O4 O4 S5 S6", /* 4 Connected, no queue runs: a restarted daemon */
	"S6 S6 .5 .5 .5 .5 S6", /* 5 Closing */
	".6 A2 .6 A2 A2 .6 .6", /* 6 Closed */
};
static const table back_running_online = {
	"D0 D0 D0 D0 D0 D0 D0",
	"D1 D1 D1 D1 D1 D1 D1",
	"D2 D2 D2 D2 D2 D2 D2",
	"D2 D2 D2 D2 D2 D2 D2",
	"D6 D6 .4 .4 .4 D5 D6",
	"D6 D6 .5 .5 .5 .5 D6",
	"D6 D6 D6 D6 D6 D6 D6",
};
static const table back_idle_offline = {
	"R0 R0 R0 R0 R0 R0 R0",
	".1 .1 .1 .1 .1 .1 .1",
	"S5 S5 S5 S5 S5 S5 S5",
	"S5 S5 S5 S5 S5 S5 S5",
	"S6 S6 S5 S5 S5 S5 S6",
	"S6 S6 .5 .5 .5 .5 S6",
	"R6 R6 R6 R6 R6 R6 R6",
};
static const table back_running_offline = {
	"D0 D0 D0 D0 D0 D0 D0",
	"D1 D1 D1 D1 D1 D1 D1",
	"S5 S5 S5 S5 S5 S5 S5",
	"S5 S5 S5 S5 S5 S5 S5",
	"D6 D6 S5 S5 S5 D5 D6",
	"D6 D6 .5 .5 .5 .5 D6",
	"D6 D6 D6 D6 D6 D6 D6",
};
static const table front_idle_want = {
	"E0 E0 E0 E0 E0 E0 E0",
	".1 .1 P3 .1 S5 .1 .1",
	".2 .2 P3 .2 S5 .2 .2",
	"S5 S5 S5 S5 S5 S5 S5",
	"S5 S5 S5 S5 S5 S5 S5",
	"S6 S6 .5 .5 .5 S6 S6",
	"S1 S1 S1 S1 .6 .6 S1",
};
static const table front_running_want = {
	"D0 D0 D0 D0 D0 D0 D0",
	"D1 D1 D1 D1 D1 D1 D1",
	"D1 D1 D1 D1 D1 D1 D1",
	"D6 D1 .3 .3 C4 D6 D6",
	"D6 D1 D1 .4 .4 D6 D6",
	"D6 D6 .5 .5 .5 D6 D6",
	"D6 D6 D6 D6 D6 D6 D6",
};
static const table front_running_unwanted = {
	"D0 D0 D0 D0 D0 D0 D0",
	"D1 D1 D1 D1 D1 D1 D1",
	"D1 D1 D1 D1 D1 D1 D1",
	"S5 S5 S5 S5 S5 S5 S5",
	"S5 S5 S5 S5 S5 S5 S5",
	"D6 D6 .5 .5 .5 D6 D6",
	"D6 D6 D6 D6 D6 D6 D6",
};
static const table front_idle_unwanted = {
	".0 .0 .0 .0 .0 .0 .0",
	".1 .1 .1 .1 .1 .1 .1",
	".2 .2 .2 .2 .2 .2 .2",
	"S5 S5 S5 S5 S5 S5 S5",
	"S5 S5 S5 S5 S5 S5 S5",
	"S6 S6 .5 .5 .5 S6 S6",
	".6 .6 .6 .6 .6 .6 .6",
};

struct view {
	const char *name;
	const table *cells;
	bool front, up, flag; /* flag: online for the backend, want for the frontend */
};

static const struct view views[] = {
	{ "back, no queues, online", &back_idle_online, false, false, true },
	{ "back, queues run, online", &back_running_online, false, true, true },
	{ "back, no queues, offline", &back_idle_offline, false, false, false },
	{ "back, queues run, offline", &back_running_offline, false, true, false },
	{ "front, no rings, wanted", &front_idle_want, true, false, true },
	{ "front, rings out, wanted", &front_running_want, true, true, true },
	{ "front, rings out, unwanted", &front_running_unwanted, true, true, false },
	{ "front, no rings, unwanted", &front_idle_unwanted, true, false, false },
};

static struct xsp_xenbus_verdict ask(const struct view *v, int me, int peer)
{
	struct xsp_xenbus_back_in b = { (enum xsp_xenbus_state)me, (enum xsp_xenbus_state)peer,
					v->flag, true, true, v->up, false };
	struct xsp_xenbus_front_in f = { (enum xsp_xenbus_state)me, (enum xsp_xenbus_state)peer,
					 v->flag, v->up, true, false };

	return v->front ? xsp_xenbus_front(&f) : xsp_xenbus_back(&b);
}

static void fsm_every_pair(void **state)
{
	unsigned int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		for (int me = 0; me <= 6; me++)
			for (int peer = 0; peer <= 6; peer++) {
				struct xsp_xenbus_verdict v = ask(&views[i], me, peer);
				const char *want = (*views[i].cells)[me] + 3 * peer;

				assert_non_null(v.why);
				if (letters[v.act] == want[0] && (int)v.next == want[1] - '0')
					continue;
				print_error("%s: me %d peer %d: got %c%d (%s), want %.2s\n",
					    views[i].name, me, peer, letters[v.act], v.next, v.why,
					    want);
				wrong++;
			}
	assert_int_equal(wrong, 0);
}

/* Does what a backend host does with a verdict. Returns false when there was nothing to do. */
static bool back_step(struct xsp_xenbus_back_in *b, bool *known)
{
	struct xsp_xenbus_verdict v = xsp_xenbus_back(b);

	switch (v.act) {
	case XSP_XB_NONE:
		assert_int_equal(v.next, b->me);
		return false;
	case XSP_XB_REMOVE:
		assert_false(b->connected);
		*known = false;
		return false;
	case XSP_XB_CONNECT:
	case XSP_XB_ADOPT:
		assert_false(b->connected);
		assert_true(b->target_ready && b->hotplug_ready && !b->peer_gone);
		assert_true(b->peer == XSP_XB_INITIALISED || b->peer == XSP_XB_CONNECTED);
		b->connected = true;
		break;
	case XSP_XB_DISCONNECT:
		assert_true(b->connected);
		b->connected = false;
		break;
	case XSP_XB_ADVERTISE:
		assert_false(b->connected);
		break;
	case XSP_XB_SET_STATE:
	case XSP_XB_ERROR:
		assert_int_not_equal(v.next, b->me);
		break;
	case XSP_XB_PUBLISH:
		fail_msg("a backend never publishes");
	}
	b->me = v.next;
	return true;
}

static bool front_step(struct xsp_xenbus_front_in *f, bool *error)
{
	struct xsp_xenbus_verdict v = xsp_xenbus_front(f);

	switch (v.act) {
	case XSP_XB_NONE:
		assert_int_equal(v.next, f->me);
		return false;
	case XSP_XB_ERROR:
		*error = true;
		if (v.next == XSP_XB_UNKNOWN)
			return false;
		break;
	case XSP_XB_PUBLISH:
		assert_false(f->connected);
		f->connected = true;
		break;
	case XSP_XB_CONNECT:
		assert_true(f->connected);
		break;
	case XSP_XB_DISCONNECT:
		assert_true(f->connected);
		f->connected = false;
		break;
	case XSP_XB_SET_STATE:
		assert_int_not_equal(v.next, f->me);
		break;
	default:
		fail_msg("not a frontend's act: %d", v.act);
	}
	f->me = v.next;
	return true;
}

/* Whatever the inputs (states 7, 8 and nonsense too): an answer, and rest after few steps. */
static void fsm_always_comes_to_rest(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits < 32; bits++)
		for (int me = 0; me <= 10; me++)
			for (int peer = 0; peer <= 10; peer++) {
				struct xsp_xenbus_back_in b = {
					(enum xsp_xenbus_state)me, (enum xsp_xenbus_state)peer,
					bits & 1, bits & 2, bits & 4, bits & 8, bits & 16
				};
				struct xsp_xenbus_front_in f = { (enum xsp_xenbus_state)me,
								 (enum xsp_xenbus_state)peer,
								 bits & 1, bits & 2, bits & 4,
								 bits & 8 };
				bool known = true, error = false;
				int steps = 0;

				while (back_step(&b, &known))
					assert_in_range(++steps, 1, 4);
				for (steps = 0; front_step(&f, &error) && !error;)
					assert_in_range(++steps, 1, 4);
			}
}

/* --- scenes: both sides and a toolstack -------------------------------------------------------- */

struct scene {
	struct xsp_xenbus_back_in b;
	struct xsp_xenbus_front_in f;
	bool known, daemon, error;
};

static struct scene new_device(void)
{
	return (struct scene){
		.b = { .me = XSP_XB_INITIALISING, .online = true, .target_ready = true, .hotplug_ready = true },
		.f = { .me = XSP_XB_INITIALISING, .want = true },
		.known = true,
		.daemon = true,
	};
}

/* Both sides act in random order until neither has anything to do. */
static void settle(struct scene *s, unsigned int *seed)
{
	int still[2] = { 0, 0 };

	for (int steps = 0; !still[0] || !still[1]; steps++) {
		bool did;
		int who;

		assert_in_range(steps, 0, 200);
		s->b.peer = s->f.me;
		s->f.peer = s->b.me;
		s->f.online = s->b.online;
		*seed = *seed * 1103515245u + 12345u;
		who = *seed >> 16 & 1;
		if (who)
			did = s->daemon && s->known && back_step(&s->b, &s->known);
		else
			did = !s->error && front_step(&s->f, &s->error);
		still[who] = !did;
		still[!who] &= !did;
	}
}

static void expect(const struct scene *s, int back, int front, bool up)
{
	assert_int_equal(s->b.me, back);
	assert_int_equal(s->f.me, front);
	assert_int_equal(s->b.connected, up);
	assert_int_equal(s->f.connected, up);
}

static void fsm_life_of_a_device(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 500; seed++) {
		unsigned int r = seed;
		struct scene s = new_device();

		s.b.hotplug_ready = false;
		settle(&s, &r);
		expect(&(struct scene){ .b = s.b, .f = { .me = s.f.me } }, 2, 3, false);
		s.b.hotplug_ready = true;
		settle(&s, &r);
		expect(&s, 4, 4, true);

		s.b.connected = false; /* SIGTERM: state 4 stays, queues stop; a new daemon adopts */
		s.daemon = false;
		settle(&s, &r);
		assert_int_equal(s.f.me, 4);
		s.daemon = true;
		settle(&s, &r);
		expect(&s, 4, 4, true);

		s.f.want = false; /* closed by the guest, opened again */
		settle(&s, &r);
		expect(&s, 6, 6, false);
		s.f.want = true;
		settle(&s, &r);
		expect(&s, 4, 4, true);

		s.f.connected = false; /* the frontend's process is killed; another opens the device */
		settle(&s, &r);
		expect(&s, 4, 4, true);
		s.f.connected = false; /* the same, and it comes back at Initialising (a crude one) */
		s.f.me = XSP_XB_INITIALISING;
		settle(&s, &r);
		expect(&s, 4, 4, true);

		s.b.online = false; /* the toolstack detaches */
		s.b.me = XSP_XB_CLOSING;
		settle(&s, &r);
		expect(&s, 6, 6, false);
		assert_false(s.known);
		assert_true(s.error); /* it wants the device, which will not come back */
	}
}

static void fsm_frontend_that_skips_3(void **state)
{
	unsigned int r = 1;
	struct scene s = new_device();

	(void)state;
	s.f.me = XSP_XB_CONNECTED;
	s.f.connected = true;
	settle(&s, &r);
	expect(&s, 4, 4, true);
	s.f.me = XSP_XB_CLOSED; /* straight to 6, then straight to 4 again, before we looked */
	s.b.peer = XSP_XB_CLOSED;
	while (back_step(&s.b, &s.known))
		;
	assert_int_equal(s.b.me, 6);
	s.b.peer = XSP_XB_CONNECTED;
	while (back_step(&s.b, &s.known))
		;
	assert_int_equal(s.b.me, 4);
	assert_true(s.b.connected);
}

/* A new kernel in the same domain drives 5, 6, 1 and waits for 5, 6, 2. */
static void fsm_kexec(void **state)
{
	static const int front[] = { 5, 6, 1 }, back[] = { 5, 6, 2 };
	struct scene s = new_device();

	(void)state;
	s.b.me = XSP_XB_CONNECTED;
	s.b.connected = true;
	for (int i = 0; i < 3; i++) {
		s.b.peer = (enum xsp_xenbus_state)front[i];
		while (back_step(&s.b, &s.known))
			;
		assert_int_equal(s.b.me, back[i]);
		assert_false(s.b.connected);
	}
	assert_true(s.known);
}

/* Detach of a device whose frontend never came up, and a guest destroyed during I/O. */
static void fsm_peer_never_up_or_dead(void **state)
{
	struct scene s = new_device();

	(void)state;
	s.b.me = XSP_XB_CLOSING;
	s.b.online = false;
	s.b.peer = XSP_XB_INITIALISING;
	while (back_step(&s.b, &s.known))
		;
	assert_int_equal(s.b.me, 6);
	assert_false(s.known);

	s = new_device();
	s.b.me = XSP_XB_CONNECTED;
	s.b.peer = XSP_XB_CONNECTED;
	s.b.connected = true;
	s.b.peer_gone = true;
	while (back_step(&s.b, &s.known))
		;
	assert_int_equal(s.b.me, 6);
	assert_false(s.b.connected);
	assert_false(s.known);
}

static void fsm_names(void **state)
{
	(void)state;
	assert_string_equal(xsp_xenbus_state_name(XSP_XB_INITWAIT), "InitWait");
	assert_string_equal(xsp_xenbus_state_name((enum xsp_xenbus_state)99), "?");
	assert_string_equal(xsp_xenbus_act_name(XSP_XB_ERROR), "error");
	assert_string_equal(xsp_xenbus_act_name((enum xsp_xenbus_act)99), "?");
}

static void print_tables(void)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		printf("%s\n", views[i].name);
		for (int me = 0; me <= 6; me++) {
			printf("  %-13s", xsp_xenbus_state_name((enum xsp_xenbus_state)me));
			for (int peer = 0; peer <= 6; peer++) {
				struct xsp_xenbus_verdict v = ask(&views[i], me, peer);

				printf(" %10s %d", xsp_xenbus_act_name(v.act), v.next);
			}
			printf("\n");
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fsm_every_pair),	    cmocka_unit_test(fsm_always_comes_to_rest),
		cmocka_unit_test(fsm_life_of_a_device),	    cmocka_unit_test(fsm_frontend_that_skips_3),
		cmocka_unit_test(fsm_kexec),		    cmocka_unit_test(fsm_peer_never_up_or_dead),
		cmocka_unit_test(fsm_names),
	};

	if (argc > 1 && !strcmp(argv[1], "print")) {
		print_tables();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
