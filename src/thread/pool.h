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
 * it is preempted: admission reads atomic sums, submitting is one push, and
 * whoever takes the lock next files what was pushed. Only what those sums refuse
 * is looked at once more, exactly, if the lock is free at that moment.
 */
#ifndef FOREBAY_THREAD_POOL_H
#define FOREBAY_THREAD_POOL_H

#include "base/list.h"
#include "base/slice.h"
#include "metrics/histogram.h"
#include "thread/gate.h"
#include "thread/mailbox.h"
#include "thread/thread.h"

#include <semaphore.h>
#include <stdint.h>

struct pool;
struct pool_thread;

/* Why a pool said no, for Forebay-Shed and Retry-After. */
struct pool_refusal {
	const char
	    *limit; /* "pool.compute.queue", "pool.compute.wait": lives as long as the pool */
	unsigned retry_after_s; /* from the drain time, with jitter; at least 1 */
	unsigned status; /* 0 stands for 503 */
};

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
	/* As it was reserved: the ask's class, what pool_ask_more() returned, and for whom. */
	enum gate_class priority;
	uint64_t expected_ns;
	struct cost *cost; /* of pool_cost(), or NULL */
	uint64_t units; /* how much there is to do, in a unit of its kind; 0: it does not say */

	/* Set by run, of an outcome of 0: it answered, but did not do the work (it refused its
	 * input), so that its time is no measure of what others will take. */
	bool has_failed;

	/* Read in on_home. */
	uint64_t submitted_ns, started_ns, ended_ns; /* 0 when it did not get there */
	int outcome; /* of run, or ERR_DEADLINE, ERR_SHED, ERR_CANCELLED, ERR_SHUTDOWN unrun */
	struct pool_refusal refusal; /* with ERR_SHED */

	/* Private to pool.c. */
	struct mail mail; /* on its way in, and home */
	struct gate_job gate; /* in the queue */
	struct pool *pool;
	atomic_bool is_waiting; /* on its way in or in the queue; cleared under the lock */
	atomic_bool is_abandoned;
};

enum { POOL_THREADS_MAX = 1024, POOL_COSTS_MAX = 4096 };

/* What can change while a pool lives: pool_resize(). */
struct pool_limits {
	unsigned threads; /* 1 to POOL_THREADS_MAX */
	unsigned max_queue; /* jobs waiting; there is no "unlimited" */
	uint64_t max_wait_ns; /* longest predicted wait that is admitted; 0: no such limit */
	bool is_shadow; /* refusals are counted, but only max_queue refuses */
	/* A thread whose job goes on so long after its deadline is lost; 0: none is. Instead of so
	 * many, others are started. */
	uint64_t lost_after_ns;
	unsigned max_lost;
	struct cpus cpus; /* that threads stay on; none: all that the process may use */
};

/* What is fixed for the life of a pool, but for the limits. Texts are copied. */
struct pool_options {
	const char *name; /* the label in metrics */
	struct pool_limits limits;
	enum gate_order order;
	int nice;
	/* All that thread_init does with `argument`, as text: two pools whose options agree in it
	 * and in the rest (pool_is_same) are interchangeable. NULL: nothing. */
	const char *identity;
	/* Per-thread state, e.g. a database connection; may be NULL. On the pool thread. init: 0 or
	 * enum err; fini only after an init that succeeded. */
	int (*thread_init)(struct pool_thread *t, void *argument);
	void (*thread_fini)(struct pool_thread *t, void *argument);
	/* The pool's from pool_new on, also when that fails: it may live longer than whoever
	 * asked for it, so nothing in it may borrow from a site. */
	void *argument;
	void (*argument_free)(void *argument); /* or NULL; on the thread of the last pool_unref */
};

/* What a thread runs, in words; borrowed until the run ends. */
struct pool_task {
	const char *what, *owner; /* "compute resize", "module image"; or NULL */
	struct slice kind, name; /* of the section of its part */
	const char *request; /* its id, or "" */
};

/* Sources may read pool and index and use state; the rest is private to thread/. */
struct pool_thread {
	struct pool *pool; /* borrowed */
	void *state; /* of thread_init */
	unsigned index; /* no other thread of the pool has it at the same time */

	struct thread thread;
	struct histogram wait, run; /* written by this thread alone; kept for its successor */
	uint64_t aside_ns; /* of the job that it runs: pool_set_aside() */
	_Atomic uint64_t run_squares; /* of the same times, in ns s; the rest is below one */
	double run_squares_rest;
	struct pool_local *locals; /* owned; the last kept first */
	struct pool_thread *next_new; /* among those that start together */
	int init_outcome;
	sem_t go; /* posted when it is known whether all that start together could */
	bool is_dismissed; /* it is not: ends at once */
	atomic_bool is_gone; /* has left, or never came: its place can be joined and taken */
	atomic_bool is_busy; /* runs a job: will look by itself for what is to be forgotten */
	pthread_mutex_t look; /* over the next three; taken before the pool's lock */
	struct job *job; /* that it runs, or NULL */
	struct pool_task task;
	bool is_told; /* that it is lost in this job */
	bool is_lost, is_replaced; /* under the lock */
	bool is_called; /* under the lock: woken to forget, and has not come yet */
	atomic_bool must_forget; /* something that it keeps is unwanted; written under the lock */
};

