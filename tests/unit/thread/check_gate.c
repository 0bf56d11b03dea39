/*
 * The gate's decisions, one at a time; what they amount to under load is in
 * tests/scenario/scenario_gate.c.
 */
#include "base/clock.h"
#include "base/list.h"
#include "thread/gate.h"

#include <check.h>

Suite *suite_thread_gate(void);

enum { JOBS_MAX = 64 };

static const uint64_t ms = CLOCK_MS;
static const uint64_t start = CLOCK_SEC;

struct bench {
	struct pool_gate gate;
	struct cost cost; /* 10 ms, without deviation */
	struct gate_job job[JOBS_MAX];
	unsigned jobs;
	unsigned running;
};

static void
open_gate(struct bench *b, enum gate_order order, unsigned threads, unsigned max_queue)
{
	*b = (struct bench){ .jobs = 0 };
	gate_init(&b->gate, order);
	b->gate.threads = threads;
	b->gate.max_queue = max_queue;
	cost_init(&b->cost, 10 * ms);
	b->cost.dev_ns = 0;
	cost_init(&b->gate.mix, 10 * ms);
	b->gate.mix.dev_ns = 0;
}

static enum gate_verdict
ask_many(struct bench *b, enum gate_class priority, unsigned n, uint64_t left)
{
	struct gate_ask ask = { .priority = priority, .now_ns = start, .deadline_ns = CLOCK_NEVER };

	for (unsigned i = 0; i < n; i++)
		gate_ask_more(&b->gate, &ask, &b->cost, 0, clock_after(start, left));
	return gate_reserve(&b->gate, &ask, true);
}

/* One that was let in is filed. */
static enum gate_verdict
ask(struct bench *b, enum gate_class priority, uint64_t left)
{
	enum gate_verdict verdict = ask_many(b, priority, 1, left);
	struct gate_job *j = &b->job[b->jobs];

	if (verdict != GATE_OPEN)
		return verdict;
	*j = (struct gate_job){ .priority = priority, .cost = &b->cost };
	j->node.work_ns = gate_expect(&b->gate, &b->cost, 0);
	j->submitted_ns = start;
	j->deadline_ns = clock_after(start, left);
	b->jobs++;
	gate_submitted(&b->gate, j);
	gate_file(&b->gate, j);
	return verdict;
}

static struct gate_job *
take(struct bench *b)
{
	struct gate_job *j = gate_take(&b->gate);

	if (j)
		gate_start(&b->gate, j);
	return j;
}

/* A thread of the only two or fewer is busy from here on. */
static void
occupy(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		ck_assert_int_eq(ask(b, CLASS_CRITICAL, CLOCK_SEC), GATE_OPEN);
		ck_assert_ptr_nonnull(take(b));
	}
}

/* --- costs ------------------------------------------------------------------------------ */

START_TEST(a_cost_is_learned_and_follows_a_change)
{
	struct cost c;

	cost_init(&c, 0);
	ck_assert_uint_eq(cost_mean(&c), 0);
	cost_learn(&c, 20 * ms, COST_WHOLE);
	ck_assert_uint_eq(cost_mean(&c), 20 * ms);
	ck_assert_uint_eq(cost_dev(&c), 10 * ms);
	for (unsigned i = 0; i < 200; i++)
		cost_learn(&c, 20 * ms, COST_WHOLE);
	ck_assert_uint_le(cost_dev(&c), 1 * ms);
	for (unsigned i = 0; i < 128; i++)
		cost_learn(&c, 50 * ms, COST_WHOLE);
	ck_assert_uint_ge(cost_mean(&c), 45 * ms);
	ck_assert_uint_le(cost_mean(&c), 50 * ms);
}
END_TEST

START_TEST(a_declared_cost_gives_way_to_what_is_seen)
{
	struct cost c;

	cost_init(&c, 100 * ms);
	ck_assert_uint_eq(cost_mean(&c), 100 * ms);
	for (unsigned i = 0; i < 100; i++)
		cost_learn(&c, 10 * ms, COST_WHOLE);
	ck_assert_uint_le(cost_mean(&c), 25 * ms);
}
END_TEST

START_TEST(a_run_that_was_cut_short_says_only_that_it_is_longer)
{
	struct cost c;

	cost_init(&c, 20 * ms);
	cost_learn(&c, 5 * ms, COST_CUT);
	ck_assert_uint_eq(cost_mean(&c), 20 * ms);
	cost_learn(&c, 65 * ms, COST_CUT);
	ck_assert_uint_gt(cost_mean(&c), 20 * ms);
}
END_TEST

