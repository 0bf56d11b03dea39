/*
 * Service times as they were measured: a histogram, from which a simulation draws
 * and whose mean and coefficient of variation the formulas take. Within a bucket
 * times are spread evenly; the last, if it has no bound, ends at twice the one
 * before it. Pure.
 */
#ifndef FOREBAY_PLANNER_MEASURED_H
#define FOREBAY_PLANNER_MEASURED_H

#include "base/err.h"
#include "base/random.h"

enum { MEASURED_BUCKETS = 256 };

struct measured {
	double end[MEASURED_BUCKETS]; /* seconds; a bucket begins where the one before ends, at 0 */
	double below[MEASURED_BUCKETS]; /* share of the times up to that end; of the last: 1 */
	unsigned buckets;
	double mean_s, cv;
};

/*
 * bound[i] is the upper end of bucket i, growing, the last may be INFINITY. mean_s > 0: it is known
 * better than buckets tell it, and all are scaled to it. ERR_ARGUMENT: there are no counts, none
 * above 0 s, or too many buckets.
 */
int measured_init(struct measured *m, const double *bound, const double *count, unsigned buckets,
		  double mean_s) MUST_CHECK;
/* One time, in seconds. */
double measured_draw(const struct measured *m, struct random *r);

#endif
