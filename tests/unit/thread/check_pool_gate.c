/*
 * The gate in a pool: what its decisions mean for jobs and their homes. The
 * decisions themselves are in check_gate.c.
 */
#include "base/random.h"
#include "bench.h"

#include <stdio.h>

Suite *suite_thread_pool_gate(void);

static void
open_adaptive(struct bench *b, unsigned threads, unsigned max_queue)
{
	struct pool_options o = { .name = "t",
				  .limits.threads = threads,
				  .limits.max_queue = max_queue,
				  .order = ORDER_ADAPTIVE };

	open_bench_with(b, &o);
}

/* One job, of a kind; deadlines from now. 0 or ERR_SHED. */
static int
offer(struct bench *b, struct work *w, enum gate_class priority, struct cost *cost,
      uint64_t deadline_ns, struct pool_refusal *refusal)
{
	struct gate_ask ask = { .priority = priority,
				.now_ns = clock_monotonic(),
				.deadline_ns = CLOCK_NEVER };
	int err;

	make_work(b, w, run_and_note);
	w->job.expected_ns = pool_ask_more(b->pool, &ask, cost, 0, deadline_ns);
	w->job.priority = priority;
	w->job.cost = cost;
	w->job.deadline_ns = deadline_ns;
	err = pool_reserve(b->pool, &ask, 0, refusal);
	if (!err)
		pool_submit(b->pool, &w->job);
	return err;
}

static void
take_in(struct bench *b, struct work *w, unsigned number, enum gate_class priority,
	uint64_t deadline_ns)
{
	struct pool_refusal refusal;

	ck_assert_int_eq(offer(b, w, priority, NULL, deadline_ns, &refusal), 0);
	w->number = number;
}

START_TEST(jobs_run_by_class_then_by_deadline_then_by_arrival)
{
	struct bench b;
	struct work gate, w[6];
	uint64_t soon = clock_monotonic() + 60 * CLOCK_SEC, late = soon + CLOCK_SEC;
	static const unsigned order[] = { 4, 2, 3, 1, 5, 0 };

	open_adaptive(&b, 1, 8);
	enter_gate(&b, &gate);
	take_in(&b, &w[0], 0, CLASS_SHEDDABLE, soon);
	take_in(&b, &w[1], 1, CLASS_NORMAL, late);
	take_in(&b, &w[2], 2, CLASS_NORMAL, soon);
	take_in(&b, &w[3], 3, CLASS_NORMAL, soon);
	take_in(&b, &w[4], 4, CLASS_CRITICAL, CLOCK_NEVER);
	take_in(&b, &w[5], 5, CLASS_NORMAL, CLOCK_NEVER);
	leave_gate(&b);
	home_await(&b.home, &b.came, 7);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_uint_eq(b.order[i], order[i]);
	close_bench(&b);
}
END_TEST

START_TEST(a_full_pool_lets_a_lower_class_go_for_a_higher_one)
{
	struct bench b;
	struct work gate, w[3];
	struct pool_refusal refusal;
	struct pool_sample s;

	open_adaptive(&b, 1, 2);
	enter_gate(&b, &gate);
	take_in(&b, &w[0], 0, CLASS_NORMAL, CLOCK_NEVER);
	take_in(&b, &w[1], 1, CLASS_SHEDDABLE, CLOCK_NEVER);
	take_in(&b, &w[2], 2, CLASS_CRITICAL, CLOCK_NEVER);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(w[1].job.outcome, ERR_SHED);
	ck_assert_str_eq(w[1].job.refusal.limit, "pool.t.priority");
	ck_assert_uint_ge(w[1].job.refusal.retry_after_s, 1);
	/* Nothing lower is left for one that is normal. */
	ck_assert_int_eq(offer(&b, &w[1], CLASS_NORMAL, NULL, CLOCK_NEVER, &refusal), ERR_SHED);
	ck_assert_str_eq(refusal.limit, "pool.t.queue");
	leave_gate(&b);
	home_await(&b.home, &b.came, 4);
	ck_assert_uint_eq(b.order[0], 2);
	ck_assert_uint_eq(b.order[1], 0);
	expect_idle(&b, &s);
	ck_assert_uint_eq(s.shed[POOL_SHED_PRIORITY], 1);
	ck_assert_uint_eq(s.shed[POOL_SHED_QUEUE], 1);
	close_bench(&b);
}
END_TEST

