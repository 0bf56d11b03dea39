/*
 * The gate of a pool; see gate.h.
 */
#include "thread/gate.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/list.h"
#include "thread/gate_priv.h"

/* A margin of 3/2 deviations; a standing queue may take 1/5 of the time at twice what can be done,
 * never more than 1/3 or less than 1/10, and be 4 jobs long. */
enum { MARGIN_HALVES = 3, TRY_PARTS = 8, TRY_MAX_S = 10 };
enum { STANDING_SHARE = 5, STANDING_MOST = 3, STANDING_LEAST = 10, STANDING_JOBS = 4 };

void
gate_queue_init(struct gate_queue *q, bool is_part)
{
	for (unsigned i = 0; i < CLASSES; i++)
		edf_init(&q->line[i]);
	q->is_part = is_part;
}

void
gate_init(struct pool_gate *g, enum gate_order order)
{
	*g = (struct pool_gate){ .order = order };
	cost_init(&g->mix, 0);
	gate_queue_init(&g->queue, false);
}

void
gate_set_threads(struct pool_gate *g, unsigned threads)
{
	atomic_store_explicit(&g->threads, threads, memory_order_relaxed);
}

void
gate_set_queue(struct pool_gate *g, unsigned max_queue, uint64_t max_wait_ns)
{
	atomic_store_explicit(&g->max_queue, max_queue, memory_order_relaxed);
	atomic_store_explicit(&g->max_wait_ns, max_wait_ns, memory_order_relaxed);
}

/* --- numbers ------------------------------------------------------------------------ */

static struct gate_line *
line_of(struct pool_gate *g, enum gate_class priority)
{
	return &g->line[gate_class_of(g, priority)];
}

static uint64_t
times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? CLOCK_NEVER : product;
}

/* Rounded down. */
static uint64_t
square_root(uint64_t of)
{
	uint64_t root = 0, bit = UINT64_C(1) << 62;

	while (bit > of)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		bool fits = of >= root + bit;
		of -= fits ? root + bit : 0;
		root = (root >> 1) + (fits ? bit : 0);
	}
	return root;
}

/* 3/2 sqrt(own^2 + others^2 jobs / threads^2); in microseconds inside, where an hour's square fits.
 */
uint64_t
gate_margin(uint64_t own_ns, uint64_t others_ns, unsigned jobs, unsigned threads)
{
	const uint64_t most = 3600 * (CLOCK_SEC / CLOCK_US);
	uint64_t own = own_ns / CLOCK_US, each = others_ns / CLOCK_US / threads, others;

	own = own < most ? own : most;
	others = times(times(each, each), jobs);
	others = others < most * most ? others : most * most;
	return square_root(own * own + others) * CLOCK_US * MARGIN_HALVES / 2;
}

/* --- asking ---------------------------------------------------------------------------- */

uint64_t
gate_expect(const struct pool_gate *g, const struct cost *c, uint64_t units)
{
	uint64_t own = c ? cost_expect(c, units) : 0;

	return own ? own : cost_mean(&g->mix);
}

uint64_t
gate_ask_more(const struct pool_gate *g, struct gate_ask *a, const struct cost *c, uint64_t units,
	      uint64_t deadline_ns)
{
	uint64_t expected = gate_expect(g, c, units);
	uint64_t dev = c && cost_mean(c) ? cost_spread(c, units) : cost_dev(&g->mix);

	a->jobs++;
	if (__builtin_add_overflow(a->work_ns, expected, &a->work_ns))
		a->work_ns = UINT64_MAX;
	if (expected > a->longest_ns)
		a->longest_ns = expected;
	if (dev > a->dev_ns)
		a->dev_ns = dev;
	if (deadline_ns < a->deadline_ns)
		a->deadline_ns = deadline_ns;
	return expected;
}

struct ahead
gate_ahead_at_most(const struct pool_gate *g, enum gate_class priority)
{
	struct ahead all = { 0, 0 };

	for (unsigned i = 0; i <= priority; i++) {
		all.work_ns += atomic_load_explicit(&g->line[i].work_ns, memory_order_relaxed);
		all.jobs += atomic_load_explicit(&g->line[i].jobs, memory_order_relaxed);
	}
	return all;
}

