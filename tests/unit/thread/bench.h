/*
 * A bench for tests of pools: a pool, a home for its jobs, and jobs that note,
 * block, or run until they are told to stop.
 */
#ifndef FOREBAY_TESTS_THREAD_BENCH_H
#define FOREBAY_TESTS_THREAD_BENCH_H

#include "base/clock.h"
#include "base/err.h"
#include "home.h"
#include "places.h"
#include "thread/pool.h"

#include <sched.h>
#include <semaphore.h>

enum { WORK_MAX = 64 };

/* What a test's jobs share; `home` and `came` belong to the test's thread. */
struct bench {
	struct home home;
	struct pool *pool;
	unsigned came;
	sem_t entered, gate; /* of jobs that block */
	atomic_uint runs;
	unsigned order[WORK_MAX];
};

struct work {
	struct job job;
	struct bench *bench;
	unsigned number;
	unsigned homes; /* must become exactly 1 */
	unsigned thread_index; /* of run_and_note */
};

static inline void
on_home(struct job *j, void *receiver)
{
	struct work *w = CONTAINER_OF(j, struct work, job);
	struct bench *b = receiver;

	w->homes++;
	b->came++;
}

static inline int
run_and_note(struct job *j, struct pool_thread *t)
{
	struct work *w = CONTAINER_OF(j, struct work, job);
	unsigned place = atomic_fetch_add(&w->bench->runs, 1);

	ck_assert_ptr_eq(t->pool, w->bench->pool);
	w->thread_index = t->index;
	if (place < WORK_MAX)
		w->bench->order[place] = w->number;
	return 0;
}

static inline int
run_until_the_gate_opens(struct job *j, struct pool_thread *t)
{
	struct work *w = CONTAINER_OF(j, struct work, job);

	(void)t;
	sem_post(&w->bench->entered);
	sem_wait(&w->bench->gate);
	return 0;
}

static inline int
run_until_cancelled(struct job *j, struct pool_thread *t)
{
	struct work *w = CONTAINER_OF(j, struct work, job);

	(void)t;
	sem_post(&w->bench->entered);
	while (!job_is_cancelled(j))
		sched_yield();
	return ERR_CANCELLED;
}

static inline int
run_for_a_millisecond(struct job *j, struct pool_thread *t)
{
	(void)t;
	while (clock_monotonic() < j->started_ns + CLOCK_MS)
		continue;
	return 0;
}

static inline void
open_bench_with(struct bench *b, const struct pool_options *o)
{
	int err;

	*b = (struct bench){ .came = 0 };
	home_open(&b->home, b);
	sem_init(&b->entered, 0, 0);
	sem_init(&b->gate, 0, 0);
	b->pool = pool_new(o, &err);
	ck_assert_ptr_nonnull(b->pool);
	ck_assert_int_eq(err, 0);
}

static inline void
open_bench(struct bench *b, unsigned threads, unsigned max_queue)
{
	struct pool_options o = { .name = "t",
				  .limits.threads = threads,
				  .limits.max_queue = max_queue };

	open_bench_with(b, &o);
}

static inline void
close_bench(struct bench *b)
{
	pool_unref(&b->pool);
	mailbox_drain(&b->home.mailbox, b);
	home_close(&b->home);
	sem_destroy(&b->entered);
	sem_destroy(&b->gate);
}

static inline int
reserve(struct bench *b, unsigned n, struct pool_refusal *r)
{
	return places_reserve(b->pool, n, clock_monotonic(), CLOCK_NEVER, 0, r);
}

static inline void
make_work(struct bench *b, struct work *w, int (*run)(struct job *j, struct pool_thread *t))
{
	*w = (struct work){ .bench = b, .job.run = run, .job.on_home = on_home };
	w->job.home = &b->home.mailbox;
	w->job.deadline_ns = CLOCK_NEVER;
}

static inline void
submit(struct bench *b, struct work *w, int (*run)(struct job *j, struct pool_thread *t))
{
	struct pool_refusal refusal;

	make_work(b, w, run);
	ck_assert_int_eq(reserve(b, 1, &refusal), 0);
	pool_submit(b->pool, &w->job);
}

/* A job that keeps the pool's only thread busy until leave_gate. */
static inline void
enter_gate(struct bench *b, struct work *w)
{
	submit(b, w, run_until_the_gate_opens);
	sem_wait(&b->entered);
}

static inline void
leave_gate(struct bench *b)
{
	sem_post(&b->gate);
}

static inline void
expect_idle(struct bench *b, struct pool_sample *s)
{
	struct pool_refusal refusal;

	pool_sample(b->pool, s);
	ck_assert_uint_eq(s->queued, 0);
	ck_assert_uint_eq(s->running, 0);
	ck_assert_uint_eq(s->drain_ns, 0);
	/* Every place came back: all of them can be had at once. */
	ck_assert_int_eq(reserve(b, s->threads + s->max_queue, &refusal), 0);
	places_release(b->pool, s->threads + s->max_queue);
}

static inline int
resize(struct bench *b, unsigned threads)
{
	struct pool_limits l = pool_limits(b->pool);

	l.threads = threads;
	return pool_resize(b->pool, &l);
}

/* Time in which whoever is wrong would show it: others run meanwhile. However busy the machine is,
 * it is soon over, and nothing that is right depends on it. */
static inline void
let_others_run(void)
{
	uint64_t until = clock_monotonic() + 20 * CLOCK_MS;

	while (clock_monotonic() < until)
		sched_yield();
}

/* Waits for threads to leave, which nothing else tells. */
static inline void
await_count(atomic_uint *counter, unsigned wanted)
{
	uint64_t until = clock_monotonic() + HOME_PATIENCE_MS * CLOCK_MS;

	while (atomic_load(counter) != wanted) {
		ck_assert_msg(clock_monotonic() < until, "%u instead of %u", atomic_load(counter),
			      wanted);
		sched_yield();
	}
}

#endif
