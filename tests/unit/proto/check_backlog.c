/*
 * Conns that wait for their worker: their order, who is refused, and that
 * refusing does not take the time it should spare.
 */
#include "stand.h"

#include "base/mem.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_proto_backlog(void);

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

enum { LIMIT_MS = 20, CROWD = 300 };

static struct stand stand;
static struct backlog *backlog;
static int fds[CROWD];
static uint64_t now, serve_ns, refuse_ns;
static unsigned served, refused;
static enum gate_class priority;

/* What a request takes is what the stand's application lets the clock take. */
static uint64_t
tell_time(void)
{
	return now;
}

static void
serve(struct stand *b, struct exchange *x)
{
	if (backlog_refuses(&b->host.backlog, priority)) {
		now += refuse_ns;
		refused++;
	} else {
		now += serve_ns;
		served++;
	}
	stand_answer(x, "ok");
}

static void
set_up(void)
{
	struct conn_limits limits;

	stand_open(&stand);
	stand.begin = serve;
	backlog = &stand.host.backlog;
	limits = stand.host.limits;
	limits.worker_wait_ns = LIMIT_MS * CLOCK_MS;
	conn_host_set_limits(&stand.host, &limits);
	now = stand.now_ns;
	serve_ns = refuse_ns = CLOCK_US;
	served = refused = 0;
	priority = CLASS_NORMAL;
	for (unsigned i = 0; i < CROWD; i++)
		fds[i] = -1;
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	for (unsigned i = 0; i < CROWD; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	loop_forget(&stand.env.loop, &backlog->turn);
	stand_close(&stand);
}

/* Conns whose clients' ends are fds. */
static void
add_crowd(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		stand_connect(&stand, SOCK_STREAM, 0);
		fds[i] = stand.client;
		stand.client = -1;
	}
}

static void
ask(int fd)
{
	ck_assert_int_eq(send(fd, GET, strlen(GET), 0), (ssize_t)strlen(GET));
}

static void
turn_on(void)
{
	struct lag *l = &stand.env.loop.lag;

	l->is_standing = true;
	l->on_look(l);
}

/* All ask, and the loop sees it: with its own turn of the backlog put off, the test takes that
 * itself. */
static void
all_ask(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ask(fds[i]);
	backlog->turn.is_waiting = true;
	stand_turns(&stand, 12);
	backlog->turn.is_waiting = false;
	now = stand.now_ns;
}

static bool
has_answer(int fd)
{
	char text[512];

	return recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0;
}

static void
serve_turn(void)
{
	backlog_serve(backlog, tell_time);
	loop_forget(&stand.env.loop, &backlog->turn);
}

START_TEST(who_comes_is_served_at_once_while_there_is_no_backlog)
{
	add_crowd(3);
	for (unsigned i = 0; i < 3; i++)
		ask(fds[i]);
	stand_turns(&stand, 3);
	ck_assert_uint_eq(served, 3);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_CONN_HELD), 0);
}
END_TEST

START_TEST(in_shadow_nobody_waits_and_the_late_are_counted)
{
	struct conn_limits limits = stand.host.limits;

	limits.is_shadow = true;
	conn_host_set_limits(&stand.host, &limits);
	stand.env.loop.lag.turn_ns = 2 * LIMIT_MS * CLOCK_MS;
	turn_on();
	add_crowd(2);
	ask(fds[0]);
	stand_turns(&stand, 3);
	ck_assert_uint_eq(served, 1);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_SPARED_WAIT), 1);
	stand.env.loop.lag.is_standing = false;
	backlog->env->loop.lag.on_look(&stand.env.loop.lag);
	ask(fds[1]);
	stand_turns(&stand, 3);
	ck_assert_uint_eq(served, 2);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_SPARED_WAIT), 1);
}
END_TEST

START_TEST(all_wait_their_turn_and_the_ring_grows)
{
	add_crowd(CROWD);
	turn_on();
	all_ask(CROWD);
	ck_assert_uint_eq(served, 0);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_CONN_HELD), CROWD);
	serve_turn();
	ck_assert_uint_eq(served, CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		ck_assert(has_answer(fds[i]));
}
END_TEST