/* What is behind, as a share of what is filed here, taken of the whole line. */
static struct edf_sum
of_all(const struct gate_line *line, struct edf_sum behind, struct edf_sum here)
{
	uint64_t work = atomic_load_explicit(&line->work_ns, memory_order_relaxed);
	unsigned jobs = atomic_load_explicit(&line->jobs, memory_order_relaxed);

	return (struct edf_sum){
		.work_ns = work / here.count * behind.count,
		.count = (unsigned)((uint64_t)jobs * behind.count / here.count),
	};
}

/* Less those of its class that are filed behind it. What is not filed yet counts as before it:
 * nobody knows. */
static struct ahead
ahead_exactly(const struct pool_gate *g, const struct gate_ask *a)
{
	const struct gate_queue *queue = a->queue ? a->queue : &g->queue;
	const struct edf *line = &queue->line[a->priority];
	struct ahead ahead = gate_ahead_at_most(g, a->priority);
	struct edf_sum all = edf_all(line), behind = edf_ahead(line, a->deadline_ns);

	behind.work_ns = all.work_ns - behind.work_ns;
	behind.count = all.count - behind.count;
	if (queue->is_part && all.count > 0)
		behind = of_all(&g->line[a->priority], behind, all);
	ahead.work_ns = gate_minus(ahead.work_ns, behind.work_ns);
	ahead.jobs = (unsigned)gate_minus(ahead.jobs, behind.count);
	return ahead;
}

/* The next thread is free when the first of those that run has ended, a c-th of their work from
 * now, if they are alike. */
static uint64_t
predicted_wait(const struct pool_gate *g, const struct ahead *ahead, unsigned threads)
{
	uint64_t running = atomic_load_explicit(&g->running_ns, memory_order_relaxed);

	return (ahead->work_ns + running / threads) / threads;
}

/* In inverse proportion to what comes beyond what can be done: threads run dry as seldom in a flood
 * with a short queue, and little is left of it when the flood ends. */
uint64_t
gate_standing_limit(const struct pool_gate *g, uint64_t horizon_ns, unsigned ahead, uint64_t load)
{
	unsigned threads = gate_threads_of(g);
	uint64_t mean = cost_mean(&g->mix), dev = cost_dev(&g->mix);
	uint64_t rest = gate_minus(horizon_ns, mean + gate_margin(dev, dev, ahead + 1, threads));
	uint64_t jobs = times(mean, STANDING_JOBS) / threads;
	uint64_t can = threads * GATE_LOAD_ONE, excess = gate_minus(load, can);
	uint64_t least = rest / STANDING_LEAST, most = rest / STANDING_MOST;
	unsigned __int128 share = (unsigned __int128)(rest / STANDING_SHARE) * can;
	uint64_t limit =
	    share < (unsigned __int128)most * excess ? (uint64_t)(share / excess) : most;

	limit = limit > least ? limit : least;
	return limit > jobs ? limit : jobs;
}

static enum gate_verdict
judge_adaptive(struct pool_gate *g, const struct gate_ask *a, bool is_locked)
{
	unsigned threads = gate_threads_of(g);
	struct ahead ahead = is_locked ? ahead_exactly(g, a) : gate_ahead_at_most(g, a->priority);
	uint64_t max_wait = atomic_load_explicit(&g->max_wait_ns, memory_order_relaxed);
	uint64_t idle = atomic_load_explicit(&g->idle_ns, memory_order_relaxed);
	uint64_t load = gate_load_at_most(g, a->priority, a->now_ns);
	/* That a thread runs dry in a flood is no sign of its end. */
	uint64_t flood = gate_flood_since(g, a->priority, load, a->now_ns);
	uint64_t wait = predicted_wait(g, &ahead, threads);
	uint64_t takes = gate_takes(a, threads);
	uint64_t left =
	    a->deadline_ns == CLOCK_NEVER ? CLOCK_NEVER : gate_minus(a->deadline_ns, a->now_ns);
	uint64_t horizon = max_wait && max_wait < left ? max_wait : left;

	if (a->is_underway)
		return GATE_OPEN;
	if (left != CLOCK_NEVER &&
	    wait + takes + gate_margin(a->dev_ns, cost_dev(&g->mix), ahead.jobs + 1, threads) >
		left)
		return GATE_WAIT;
	if (max_wait && wait > max_wait)
		return GATE_WAIT;
	if (gate_minus(a->now_ns, idle < flood ? idle : flood) > horizon / 2 &&
	    wait > gate_standing_limit(g, horizon, ahead.jobs, load))
		return GATE_STANDING;
	return GATE_OPEN;
}

