/*
 * Pools: admission, order, deadlines, abandoning, ends; and that every job
 * comes home exactly once whatever happens at the same time.
 */
#include "base/mem.h"
#include "base/random.h"
#include "bench.h"

#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>

Suite *suite_thread_pool(void);

START_TEST(a_job_runs_on_a_pool_thread_and_comes_home_once)
{
	struct bench b;
	struct work w;
	struct pool_sample s;

	open_bench(&b, 2, 4);
	submit(&b, &w, run_and_note);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(w.job.outcome, 0);
	ck_assert_uint_eq(w.homes, 1);
	ck_assert_uint_eq(atomic_load(&b.runs), 1);
	ck_assert(w.job.submitted_ns <= w.job.started_ns && w.job.started_ns <= w.job.ended_ns);
	expect_idle(&b, &s);
	close_bench(&b);
}
END_TEST

START_TEST(one_thread_runs_jobs_in_the_order_of_submission)
{
	struct bench b;
	struct work gate, w[8];

	open_bench(&b, 1, 8);
	enter_gate(&b, &gate);
	for (unsigned i = 0; i < 8; i++) {
		submit(&b, &w[i], run_and_note);
		w[i].number = i;
	}
	leave_gate(&b);
	home_await(&b.home, &b.came, 9);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(b.order[i], i);
	close_bench(&b);
}
END_TEST

START_TEST(there_is_room_for_the_threads_and_the_queue_and_no_more)
{
	struct bench b;
	struct pool_refusal refusal = { NULL, 0 };
	struct pool_sample s;

	open_bench(&b, 2, 3);
	ck_assert_int_eq(reserve(&b, 5, &refusal), 0);
	ck_assert_int_eq(reserve(&b, 1, &refusal), ERR_SHED);
	ck_assert_str_eq(refusal.limit, "pool.t.queue");
	ck_assert_uint_ge(refusal.retry_after_s, 1);
	places_release(b.pool, 1);
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	places_release(b.pool, 5);
	expect_idle(&b, &s);
	ck_assert_uint_eq(s.shed[POOL_SHED_QUEUE], 1);
	close_bench(&b);
}
END_TEST

START_TEST(without_a_queue_a_free_thread_still_takes_a_job)
{
	struct bench b;
	struct work w;
	struct pool_refusal refusal;

	open_bench(&b, 1, 0);
	enter_gate(&b, &w);
	ck_assert_int_eq(reserve(&b, 1, &refusal), ERR_SHED);
	leave_gate(&b);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	places_release(b.pool, 1);
	close_bench(&b);
}
END_TEST

START_TEST(a_batch_is_admitted_as_a_whole_or_not_at_all)
{
	struct bench b;
	struct pool_refusal refusal;

	open_bench(&b, 1, 3);
	ck_assert_int_eq(reserve(&b, 2, &refusal), 0);
	ck_assert_int_eq(reserve(&b, 3, &refusal), ERR_SHED);
	ck_assert_int_eq(reserve(&b, 2, &refusal), 0);
	places_release(b.pool, 4);
	ck_assert_int_eq(reserve(&b, UINT_MAX, &refusal), ERR_SHED);
	ck_assert_int_eq(reserve(&b, 0, &refusal), 0);
	close_bench(&b);
}
END_TEST

START_TEST(the_squares_of_run_times_are_summed)
{
	struct bench b;
	struct work w[3];
	struct pool_sample s;
	double sum, squares;

	open_bench(&b, 1, 8);
	submit(&b, &w[0], run_for_a_millisecond);
	home_await(&b.home, &b.came, 1);
	pool_sample(b.pool, &s);
	sum = (double)s.run.sum_ns;
	squares = (double)s.run_squares * 1e9;
	ck_assert(squares <= sum * sum * (1 + 1e-12) && squares + 1e9 > sum * sum);
	submit(&b, &w[1], run_for_a_millisecond);
	submit(&b, &w[2], run_for_a_millisecond);
	home_await(&b.home, &b.came, 3);
	pool_sample(b.pool, &s);
	sum = (double)s.run.sum_ns;
	squares = (double)s.run_squares * 1e9;
	ck_assert(squares < sum * sum && (squares + 1e9) * 3 > sum * sum);
	close_bench(&b);
}
END_TEST

static int
run_aside(struct job *j, struct pool_thread *t)
{
	/* More than it takes, so that nothing is left. */
	pool_set_aside(t, 3600 * CLOCK_SEC);
	return run_for_a_millisecond(j, t);
}

