/*
 * What the files of a pool share: pool.c (life, limits, admission, metrics),
 * pool_jobs.c (the queue, and a job's way through it) and pool_threads.c
 * (the threads) and pool_locals.c (what they keep). No other file includes this.
 */
#ifndef FOREBAY_THREAD_POOL_PRIV_H
#define FOREBAY_THREAD_POOL_PRIV_H

#include "thread/pool.h"
#include "thread/shares.h"

enum { POOL_NAME_BYTES = 160 };

struct pool {
	atomic_uint refs;
	char name[POOL_NAME_BYTES];
	char limit[POOL_SHEDS][POOL_NAME_BYTES + 16]; /* "pool.NAME.WORD" */
	char *identity; /* owned */
	struct pool_options options; /* as asked for, but its limits and texts are not looked at */

	/* Its limits are written by whoever has `control`, `threads` (those wanted) under the lock
	 * too. */
	struct pool_gate gate;
	struct shares shares;
	struct pool_cost *costs; /* owned, newest first; under control */
	unsigned cost_count;

	sem_t work; /* a post for each job that waits, thread that is to leave, or is called */
	sem_t ready; /* a post for each thread_init that has returned */
	atomic_bool is_stopping;

	/* Written by any thread. */
	atomic_uint running;
	_Atomic(struct mail *) inbox; /* submitted, newest first */
	atomic_bool is_shadow;
	_Atomic uint64_t lost_after_ns;
	atomic_uint max_lost;
	_Atomic unsigned long cpus[CPUS_WORDS]; /* written under control */
	_Atomic uint64_t expired, abandoned, shed[POOL_SHEDS], shadowed[POOL_SHEDS];

	pthread_mutex_t control; /* one at a time resizes or stops; taken before lock */
	/* Places of threads: written under control, freed with the pool. */
	_Atomic(struct pool_thread *) place[POOL_THREADS_MAX];
	atomic_uint places;

	pthread_mutex_t lock; /* workers only ever try it. All below is under it. */
	unsigned replaced; /* threads that are lost, and have another in their stead: not alive */
	unsigned alive; /* threads that serve; above `threads`: so many are to leave */
	unsigned called; /* threads that sleep, are to forget something and have not come yet */
	pthread_cond_t has_come; /* the last of these */
	pthread_cond_t has_forgotten; /* one has ended something, or is found lost */
};

/* What jobs of one name cost. */
struct pool_cost {
	struct cost cost;
	struct pool_cost *next;
	size_t len;
	char name[];
};

/* pool.c: whether a limit is not to be kept, only counted; counts that. */
bool pool_lets_pass(struct pool *p, enum pool_shed limit);
/* Counts a refusal and fills it. */
void pool_refuse(struct pool *p, enum pool_shed limit, uint64_t jitter,
		 struct pool_refusal *refusal);

/* pool_jobs.c. Asks the gate once more, under the lock if it is free. */
enum gate_verdict pool_ask_exactly(struct pool *p, const struct gate_ask *a, enum gate_verdict said,
				   uint64_t jitter);
/* Under the lock: the next job; NULL when none waits. */
struct job *pool_take_job(struct pool *p);
void pool_run_job(struct pool_thread *t, struct job *j);
void pool_send_rest_home(struct pool *p);

/* pool_threads.c. With `control`. */
int pool_set_threads(struct pool *p, unsigned wanted) __attribute__((warn_unused_result));
int pool_add_thread(struct pool *p) __attribute__((warn_unused_result)); /* one of those wanted */
/* For threads that start from now on; pool_move_threads: for those that serve, too. */
void pool_set_cpus(struct pool *p, const struct cpus *c);
struct cpus pool_cpus(const struct pool *p);
void pool_move_threads(struct pool *p);
void pool_stop_threads(struct pool *p);
void pool_free_threads(struct pool *p); /* after they have stopped */

/* pool_lost.c. On the thread. */
void pool_show_job(struct pool_thread *t, struct job *j);
void pool_hide_job(struct pool_thread *t);
void pool_return(struct pool_thread *t); /* it was lost */

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
