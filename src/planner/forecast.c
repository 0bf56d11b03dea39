/*
 * Choosing among the formulas; see forecast.h.
 */
#include "planner/forecast.h"

#include "base/mem.h"
#include "planner/batch.h"
#include "planner/bursts.h"
#include "planner/crowd.h"
#include "planner/erlang.h"
#include "planner/service.h"

#include <math.h>

enum {
	CELLS = 600, /* of a convolution */
	JOBS = 400000, /* of a simulation: as many as make it sure, from these ... */
	JOBS_MAX = 4000000, /* ... to these */
	SEED = 1,
};

/* Whether formulas for exponential jobs that come at random are about it. */
static bool
is_markov(const struct station *s)
{
	return s->cv == 1 && !s->measured && station_dispersion(s) == 1;
}

/* --- no bound, one job a request --------------------------------------------------------- */

/*
 * The mean wait of constant jobs by that of exponential ones: Cosmetatos, "Approximate explicit
 * formulae for the average queueing time in the processes (M/D/r) and (D/M/r)", INFOR 13 (1975)
 * 328-331. It grows without bound as the load falls; the limit there is c/(c+1), for of c constant
 * jobs the first ends after 1/(c+1), of exponential ones after 1/c.
 */
static double
constant_share(double load, double c)
{
	double share = 0.5 * (1 + (1 - load) * (c - 1) * (sqrt(4 + 5 * c) - 2) / (16 * load * c));

	return fmin(share, c / (c + 1));
}

/* The mean wait by that of exponential jobs. Above 1: Lee and Longton (1959). Below: between those
 * of constant and of exponential jobs, by the variance (Kimura, Queueing Systems 17 (1994)
 * 347-382). For one server both are Pollaczek's and Khinchine's, and exact. */
static double
wait_share(const struct station *s)
{
	double square = s->cv * s->cv;

	if (square >= 1)
		return (1 + square) / 2;
	return square + (1 - square) * constant_share(station_load(s), s->servers);
}

/*
 * The same by that of random arrivals, where they are more regular: Kraemer and Langenbach-Belz,
 * "Approximate formulae for the delay in the queueing system GI/G/1", 8th International Teletraffic
 * Congress (1976).
 */
static double
rows_share(const struct station *s)
{
	double arrivals = station_dispersion(s), load = station_load(s);
	double both = arrivals + s->cv * s->cv;

	return both / (1 + s->cv * s->cv) *
	       exp(-2 * (1 - load) * (1 - arrivals) * (1 - arrivals) / (3 * load * both));
}

/*
 * P(W > t) = C e^-(decay t) is exact for M/M/c. For another cv, and arrivals that are more regular
 * than random ones, the mean is corrected, the share that waits is kept, and so the decay is what
 * fits both.
 */
static void
make_rows(struct forecast *f)
{
	const struct station *s = &f->station;
	double idle = (s->servers - station_work(s)) / s->service_s;

	f->p_wait = erlang_c(station_work(s), s->servers);
	f->decay = is_markov(s) ? idle : idle / (wait_share(s) * rows_share(s));
}

/*
 * Bursts of exponential jobs are exact (bursts.h). Another cv adds to the mean wait what it adds
 * to that of single jobs: for one server that is exact, too (Burke, "Delays in single-server
 * queues with batch input", Operations Research 23 (1975) 830-833). With more servers it counts for
 * less: jobs of one burst that find some idle wait for the first of these to end, not for a mean.
 */
static void
make_bursts(struct forecast *f)
{
	const struct station *s = &f->station;
	double work = station_work(s), load = station_load(s);
	struct bursts b = bursts_wait(work, s->servers, station_dispersion(s));
	struct bursts one = bursts_wait(load, 1, station_dispersion(s));
	double single = b.p_wait > 0 ? erlang_c(work, s->servers) / b.p_wait : 0;
	double counts = single * one.p_wait / load;
	double more = (wait_share(s) - 1) * single / (s->servers - work);

	f->p_wait = b.p_wait;
	f->decay = 1 / ((b.mean_wait + more * counts) * s->service_s);
}

static void
make_closed(struct forecast *f)
{
	const struct station *s = &f->station;

	if (station_dispersion(s) > 1)
		make_bursts(f);
	else
		make_rows(f);
	f->mean_wait_s = f->p_wait / f->decay;
	f->mean_response_s = f->mean_wait_s + s->service_s;
	f->way = is_markov(s) ? FORECAST_ERLANG : FORECAST_CORRECTED;
}

/* Of the waits C e^-(decay t), none if C is small enough. */
static double
closed_wait(const struct forecast *f, double p)
{
	double rest = 1 - p;

	return f->p_wait <= rest ? 0 : log(f->p_wait / rest) / f->decay;
}

/*
 * P(W + S > t), S gamma: S is cut into cells, and within one the power of the wait has the mean
 * of an even spread, sinh(x)/x.
 */
static double
convolved_over(const struct forecast *f, double t)
{
	const struct station *s = &f->station;
	double cell = t / CELLS, half = f->decay * cell / 2;
	double spread = half > 1e-8 ? sinh(half) / half : 1;
	double over = 1, sum = 0;

	if (t < s->service_s * 1e-9)
		return 1;
	for (int i = 0; i < CELLS; i++) {
		double next = service_over(s->cv, (i + 1) * cell / s->service_s);

		sum += (over - next) * exp(-f->decay * (CELLS - i - 0.5) * cell);
		over = next;
	}
	return over + f->p_wait * spread * sum;
}