/* The last of the n starts when all but `threads` of those before it have ended, each after the
 * mean. */
static enum gate_verdict
judge_fifo(const struct pool_gate *g, const struct gate_ask *a, unsigned busy)
{
	unsigned threads = gate_threads_of(g);
	uint64_t max_wait = atomic_load_explicit(&g->max_wait_ns, memory_order_relaxed);
	uint64_t left = gate_minus(a->deadline_ns, a->now_ns);
	uint64_t all = times(cost_mean(&g->mix), busy + a->jobs - threads);
	uint64_t wait = all == CLOCK_NEVER ? all : all / threads;

	if (a->is_underway)
		return GATE_OPEN;
	return wait > left || (max_wait && wait > max_wait) ? GATE_WAIT : GATE_OPEN;
}

/* Whether several may go ahead although they cannot all be in time, for nothing runs: so seldom
 * that it costs an eighth of the threads' time. */
static bool
may_try(struct pool_gate *g, const struct gate_ask *a)
{
	uint64_t tried = atomic_load_explicit(&g->tried_ns, memory_order_relaxed);
	uint64_t pause = times(a->work_ns / gate_threads_of(g), TRY_PARTS);

	if (pause > TRY_MAX_S * CLOCK_SEC)
		pause = TRY_MAX_S * CLOCK_SEC;
	return gate_minus(a->now_ns, tried) >= pause &&
	       atomic_compare_exchange_strong_explicit(&g->tried_ns, &tried, a->now_ns,
						       memory_order_relaxed, memory_order_relaxed);
}

/*
 * Nobody is refused for his wait while a thread has nothing to do: costs change
 * only by jobs that run, so that one whose cost is thought too high would be
 * kept out of an idle pool for good. Several at once need as many such threads,
 * or they would run in part, for nothing; they are tried now and then.
 */
static enum gate_verdict
judge(struct pool_gate *g, const struct gate_ask *a, unsigned admitted, bool is_locked)
{
	/* Not even one, perhaps: connections may be lent for good. */
	unsigned threads = atomic_load_explicit(&g->threads, memory_order_relaxed);
	unsigned capacity = threads + atomic_load_explicit(&g->max_queue, memory_order_relaxed);
	unsigned busy = gate_busy(g, admitted);
	enum gate_verdict verdict;

	if (a->is_giving_back)
		return GATE_OPEN;
	if (a->jobs > capacity || (admitted > capacity - a->jobs && !a->takes_over))
		return GATE_FULL;
	if (busy < threads) {
		atomic_store_explicit(&g->idle_ns, a->now_ns, memory_order_relaxed);
		if (a->jobs <= threads - busy)
			return GATE_OPEN;
	}
	verdict = g->order == ORDER_FIFO ? judge_fifo(g, a, busy) : judge_adaptive(g, a, is_locked);
	return verdict == GATE_WAIT && busy == 0 && may_try(g, a) ? GATE_OPEN : verdict;
}

/* False: there are others than *admitted. */
static bool
take_places(struct pool_gate *g, unsigned *admitted, unsigned jobs)
{
	if (!g->is_lone)
		return atomic_compare_exchange_weak_explicit(&g->admitted, admitted,
							     *admitted + jobs, memory_order_acquire,
							     memory_order_relaxed);
	gate_count_on(g, &g->admitted, jobs);
	return true;
}

