/*
 * The response of a batch as an absorbing chain; see batch.h. A batch that finds
 * a others is (a, k): others before it, and its own jobs that are left. Of
 * servers c the others hold min(a, c), and its own min(b, c - a) when a < c.
 * While a >= c it only moves to (a - 1, k), at each step of rate c/T.
 * Source: Nelson, Towsley, Tantawi (1988), as in crowd.c.
 */
#include "planner/batch.h"

#include "base/mem.h"

#include <stdint.h>

/* Where the rest of a curve is nothing beside what a percentile asks. */
static const double left_min = 1e-11;
/* Additions and multiplications: a quarter of a second. */
static const double effort_max = 2.5e8;
/* Steps for each server, of which each goes on with 1 - 1/c, until no more than that is left. */
static const double steps_each = 25;

static double
own_servers(unsigned servers, unsigned others, unsigned own)
{
	unsigned idle = servers - others;

	return own < idle ? own : idle;
}

/* --- the curve ---------------------------------------------------------------------------- */

struct chain {
	const struct crowd *crowd;
	unsigned servers, fan;
	double *left; /* [fan][servers]: P(not done after n steps) from (a, b), at b - 1 */
	struct curve full; /* after n steps from (servers - 1, fan): the first with a free server */
	size_t queued; /* states with a >= servers that can be found */
	double effort;
};

static double *
row(const struct chain *h, unsigned own)
{
	return &h->left[(size_t)(own - 1) * h->servers];
}

/* One more step. What is read from a place is still that of the step before: b and a fall. */
static void
step(struct chain *h)
{
	double c = h->servers, each = 1 / c;

	for (unsigned b = h->fan; b > 0; b--) {
		double *here = row(h, b);
		const double *fewer = b > 1 ? row(h, b - 1) : NULL;

		for (unsigned a = h->servers; a-- > 0;) {
			double own = own_servers(h->servers, a, b);
			double after = (c - a - own) * here[a];

			if (a > 0)
				after += a * here[a - 1];
			if (fewer)
				after += own * fewer[a];
			here[a] = after * each;
		}
	}
	h->effort += (double)h->servers * h->fan;
}

/* From all that a batch may find. `beyond`: the share that finds c + n or more, which cannot have
 * begun after n steps. */
static double
sum_left(struct chain *h, size_t n, double beyond)
{
	const double *left = row(h, h->fan);
	size_t begun = n < h->queued ? n : h->queued;
	double sum = beyond;

	for (unsigned a = 0; a < h->servers; a++)
		sum += crowd_found(h->crowd, a) * left[a];
	for (size_t j = 0; j < begun; j++)
		sum += crowd_found(h->crowd, h->servers + j) * h->full.left[n - j - 1];
	h->effort += (double)begun;
	return sum;
}

static int
walk(struct chain *h, struct curve *response)
{
	double beyond = 0, left = 1;

	for (size_t j = h->queued; j-- > 0;)
		beyond += crowd_found(h->crowd, h->servers + j);
	for (size_t n = 0; left > left_min; n++) {
		left = sum_left(h, n, beyond > 0 ? beyond : 0);
		if (curve_append(response, left) != 0 ||
		    curve_append(&h->full, row(h, h->fan)[h->servers - 1]) != 0)
			return ERR_MEMORY;
		if (h->effort > effort_max)
			return ERR_TOO_LARGE;
		beyond = n + 1 < h->queued ? beyond - crowd_found(h->crowd, h->servers + n) : 0;
		step(h);
	}
	return 0;
}

static int
walk_batch(const struct crowd *c, struct curve *response)
{
	const struct station *s = &c->station;
	size_t places = (size_t)s->servers * s->fan;
	struct chain h = { .crowd = c, .servers = s->servers, .fan = s->fan };
	int err;

	if (steps_each * s->servers * (double)places > effort_max)
		return ERR_TOO_LARGE;
	h.queued = c->found > s->servers ? c->found - s->servers : 0;
	curve_init(&h.full, response->rate);
	h.left = mem_alloc(places * sizeof(*h.left));
	for (size_t i = 0; h.left && i < places; i++)
		h.left[i] = 1;
	err = h.left ? walk(&h, response) : ERR_MEMORY;
	curve_fini(&h.full);
	mem_free(&h.left);
	return err;
}

/* One job alone: once it has begun, each step ends it with probability 1/c. */
static int
walk_single(const struct crowd *c, struct curve *response)
{
	unsigned servers = c->station.servers;
	size_t queued = c->found > servers ? c->found - servers : 0;
	double stays = 1 - 1.0 / servers;
	double running = 0, waiting = 0, left = 1;

	for (size_t a = 0; a < servers; a++)
		running += crowd_found(c, a);
	for (size_t j = queued; j-- > 0;)
		waiting += crowd_found(c, servers + j);
	for (size_t n = 0; left > left_min; n++) {
		double begins = n < queued ? crowd_found(c, servers + n) : 0;

		left = running + (waiting > 0 ? waiting : 0);
		if (curve_append(response, left) != 0)
			return ERR_MEMORY;
		running = stays * running + begins;
		waiting = n + 1 < queued ? waiting - begins : 0;
	}
	return 0;
}

int
batch_response(const struct crowd *c, struct curve *response)
{
	curve_init(response, c->station.servers / c->station.service_s);
	return c->station.fan == 1 ? walk_single(c, response) : walk_batch(c, response);
}

/* --- the mean --------------------------------------------------------------------------------- */

/* g(a, b) in mean service times: the time from (a, b) to the end. */
static void
fill_times(double *g, unsigned servers, unsigned fan)
{
	for (unsigned b = 1; b <= fan; b++) {
		double *here = &g[(size_t)(b - 1) * servers];

		for (unsigned a = 0; a < servers; a++) {
			double own = own_servers(servers, a, b);
			double time = 1;

			if (a > 0)
				time += a * here[a - 1];
			if (b > 1)
				time += own * g[(size_t)(b - 2) * servers + a];
			here[a] = time / (a + own);
		}
	}
}

int
batch_mean(const struct crowd *c, double *mean_s)
{
	const struct station *s = &c->station;
	double *g = mem_alloc((size_t)s->servers * s->fan * sizeof(*g));
	const double *full;
	double sum = 0;

	if (!g)
		return ERR_MEMORY;
	fill_times(g, s->servers, s->fan);
	full = &g[(size_t)(s->fan - 1) * s->servers];
	for (size_t n = c->found; n-- > 0;) {
		size_t at = n < s->servers ? n : s->servers - 1;

		sum += crowd_found(c, n) * (full[at] + (double)(n - at) / s->servers);
	}
	*mean_s = sum * s->service_s;
	mem_free(&g);
	return 0;
}