START_TEST(what_fails_at_once_says_nothing_and_what_fails_late_says_how_long_it_takes)
{
	struct cost c;

	/* The first whole one is believed, however many failed before it. */
	cost_init(&c, 0);
	for (unsigned i = 0; i < 100; i++)
		cost_learn(&c, CLOCK_US, COST_FAILED);
	ck_assert_uint_eq(cost_mean(&c), CLOCK_US);
	cost_learn(&c, 20 * ms, COST_WHOLE);
	ck_assert_uint_eq(cost_mean(&c), 20 * ms);
	for (unsigned i = 0; i < 100; i++)
		cost_learn(&c, CLOCK_US, COST_FAILED);
	ck_assert_uint_eq(cost_mean(&c), 20 * ms);
	for (unsigned i = 0; i < 100; i++)
		cost_learn(&c, 40 * ms, COST_FAILED);
	ck_assert_uint_ge(cost_mean(&c), 30 * ms);
	/* One outlier does not stay for good where all fail. */
	for (unsigned i = 0; i < 100; i++)
		cost_learn(&c, 25 * ms, COST_FAILED);
	ck_assert_uint_le(cost_mean(&c), 28 * ms);
}
END_TEST

/* Ten pictures that are none, and one that is: an eleventh of its time is no prediction. */
START_TEST(cheap_refusals_beside_real_work_do_not_make_it_look_cheap)
{
	struct bench b;
	uint64_t now = start;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	cost_init(&b.cost, 0);
	cost_init(&b.gate.mix, 0);
	for (unsigned i = 0; i < 200; i++) {
		struct gate_job j = { .cost = &b.cost };
		bool is_real = i % 11 == 10;

		now += is_real ? 22 * ms : CLOCK_US;
		gate_end(&b.gate, &j, now, is_real ? 22 * ms : CLOCK_US,
			 is_real ? COST_WHOLE : COST_FAILED);
	}
	ck_assert_uint_eq(gate_expect(&b.gate, &b.cost, 0), 22 * ms);
	ck_assert_uint_eq(cost_mean(&b.gate.mix), 22 * ms);
}
END_TEST

/* --- who is let in ------------------------------------------------------------------------ */

START_TEST(what_has_twice_as_much_to_do_is_expected_to_take_twice_as_long)
{
	const uint64_t mega = COST_UNIT;
	struct cost c;

	cost_init(&c, 0);
	ck_assert_uint_eq(cost_expect(&c, 5 * mega), 0);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t units = (1 + i % 4) * mega;

		cost_learn_units(&c, units, units / mega * 10 * ms, COST_WHOLE);
	}
	ck_assert_uint_eq(cost_expect(&c, mega), 10 * ms);
	ck_assert_uint_eq(cost_expect(&c, 24 * mega), 240 * ms);
	ck_assert_uint_le(cost_spread(&c, 24 * mega), 24 * ms);
	/* Not known: as much as usual, 2.5 of them. */
	ck_assert_uint_ge(cost_expect(&c, 0), 23 * ms);
	ck_assert_uint_le(cost_expect(&c, 0), 27 * ms);
	/* Coarse units cost what they cost: pages, of 20 ms each. */
	cost_init(&c, 0);
	for (unsigned i = 0; i < 200; i++)
		cost_learn_units(&c, 1 + i % 3, (1 + i % 3) * 20 * ms, COST_WHOLE);
	ck_assert_uint_eq(cost_expect(&c, 1), 20 * ms);
	ck_assert_uint_eq(cost_expect(&c, 24), 480 * ms);
	/* Nothing overflows. */
	cost_learn_units(&c, 1, UINT64_MAX / 2, COST_WHOLE);
	cost_learn_units(&c, UINT64_MAX, 1, COST_WHOLE);
	ck_assert_uint_gt(cost_expect(&c, UINT64_MAX), cost_expect(&c, 1));
}
END_TEST

START_TEST(a_declared_cost_is_for_as_much_as_the_first_one_has_to_do)
{
	struct cost c;

	cost_init(&c, 40 * ms);
	ck_assert_uint_eq(cost_expect(&c, 1), 40 * ms);
	ck_assert_uint_eq(cost_expect(&c, 1000), 40 * ms);
	cost_learn_units(&c, 1000, 40 * ms, COST_WHOLE);
	ck_assert_uint_eq(cost_expect(&c, 1000) / 1000, 40 * ms / 1000);
	ck_assert_uint_eq(cost_expect(&c, 5000) / 1000, 200 * ms / 1000);
}
END_TEST

