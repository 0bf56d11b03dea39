/*
 * Threads that are lost in a job: found, told of, replaced, and welcome back.
 */
#include "base/log.h"
#include "base/writer.h"
#include "bench.h"

#include <pthread.h>
#include <unistd.h>

Suite *suite_thread_pool_lost(void);

#define AFTER (5 * CLOCK_SEC)

/* What a test does when a thread of that name says something; once. */
static struct interruption {
	const char *thread;
	void (*act)(void *argument);
	void *argument;
} interruption;

/* Several threads of a pool may speak at once. */
static pthread_mutex_t saying = PTHREAD_MUTEX_INITIALIZER;
static char said[4096];
static struct writer lines;

static int
keep_line(enum log_level level, const char *thread, struct slice message)
{
	(void)level;
	if (interruption.thread && thread && strcmp(thread, interruption.thread) == 0) {
		interruption.thread = NULL;
		interruption.act(interruption.argument);
	}
	pthread_mutex_lock(&saying);
	writer_put(&lines, message);
	writer_char(&lines, '\n');
	pthread_mutex_unlock(&saying);
	return 0;
}

static void
set_up(void)
{
	lines = writer_over(said, sizeof(said) - 1);
	memset(said, 0, sizeof(said));
	log_to_sender(keep_line);
}

static void
tear_down(void)
{
	interruption.thread = NULL;
	log_set_level(LOG_LEVEL_NOTICE);
	log_to_fd(STDERR_FILENO, LOG_FORMAT_TEXT);
}

static void
open_lossy(struct bench *b, unsigned threads, unsigned max_lost)
{
	struct pool_options o = { .name = "t",
				  .order = ORDER_ADAPTIVE,
				  .limits.threads = threads,
				  .limits.max_queue = 8,
				  .limits.lost_after_ns = AFTER,
				  .limits.max_lost = max_lost };

	open_bench_with(b, &o);
}

static int
run_described(struct job *j, struct pool_thread *t)
{
	const struct pool_task task = { .what = "thing",
					.owner = "module m",
					.kind = SLICE("route"),
					.name = SLICE("r"),
					.request = "id-1" };

	pool_describe(t, &task);
	return run_until_the_gate_opens(j, t);
}

/* A job that will not end before leave_gate, with a deadline soon. */
static uint64_t
lose(struct bench *b, struct work *w)
{
	struct pool_refusal refusal;

	make_work(b, w, run_described);
	w->job.deadline_ns = clock_monotonic() + 3600 * CLOCK_SEC;
	ck_assert_int_eq(reserve(b, 1, &refusal), 0);
	pool_submit(b->pool, &w->job);
	sem_wait(&b->entered);
	return w->job.deadline_ns + AFTER;
}

static void
on_loss(const struct pool_loss *loss, void *argument)
{
	unsigned *losses = argument;

	++*losses;
	ck_assert_str_eq(loss->pool, "t");
	ck_assert_str_eq(loss->thread, "t/0");
	ck_assert_str_eq(loss->task->what, "thing");
	ck_assert_str_eq(loss->task->request, "id-1");
	ck_assert_uint_eq(loss->late_ns, AFTER + 1);
	ck_assert_uint_gt(loss->ran_ns, loss->late_ns);
}

START_TEST(a_thread_is_lost_when_its_job_goes_on_long_after_its_deadline)
{
	struct bench b;
	struct work w;
	uint64_t then;
	unsigned losses = 0;

	open_lossy(&b, 1, 0);
	then = lose(&b, &w);
	ck_assert_uint_eq(pool_watch(b.pool, then, on_loss, &losses), 0);
	ck_assert_uint_eq(losses, 0);
	ck_assert_uint_eq(pool_watch(b.pool, then + 1, on_loss, &losses), 1);
	ck_assert_uint_eq(losses, 1);
	ck_assert_ptr_nonnull(
	    strstr(said, "thread t/0 is lost: it has run thing of module m of [route r] for "));
	ck_assert_ptr_nonnull(strstr(said, "5000 ms past the deadline (request id-1)"));
	ck_assert_uint_eq(pool_watch(b.pool, then + 2, NULL, NULL), 0);
	leave_gate(&b);
	home_await(&b.home, &b.came, 1);
	close_bench(&b);
	ck_assert_ptr_nonnull(strstr(said, "has come back"));
}
END_TEST

START_TEST(another_thread_serves_in_its_stead_until_it_comes_back)
{
	struct bench b;
	struct work lost, w, more[2];
	struct pool_sample s;

	open_lossy(&b, 1, 1);
	ck_assert_uint_eq(pool_watch(b.pool, lose(&b, &lost) + 1, NULL, NULL), 1);
	submit(&b, &w, run_and_note);
	home_await(&b.home, &b.came, 1);
	ck_assert_uint_eq(w.thread_index, 1);
	pool_sample(b.pool, &s);
	ck_assert_uint_eq(s.threads, 1);
	ck_assert_uint_eq(s.running, 1);
	leave_gate(&b);
	home_await(&b.home, &b.came, 2);
	/* One of both has left, or leaves instead of taking a job. */
	let_others_run();
	for (unsigned i = 0; i < 2; i++)
		submit(&b, &more[i], run_until_the_gate_opens);
	sem_wait(&b.entered);
	let_others_run();
	ck_assert_int_ne(sem_trywait(&b.entered), 0);
	leave_gate(&b);
	leave_gate(&b);
	home_await(&b.home, &b.came, 4);
	expect_idle(&b, &s);
	close_bench(&b);
}
END_TEST