/* POOL_SHED(NAME, word): the limits that a pool may refuse by; pool.NAME.word in Forebay-Shed. */
#define POOL_SHED_ALL                                                                              \
	POOL_SHED(SHARE, "share") /* 429: its key asks for more than its share */                  \
	POOL_SHED(QUEUE, "queue") /* max_queue */                                                  \
	POOL_SHED(WAIT,                                                                            \
		  "wait") /* it would wait longer than max_wait, or end after its deadline */      \
	POOL_SHED(STANDING, "standing") /* the queue has stood for long and must not grow */       \
	POOL_SHED(PRIORITY, "priority") /* queued, then evicted for one of a higher class */       \
	POOL_SHED(DEADLINE, "deadline") /* waited until it could not be in time any more */

enum pool_shed {
#define POOL_SHED(name, word) POOL_SHED_##name,
	POOL_SHED_ALL
#undef POOL_SHED
	    POOL_SHEDS
};

/*
 * A pool may outlive the site that made it: each site that uses it holds a
 * reference. Never on a worker or on a thread of a pool: pool_new, pool_unref,
 * pool_stop, pool_resize, pool_pin, pool_cost, pool_forget_local; any other thread at any time.
 */

/* With one reference. Waits until every thread_init has returned. NULL when
 * memory or threads are out, the name is too long, or a thread_init failed
 * (*err says which); o->argument has been freed then. */
struct pool *pool_new(const struct pool_options *o, int *err) __attribute__((warn_unused_result));
/* Whether p, with pool_resize, can stand for the pool that o asks for: same name, nice, identity
 * and thread functions. Whoever then takes p instead of pool_new frees the argument of o. */
bool pool_is_same(const struct pool *p, const struct pool_options *o);
void pool_options_free_argument(const struct pool_options *o);
/* Another reference; any thread that has one. Returns p. */
struct pool *pool_ref(struct pool *p);
/* Gives a reference back and clears *p; NULL is allowed. The last one stops the pool if nobody has
 * (so it may wait for running jobs) and frees it. */
void pool_unref(struct pool **p);
/* Runs nothing more: queued jobs go home with ERR_SHUTDOWN, running ones are told to stop and
 * waited for. Idempotent. Nobody may reserve any more, from when it is called; jobs may be
 * abandoned, and what is submitted comes home at once. Homes are drained after it, and their
 * mailboxes end after it. */
void pool_stop(struct pool *p);
/*
 * Makes l the limits. Waits for the thread_init of threads that are added, and
 * for nothing else: surplus threads leave when they have ended their job. A
 * pool that holds more than it now may loses none, and refuses until it fits.
 * 0; ERR_MEMORY, ERR_SYSTEM or what a thread_init said: then nothing has changed;
 * ERR_SHUTDOWN after pool_stop. Jobs may come and go meanwhile.
 */
int pool_resize(struct pool *p, const struct pool_limits *l) __attribute__((warn_unused_result));
/* The limits in force. Any thread. */
struct pool_limits pool_limits(const struct pool *p);
unsigned pool_threads(const struct pool *p);
const char *pool_name(const struct pool *p);
int pool_nice(const struct pool *p);
/* Puts its threads back onto its processors, if it has any: the kernel forgets them when the set
 * that the process may use changes. As pool_resize. */
void pool_pin(struct pool *p);
/* Says in the log at what priority its threads run, as one of them does; as pool_resize. */
void pool_tell_priority(struct pool *p);
/* Jobs that it may hold in all, running and waiting. */
unsigned pool_capacity(const struct pool *p);

/* What jobs of that name cost, as the pool has learned it so far: it keeps the names as long as it
 * lives, so that a reload forgets nothing. prior_ns: what a new name is said to cost, or 0. NULL
 * without memory, or when there are POOL_COSTS_MAX names: then such jobs count as all do. */
struct cost *pool_cost(struct pool *p, struct slice name, uint64_t prior_ns);

/*
 * Admission of jobs as one: all or nothing, before any is submitted. The ask
 * begins as { .priority, .now_ns, .deadline_ns = CLOCK_NEVER }; pool_ask_more
 * adds a job and returns what it is expected to take. There is room for
 * `threads` running jobs and `max_queue` waiting ones; who of them is let in is
 * the gate's decision (gate.h), and when a thread is idle everybody is. 0, or
 * ERR_SHED with *refusal filled. A reserved place is used by pool_submit or given
 * back by pool_release, with the class and the expectation that it was reserved
 * with. Any thread; never blocks. jitter: any random number.
 */