START_TEST(a_batch_evicts_all_that_it_needs_or_nothing)
{
	struct bench b;
	struct work gate, w[2];
	struct gate_ask ask = { .priority = CLASS_NORMAL, .jobs = 3, .deadline_ns = CLOCK_NEVER };
	struct pool_refusal refusal;

	open_adaptive(&b, 1, 3);
	enter_gate(&b, &gate);
	take_in(&b, &w[0], 0, CLASS_SHEDDABLE, CLOCK_NEVER);
	take_in(&b, &w[1], 1, CLASS_NORMAL, CLOCK_NEVER);
	ck_assert_int_eq(pool_reserve(b.pool, &ask, 0, &refusal), ERR_SHED);
	ask.jobs = 2;
	ck_assert_int_eq(pool_reserve(b.pool, &ask, 0, &refusal), 0);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(w[0].job.outcome, ERR_SHED);
	pool_release(b.pool, CLASS_NORMAL, 2, 0);
	leave_gate(&b);
	home_await(&b.home, &b.came, 3);
	close_bench(&b);
}
END_TEST

START_TEST(one_that_waited_too_long_to_be_in_time_comes_home_unrun)
{
	struct bench b;
	struct work gate, w;
	struct pool_refusal refusal;
	struct pool_sample s;
	struct cost *cost;
	uint64_t due;

	open_adaptive(&b, 1, 4);
	cost = pool_cost(b.pool, SLICE("r.part"), 0);
	enter_gate(&b, &gate);
	due = clock_monotonic() + 3600 * CLOCK_SEC;
	ck_assert_int_eq(offer(&b, &w, CLASS_NORMAL, cost, due, &refusal), 0);
	/* It is known now: exactly what there was when it came, and there is less since. */
	cost_learn(cost, due - w.job.submitted_ns, COST_WHOLE);
	while (clock_monotonic() == w.job.submitted_ns)
		continue;
	leave_gate(&b);
	home_await(&b.home, &b.came, 2);
	ck_assert_int_eq(w.job.outcome, ERR_SHED);
	ck_assert_str_eq(w.job.refusal.limit, "pool.t.deadline");
	ck_assert_uint_eq(w.job.started_ns, 0);
	expect_idle(&b, &s);
	ck_assert_uint_eq(s.shed[POOL_SHED_DEADLINE], 1);
	ck_assert_uint_eq(s.expired, 0);
	close_bench(&b);
}
END_TEST

START_TEST(what_a_kind_of_job_costs_is_learned_from_its_runs)
{
	struct bench b;
	struct work w;
	struct cost *cost;

	open_adaptive(&b, 1, 4);
	cost = pool_cost(b.pool, SLICE("r.part"), 0);
	make_work(&b, &w, run_for_a_millisecond);
	w.job.cost = cost;
	ck_assert_int_eq(places_reserve(b.pool, 1, 0, CLOCK_NEVER, 0, &w.job.refusal), 0);
	pool_submit(b.pool, &w.job);
	home_await(&b.home, &b.came, 1);
	ck_assert_uint_ge(cost_mean(cost), CLOCK_MS);
	close_bench(&b);
}
END_TEST

START_TEST(costs_are_kept_by_name_and_bounded)
{
	struct bench b;
	struct cost *first, *other;
	char name[16];
	unsigned given = 2;

	open_adaptive(&b, 1, 4);
	first = pool_cost(b.pool, SLICE("a"), 5 * CLOCK_MS);
	other = pool_cost(b.pool, SLICE("b"), 0);
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_ne(first, other);
	ck_assert_uint_eq(cost_mean(first), 5 * CLOCK_MS);
	ck_assert_uint_eq(cost_mean(other), 0);
	/* What has been learned is kept, whatever is declared later. */
	ck_assert_ptr_eq(pool_cost(b.pool, SLICE("a"), CLOCK_SEC), first);
	ck_assert_uint_eq(cost_mean(first), 5 * CLOCK_MS);
	for (; snprintf(name, sizeof(name), "%u", given) > 0; given++) {
		if (!pool_cost(b.pool, slice_of(name), 0))
			break;
	}
	ck_assert_uint_eq(given, POOL_COSTS_MAX);
	ck_assert_ptr_eq(pool_cost(b.pool, SLICE("b"), 0), other);
	close_bench(&b);
}
END_TEST

