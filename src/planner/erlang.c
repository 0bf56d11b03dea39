/*
 * Erlang's B and C by recursion; see erlang.h.
 */
#include "planner/erlang.h"

#include <math.h>

enum { HALVINGS = 60 };

/* The factorials of the textbook form overflow above 170 servers; this never does. */
double
erlang_b(double work, unsigned servers)
{
	double b = 1;

	for (unsigned n = 1; n <= servers; n++)
		b = work * b / (n + work * b);
	return b;
}

double
erlang_c(double work, unsigned servers)
{
	double load = work / servers;
	double b = erlang_b(work, servers);

	return load < 1 ? b / (1 - load * (1 - b)) : 1;
}

/*
 * e^-t + C (e^-t - e^-(c-a)t) / (c-1-a), with the quotient written as e^-t (1 - e^-xt)/x,
 * x = c-1-a: near x = 0 the difference of the two powers would lose all its digits.
 */
double
erlang_response_over(double work, unsigned servers, double t)
{
	double x = servers - 1 - work;
	double ratio = fabs(x * t) < 1e-12 ? t : -expm1(-x * t) / x;

	/* For x < 0 the ratio grows as e^|x|t: both powers together do not. */
	if (x * t < -1)
		return exp(-t) + erlang_c(work, servers) * (exp(-t) - exp(-(x + 1) * t)) / x;
	return exp(-t) * (1 + erlang_c(work, servers) * ratio);
}

/* The response grows with the service, towards infinity where the load is 1. */
double
erlang_service(double rate, unsigned servers, double response)
{
	double low = 0, high = fmin(response, servers / rate);

	for (int i = 0; i < HALVINGS; i++) {
		double service = (low + high) / 2, work = rate * service;
		double waits = erlang_c(work, servers) * service / (servers - work);

		if (service + waits < response)
			low = service;
		else
			high = service;
	}
	return low;
}
