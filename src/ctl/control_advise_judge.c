/*
 * What was measured of a pool beside what the model says of it, and what follows
 * if the two agree; see control_advise_priv.h.
 */
#include "base/mem.h"
#include "ctl/control_advise_priv.h"
#include "ctl/quantity.h"
#include "planner/erlang.h"

#include <math.h>
#include <stdio.h>

enum {
	JOBS_MIN = 200, /* fewer tell nothing about waits */
	SIMULATED = 100000, /* to know what chance does: from these ... */
	SIMULATED_MAX = 1000000, /* ... to these */
	SEED = 3,
};

static const double busy = 0.8; /* what threads should be at the most, without --slo */
/* Waking a thread takes time that is in no model: waits below are as good as none. */
static const double wake_s = 0.3e-3, wake_share = 0.02;
/* Arrivals so bursty that no formula for single ones tells anything. */
static const double dispersion_max = 4;

static int
predict(const struct station *s, struct outlook *o)
{
	struct forecast f;
	int err = forecast_init(&f, s);

	if (err)
		return err;
	/* Threads that run, by Little: those that share processors have jobs for longer. */
	*o = (struct outlook){
		.utilization =
		    f.way == FORECAST_NONE
			? 1
			: f.throughput * (f.mean_response_s - f.mean_wait_s) / station_places(s),
		.mean_wait_s = f.mean_wait_s,
		.p99_wait_s = f.p99_wait_s,
		.p99_response_s = f.p99_response_s,
		.refused = f.shed,
	};
	forecast_fini(&f);
	return 0;
}

/* How far the mean wait of so many jobs can be from the true one by chance: as far as that of more,
 * by the root of how many. */
static int
find_chance(const struct pool_study *p, double *chance_s)
{
	uint64_t jobs = simulation_jobs(&p->station, SIMULATED, SIMULATED_MAX);
	struct simulation *m = mem_alloc(sizeof(*m));
	int err = m ? simulation_run(m, &p->station, jobs, SEED) : ERR_MEMORY;

	if (!err)
		*chance_s = m->mean_wait_s.error * sqrt((double)jobs / p->arrived);
	mem_free(&m);
	return err;
}

/* What comes several at a time has the dispersion of what comes in waves, and waits longer. */
static const char *
cause_of(const struct pool_study *p)
{
	if (p->measured.mean_wait_s > p->predicted.mean_wait_s)
		return "jobs come in bursts, or their threads do not get a processor";
	if (p->dispersion > 1)
		return "jobs come in waves rather than several at a time, or are refused by their "
		       "deadlines";
	return "jobs come more evenly than by chance, or are refused by their deadlines";
}

static void
refuse_misfit(struct pool_study *p)
{
	snprintf(p->why, sizeof(p->why), "the model does not fit: %s.", cause_of(p));
}

static int
compare(struct pool_study *p)
{
	double wake = fmax(wake_s, wake_share * p->station.service_s);
	double off = fabs(p->predicted.mean_wait_s - p->measured.mean_wait_s);
	int err = find_chance(p, &p->chance_s);

	if (err)
		return err;
	p->error = p->predicted.mean_wait_s / fmax(p->measured.mean_wait_s, 1e-9) - 1;
	p->fits = off <= fmax(fmax(wake, p->chance_s), ADVISE_ERROR_MAX * p->measured.mean_wait_s);
	if (!p->fits)
		refuse_misfit(p);
	return 0;
}

/* Threads that can run at once. A part of a processor is as good as one while nothing waits. */
static unsigned
usable(const struct pool_study *p, unsigned threads)
{
	double cores = ceil(p->cores);

	return cores > 0 && threads > cores ? (unsigned)cores : threads;
}

/* What is measured of jobs that share processors is as long as their sharing makes it. */
void
control_advise_place(struct pool_study *p, double seconds)
{
	struct station *s = &p->station;
	double done = p->seen->run.total / seconds;

	s->servers = usable(p, s->threads);
	if (station_is_shared(s) && done > 0)
		s->service_s =
		    erlang_service(done, s->servers, s->service_s + p->measured.mean_wait_s);
	s->slots = control_advise_slots(s, p->max_queue, p->max_wait_s);
}

/* Its rate with the threads it has, of which more than there are processors add nothing. */
static double
busy_rate(const struct pool_study *p, const struct station *s)
{
	double part = p->cores > 0 && p->cores < s->servers ? p->cores / s->servers : 1;

	return busy * part * station_capacity(s);
}

/* The recommendation takes no account of the present bound: it is what is to be found. */
static int
recommend(const struct advising *a, struct pool_study *p)
{
	struct station open = p->station;
	int err;

	open.is_bounded = false;
	open.threads = 0;
	p->has_queue = a->wish.slo_s > 0 || a->wish.deadline_s > 0;
	p->threads = (unsigned)floor(station_work(&open) / busy) + 1;
	p->rate_max = busy_rate(p, &open);
	if (a->wish.slo_s > 0) {
		err = advice_servers(&open, &a->wish, STATION_SERVERS_MAX, &p->threads);
		if (!err)
			err = advice_rate(&open, &a->wish, &p->rate_max);
		if (err)
			return err;
	}
	open.servers = p->threads ? usable(p, p->threads) : open.servers;
	if (p->has_queue)
		p->queue = advice_slots(&open, &a->wish);
	return 0;
}

unsigned
control_advise_slots(const struct station *s, double max_queue, double max_wait_s)
{
	if (max_wait_s > 0 && s->service_s > 0)
		max_queue = fmin(max_queue, floor(max_wait_s * s->servers / s->service_s));
	return (unsigned)fmin(max_queue, STATION_SLOTS_MAX);
}

static double
changed(double now, double value, double factor)
{
	return value > 0 ? value : factor > 0 ? now * factor : now;
}

static int
suppose(const struct advising *a, struct pool_study *p)
{
	const struct supposition *w = &a->supposition;
	struct station s = p->station;

	s.rate = changed(s.rate, w->rate, w->rate_factor);
	s.service_s = changed(s.service_s, w->service_s, w->service_factor);
	s.threads = w->threads ? w->threads : station_places(&s);
	s.servers = usable(p, s.threads);
	s.slots = control_advise_slots(&s, w->has_queue ? w->queue : p->max_queue, p->max_wait_s);
	return w->is_given ? predict(&s, &p->supposed) : 0;
}

static int
judge(const struct advising *a, struct pool_study *p)
{
	int err = predict(&p->station, &p->predicted);

	if (err)
		return err;
	if (p->dispersion > dispersion_max) {
		snprintf(
		    p->why, sizeof(p->why),
		    "the model does not fit: jobs come in bursts (dispersion %.2g, random is 1).",
		    p->dispersion);
		return 0;
	}
	err = compare(p);
	if (err || !p->fits)
		return err;
	err = recommend(a, p);
	return err ? err : suppose(a, p);
}

int
control_advise_judge(const struct advising *a, struct pool_study *p)
{
	int err;

	if (p->seen->run.total < JOBS_MIN) {
		snprintf(p->why, sizeof(p->why),
			 "too few jobs: %.0f in %s, and at least %d are needed; see --window.",
			 p->seen->run.total, quantity_show_time(a->seconds).text, JOBS_MIN);
		return 0;
	}
	err = judge(a, p);
	if (err != ERR_TOO_LARGE)
		return err;
	/* One pool that cannot be reckoned does not silence the others. */
	p->fits = false;
	snprintf(p->why, sizeof(p->why),
		 "the load is so near to 1 that waits take longer to settle than can be watched.");
	return 0;
}
