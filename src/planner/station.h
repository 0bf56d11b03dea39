/*
 * What the planner reckons with: requests that arrive at random, each of one or
 * more jobs, one queue in the order of arrival, and servers that take from it.
 * A pool is one; its threads are the servers as far as there are processors, and
 * more threads share these: all that run are equally slow.
 */
#ifndef FOREBAY_PLANNER_STATION_H
#define FOREBAY_PLANNER_STATION_H

#include <stdbool.h>

enum {
	STATION_SERVERS_MAX = 100000,
	STATION_SLOTS_MAX = 1000000,
	STATION_FAN_MAX = 64,
};

struct measured;

struct station {
	double rate; /* requests a second; > 0 */
	double service_s; /* mean of one job, in seconds; > 0 */
	double cv; /* of one job: standard deviation / mean; 1: exponential, 0: constant */
	unsigned servers; /* >= 1 */
	unsigned fan; /* jobs of a request, which are taken or refused together; >= 1 */
	bool is_bounded;
	unsigned slots; /* jobs that may wait, if bounded */
	unsigned threads; /* jobs that may run at once; below `servers` (0): as many as these */
	/* Of the arrivals: variance / mean of their counts in long intervals. 0 stands for 1,
	 * random (Poisson); less is more regular, more comes several at a time (bursts.h). */
	double dispersion;
	/* Borrowed: service times as measured, which simulations draw; their mean and cv are above.
	 * NULL: gamma distributed. */
	const struct measured *measured;
};

static inline double
station_dispersion(const struct station *s)
{
	return s->dispersion > 0 ? s->dispersion : 1;
}

/* Jobs that may run at once. */
static inline unsigned
station_places(const struct station *s)
{
	return s->threads > s->servers ? s->threads : s->servers;
}

/* Whether jobs that run may have less than a processor each. */
static inline bool
station_is_shared(const struct station *s)
{
	return s->threads > s->servers;
}

/* Erlangs offered: servers that would be busy if there were as many as one likes. */
static inline double
station_work(const struct station *s)
{
	return s->rate * s->fan * s->service_s;
}

/* rho: above 1 the rest must be refused. */
static inline double
station_load(const struct station *s)
{
	return station_work(s) / s->servers;
}

/* Requests a second that its servers can do at the most. */
static inline double
station_capacity(const struct station *s)
{
	return s->servers / (s->fan * s->service_s);
}

#endif
