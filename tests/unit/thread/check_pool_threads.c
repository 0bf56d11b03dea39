/*
 * Threads of a pool that come and go while jobs run, and who holds a pool.
 */
#include "base/mem.h"
#include "bench.h"

Suite *suite_thread_pool_threads(void);

/* --- threads with a state ------------------------------------------------------------- */

enum { PATIENCE = 2000 }; /* turns in which whoever is wrong would show it */

struct crew {
	atomic_uint inits, finis, on_duty;
	atomic_uint fails_from; /* how many inits succeed */
	atomic_uint frees;
	/* When set, an init lets so many jobs go on, and gives them time. */
	struct bench *bench;
	unsigned jobs;
};

static int
crew_init(struct pool_thread *t, void *argument)
{
	struct crew *c = argument;

	if (atomic_fetch_add(&c->inits, 1) >= atomic_load(&c->fails_from))
		return ERR_FAILED;
	atomic_fetch_add(&c->on_duty, 1);
	t->state = c;
	for (unsigned i = 0; c->bench && i < c->jobs; i++)
		leave_gate(c->bench);
	for (unsigned i = 0; c->bench && i < PATIENCE; i++)
		sched_yield();
	return 0;
}

static void
crew_fini(struct pool_thread *t, void *argument)
{
	struct crew *c = argument;

	ck_assert_ptr_eq(t->state, c);
	atomic_fetch_add(&c->finis, 1);
	atomic_fetch_sub(&c->on_duty, 1);
}

static void
crew_free(void *argument)
{
	struct crew *c = argument;

	ck_assert_uint_eq(atomic_load(&c->on_duty), 0);
	atomic_fetch_add(&c->frees, 1);
}

static struct pool_options
options_of(struct crew *c, unsigned threads)
{
	*c = (struct crew){ .fails_from = UINT32_MAX };
	return (struct pool_options){
		.name = "t",
		.limits.threads = threads,
		.limits.max_queue = 8,
		.identity = "one",
		.thread_init = crew_init,
		.thread_fini = crew_fini,
		.argument = c,
		.argument_free = crew_free,
	};
}

START_TEST(added_threads_run_jobs_at_once)
{
	struct pool_options o;
	struct crew crew;
	struct bench b;
	struct work w[4];

	o = options_of(&crew, 1);
	open_bench_with(&b, &o);
	ck_assert_int_eq(resize(&b, 4), 0);
	ck_assert_uint_eq(atomic_load(&crew.on_duty), 4);
	ck_assert_uint_eq(pool_threads(b.pool), 4);
	ck_assert_uint_eq(pool_capacity(b.pool), 12);
	for (unsigned i = 0; i < 4; i++)
		enter_gate(&b, &w[i]);
	for (unsigned i = 0; i < 4; i++)
		leave_gate(&b);
	home_await(&b.home, &b.came, 4);
	close_bench(&b);
	ck_assert_uint_eq(atomic_load(&crew.finis), 4);
}
END_TEST

START_TEST(threads_that_sleep_leave_at_once)
{
	struct pool_options o;
	struct crew crew;
	struct bench b;
	struct work w;
	struct pool_sample s;

	o = options_of(&crew, 5);
	open_bench_with(&b, &o);
	ck_assert_int_eq(resize(&b, 2), 0);
	await_count(&crew.on_duty, 2);
	submit(&b, &w, run_and_note);
	home_await(&b.home, &b.came, 1);
	expect_idle(&b, &s);
	ck_assert_uint_eq(s.threads, 2);
	close_bench(&b);
}
END_TEST

START_TEST(a_surplus_thread_ends_its_job_first_and_nobody_waits_for_it)
{
	struct pool_options o;
	struct crew crew;
	struct bench b;
	struct work w[3], late;

	o = options_of(&crew, 3);
	open_bench_with(&b, &o);
	for (unsigned i = 0; i < 3; i++)
		enter_gate(&b, &w[i]);
	submit(&b, &late, run_and_note);
	ck_assert_int_eq(resize(&b, 1), 0);
	ck_assert_uint_eq(atomic_load(&crew.on_duty), 3);
	for (unsigned i = 0; i < 3; i++)
		leave_gate(&b);
	await_count(&crew.on_duty, 1);
	home_await(&b.home, &b.came, 4);
	ck_assert_int_eq(late.job.outcome, 0);
	close_bench(&b);
}
END_TEST

