/*
 * Max-min shares among keys; see shares.h.
 */
#include "thread/shares.h"

#include "base/clock.h"

enum {
	TICK_MS = 100,
	GAIN_PART = 5, /* the newest tick counts a fifth */
	TICKS_MAX = 32, /* after so many without asks nothing is left of an average */
	ROUNDS_MAX = 32, /* of water filling; it ends after a few */
	THREAD = 1000000, /* demand of one thread */
	SHARED_OF_THREAD = 950000,
};

void
shares_init(struct shares *s, const uint64_t seeds[2])
{
	*s = (struct shares){ .key = { { seeds[0], seeds[1] } } };
	atomic_init(&s->level, UINT64_MAX);
}

/* --- ticks ---------------------------------------------------------------------------- */

static uint64_t
demand_of(const struct shares_place *p)
{
	return atomic_load_explicit(&p->demand, memory_order_relaxed);
}

static void
average(struct shares_place *p, uint64_t ticks)
{
	uint64_t asked = atomic_exchange_explicit(&p->asked_ns, 0, memory_order_relaxed);
	uint64_t fresh = asked / (TICK_MS * CLOCK_MS / THREAD) / ticks;
	uint64_t demand = demand_of(p);

	for (uint64_t i = 0; i < ticks && i < TICKS_MAX; i++)
		demand = demand - demand / GAIN_PART + fresh / GAIN_PART;
	atomic_store_explicit(&p->demand, demand, memory_order_relaxed);
}

/* What is left for each of those above the level when those below it have got all that they ask. */
static uint64_t
rest_for_each(const struct shares_place *row, uint64_t level, uint64_t capacity)
{
	uint64_t above = 0, below = 0;

	for (unsigned i = 0; i < SHARES_PLACES; i++) {
		uint64_t demand = demand_of(&row[i]);
		above += demand > level;
		below += demand > level ? 0 : demand;
	}
	return above > 0 && below < capacity ? (capacity - below) / above : level;
}

static uint64_t
find_level(const struct shares_place *row, uint64_t capacity)
{
	uint64_t all = 0, level = capacity / SHARES_PLACES, next;

	for (unsigned i = 0; i < SHARES_PLACES; i++)
		all += demand_of(&row[i]);
	if (all <= capacity)
		return UINT64_MAX;
	for (unsigned i = 0; i < ROUNDS_MAX; i++, level = next) {
		next = rest_for_each(row, level, capacity);
		if (next <= level)
			break;
	}
	return level;
}

static void
tick(struct shares *s, uint64_t now_ns, unsigned threads)
{
	uint64_t due = atomic_load_explicit(&s->tick_ns, memory_order_relaxed);
	uint64_t ticks = 1;

	if (now_ns < due ||
	    !atomic_compare_exchange_strong_explicit(&s->tick_ns, &due, now_ns + TICK_MS * CLOCK_MS,
						     memory_order_relaxed, memory_order_relaxed))
		return;
	if (due)
		ticks += (now_ns - due) / (TICK_MS * CLOCK_MS);
	for (unsigned row = 0; row < SHARES_ROWS; row++) {
		for (unsigned i = 0; i < SHARES_PLACES; i++)
			average(&s->place[row][i], ticks);
	}
	atomic_store_explicit(&s->level,
			      find_level(s->place[0], (uint64_t)threads * SHARED_OF_THREAD),
			      memory_order_relaxed);
}

/* --- asking ----------------------------------------------------------------------------- */

bool
shares_allow(struct shares *s, struct slice key, uint64_t work_ns, uint64_t now_ns,
	     unsigned threads, uint64_t chance)
{
	uint64_t demand = UINT64_MAX, bits = siphash(&s->key, key), level;

	tick(s, now_ns, threads);
	for (unsigned row = 0; row < SHARES_ROWS; row++, bits >>= 32) {
		struct shares_place *p = &s->place[row][bits % SHARES_PLACES];
		uint64_t one = demand_of(p);
		atomic_fetch_add_explicit(&p->asked_ns, work_ns, memory_order_relaxed);
		demand = one < demand ? one : demand;
	}
	level = atomic_load_explicit(&s->level, memory_order_relaxed);
	if (demand <= level)
		return true;
	/* One in demand/level: so what is let in adds up to the level. */
	return (uint64_t)(((__uint128_t)(chance >> 32) * demand) >> 32) < level;
}