START_TEST(a_large_one_is_refused_where_a_small_one_is_let_in)
{
	struct bench b;
	struct gate_ask small = { .now_ns = start, .deadline_ns = CLOCK_NEVER }, large = small;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	cost_init(&b.cost, 0);
	cost_learn_units(&b.cost, COST_UNIT, 10 * ms, COST_WHOLE);
	gate_ask_more(&b.gate, &small, &b.cost, COST_UNIT, start + 200 * ms);
	gate_ask_more(&b.gate, &large, &b.cost, 24 * COST_UNIT, start + 200 * ms);
	ck_assert_int_eq(gate_reserve(&b.gate, &large, true), GATE_WAIT);
	ck_assert_int_eq(gate_reserve(&b.gate, &small, true), GATE_OPEN);
}
END_TEST

START_TEST(the_hard_cap_holds_in_both_orders)
{
	for (int order = ORDER_FIFO; order <= ORDER_ADAPTIVE; order++) {
		struct bench b;
		open_gate(&b, (enum gate_order)order, 2, 3);
		for (unsigned i = 0; i < 5; i++)
			ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_NEVER), GATE_OPEN);
		ck_assert_int_eq(ask(&b, CLASS_CRITICAL, CLOCK_NEVER), GATE_FULL);
		ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 6, CLOCK_NEVER), GATE_FULL);
	}
}
END_TEST

START_TEST(one_that_would_end_too_late_is_refused_when_it_comes)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	/* The one that runs, two that wait, and its own: 40 ms. */
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_SEC), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_SEC), GATE_OPEN);
	b.job[1].deadline_ns = b.job[2].deadline_ns = start;
	ck_assert_int_eq(ask_many(&b, CLASS_SHEDDABLE, 1, 40 * ms - 1), GATE_WAIT);
	ck_assert_int_eq(ask_many(&b, CLASS_SHEDDABLE, 1, 40 * ms), GATE_OPEN);
}
END_TEST

START_TEST(an_uncertain_cost_wants_a_margin)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	b.cost.dev_ns = 10 * ms;
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 1, 34 * ms), GATE_WAIT);
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 1, 35 * ms), GATE_OPEN);
}
END_TEST

START_TEST(an_early_deadline_waits_for_earlier_ones_only)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_SEC), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 20 * ms), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 29 * ms), GATE_WAIT);
	ck_assert_ptr_eq(take(&b), &b.job[11]);
	ck_assert_ptr_eq(take(&b), &b.job[1]);
}
END_TEST

START_TEST(without_the_lock_the_whole_class_counts_as_before_it)
{
	struct bench b;
	struct gate_ask a = { .priority = CLASS_NORMAL, .now_ns = start };

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_SEC), GATE_OPEN);
	a.deadline_ns = CLOCK_NEVER;
	gate_ask_more(&b.gate, &a, &b.cost, 0, start + 20 * ms);
	ck_assert_int_eq(gate_reserve(&b.gate, &a, false), GATE_WAIT);
	ck_assert_int_eq(gate_reserve(&b.gate, &a, true), GATE_OPEN);
}
END_TEST

START_TEST(classes_are_strict_in_who_waits_for_whom)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_SEC), GATE_OPEN);
	ck_assert_int_eq(ask_many(&b, CLASS_SHEDDABLE, 1, 30 * ms), GATE_WAIT);
	ck_assert_int_eq(ask(&b, CLASS_CRITICAL, 30 * ms), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_SHEDDABLE, CLOCK_SEC), GATE_OPEN);
	ck_assert_ptr_eq(take(&b), &b.job[6]);
	ck_assert_ptr_eq(take(&b), &b.job[1]);
}
END_TEST

START_TEST(a_batch_must_end_as_a_whole)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 2, 64);
	occupy(&b, 2);
	/* 5 ms until a thread is free, and 80 ms of work for two. */
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 8, 44 * ms), GATE_WAIT);
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 8, 45 * ms), GATE_OPEN);
	ck_assert_uint_eq(b.gate.admitted, 10);
	gate_release(&b.gate, CLASS_NORMAL, 8, 80 * ms);
	ck_assert_uint_eq(b.gate.line[CLASS_NORMAL].work_ns, 0);
}
END_TEST