START_TEST(a_thread_that_was_to_leave_stays_when_it_is_wanted_again)
{
	struct pool_options o;
	struct crew crew;
	struct bench b;
	struct work w[3];

	o = options_of(&crew, 3);
	open_bench_with(&b, &o);
	for (unsigned i = 0; i < 3; i++)
		enter_gate(&b, &w[i]);
	ck_assert_int_eq(resize(&b, 1), 0);
	ck_assert_int_eq(resize(&b, 3), 0);
	ck_assert_uint_eq(atomic_load(&crew.inits), 3);
	ck_assert_int_eq(resize(&b, 1), 0);
	ck_assert_int_eq(resize(&b, 5), 0);
	ck_assert_uint_eq(atomic_load(&crew.inits), 5);
	for (unsigned i = 0; i < 3; i++)
		leave_gate(&b);
	home_await(&b.home, &b.came, 3);
	ck_assert_uint_eq(atomic_load(&crew.finis), 0);
	close_bench(&b);
}
END_TEST

START_TEST(threads_that_were_to_leave_stay_while_others_still_start)
{
	struct pool_options o;
	struct crew crew;
	struct bench b;
	struct work w[3];

	o = options_of(&crew, 3);
	open_bench_with(&b, &o);
	for (unsigned i = 0; i < 3; i++)
		enter_gate(&b, &w[i]);
	ck_assert_int_eq(resize(&b, 1), 0);
	crew.bench = &b;
	crew.jobs = 3;
	ck_assert_int_eq(resize(&b, 4), 0);
	crew.bench = NULL;
	home_await(&b.home, &b.came, 3);
	ck_assert_uint_eq(atomic_load(&crew.on_duty), 4);
	close_bench(&b);
}
END_TEST

START_TEST(places_of_threads_that_left_are_taken_again)
{
	struct pool_options o;
	struct crew crew;
	struct bench b;
	unsigned highest = 0;

	o = options_of(&crew, 1);
	open_bench_with(&b, &o);
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(resize(&b, 4), 0);
		ck_assert_int_eq(resize(&b, 1), 0);
		await_count(&crew.on_duty, 1);
	}
	ck_assert_uint_eq(atomic_load(&crew.inits), 61);
	for (unsigned i = 0; i < 4; i++) {
		struct work w;
		submit(&b, &w, run_and_note);
		home_await(&b.home, &b.came, i + 1);
		highest = w.thread_index > highest ? w.thread_index : highest;
	}
	ck_assert_uint_le(highest, 3);
	close_bench(&b);
}
END_TEST

START_TEST(when_one_thread_cannot_start_nothing_has_changed)
{
	struct pool_limits wanted = { .threads = 6, .max_queue = 2, .max_wait_ns = 1 };
	struct pool_options o;
	struct crew crew;
	struct bench b;
	struct work w, all[6];
	struct pool_sample s;

	o = options_of(&crew, 2);
	open_bench_with(&b, &o);
	atomic_store(&crew.fails_from, 4);
	ck_assert_int_eq(pool_resize(b.pool, &wanted), ERR_FAILED);
	ck_assert_uint_eq(atomic_load(&crew.on_duty), 2);
	ck_assert_uint_eq(pool_limits(b.pool).threads, 2);
	ck_assert_uint_eq(pool_limits(b.pool).max_queue, 8);
	ck_assert_uint_eq(pool_limits(b.pool).max_wait_ns, 0);
	/* Not even for those that were about to leave. */
	enter_gate(&b, &w);
	ck_assert_int_eq(resize(&b, 1), 0);
	ck_assert_int_eq(pool_resize(b.pool, &wanted), ERR_FAILED);
	leave_gate(&b);
	home_await(&b.home, &b.came, 1);
	await_count(&crew.on_duty, 1);
	atomic_store(&crew.fails_from, UINT32_MAX);
	ck_assert_int_eq(pool_resize(b.pool, &wanted), 0);
	ck_assert_uint_eq(atomic_load(&crew.on_duty), 6);
	for (unsigned i = 0; i < 6; i++)
		enter_gate(&b, &all[i]);
	for (unsigned i = 0; i < 6; i++)
		leave_gate(&b);
	home_await(&b.home, &b.came, 7);
	expect_idle(&b, &s);
	close_bench(&b);
}
END_TEST

