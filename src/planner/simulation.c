/*
 * A station, event by event; see simulation.h. State: the ends of running jobs in
 * a heap, and batches that have jobs waiting, in a ring in the order of arrival.
 *
 *   arrival -> room for all? -> ring -> a server is idle: start -> end
 *                 '-> refused                  ^__________________|
 */
#include "planner/simulation.h"

#include "base/mem.h"
#include "planner/service.h"

#include <math.h>
#include <string.h>

enum { RING_MAX = 1 << 22 };

static const double student_t = 2.093; /* 97.5 %, 19 degrees of freedom */
static const double bin_log = 0.01; /* of the width */
static const double bin_first = 1e-7; /* of the mean service; what is less, and 0, is in bin 0 */

struct waiting {
	double since;
	double last_end; /* of its jobs that run or ran */
	unsigned left; /* jobs not started */
};

struct segment {
	struct simulation_times wait, response;
	uint64_t requests, refused, waited;
};

struct shop {
	const struct station *s;
	struct random random;
	double *ends; /* [servers], a heap: the earliest first */
	unsigned running;
	struct waiting *ring;
	size_t room, head, batches; /* room: a power of two */
	uint64_t jobs_waiting;
	struct segment *now;
	double unit_s;
};

/* --- times ---------------------------------------------------------------------------------- */

static void
times_add(struct simulation_times *t, double unit_s, double seconds)
{
	double x = seconds / (unit_s * bin_first);
	double bin = x > 1 ? 1 + log(x) / bin_log : 0;

	t->bin[bin < SIMULATION_BINS ? (size_t)bin : SIMULATION_BINS - 1]++;
	t->count++;
	t->sum_s += seconds;
}

static void
times_merge(struct simulation_times *to, const struct simulation_times *from)
{
	for (unsigned i = 0; i < SIMULATION_BINS; i++)
		to->bin[i] += from->bin[i];
	to->count += from->count;
	to->sum_s += from->sum_s;
}

/* The upper end of a bin is that of bin_log times its number. */
static double
bin_end(double unit_s, double bin)
{
	return bin > 0 ? unit_s * bin_first * exp(bin * bin_log) : 0;
}

static double
times_percentile(const struct simulation_times *t, double unit_s, double p)
{
	double wanted = p * (double)t->count, seen = 0;
	unsigned i = 0;

	if (t->count == 0 || (double)t->bin[0] >= wanted)
		return 0;
	while (i + 1 < SIMULATION_BINS && seen + (double)t->bin[i] < wanted)
		seen += (double)t->bin[i++];
	return bin_end(unit_s, i - 1 + (wanted - seen) / (double)t->bin[i]);
}

double
simulation_percentile(const struct simulation *m, const struct simulation_times *times, double p)
{
	return times_percentile(times, m->unit_s, p);
}

double
simulation_over(const struct simulation *m, const struct simulation_times *times, double t)
{
	uint64_t over = 0;

	for (unsigned i = SIMULATION_BINS; i-- > 0 && bin_end(m->unit_s, i) > t;)
		over += times->bin[i];
	return times->count ? (double)over / (double)times->count : 0;
}

/* --- the heap of ends ------------------------------------------------------------------------- */

static void
ends_add(struct shop *f, double end)
{
	unsigned i = f->running++;

	while (i > 0 && f->ends[(i - 1) / 2] > end) {
		f->ends[i] = f->ends[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	f->ends[i] = end;
}

static void
ends_take(struct shop *f)
{
	double last = f->ends[--f->running];
	unsigned i = 0;

	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= f->running)
			break;
		if (child + 1 < f->running && f->ends[child + 1] < f->ends[child])
			child++;
		if (f->ends[child] >= last)
			break;
		f->ends[i] = f->ends[child];
		i = child;
	}
	f->ends[i] = last;
}

/* --- events -------------------------------------------------------------------------------------
 */

/* Starts what can start. */
static void
start_jobs(struct shop *f, double now)
{
	while (f->batches > 0 && f->running < f->s->servers) {
		struct waiting *b = &f->ring[f->head];
		double end = now + f->unit_s * service_draw(f->s->cv, &f->random);

		times_add(&f->now->wait, f->unit_s, now - b->since);
		f->now->waited += now > b->since;
		if (end > b->last_end)
			b->last_end = end;
		ends_add(f, end);
		f->jobs_waiting--;
		if (--b->left > 0)
			continue;
		times_add(&f->now->response, f->unit_s, b->last_end - b->since);
		f->head = (f->head + 1) & (f->room - 1);
		f->batches--;
	}
}

static int
grow_ring(struct shop *f)
{
	struct waiting *ring;

	if (f->room == RING_MAX)
		return ERR_TOO_LARGE;
	ring = mem_alloc(f->room * 2 * sizeof(*ring));
	if (!ring)
		return ERR_MEMORY;
	for (size_t i = 0; i < f->batches; i++)
		ring[i] = f->ring[(f->head + i) & (f->room - 1)];
	mem_free(&f->ring);
	f->ring = ring;
	f->head = 0;
	f->room *= 2;
	return 0;
}