START_TEST(a_refusal_under_overload_is_not_for_good)
{
	struct bench b;
	struct work gate, w;
	struct pool_refusal refusal;
	struct cost *cost;

	open_adaptive(&b, 1, 4);
	cost = pool_cost(b.pool, SLICE("r.part"), 1000 * CLOCK_SEC);
	enter_gate(&b, &gate);
	ck_assert_int_eq(
	    offer(&b, &w, CLASS_NORMAL, cost, clock_monotonic() + 100 * CLOCK_SEC, &refusal),
	    ERR_SHED);
	ck_assert_str_eq(refusal.limit, "pool.t.wait");
	leave_gate(&b);
	home_await(&b.home, &b.came, 1);
	/* A free thread tries it all the same, and learns better. */
	ck_assert_int_eq(
	    offer(&b, &w, CLASS_NORMAL, cost, clock_monotonic() + 100 * CLOCK_SEC, &refusal), 0);
	home_await(&b.home, &b.came, 2);
	ck_assert_int_eq(w.job.outcome, 0);
	ck_assert_uint_lt(cost_mean(cost), 1000 * CLOCK_SEC);
	close_bench(&b);
}
END_TEST

START_TEST(a_shadow_counts_what_it_would_refuse_and_lets_it_in)
{
	struct bench b;
	struct work gate, w[3];
	struct pool_refusal refusal;
	struct pool_limits l;
	struct pool_sample s;
	struct cost *cost;

	open_adaptive(&b, 1, 2);
	l = pool_limits(b.pool);
	l.is_shadow = true;
	ck_assert_int_eq(pool_resize(b.pool, &l), 0);
	ck_assert(pool_limits(b.pool).is_shadow);
	cost = pool_cost(b.pool, SLICE("r.part"), 100 * CLOCK_SEC);
	enter_gate(&b, &gate);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(offer(&b, &w[i], CLASS_NORMAL, cost,
				       clock_monotonic() + 60 * CLOCK_SEC, &refusal),
				 0);
	/* There is no place for more. */
	ck_assert_int_eq(offer(&b, &w[2], CLASS_NORMAL, cost, CLOCK_NEVER, &refusal), ERR_SHED);
	ck_assert_str_eq(refusal.limit, "pool.t.queue");
	leave_gate(&b);
	home_await(&b.home, &b.came, 3);
	expect_idle(&b, &s);
	ck_assert_uint_eq(s.shadowed[POOL_SHED_WAIT], 2);
	ck_assert_uint_eq(s.shed[POOL_SHED_WAIT], 0);
	ck_assert_uint_eq(s.shed[POOL_SHED_QUEUE], 1);
	close_bench(&b);
}
END_TEST

/* --- everything at once -------------------------------------------------------------- */

enum { SUBMITTERS = 3, ROUNDS = 4000, AT_ONCE = 8, LEARNED = 3 };

struct submitter {
	struct bench bench; /* its home; the pool is shared */
	struct thread thread;
	struct work work[AT_ONCE];
	struct cost **cost;
	unsigned submitted, refused;
	uint64_t seed;
	bool was_broken; /* a job came home twice or not at all */
};

static int
run_briefly(struct job *j, struct pool_thread *t)
{
	(void)t;
	return job_is_cancelled(j) ? ERR_CANCELLED : 0;
}

/* Any class, any kind; deadlines from one that is over to one that never comes. */
static struct gate_ask
draw(struct submitter *s, struct random *r, unsigned n)
{
	struct gate_ask ask = { .priority = (enum gate_class)random_below(r, CLASSES),
				.share = random_below(r, 2) ? SLICE("one") : SLICE("two"),
				.now_ns = clock_monotonic(),
				.deadline_ns = CLOCK_NEVER };

	for (unsigned i = 0; i < n; i++) {
		struct job *j = &s->work[i].job;
		make_work(&s->bench, &s->work[i], run_briefly);
		j->priority = ask.priority;
		j->cost = random_below(r, 2) ? s->cost[random_below(r, LEARNED)] : NULL;
		if (random_below(r, 2))
			j->deadline_ns = ask.now_ns + random_below(r, CLOCK_MS);
		j->expected_ns = pool_ask_more(s->bench.pool, &ask, j->cost, 0, j->deadline_ns);
	}
	return ask;
}

static void
give_back(struct submitter *s, const struct gate_ask *ask, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pool_release(s->bench.pool, ask->priority, 1, s->work[i].job.expected_ns);
}

