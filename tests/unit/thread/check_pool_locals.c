/*
 * What the threads of a pool keep for kinds of jobs; and that every job comes
 * home once, and every state ends once and where it was made, while threads
 * come and go.
 */
#include "base/mem.h"
#include "base/random.h"
#include "bench.h"

#include <pthread.h>

Suite *suite_thread_pool_locals(void);

/* --- locals ----------------------------------------------------------------------------- */

static const char red, blue; /* keys */

/* What a thread keeps; it must end on the thread that made it. */
struct keepsake {
	pthread_t owner;
	atomic_uint *ended;
	atomic_uint *astray; /* ended elsewhere */
};

struct keeping {
	struct work work;
	const void *key;
	atomic_uint *made, *ended, *astray;
	bool is_gated;
};

static void
end_keepsake(void *state)
{
	struct keepsake *k = state;

	if (!pthread_equal(k->owner, pthread_self()))
		atomic_fetch_add(k->astray, 1);
	atomic_fetch_add(k->ended, 1);
	mem_free(&k);
}

static int
run_and_keep(struct job *j, struct pool_thread *t)
{
	struct keeping *k = CONTAINER_OF(j, struct keeping, work.job);
	struct keepsake *kept = pool_local(t, k->key);

	if (k->is_gated)
		run_until_the_gate_opens(j, t);
	if (kept)
		return pthread_equal(kept->owner, pthread_self()) ? 0 : ERR_CONFLICT;
	kept = mem_alloc(sizeof(*kept));
	if (!kept)
		return ERR_MEMORY;
	*kept = (struct keepsake){ pthread_self(), k->ended, k->astray };
	if (pool_keep_local(t, k->key, kept, end_keepsake) != 0) {
		mem_free(&kept);
		return ERR_MEMORY;
	}
	atomic_fetch_add(k->made, 1);
	return 0;
}

struct shelf {
	struct bench bench;
	atomic_uint made, ended, astray;
};

static void
submit_keeping(struct shelf *s, struct keeping *k, const void *key, bool is_gated)
{
	*k = (struct keeping){
		.key = key,
		.made = &s->made,
		.ended = &s->ended,
		.astray = &s->astray,
		.is_gated = is_gated,
	};
	submit(&s->bench, &k->work, run_and_keep);
}

/* So that each of n threads keeps something under the key. */
static void
keep_on_all(struct shelf *s, struct keeping *k, unsigned n, const void *key)
{
	unsigned before = s->bench.came;

	for (unsigned i = 0; i < n; i++) {
		submit_keeping(s, &k[i], key, true);
		sem_wait(&s->bench.entered);
	}
	for (unsigned i = 0; i < n; i++)
		leave_gate(&s->bench);
	home_await(&s->bench.home, &s->bench.came, before + n);
}

static void
open_shelf(struct shelf *s, unsigned threads)
{
	*s = (struct shelf){ .made = 0 };
	open_bench(&s->bench, threads, 8);
}

static void
close_shelf(struct shelf *s)
{
	close_bench(&s->bench);
	ck_assert_uint_eq(atomic_load(&s->ended), atomic_load(&s->made));
	ck_assert_uint_eq(atomic_load(&s->astray), 0);
}

START_TEST(a_thread_keeps_a_state_under_a_key_from_job_to_job)
{
	struct shelf s;
	struct keeping k;

	open_shelf(&s, 1);
	for (unsigned i = 0; i < 3; i++) {
		submit_keeping(&s, &k, &red, false);
		home_await(&s.bench.home, &s.bench.came, i + 1);
		ck_assert_int_eq(k.work.job.outcome, 0);
	}
	ck_assert_uint_eq(atomic_load(&s.made), 1);
	submit_keeping(&s, &k, &blue, false);
	home_await(&s.bench.home, &s.bench.came, 4);
	ck_assert_uint_eq(atomic_load(&s.made), 2);
	ck_assert_uint_eq(atomic_load(&s.ended), 0);
	close_shelf(&s);
}
END_TEST