uint64_t pool_ask_more(const struct pool *p, struct gate_ask *a, const struct cost *c,
		       uint64_t units, uint64_t deadline_ns);
/* Of jobs that begin when others have ended: the same, and places are promised (gate.h). A promise
 * is made a reserved place by pool_redeem, or given back by pool_lapse. */
uint64_t pool_ask_later(const struct pool *p, struct gate_ask *a, const struct cost *c,
			uint64_t units, uint64_t deadline_ns, struct gate_promise *promise);
void pool_redeem(struct pool *p, enum gate_class priority, struct gate_promise *promise,
		 struct cost *c, uint64_t now_ns, uint64_t expected_ns);
void pool_lapse(struct pool *p, enum gate_class priority, struct gate_promise *promise,
		struct cost *c);
/* What such a job is expected to take now. */
uint64_t pool_expect(const struct pool *p, const struct cost *c, uint64_t units);
int pool_reserve(struct pool *p, const struct gate_ask *a, uint64_t jitter,
		 struct pool_refusal *refusal) __attribute__((warn_unused_result));
void pool_release(struct pool *p, enum gate_class priority, unsigned n, uint64_t expected_ns);
/* Hands over a job for which a place is reserved; the place comes back when it goes home. Any
 * thread; never blocks, never fails. */
void pool_submit(struct pool *p, struct job *j);

/* The submitter has no more interest. Only between pool_submit and on_home; idempotent; never
 * blocks. The job still comes home, never from inside this call: a waiting one by the next mail
 * (or when its turn comes, if the lock was held), a running one when it returns. */
void job_abandon(struct job *j);
/* For run(): abandoned, past its deadline, or the pool is stopping. Costs a clock reading. */
bool job_is_cancelled(const struct job *j);

/*
 * Locals: what a kind of job keeps on each thread of the pool, from its first
 * run there until nobody needs it. The key is any address that is the kind's
 * own, such as that of its table.
 */

/* From run(): what this thread keeps under the key, or NULL. */
void *pool_local(struct pool_thread *t, const void *key);
/* From run(), when there is nothing under the key yet. `fini` is called once on this thread: by
 * pool_forget_local, or when the thread leaves, the last kept first. 0, or ERR_MEMORY: the state is
 * still the caller's. */
int pool_keep_local(struct pool_thread *t, const void *key, void *state, void (*fini)(void *state))
    __attribute__((warn_unused_result));
/* Every thread of the pool ends what it keeps under the key; returns when all have, so it waits for
 * jobs that run now on those that keep something, but for no other. No job that uses the key may be
 * in the pool any more, or come later. Returns how many have not, because they are lost
 * (pool_watch) in another job: they do when they come back, if ever, and all that `fini` needs must
 * stay. */
unsigned pool_forget_local(struct pool *p, const void *key) __attribute__((warn_unused_result));

/* For metrics, any thread. */
struct pool_sample {
	const char *name;
	unsigned threads, queued, running;
	unsigned max_queue;
	struct cpus cpus; /* none: all */
	uint64_t max_wait_ns; /* 0: none */
	uint64_t mean_run_ns; /* moving average; 0 before the first */
	uint64_t drain_ns; /* expected, until all that it holds has ended */
	uint64_t expired, abandoned; /* jobs dropped unrun */
	uint64_t shed[POOL_SHEDS]; /* refusals; a batch is one */
	uint64_t shadowed[POOL_SHEDS]; /* refusals that were not, because of is_shadow */
	struct histogram_sum wait, run;
	uint64_t run_squares; /* sum of the squares of `run`, in ns s */
};
void pool_sample(struct pool *p, struct pool_sample *s);
/* From run(): so much of its time was not the job's own work, and says nothing of what such jobs
 * cost. */
void pool_set_aside(struct pool_thread *t, uint64_t ns);
/* From run(): what the thread runs, for who looks after threads that do not come back. */
void pool_describe(struct pool_thread *t, const struct pool_task *task);
/* A thread that is lost; borrowed during the call. */
struct pool_loss {
	const char *pool, *thread;
	const struct pool_task *task;
	uint64_t ran_ns, late_ns; /* so far; past its job's deadline */
};
typedef void (*pool_loss_fn)(const struct pool_loss *loss, void *argument);
/* Looks for threads that are lost now, tells of them in the log and to on_loss (NULL: to nobody),
 * and starts others in their stead. How many are new. Any thread that may start others; does not
 * wait for who resizes the pool. on_loss must not call the pool. */
unsigned pool_watch(struct pool *p, uint64_t now_ns, pool_loss_fn on_loss, void *argument);
/* The word of a limit, as "queue". */
const char *pool_shed_word(enum pool_shed limit);

#endif