bool
gate_could_evict(struct pool_gate *g, struct gate_ask *a, unsigned *excess)
{
	const struct gate_queue *queue = a->queue ? a->queue : &g->queue;
	unsigned admitted = atomic_load_explicit(&g->admitted, memory_order_relaxed);
	unsigned capacity =
	    gate_threads_of(g) + atomic_load_explicit(&g->max_queue, memory_order_relaxed);
	unsigned lower = 0;
	bool is_over;

	*excess = 0;
	if (g->order == ORDER_FIFO || a->jobs > capacity)
		return false;
	if (admitted > capacity - a->jobs)
		*excess = admitted - (capacity - a->jobs);
	/* Promises that were redeemed have come on top: it is let in for as many as it replaces. */
	is_over = *excess > a->jobs;
	if (is_over)
		*excess = a->jobs;
	for (unsigned i = (unsigned)a->priority + 1; i < CLASSES; i++)
		lower += edf_all(&queue->line[i]).count;
	if (*excess > lower || judge_adaptive(g, a, true) != GATE_OPEN)
		return false;
	a->takes_over = is_over;
	return true;
}

/* Not what can never be let in: however little comes beside it, it would be a flood. Not what would
 * be late if nobody else came. */
static bool
is_demand(const struct pool_gate *g, const struct gate_ask *a)
{
	unsigned capacity = atomic_load_explicit(&g->threads, memory_order_relaxed) +
			    atomic_load_explicit(&g->max_queue, memory_order_relaxed);

	return !a->is_again && a->jobs <= capacity &&
	       gate_takes(a, gate_threads_of(g)) <= gate_minus(a->deadline_ns, a->now_ns);
}

/* What has begun is asked again and again until there is room: it counts when it is let in. */
enum gate_verdict
gate_reserve(struct pool_gate *g, const struct gate_ask *a, bool is_locked)
{
	unsigned admitted = atomic_load_explicit(&g->admitted, memory_order_relaxed);
	enum gate_verdict verdict;
	bool counts;

	if (a->is_later)
		return gate_promise(g, a);
	counts = is_demand(g, a);
	if (counts && !a->is_underway)
		gate_demand_note(g, a->priority, a->work_ns, a->now_ns);
	do {
		verdict = judge(g, a, admitted, is_locked);
		if (verdict != GATE_OPEN)
			return verdict;
	} while (!take_places(g, &admitted, a->jobs));
	if (counts && a->is_underway)
		gate_demand_note(g, a->priority, a->work_ns, a->now_ns);
	gate_count(g, a->priority, a->jobs, a->work_ns);
	return GATE_OPEN;
}

bool
gate_enter(struct pool_gate *g, unsigned jobs, uint64_t work_ns, uint64_t now_ns)
{
	unsigned threads = atomic_load_explicit(&g->threads, memory_order_relaxed);
	unsigned admitted = atomic_load_explicit(&g->admitted, memory_order_relaxed);

	do {
		if (jobs > threads || admitted > threads - jobs)
			return false;
	} while (!take_places(g, &admitted, jobs));
	gate_add(g, &g->running_ns, work_ns);
	atomic_store_explicit(&g->idle_ns, now_ns, memory_order_relaxed);
	return true;
}

/* --- a job's way ------------------------------------------------------------------------- */

void
gate_count(struct pool_gate *g, enum gate_class priority, unsigned jobs, uint64_t work_ns)
{
	struct gate_line *line = line_of(g, priority);

	gate_add(g, &line->work_ns, work_ns);
	gate_count_on(g, &line->jobs, jobs);
}

static void
uncount(struct pool_gate *g, enum gate_class priority, unsigned jobs, uint64_t work_ns)
{
	gate_count(g, priority, -jobs, -work_ns);
}

void
gate_release(struct pool_gate *g, enum gate_class priority, unsigned jobs, uint64_t work_ns)
{
	ASSERT(atomic_load_explicit(&g->admitted, memory_order_relaxed) >= jobs);
	gate_count_on(g, &g->admitted, -jobs);
	uncount(g, priority, jobs, work_ns);
	gate_demand_return(g, priority, work_ns);
}

