/*
 * Promises of the gate, one at a time; what they amount to under load is in
 * tests/scenario/scenario_gate.c.
 */
#include "base/clock.h"
#include "thread/gate_priv.h"

#include <check.h>

Suite *suite_thread_gate_later(void);

enum { THREADS = 2, MAX_QUEUE = 6 };

static const uint64_t ms = CLOCK_MS;
static const uint64_t start = 10 * CLOCK_SEC;

struct bench {
	struct pool_gate gate;
	struct cost cost; /* 20 ms, and ready after a second */
	uint64_t now_ns;
};

static void
open_gate(struct bench *b, enum gate_order order)
{
	*b = (struct bench){ .now_ns = start };
	gate_init(&b->gate, order);
	gate_set_threads(&b->gate, THREADS);
	gate_set_queue(&b->gate, MAX_QUEUE, 0);
	cost_init(&b->cost, 20 * ms);
	cost_init(&b->gate.mix, 20 * ms);
	cost_learn_delay(&b->cost, CLOCK_SEC);
}

static enum gate_verdict
promise_many(struct bench *b, unsigned n, uint64_t left, struct gate_promise *p)
{
	struct gate_ask ask = { .now_ns = b->now_ns, .deadline_ns = CLOCK_NEVER };

	for (unsigned i = 0; i < n; i++)
		gate_ask_later(&b->gate, &ask, &b->cost, 0, clock_after(b->now_ns, left), &p[i]);
	return gate_reserve(&b->gate, &ask, false);
}

static enum gate_verdict
promise(struct bench *b, uint64_t left)
{
	struct gate_promise p;

	return promise_many(b, 1, left, &p);
}

static enum gate_verdict
ask_now(struct bench *b, unsigned n)
{
	struct gate_ask ask = { .now_ns = b->now_ns, .deadline_ns = CLOCK_NEVER };

	for (unsigned i = 0; i < n; i++)
		gate_ask_more(&b->gate, &ask, &b->cost, 0, b->now_ns + 60 * ms);
	return gate_reserve(&b->gate, &ask, true);
}

/* How many are promised, each so long after the one before. */
static unsigned
promise_until_refused(struct bench *b, uint64_t apart_ns, uint64_t left)
{
	unsigned n = 0;

	while (promise(b, left) == GATE_OPEN) {
		ck_assert_uint_lt(n, 10000);
		b->now_ns += apart_ns;
		n++;
	}
	return n;
}

START_TEST(a_promise_is_neither_a_busy_thread_nor_work)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE);
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_int_eq(promise(&b, 30 * CLOCK_SEC), GATE_OPEN);
		b.now_ns += 20 * ms;
	}
	ck_assert_uint_eq(b.gate.promised, 10);
	ck_assert_uint_eq(b.gate.admitted, 0);
	ck_assert_uint_eq(gate_drain_ns(&b.gate), 0);
	/* All places are there for who comes now. */
	ck_assert_int_eq(ask_now(&b, THREADS), GATE_OPEN);
}
END_TEST

START_TEST(a_redeemed_promise_is_a_reserved_place_with_its_work)
{
	struct bench b;
	struct gate_promise p[2];

	open_gate(&b, ORDER_ADAPTIVE);
	ck_assert_int_eq(promise_many(&b, 2, 30 * CLOCK_SEC, p), GATE_OPEN);
	gate_redeem(&b.gate, CLASS_CRITICAL, &p[0], &b.cost, start + 3 * CLOCK_SEC, 30 * ms);
	ck_assert_uint_eq(b.gate.promised, 1);
	ck_assert_uint_eq(b.gate.admitted, 1);
	ck_assert_uint_eq(gate_drain_ns(&b.gate), 15 * ms);
	/* The average of one second and of three. */
	ck_assert_uint_eq(cost_delay(&b.cost), 2 * CLOCK_SEC);
	gate_lapse(&b.gate, CLASS_CRITICAL, &p[1], &b.cost);
	ck_assert_uint_eq(b.gate.promised, 0);
	ck_assert_uint_eq(b.gate.line[CLASS_CRITICAL].load, 0);
	gate_release(&b.gate, CLASS_CRITICAL, 1, 30 * ms);
	ck_assert_uint_eq(b.gate.admitted, 0);
}
END_TEST

