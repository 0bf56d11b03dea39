/*
 * What the files of the gate share: gate.c (who is let in, and a job's way),
 * gate_later.c (promises) and gate_demand.c (what is asked for). No other file
 * includes this.
 */
#ifndef FOREBAY_THREAD_GATE_PRIV_H
#define FOREBAY_THREAD_GATE_PRIV_H

#include "base/clock.h"
#include "thread/gate.h"

/* What is before a job. */
struct ahead {
	uint64_t work_ns;
	unsigned jobs;
};

/* All of its own class and of those above. */
struct ahead gate_ahead_at_most(const struct pool_gate *g, enum gate_class priority);
/* What is to be kept free: see gate.h. */
uint64_t gate_margin(uint64_t own_ns, uint64_t others_ns, unsigned jobs, unsigned threads);
/* The longest wait that a standing queue may mean for who has so much time, at so much load. */
uint64_t gate_standing_limit(const struct pool_gate *g, uint64_t horizon_ns, unsigned ahead,
			     uint64_t load);
/* So much work is asked for. Any thread. */
void gate_demand_note(struct pool_gate *g, enum gate_class priority, uint64_t work_ns,
		      uint64_t now_ns);
/* It was let in, and does not begin: something beside it was refused. Any thread. */
void gate_demand_return(struct pool_gate *g, enum gate_class priority, uint64_t work_ns);
/* The load that is asked for in that class and above. */
uint64_t gate_demand_at_most(const struct pool_gate *g, enum gate_class priority, uint64_t now_ns);
/* That of one class as gate_class_of() tells it, averaged over about a second. */
uint64_t gate_demand_usual(const struct pool_gate *g, enum gate_class priority, uint64_t now_ns);
/* That load is `load`, of so many threads; since when it has been more than they can do. */
uint64_t gate_flood_since(struct pool_gate *g, enum gate_class priority, uint64_t load,
			  uint64_t now_ns);
/* The load that the promises of that class and above will bring. */
uint64_t gate_promised_at_most(const struct pool_gate *g, enum gate_class priority);
/* What comes and what will, of that class and above: what is promised was asked for before. */
uint64_t gate_load_at_most(const struct pool_gate *g, enum gate_class priority, uint64_t now_ns);
/* So many more jobs of the class, none of which is filed. */
void gate_count(struct pool_gate *g, enum gate_class priority, unsigned jobs, uint64_t work_ns);
/* Of promises. */
enum gate_verdict gate_promise(struct pool_gate *g, const struct gate_ask *a);

static inline void
gate_add(const struct pool_gate *g, _Atomic uint64_t *word, uint64_t n)
{
	if (g->is_lone)
		atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + n,
				      memory_order_relaxed);
	else
		atomic_fetch_add_explicit(word, n, memory_order_relaxed);
}

/* By n more or, as unsigned numbers go round, fewer. */
static inline void
gate_count_on(const struct pool_gate *g, atomic_uint *word, unsigned n)
{
	if (g->is_lone)
		atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + n,
				      memory_order_relaxed);
	else
		atomic_fetch_add_explicit(word, n, memory_order_release);
}

/* First come, first served knows no classes. */
static inline enum gate_class
gate_class_of(const struct pool_gate *g, enum gate_class priority)
{
	return g->order == ORDER_FIFO ? CLASS_CRITICAL : priority;
}

static inline unsigned
gate_threads_of(const struct pool_gate *g)
{
	unsigned threads = atomic_load_explicit(&g->threads, memory_order_relaxed);

	return threads ? threads : 1;
}

/* Of so many that are admitted, those that keep a thread busy or wait for one. */
static inline unsigned
gate_busy(const struct pool_gate *g, unsigned admitted)
{
	unsigned replaced = atomic_load_explicit(&g->replaced, memory_order_relaxed);

	return admitted > replaced ? admitted - replaced : 0;
}

static inline uint64_t
gate_minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* With threads that do nothing else: of several, the last ends when they have done all of it. */
static inline uint64_t
gate_takes(const struct gate_ask *a, unsigned threads)
{
	uint64_t share = a->jobs > 1 ? a->work_ns / threads : 0;

	return share > a->longest_ns ? share : a->longest_ns;
}

#endif