START_TEST(what_is_forgotten_has_ended_on_all_threads_and_nothing_else_has)
{
	struct shelf s;
	struct keeping k[4];

	open_shelf(&s, 4);
	keep_on_all(&s, k, 4, &red);
	keep_on_all(&s, k, 4, &blue);
	ck_assert_uint_eq(atomic_load(&s.made), 8);
	ck_assert_uint_eq(pool_forget_local(s.bench.pool, &red), 0);
	ck_assert_uint_eq(atomic_load(&s.ended), 4);
	ck_assert_uint_eq(pool_forget_local(s.bench.pool, &red), 0);
	ck_assert_uint_eq(atomic_load(&s.ended), 4);
	keep_on_all(&s, k, 4, &red);
	ck_assert_uint_eq(atomic_load(&s.made), 12);
	ck_assert_uint_eq(pool_forget_local(s.bench.pool, &blue), 0);
	ck_assert_uint_eq(atomic_load(&s.ended), 8);
	close_shelf(&s);
}
END_TEST

START_TEST(forgetting_where_nothing_is_kept_returns)
{
	struct shelf s;

	open_shelf(&s, 8);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_uint_eq(pool_forget_local(s.bench.pool, &red), 0);
	close_shelf(&s);
}
END_TEST

struct forgetter {
	struct thread thread;
	struct pool *pool;
	unsigned lost;
	atomic_uint has_returned;
};

static void
forget_red(void *argument)
{
	struct forgetter *f = argument;

	f->lost = pool_forget_local(f->pool, &red);
	atomic_store(&f->has_returned, 1);
}

static void
start_forgetter(struct forgetter *f, const struct shelf *s)
{
	*f = (struct forgetter){ .pool = s->bench.pool };
	f->thread = (struct thread){ .role = THREAD_BUILDER, .name = "forgetter" };
	f->thread.run = forget_red;
	f->thread.argument = f;
	ck_assert_int_eq(thread_start(&f->thread), 0);
}

START_TEST(forgetting_waits_for_a_job_that_runs_while_others_are_served)
{
	struct shelf s;
	struct keeping k[2];
	struct work slow, w[20];
	struct forgetter f;

	open_shelf(&s, 2);
	keep_on_all(&s, k, 2, &red);
	enter_gate(&s.bench, &slow);
	start_forgetter(&f, &s);
	await_count(&s.ended, 1);
	for (unsigned i = 0; i < 20; i++) {
		submit(&s.bench, &w[i], run_and_note);
		home_await(&s.bench.home, &s.bench.came, 3 + i);
	}
	ck_assert_uint_eq(atomic_load(&f.has_returned), 0);
	leave_gate(&s.bench);
	thread_join(&f.thread);
	ck_assert_uint_eq(atomic_load(&s.ended), 2);
	home_await(&s.bench.home, &s.bench.came, 23);
	close_shelf(&s);
}
END_TEST

START_TEST(forgetting_does_not_wait_for_a_thread_that_keeps_nothing)
{
	struct shelf s;
	struct keeping k;
	struct work slow;

	open_shelf(&s, 2);
	enter_gate(&s.bench, &slow);
	submit_keeping(&s, &k, &red, false);
	home_await(&s.bench.home, &s.bench.came, 1);
	ck_assert_uint_eq(pool_forget_local(s.bench.pool, &red), 0);
	ck_assert_uint_eq(atomic_load(&s.ended), 1);
	leave_gate(&s.bench);
	home_await(&s.bench.home, &s.bench.came, 2);
	close_shelf(&s);
}
END_TEST

START_TEST(a_pool_is_resized_and_learns_costs_while_somebody_waits_for_it_to_forget)
{
	struct shelf s;
	struct keeping k;
	struct work slow;
	struct forgetter f;

	open_shelf(&s, 1);
	submit_keeping(&s, &k, &red, false);
	home_await(&s.bench.home, &s.bench.came, 1);
	enter_gate(&s.bench, &slow);
	start_forgetter(&f, &s);
	/* It may not have begun: what is wrong shows when it has. */
	let_others_run();
	ck_assert_ptr_nonnull(pool_cost(s.bench.pool, SLICE("a"), 0));
	ck_assert_int_eq(resize(&s.bench, 3), 0);
	ck_assert_uint_eq(atomic_load(&f.has_returned), 0);
	leave_gate(&s.bench);
	thread_join(&f.thread);
	ck_assert_uint_eq(f.lost, 0);
	home_await(&s.bench.home, &s.bench.came, 2);
	close_shelf(&s);
}
END_TEST

