/*
 * How the parts of a run ended: for Forebay-Parts, and for the access log, which
 * asks when the exchange has ended (exchange->ran). On the worker.
 */
#ifndef FOREBAY_PLAN_REPORT_H
#define FOREBAY_PLAN_REPORT_H

#include "base/slice.h"

struct run;

struct report_part {
	struct slice name; /* of the one part of a route without [subrequest]: its source's kind */
	const char *outcome; /* a word of metrics/outcomes.def */
	uint64_t ns; /* from its start to its end; 0: it never started */
};

/* The i-th declared part, of an ended run; false when there are no more. */
bool report_part(const struct run *r, unsigned i, struct report_part *part);

#endif