static enum gate_verdict
ask_batch(struct bench *b, unsigned n, uint64_t now, uint64_t left)
{
	struct gate_ask ask = { .now_ns = now, .deadline_ns = CLOCK_NEVER };
	enum gate_verdict verdict;

	for (unsigned i = 0; i < n; i++)
		gate_ask_more(&b->gate, &ask, &b->cost, 0, now + left);
	verdict = gate_reserve(&b->gate, &ask, true);
	if (verdict == GATE_OPEN)
		gate_release(&b->gate, ask.priority, n, ask.work_ns);
	return verdict;
}

/* 80 ms of work for two threads: 40 ms, of which 30 are not enough. */
START_TEST(a_batch_that_cannot_end_in_time_is_only_tried_now_and_then)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 2, 64);
	b.gate.tried_ns = start;
	ck_assert_int_eq(ask_batch(&b, 8, start + 100 * ms, 30 * ms), GATE_WAIT);
	ck_assert_int_eq(ask_batch(&b, 8, start + 100 * ms, 45 * ms), GATE_OPEN);
	ck_assert_int_eq(ask_batch(&b, 2, start + 100 * ms, 5 * ms), GATE_OPEN);
	/* What it takes may have been thought too much. */
	ck_assert_int_eq(ask_batch(&b, 8, start + 320 * ms, 30 * ms), GATE_OPEN);
	ck_assert_int_eq(ask_batch(&b, 8, start + 330 * ms, 30 * ms), GATE_WAIT);
	/* Never beside another. */
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_SEC), GATE_OPEN);
	ck_assert_int_eq(ask_batch(&b, 8, start + CLOCK_SEC, 30 * ms), GATE_WAIT);
}
END_TEST

START_TEST(max_wait_bounds_the_wait_whatever_the_deadline)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	b.gate.max_wait_ns = 20 * ms;
	occupy(&b, 1);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_NEVER), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_NEVER), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_NEVER), GATE_WAIT);
}
END_TEST

START_TEST(what_is_under_way_is_refused_by_the_cap_alone)
{
	struct bench b;
	struct gate_ask a = { .is_underway = true, .now_ns = start, .deadline_ns = CLOCK_NEVER };

	open_gate(&b, ORDER_ADAPTIVE, 1, 2);
	b.gate.max_wait_ns = 1;
	occupy(&b, 1);
	b.gate.idle_ns = 0;
	ck_assert_int_eq(ask(&b, CLASS_CRITICAL, CLOCK_NEVER), GATE_WAIT);
	a.jobs = 3;
	ck_assert_int_eq(gate_reserve(&b.gate, &a, false), GATE_FULL);
	a.jobs = 2;
	ck_assert_int_eq(gate_reserve(&b.gate, &a, false), GATE_OPEN);
}
END_TEST

START_TEST(who_gives_back_is_let_in_and_counted)
{
	struct gate_ask a = { .is_giving_back = true, .now_ns = start, .deadline_ns = CLOCK_NEVER };
	struct bench b;

	open_gate(&b, _i ? ORDER_ADAPTIVE : ORDER_FIFO, 1, 1);
	ck_assert_int_eq(ask(&b, CLASS_CRITICAL, 1000 * ms), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_CRITICAL, 1000 * ms), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_CRITICAL, 1000 * ms), GATE_FULL);
	gate_ask_more(&b.gate, &a, NULL, 0, CLOCK_NEVER);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(gate_reserve(&b.gate, &a, false), GATE_OPEN);
	ck_assert_uint_eq(b.gate.admitted, 4);
	gate_release(&b.gate, CLASS_CRITICAL, 2, 2 * a.work_ns);
	ck_assert_int_eq(ask(&b, CLASS_CRITICAL, 1000 * ms), GATE_FULL);
}
END_TEST

START_TEST(an_idle_thread_takes_one_whatever_is_known)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 1), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 1), GATE_WAIT);
	/* It never could be in time: it is run all the same. */
	ck_assert(!gate_is_hopeless(&b.gate, take(&b), start));
}
END_TEST

/* --- standing queues ------------------------------------------------------------------------- */

