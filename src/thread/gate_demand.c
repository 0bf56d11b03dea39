/*
 * How much is asked of a gate, let in or not, in each class; see gate.h. A queue
 * that stands says that more has come than could be done; this says how much
 * more is coming now.
 *
 * Counted over windows in which the threads can do 12 jobs: few enough to follow
 * a flood that ends, enough to tell twice as much from what is usual. Many threads
 * do them in no time, in which clients come by handfuls: 10 ms at least; slow jobs
 * are not remembered for minutes: a second at most, or one job. A window ends with
 * the first ask after it, so that nobody has to look at a clock for it.
 */
#include "thread/gate_priv.h"

enum { WINDOW_JOBS = 12, WINDOW_MIN_MS = 10 };

/* Of so many threads' time, as a load: GATE_LOAD_ONE keeps one busy. */
static uint64_t
load_of(uint64_t work_ns, uint64_t span_ns)
{
	unsigned __int128 load = (unsigned __int128)work_ns * GATE_LOAD_ONE / span_ns;

	return load < UINT32_MAX ? (uint64_t)load : UINT32_MAX;
}

/* 0 as long as nothing is known of what jobs take. */
static uint64_t
window_of(const struct pool_gate *g)
{
	uint64_t mean = cost_mean(&g->mix), window = mean / gate_threads_of(g) * WINDOW_JOBS;
	uint64_t most = mean > CLOCK_SEC ? mean : CLOCK_SEC;

	if (window == 0)
		return 0;
	window = window < most ? window : most;
	return window > WINDOW_MIN_MS * CLOCK_MS ? window : WINDOW_MIN_MS * CLOCK_MS;
}

static void
learn_usual(struct gate_demand *d, uint64_t load, uint64_t span_ns)
{
	uint64_t usual = atomic_load_explicit(&d->usual, memory_order_relaxed);
	uint64_t parts = span_ns < CLOCK_SEC ? CLOCK_SEC / span_ns : 1;

	usual = load >= usual ? usual + (load - usual) / parts : usual - (usual - load) / parts;
	atomic_store_explicit(&d->usual, usual, memory_order_relaxed);
}

/* Whoever ends a window may miss what others add in that moment: it counts in the next. And he sees
 * whether it was calm: while threads are free nobody else looks. */
void
gate_demand_note(struct pool_gate *g, enum gate_class priority, uint64_t work_ns, uint64_t now_ns)
{
	struct gate_demand *d = &g->line[gate_class_of(g, priority)].demand;
	uint64_t since = atomic_load_explicit(&d->since_ns, memory_order_relaxed);
	uint64_t window = window_of(g), span = gate_minus(now_ns, since), load;

	gate_add(g, &d->work_ns, work_ns);
	if (!window || span < window ||
	    !atomic_compare_exchange_strong_explicit(&d->since_ns, &since, now_ns,
						     memory_order_relaxed, memory_order_relaxed))
		return;
	load = load_of(atomic_exchange_explicit(&d->work_ns, 0, memory_order_relaxed), span);
	atomic_store_explicit(&d->load, load, memory_order_relaxed);
	learn_usual(d, load, span);
	gate_flood_since(g, priority, gate_load_at_most(g, priority, now_ns), now_ns);
}

void
gate_demand_return(struct pool_gate *g, enum gate_class priority, uint64_t work_ns)
{
	_Atomic uint64_t *asked = &g->line[gate_class_of(g, priority)].demand.work_ns;
	uint64_t work = atomic_load_explicit(asked, memory_order_relaxed);

	/* Not below what was asked for since: a window may have ended meanwhile. */
	while (!atomic_compare_exchange_weak_explicit(asked, &work, gate_minus(work, work_ns),
						      memory_order_relaxed, memory_order_relaxed))
		continue;
}

/* The last whole window's, unless this one has already brought more, or is so long that it says
 * more: then nobody has asked for a while. */
static uint64_t
load_now(const struct gate_demand *d, uint64_t window, uint64_t now_ns)
{
	uint64_t since = atomic_load_explicit(&d->since_ns, memory_order_relaxed);
	uint64_t work = atomic_load_explicit(&d->work_ns, memory_order_relaxed);
	uint64_t last = atomic_load_explicit(&d->load, memory_order_relaxed);
	uint64_t span = gate_minus(now_ns, since);
	uint64_t here = load_of(work, span > window ? span : window);

	return span > 2 * window || here > last ? here : last;
}

uint64_t
gate_demand_at_most(const struct pool_gate *g, enum gate_class priority, uint64_t now_ns)
{
	uint64_t window = window_of(g), all = 0;

	if (!window)
		return 0;
	for (unsigned i = 0; i <= gate_class_of(g, priority); i++)
		all += load_now(&g->line[i].demand, window, now_ns);
	return all;
}

uint64_t
gate_demand_usual(const struct pool_gate *g, enum gate_class priority, uint64_t now_ns)
{
	const struct gate_demand *d = &g->line[priority].demand;
	uint64_t since = atomic_load_explicit(&d->since_ns, memory_order_relaxed);
	uint64_t work = atomic_load_explicit(&d->work_ns, memory_order_relaxed);
	uint64_t span = gate_minus(now_ns, since), window = window_of(g);

	if (span > CLOCK_SEC && span > 2 * window)
		return load_of(work, span);
	return atomic_load_explicit(&d->usual, memory_order_relaxed);
}

uint64_t
gate_load_at_most(const struct pool_gate *g, enum gate_class priority, uint64_t now_ns)
{
	return gate_demand_at_most(g, priority, now_ns) + gate_promised_at_most(g, priority);
}

uint64_t
gate_flood_since(struct pool_gate *g, enum gate_class priority, uint64_t load, uint64_t now_ns)
{
	struct gate_demand *d = &g->line[gate_class_of(g, priority)].demand;

	if (load <= gate_threads_of(g) * GATE_LOAD_ONE)
		atomic_store_explicit(&d->calm_ns, now_ns, memory_order_relaxed);
	return atomic_load_explicit(&d->calm_ns, memory_order_relaxed);
}
