/*
 * What one kind of job costs; see cost.h.
 */
#include "thread/cost.h"

enum {
	REMEMBERED = 64, /* samples: the gain is 1/n at first, 1/64 later */
	PRIOR_WEIGHT = 8, /* samples that a declared cost counts for */
};

void
cost_init(struct cost *c, uint64_t prior_ns)
{
	atomic_init(&c->mean_ns, prior_ns);
	atomic_init(&c->dev_ns, prior_ns / 2);
	atomic_init(&c->samples, prior_ns ? PRIOR_WEIGHT : 0);
}

static void
move(_Atomic uint64_t *average, uint64_t sample, unsigned n)
{
	uint64_t now = atomic_load_explicit(average, memory_order_relaxed);

	now = sample >= now ? now + (sample - now) / n : now - (now - sample) / n;
	atomic_store_explicit(average, now, memory_order_relaxed);
}

void
cost_learn(struct cost *c, uint64_t took_ns, bool was_cut)
{
	uint64_t mean = cost_mean(c);
	uint64_t off = took_ns > mean ? took_ns - mean : mean - took_ns;
	unsigned n = atomic_load_explicit(&c->samples, memory_order_relaxed);

	/* What was cut short says only that it would have taken longer. */
	if (was_cut && took_ns <= mean)
		return;
	if (n < REMEMBERED)
		atomic_store_explicit(&c->samples, ++n, memory_order_relaxed);
	/* One sample has no spread; half of it is what RFC 6298 2.2 starts with. */
	move(&c->dev_ns, mean ? off : took_ns / 2, n);
	move(&c->mean_ns, took_ns ? took_ns : 1, n);
}
