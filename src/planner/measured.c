/*
 * Drawing from buckets; see measured.h.
 */
#include "planner/measured.h"

#include "planner/service.h"

#include <math.h>

/* Sum of the times and of their squares, over all. */
struct sums {
	double count, times, squares;
};

static struct sums
sum_up(const struct measured *m, const double *count)
{
	struct sums s = { 0 };
	double low = 0;

	for (unsigned i = 0; i < m->buckets; i++) {
		double high = m->end[i];

		s.count += count[i];
		s.times += count[i] * (low + high) / 2;
		s.squares += count[i] * (low * low + low * high + high * high) / 3;
		low = high;
	}
	return s;
}

int
measured_init(struct measured *m, const double *bound, const double *count, unsigned buckets,
	      double mean_s)
{
	struct sums s;
	double seen, below = 0;

	*m = (struct measured){ .buckets = buckets };
	if (buckets == 0 || buckets > MEASURED_BUCKETS)
		return ERR_ARGUMENT;
	for (unsigned i = 0; i < buckets; i++)
		m->end[i] = isinf(bound[i]) ? 2 * (i > 0 ? bound[i - 1] : 0) : bound[i];
	s = sum_up(m, count);
	if (!(s.times > 0))
		return ERR_ARGUMENT;
	seen = s.times / s.count;
	m->mean_s = mean_s > 0 ? mean_s : seen;
	m->cv = sqrt(fmax(s.squares / s.count / seen / seen - 1, 0));
	for (unsigned i = 0; i < buckets; i++) {
		below += count[i];
		m->below[i] = below / s.count;
		m->end[i] *= m->mean_s / seen;
	}
	m->below[buckets - 1] = 1;
	return 0;
}

double
measured_draw(const struct measured *m, struct random *r)
{
	double share = service_uniform(r);
	unsigned low = 0, high = m->buckets - 1;
	double from, before;

	/* The first bucket up to whose end there are so many. */
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (m->below[middle] < share)
			low = middle + 1;
		else
			high = middle;
	}
	from = low > 0 ? m->end[low - 1] : 0;
	before = low > 0 ? m->below[low - 1] : 0;
	return from + (m->end[low] - from) * (share - before) / (m->below[low] - before);
}