START_TEST(a_queue_that_stands_must_not_grow)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	/* A burst may fill the time there is: 40 jobs and more. */
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(ask(&b, CLASS_NORMAL, 400 * ms), GATE_OPEN);
	/* Half of the time later, no thread has been idle since. */
	b.gate.idle_ns = start - 201 * ms;
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 400 * ms), GATE_STANDING);
	b.gate.idle_ns = start - 200 * ms;
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 400 * ms), GATE_OPEN);
}
END_TEST

/* Twice as much is asked for as one thread can do, and has been for long. */
static void
flood(struct bench *b)
{
	struct gate_demand *demand = &b->gate.line[CLASS_NORMAL].demand;

	demand->load = 2 * GATE_LOAD_ONE;
	demand->since_ns = start;
	b->gate.idle_ns = 0;
}

START_TEST(a_standing_queue_may_take_a_fifth_of_the_time_or_four_jobs)
{
	struct bench b;
	unsigned let_in = 0;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	flood(&b);
	/* (400 - 10) / 5 = 78 ms: 10 ms that run, and 6 jobs before the last. */
	while (ask(&b, CLASS_NORMAL, 400 * ms) == GATE_OPEN)
		let_in++;
	ck_assert_uint_eq(let_in, 7);
	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	flood(&b);
	for (let_in = 0; ask(&b, CLASS_NORMAL, 60 * ms) == GATE_OPEN; let_in++)
		continue;
	ck_assert_uint_eq(let_in, 4);
}
END_TEST

START_TEST(nobody_waits_for_a_job_that_will_never_end)
{
	struct bench b;
	struct gate_job *lost;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 400 * ms), GATE_OPEN);
	lost = gate_take(&b.gate);
	gate_start(&b.gate, lost);
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 1, 15 * ms), GATE_WAIT);
	gate_lose(&b.gate, lost);
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 1, 15 * ms), GATE_OPEN);
	gate_release(&b.gate, CLASS_NORMAL, 1, 10 * ms);
	gate_replace(&b.gate, 1);
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 1, 15 * ms), GATE_OPEN);
	/* Its place stays taken: 65 in all. */
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 64, 4000 * ms), GATE_FULL);
	/* It comes back after all. */
	gate_end(&b.gate, lost, start + 1, CLOCK_SEC, COST_WHOLE);
	ck_assert_uint_eq(b.gate.running_ns, 0);
}
END_TEST

START_TEST(the_end_of_a_job_with_none_waiting_is_idleness)
{
	struct bench b;
	struct gate_job *j;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, CLOCK_SEC), GATE_OPEN);
	gate_end(&b.gate, &b.job[0], start + 10 * ms, 10 * ms, COST_WHOLE);
	gate_leave(&b.gate);
	ck_assert_uint_eq(b.gate.idle_ns, start);
	j = take(&b);
	gate_end(&b.gate, j, start + 20 * ms, 10 * ms, COST_WHOLE);
	gate_leave(&b.gate);
	ck_assert_uint_eq(b.gate.idle_ns, start + 20 * ms);
	ck_assert_uint_eq(b.gate.admitted, 0);
	ck_assert_uint_eq(b.gate.running_ns, 0);
}
END_TEST

/* --- who comes next -----------------------------------------------------------------------------
 */

START_TEST(one_that_waiting_made_hopeless_is_known)
{
	struct bench b;
	struct gate_job *j;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 30 * ms), GATE_OPEN);
	j = take(&b);
	ck_assert(!gate_is_hopeless(&b.gate, j, start + 20 * ms));
	ck_assert(gate_is_hopeless(&b.gate, j, start + 20 * ms + 1));
}
END_TEST

START_TEST(one_that_only_waited_for_its_thread_to_wake_is_run)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 2, 64);
	ck_assert_int_eq(ask_many(&b, CLASS_NORMAL, 1, CLOCK_NEVER), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 10 * ms), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 30 * ms), GATE_OPEN);
	ck_assert(!gate_is_hopeless(&b.gate, take(&b), start + 9 * ms));
	ck_assert(gate_is_hopeless(&b.gate, take(&b), start + 29 * ms));
}
END_TEST

START_TEST(fifo_knows_neither_classes_nor_deadlines_in_its_order)
{
	struct bench b;

	open_gate(&b, ORDER_FIFO, 1, 64);
	occupy(&b, 1);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_int_eq(ask(&b, (enum gate_class)((8 - i) % CLASSES), CLOCK_SEC - i * ms),
				 GATE_OPEN);
	ck_assert_ptr_null(gate_spare(&b.gate.queue, CLASS_CRITICAL));
	for (unsigned i = 1; i <= 6; i++)
		ck_assert_ptr_eq(take(&b), &b.job[i]);
	ck_assert_ptr_null(take(&b));
}
END_TEST

