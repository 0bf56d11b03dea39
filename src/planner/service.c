/*
 * The gamma distribution; see service.h. Tail by series or continued fraction
 * (Abramowitz and Stegun 6.5.29, 6.5.31), draws after Marsaglia and Tsang, "A
 * simple method for generating gamma variables", ACM TOMS 26 (2000) 363-372.
 */
#include "planner/service.h"

#include "planner/curve.h"

#include <math.h>

/* Below this a spread is nothing beside the error of any measurement: taken as 0. */
static const double cv_min = 1e-3;

enum { TERMS_MAX = 100000 };

static const double precise = 1e-15;

/* x^k e^-x / Gamma(k), the factor of both forms. */
static double
density_factor(double shape, double x)
{
	return exp(shape * log(x) - x - lgamma(shape));
}

/* For x < shape + 1: all terms are positive. */
static double
over_by_series(double shape, double x)
{
	double term = 1 / shape, sum = term;

	for (int i = 1; i < TERMS_MAX && term > precise * sum; i++) {
		term *= x / (shape + i);
		sum += term;
	}
	return 1 - sum * density_factor(shape, x);
}

/* For x >= shape + 1, by the modified method of Lentz. */
static double
over_by_fraction(double shape, double x)
{
	double b = x + 1 - shape;
	double c = 1e300, d = 1 / b, h = d;

	for (int i = 1; i < TERMS_MAX; i++) {
		double an = -i * (i - shape);
		double change;

		b += 2;
		d = 1 / (an * d + b);
		c = b + an / c;
		change = c * d;
		h *= change;
		if (fabs(change - 1) < precise)
			break;
	}
	return h * density_factor(shape, x);
}

double
service_over(double cv, double t)
{
	double shape, x;

	if (cv < cv_min)
		return t < 1 ? 1 : 0;
	if (t <= 0)
		return 1;
	if (cv == 1)
		return exp(-t);
	shape = 1 / (cv * cv);
	x = t * shape;
	return x < shape + 1 ? over_by_series(shape, x) : over_by_fraction(shape, x);
}

static double
over_unit(const void *what, double t)
{
	return service_over(*(const double *)what, t);
}

double
service_percentile(double cv, double p)
{
	if (cv < cv_min)
		return 1;
	if (cv == 1)
		return -log1p(-p);
	return curve_invert(over_unit, &cv, p, 1);
}

double
service_uniform(struct random *r)
{
	return ((double)(random_next(r) >> 11) + 1) * 0x1p-53;
}

double
service_gap(struct random *r)
{
	return -log(service_uniform(r));
}

static double
draw_normal(struct random *r)
{
	double radius = sqrt(2 * service_gap(r));

	return radius * cos(2 * 3.14159265358979323846 * service_uniform(r));
}

/* For shape >= 1; mean is the shape. */
static double
draw_gamma(double shape, struct random *r)
{
	double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);

	for (;;) {
		double x = draw_normal(r);
		double v = 1 + c * x;

		if (v <= 0)
			continue;
		v = v * v * v;
		if (log(service_uniform(r)) < x * x / 2 + d * (1 - v + log(v)))
			return d * v;
	}
}

double
service_draw(double cv, struct random *r)
{
	double shape;

	if (cv < cv_min)
		return 1;
	if (cv == 1)
		return service_gap(r);
	shape = 1 / (cv * cv);
	if (shape >= 1)
		return draw_gamma(shape, r) / shape;
	/* A gamma of shape + 1 times U^(1/shape) is one of shape. */
	return draw_gamma(shape + 1, r) * pow(service_uniform(r), 1 / shape) / shape;
}
