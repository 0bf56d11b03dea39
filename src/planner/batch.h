/*
 * The response of a request: from its arrival until the last of its jobs is done,
 * where jobs are exponential and all go through one queue ("fork and join in one
 * shared queue": the case of a pool, unlike k queues of their own).
 */
#ifndef FOREBAY_PLANNER_BATCH_H
#define FOREBAY_PLANNER_BATCH_H

#include "planner/crowd.h"

/* The caller owns the curve, after an error too. ERR_TOO_LARGE: more steps than can be
 * reckoned in a second or so; ERR_MEMORY. */
int batch_response(const struct crowd *c, struct curve *response) MUST_CHECK;
/* Its mean in seconds, by a recursion of its own, without the curve. ERR_MEMORY. */
int batch_mean(const struct crowd *c, double *mean_s) MUST_CHECK;

#endif
