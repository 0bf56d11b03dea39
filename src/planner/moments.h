/*
 * The spread of times of which a histogram and the mean are known, and that of
 * arrivals in intervals. Pure.
 */
#ifndef FOREBAY_PLANNER_MOMENTS_H
#define FOREBAY_PLANNER_MOMENTS_H

#include <stddef.h>

/*
 * The coefficient of variation, as if times were spread evenly within each bucket, and all
 * then scaled to the mean that was measured. bound[i] is the upper end of bucket i, and the last
 * bucket, which has none, is taken to end at twice the bound before it. What lies in one bucket
 * alone seems to vary as much as the bucket is wide: the guess is rather high. 0 for no counts.
 */
double moments_cv(const double *bound, const double *count, size_t buckets, double mean);
/* The share p lies below it: straight within a bucket. */
double moments_percentile(const double *bound, const double *count, size_t buckets, double p);

/* What came in a row of intervals, which need not be equally long. Begins as zeros. */
struct moments_counts {
	double count, seconds; /* in all of them */
	double weighed; /* sum of count^2 / seconds */
	unsigned intervals;
};

void moments_count(struct moments_counts *m, double count, double seconds);
/* Variance to mean, as if all were equally long: about 1 if what comes is random (Poisson). 1 where
 * nothing can be said. */
double moments_dispersion(const struct moments_counts *m);

#endif