/* A job that does not end before leave_gate, on a thread that keeps something. */
static void
lose_holder(struct shelf *s, struct keeping *k, struct work *lost)
{
	struct pool_limits l = pool_limits(s->bench.pool);
	struct pool_refusal refusal;

	l.lost_after_ns = CLOCK_SEC;
	ck_assert_int_eq(pool_resize(s->bench.pool, &l), 0);
	submit_keeping(s, k, &red, false);
	home_await(&s->bench.home, &s->bench.came, 1);
	make_work(&s->bench, lost, run_until_the_gate_opens);
	lost->job.deadline_ns = clock_monotonic() + 3600 * CLOCK_SEC;
	ck_assert_int_eq(reserve(&s->bench, 1, &refusal), 0);
	pool_submit(s->bench.pool, &lost->job);
	sem_wait(&s->bench.entered);
}

static void
watch(struct shelf *s, const struct work *lost)
{
	uint64_t then = lost->job.deadline_ns + CLOCK_SEC + 1;

	ck_assert_uint_eq(pool_watch(s->bench.pool, then, NULL, NULL), 1);
}

START_TEST(a_lost_thread_is_not_waited_for_and_forgets_when_it_comes_back)
{
	struct shelf s;
	struct keeping k;
	struct work lost;

	open_shelf(&s, 1);
	lose_holder(&s, &k, &lost);
	watch(&s, &lost);
	ck_assert_uint_eq(pool_forget_local(s.bench.pool, &red), 1);
	ck_assert_uint_eq(atomic_load(&s.ended), 0);
	leave_gate(&s.bench);
	await_count(&s.ended, 1);
	home_await(&s.bench.home, &s.bench.came, 2);
	ck_assert_uint_eq(pool_forget_local(s.bench.pool, &red), 0);
	close_shelf(&s);
}
END_TEST

START_TEST(a_thread_that_is_lost_meanwhile_is_waited_for_no_longer)
{
	struct shelf s;
	struct keeping k;
	struct work lost;
	struct forgetter f;

	open_shelf(&s, 1);
	lose_holder(&s, &k, &lost);
	start_forgetter(&f, &s);
	let_others_run();
	ck_assert_uint_eq(atomic_load(&f.has_returned), 0);
	watch(&s, &lost);
	thread_join(&f.thread);
	ck_assert_uint_eq(f.lost, 1);
	leave_gate(&s.bench);
	await_count(&s.ended, 1);
	home_await(&s.bench.home, &s.bench.came, 2);
	close_shelf(&s);
}
END_TEST

/* Also where nobody watches for lost threads any more, and the job has no deadline. */
START_TEST(forgetting_ends_when_the_pool_stops)
{
	struct shelf s;
	struct keeping k;
	struct work slow;
	struct forgetter f;

	open_shelf(&s, 1);
	submit_keeping(&s, &k, &red, false);
	home_await(&s.bench.home, &s.bench.came, 1);
	submit(&s.bench, &slow, run_until_cancelled);
	sem_wait(&s.bench.entered);
	start_forgetter(&f, &s);
	let_others_run();
	ck_assert_uint_eq(atomic_load(&f.has_returned), 0);
	pool_stop(s.bench.pool);
	thread_join(&f.thread);
	ck_assert_uint_eq(f.lost, 0);
	ck_assert_uint_eq(atomic_load(&s.ended), 1);
	home_await(&s.bench.home, &s.bench.came, 2);
	close_shelf(&s);
}
END_TEST

