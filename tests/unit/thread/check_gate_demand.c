/*
 * What is asked of a gate, and how a standing queue is held by it. Jobs take
 * 10 ms on two threads, so that a window is 60 ms and holds 120 ms of work.
 */
#include "base/clock.h"
#include "thread/gate_priv.h"

#include <check.h>

Suite *suite_thread_gate_demand(void);

enum { THREADS = 2 };

static const uint64_t ms = CLOCK_MS;
static const uint64_t start = CLOCK_SEC;

static void
open_gate(struct pool_gate *g, enum gate_order order)
{
	gate_init(g, order);
	g->threads = THREADS;
	g->max_queue = 256;
	cost_init(&g->mix, 10 * ms);
	g->mix.dev_ns = 0;
	gate_demand_note(g, CLASS_NORMAL, 0, start);
	gate_demand_note(g, CLASS_CRITICAL, 0, start);
}

/* Work for so many threads, each of them as long, in steps of 10 ms. */
static uint64_t
bring(struct pool_gate *g, enum gate_class priority, double threads, uint64_t from, uint64_t until)
{
	for (uint64_t at = from + 10 * ms; at <= until; at += 10 * ms)
		gate_demand_note(g, priority, (uint64_t)(threads * 10 * CLOCK_MS), at);
	return until;
}

static double
threads_asked_for(const struct pool_gate *g, enum gate_class priority, uint64_t now)
{
	return (double)gate_demand_at_most(g, priority, now) / GATE_LOAD_ONE;
}

START_TEST(what_is_asked_for_is_told_after_a_window)
{
	struct pool_gate g;
	uint64_t now;

	open_gate(&g, ORDER_ADAPTIVE);
	now = bring(&g, CLASS_NORMAL, 1, start, start + 480 * ms);
	ck_assert_double_eq_tol(threads_asked_for(&g, CLASS_NORMAL, now), 1, 0.01);
	now = bring(&g, CLASS_NORMAL, 5, now, now + 240 * ms);
	ck_assert_double_eq_tol(threads_asked_for(&g, CLASS_NORMAL, now), 5, 0.01);
}
END_TEST

START_TEST(a_flood_is_seen_before_its_first_window_has_ended)
{
	struct pool_gate g;
	uint64_t now;

	open_gate(&g, ORDER_ADAPTIVE);
	now = bring(&g, CLASS_NORMAL, 20, start, start + 30 * ms);
	ck_assert_double_ge(threads_asked_for(&g, CLASS_NORMAL, now), 9);
}
END_TEST

START_TEST(a_flood_that_has_ended_is_forgotten_though_nobody_asks)
{
	struct pool_gate g;
	uint64_t now;

	open_gate(&g, ORDER_ADAPTIVE);
	now = bring(&g, CLASS_NORMAL, 20, start, start + 480 * ms);
	ck_assert_double_ge(threads_asked_for(&g, CLASS_NORMAL, now + 120 * ms), 19);
	ck_assert_double_le(threads_asked_for(&g, CLASS_NORMAL, now + 130 * ms), 2);
}
END_TEST

START_TEST(what_lower_classes_ask_for_is_nothing_to_higher_ones)
{
	struct pool_gate g;
	uint64_t now;

	open_gate(&g, ORDER_ADAPTIVE);
	now = bring(&g, CLASS_NORMAL, 8, start, start + 480 * ms);
	bring(&g, CLASS_CRITICAL, 1, start, now);
	ck_assert_double_eq_tol(threads_asked_for(&g, CLASS_CRITICAL, now), 1, 0.01);
	ck_assert_double_eq_tol(threads_asked_for(&g, CLASS_NORMAL, now), 9, 0.01);
	open_gate(&g, ORDER_FIFO);
	now = bring(&g, CLASS_NORMAL, 8, start, start + 480 * ms);
	ck_assert_double_eq_tol(threads_asked_for(&g, CLASS_CRITICAL, now), 8, 0.01);
}
END_TEST

START_TEST(who_is_asked_once_more_counts_once)
{
	struct gate_ask a = { .now_ns = start, .deadline_ns = start + 15 * ms };
	struct pool_gate g;

	open_gate(&g, ORDER_ADAPTIVE);
	g.admitted = THREADS;
	g.line[CLASS_CRITICAL].work_ns = 100 * ms;
	gate_ask_more(&g, &a, NULL, 0, start + 15 * ms);
	ck_assert_int_eq(gate_reserve(&g, &a, false), GATE_WAIT);
	a.is_again = true;
	ck_assert_int_eq(gate_reserve(&g, &a, false), GATE_WAIT);
	ck_assert_uint_eq(g.line[CLASS_CRITICAL].demand.work_ns, 10 * ms);
}
END_TEST