static void
submit_round(struct submitter *s, struct random *r)
{
	unsigned n = 1 + (unsigned)random_below(r, AT_ONCE);
	struct gate_ask ask = draw(s, r, n);
	struct pool_refusal refusal;

	s->bench.came = 0;
	if (pool_reserve(s->bench.pool, &ask, random_next(r), &refusal) != 0) {
		s->refused++;
		sched_yield();
		return;
	}
	if (random_below(r, 8) == 0) {
		give_back(s, &ask, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		pool_submit(s->bench.pool, &s->work[i].job);
	s->submitted += n;
	for (unsigned i = 0; i < n; i++) {
		if (random_below(r, 4) == 0)
			job_abandon(&s->work[i].job);
	}
	home_await(&s->bench.home, &s->bench.came, n);
	for (unsigned i = 0; i < n; i++)
		s->was_broken = s->was_broken || s->work[i].homes != 1;
}

static void
submit_rounds(void *argument)
{
	struct submitter *s = argument;
	struct random r;

	random_init(&r, s->seed);
	for (unsigned i = 0; i < ROUNDS; i++)
		submit_round(s, &r);
}

static void
start_submitter(struct submitter *s, struct bench *b, struct cost **cost, uint64_t seed)
{
	*s = (struct submitter){ .seed = seed, .cost = cost, .bench.pool = b->pool };
	home_open(&s->bench.home, &s->bench);
	s->thread = (struct thread){ .role = THREAD_WORKER, .name = "submitter" };
	s->thread.run = submit_rounds;
	s->thread.argument = s;
	ck_assert_int_eq(thread_start(&s->thread), 0);
}

START_TEST(every_job_comes_home_once_and_no_work_stays_counted)
{
	static struct submitter submitters[SUBMITTERS];
	struct cost *cost[LEARNED];
	struct bench b;
	struct pool_sample sample;

	open_adaptive(&b, 3, 12);
	for (unsigned i = 0; i < LEARNED; i++)
		cost[i] = pool_cost(b.pool, slice_make(&"abc"[i], 1), i * CLOCK_US);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		start_submitter(&submitters[i], &b, cost, i + 1);
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(resize(&b, 1 + i % 4), 0);
		sched_yield();
	}
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		thread_join(&submitters[i].thread);
		ck_assert(!submitters[i].was_broken);
		ck_assert_uint_gt(submitters[i].submitted, 0);
	}
	expect_idle(&b, &sample);
	close_bench(&b);
	/* Only now: a pool thread may still be ringing after its mail was read. */
	for (unsigned i = 0; i < SUBMITTERS; i++)
		home_close(&submitters[i].bench.home);
}
END_TEST

static int
run_and_fail(struct job *j, struct pool_thread *t)
{
	(void)j;
	(void)t;
	return ERR_FAILED;
}

static int
run_and_refuse(struct job *j, struct pool_thread *t)
{
	(void)t;
	j->has_failed = true;
	return 0;
}

START_TEST(a_job_that_refuses_or_fails_at_once_does_not_make_its_kind_cheap)
{
	static int (*const runs[])(struct job *, struct pool_thread *) = { run_and_fail,
									   run_and_refuse };
	struct bench b;
	struct cost *cost;
	struct pool_sample sample;

	open_adaptive(&b, 1, 8);
	cost = pool_cost(b.pool, SLICE("dear"), CLOCK_SEC);
	for (unsigned i = 0; i < 8; i++) {
		struct work w;
		struct pool_refusal refusal;

		make_work(&b, &w, runs[i % 2]);
		w.job.cost = cost;
		ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
		pool_submit(b.pool, &w.job);
		home_await(&b.home, &b.came, i + 1);
	}
	ck_assert_uint_eq(cost_mean(cost), CLOCK_SEC);
	expect_idle(&b, &sample);
	close_bench(&b);
}
END_TEST

Suite *
suite_thread_pool_gate(void)
{
	Suite *s = suite_create("thread_pool_gate");
	TCase *t = tcase_create("pool_gate");

	tcase_add_test(t, jobs_run_by_class_then_by_deadline_then_by_arrival);
	tcase_add_test(t, a_full_pool_lets_a_lower_class_go_for_a_higher_one);
	tcase_add_test(t, a_batch_evicts_all_that_it_needs_or_nothing);
	tcase_add_test(t, one_that_waited_too_long_to_be_in_time_comes_home_unrun);
	tcase_add_test(t, what_a_kind_of_job_costs_is_learned_from_its_runs);
	tcase_add_test(t, a_job_that_refuses_or_fails_at_once_does_not_make_its_kind_cheap);
	tcase_add_test(t, costs_are_kept_by_name_and_bounded);
	tcase_add_test(t, a_refusal_under_overload_is_not_for_good);
	tcase_add_test(t, a_shadow_counts_what_it_would_refuse_and_lets_it_in);
	tcase_add_test(t, every_job_comes_home_once_and_no_work_stays_counted);
	suite_add_tcase(s, t);
	return s;
}
