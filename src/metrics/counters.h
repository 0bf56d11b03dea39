/*
 * Plain counters: one block per thread, written by that thread alone with
 * relaxed stores, summed by whoever shows them. No shared cache line.
 */
#ifndef FOREBAY_METRICS_COUNTERS_H
#define FOREBAY_METRICS_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
#define COUNTER(id, metric, labels, help) COUNTER_##id,
#include "metrics/counters.def"
#undef COUNTER
	COUNTER_COUNT
};

struct counters {
	_Atomic uint64_t at[COUNTER_COUNT];
};

/* One writer per word: a load and a store, no locked instruction. */
static inline void
count_word(_Atomic uint64_t *word, uint64_t n)
{
	atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void
count_add(struct counters *c, enum counter id, uint64_t n)
{
	count_word(&c->at[id], n);
}

static inline uint64_t
count_read_word(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline uint64_t
count_read(const struct counters *c, enum counter id)
{
	return count_read_word(&c->at[id]);
}

/* A word that one thread sets and others look at; what was written before it was set is seen by
 * who reads it. */
struct gauge {
	_Atomic uint64_t value;
};

static inline void
gauge_set(struct gauge *g, uint64_t value)
{
	atomic_store_explicit(&g->value, value, memory_order_release);
}

static inline uint64_t
gauge_read(const struct gauge *g)
{
	return atomic_load_explicit(&g->value, memory_order_acquire);
}

#endif