/* Something beside it was refused; or it takes longer than it has. */
START_TEST(what_cannot_begin_or_be_in_time_is_not_asked_for)
{
	struct gate_ask a = { .now_ns = start, .deadline_ns = CLOCK_NEVER };
	struct gate_ask late = a;
	struct pool_gate g;

	open_gate(&g, ORDER_ADAPTIVE);
	gate_ask_more(&g, &a, NULL, 0, start + 15 * ms);
	ck_assert_int_eq(gate_reserve(&g, &a, false), GATE_OPEN);
	ck_assert_uint_eq(g.line[CLASS_CRITICAL].demand.work_ns, 10 * ms);
	gate_release(&g, CLASS_CRITICAL, 1, 10 * ms);
	ck_assert_uint_eq(g.line[CLASS_CRITICAL].demand.work_ns, 0);
	gate_ask_more(&g, &late, NULL, 0, start + 9 * ms);
	ck_assert_int_eq(gate_reserve(&g, &late, false), GATE_OPEN);
	ck_assert_uint_eq(g.line[CLASS_CRITICAL].demand.work_ns, 0);
	/* In the next window. */
	gate_release(&g, CLASS_CRITICAL, 1, 10 * ms);
	gate_demand_note(&g, CLASS_CRITICAL, 0, start + CLOCK_SEC);
	ck_assert_double_eq_tol(threads_asked_for(&g, CLASS_CRITICAL, start + CLOCK_SEC), 0, 0.01);
}
END_TEST

START_TEST(what_can_never_be_let_in_is_no_demand)
{
	struct gate_ask a = { .now_ns = start, .deadline_ns = CLOCK_NEVER };
	struct pool_gate g;

	open_gate(&g, ORDER_ADAPTIVE);
	g.max_queue = 2;
	for (unsigned i = 0; i < 5; i++)
		gate_ask_more(&g, &a, NULL, 0, start + CLOCK_SEC);
	ck_assert_int_eq(gate_reserve(&g, &a, false), GATE_FULL);
	ck_assert_uint_eq(g.line[CLASS_CRITICAL].demand.work_ns, 0);
}
END_TEST

START_TEST(what_has_begun_counts_when_it_is_let_in)
{
	struct gate_ask a = { .now_ns = start, .deadline_ns = CLOCK_NEVER, .is_underway = true };
	struct pool_gate g;

	open_gate(&g, ORDER_ADAPTIVE);
	gate_ask_more(&g, &a, NULL, 0, CLOCK_NEVER);
	g.admitted = THREADS + g.max_queue;
	for (unsigned i = 0; i < 9; i++)
		ck_assert_int_eq(gate_reserve(&g, &a, false), GATE_FULL);
	g.admitted--;
	ck_assert_int_eq(gate_reserve(&g, &a, false), GATE_OPEN);
	ck_assert_uint_eq(g.line[CLASS_CRITICAL].demand.work_ns, 10 * ms);
}
END_TEST

START_TEST(no_more_is_returned_than_was_asked_for)
{
	struct pool_gate g;

	open_gate(&g, ORDER_ADAPTIVE);
	gate_demand_note(&g, CLASS_NORMAL, 10 * ms, start + 1);
	gate_demand_return(&g, CLASS_NORMAL, 30 * ms);
	gate_demand_note(&g, CLASS_NORMAL, 10 * ms, start + 2);
	ck_assert_uint_eq(g.line[CLASS_NORMAL].demand.work_ns, 10 * ms);
}
END_TEST

START_TEST(slow_jobs_are_forgotten_after_a_second_or_one_of_them)
{
	struct pool_gate g;

	open_gate(&g, ORDER_ADAPTIVE);
	cost_init(&g.mix, 10 * CLOCK_SEC);
	gate_demand_note(&g, CLASS_NORMAL, 100 * CLOCK_SEC, start + CLOCK_SEC);
	ck_assert_double_ge(threads_asked_for(&g, CLASS_NORMAL, start + 10 * CLOCK_SEC), 9.9);
	ck_assert_double_le(threads_asked_for(&g, CLASS_NORMAL, start + 60 * CLOCK_SEC), 2);
}
END_TEST

START_TEST(a_window_is_10_ms_at_least)
{
	struct pool_gate g;
	uint64_t now;

	open_gate(&g, ORDER_ADAPTIVE);
	g.threads = 64;
	now = bring(&g, CLASS_NORMAL, 32, start, start + 40 * ms);
	/* All of a handful has come at once. */
	ck_assert_double_eq_tol(threads_asked_for(&g, CLASS_NORMAL, now), 32, 0.01);
	gate_demand_note(&g, CLASS_NORMAL, 320 * ms, now + ms);
	ck_assert_double_eq_tol(threads_asked_for(&g, CLASS_NORMAL, now + ms), 32, 0.01);
}
END_TEST

