/*
 * What the files of a pool share: pool.c (life, limits, admission, metrics),
 * pool_jobs.c (the queue, and a job's way through it) and pool_threads.c
 * (the threads) and pool_locals.c (what they keep). No other file includes this.
 */
#ifndef FOREBAY_THREAD_POOL_PRIV_H
#define FOREBAY_THREAD_POOL_PRIV_H

#include "thread/pool.h"

enum { POOL_NAME_BYTES = 160 };

struct pool {
	atomic_uint refs;
	char name[POOL_NAME_BYTES];
	char limit_queue[POOL_NAME_BYTES + 16], limit_wait[POOL_NAME_BYTES + 16];
	char *identity; /* owned */
	struct pool_options options; /* as asked for, but its limits and texts are not looked at */

	/* The limits: written by whoever has `control`, `threads` under the lock too. */
	atomic_uint threads; /* wanted */
	atomic_uint max_queue;
	_Atomic uint64_t max_wait_ns;

	sem_t work; /* a post for each job that waits, thread that is to leave, or is called */
	sem_t ready; /* a post for each thread_init that has returned */
	atomic_bool is_stopping;

	/* Written by any thread. */
	atomic_uint admitted; /* reserved, waiting and running */
	atomic_uint queued, running;
	_Atomic(struct mail *) inbox; /* submitted, newest first */
	_Atomic uint64_t mean_run_ns; /* 0: nothing has run yet */
	atomic_uint runs; /* in the mean, up to some */
	_Atomic uint64_t expired, abandoned, shed_queue, shed_wait;

	pthread_mutex_t control; /* one at a time resizes, forgets or stops; taken before lock */
	/* Places of threads: written under control, freed with the pool. */
	_Atomic(struct pool_thread *) place[POOL_THREADS_MAX];
	atomic_uint places;

	pthread_mutex_t lock; /* workers only ever try it. All below is under it. */
	struct list waiting; /* oldest first */
	unsigned alive; /* threads that serve; above `threads`: so many are to leave */
	atomic_uint forgets; /* how often pool_forget_local was called; read without the lock too */
	const void *forgotten; /* its key */
	unsigned forgetting, called; /* threads that have not done it; not even come for it */
	pthread_cond_t has_forgotten, has_come; /* the last of these */
};

/* pool_jobs.c. Under the lock: the next job; NULL when none waits. */
struct job *pool_take_job(struct pool *p);
void pool_run_job(struct pool_thread *t, struct job *j);
void pool_send_rest_home(struct pool *p);

/* pool_threads.c. With `control`. */
int pool_set_threads(struct pool *p, unsigned wanted) __attribute__((warn_unused_result));
void pool_stop_threads(struct pool *p);
void pool_free_threads(struct pool *p); /* after they have stopped */

/* pool_locals.c. On the thread; stepping aside under the lock. */
bool pool_has_to_forget(const struct pool_thread *t);
void pool_forget(struct pool_thread *t);
void pool_step_aside(struct pool_thread *t); /* a post was for another, while some are called */
void pool_end_locals(struct pool_thread *t);

static inline bool
pool_is_stopping(const struct pool *p)
{
	return atomic_load_explicit(&p->is_stopping, memory_order_acquire);
}

static inline struct pool_thread *
pool_thread_at(const struct pool *p, unsigned place)
{
	return atomic_load_explicit(&p->place[place], memory_order_relaxed);
}

static inline void
pool_post(sem_t *s, unsigned times)
{
	while (times-- > 0)
		sem_post(s);
}

#endif
