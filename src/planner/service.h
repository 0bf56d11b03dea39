/*
 * How long a job runs, given its mean and its coefficient of variation: gamma
 * distributed. One family for all: constant at cv 0, exponential at 1, and with
 * more weight on the short and the very long ones above. Pure, for any thread.
 */
#ifndef FOREBAY_PLANNER_SERVICE_H
#define FOREBAY_PLANNER_SERVICE_H

#include "base/random.h"

/* P(it runs longer than t means). */
double service_over(double cv, double t);
/* The share p of jobs runs at most that many means. */
double service_percentile(double cv, double p);
/* One job, in means. */
double service_draw(double cv, struct random *r);

/* Uniform in (0, 1]. */
double service_uniform(struct random *r);
/* Exponential with mean 1: between two arrivals. */
double service_gap(struct random *r);

#endif
