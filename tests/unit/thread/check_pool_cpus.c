/*
 * The processors that threads of a pool stay on. With a single processor there
 * is nothing to move between; then the tests hold, and show little.
 */
#include "bench.h"

#include <unistd.h>

Suite *suite_thread_pool_cpus(void);

enum { THREADS = 3 };

struct look {
	struct work work;
	struct cpus seen;
};

static int
look_around(struct job *j, struct pool_thread *t)
{
	struct look *l = CONTAINER_OF(CONTAINER_OF(j, struct work, job), struct look, work);

	l->seen = thread_cpus(thread_number());
	return run_until_the_gate_opens(j, t);
}

static int
move_away(struct job *j, struct pool_thread *t)
{
	struct look *l = CONTAINER_OF(CONTAINER_OF(j, struct work, job), struct look, work);

	thread_set_cpus(&t->thread, &l->seen);
	return 0;
}

static struct cpus
all(void)
{
	return thread_cpus((uint64_t)getpid());
}

static struct cpus
one(unsigned n)
{
	struct cpus every = all(), c = { { 0 } };

	cpus_add(&c, cpus_at(&every, n % cpus_count(&every)));
	return c;
}

/* One job on each thread, at the same time. */
static void
expect_on_all(struct bench *b, unsigned threads, const struct cpus *wanted)
{
	struct look look[THREADS] = { 0 };
	unsigned before = b->came;

	for (unsigned i = 0; i < threads; i++) {
		submit(b, &look[i].work, look_around);
		sem_wait(&b->entered);
	}
	for (unsigned i = 0; i < threads; i++)
		leave_gate(b);
	home_await(&b->home, &b->came, before + threads);
	for (unsigned i = 0; i < threads; i++)
		ck_assert(cpus_eq(&look[i].seen, wanted));
}

static void
put_on(struct bench *b, unsigned threads, const struct cpus *c)
{
	struct pool_limits l = pool_limits(b->pool);

	l.threads = threads;
	l.cpus = *c;
	ck_assert_int_eq(pool_resize(b->pool, &l), 0);
}

static void
open_on(struct bench *b, const struct cpus *c)
{
	const struct pool_options o = {
		.name = "t",
		.limits = { .threads = 2, .max_queue = 8, .cpus = *c },
	};

	open_bench_with(b, &o);
}

START_TEST(threads_start_where_they_are_to_stay)
{
	struct cpus first = one(0);
	struct pool_sample s;
	struct bench b;

	open_on(&b, &first);
	expect_on_all(&b, 2, &first);
	put_on(&b, THREADS, &first);
	expect_on_all(&b, THREADS, &first);
	pool_sample(b.pool, &s);
	ck_assert(cpus_eq(&s.cpus, &first));
	close_bench(&b);
}
END_TEST

START_TEST(without_a_list_they_run_on_what_the_process_may_use)
{
	struct cpus none = { { 0 } }, every = all();
	struct bench b;

	open_on(&b, &none);
	expect_on_all(&b, 2, &every);
	close_bench(&b);
}
END_TEST

START_TEST(a_resize_moves_those_that_serve_and_back)
{
	struct cpus none = { { 0 } }, every = all(), last = one(1);
	struct bench b;

	open_on(&b, &none);
	put_on(&b, THREADS, &last);
	expect_on_all(&b, THREADS, &last);
	put_on(&b, THREADS, &none);
	expect_on_all(&b, THREADS, &every);
	close_bench(&b);
}
END_TEST

START_TEST(those_that_were_moved_by_somebody_else_are_put_back)
{
	struct look mover = { .seen = one(1) };
	struct cpus first = one(0);
	struct bench b;

	open_on(&b, &first);
	submit(&b, &mover.work, move_away);
	home_await(&b.home, &b.came, 1);
	pool_pin(b.pool);
	expect_on_all(&b, 2, &first);
	close_bench(&b);
}
END_TEST

START_TEST(what_the_kernel_refuses_stops_nobody)
{
	struct cpus strange = { { 0 } }, every = all();
	struct bench b;

	cpus_add(&strange, CPUS_MAX - 1);
	if (cpus_has(&every, CPUS_MAX - 1))
		return;
	open_on(&b, &strange);
	expect_on_all(&b, 2, &every);
	close_bench(&b);
}
END_TEST

Suite *
suite_thread_pool_cpus(void)
{
	Suite *s = suite_create("thread/pool_cpus");
	TCase *t = tcase_create("pool_cpus");

	suite_add_tcase(s, t);
	tcase_add_test(t, threads_start_where_they_are_to_stay);
	tcase_add_test(t, without_a_list_they_run_on_what_the_process_may_use);
	tcase_add_test(t, a_resize_moves_those_that_serve_and_back);
	tcase_add_test(t, those_that_were_moved_by_somebody_else_are_put_back);
	tcase_add_test(t, what_the_kernel_refuses_stops_nobody);
	return s;
}
