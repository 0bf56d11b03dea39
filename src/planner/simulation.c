/*
 * A station, event by event; see simulation.h. State: the running jobs in a heap
 * by their ends, and the batches that have jobs waiting, in the order of arrival.
 *
 *   arrival -> room for all? -> line -> a place is free: start -> end
 *                 '-> refused                  ^____________________|
 *
 * Ends are told by a clock that all running jobs share: the work that each of them
 * has had. It goes at the speed of time while there is a processor for each.
 * What is refused needs no event of its own where arrivals are random: while there
 * is no room its mean is known. Of those that come in bursts some come together with
 * the one before (bursts.h); gaps of those that come more evenly are gamma distributed.
 */
#include "planner/simulation.h"

#include "base/mem.h"
#include "planner/bursts.h"
#include "planner/measured.h"
#include "planner/service.h"

#include <math.h>
#include <string.h>

enum {
	BATCHES_MAX = 1 << 22,
	MEMORIES = 2, /* of the queue, that a segment must hold at least */
	MEMORIES_FIRST = 5, /* that warm it up */
	NONE = UINT32_MAX,
};

static const double pi = 3.14159265358979323846;
static const double student_t = 2.093; /* 97.5 %, 19 degrees of freedom */
static const double bin_log = 0.01; /* of the width */
static const double bin_first = 1e-7; /* of the mean service; what is less, and 0, is in bin 0 */
/* A load at which nobody can tell whether arrivals are random: there is one at any moment. */
static const double flood = 10;
/* Halves of a run that differ more, by so many deviations and by that share, are no long run. */
static const double halves_deviations = 4.5, halves_share = 0.05;

/* A request that was taken. */
struct batch {
	double since;
	unsigned waiting, unfinished; /* jobs */
	uint32_t next; /* in the line, or of the free ones */
};

struct running {
	double end; /* by the clock of work */
	uint32_t batch;
};

struct segment {
	struct simulation_times wait, response;
	uint64_t taken, waited;
	double refused; /* expected */
	double seconds, busy_s;
};

