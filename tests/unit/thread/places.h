/*
 * Places in a pool for jobs of which nothing is expected: of the class and the
 * expectation that a job has when nobody set them.
 */
#ifndef FOREBAY_TESTS_THREAD_PLACES_H
#define FOREBAY_TESTS_THREAD_PLACES_H

#include "thread/pool.h"

static inline int __attribute__((warn_unused_result))
places_reserve(struct pool *p, unsigned n, uint64_t now_ns, uint64_t deadline_ns, uint64_t jitter,
	       struct pool_refusal *refusal)
{
	const struct gate_ask ask = { .jobs = n, .now_ns = now_ns, .deadline_ns = deadline_ns };

	return pool_reserve(p, &ask, jitter, refusal);
}

static inline void
places_release(struct pool *p, unsigned n)
{
	pool_release(p, (enum gate_class)0, n, 0);
}

#endif