/* A promise in 10 ms is all that two threads can do of 20 ms each. */
START_TEST(promises_are_given_as_fast_as_threads_work)
{
	for (int order = ORDER_FIFO; order <= ORDER_ADAPTIVE; order++) {
		struct bench b;
		unsigned n;

		open_gate(&b, (enum gate_order)order);
		gate_set_queue(&b.gate, MAX_QUEUE, 100 * ms);
		n = promise_until_refused(&b, 5 * ms, CLOCK_NEVER);
		/* Twice as fast: those of a tenth of a second are too many. */
		ck_assert_uint_ge(n, 15);
		ck_assert_uint_le(n, 40);
		b.now_ns += CLOCK_SEC;
		ck_assert_uint_ge(promise_until_refused(&b, 10 * ms, CLOCK_NEVER), 60);
	}
}
END_TEST

START_TEST(those_who_come_together_are_promised_what_is_in_time)
{
	struct bench b;
	unsigned n;

	open_gate(&b, ORDER_ADAPTIVE);
	n = promise_until_refused(&b, 0, 1500 * ms);
	ck_assert_uint_ge(n, 10);
	ck_assert_uint_le(n, 50);
	/* What is over before the others are is refused, too. */
	ck_assert_int_eq(promise(&b, 900 * ms), GATE_WAIT);
}
END_TEST

START_TEST(what_never_comes_is_not_counted_on)
{
	struct bench b;
	unsigned all, few;

	open_gate(&b, ORDER_ADAPTIVE);
	gate_set_queue(&b.gate, MAX_QUEUE, 100 * ms);
	all = promise_until_refused(&b, 0, CLOCK_NEVER);
	open_gate(&b, ORDER_ADAPTIVE);
	gate_set_queue(&b.gate, MAX_QUEUE, 100 * ms);
	for (unsigned i = 0; i < 400; i++) {
		struct gate_promise p;

		b.now_ns += 100 * ms;
		ck_assert_int_eq(promise_many(&b, 1, CLOCK_NEVER, &p), GATE_OPEN);
		gate_lapse(&b.gate, CLASS_CRITICAL, &p, &b.cost);
	}
	few = promise_until_refused(&b, 0, CLOCK_NEVER);
	ck_assert_uint_ge(few, 5 * all);
	/* Not without end all the same. */
	ck_assert_uint_le(few, 64 * (THREADS + MAX_QUEUE));
}
END_TEST

START_TEST(of_a_new_kind_as_many_are_promised_as_there_are_places)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE);
	cost_init(&b.cost, 0);
	cost_init(&b.gate.mix, 0);
	ck_assert_uint_eq(promise_until_refused(&b, 0, CLOCK_NEVER), THREADS + MAX_QUEUE);
	ck_assert_int_eq(promise(&b, CLOCK_NEVER), GATE_FULL);
	ck_assert_int_eq(ask_now(&b, THREADS), GATE_OPEN);
}
END_TEST

/* It is learned by what runs alone: one that looks too dear must be tried. */
START_TEST(threads_that_nobody_claims_are_promised_whatever_is_known)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE);
	cost_init(&b.cost, 3600 * CLOCK_SEC);
	cost_learn_delay(&b.cost, CLOCK_SEC);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(promise(&b, 2 * CLOCK_SEC), GATE_OPEN);
	ck_assert_int_eq(promise(&b, 2 * CLOCK_SEC), GATE_WAIT);
}
END_TEST