struct shop {
	const struct station *s;
	struct random random;
	double now, work; /* both begin anew whenever nobody is there */
	double next_arrival; /* INFINITY: not drawn */
	struct running *running; /* [places], a heap: the earliest end first */
	unsigned runs;
	struct batch *batches; /* [room] */
	uint32_t room, free, first, last;
	uint64_t waiting; /* jobs */
	bool fills; /* what starts is already under way */
	double gap_cv; /* 1: arrivals are random, */
	double together; /* but for this share, which come with the one before */
	struct segment *at;
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

/* --- the heap of running jobs -------------------------------------------------------------- */

static void
heap_add(struct shop *f, struct running r)
{
	unsigned i = f->runs++;

	while (i > 0 && f->running[(i - 1) / 2].end > r.end) {
		f->running[i] = f->running[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	f->running[i] = r;
}

static void
heap_take(struct shop *f)
{
	struct running last = f->running[--f->runs];
	unsigned i = 0;

	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= f->runs)
			break;
		if (child + 1 < f->runs && f->running[child + 1].end < f->running[child].end)
			child++;
		if (f->running[child].end >= last.end)
			break;
		f->running[i] = f->running[child];
		i = child;
	}
	f->running[i] = last;
}

/* --- batches --------------------------------------------------------------------------------- */

static void
free_batch(struct shop *f, uint32_t i)
{
	f->batches[i].next = f->free;
	f->free = i;
}

static int
grow_batches(struct shop *f)
{
	uint32_t room = f->room ? f->room * 2 : 1024;
	struct batch *grown;

	if (room > BATCHES_MAX)
		return ERR_TOO_LARGE;
	grown = mem_grow(f->batches, room * sizeof(*grown));
	if (!grown)
		return ERR_MEMORY;
	f->batches = grown;
	while (f->room < room)
		free_batch(f, f->room++);
	return 0;
}

/* Takes one more request, at the end of the line. */
static int
add_batch(struct shop *f)
{
	int err = f->free == NONE ? grow_batches(f) : 0;
	uint32_t i = f->free;

	if (err)
		return err;
	f->free = f->batches[i].next;
	f->batches[i] = (struct batch){ f->now, f->s->fan, f->s->fan, NONE };
	if (f->first == NONE)
		f->first = i;
	else
		f->batches[f->last].next = i;
	f->last = i;
	f->waiting += f->s->fan;
	f->at->taken++;
	return 0;
}

/* --- events ------------------------------------------------------------------------------------
 */

/* Processors for each job that runs. */
static double
speed(const struct shop *f)
{
	return f->runs > f->s->servers ? (double)f->s->servers / f->runs : 1;
}

/* Time goes on; nothing happens until then. */
static void
pass(struct shop *f, double until)
{
	double seconds = until - f->now;

	f->work += seconds * speed(f);
	f->at->seconds += seconds;
	f->at->busy_s += seconds * (f->runs < f->s->servers ? f->runs : f->s->servers);
	f->now = until;
}

static double
draw_service(struct shop *f)
{
	const struct station *s = f->s;
	double takes = s->measured ? measured_draw(s->measured, &f->random)
				   : s->service_s * service_draw(s->cv, &f->random);

	return f->fills ? takes * service_uniform(&f->random) : takes;
}

/* Starts what can start. */
static void
start_jobs(struct shop *f)
{
	while (f->first != NONE && f->runs < station_places(f->s)) {
		struct batch *b = &f->batches[f->first];
		double takes = draw_service(f);

		times_add(&f->at->wait, f->s->service_s, f->now - b->since);
		f->at->waited += f->now > b->since;
		heap_add(f, (struct running){ f->work + takes, f->first });
		f->waiting--;
		if (--b->waiting == 0)
			f->first = b->next;
	}
}

static void
end_first(struct shop *f)
{
	struct running r = f->running[0];
	struct batch *b = &f->batches[r.batch];

	f->work = r.end;
	heap_take(f);
	if (--b->unfinished == 0) {
		times_add(&f->at->response, f->s->service_s, f->now - b->since);
		free_batch(f, r.batch);
	}
	start_jobs(f);
}

static bool
is_full(const struct shop *f)
{
	const struct station *s = f->s;

	return s->is_bounded &&
	       f->waiting + f->runs + s->fan > (uint64_t)station_places(s) + s->slots;
}

static int
arrive(struct shop *f)
{
	int err;

	f->next_arrival = INFINITY;
	if (is_full(f)) {
		f->at->refused++;
		return 0;
	}
	/* Long silence would eat the digits of short jobs. */
	if (f->runs == 0)
		f->now = f->work = 0;
	err = add_batch(f);
	if (!err)
		start_jobs(f);
	return err;
}

static bool
is_random(const struct shop *f)
{
	return f->gap_cv == 1 && f->together == 0;
}

static double
draw_gap(struct shop *f)
{
	if (f->together > 0 && service_uniform(&f->random) <= f->together)
		return 0;
	return service_draw(f->gap_cv, &f->random) / (1 - f->together) / f->s->rate;
}

/* The next thing that happens. */
static int
step(struct shop *f)
{
	double end = f->runs ? f->now + (f->running[0].end - f->work) / speed(f) : INFINITY;

	if (is_full(f) && is_random(f)) {
		f->at->refused += f->s->rate * (end - f->now);
	} else {
		if (isinf(f->next_arrival))
			f->next_arrival = f->now + draw_gap(f);
		if (f->next_arrival < end) {
			pass(f, f->next_arrival);
			return arrive(f);
		}
	}
	pass(f, end);
	end_first(f);
	return 0;
}

static int
run_segment(struct shop *f, uint64_t requests)
{
	int err = 0;

	memset(f->at, 0, sizeof(*f->at));
	while (f->at->taken < requests && !err)
		err = step(f);
	return err;
}

/* --- how long -------------------------------------------------------------------------------- */

/*
 * Jobs after which its queue has forgotten how it began, about.
 *
 * What waits is seen as Brownian motion between 0 and the bound, which with each job moves by the
 * difference of 1 and the load, and spreads by the variances of both. Its relaxation is known:
 * Whitt, "Planning queueing simulations", Management Science 35 (1989) 1341-1366; Linetsky, "On
 * the transition densities for reflected diffusions", Adv. Appl. Prob. 37 (2005) 435-460. What runs
 * is forgotten as the jobs end.
 */
static double
memory_of(const struct station *s)
{
	double spread = s->fan * station_dispersion(s) + s->cv * s->cv;
	double drift = 1 - station_load(s);
	double slots = s->is_bounded ? (double)s->slots + 1 + station_places(s) - s->servers
				     : (double)INFINITY;
	double busy = fmin(station_work(s), s->servers);

	return 1 / (drift * drift / (2 * spread) + spread * pi * pi / (2 * slots * slots)) +
	       busy * (1 + s->cv * s->cv) / 2;
}

uint64_t
simulation_jobs(const struct station *s, uint64_t least, uint64_t most)
{
	double jobs = memory_of(s) * MEMORIES * SIMULATION_SEGMENTS;

	/* Also for what is not a number. */
	if (!(jobs < (double)most))
		return most;
	return jobs > (double)least ? (uint64_t)jobs + 1 : least;
}

/* Requests taken before anything counts: all that were there at the beginning have gone, too. */
static uint64_t
warm_up(const struct station *s, uint64_t requests)
{
	double jobs = MEMORIES_FIRST * memory_of(s);

	if (s->is_bounded && station_load(s) >= 1)
		jobs += (double)station_places(s) + s->slots;
	return (uint64_t)(jobs / s->fan) + requests / SIMULATION_SEGMENTS + 1;
}

/* As it is most of the time. */
static int
fill(struct shop *f)
{
	int err = 0;

	memset(f->at, 0, sizeof(*f->at));
	if (!f->s->is_bounded || station_load(f->s) < 1)
		return 0;
	f->fills = true;
	while (!is_full(f) && !err)
		err = arrive(f);
	f->fills = false;
	return err;
}

/* --- what came of it ----------------------------------------------------------------------------
 */

enum { VALUES = 7 };

static double
ratio(double part, double of)
{
	return of > 0 ? part / of : 0;
}

/* Where more comes than can be done, the refused follow best from what was done. */
static double
refused_share(const struct station *s, const struct segment *g, double busy)
{
	if (station_load(s) >= 1)
		return s->is_bounded ? fmax(1 - busy / station_load(s), 0) : 0;
	return ratio(g->refused, g->refused + (double)g->taken);
}

static void
measure(double values[VALUES], const struct segment *g, const struct station *s)
{
	double jobs = (double)g->wait.count;
	double busy = fmin(ratio(g->busy_s, g->seconds * s->servers), 1);
	const double found[VALUES] = {
		busy,
		refused_share(s, g, busy),
		ratio((double)g->waited, jobs),
		ratio(g->wait.sum_s, jobs),
		times_percentile(&g->wait, s->service_s, 0.99),
		ratio(g->response.sum_s, (double)g->response.count),
		times_percentile(&g->response, s->service_s, 0.99),
	};

	memcpy(values, found, sizeof(found));
}

/* Mean and variance of a row of segments. */
struct spread {
	double mean, variance;
};

static struct spread
spread_of(const double values[][VALUES], int from, int count, int which)
{
	struct spread d = { 0, 0 };

	for (int i = from; i < from + count; i++)
		d.mean += values[i][which];
	d.mean /= count;
	for (int i = from; i < from + count; i++)
		d.variance += pow(values[i][which] - d.mean, 2) / (count - 1);
	/* What is the same in all differs by the last digits alone. */
	if (d.variance < 1e-24 * d.mean * d.mean)
		d.variance = 0;
	return d;
}

static bool
do_halves_agree(const double values[][VALUES])
{
	enum { HALF = SIMULATION_SEGMENTS / 2 };

	for (int i = 0; i < VALUES; i++) {
		struct spread a = spread_of(values, 0, HALF, i);
		struct spread b = spread_of(values, HALF, HALF, i);
		double off = fabs(a.mean - b.mean);

		if (off > halves_deviations * sqrt((a.variance + b.variance) / HALF) &&
		    off > halves_share * fmax(a.mean, b.mean))
			return false;
	}
	return true;
}

static int
conclude(struct simulation *m, const double values[][VALUES])
{
	struct simulation_value *const to[VALUES] = {
		&m->busy,       &m->refused,         &m->p_wait,         &m->mean_wait_s,
		&m->p99_wait_s, &m->mean_response_s, &m->p99_response_s,
	};

	if (!do_halves_agree(values))
		return ERR_TOO_LARGE;
	for (int i = 0; i < VALUES; i++) {
		struct spread d = spread_of(values, 0, SIMULATION_SEGMENTS, i);

		*to[i] = (struct simulation_value){ d.mean, student_t * sqrt(d.variance /
									     SIMULATION_SEGMENTS) };
	}
	m->p99_wait_s.mean = simulation_percentile(m, &m->wait, 0.99);
	m->p99_response_s.mean = simulation_percentile(m, &m->response, 0.99);
	return 0;
}

static int
run_segments(struct shop *f, struct simulation *m, uint64_t requests)
{
	double values[SIMULATION_SEGMENTS][VALUES];
	int err = fill(f);

	if (!err)
		err = run_segment(f, warm_up(f->s, requests));
	for (int i = 0; i < SIMULATION_SEGMENTS && !err; i++) {
		err = run_segment(f, requests / SIMULATION_SEGMENTS);
		m->requests += f->at->taken;
		times_merge(&m->wait, &f->at->wait);
		times_merge(&m->response, &f->at->response);
		measure(values[i], f->at, f->s);
	}
	return err ? err : conclude(m, values);
}

static void
make_arrivals(struct shop *f, double dispersion)
{
	if (dispersion > 1)
		f->together = bursts_together(dispersion);
	else
		f->gap_cv = sqrt(dispersion);
}

static int
check_station(const struct station *s, uint64_t jobs)
{
	if (s->is_bounded && (size_t)station_places(s) + s->slots < s->fan)
		return ERR_ARGUMENT;
	if (!s->is_bounded && station_load(s) >= 1)
		return ERR_SHED;
	return memory_of(s) * MEMORIES * SIMULATION_SEGMENTS > (double)jobs ? ERR_TOO_LARGE : 0;
}

int
simulation_run(struct simulation *m, const struct station *s, uint64_t jobs, uint64_t seed)
{
	struct shop f = { .s = s,
			  .next_arrival = INFINITY,
			  .gap_cv = 1,
			  .free = NONE,
			  .first = NONE,
			  .last = NONE };
	int err = check_station(s, jobs);

	memset(m, 0, sizeof(*m));
	m->unit_s = s->service_s;
	if (err)
		return err;
	random_init(&f.random, seed);
	if (station_load(s) < flood)
		make_arrivals(&f, station_dispersion(s));
	f.running = mem_alloc(station_places(s) * sizeof(*f.running));
	f.at = mem_alloc(sizeof(*f.at));
	err = f.running && f.at ? run_segments(&f, m, jobs / s->fan) : ERR_MEMORY;
	mem_free(&f.at);
	mem_free(&f.batches);
	mem_free(&f.running);
	return err;
}