static int
arrive(struct shop *f, double now)
{
	const struct station *s = f->s;
	uint64_t others = f->jobs_waiting + f->running;
	int err = 0;

	f->now->requests++;
	if (s->is_bounded && others + s->fan > (uint64_t)s->servers + s->slots) {
		f->now->refused++;
		return 0;
	}
	if (f->batches == f->room)
		err = grow_ring(f);
	if (err)
		return err;
	f->ring[(f->head + f->batches++) & (f->room - 1)] =
	    (struct waiting){ .since = now, .left = s->fan };
	f->jobs_waiting += s->fan;
	start_jobs(f, now);
	return 0;
}

static int
run_segment(struct shop *f, uint64_t requests, double *now)
{
	int err = 0;

	for (uint64_t i = 0; i < requests && !err; i++) {
		double next = *now + service_gap(&f->random) / f->s->rate;

		while (f->running > 0 && f->ends[0] <= next) {
			double end = f->ends[0];

			ends_take(f);
			start_jobs(f, end);
		}
		*now = next;
		err = arrive(f, next);
	}
	return err;
}

/* --- what came of it
 * ------------------------------------------------------------------------------- */

/* Sums and squares over the segments, one value after the other. */
struct spread {
	double sum, squares;
};

static void
spread_add(struct spread *d, double value)
{
	d->sum += value;
	d->squares += value * value;
}

static struct simulation_value
spread_value(const struct spread *d)
{
	double n = SIMULATION_SEGMENTS;
	double mean = d->sum / n;
	double variance = (d->squares - n * mean * mean) / (n - 1);

	return (struct simulation_value){ mean, student_t * sqrt(variance > 0 ? variance / n : 0) };
}

enum { VALUES = 6 };

static double
ratio(double part, double of)
{
	return of > 0 ? part / of : 0;
}

static void
measure(struct spread spreads[VALUES], const struct segment *g, double unit_s)
{
	double jobs = (double)g->wait.count;
	const double values[VALUES] = {
		ratio((double)g->refused, (double)g->requests),
		ratio((double)g->waited, jobs),
		ratio(g->wait.sum_s, jobs),
		times_percentile(&g->wait, unit_s, 0.99),
		ratio(g->response.sum_s, (double)g->response.count),
		times_percentile(&g->response, unit_s, 0.99),
	};

	for (int i = 0; i < VALUES; i++)
		spread_add(&spreads[i], values[i]);
}

static void
conclude(struct simulation *m, const struct spread spreads[VALUES])
{
	struct simulation_value *const to[VALUES] = {
		&m->refused,    &m->p_wait,          &m->mean_wait_s,
		&m->p99_wait_s, &m->mean_response_s, &m->p99_response_s,
	};

	for (int i = 0; i < VALUES; i++)
		*to[i] = spread_value(&spreads[i]);
	m->p99_wait_s.mean = simulation_percentile(m, &m->wait, 0.99);
	m->p99_response_s.mean = simulation_percentile(m, &m->response, 0.99);
}

static int
run_segments(struct shop *f, struct simulation *m, uint64_t requests)
{
	struct spread spreads[VALUES] = { { 0 } };
	double now = 0;

	for (int i = 0; i <= SIMULATION_SEGMENTS; i++) {
		int err;

		memset(f->now, 0, sizeof(*f->now));
		err = run_segment(f, requests / SIMULATION_SEGMENTS, &now);
		if (err)
			return err;
		if (i == 0)
			continue;
		m->requests += f->now->requests;
		times_merge(&m->wait, &f->now->wait);
		times_merge(&m->response, &f->now->response);
		measure(spreads, f->now, f->unit_s);
	}
	conclude(m, spreads);
	return 0;
}

static int
check_station(const struct station *s)
{
	if (s->is_bounded)
		return (size_t)s->servers + s->slots < s->fan ? ERR_ARGUMENT : 0;
	return station_load(s) >= 1 ? ERR_SHED : 0;
}

int
simulation_run(struct simulation *m, const struct station *s, uint64_t requests, uint64_t seed)
{
	struct shop f = { .s = s, .room = 1024, .unit_s = s->service_s };
	int err = check_station(s);

	memset(m, 0, sizeof(*m));
	m->unit_s = s->service_s;
	if (err)
		return err;
	random_init(&f.random, seed);
	f.ends = mem_alloc(s->servers * sizeof(*f.ends));
	f.ring = mem_alloc(f.room * sizeof(*f.ring));
	f.now = mem_alloc(sizeof(*f.now));
	err = f.ends && f.ring && f.now ? run_segments(&f, m, requests) : ERR_MEMORY;
	mem_free(&f.now);
	mem_free(&f.ring);
	mem_free(&f.ends);
	return err;
}
