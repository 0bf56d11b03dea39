/*
 * Durations into buckets; see histogram.h.
 */
#include "metrics/histogram.h"

#include "base/clock.h"

const uint64_t histogram_bounds[HISTOGRAM_BUCKETS - 1] = {
	CLOCK_MS / 10,  CLOCK_MS / 4,   CLOCK_MS / 2,   CLOCK_MS,          CLOCK_MS * 5 / 2,
	CLOCK_MS * 5,   CLOCK_MS * 10,  CLOCK_MS * 25,  CLOCK_MS * 50,     CLOCK_MS * 100,
	CLOCK_MS * 250, CLOCK_MS * 500, CLOCK_SEC,      CLOCK_SEC * 5 / 2, CLOCK_SEC * 5,
	CLOCK_SEC * 10, CLOCK_SEC * 20, CLOCK_SEC * 30, CLOCK_SEC * 60,
};

void
histogram_add(struct histogram *h, uint64_t ns)
{
	unsigned i = 0;

	while (i < HISTOGRAM_BUCKETS - 1 && ns > histogram_bounds[i])
		i++;
	count_word(&h->bucket[i], 1);
	count_word(&h->sum_ns, ns);
}

void
histogram_sum_add(struct histogram_sum *s, const struct histogram *h)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		s->bucket[i] += count_read_word(&h->bucket[i]);
	s->sum_ns += count_read_word(&h->sum_ns);
}

uint64_t
histogram_sum_count(const struct histogram_sum *s)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		count += s->bucket[i];
	return count;
}