START_TEST(a_turn_is_short_and_the_oldest_come_first)
{
	add_crowd(100);
	turn_on();
	all_ask(50);
	now += CLOCK_MS;
	stand.now_ns = now;
	for (unsigned i = 50; i < 100; i++)
		ask(fds[i]);
	backlog->turn.is_waiting = true;
	stand_turns(&stand, 8);
	backlog->turn.is_waiting = false;
	serve_ns = CLOCK_MS;
	priority = CLASS_CRITICAL;
	serve_turn();
	ck_assert_uint_eq(served, LIMIT_MS / 4);
	ck_assert(backlog->is_on);
	while (served < 50)
		serve_turn();
	for (unsigned i = 0; i < 100; i++)
		ck_assert(has_answer(fds[i]) == (i < 50));
}
END_TEST

START_TEST(who_waited_too_long_is_refused_by_priority)
{
	static const struct {
		enum gate_class priority;
		unsigned waited_ms;
		bool is_refused;
	} rows[] = {
		{ CLASS_SHEDDABLE, LIMIT_MS / 2 - 1, false },
		{ CLASS_SHEDDABLE, LIMIT_MS / 2, true },
		{ CLASS_NORMAL, LIMIT_MS - 1, false },
		{ CLASS_NORMAL, LIMIT_MS, true },
		{ CLASS_CRITICAL, 100 * LIMIT_MS, false },
	};

	add_crowd(BACKLOG_CROWD);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		turn_on();
		all_ask(BACKLOG_CROWD);
		backlog->worked_ns = CLOCK_SEC;
		refused = 0;
		priority = rows[i].priority;
		now += rows[i].waited_ms * CLOCK_MS;
		serve_turn();
		ck_assert_uint_eq(refused, rows[i].is_refused); /* of those behind, fewer wait */
		for (unsigned k = 0; k < BACKLOG_CROWD; k++)
			ck_assert(has_answer(fds[k]));
	}
}
END_TEST

START_TEST(where_few_wait_nobody_is_refused)
{
	add_crowd(BACKLOG_CROWD - 1);
	turn_on();
	all_ask(BACKLOG_CROWD - 1);
	backlog->worked_ns = CLOCK_SEC;
	now += 100 * LIMIT_MS * CLOCK_MS;
	serve_turn();
	ck_assert_uint_eq(refused, 0);
	ck_assert_uint_eq(served, BACKLOG_CROWD - 1);
}
END_TEST

/* However dear refusals are, and however late all is. */
START_TEST(refusals_get_a_tenth_of_the_time)
{
	uint64_t working, refusing;

	add_crowd(100);
	serve_ns = refuse_ns = 100 * CLOCK_US;
	for (unsigned i = 0; i < 20; i++) {
		turn_on();
		all_ask(100);
		now += 10 * LIMIT_MS * CLOCK_MS;
		backlog->stopped_ns = now;
		while (backlog->first != backlog->end)
			serve_turn();
		for (unsigned k = 0; k < 100; k++)
			ck_assert(has_answer(fds[k]));
	}
	ck_assert_uint_eq(served + refused, 2000);
	working = served * serve_ns;
	refusing = refused * refuse_ns;
	ck_assert_uint_gt(refusing, working / 15);
	ck_assert_uint_lt(refusing, working / 8);
}
END_TEST

START_TEST(it_goes_off_when_nobody_has_waited_long_for_a_while)
{
	unsigned turns = 0;

	add_crowd(1);
	turn_on();
	all_ask(1);
	now += LIMIT_MS * CLOCK_MS;
	serve_turn();
	ck_assert(backlog->is_on);
	while (backlog->is_on && turns++ < 1000) {
		stand.now_ns = now;
		all_ask(1);
		now += CLOCK_MS;
		serve_turn();
	}
	ck_assert_uint_ge(turns, LAG_INTERVAL * LIMIT_MS - 1);
	ck_assert_uint_le(turns, LAG_INTERVAL * LIMIT_MS + 1);
}
END_TEST

