/*
 * The spread of times of which a histogram and the mean are known. Pure.
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

#endif