START_TEST(the_lowest_class_and_latest_deadline_is_spared_first)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 1, 64);
	occupy(&b, 1);
	ck_assert_int_eq(ask(&b, CLASS_NORMAL, 900 * ms), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_SHEDDABLE, 600 * ms), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_SHEDDABLE, 700 * ms), GATE_OPEN);
	ck_assert_int_eq(ask(&b, CLASS_SHEDDABLE, 650 * ms), GATE_OPEN);
	ck_assert_ptr_eq(gate_spare(&b.gate.queue, CLASS_CRITICAL), &b.job[3]);
	gate_remove(&b.gate, &b.job[3]);
	gate_remove(&b.gate, &b.job[4]);
	gate_remove(&b.gate, &b.job[2]);
	ck_assert_ptr_null(gate_spare(&b.gate.queue, CLASS_NORMAL));
	ck_assert_ptr_eq(gate_spare(&b.gate.queue, CLASS_CRITICAL), &b.job[1]);
}
END_TEST

START_TEST(the_drain_time_is_all_work_over_the_threads)
{
	struct bench b;

	open_gate(&b, ORDER_ADAPTIVE, 2, 64);
	occupy(&b, 2);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_int_eq(ask(&b, (enum gate_class)(i % CLASSES), CLOCK_SEC), GATE_OPEN);
	ck_assert_uint_eq(gate_drain_ns(&b.gate), 40 * ms);
}
END_TEST

static void
add_admission(TCase *t)
{
	tcase_add_test(t, what_has_twice_as_much_to_do_is_expected_to_take_twice_as_long);
	tcase_add_test(t, a_declared_cost_is_for_as_much_as_the_first_one_has_to_do);
	tcase_add_test(t, a_large_one_is_refused_where_a_small_one_is_let_in);
	tcase_add_test(t, the_hard_cap_holds_in_both_orders);
	tcase_add_test(t, one_that_would_end_too_late_is_refused_when_it_comes);
	tcase_add_test(t, an_uncertain_cost_wants_a_margin);
	tcase_add_test(t, an_early_deadline_waits_for_earlier_ones_only);
	tcase_add_test(t, without_the_lock_the_whole_class_counts_as_before_it);
	tcase_add_test(t, classes_are_strict_in_who_waits_for_whom);
	tcase_add_test(t, a_batch_must_end_as_a_whole);
	tcase_add_test(t, a_batch_that_cannot_end_in_time_is_only_tried_now_and_then);
	tcase_add_test(t, max_wait_bounds_the_wait_whatever_the_deadline);
	tcase_add_test(t, what_is_under_way_is_refused_by_the_cap_alone);
	tcase_add_test(t, an_idle_thread_takes_one_whatever_is_known);
}

Suite *
suite_thread_gate(void)
{
	Suite *s = suite_create("thread_gate");
	TCase *t = tcase_create("gate");

	tcase_add_test(t, a_cost_is_learned_and_follows_a_change);
	tcase_add_test(t, a_declared_cost_gives_way_to_what_is_seen);
	tcase_add_test(t, a_run_that_was_cut_short_says_only_that_it_is_longer);
	tcase_add_test(t,
		       what_fails_at_once_says_nothing_and_what_fails_late_says_how_long_it_takes);
	tcase_add_test(t, cheap_refusals_beside_real_work_do_not_make_it_look_cheap);
	add_admission(t);
	tcase_add_test(t, a_queue_that_stands_must_not_grow);
	tcase_add_test(t, a_standing_queue_may_take_a_fifth_of_the_time_or_four_jobs);
	tcase_add_test(t, nobody_waits_for_a_job_that_will_never_end);
	tcase_add_test(t, the_end_of_a_job_with_none_waiting_is_idleness);
	tcase_add_test(t, one_that_waiting_made_hopeless_is_known);
	tcase_add_test(t, one_that_only_waited_for_its_thread_to_wake_is_run);
	tcase_add_test(t, fifo_knows_neither_classes_nor_deadlines_in_its_order);
	tcase_add_test(t, the_lowest_class_and_latest_deadline_is_spared_first);
	tcase_add_test(t, the_drain_time_is_all_work_over_the_threads);
	tcase_add_loop_test(t, who_gives_back_is_let_in_and_counted, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