START_TEST(without_memory_for_a_thread_nothing_has_changed)
{
	struct bench b;

	open_bench(&b, 1, 8);
	mem_fail_at(2, false);
	ck_assert_int_eq(resize(&b, 3), ERR_MEMORY);
	mem_fail_at(0, false);
	ck_assert_uint_eq(pool_threads(b.pool), 1);
	ck_assert_int_eq(resize(&b, 3), 0);
	close_bench(&b);
}
END_TEST

START_TEST(a_pool_that_holds_more_than_it_may_refuses_until_it_fits)
{
	struct pool_limits one = { .threads = 1, .max_queue = 1 };
	struct bench b;
	struct work w[2], waiting[4];
	struct pool_refusal refusal;
	struct pool_sample s;

	open_bench(&b, 2, 4);
	for (unsigned i = 0; i < 2; i++)
		enter_gate(&b, &w[i]);
	for (unsigned i = 0; i < 4; i++)
		submit(&b, &waiting[i], run_until_the_gate_opens);
	ck_assert_int_eq(pool_resize(b.pool, &one), 0);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(reserve(&b, 1, &refusal), ERR_SHED);
		ck_assert_str_eq(refusal.limit, "pool.t.queue");
		leave_gate(&b);
		home_await(&b.home, &b.came, i + 1);
	}
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	places_release(b.pool, 1);
	leave_gate(&b);
	home_await(&b.home, &b.came, 6);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(waiting[i].job.outcome, 0);
	expect_idle(&b, &s);
	close_bench(&b);
}
END_TEST

START_TEST(the_longest_wait_can_be_changed)
{
	struct pool_limits l = { .threads = 1, .max_queue = 8 };
	struct bench b;
	struct work w;
	struct pool_refusal refusal;

	open_bench(&b, 1, 8);
	submit(&b, &w, run_for_a_millisecond);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	l.max_wait_ns = CLOCK_MS / 2;
	ck_assert_int_eq(pool_resize(b.pool, &l), 0);
	ck_assert_int_eq(reserve(&b, 1, &refusal), ERR_SHED);
	ck_assert_str_eq(refusal.limit, "pool.t.wait");
	l.max_wait_ns = 0;
	ck_assert_int_eq(pool_resize(b.pool, &l), 0);
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	places_release(b.pool, 2);
	close_bench(&b);
}
END_TEST

START_TEST(what_threads_measured_stays_when_they_leave)
{
	struct pool_options o;
	struct crew crew;
	struct bench b;
	struct work w[4];
	struct pool_sample s;

	o = options_of(&crew, 4);
	open_bench_with(&b, &o);
	for (unsigned i = 0; i < 4; i++)
		enter_gate(&b, &w[i]);
	for (unsigned i = 0; i < 4; i++)
		leave_gate(&b);
	home_await(&b.home, &b.came, 4);
	ck_assert_int_eq(resize(&b, 1), 0);
	await_count(&crew.on_duty, 1);
	pool_sample(b.pool, &s);
	ck_assert_uint_eq(histogram_sum_count(&s.run), 4);
	ck_assert_int_eq(resize(&b, 2), 0);
	submit(&b, &w[0], run_and_note);
	home_await(&b.home, &b.came, 5);
	pool_sample(b.pool, &s);
	ck_assert_uint_eq(histogram_sum_count(&s.run), 5);
	close_bench(&b);
}
END_TEST

/* --- who holds a pool ------------------------------------------------------------------- */

START_TEST(a_pool_lives_until_its_last_reference_and_frees_its_argument_once)
{
	struct pool_options o;
	struct crew crew;
	struct pool *first, *second;
	int err;

	o = options_of(&crew, 2);
	first = pool_new(&o, &err);
	ck_assert_ptr_nonnull(first);
	second = pool_ref(first);
	pool_unref(&first);
	ck_assert_ptr_null(first);
	ck_assert_uint_eq(atomic_load(&crew.on_duty), 2);
	ck_assert_str_eq(pool_name(second), "t");
	pool_unref(&second);
	ck_assert_uint_eq(atomic_load(&crew.finis), 2);
	ck_assert_uint_eq(atomic_load(&crew.frees), 1);
	pool_unref(&second);
}
END_TEST