START_TEST(time_that_was_not_the_jobs_own_is_not_learned)
{
	struct bench b;
	struct work w[2];
	struct pool_sample s;

	open_bench(&b, 1, 8);
	submit(&b, &w[0], run_aside);
	home_await(&b.home, &b.came, 1);
	pool_sample(b.pool, &s);
	ck_assert_uint_lt(s.mean_run_ns, CLOCK_MS);
	ck_assert_uint_ge(s.run.sum_ns, CLOCK_MS);
	/* It is of one run. */
	submit(&b, &w[1], run_for_a_millisecond);
	home_await(&b.home, &b.came, 2);
	pool_sample(b.pool, &s);
	ck_assert_uint_gt(s.mean_run_ns, CLOCK_MS / 100);
	close_bench(&b);
}
END_TEST

START_TEST(a_wait_that_passes_the_time_left_is_refused_at_once)
{
	struct bench b;
	struct work w;
	struct pool_refusal refusal = { NULL, 0 };
	struct pool_sample s;
	uint64_t now = clock_monotonic();

	open_bench(&b, 1, 8);
	submit(&b, &w, run_for_a_millisecond);
	home_await(&b.home, &b.came, 1);
	pool_sample(b.pool, &s);
	ck_assert_uint_ge(s.mean_run_ns, CLOCK_MS);
	/* A free thread: no wait, however little time is left. */
	ck_assert_int_eq(places_reserve(b.pool, 1, now, now + 1, 0, &refusal), 0);
	ck_assert_int_eq(places_reserve(b.pool, 1, now, now + s.mean_run_ns - 1, 0, &refusal),
			 ERR_SHED);
	ck_assert_str_eq(refusal.limit, "pool.t.wait");
	ck_assert_int_eq(places_reserve(b.pool, 1, now, now + s.mean_run_ns, 0, &refusal), 0);
	/* The last of a batch waits longest. */
	ck_assert_int_eq(places_reserve(b.pool, 3, now, now + 3 * s.mean_run_ns, 0, &refusal),
			 ERR_SHED);
	pool_sample(b.pool, &s);
	ck_assert_uint_eq(s.shed[POOL_SHED_WAIT], 2);
	places_release(b.pool, 2);
	close_bench(&b);
}
END_TEST

START_TEST(a_wait_above_max_wait_is_refused_whatever_the_deadline)
{
	struct pool_options o = { .name = "t", .limits.threads = 1, .limits.max_queue = 8 };
	struct bench b;
	struct work w;
	struct pool_refusal refusal;

	o.limits.max_wait_ns = CLOCK_MS / 2;
	open_bench_with(&b, &o);
	submit(&b, &w, run_for_a_millisecond);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	ck_assert_int_eq(reserve(&b, 1, &refusal), ERR_SHED);
	ck_assert_str_eq(refusal.limit, "pool.t.wait");
	places_release(b.pool, 1);
	close_bench(&b);
}
END_TEST

START_TEST(an_idle_pool_admits_a_batch_whatever_it_has_learned)
{
	struct pool_options o = { .name = "t", .limits.threads = 1, .limits.max_queue = 8 };
	struct bench b;
	struct work w;
	struct pool_refusal refusal;

	o.limits.max_wait_ns = CLOCK_MS / 2;
	open_bench_with(&b, &o);
	submit(&b, &w, run_for_a_millisecond);
	home_await(&b.home, &b.came, 1);
	/* By the mean, the second waits too long; but nothing else would ever lower the mean. */
	ck_assert_int_eq(reserve(&b, 2, &refusal), 0);
	ck_assert_int_eq(reserve(&b, 1, &refusal), ERR_SHED);
	places_release(b.pool, 2);
	close_bench(&b);
}
END_TEST

START_TEST(retry_after_is_the_drain_time_with_jitter)
{
	struct bench b;
	struct pool_refusal refusal;
	unsigned lowest = UINT_MAX, highest = 0;

	open_bench(&b, 1, 0);
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	for (uint64_t jitter = 0; jitter < 10; jitter++) {
		ck_assert_int_eq(places_reserve(b.pool, 1, 0, CLOCK_NEVER, jitter, &refusal),
				 ERR_SHED);
		lowest = refusal.retry_after_s < lowest ? refusal.retry_after_s : lowest;
		highest = refusal.retry_after_s > highest ? refusal.retry_after_s : highest;
	}
	ck_assert_uint_eq(lowest, 1);
	ck_assert_uint_eq(highest, 2);
	places_release(b.pool, 1);
	close_bench(&b);
}
END_TEST

