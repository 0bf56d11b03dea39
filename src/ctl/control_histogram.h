/*
 * The file of `forebayctl plan --histogram`: service times as they were measured.
 * Either lines of an upper bound and a count,
 *
 *     10ms 120
 *     20ms 45
 *     +Inf 3
 *
 * or what /metrics answered once, of which the run times of one pool are taken.
 */
#ifndef FOREBAY_CTL_CONTROL_HISTOGRAM_H
#define FOREBAY_CTL_CONTROL_HISTOGRAM_H

#include "base/slice.h"
#include "planner/measured.h"

enum { CONTROL_HISTOGRAM_WHY = 512 };

/* pool: NULL: the only one that ran anything. False: why[] says FILE:LINE and what is wrong. */
bool control_histogram_parse(struct measured *m, const char *file, struct slice text,
			     const char *pool, char why[CONTROL_HISTOGRAM_WHY]);
/* The same of a file. */
bool control_histogram_read(struct measured *m, const char *file, const char *pool,
			    char why[CONTROL_HISTOGRAM_WHY]);

#endif
