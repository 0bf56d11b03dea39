/*
 * How many jobs are in a station, waiting and running, in the long run, where
 * jobs are exponential: M/M/c/K, and with a fan-out M[k]/M/c/K, whose batches
 * are taken or refused as one. From it follow what is refused and how long a
 * job waits (curve.h).
 *
 * A crowd owns its shares.
 */
#ifndef FOREBAY_PLANNER_CROWD_H
#define FOREBAY_PLANNER_CROWD_H

#include "planner/curve.h"
#include "planner/station.h"

struct crowd {
	struct station station; /* its cv is taken as 1 */
	double *share; /* owned: of time with n jobs */
	size_t states; /* n goes to states - 1 */
	size_t found; /* n that a batch which is taken may find: below this */
	double refused; /* share of the requests */
};

/*
 * ERR_SHED: not bounded and loaded to 1 or above, so that there is no long run. ERR_ARGUMENT:
 * no batch ever fits. ERR_TOO_LARGE: not bounded and too near to 1 to be reckoned so.
 * ERR_MEMORY. Nothing is held after an error.
 */
int crowd_init(struct crowd *c, const struct station *s) MUST_CHECK;
void crowd_fini(struct crowd *c);
/* The share of taken batches that find n others. */
double crowd_found(const struct crowd *c, size_t n);
/* How long a job that was taken waits; the caller owns the curve, after an error too. ERR_MEMORY.
 */
int crowd_wait(const struct crowd *c, struct curve *wait) MUST_CHECK;

#endif
