/*
 * How long something lasts that is made of steps at the times of a Poisson
 * process: left[n] is the probability that it still lasts after n steps. So are
 * waits and responses of a queue of exponential jobs, once all servers' work is
 * seen as one process (uniformisation: Jensen 1953; Grassmann 1977). All terms
 * are positive, so nothing cancels.
 *
 * A curve owns its steps.
 */
#ifndef FOREBAY_PLANNER_CURVE_H
#define FOREBAY_PLANNER_CURVE_H

#include "base/err.h"

#include <stddef.h>

struct curve {
	double *left; /* owned; falls, and is taken as 0 after the last */
	size_t steps, room;
	double rate; /* steps a second */
};

void curve_init(struct curve *c, double rate);
void curve_fini(struct curve *c);
/* ERR_MEMORY. */
int curve_append(struct curve *c, double left) MUST_CHECK;

/* P(it lasts longer than t seconds). */
double curve_over(const struct curve *c, double t);
/* Its mean, in seconds. */
double curve_mean(const struct curve *c);

/* P(it lasts longer than t) of anything; falls with t, towards 0. */
typedef double (*curve_over_fn)(const void *what, double t);
/* The smallest t with over(what, t) <= 1 - p, to nine digits; `scale` > 0 is where to begin. */
double curve_invert(curve_over_fn over, const void *what, double p, double scale);
/* The same of a curve. */
double curve_percentile(const struct curve *c, double p);

#endif
