/*
 * The long run of a station by level crossing; see crowd.h.
 * Source: Nelson, Towsley, Tantawi, "Performance Analysis of Parallel Processing
 * Systems", IEEE TSE 14(4) (1988) 532-540; for fan = 1 Kleinrock I, 3.5.
 */
#include "planner/crowd.h"

#include "base/mem.h"

#include <math.h>
#include <stdint.h>

enum { STATES_MAX = 1 << 22 };

/* Shares are weights until their sum is known: a weight above this shrinks all before it. */
static const double weight_max = 1e250;
/* What may be missing beyond the last state of an unbounded queue. */
static const double tail_max = 1e-15;

struct growth {
	double *weight;
	size_t count, room;
	size_t first; /* all before it have shrunk to 0 */
	double sum;
};

static int
grow(struct growth *g, double weight)
{
	if (g->count == g->room) {
		size_t room = g->room * 2;
		double *grown = mem_grow(g->weight, room * sizeof(*grown));

		if (!grown)
			return ERR_MEMORY;
		g->weight = grown;
		g->room = room;
	}
	g->weight[g->count++] = weight;
	g->sum += weight;
	return 0;
}

/* A weight that is nothing beside the last becomes 0, so that it need not be looked at again. */
static void
shrink(struct growth *g)
{
	for (size_t n = g->first; n < g->count; n++) {
		g->weight[n] = g->weight[n] < 1 ? 0 : g->weight[n] / weight_max;
		if (g->weight[n] == 0 && n == g->first)
			g->first++;
	}
	g->sum /= weight_max;
}

/*
 * As often as the number rises above n, it falls from n + 1 to n: min(n + 1, c) p(n + 1) / T =
 * rate (p(n) + ... + p(n + 1 - k)), of which those count in which a batch is taken.
 */
static double
next_weight(const struct station *s, const struct growth *g, size_t found)
{
	size_t next = g->count;
	size_t from = next > s->fan ? next - s->fan : 0;
	size_t to = next < found ? next : found;
	double sum = 0;

	for (size_t n = from; n < to; n++)
		sum += g->weight[n];
	return s->rate * s->service_s * sum / (double)(next < s->servers ? next : s->servers);
}

/* Whether what comes after is nothing beside the sum: by now each is less than the one before
 * by the same factor. */
static bool
is_spent(const struct station *s, const struct growth *g)
{
	double last, before;

	if (g->count < (size_t)s->servers + 2 * (size_t)s->fan)
		return false;
	last = g->weight[g->count - 1];
	before = g->weight[g->count - 2];
	return last < before && last * before / (before - last) <= tail_max * g->sum;
}

static int
grow_all(struct growth *g, const struct station *s, size_t last, size_t found)
{
	int err = grow(g, 1);

	while (!err && g->count <= last) {
		if (!s->is_bounded && is_spent(s, g))
			return 0;
		if (g->count == STATES_MAX)
			return ERR_TOO_LARGE;
		if (g->weight[g->count - 1] > weight_max)
			shrink(g);
		err = grow(g, next_weight(s, g, found));
	}
	return err;
}

static int
check_station(const struct station *s)
{
	if (s->is_bounded)
		return (size_t)s->servers + s->slots < s->fan ? ERR_ARGUMENT : 0;
	return station_load(s) >= 1 ? ERR_SHED : 0;
}

int
crowd_init(struct crowd *c, const struct station *s)
{
	size_t last = s->is_bounded ? (size_t)s->servers + s->slots : SIZE_MAX - 1;
	size_t found = s->is_bounded ? last - s->fan + 1 : SIZE_MAX;
	struct growth g = { .room = 256 };
	int err = check_station(s);

	*c = (struct crowd){ .station = *s };
	if (err)
		return err;
	g.weight = mem_alloc(g.room * sizeof(*g.weight));
	err = g.weight ? grow_all(&g, s, last, found) : ERR_MEMORY;
	if (err) {
		mem_free(&g.weight);
		return err;
	}
	c->share = g.weight;
	c->states = g.count;
	c->found = found < g.count ? found : g.count;
	for (size_t n = 0; n < g.count; n++) {
		g.weight[n] /= g.sum;
		c->refused += n >= found ? g.weight[n] : 0;
	}
	return 0;
}

void
crowd_fini(struct crowd *c)
{
	mem_free(&c->share);
	c->states = c->found = 0;
}

double
crowd_found(const struct crowd *c, size_t n)
{
	return n < c->found ? c->share[n] / (1 - c->refused) : 0;
}

/* The share of jobs that have n others before them: each of a batch sees one more. */
static double
found_by_job(const struct crowd *c, size_t n)
{
	double sum = 0;

	for (unsigned i = 0; i < c->station.fan && i <= n; i++)
		sum += crowd_found(c, n - i);
	return sum / c->station.fan;
}

/* A job with c + j before it waits until j + 1 are done, and all c servers work at it. */
int
crowd_wait(const struct crowd *c, struct curve *wait)
{
	const struct station *s = &c->station;
	size_t end = c->found + s->fan - 1;
	size_t steps = end > s->servers ? end - s->servers : 0;
	double sum = 0;

	curve_init(wait, s->servers / s->service_s);
	for (size_t j = 0; j < steps; j++) {
		if (curve_append(wait, found_by_job(c, s->servers + j)) != 0)
			return ERR_MEMORY;
	}
	for (size_t j = steps; j-- > 0;) {
		sum += wait->left[j];
		wait->left[j] = sum;
	}
	return 0;
}
