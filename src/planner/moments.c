/*
 * Mean and spread from buckets; see moments.h.
 */
#include "planner/moments.h"

#include <math.h>

struct edges {
	double low, high;
};

static struct edges
edges_of(const double *bound, size_t buckets, size_t i)
{
	double low = i > 0 ? bound[i - 1] : 0;

	return (struct edges){ low, i + 1 < buckets ? bound[i] : 2 * low };
}

double
moments_cv(const double *bound, const double *count, size_t buckets, double mean)
{
	double n = 0, sum = 0, squares = 0, seen;

	for (size_t i = 0; i < buckets; i++) {
		struct edges e = edges_of(bound, buckets, i);

		n += count[i];
		sum += count[i] * (e.low + e.high) / 2;
		squares += count[i] * (e.low * e.low + e.low * e.high + e.high * e.high) / 3;
	}
	if (!(n > 0) || !(mean > 0))
		return 0;
	/* Scaling leaves the ratio of deviation and mean as it is. */
	seen = sum / n;
	return sqrt(fmax(squares / n - seen * seen, 0)) / seen;
}

double
moments_percentile(const double *bound, const double *count, size_t buckets, double p)
{
	double n = 0, below = 0;

	for (size_t i = 0; i < buckets; i++)
		n += count[i];
	for (size_t i = 0; i < buckets; i++) {
		struct edges e = edges_of(bound, buckets, i);

		if (count[i] > 0 && below + count[i] >= p * n)
			return e.low + (e.high - e.low) * (p * n - below) / count[i];
		below += count[i];
	}
	return 0;
}

void
moments_count(struct moments_counts *m, double count, double seconds)
{
	m->count += count;
	m->seconds += seconds;
	m->weighed += count * count / seconds;
	m->intervals++;
}

double
moments_dispersion(const struct moments_counts *m)
{
	double rate = m->count / m->seconds;

	if (m->intervals < 2 || !(m->count > 0))
		return 1;
	/* Pearson's statistic, sum of (count - expected)^2 / expected. */
	return (m->weighed / rate - m->count) / (m->intervals - 1);
}
