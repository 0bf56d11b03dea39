/*
 * A pool: threads behind one bounded queue. CPU-heavy and blocking work goes
 * here, so that a worker never stalls.
 *
 * A job owns its input and its output and never touches arena memory. Whoever
 * submitted it hears of it exactly once, by mail to `home` on the thread that
 * owns that mailbox: after it ran, or when it was dropped unrun because its
 * deadline passed or because it was abandoned. After job_abandon() the job
 * still comes home, with outcome ERR_CANCELLED unless it had run; what it owns
 * is freed there.
 *
 *   worker: pool_reserve -> pool_submit ====> queue -> pool thread: run
 *   worker: on_home <===================== mail =============='
 *
 * A worker never waits for the queue's lock, which a pool thread may hold while
 * it is preempted: it tries, and on ERR_BUSY submits again on its next turn.
 */
#ifndef FOREBAY_THREAD_POOL_H
#define FOREBAY_THREAD_POOL_H

#include "base/list.h"
#include "metrics/histogram.h"
#include "thread/mailbox.h"

#include <stdint.h>

struct pool;
struct pool_thread;

struct job {
	struct mail mail; /* home; private to pool.c until on_home */
	struct list link; /* in the queue; private to pool.c */
	struct mailbox *home; /* borrowed: where the result goes */
	/* On a pool thread. Polls job_is_cancelled() in long loops. Returns 0 or a negative enum
	 * err. */
	int (*run)(struct job *j, struct pool_thread *t);
	/* On home's thread, exactly once; `receiver` is that of the mailbox. The job is the
	 * receiver's again. */
	void (*on_home)(struct job *j, void *receiver);
	uint64_t deadline_ns; /* absolute; not run after it */
	uint64_t submitted_ns, started_ns, ended_ns; /* 0 when it did not get there */
	int outcome; /* of run, or ERR_DEADLINE, ERR_CANCELLED, ERR_SHUTDOWN unrun */
	atomic_bool is_abandoned;
};

struct pool_options {
	const char *name; /* copied; the label in metrics */
	unsigned threads;
	unsigned max_queue; /* jobs waiting; there is no "unlimited" */
	uint64_t max_wait_ns; /* longest predicted wait that is admitted; 0: no such limit */
	int nice;
	/* Per-thread state, e.g. a database connection; may be NULL. On the pool thread. init: 0 or
	 * enum err. */
	int (*thread_init)(struct pool_thread *t, void *argument);
	void (*thread_fini)(struct pool_thread *t, void *argument);
	void *argument;
};

struct pool_thread {
	struct pool *pool; /* borrowed */
	void *state; /* of thread_init */
	unsigned index;
};

/* Why a pool said no, for Forebay-Shed and Retry-After. */
struct pool_refusal {
	const char
	    *limit; /* "pool.compute.queue", "pool.compute.wait": lives as long as the pool */
	unsigned retry_after_s; /* from the drain time, with jitter; at least 1 */
};

/* NULL when memory or threads are out, or a thread_init failed (*err says which). */
struct pool *pool_new(const struct pool_options *o, int *err) __attribute__((warn_unused_result));
/* Runs nothing more: queued jobs go home with ERR_SHUTDOWN, running ones are told to stop and
 * waited for. Homes must still be drained after it. */
void pool_free(struct pool **p);
const char *pool_name(const struct pool *p);

/*
 * Admission of n jobs as one: all or nothing, before any is submitted. The seat
 * of the deadline gate; for now it bounds the queue's length and predicted
 * wait. 0, or ERR_SHED with *refusal filled. Reserved places are used by
 * pool_submit or given back by pool_release. Any thread; never blocks.
 * jitter: any random number.
 */
int pool_reserve(struct pool *p, unsigned n, uint64_t now_ns, uint64_t deadline_ns, uint64_t jitter,
		 struct pool_refusal *refusal) __attribute__((warn_unused_result));
void pool_release(struct pool *p, unsigned n);
/* Hands over a job for which a place is reserved. ERR_BUSY: the lock was held, nothing happened,
 * call again on the next turn. */
int pool_submit(struct pool *p, struct job *j) __attribute__((warn_unused_result));

/* The submitter has no more interest. Idempotent; never blocks; the job still comes home. */
void job_abandon(struct job *j);
/* For run(): abandoned, past its deadline, or the pool is stopping. */
int job_is_cancelled(const struct job *j);

/* For metrics, any thread. */
struct pool_sample {
	const char *name;
	unsigned threads, queued, running;
	uint64_t expired, abandoned, shed;
	uint64_t wait_bucket[HISTOGRAM_BUCKETS], wait_sum_ns;
	uint64_t run_bucket[HISTOGRAM_BUCKETS], run_sum_ns;
};
void pool_sample(struct pool *p, struct pool_sample *s);

#endif
