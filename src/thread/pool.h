/*
 * A pool: threads behind one bounded queue. CPU-heavy and blocking work goes
 * here, so that a worker never stalls.
 *
 * A job owns its input and its output and never touches arena memory. Whoever
 * submitted it hears of it exactly once, by mail to `home` on the thread that
 * owns that mailbox: after it ran, or when it was dropped unrun because its
 * deadline passed, because it was abandoned, or because the pool ends. What an
 * abandoned job owns is freed there, by on_home.
 *
 *   worker: pool_reserve -> pool_submit ====> queue -> pool thread: run
 *   worker: on_home <===================== mail =============='
 *
 * A worker never waits for the queue's lock, which a pool thread may hold while
 * it is preempted: admission is one atomic counter, submitting is one push, and
 * whoever takes the lock next files what was pushed.
 */
#ifndef FOREBAY_THREAD_POOL_H
#define FOREBAY_THREAD_POOL_H

#include "base/list.h"
#include "metrics/histogram.h"
#include "thread/mailbox.h"
#include "thread/thread.h"

#include <stdint.h>

struct pool;
struct pool_thread;

struct job {
	/* Set by the submitter. */
	struct mailbox *home; /* borrowed: where the result goes */
	/* On a pool thread. Polls job_is_cancelled() in long loops. Returns 0 or a negative enum
	 * err. */
	int (*run)(struct job *j, struct pool_thread *t);
	/* On home's thread, exactly once; `receiver` is that of the mailbox. The job is the
	 * receiver's again. */
	void (*on_home)(struct job *j, void *receiver);
	uint64_t deadline_ns; /* absolute; not run after it */

	/* Read in on_home. */
	uint64_t submitted_ns, started_ns, ended_ns; /* 0 when it did not get there */
	int outcome; /* of run, or ERR_DEADLINE, ERR_CANCELLED, ERR_SHUTDOWN unrun */

	/* Private to pool.c. */
	struct mail mail; /* on its way in, and home */
	struct list link; /* in the queue */
	struct pool *pool;
	atomic_bool is_waiting; /* on its way in or in the queue; cleared under the lock */
	atomic_bool is_abandoned;
};

struct pool_options {
	const char *name; /* copied; the label in metrics */
	unsigned threads; /* at least 1 */
	unsigned max_queue; /* jobs waiting; there is no "unlimited" */
	uint64_t max_wait_ns; /* longest predicted wait that is admitted; 0: no such limit */
	int nice;
	/* Per-thread state, e.g. a database connection; may be NULL. On the pool thread. init: 0 or
	 * enum err; fini only after an init that succeeded. */
	int (*thread_init)(struct pool_thread *t, void *argument);
	void (*thread_fini)(struct pool_thread *t, void *argument);
	void *argument;
};

/* Sources may read pool and index and use state; the rest is pool.c's. */
struct pool_thread {
	struct pool *pool; /* borrowed */
	void *state; /* of thread_init */
	unsigned index;
	int init_outcome;
	struct thread thread;
	struct histogram wait, run; /* written by this thread alone */
};

/* Why a pool said no, for Forebay-Shed and Retry-After. */
struct pool_refusal {
	const char
	    *limit; /* "pool.compute.queue", "pool.compute.wait": lives as long as the pool */
	unsigned retry_after_s; /* from the drain time, with jitter; at least 1 */
};

/* Waits until every thread_init has returned. NULL when memory or threads are
 * out, the name is too long, or a thread_init failed (*err says which). */
struct pool *pool_new(const struct pool_options *o, int *err) __attribute__((warn_unused_result));
/* Runs nothing more: queued jobs go home with ERR_SHUTDOWN, running ones are told to stop and
 * waited for. Nobody may reserve, submit or abandon meanwhile. Homes are drained after it, and
 * their mailboxes end after it. */
void pool_free(struct pool **p);
const char *pool_name(const struct pool *p);
/* Jobs that it may hold in all, running and waiting. */
unsigned pool_capacity(const struct pool *p);

/*
 * Admission of n jobs as one: all or nothing, before any is submitted. The seat
 * of the deadline gate; for now there is room for `threads` running jobs and
 * `max_queue` waiting ones, and the wait that the last of the n can expect must
 * neither pass max_wait nor the time left until the deadline; when a thread is
 * idle, the wait is not asked. 0, or ERR_SHED with *refusal filled. A reserved place is used by
 * pool_submit or given back by pool_release. Any thread; never blocks. jitter: any random number.
 */
int pool_reserve(struct pool *p, unsigned n, uint64_t now_ns, uint64_t deadline_ns, uint64_t jitter,
		 struct pool_refusal *refusal) __attribute__((warn_unused_result));
void pool_release(struct pool *p, unsigned n);
/* Hands over a job for which a place is reserved; the place comes back when it goes home. Any
 * thread; never blocks, never fails. */
void pool_submit(struct pool *p, struct job *j);

/* The submitter has no more interest. Only between pool_submit and on_home; idempotent; never
 * blocks. The job still comes home, never from inside this call: a waiting one by the next mail
 * (or when its turn comes, if the lock was held), a running one when it returns. */
void job_abandon(struct job *j);
/* For run(): abandoned, past its deadline, or the pool is stopping. Costs a clock reading. */
bool job_is_cancelled(const struct job *j);

/* For metrics, any thread. */
struct pool_sample {
	const char *name;
	unsigned threads, queued, running;
	unsigned max_queue;
	uint64_t mean_run_ns; /* moving average; 0 before the first */
	uint64_t expired, abandoned; /* jobs dropped unrun */
	uint64_t shed_queue, shed_wait; /* refusals; a batch is one */
	struct histogram_sum wait, run;
};
void pool_sample(struct pool *p, struct pool_sample *s);

#endif