/* --- what it is for ------------------------------------------------------------------------- */

/* A fifth of what 24 threads can do, for two seconds, which never keeps all busy; then at once what
 * they do in 125 ms. */
START_TEST(a_burst_into_calm_is_let_in_whole)
{
	enum { MANY = 24, BURST = 150 };
	struct gate_ask a = { .priority = CLASS_NORMAL, .deadline_ns = CLOCK_NEVER };
	struct pool_gate g;

	open_gate(&g, ORDER_ADAPTIVE);
	g.threads = MANY;
	cost_init(&g.mix, 20 * ms);
	g.mix.dev_ns = 0;
	gate_ask_more(&g, &a, NULL, 0, CLOCK_NEVER);
	for (a.now_ns = start; a.now_ns < start + 2 * CLOCK_SEC; a.now_ns += 4 * ms) {
		ck_assert_int_eq(gate_reserve(&g, &a, false), GATE_OPEN);
		g.admitted--;
		g.line[CLASS_NORMAL].work_ns -= 20 * ms;
		g.line[CLASS_NORMAL].jobs--;
	}
	for (unsigned i = 0; i < BURST; i++, a.now_ns += 33 * CLOCK_US) {
		a.deadline_ns = a.now_ns + 500 * ms;
		ck_assert_int_eq(gate_reserve(&g, &a, false), GATE_OPEN);
	}
}
END_TEST

/* How long a standing queue may be, in ms of wait. */
static unsigned
standing_limit(unsigned has_ms, double threads)
{
	struct pool_gate g;
	uint64_t load = (uint64_t)(threads * GATE_LOAD_ONE);

	open_gate(&g, ORDER_ADAPTIVE);
	return (unsigned)(gate_standing_limit(&g, has_ms * ms, 0, load) / ms);
}

/* 10 ms are for the run. */
START_TEST(the_more_is_asked_for_the_less_a_standing_queue_may_hold)
{
	ck_assert_uint_eq(standing_limit(610, 2 * THREADS), 120);
	ck_assert_uint_eq(standing_limit(610, 2.5 * THREADS), 80);
	ck_assert_uint_eq(standing_limit(610, 3 * THREADS), 60);
	ck_assert_uint_eq(standing_limit(610, 100 * THREADS), 60);
	/* Four jobs for two threads. */
	ck_assert_uint_eq(standing_limit(110, 100 * THREADS), 20);
	ck_assert_uint_eq(standing_limit(610, 1.5 * THREADS), 200);
	ck_assert_uint_eq(standing_limit(610, 0.8 * THREADS), 200);
}
END_TEST

START_TEST(a_flood_lasts_since_it_was_last_no_flood)
{
	const uint64_t can = THREADS * GATE_LOAD_ONE;
	struct pool_gate g;

	open_gate(&g, ORDER_ADAPTIVE);
	ck_assert_uint_eq(gate_flood_since(&g, CLASS_NORMAL, can, start), start);
	ck_assert_uint_eq(gate_flood_since(&g, CLASS_NORMAL, can + 1, start + ms), start);
	ck_assert_uint_eq(gate_flood_since(&g, CLASS_NORMAL, can - 1, start + 2 * ms),
			  start + 2 * ms);
}
END_TEST

Suite *
suite_thread_gate_demand(void)
{
	Suite *s = suite_create("thread_gate_demand");
	TCase *t = tcase_create("demand");

	tcase_add_test(t, what_is_asked_for_is_told_after_a_window);
	tcase_add_test(t, a_flood_is_seen_before_its_first_window_has_ended);
	tcase_add_test(t, a_flood_that_has_ended_is_forgotten_though_nobody_asks);
	tcase_add_test(t, what_lower_classes_ask_for_is_nothing_to_higher_ones);
	tcase_add_test(t, who_is_asked_once_more_counts_once);
	tcase_add_test(t, what_cannot_begin_or_be_in_time_is_not_asked_for);
	tcase_add_test(t, what_can_never_be_let_in_is_no_demand);
	tcase_add_test(t, what_has_begun_counts_when_it_is_let_in);
	tcase_add_test(t, no_more_is_returned_than_was_asked_for);
	tcase_add_test(t, slow_jobs_are_forgotten_after_a_second_or_one_of_them);
	tcase_add_test(t, a_burst_into_calm_is_let_in_whole);
	tcase_add_test(t, a_window_is_10_ms_at_least);
	tcase_add_test(t, the_more_is_asked_for_the_less_a_standing_queue_may_hold);
	tcase_add_test(t, a_flood_lasts_since_it_was_last_no_flood);
	suite_add_tcase(s, t);
	return s;
}