START_TEST(an_expired_job_comes_home_unrun)
{
	struct bench b;
	struct work gate, w;
	struct pool_refusal refusal;
	struct pool_sample s;

	open_bench(&b, 1, 2);
	enter_gate(&b, &gate);
	make_work(&b, &w, run_and_note);
	w.job.deadline_ns = 1;
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	pool_submit(b.pool, &w.job);
	leave_gate(&b);
	home_await(&b.home, &b.came, 2);
	ck_assert_int_eq(w.job.outcome, ERR_DEADLINE);
	ck_assert_uint_eq(w.job.started_ns, 0);
	ck_assert_uint_eq(atomic_load(&b.runs), 0);
	expect_idle(&b, &s);
	ck_assert_uint_eq(s.expired, 1);
	close_bench(&b);
}
END_TEST

START_TEST(an_abandoned_waiting_job_gives_its_place_back_before_its_turn)
{
	struct bench b;
	struct work gate, w, next;
	struct pool_refusal refusal;
	struct pool_sample s;

	open_bench(&b, 1, 1);
	enter_gate(&b, &gate);
	submit(&b, &w, run_and_note);
	ck_assert_int_eq(reserve(&b, 1, &refusal), ERR_SHED);
	job_abandon(&w.job);
	job_abandon(&w.job);
	ck_assert_uint_eq(w.homes, 0);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(w.job.outcome, ERR_CANCELLED);
	submit(&b, &next, run_and_note);
	leave_gate(&b);
	home_await(&b.home, &b.came, 3);
	ck_assert_int_eq(next.job.outcome, 0);
	ck_assert_uint_eq(atomic_load(&b.runs), 1);
	expect_idle(&b, &s);
	ck_assert_uint_eq(s.abandoned, 1);
	ck_assert_uint_eq(w.homes, 1);
	close_bench(&b);
}
END_TEST

START_TEST(an_abandoned_running_job_is_told_and_comes_home)
{
	struct bench b;
	struct work w;
	struct pool_sample s;

	open_bench(&b, 1, 1);
	submit(&b, &w, run_until_cancelled);
	sem_wait(&b.entered);
	job_abandon(&w.job);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(w.job.outcome, ERR_CANCELLED);
	ck_assert_uint_ne(w.job.ended_ns, 0);
	expect_idle(&b, &s);
	close_bench(&b);
}
END_TEST

START_TEST(a_running_job_is_told_when_its_deadline_passes)
{
	struct bench b;
	struct work w;
	struct pool_refusal refusal;

	open_bench(&b, 1, 1);
	make_work(&b, &w, run_until_cancelled);
	w.job.deadline_ns = clock_monotonic() + 5 * CLOCK_MS;
	ck_assert_int_eq(reserve(&b, 1, &refusal), 0);
	pool_submit(b.pool, &w.job);
	home_await(&b.home, &b.came, 1);
	ck_assert_uint_ge(clock_monotonic(), w.job.deadline_ns);
	close_bench(&b);
}
END_TEST

START_TEST(the_end_of_a_pool_sends_everything_home)
{
	struct bench b;
	struct work running, waiting[3];

	open_bench(&b, 1, 3);
	submit(&b, &running, run_until_cancelled);
	sem_wait(&b.entered);
	for (unsigned i = 0; i < 3; i++)
		submit(&b, &waiting[i], run_and_note);
	pool_unref(&b.pool);
	ck_assert_ptr_null(b.pool);
	home_await(&b.home, &b.came, 4);
	ck_assert_int_eq(running.job.outcome, ERR_CANCELLED);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(waiting[i].job.outcome, ERR_SHUTDOWN);
	ck_assert_uint_eq(atomic_load(&b.runs), 0);
	close_bench(&b);
}
END_TEST

/* Such as a job that gives something back, begun where another came home. */
START_TEST(what_is_submitted_after_the_end_comes_home_at_once)
{
	struct bench b;
	struct work late;

	open_bench(&b, 1, 3);
	pool_stop(b.pool);
	submit(&b, &late, run_and_note);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(late.job.outcome, ERR_SHUTDOWN);
	ck_assert_uint_eq(atomic_load(&b.runs), 0);
	close_bench(&b);
}
END_TEST