/* A constant service: the wait, and then that. */
static double
shifted_over(const struct forecast *f, double t)
{
	double after = t - f->station.service_s;

	return after < 0 ? 1 : f->p_wait * exp(-f->decay * after);
}

static double
closed_over(const struct forecast *f, double t)
{
	const struct station *s = &f->station;

	if (f->way == FORECAST_ERLANG)
		return erlang_response_over(station_work(s), s->servers, t / s->service_s);
	return s->cv < 0.01 ? shifted_over(f, t) : convolved_over(f, t);
}

/* --- the exact long run ---------------------------------------------------------------------- */

static void
take_crowd(struct forecast *f, const struct crowd *c)
{
	f->p_block = c->refused;
	f->mean_wait_s = curve_mean(&f->wait);
	f->p_wait = f->wait.steps ? f->wait.left[0] : 0;
	f->way = FORECAST_EXACT;
}

static int
make_exact(struct forecast *f)
{
	struct crowd c;
	int err = crowd_init(&c, &f->station);

	if (err)
		return err;
	err = crowd_wait(&c, &f->wait);
	if (!err)
		err = batch_response(&c, &f->response);
	if (!err)
		err = batch_mean(&c, &f->mean_response_s);
	if (!err)
		take_crowd(f, &c);
	crowd_fini(&c);
	return err;
}

/* --- simulation ------------------------------------------------------------------------------ */

static int
make_simulated(struct forecast *f)
{
	struct simulation *m = mem_alloc(sizeof(*m));
	uint64_t jobs = simulation_jobs(&f->station, JOBS, JOBS_MAX);
	int err = m ? simulation_run(m, &f->station, jobs, SEED) : ERR_MEMORY;

	if (err) {
		mem_free(&m);
		return err;
	}
	f->simulation = m;
	f->p_block = m->refused.mean;
	f->p_wait = m->p_wait.mean;
	f->mean_wait_s = m->mean_wait_s.mean;
	f->mean_response_s = m->mean_response_s.mean;
	f->way = FORECAST_SIMULATED;
	return 0;
}

/* --- all ways -------------------------------------------------------------------------------- */

static void
make_none(struct forecast *f)
{
	f->p_wait = 1;
	f->shed = 1 - 1 / station_load(&f->station);
	f->mean_wait_s = f->mean_response_s = INFINITY;
	f->way = FORECAST_NONE;
}

static int
choose(struct forecast *f)
{
	const struct station *s = &f->station;
	int err;

	if (!s->is_bounded && station_load(s) >= 1) {
		make_none(f);
		return 0;
	}
	if (!s->is_bounded && s->fan == 1 && !station_is_shared(s)) {
		make_closed(f);
		return 0;
	}
	if (!is_markov(s) || station_is_shared(s))
		return make_simulated(f);
	err = make_exact(f);
	if (err != ERR_TOO_LARGE)
		return err;
	curve_fini(&f->wait);
	curve_fini(&f->response);
	return make_simulated(f);
}

int
forecast_init(struct forecast *f, const struct station *s)
{
	int err;

	*f = (struct forecast){ .station = *s };
	err = choose(f);
	if (err) {
		forecast_fini(f);
		return err;
	}
	if (f->way != FORECAST_NONE)
		f->shed = f->p_block;
	f->throughput = s->rate * (1 - f->shed);
	f->utilization = fmin(f->throughput / station_capacity(s), 1);
	f->p99_wait_s = forecast_wait(f, 0.99);
	f->p99_response_s = forecast_response(f, 0.99);
	return 0;
}

void
forecast_fini(struct forecast *f)
{
	curve_fini(&f->wait);
	curve_fini(&f->response);
	mem_free(&f->simulation);
}

double
forecast_wait(const struct forecast *f, double p)
{
	switch (f->way) {
	case FORECAST_EXACT:
		return curve_percentile(&f->wait, p);
	case FORECAST_SIMULATED:
		return simulation_percentile(f->simulation, &f->simulation->wait, p);
	case FORECAST_ERLANG:
	case FORECAST_CORRECTED:
		return closed_wait(f, p);
	case FORECAST_NONE:
		break;
	}
	return INFINITY;
}

double
forecast_late(const struct forecast *f, double t)
{
	switch (f->way) {
	case FORECAST_EXACT:
		return curve_over(&f->response, t);
	case FORECAST_SIMULATED:
		return simulation_over(f->simulation, &f->simulation->response, t);
	case FORECAST_ERLANG:
	case FORECAST_CORRECTED:
		return closed_over(f, t);
	case FORECAST_NONE:
		break;
	}
	return 1;
}

static double
late(const void *what, double t)
{
	return forecast_late(what, t);
}

double
forecast_response(const struct forecast *f, double p)
{
	if (f->way == FORECAST_NONE)
		return INFINITY;
	if (f->way == FORECAST_SIMULATED)
		return simulation_percentile(f->simulation, &f->simulation->response, p);
	return curve_invert(late, f, p, f->station.service_s);
}