START_TEST(the_argument_of_a_pool_that_cannot_be_made_is_freed)
{
	struct pool_options o;
	struct crew crew;
	int err;

	o = options_of(&crew, 2);
	crew.fails_from = 1;
	ck_assert_ptr_null(pool_new(&o, &err));
	ck_assert_int_eq(err, ERR_FAILED);
	ck_assert_uint_eq(atomic_load(&crew.frees), 1);
	for (unsigned i = 1; i <= 2; i++) {
		mem_fail_at(i, false);
		ck_assert_ptr_null(pool_new(&o, &err));
		mem_fail_at(0, false);
		ck_assert_int_eq(err, ERR_MEMORY);
		ck_assert_uint_eq(atomic_load(&crew.frees), 1 + i);
	}
}
END_TEST

START_TEST(a_stopped_pool_can_be_stopped_again_but_not_resized)
{
	struct pool_options o;
	struct crew crew;
	struct bench b;
	struct work running, waiting;
	struct pool_sample s;

	o = options_of(&crew, 1);
	open_bench_with(&b, &o);
	submit(&b, &running, run_until_cancelled);
	sem_wait(&b.entered);
	submit(&b, &waiting, run_and_note);
	pool_stop(b.pool);
	ck_assert_uint_eq(atomic_load(&crew.finis), 1);
	job_abandon(&waiting.job);
	home_await(&b.home, &b.came, 2);
	ck_assert_int_eq(running.job.outcome, ERR_CANCELLED);
	ck_assert_int_eq(waiting.job.outcome, ERR_SHUTDOWN);
	pool_stop(b.pool);
	ck_assert_int_eq(resize(&b, 2), ERR_SHUTDOWN);
	ck_assert_uint_eq(pool_forget_local(b.pool, &crew), 0);
	pool_sample(b.pool, &s);
	ck_assert_uint_eq(s.queued + s.running, 0);
	ck_assert_uint_eq(histogram_sum_count(&s.run), 1);
	ck_assert_uint_eq(atomic_load(&crew.frees), 0);
	close_bench(&b);
	ck_assert_uint_eq(atomic_load(&crew.frees), 1);
}
END_TEST

START_TEST(pools_are_the_same_when_only_their_limits_differ)
{
	struct pool_options o, other;
	struct crew crew, another;
	struct bench b;

	o = options_of(&crew, 1);
	open_bench_with(&b, &o);
	other = options_of(&another, 7);
	other.limits.max_wait_ns = 1;
	ck_assert(pool_is_same(b.pool, &other));
	other.nice = 3;
	ck_assert(!pool_is_same(b.pool, &other));
	other = o;
	other.identity = "two";
	ck_assert(!pool_is_same(b.pool, &other));
	other.identity = NULL;
	ck_assert(!pool_is_same(b.pool, &other));
	other = o;
	other.name = "u";
	ck_assert(!pool_is_same(b.pool, &other));
	other = o;
	other.thread_init = NULL;
	ck_assert(!pool_is_same(b.pool, &other));
	close_bench(&b);
}
END_TEST

Suite *
suite_thread_pool_threads(void)
{
	Suite *s = suite_create("thread_pool_threads");
	TCase *t = tcase_create("pool_threads");

	tcase_add_test(t, added_threads_run_jobs_at_once);
	tcase_add_test(t, threads_that_sleep_leave_at_once);
	tcase_add_test(t, a_surplus_thread_ends_its_job_first_and_nobody_waits_for_it);
	tcase_add_test(t, a_thread_that_was_to_leave_stays_when_it_is_wanted_again);
	tcase_add_test(t, threads_that_were_to_leave_stay_while_others_still_start);
	tcase_add_test(t, places_of_threads_that_left_are_taken_again);
	tcase_add_test(t, when_one_thread_cannot_start_nothing_has_changed);
	tcase_add_test(t, without_memory_for_a_thread_nothing_has_changed);
	tcase_add_test(t, a_pool_that_holds_more_than_it_may_refuses_until_it_fits);
	tcase_add_test(t, the_longest_wait_can_be_changed);
	tcase_add_test(t, what_threads_measured_stays_when_they_leave);
	tcase_add_test(t, a_pool_lives_until_its_last_reference_and_frees_its_argument_once);
	tcase_add_test(t, the_argument_of_a_pool_that_cannot_be_made_is_freed);
	tcase_add_test(t, a_stopped_pool_can_be_stopped_again_but_not_resized);
	tcase_add_test(t, pools_are_the_same_when_only_their_limits_differ);
	suite_add_tcase(s, t);
	return s;
}