void
gate_submitted(struct pool_gate *g, struct gate_job *j)
{
	unsigned admitted = atomic_load_explicit(&g->admitted, memory_order_relaxed);

	j->has_thread = gate_busy(g, admitted) <= gate_threads_of(g);
	gate_count_on(g, &g->waiting, 1);
}

/* First come, first served knows no classes. */
static struct edf *
place_of(struct pool_gate *g, struct gate_job *j)
{
	struct gate_queue *queue = j->queue ? j->queue : &g->queue;

	return &queue->line[g->order == ORDER_FIFO ? 0 : j->priority];
}

/* First come, first served: all have the same deadline. */
void
gate_file(struct pool_gate *g, struct gate_job *j)
{
	j->node.deadline_ns = g->order == ORDER_FIFO ? 0 : j->deadline_ns;
	edf_insert(place_of(g, j), &j->node);
}

void
gate_remove(struct pool_gate *g, struct gate_job *j)
{
	edf_remove(place_of(g, j), &j->node);
	uncount(g, j->priority, 1, j->node.work_ns);
	gate_count_on(g, &g->waiting, -1u);
}

static struct gate_job *
job_of(struct edf_node *n)
{
	return CONTAINER_OF(n, struct gate_job, node);
}

struct gate_job *
gate_first(const struct gate_queue *q)
{
	struct edf_node *first = NULL;

	for (unsigned i = 0; i < CLASSES && !first; i++)
		first = edf_first(&q->line[i]);
	return first ? job_of(first) : NULL;
}

struct gate_job *
gate_take(struct pool_gate *g)
{
	struct gate_job *first = gate_first(&g->queue);

	if (first)
		gate_remove(g, first);
	return first;
}

struct gate_job *
gate_spare(const struct gate_queue *q, enum gate_class priority)
{
	for (unsigned i = CLASSES; i-- > (unsigned)priority + 1;) {
		struct edf_node *last = edf_last(&q->line[i]);
		if (last)
			return job_of(last);
	}
	return NULL;
}

bool
gate_is_hopeless(const struct pool_gate *g, const struct gate_job *j, uint64_t now_ns)
{
	uint64_t expected = gate_expect(g, j->cost, j->units);

	return g->order == ORDER_ADAPTIVE && !j->has_thread &&
	       clock_after(now_ns, expected) > j->deadline_ns &&
	       clock_after(j->submitted_ns, expected) <= j->deadline_ns;
}

void
gate_start(struct pool_gate *g, const struct gate_job *j)
{
	gate_add(g, &g->running_ns, j->node.work_ns);
}

void
gate_lose(struct pool_gate *g, struct gate_job *j)
{
	gate_add(g, &g->running_ns, -j->node.work_ns);
	j->node.work_ns = 0;
}

void
gate_replace(struct pool_gate *g, unsigned jobs)
{
	gate_count_on(g, &g->replaced, jobs);
}

void
gate_skip(struct pool_gate *g, const struct gate_job *j)
{
	uncount(g, j->priority, 1, j->node.work_ns);
	gate_start(g, j);
}

void
gate_return(struct pool_gate *g, const struct gate_job *j)
{
	gate_add(g, &g->running_ns, -j->node.work_ns);
	gate_count(g, j->priority, 1, j->node.work_ns);
}

void
gate_end(struct pool_gate *g, const struct gate_job *j, uint64_t now_ns, uint64_t took_ns,
	 enum cost_run how)
{
	gate_add(g, &g->running_ns, -j->node.work_ns);
	cost_learn(&g->mix, took_ns, how);
	if (j->cost)
		cost_learn_units(j->cost, j->units, took_ns, how);
	if (atomic_load_explicit(&g->waiting, memory_order_relaxed) == 0)
		atomic_store_explicit(&g->idle_ns, now_ns, memory_order_relaxed);
}

void
gate_leave(struct pool_gate *g)
{
	gate_count_on(g, &g->admitted, -1u);
}

uint64_t
gate_drain_ns(const struct pool_gate *g)
{
	struct ahead all = gate_ahead_at_most(g, CLASSES - 1);
	uint64_t running = atomic_load_explicit(&g->running_ns, memory_order_relaxed);

	return (all.work_ns + running) / gate_threads_of(g);
}