/* All wait, far too long; then the limit is another. */
static void
wait_and_set(uint64_t limit_ns, bool is_shadow)
{
	add_crowd(CROWD);
	turn_on();
	all_ask(CROWD);
	serve_ns = CLOCK_MS;
	priority = CLASS_CRITICAL;
	now += 100 * LIMIT_MS * CLOCK_MS;
	backlog_set_limit(backlog, limit_ns, is_shadow);
	serve_turn();
}

START_TEST(it_goes_off_at_once_when_there_is_no_limit_any_more)
{
	wait_and_set(0, false);
	ck_assert_uint_eq(served, CROWD);
	ck_assert(!backlog->is_on);
}
END_TEST

START_TEST(it_goes_off_at_once_in_shadow)
{
	wait_and_set(LIMIT_MS * CLOCK_MS, true);
	ck_assert_uint_eq(served, CROWD);
	ck_assert(!backlog->is_on);
}
END_TEST

START_TEST(with_another_limit_it_goes_on)
{
	wait_and_set(2 * LIMIT_MS * CLOCK_MS, false);
	ck_assert_uint_eq(served, 2 * LIMIT_MS / 4);
	ck_assert(backlog->is_on);
}
END_TEST

START_TEST(one_that_closes_meanwhile_leaves_its_place)
{
	add_crowd(3);
	turn_on();
	all_ask(3);
	ck_assert_uint_eq(stand.host.open, 3);
	conn_close(backlog->ring[1].conn);
	conn_close(backlog->ring[0].conn);
	serve_turn();
	ck_assert_uint_eq(served, 1);
	ck_assert(has_answer(fds[2]));
}
END_TEST

START_TEST(all_close_while_they_wait)
{
	add_crowd(3);
	turn_on();
	all_ask(3);
	conn_host_close_all(&stand.host);
	serve_turn();
	ck_assert_uint_eq(served, 0);
}
END_TEST

START_TEST(who_waits_is_not_idle)
{
	add_crowd(3);
	turn_on();
	all_ask(2);
	ck_assert_uint_eq(conn_host_close_idle(&stand.host, 3), 1);
	serve_turn();
	ck_assert_uint_eq(served, 2);
}
END_TEST

START_TEST(without_memory_for_its_place_it_is_served_at_once)
{
	add_crowd(1);
	turn_on();
	ask(fds[0]);
	mem_fail_at(1, true);
	stand_turns(&stand, 2);
	mem_fail_at(0, false);
	ck_assert_uint_eq(served, 1);
}
END_TEST

START_TEST(a_new_conn_waits_too)
{
	turn_on();
	backlog->turn.is_waiting = true;
	stand_connect(&stand, SOCK_STREAM, 0);
	backlog->turn.is_waiting = false;
	ck_assert_uint_eq(backlog->end - backlog->first, 1);
	serve_turn();
	stand_say(&stand, GET);
	ck_assert_uint_eq(served, 1);
}
END_TEST

Suite *
suite_proto_backlog(void)
{
	Suite *s = suite_create("proto_backlog");
	TCase *t = tcase_create("backlog");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, who_comes_is_served_at_once_while_there_is_no_backlog);
	tcase_add_test(t, in_shadow_nobody_waits_and_the_late_are_counted);
	tcase_add_test(t, all_wait_their_turn_and_the_ring_grows);
	tcase_add_test(t, a_turn_is_short_and_the_oldest_come_first);
	tcase_add_test(t, who_waited_too_long_is_refused_by_priority);
	tcase_add_test(t, where_few_wait_nobody_is_refused);
	tcase_add_test(t, refusals_get_a_tenth_of_the_time);
	tcase_add_test(t, it_goes_off_when_nobody_has_waited_long_for_a_while);
	tcase_add_test(t, it_goes_off_at_once_when_there_is_no_limit_any_more);
	tcase_add_test(t, it_goes_off_at_once_in_shadow);
	tcase_add_test(t, with_another_limit_it_goes_on);
	tcase_add_test(t, one_that_closes_meanwhile_leaves_its_place);
	tcase_add_test(t, all_close_while_they_wait);
	tcase_add_test(t, who_waits_is_not_idle);
	tcase_add_test(t, without_memory_for_its_place_it_is_served_at_once);
	tcase_add_test(t, a_new_conn_waits_too);
	suite_add_tcase(s, t);
	return s;
}
