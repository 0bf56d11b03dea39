/*
 * Promises of the gate: places of jobs that begin when others have ended; see
 * gate.h.
 *
 * A promise keeps no thread busy and stands in no queue. What it will bring is
 * told by rates: promises of a kind that are redeemed after D on average bring
 * work / D each, by Little's law, as long as such requests keep coming. So who
 * asks for one, and will be there after D, will find
 *
 *     W = (what is there now + (what promises bring - the threads) D) / threads
 *
 * before it. That takes them to come evenly. Who is promised a place beside many
 * others comes with them, too: W is at least what they were promised over what
 * the threads do meanwhile, a bucket that leaks as fast as they work (and a little
 * faster: what they really take is in the first sum).
 *
 * What comes without a promise takes only what it finds free: so promises leave
 * room for it, as much as it asks for (gate_demand.c), but no more than half of what
 * the classes above leave. What either does not ask for is the other's.
 *
 * The same is asked of that wait as of any other. How long the others
 * take, and how many promises are never redeemed, because a condition did not
 * hold or a client went away, is learned for each kind and for all together.
 */
#include "thread/gate_priv.h"

/* Promises may be so many times as many as the jobs that a pool can hold: a ceiling for what is
 * expected to take no time at all. */
enum { PROMISES_A_PLACE = 32, ADMITTED_A_PLACE = 4 };

/* The bucket: leaks faster by a 16th, and holds ten seconds. */
enum { BOOK_PARTS = 16, BOOK_MAX_S = 10 };

static uint64_t
delay_of(const struct pool_gate *g, const struct cost *c)
{
	uint64_t own = c ? cost_delay(c) : 0;

	return own ? own : cost_delay(&g->mix);
}

/* One that comes at once is soon counted as a job: it is never more than one thread can do. */
static uint64_t
load_of(uint64_t comes_ns, uint64_t work_ns, uint64_t delay_ns)
{
	uint64_t per = delay_ns > work_ns ? delay_ns : work_ns;

	return per ? (uint64_t)((unsigned __int128)comes_ns * GATE_LOAD_ONE / per) : 0;
}

uint64_t
gate_ask_later(const struct pool_gate *g, struct gate_ask *a, const struct cost *c, uint64_t units,
	       uint64_t deadline_ns, struct gate_promise *p)
{
	uint64_t expected = gate_ask_more(g, a, c, units, deadline_ns);
	uint64_t comes = cost_kept(c ? c : &g->mix, expected), delay = delay_of(g, c);

	a->is_later = true;
	a->is_new |= delay == 0 || expected == 0;
	if (delay > a->delay_ns)
		a->delay_ns = delay;
	*p = (struct gate_promise){ .made_ns = a->now_ns ? a->now_ns : 1 };
	if (delay)
		p->load = load_of(comes, expected, delay);
	a->load += p->load;
	a->comes_ns += comes;
	return expected;
}

/* --- asking ---------------------------------------------------------------------------- */

uint64_t
gate_promised_at_most(const struct pool_gate *g, enum gate_class priority)
{
	uint64_t all = 0;

	for (unsigned i = 0; i <= gate_class_of(g, priority); i++)
		all += atomic_load_explicit(&g->line[i].load, memory_order_relaxed);
	return all;
}

/* Of what comes without a promise: all of higher classes; of its own, half of what those leave. */
static uint64_t
load_beside(const struct pool_gate *g, const struct gate_ask *a, unsigned threads)
{
	enum gate_class class = gate_class_of(g, a->priority);
	uint64_t own = gate_demand_usual(g, class, a->now_ns), above = 0, half;
	uint64_t promised = class > 0 ? gate_promised_at_most(g, class - 1) : 0;

	for (unsigned i = 0; i < class; i++)
		above += gate_demand_usual(g, (enum gate_class)i, a->now_ns);
	half = gate_minus(threads * GATE_LOAD_ONE, above + promised) / 2;
	return above + (own < half ? own : half);
}

