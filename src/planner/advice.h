/*
 * How many threads and how much queue: what `forebayctl plan --slo` and `advise`
 * recommend, and what rate a station bears. See forecast.h for what they ask.
 */
#ifndef FOREBAY_PLANNER_ADVICE_H
#define FOREBAY_PLANNER_ADVICE_H

#include "planner/forecast.h"

struct advice_wish {
	double slo_s; /* > 0: what the response may take ... */
	double slo_p; /* ... for that share of the requests, in (0, 1) */
	double deadline_s; /* 0: none */
};

/* Whether what is forecast is within the wish, with at most one in a hundred refused. */
bool advice_holds(const struct forecast *f, const struct advice_wish *wish);

/*
 * The least number of servers, at most `most`, with which the response is within the wish while
 * nothing bounds the queue. *servers is 0 when even `most` are too few. So near to 1 that the
 * forecast is too large counts as too few. Errors else as forecast_init.
 */
int advice_servers(const struct station *s, const struct advice_wish *wish, unsigned most,
		   unsigned *servers) MUST_CHECK;

/*
 * Jobs that may wait: as many as are done while the slowest of a hundred could still run within
 * the wish and the deadline, whichever is shorter. More would be accepted and come too late.
 * 0 when the service alone takes as long as that; at least what a request's own jobs need.
 */
unsigned advice_slots(const struct station *s, const struct advice_wish *wish);

/*
 * The highest rate at which the station, with its bound as it is, answers within the wish and
 * refuses at most one in a hundred; 0: not even a hardly loaded one does. Errors as
 * forecast_init.
 */
int advice_rate(const struct station *s, const struct advice_wish *wish, double *rate) MUST_CHECK;

#endif
