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
	atomic_init(&c->mean_units, 0);
	atomic_init(&c->samples, prior_ns ? PRIOR_WEIGHT : 0);
	atomic_init(&c->delay_ns, 0);
	atomic_init(&c->lapsed, 0);
	atomic_init(&c->delays, 0);
	atomic_init(&c->promises, 0);
}

static void
move(_Atomic uint64_t *average, uint64_t sample, unsigned n)
{
	uint64_t now = atomic_load_explicit(average, memory_order_relaxed);

	now = sample >= now ? now + (sample - now) / n : now - (now - sample) / n;
	atomic_store_explicit(average, now, memory_order_relaxed);
}

static uint64_t
read_word(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* An hour: nothing is expected to take longer. */
static const uint64_t most_ns = UINT64_C(1) << 42;

/* ns * by / of, or the most that may come of it. What a few units take is far more for COST_UNIT of
 * them: the product is cut, never what it is made of. */
static uint64_t
scale(uint64_t ns, uint64_t by, uint64_t of, uint64_t most)
{
	unsigned __int128 product = (unsigned __int128)ns * by / of;

	return product < most ? (uint64_t)product : most;
}

static uint64_t
per_unit(uint64_t ns, uint64_t units)
{
	return scale(ns < most_ns ? ns : most_ns, COST_UNIT, units, UINT64_MAX);
}

static uint64_t
scale_units(const struct cost *c, uint64_t ns, uint64_t units)
{
	uint64_t usual = read_word(&c->mean_units);

	if (usual == 0)
		return ns;
	if (units == 0)
		units = usual;
	return scale(ns, units < COST_UNITS_MAX ? units : COST_UNITS_MAX, COST_UNIT, most_ns);
}

uint64_t
cost_expect(const struct cost *c, uint64_t units)
{
	return scale_units(c, cost_mean(c), units);
}

uint64_t
cost_spread(const struct cost *c, uint64_t units)
{
	return scale_units(c, cost_dev(c), units);
}

/* The first one that says how much it had to do; what was declared was for as much. */
static bool
begin_units(struct cost *c, uint64_t units)
{
	uint64_t none = 0;

	if (!atomic_compare_exchange_strong(&c->mean_units, &none, units))
		return false;
	atomic_store_explicit(&c->mean_ns, per_unit(cost_mean(c), units), memory_order_relaxed);
	atomic_store_explicit(&c->dev_ns, per_unit(cost_dev(c), units), memory_order_relaxed);
	return true;
}

void
cost_learn_units(struct cost *c, uint64_t units, uint64_t took_ns, enum cost_run how)
{
	unsigned n = atomic_load_explicit(&c->samples, memory_order_relaxed) + 1;

	if (units == 0) {
		cost_learn(c, took_ns, how);
		return;
	}
	if (units > COST_UNITS_MAX)
		units = COST_UNITS_MAX;
	if (!begin_units(c, units))
		move(&c->mean_units, units, n < REMEMBERED ? n : REMEMBERED);
	cost_learn(c, per_unit(took_ns, units), how);
}

/* What was cut short says only that it would have taken longer. What failed early says nothing; but
 * a password that does not match took as long as one that does. */
static bool
says_something(uint64_t mean, uint64_t took_ns, enum cost_run how)
{
	switch (how) {
	case COST_CUT:
		return took_ns > mean;
	case COST_FAILED:
		return mean == 0 || took_ns >= mean / 2;
	case COST_WHOLE:
		break;
	}
	return true;
}

/* However many have failed, the first that does not is believed. */
void
cost_learn(struct cost *c, uint64_t took_ns, enum cost_run how)
{
	uint64_t mean = cost_mean(c);
	uint64_t off = took_ns > mean ? took_ns - mean : mean - took_ns;
	unsigned n = atomic_load_explicit(&c->samples, memory_order_relaxed);

	if (!says_something(mean, took_ns, how))
		return;
	n += n < REMEMBERED;
	if (how != COST_FAILED)
		atomic_store_explicit(&c->samples, n, memory_order_relaxed);
	/* One sample has no spread; half of it is what RFC 6298 2.2 starts with. */
	move(&c->dev_ns, mean ? off : took_ns / 2, n);
	move(&c->mean_ns, took_ns ? took_ns : 1, n);
}

/* --- promises ------------------------------------------------------------------------ */

/* How many samples there are with one more. */
static unsigned
count_sample(atomic_uint *samples)
{
	unsigned n = atomic_load_explicit(samples, memory_order_relaxed);

	if (n < REMEMBERED)
		atomic_store_explicit(samples, ++n, memory_order_relaxed);
	return n;
}

void
cost_learn_delay(struct cost *c, uint64_t took_ns)
{
	move(&c->delay_ns, took_ns ? took_ns : 1, count_sample(&c->delays));
	move(&c->lapsed, 0, count_sample(&c->promises));
}

void
cost_learn_lapse(struct cost *c)
{
	move(&c->lapsed, COST_ALL, count_sample(&c->promises));
}

uint64_t
cost_kept(const struct cost *c, uint64_t work_ns)
{
	return scale(work_ns, COST_ALL - read_word(&c->lapsed), COST_ALL, UINT64_MAX);
}
