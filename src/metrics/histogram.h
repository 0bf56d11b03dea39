/*
 * Histograms of durations with fixed bounds, written by one thread, read by
 * any. The bounds suit answers from a tenth of a millisecond to a minute.
 */
#ifndef FOREBAY_METRICS_HISTOGRAM_H
#define FOREBAY_METRICS_HISTOGRAM_H

#include "metrics/counters.h"

enum { HISTOGRAM_BUCKETS = 20 }; /* the last is unbounded */

struct histogram {
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS]; /* not cumulative */
	_Atomic uint64_t sum_ns;
};

/* What several threads measured, added up by whoever shows it. */
struct histogram_sum {
	uint64_t bucket[HISTOGRAM_BUCKETS]; /* not cumulative */
	uint64_t sum_ns;
};

/* Upper bounds in nanoseconds of all buckets but the last. */
extern const uint64_t histogram_bounds[HISTOGRAM_BUCKETS - 1];

void histogram_add(struct histogram *h, uint64_t ns);
/* Adds h, which its thread may be writing, to the sum. */
void histogram_sum_add(struct histogram_sum *s, const struct histogram *h);
/* How many durations there are in it. */
uint64_t histogram_sum_count(const struct histogram_sum *s);

#endif
