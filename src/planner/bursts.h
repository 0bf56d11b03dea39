/*
 * Jobs that come several at a time: exponential ones for a queue without a bound,
 * in bursts whose sizes are geometric and which themselves come at random. Their
 * dispersion (variance / mean of counts) is the same over any time, and two
 * numbers, it and the rate, say all. Pure, for any thread.
 */
#ifndef FOREBAY_PLANNER_BURSTS_H
#define FOREBAY_PLANNER_BURSTS_H

struct bursts {
	double p_wait; /* share of the jobs that wait */
	double mean_wait; /* of these, in mean service times */
};

/* Exact; `work` as in erlang.h and below `servers`, dispersion >= 1: at 1 it is M/M/c. */
struct bursts bursts_wait(double work, unsigned servers, double dispersion);
/* The share of jobs that come together with the one before them. */
double bursts_together(double dispersion);

#endif