static uint64_t
wait_later(const struct pool_gate *g, const struct gate_ask *a, const struct ahead *ahead,
	   unsigned threads)
{
	uint64_t running = atomic_load_explicit(&g->running_ns, memory_order_relaxed);
	unsigned __int128 load = gate_promised_at_most(g, a->priority) + load_beside(g, a, threads);
	unsigned __int128 there = ahead->work_ns + running / threads;
	unsigned __int128 work = there + load * a->delay_ns / GATE_LOAD_ONE;
	unsigned __int128 done = (unsigned __int128)threads * a->delay_ns;

	return work > done ? (uint64_t)((work - done) / threads) : 0;
}

/* Of those who come together. */
static uint64_t
wait_booked(const struct pool_gate *g, const struct gate_ask *a)
{
	const struct gate_line *line = &g->line[gate_class_of(g, a->priority)];

	return gate_minus(atomic_load_explicit(&line->booked_ns, memory_order_relaxed), a->now_ns);
}

static void
book_in(_Atomic uint64_t *bucket, uint64_t now_ns, uint64_t more_ns)
{
	const uint64_t most = BOOK_MAX_S * CLOCK_SEC;
	uint64_t booked = atomic_load_explicit(bucket, memory_order_relaxed), next;

	do {
		uint64_t all = gate_minus(booked, now_ns) + more_ns;
		next = now_ns + (all < most ? all : most);
	} while (!atomic_compare_exchange_weak_explicit(bucket, &booked, next, memory_order_relaxed,
							memory_order_relaxed));
}

