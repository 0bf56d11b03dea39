/*
 * What a station will do: the numbers of `forebayctl plan`. Of the ways to know
 * it takes the first that holds:
 *
 *   load >= 1, no bound              none: there are no waits to tell, only what must be refused
 *   threads that share processors    simulation with a fixed seed
 *   fan 1, no bound                  Erlang C, or bursts.h; corrected for another cv, or for
 *                                    arrivals that are more even
 *   cv 1, dispersion 1               the exact long run (crowd.h, batch.h)
 *   else                             simulation
 *
 * Pure but for the heap; a forecast owns what it was reckoned from until
 * forecast_fini.
 */
#ifndef FOREBAY_PLANNER_FORECAST_H
#define FOREBAY_PLANNER_FORECAST_H

#include "planner/curve.h"
#include "planner/simulation.h"
#include "planner/station.h"

enum forecast_way {
	FORECAST_NONE,
	FORECAST_ERLANG,
	FORECAST_CORRECTED,
	FORECAST_EXACT,
	FORECAST_SIMULATED,
};

struct forecast {
	struct station station;
	enum forecast_way way; /* NONE: the waits and responses below mean nothing */
	double utilization; /* of the servers, with what is taken */
	double p_wait; /* share of the taken jobs that wait; 1 where all do in the end */
	double mean_wait_s, p99_wait_s; /* of a taken job */
	double mean_response_s, p99_response_s; /* of a taken request: all its jobs */
	double p_block; /* share of the requests that finds no room */
	double throughput; /* requests a second */
	double shed; /* share of the requests that must be refused */
	double decay; /* of the wait, per second: closed forms */
	struct curve wait, response; /* EXACT */
	struct simulation *simulation; /* SIMULATED */
};

/* ERR_ARGUMENT: no request ever fits; ERR_TOO_LARGE: there is no formula, and it cannot be
 * simulated in a few seconds; ERR_MEMORY. Fini only after 0. */
int forecast_init(struct forecast *f, const struct station *s) MUST_CHECK;
void forecast_fini(struct forecast *f);

/* Percentiles, in seconds; p in (0, 1). Not for NONE, where they are INFINITY. */
double forecast_wait(const struct forecast *f, double p);
double forecast_response(const struct forecast *f, double p);
/* The share of the taken requests that takes longer than t seconds. */
double forecast_late(const struct forecast *f, double t);

#endif
