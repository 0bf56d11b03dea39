/*
 * Searches over forecasts; see advice.h. All are bisections: the response falls
 * with servers and grows with the rate.
 */
#include "planner/advice.h"

#include "planner/service.h"

#include <math.h>

enum { RATE_HALVINGS = 20 };

/* Taken with a wish as the share that may be refused. */
static const double refused_max = 0.01;

bool
advice_holds(const struct forecast *f, const struct advice_wish *wish)
{
	return f->way != FORECAST_NONE && f->shed <= refused_max &&
	       forecast_response(f, wish->slo_p) <= wish->slo_s;
}

static int
check_wish(const struct station *s, const struct advice_wish *wish, bool *holds)
{
	struct forecast f;
	int err = forecast_init(&f, s);

	if (err)
		return err;
	*holds = advice_holds(&f, wish);
	forecast_fini(&f);
	return 0;
}

static int
check_servers(const struct station *s, const struct advice_wish *wish, unsigned servers,
	      bool *holds)
{
	struct station tried = *s;

	int err;

	tried.servers = servers;
	tried.threads = 0;
	tried.is_bounded = false;
	err = check_wish(&tried, wish, holds);
	if (err != ERR_TOO_LARGE)
		return err;
	*holds = false;
	return 0;
}

/* Whether the jobs of a request, each on a server of its own, are within the wish. */
static bool
can_hold(const struct station *s, const struct advice_wish *wish)
{
	double each = pow(wish->slo_p, 1.0 / s->fan);

	return service_percentile(s->cv, each) * s->service_s < wish->slo_s;
}

int
advice_servers(const struct station *s, const struct advice_wish *wish, unsigned most,
	       unsigned *servers)
{
	double work = station_work(s);
	unsigned few, step = 1, many;
	bool holds = false;
	int err = 0;

	*servers = 0;
	if (work >= most || !can_hold(s, wish))
		return 0;
	/* few: too few for sure. Doubling the step finds the range. */
	few = (unsigned)work;
	many = few + 1;
	while (!err) {
		err = check_servers(s, wish, many, &holds);
		if (err || holds || many == most)
			break;
		few = many;
		step *= 2;
		many = most - few > step ? few + step : most;
	}
	if (err || !holds)
		return err;
	while (many - few > 1) {
		unsigned middle = few + (many - few) / 2;

		err = check_servers(s, wish, middle, &holds);
		if (err)
			return err;
		if (holds)
			many = middle;
		else
			few = middle;
	}
	*servers = many;
	return 0;
}

unsigned
advice_slots(const struct station *s, const struct advice_wish *wish)
{
	double within = wish->slo_s;
	double least = s->fan > s->servers ? s->fan - s->servers : 0;
	double slots;

	if (wish->deadline_s > 0 && (within <= 0 || wish->deadline_s < within))
		within = wish->deadline_s;
	slots = floor(s->servers * (within / s->service_s - service_percentile(s->cv, 0.99)));
	if (!(slots > least))
		slots = least;
	return slots < STATION_SLOTS_MAX ? (unsigned)slots : STATION_SLOTS_MAX;
}

int
advice_rate(const struct station *s, const struct advice_wish *wish, double *rate)
{
	struct station tried = *s;
	double low = 0, high = station_capacity(s) * (s->is_bounded ? 1.5 : 1);

	*rate = 0;
	for (int i = 0; i < RATE_HALVINGS; i++) {
		bool holds;
		int err;

		tried.rate = (low + high) / 2;
		err = check_wish(&tried, wish, &holds);
		if (err)
			return err;
		if (holds)
			low = tried.rate;
		else
			high = tried.rate;
	}
	*rate = low;
	return 0;
}
