/*
 * What one kind of job costs: moving averages of its run time and of how far
 * runs are from it, learned from the jobs themselves.
 *
 * Threads that learn at the same time may lose one of two samples, which does
 * no harm: each word is stored whole, and nothing is derived from two of them
 * that a torn pair could break.
 */
#ifndef FOREBAY_THREAD_COST_H
#define FOREBAY_THREAD_COST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cost {
	/* Once a job has said how much there was to do (units): for COST_UNIT of it. */
	_Atomic uint64_t mean_ns; /* 0: nothing is known */
	_Atomic uint64_t dev_ns; /* mean distance from the mean */
	_Atomic uint64_t mean_units; /* 0: they do not say */
	atomic_uint samples; /* that the averages remember, up to some */
	/* Of jobs that begin when others have ended. */
	_Atomic uint64_t delay_ns; /* from the promise of their place until then; 0: not known */
	_Atomic uint64_t lapsed; /* promises that no job came for, of COST_ALL */
	atomic_uint delays, promises; /* samples of either */
};

#define COST_ALL (UINT64_C(1) << 20)

/* What a run says about what others will take. */
enum cost_run {
	COST_WHOLE,
	COST_CUT, /* it was told to stop: it would have taken longer */
	/* It refused or failed, perhaps before it began: it counts only if it took at least half of
	 * what is usual, which is work. */
	COST_FAILED,
};

#define COST_UNIT      (UINT64_C(1) << 20)
#define COST_UNITS_MAX (UINT64_C(1) << 40)

/* prior_ns: what it is said to cost, or 0. */
void cost_init(struct cost *c, uint64_t prior_ns);
/* Any thread. */
void cost_learn(struct cost *c, uint64_t took_ns, enum cost_run how);
/* The same of a job that said how much there was to do; 0: it did not. */
void cost_learn_units(struct cost *c, uint64_t units, uint64_t took_ns, enum cost_run how);
/* What so much takes, and how far it may be from that; of units that are not known yet (0), as much
 * as usual. 0 when nothing is known. */
uint64_t cost_expect(const struct cost *c, uint64_t units);
uint64_t cost_spread(const struct cost *c, uint64_t units);

/* A job that was promised a place came for it after so long, or will not come. */
void cost_learn_delay(struct cost *c, uint64_t took_ns);
void cost_learn_lapse(struct cost *c);
/* Of so much, what comes. */
uint64_t cost_kept(const struct cost *c, uint64_t work_ns);

static inline uint64_t
cost_delay(const struct cost *c)
{
	return atomic_load_explicit(&c->delay_ns, memory_order_relaxed);
}

static inline uint64_t
cost_mean(const struct cost *c)
{
	return atomic_load_explicit(&c->mean_ns, memory_order_relaxed);
}

static inline uint64_t
cost_dev(const struct cost *c)
{
	return atomic_load_explicit(&c->dev_ns, memory_order_relaxed);
}

#endif