/* --- state of a thread -------------------------------------------------------------- */

struct states {
	atomic_uint inits, finis;
	unsigned failing; /* index; UINT_MAX: none */
};

static int
state_init(struct pool_thread *t, void *argument)
{
	struct states *s = argument;

	if (t->index == s->failing)
		return ERR_FAILED;
	t->state = s;
	atomic_fetch_add(&s->inits, 1);
	return 0;
}

static void
state_fini(struct pool_thread *t, void *argument)
{
	struct states *s = argument;

	ck_assert_ptr_eq(t->state, s);
	atomic_fetch_add(&s->finis, 1);
}

static struct pool_options
options_with_states(struct states *s)
{
	struct pool_options o = { .name = "t", .limits.threads = 3, .limits.max_queue = 1 };

	o.thread_init = state_init;
	o.thread_fini = state_fini;
	o.argument = s;
	return o;
}

START_TEST(each_thread_has_its_state_made_and_ended_once)
{
	struct states states = { .failing = UINT_MAX };
	struct pool_options o = options_with_states(&states);
	struct bench b;

	open_bench_with(&b, &o);
	ck_assert_uint_eq(atomic_load(&states.inits), 3);
	close_bench(&b);
	ck_assert_uint_eq(atomic_load(&states.finis), 3);
}
END_TEST

START_TEST(a_thread_that_cannot_start_fails_the_pool)
{
	struct states states = { .failing = 1 };
	struct pool_options o = options_with_states(&states);
	int err = 0;

	ck_assert_ptr_null(pool_new(&o, &err));
	ck_assert_int_eq(err, ERR_FAILED);
	ck_assert_uint_eq(atomic_load(&states.inits), 2);
	ck_assert_uint_eq(atomic_load(&states.finis), 2);
}
END_TEST

START_TEST(no_memory_or_too_long_a_name_is_an_error)
{
	struct pool_options o = { .name = "t", .limits.threads = 1, .limits.max_queue = 1 };
	char name[300];
	int err = 0;

	mem_fail_at(1, false);
	ck_assert_ptr_null(pool_new(&o, &err));
	mem_fail_at(0, false);
	ck_assert_int_eq(err, ERR_MEMORY);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	o.name = name;
	ck_assert_ptr_null(pool_new(&o, &err));
	ck_assert_int_eq(err, ERR_TOO_LARGE);
}
END_TEST

static int
run_and_look_at_priority(struct job *j, struct pool_thread *t)
{
	(void)j;
	(void)t;
	if (thread_role() != THREAD_POOL)
		return ERR_FAILED;
	return sched_getscheduler(0) == SCHED_BATCH && getpriority(PRIO_PROCESS, 0) == 7
		   ? 0
		   : ERR_UNSUPPORTED;
}

START_TEST(pool_threads_give_way_to_workers)
{
	struct pool_options o = {
		.name = "t", .limits.threads = 1, .limits.max_queue = 1, .nice = 7
	};
	struct bench b;
	struct work w;

	open_bench_with(&b, &o);
	submit(&b, &w, run_and_look_at_priority);
	home_await(&b.home, &b.came, 1);
	ck_assert_int_eq(w.job.outcome, 0);
	close_bench(&b);
}
END_TEST

START_TEST(waits_and_runs_are_counted_in_histograms)
{
	struct bench b;
	struct work w[4];
	struct pool_sample s;

	open_bench(&b, 2, 4);
	for (unsigned i = 0; i < 4; i++)
		submit(&b, &w[i], run_for_a_millisecond);
	home_await(&b.home, &b.came, 4);
	pool_sample(b.pool, &s);
	ck_assert_uint_eq(histogram_sum_count(&s.wait), 4);
	ck_assert_uint_eq(histogram_sum_count(&s.run), 4);
	ck_assert_uint_ge(s.run.sum_ns, 4 * CLOCK_MS);
	ck_assert_str_eq(s.name, "t");
	close_bench(&b);
}
END_TEST

/* --- everything at once -------------------------------------------------------------- */

enum { SUBMITTERS = 2, ROUNDS = 6000, AT_ONCE = 16 };

/* A thread with a home of its own that reserves, submits and abandons at random. */
struct submitter {
	struct bench bench; /* its home; the pool is shared */
	struct thread thread;
	struct work work[AT_ONCE];
	unsigned submitted, refused, abandoned;
	uint64_t seed;
	bool was_broken; /* a job came home twice or not at all */
};

