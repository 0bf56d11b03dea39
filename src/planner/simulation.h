/*
 * A discrete-event run of a station: every arrival, start and end, with the very
 * number of jobs in it. The last word where no formula is exact, and the check
 * of those that are. The same seed gives the same run on every machine with the
 * same libm. About a million jobs take a third of a second, however many are
 * refused beside them.
 *
 * Overloaded and bounded it begins full, else empty. The run is cut into segments
 * after one that warms it up; from their spread come the errors, half the width
 * of an interval that holds the true value 95 times in 100 (batch means; Student's
 * t). A queue forgets slowly where the load is near to 1: what needs more jobs
 * than it was given, or goes on changing, is no long run, and said so.
 */
#ifndef FOREBAY_PLANNER_SIMULATION_H
#define FOREBAY_PLANNER_SIMULATION_H

#include "base/err.h"
#include "planner/station.h"

#include <stdint.h>

enum {
	SIMULATION_SEGMENTS = 20,
	SIMULATION_BINS = 3200, /* one percent wide each */
};

struct simulation_value {
	double mean, error; /* error: half width, 95 % */
};

/* How often what lasted how long. */
struct simulation_times {
	uint64_t bin[SIMULATION_BINS];
	uint64_t count;
	double sum_s;
};

struct simulation {
	uint64_t requests; /* taken in the segments */
	struct simulation_value busy; /* share of the servers */
	struct simulation_value refused; /* share of the requests */
	struct simulation_value p_wait, mean_wait_s, p99_wait_s; /* of jobs */
	struct simulation_value mean_response_s, p99_response_s; /* of requests */
	struct simulation_times wait, response; /* of all segments */
	double unit_s; /* of the bins */
};

/* Jobs that a run of it should be given: no fewer than `least`, no more than `most`. */
uint64_t simulation_jobs(const struct station *s, uint64_t least, uint64_t most);

/* `jobs` are taken in all segments, at least 1000. ERR_SHED and ERR_ARGUMENT as crowd_init;
 * ERR_TOO_LARGE: it cannot be simulated in so many; ERR_MEMORY. */
int simulation_run(struct simulation *m, const struct station *s, uint64_t jobs,
		   uint64_t seed) MUST_CHECK;
/* The share that lasted longer than t seconds, to the width of a bin. */
double simulation_over(const struct simulation *m, const struct simulation_times *times, double t);
double simulation_percentile(const struct simulation *m, const struct simulation_times *times,
			     double p);

#endif