START_TEST(promises_of_a_lower_class_are_nothing_to_a_higher_one)
{
	struct bench b;
	struct gate_ask ask = { .priority = CLASS_NORMAL,
				.now_ns = start,
				.deadline_ns = CLOCK_NEVER };
	struct gate_promise p;

	open_gate(&b, ORDER_ADAPTIVE);
	gate_set_queue(&b.gate, 1000, 100 * ms);
	for (unsigned i = 0; i < 400; i++)
		gate_ask_later(&b.gate, &ask, &b.cost, 0, CLOCK_NEVER, &p);
	ask.is_underway = true;
	ck_assert_int_eq(gate_reserve(&b.gate, &ask, false), GATE_OPEN);
	ck_assert_int_eq(promise(&b, 30 * CLOCK_SEC), GATE_OPEN);
	ask = (struct gate_ask){ .priority = CLASS_SHEDDABLE,
				 .now_ns = start,
				 .deadline_ns = CLOCK_NEVER };
	gate_ask_later(&b.gate, &ask, &b.cost, 0, CLOCK_NEVER, &p);
	ck_assert_int_eq(gate_reserve(&b.gate, &ask, false), GATE_WAIT);
}
END_TEST

/* --- beside what comes without a promise ---------------------------------------------- */

/* For 20 seconds that class asks for `percent` of the threads' time, and is refused. Returns how
 * much of that time is promised to those of CLASS_NORMAL, who ask for twice of what there is; in
 * the first five seconds they could not be in time. */
static unsigned
promised_beside(struct bench *b, unsigned percent, enum gate_class priority)
{
	const uint64_t until = start + 20 * CLOCK_SEC, all = THREADS * GATE_LOAD_ONE;

	open_gate(b, ORDER_ADAPTIVE);
	gate_set_queue(&b->gate, 1000, 10 * ms);
	cost_init(&b->cost, 20 * ms);
	cost_learn_delay(&b->cost, 10 * CLOCK_SEC);
	for (; b->now_ns < until; b->now_ns += 5 * ms) {
		bool is_too_late = b->now_ns < start + 5 * CLOCK_SEC;
		struct gate_ask ask = { .priority = CLASS_NORMAL,
					.now_ns = b->now_ns,
					.deadline_ns = CLOCK_NEVER };
		struct gate_promise p;

		gate_demand_note(&b->gate, priority, 5 * ms * THREADS * percent / 100, b->now_ns);
		gate_ask_later(&b->gate, &ask, &b->cost, 0, is_too_late ? b->now_ns : CLOCK_NEVER,
			       &p);
		ck_assert_int_ne(gate_reserve(&b->gate, &ask, false), GATE_FULL);
	}
	return (unsigned)(b->gate.line[CLASS_NORMAL].load * 100 / all);
}