/* On the substitute, which is not counted yet: the lost one comes back, and finds nothing to do. */
static void
let_it_come_back(void *argument)
{
	leave_gate(argument);
	let_others_run();
}

START_TEST(one_that_comes_back_while_its_substitute_starts_strands_no_job)
{
	struct bench b;
	struct work lost, w;
	struct pool_sample s;
	struct pool_limits l;

	open_lossy(&b, 1, 1);
	/* With processors to stay on, a thread says so before it is counted. */
	l = pool_limits(b.pool);
	l.cpus = thread_cpus((uint64_t)getpid());
	ck_assert_int_eq(pool_resize(b.pool, &l), 0);
	log_set_level(LOG_LEVEL_DEBUG);
	interruption = (struct interruption){ "t/1", let_it_come_back, &b };
	ck_assert_uint_eq(pool_watch(b.pool, lose(&b, &lost) + 1, NULL, NULL), 1);
	ck_assert_ptr_null(interruption.thread);
	home_await(&b.home, &b.came, 1);
	submit(&b, &w, run_and_note);
	home_await(&b.home, &b.came, 2);
	expect_idle(&b, &s);
	close_bench(&b);
}
END_TEST

/* It is idle, so that whoever comes is tried, however dear he is thought to be. */
START_TEST(a_substitute_without_work_refuses_nobody_for_his_wait)
{
	struct bench b;
	struct work lost;
	struct cost *dear;
	struct gate_ask a;
	struct pool_refusal refusal;

	open_lossy(&b, 1, 1);
	dear = pool_cost(b.pool, SLICE("dear"), 3600 * CLOCK_SEC);
	ck_assert_uint_eq(pool_watch(b.pool, lose(&b, &lost) + 1, NULL, NULL), 1);
	a = (struct gate_ask){ .now_ns = clock_monotonic(), .deadline_ns = CLOCK_NEVER };
	pool_ask_more(b.pool, &a, dear, 0, a.now_ns + CLOCK_SEC);
	ck_assert_int_eq(pool_reserve(b.pool, &a, 0, &refusal), 0);
	pool_release(b.pool, a.priority, 1, a.work_ns);
	leave_gate(&b);
	home_await(&b.home, &b.came, 1);
	close_bench(&b);
}
END_TEST

START_TEST(no_more_than_max_lost_are_replaced)
{
	struct bench b;
	struct work lost[2], w;
	uint64_t then;

	open_lossy(&b, 2, 1);
	then = lose(&b, &lost[0]);
	then = lose(&b, &lost[1]);
	ck_assert_uint_eq(pool_watch(b.pool, then + 1, NULL, NULL), 2);
	submit(&b, &w, run_and_note);
	home_await(&b.home, &b.came, 1);
	ck_assert_uint_eq(w.thread_index, 2);
	for (unsigned i = 0; i < 2; i++)
		leave_gate(&b);
	home_await(&b.home, &b.came, 3);
	close_bench(&b);
	ck_assert_ptr_null(strstr(said, "t/3"));
}
END_TEST

START_TEST(a_pool_that_is_resized_meanwhile_has_the_threads_it_should)
{
	struct bench b;
	struct work lost, w[3];
	struct pool_sample s;

	open_lossy(&b, 1, 1);
	ck_assert_uint_eq(pool_watch(b.pool, lose(&b, &lost) + 1, NULL, NULL), 1);
	ck_assert_int_eq(resize(&b, 3), 0);
	for (unsigned i = 0; i < 3; i++)
		enter_gate(&b, &w[i]);
	for (unsigned i = 0; i < 4; i++)
		leave_gate(&b);
	home_await(&b.home, &b.came, 4);
	expect_idle(&b, &s);
	close_bench(&b);
}
END_TEST

START_TEST(jobs_without_a_deadline_are_never_lost)
{
	struct bench b;
	struct work w;

	open_lossy(&b, 1, 1);
	enter_gate(&b, &w);
	ck_assert_uint_eq(pool_watch(b.pool, UINT64_MAX, NULL, NULL), 0);
	leave_gate(&b);
	home_await(&b.home, &b.came, 1);
	close_bench(&b);
}
END_TEST

Suite *
suite_thread_pool_lost(void)
{
	Suite *s = suite_create("thread_pool_lost");
	TCase *t = tcase_create("lost");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_thread_is_lost_when_its_job_goes_on_long_after_its_deadline);
	tcase_add_test(t, another_thread_serves_in_its_stead_until_it_comes_back);
	tcase_add_test(t, one_that_comes_back_while_its_substitute_starts_strands_no_job);
	tcase_add_test(t, a_substitute_without_work_refuses_nobody_for_his_wait);
	tcase_add_test(t, no_more_than_max_lost_are_replaced);
	tcase_add_test(t, a_pool_that_is_resized_meanwhile_has_the_threads_it_should);
	tcase_add_test(t, jobs_without_a_deadline_are_never_lost);
	suite_add_tcase(s, t);
	return s;
}
