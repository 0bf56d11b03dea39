/*
 * Distributions by uniformisation, and percentiles by bisection; see curve.h.
 */
#include "planner/curve.h"

#include "base/mem.h"

#include <math.h>
#include <stdint.h>

enum {
	FIRST_ROOM = 256,
	DOUBLINGS_MAX = 200,
	HALVINGS = 48,
};

void
curve_init(struct curve *c, double rate)
{
	*c = (struct curve){ .rate = rate };
}

void
curve_fini(struct curve *c)
{
	mem_free(&c->left);
	c->steps = c->room = 0;
}

int
curve_append(struct curve *c, double left)
{
	if (c->steps == c->room) {
		size_t room = c->room ? c->room * 2 : FIRST_ROOM;
		double *grown = NULL;

		if (room <= SIZE_MAX / sizeof(*grown))
			grown = mem_grow(c->left, room * sizeof(*grown));
		if (!grown)
			return ERR_MEMORY;
		c->left = grown;
		c->room = room;
	}
	c->left[c->steps++] = left;
	return 0;
}

/*
 * sum Poisson(n; x) left[n]. Ten standard deviations and a bit around the mean hold all
 * of the sum that a double can show; the weight at their lower end is far from underflow.
 */
double
curve_over(const struct curve *c, double t)
{
	double x = c->rate * t;
	double reach = 10 * sqrt(x) + 60;
	double from = x > reach ? floor(x - reach) : 0;
	double weight, sum = 0;
	size_t n, end;

	if (from >= (double)c->steps)
		return 0;
	weight = x > 0 ? exp(from * log(x) - x - lgamma(from + 1)) : 1;
	n = (size_t)from;
	end = x + reach < (double)c->steps ? (size_t)(x + reach) : c->steps;
	for (; n < end; n++) {
		sum += weight * c->left[n];
		weight *= x / (double)(n + 1);
	}
	return sum;
}

/* The mean number of steps, each of which takes 1/rate. */
double
curve_mean(const struct curve *c)
{
	double sum = 0;

	for (size_t n = c->steps; n-- > 0;)
		sum += c->left[n];
	return sum / c->rate;
}

double
curve_invert(curve_over_fn over, const void *what, double p, double scale)
{
	double low = 0, high = scale;
	int i;

	if (over(what, 0) <= 1 - p)
		return 0;
	for (i = 0; i < DOUBLINGS_MAX && over(what, high) > 1 - p; i++) {
		low = high;
		high *= 2;
	}
	for (i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2;

		if (over(what, middle) > 1 - p)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static double
over_curve(const void *what, double t)
{
	return curve_over(what, t);
}

double
curve_percentile(const struct curve *c, double p)
{
	return curve_invert(over_curve, c, p, 1 / c->rate);
}