START_TEST(promises_leave_half_to_what_comes_without_one_and_asks_for_it)
{
	static const struct {
		enum gate_class priority;
		unsigned percent, promised;
	} rows[] = {
		{ CLASS_NORMAL, 0, 100 },       { CLASS_NORMAL, 30, 70 },
		{ CLASS_NORMAL, 60, 50 },       { CLASS_NORMAL, 1000, 50 },
		{ CLASS_CRITICAL, 30, 70 },     { CLASS_CRITICAL, 80, 20 },
		{ CLASS_SHEDDABLE, 1000, 100 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bench b;
		unsigned promised = promised_beside(&b, rows[i].percent, rows[i].priority);

		ck_assert_msg(promised + 3 >= rows[i].promised && promised <= rows[i].promised + 3,
			      "row %u: %u", i, promised);
	}
}
END_TEST

START_TEST(room_for_what_has_stopped_to_come_is_promised_again)
{
	struct bench b;

	ck_assert_uint_le(promised_beside(&b, 1000, CLASS_NORMAL), 53);
	b.now_ns += 30 * CLOCK_SEC;
	ck_assert_uint_le(gate_demand_usual(&b.gate, CLASS_NORMAL, b.now_ns), GATE_LOAD_ONE / 10);
}
END_TEST

/* They were let in, and come all at once. */
START_TEST(what_comes_on_top_of_the_queue_is_given_up_one_for_one)
{
	enum { MANY = 40 };
	struct bench b;
	struct gate_ask ask = { .priority = CLASS_CRITICAL,
				.now_ns = start,
				.deadline_ns = CLOCK_NEVER };
	struct gate_ask equal;
	struct gate_promise p[MANY];
	struct gate_job job[MANY] = { { .priority = CLASS_SHEDDABLE } };
	unsigned excess;

	open_gate(&b, ORDER_ADAPTIVE);
	for (unsigned i = 0; i < MANY; i++) {
		struct gate_ask one = { .priority = CLASS_SHEDDABLE,
					.is_underway = true,
					.now_ns = start,
					.deadline_ns = CLOCK_NEVER };

		gate_ask_later(&b.gate, &one, &b.cost, 0, CLOCK_NEVER, &p[i]);
		ck_assert_int_eq(gate_reserve(&b.gate, &one, false), GATE_OPEN);
	}
	for (unsigned i = 0; i < MANY; i++) {
		job[i] = (struct gate_job){ .priority = CLASS_SHEDDABLE,
					    .deadline_ns = CLOCK_NEVER,
					    .submitted_ns = start };
		gate_redeem(&b.gate, CLASS_SHEDDABLE, &p[i], &b.cost, start, 0);
		gate_submitted(&b.gate, &job[i]);
		gate_file(&b.gate, &job[i]);
	}
	ck_assert_uint_gt(b.gate.admitted, THREADS + MAX_QUEUE);
	ck_assert_int_eq(promise(&b, CLOCK_NEVER), GATE_FULL);
	gate_ask_more(&b.gate, &ask, &b.cost, 0, CLOCK_NEVER);
	ck_assert_int_eq(gate_reserve(&b.gate, &ask, true), GATE_FULL);
	equal = ask;
	ck_assert(gate_could_evict(&b.gate, &ask, &excess));
	ck_assert_uint_eq(excess, 1);
	/* Nobody makes room for an equal: it stays out, as if it had not been looked at. */
	equal.priority = CLASS_SHEDDABLE;
	ck_assert(!gate_could_evict(&b.gate, &equal, &excess));
	ck_assert_int_eq(gate_reserve(&b.gate, &equal, true), GATE_FULL);
	gate_remove(&b.gate, gate_spare(&b.gate.queue, CLASS_CRITICAL));
	gate_leave(&b.gate);
	ck_assert_int_eq(gate_reserve(&b.gate, &ask, true), GATE_OPEN);
	ck_assert_uint_eq(b.gate.admitted, MANY);
}
END_TEST

Suite *
suite_thread_gate_later(void)
{
	Suite *s = suite_create("thread_gate_later");
	TCase *t = tcase_create("promises");

	tcase_add_test(t, a_promise_is_neither_a_busy_thread_nor_work);
	tcase_add_test(t, a_redeemed_promise_is_a_reserved_place_with_its_work);
	tcase_add_test(t, promises_are_given_as_fast_as_threads_work);
	tcase_add_test(t, those_who_come_together_are_promised_what_is_in_time);
	tcase_add_test(t, what_never_comes_is_not_counted_on);
	tcase_add_test(t, of_a_new_kind_as_many_are_promised_as_there_are_places);
	tcase_add_test(t, threads_that_nobody_claims_are_promised_whatever_is_known);
	tcase_add_test(t, promises_of_a_lower_class_are_nothing_to_a_higher_one);
	tcase_add_test(t, promises_leave_half_to_what_comes_without_one_and_asks_for_it);
	tcase_add_test(t, room_for_what_has_stopped_to_come_is_promised_again);
	tcase_add_test(t, what_comes_on_top_of_the_queue_is_given_up_one_for_one);
	suite_add_tcase(s, t);
	return s;
}