static int
run_briefly(struct job *j, struct pool_thread *t)
{
	(void)t;
	return job_is_cancelled(j) ? ERR_CANCELLED : 0;
}

static void
submit_round(struct submitter *s, struct random *r)
{
	unsigned n = 1 + (unsigned)random_below(r, AT_ONCE);
	uint64_t now = clock_monotonic();
	struct pool_refusal refusal;

	s->bench.came = 0;
	if (places_reserve(s->bench.pool, n, now, CLOCK_NEVER, 0, &refusal) != 0) {
		s->refused++;
		sched_yield();
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		make_work(&s->bench, &s->work[i], run_briefly);
		if (random_below(r, 8) == 0)
			s->work[i].job.deadline_ns = now;
		pool_submit(s->bench.pool, &s->work[i].job);
	}
	s->submitted += n;
	for (unsigned i = 0; i < n; i++) {
		if (random_below(r, 2) == 0) {
			job_abandon(&s->work[i].job);
			s->abandoned++;
		}
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

START_TEST(every_job_comes_home_once_whatever_happens_at_the_same_time)
{
	static struct submitter submitters[SUBMITTERS];
	struct bench b;
	struct pool_sample sample;

	open_bench(&b, 3, 20);
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		struct submitter *s = &submitters[i];
		s->seed = i + 1;
		s->bench.pool = b.pool;
		home_open(&s->bench.home, &s->bench);
		s->thread = (struct thread){ .role = THREAD_WORKER, .name = "submitter" };
		s->thread.run = submit_rounds;
		s->thread.argument = s;
		ck_assert_int_eq(thread_start(&s->thread), 0);
	}
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		struct submitter *s = &submitters[i];
		thread_join(&s->thread);
		ck_assert(!s->was_broken);
		ck_assert_uint_gt(s->submitted, 0);
		ck_assert_uint_gt(s->abandoned, 0);
	}
	expect_idle(&b, &sample);
	close_bench(&b);
	/* Only now: a pool thread may still be ringing after its mail was read. */
	for (unsigned i = 0; i < SUBMITTERS; i++)
		home_close(&submitters[i].bench.home);
}
END_TEST

Suite *
suite_thread_pool(void)
{
	Suite *s = suite_create("thread_pool");
	TCase *t = tcase_create("pool");

	tcase_add_test(t, a_job_runs_on_a_pool_thread_and_comes_home_once);
	tcase_add_test(t, one_thread_runs_jobs_in_the_order_of_submission);
	tcase_add_test(t, there_is_room_for_the_threads_and_the_queue_and_no_more);
	tcase_add_test(t, without_a_queue_a_free_thread_still_takes_a_job);
	tcase_add_test(t, a_batch_is_admitted_as_a_whole_or_not_at_all);
	tcase_add_test(t, the_squares_of_run_times_are_summed);
	tcase_add_test(t, time_that_was_not_the_jobs_own_is_not_learned);
	tcase_add_test(t, a_wait_that_passes_the_time_left_is_refused_at_once);
	tcase_add_test(t, a_wait_above_max_wait_is_refused_whatever_the_deadline);
	tcase_add_test(t, an_idle_pool_admits_a_batch_whatever_it_has_learned);
	tcase_add_test(t, retry_after_is_the_drain_time_with_jitter);
	tcase_add_test(t, an_expired_job_comes_home_unrun);
	tcase_add_test(t, an_abandoned_waiting_job_gives_its_place_back_before_its_turn);
	tcase_add_test(t, an_abandoned_running_job_is_told_and_comes_home);
	tcase_add_test(t, a_running_job_is_told_when_its_deadline_passes);
	tcase_add_test(t, the_end_of_a_pool_sends_everything_home);
	tcase_add_test(t, what_is_submitted_after_the_end_comes_home_at_once);
	tcase_add_test(t, each_thread_has_its_state_made_and_ended_once);
	tcase_add_test(t, a_thread_that_cannot_start_fails_the_pool);
	tcase_add_test(t, no_memory_or_too_long_a_name_is_an_error);
	tcase_add_test(t, pool_threads_give_way_to_workers);
	tcase_add_test(t, waits_and_runs_are_counted_in_histograms);
	tcase_add_test(t, every_job_comes_home_once_whatever_happens_at_the_same_time);
	suite_add_tcase(s, t);
	return s;
}