START_TEST(a_thread_that_leaves_ends_what_it_keeps)
{
	struct shelf s;
	struct keeping k[3];

	open_shelf(&s, 3);
	keep_on_all(&s, k, 3, &red);
	keep_on_all(&s, k, 3, &blue);
	ck_assert_int_eq(resize(&s.bench, 1), 0);
	await_count(&s.ended, 4);
	/* Whoever takes the places begins with nothing. */
	ck_assert_int_eq(resize(&s.bench, 3), 0);
	keep_on_all(&s, k, 3, &red);
	ck_assert_uint_eq(atomic_load(&s.made), 8);
	close_shelf(&s);
}
END_TEST

/* What ends so slowly that whoever does not wait for it shows it. */
struct slow {
	struct work work;
	atomic_uint has_ended;
};

static void
end_slowly(void *state)
{
	struct slow *s = state;

	sem_post(&s->work.bench->entered);
	let_others_run();
	atomic_store(&s->has_ended, 1);
}

static int
run_and_keep_slow(struct job *j, struct pool_thread *t)
{
	return pool_keep_local(t, &red, CONTAINER_OF(j, struct slow, work.job), end_slowly);
}

START_TEST(forgetting_waits_for_a_thread_that_is_leaving)
{
	struct shelf s;
	struct work other;
	struct slow slow;

	open_shelf(&s, 2);
	/* The other thread is busy, so the same one keeps it and leaves. */
	enter_gate(&s.bench, &other);
	slow.has_ended = 0;
	submit(&s.bench, &slow.work, run_and_keep_slow);
	home_await(&s.bench.home, &s.bench.came, 1);
	ck_assert_int_eq(resize(&s.bench, 1), 0);
	sem_wait(&s.bench.entered);
	leave_gate(&s.bench);
	ck_assert_uint_eq(pool_forget_local(s.bench.pool, &red), 0);
	ck_assert_uint_eq(atomic_load(&slow.has_ended), 1);
	home_await(&s.bench.home, &s.bench.came, 2);
	close_shelf(&s);
}
END_TEST

/* --- everything at once ------------------------------------------------------------------ */

enum { SUBMITTERS = 2, ROUNDS = 3000, AT_ONCE = 16, RESIZES = 1500, THREADS_MAX = 8 };

/* A worker: a thread with a home of its own that reserves, submits and abandons at random. */
struct submitter {
	struct shelf *shelf; /* counts of keepsakes */
	struct bench bench; /* its home; the pool is shared */
	struct thread thread;
	struct keeping work[AT_ONCE];
	uint64_t submitted, seed;
	bool was_broken; /* a job came home twice, not at all, or with another's state */
};

static void
new_keeping(struct submitter *s, struct keeping *k, const void *key)
{
	*k = (struct keeping){
		.key = key,
		.made = &s->shelf->made,
		.ended = &s->shelf->ended,
		.astray = &s->shelf->astray,
	};
	make_work(&s->bench, &k->work, run_and_keep);
}

static void
submit_round(struct submitter *s, struct random *r)
{
	unsigned n = 1 + (unsigned)random_below(r, AT_ONCE);
	struct pool_refusal refusal;

	s->bench.came = 0;
	if (places_reserve(s->bench.pool, n, clock_monotonic(), CLOCK_NEVER, 0, &refusal) != 0) {
		sched_yield();
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		new_keeping(s, &s->work[i], &blue);
		pool_submit(s->bench.pool, &s->work[i].work.job);
	}
	s->submitted += n;
	for (unsigned i = 0; i < n; i++) {
		if (random_below(r, 2) == 0)
			job_abandon(&s->work[i].work.job);
	}
	home_await(&s->bench.home, &s->bench.came, n);
	for (unsigned i = 0; i < n; i++) {
		int outcome = s->work[i].work.job.outcome;
		s->was_broken = s->was_broken || s->work[i].work.homes != 1 ||
				(outcome != 0 && outcome != ERR_CANCELLED);
	}
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
start_submitter(struct submitter *s, struct shelf *shelf, unsigned seed)
{
	*s = (struct submitter){ .seed = seed, .shelf = shelf };
	s->bench.pool = shelf->bench.pool;
	home_open(&s->bench.home, &s->bench);
	s->thread = (struct thread){ .role = THREAD_WORKER, .name = "submitter" };
	s->thread.run = submit_rounds;
	s->thread.argument = s;
	ck_assert_int_eq(thread_start(&s->thread), 0);
}

static void
expect_growth(struct pool *p, struct pool_sample *last)
{
	struct pool_sample now;

	pool_sample(p, &now);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		ck_assert_uint_ge(now.run.bucket[i], last->run.bucket[i]);
		ck_assert_uint_ge(now.wait.bucket[i], last->wait.bucket[i]);
	}
	ck_assert_uint_ge(now.abandoned, last->abandoned);
	*last = now;
}