/* It is before those of lower classes, too. */
static void
book(struct pool_gate *g, const struct gate_ask *a)
{
	uint64_t each = a->comes_ns / gate_threads_of(g);

	each -= each / (BOOK_PARTS + 1);
	for (unsigned i = gate_class_of(g, a->priority); i < CLASSES; i++)
		book_in(&g->line[i].booked_ns, a->now_ns, each);
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What comes until then and what is done until then are off their means by about the square root of
 * how many jobs that is: it would be wasteful to refuse for it. */
static uint64_t
unforeseen(const struct pool_gate *g, uint64_t delay_ns, unsigned threads)
{
	uint64_t mean = cost_mean(&g->mix), jobs = mean ? delay_ns / mean * threads : 0;

	return gate_margin(0, mean, jobs < UINT32_MAX ? (unsigned)jobs : UINT32_MAX, threads) / 2;
}

/* max_queue bounds them by what they will find, as it bounds others by what is there. */
static uint64_t
wait_of_full_queue(const struct pool_gate *g, unsigned threads)
{
	uint64_t most = atomic_load_explicit(&g->max_queue, memory_order_relaxed);

	return most * cost_mean(&g->mix) / threads;
}

static enum gate_verdict
judge(const struct pool_gate *g, const struct gate_ask *a)
{
	unsigned threads = gate_threads_of(g);
	struct ahead ahead = gate_ahead_at_most(g, gate_class_of(g, a->priority));
	uint64_t max_wait = atomic_load_explicit(&g->max_wait_ns, memory_order_relaxed);
	uint64_t idle = atomic_load_explicit(&g->idle_ns, memory_order_relaxed);
	uint64_t later = wait_later(g, a, &ahead, threads);
	uint64_t wait = larger(later, wait_booked(g, a));
	uint64_t takes = gate_takes(a, threads);
	uint64_t left =
	    a->deadline_ns == CLOCK_NEVER ? CLOCK_NEVER : gate_minus(a->deadline_ns, a->now_ns);
	uint64_t then = left == CLOCK_NEVER ? left : gate_minus(left, a->delay_ns);
	uint64_t horizon = max_wait && max_wait < then ? max_wait : then, standing;

	if (then != CLOCK_NEVER &&
	    wait + takes + gate_margin(a->dev_ns, cost_dev(&g->mix), ahead.jobs + 1, threads) >
		then)
		return GATE_WAIT;
	if (max_wait && wait > max_wait)
		return GATE_WAIT;
	if (wait > wait_of_full_queue(g, threads) + unforeseen(g, a->delay_ns, threads))
		return GATE_FULL;
	if (g->order == ORDER_FIFO)
		return GATE_OPEN;
	/* That a thread is idle now says nothing of then. */
	standing = gate_minus(a->now_ns, idle) > horizon / 2 ? wait : later;
	return standing > gate_standing_limit(g, horizon, ahead.jobs,
					      gate_load_at_most(g, a->priority, a->now_ns)) +
			      unforeseen(g, a->delay_ns, threads)
		   ? GATE_STANDING
		   : GATE_OPEN;
}

/* As long as nothing is known of when such jobs come, their promises are held to the places that
 * there are. Threads that nobody has a claim to are for whoever asks, as in gate.c. */
static enum gate_verdict
judge_promise(struct pool_gate *g, const struct gate_ask *a, unsigned promised)
{
	unsigned threads = atomic_load_explicit(&g->threads, memory_order_relaxed);
	unsigned capacity = threads + atomic_load_explicit(&g->max_queue, memory_order_relaxed);
	unsigned admitted = atomic_load_explicit(&g->admitted, memory_order_relaxed);
	unsigned busy = gate_busy(g, admitted);
	uint64_t claims = (uint64_t)busy + promised + a->jobs;

	if (busy < threads)
		atomic_store_explicit(&g->idle_ns, a->now_ns, memory_order_relaxed);
	/* Those that came on top of max_queue, all at once, go first. */
	if (a->jobs > capacity || admitted > (uint64_t)capacity * ADMITTED_A_PLACE ||
	    promised + (uint64_t)a->jobs > (uint64_t)capacity * PROMISES_A_PLACE ||
	    (a->is_new && claims > capacity))
		return GATE_FULL;
	if (a->is_underway || a->is_new || claims <= threads)
		return GATE_OPEN;
	return judge(g, a);
}

enum gate_verdict
gate_promise(struct pool_gate *g, const struct gate_ask *a)
{
	struct gate_line *line = &g->line[gate_class_of(g, a->priority)];
	unsigned promised = atomic_load_explicit(&g->promised, memory_order_relaxed);
	enum gate_verdict verdict;

	do {
		verdict = judge_promise(g, a, promised);
		if (verdict != GATE_OPEN)
			return verdict;
	} while (!atomic_compare_exchange_weak_explicit(&g->promised, &promised, promised + a->jobs,
							memory_order_relaxed,
							memory_order_relaxed));
	gate_add(g, &line->load, a->load);
	book(g, a);
	return GATE_OPEN;
}

/* --- what becomes of it ---------------------------------------------------------------------- */

static void
end_promise(struct pool_gate *g, enum gate_class priority, struct gate_promise *p)
{
	gate_count_on(g, &g->promised, -1u);
	gate_add(g, &g->line[gate_class_of(g, priority)].load, -p->load);
	*p = (struct gate_promise){ .made_ns = 0 };
}

void
gate_redeem(struct pool_gate *g, enum gate_class priority, struct gate_promise *p, struct cost *c,
	    uint64_t now_ns, uint64_t work_ns)
{
	unsigned admitted = atomic_load_explicit(&g->admitted, memory_order_relaxed);
	uint64_t took = gate_minus(now_ns, p->made_ns);

	cost_learn_delay(&g->mix, took);
	if (c)
		cost_learn_delay(c, took);
	end_promise(g, priority, p);
	if (gate_busy(g, admitted) < gate_threads_of(g))
		atomic_store_explicit(&g->idle_ns, now_ns, memory_order_relaxed);
	gate_count_on(g, &g->admitted, 1);
	gate_count(g, priority, 1, work_ns);
}

void
gate_lapse(struct pool_gate *g, enum gate_class priority, struct gate_promise *p, struct cost *c)
{
	cost_learn_lapse(&g->mix);
	if (c)
		cost_learn_lapse(c);
	end_promise(g, priority, p);
}
