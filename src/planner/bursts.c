/*
 * M[X]/M/c with geometric X; see bursts.h. Between n and n + 1 jobs as many go up as down (level
 * crossing), and a burst that comes to i is longer than n - i with together^(n - i):
 *
 *	min(n + 1, c) share(n + 1) = bursts * crossing(n)
 *	crossing(n) = together * crossing(n - 1) + share(n)
 *
 * Above c that is a geometric row, so that sums over what waits are closed. Below, the scale comes
 * from the idle servers: their mean is c - work.
 * Source: Chaudhry and Templeton, A First Course in Bulk Queues (1983).
 */
#include "planner/bursts.h"

/* Rows are scaled down here: squares of what grows must be numbers. */
static const double huge = 1e150;

double
bursts_together(double dispersion)
{
	return (dispersion - 1) / (dispersion + 1);
}

/* crossing(c - 1), of shares that add up to 1. */
static double
crossing_below(double work, unsigned servers, double together)
{
	double bursts = work * (1 - together);
	double share = 1, crossing = 1, idle = servers;

	for (unsigned n = 1; n < servers; n++) {
		share = bursts * crossing / n;
		crossing = together * crossing + share;
		idle += (servers - n) * share;
		if (idle > huge) {
			crossing /= huge;
			idle /= huge;
		}
	}
	return crossing * (servers - work) / idle;
}

struct bursts
bursts_wait(double work, unsigned servers, double dispersion)
{
	double together = bursts_together(dispersion);
	double load = work / servers;
	double size = 1 / (1 - together); /* of a burst */
	double waits = load / (1 - load) + together; /* for each that crosses */

	return (struct bursts){
		.p_wait = crossing_below(work, servers, together) * waits,
		.mean_wait = (size - 1 + load) / (servers * (1 - load) * (1 - load) * waits),
	};
}