/* What a reload does to a pool, as often as it can. */
static void
resize_at_random(struct shelf *s)
{
	struct pool_sample last = { 0 };
	struct random r;

	random_init(&r, 7);
	for (unsigned i = 0; i < RESIZES; i++) {
		struct pool_limits l = { .threads = 1 + (unsigned)random_below(&r, THREADS_MAX),
					 .max_queue = (unsigned)random_below(&r, 32) };
		ck_assert_int_eq(pool_resize(s->bench.pool, &l), 0);
		if (random_below(&r, 4) == 0)
			ck_assert_uint_eq(pool_forget_local(s->bench.pool, &red), 0);
		expect_growth(s->bench.pool, &last);
	}
}

START_TEST(every_job_comes_home_once_while_threads_come_and_go)
{
	static struct submitter submitters[SUBMITTERS];
	struct shelf s;
	struct pool_limits all = { .threads = 3, .max_queue = 20 };
	struct pool_sample sample;
	uint64_t submitted = 0;

	open_shelf(&s, 3);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		start_submitter(&submitters[i], &s, i + 1);
	resize_at_random(&s);
	ck_assert_int_eq(pool_resize(s.bench.pool, &all), 0);
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		thread_join(&submitters[i].thread);
		ck_assert(!submitters[i].was_broken);
		submitted += submitters[i].submitted;
	}
	ck_assert_uint_gt(submitted, 0);
	expect_idle(&s.bench, &sample);
	ck_assert_uint_eq(histogram_sum_count(&sample.run) + sample.abandoned, submitted);
	/* Nobody uses it any more, so it can be forgotten. */
	ck_assert_uint_eq(pool_forget_local(s.bench.pool, &blue), 0);
	ck_assert_uint_eq(atomic_load(&s.ended), atomic_load(&s.made));
	close_shelf(&s);
	/* Only now: a pool thread may still be ringing after its mail was read. */
	for (unsigned i = 0; i < SUBMITTERS; i++)
		home_close(&submitters[i].bench.home);
}
END_TEST

Suite *
suite_thread_pool_locals(void)
{
	Suite *s = suite_create("thread_pool_locals");
	TCase *t = tcase_create("pool_locals");

	tcase_add_test(t, a_thread_keeps_a_state_under_a_key_from_job_to_job);
	tcase_add_test(t, what_is_forgotten_has_ended_on_all_threads_and_nothing_else_has);
	tcase_add_test(t, forgetting_where_nothing_is_kept_returns);
	tcase_add_test(t, forgetting_waits_for_a_job_that_runs_while_others_are_served);
	tcase_add_test(t, forgetting_does_not_wait_for_a_thread_that_keeps_nothing);
	tcase_add_test(t, a_pool_is_resized_and_learns_costs_while_somebody_waits_for_it_to_forget);
	tcase_add_test(t, a_lost_thread_is_not_waited_for_and_forgets_when_it_comes_back);
	tcase_add_test(t, a_thread_that_is_lost_meanwhile_is_waited_for_no_longer);
	tcase_add_test(t, forgetting_ends_when_the_pool_stops);
	tcase_add_test(t, a_thread_that_leaves_ends_what_it_keeps);
	tcase_add_test(t, forgetting_waits_for_a_thread_that_is_leaving);
	tcase_add_test(t, every_job_comes_home_once_while_threads_come_and_go);
	suite_add_tcase(s, t);
	return s;
}
